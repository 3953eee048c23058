"""The words of the property tests about messages and records: strategies, each drawing what a feed could send."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from mappers.context import NHS_NUMBER, Authority, MappingContext, Source
from mappers.facts import CLASS_RANK, Assertion, IdentifierFact, PatientFacts, Stamp

MRN = "https://weald.example/fhir/Id/RTK/mrn"
RTK = Authority("RTK", MRN, "MR", "RTK")
CONTEXT = MappingContext(Source("rtk-pas", "RTK", authorities={"RTK": RTK}, default_authority=RTK, charset="UTF-8"), "2024-05-01T12:00:00.000000Z")

HEAD = "MSH|^~\\&|PAS|RTK|WEALD|REGION|20240501101112||ADT^A08^ADT_A01|M1|P|2.4||||||UNICODE UTF-8"

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
"""What a person types into a field, separators included."""

raw_fields = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="|\r\n"), max_size=20)
"""The raw text of a field: any text between two field separators."""

lines = st.builds(lambda name, fields: "|".join([name, *fields]), st.sampled_from(["PID", "PV1", "NK1", "ZZZ", "OBX"]), st.lists(raw_fields, max_size=12))

stamps = st.builds(
    lambda rank, day, message, control_id, source: Stamp(
        CLASS_RANK[rank], f"2024-05-{day:02d}T09:00:00.000000Z", f"2024-05-{message:02d}T09:00:00.000000Z", 0, control_id, f"{control_id}{source}", source
    ),
    st.sampled_from("PHOVD"), st.integers(1, 4), st.integers(1, 2), st.sampled_from("ABCDEFGH"), st.sampled_from(["pas", "ris"]),
)  # fmt: skip

names = st.builds(lambda family, given: [{"family": family, "given": [given]}], st.sampled_from(["SMITH", "JONES", "BROWN", "GREEN", "WHITE", "BLACK"]), st.sampled_from("AB"))
birth_dates = st.builds(lambda value, quality: {"value": value, **quality}, st.sampled_from(["1970-03-11", "1970-11-03"]), st.sampled_from([{}, {"quality": ""}, {"quality": "default"}]))
telecoms = st.lists(st.builds(lambda value: {"system": "phone", "value": value}, st.sampled_from("12345678")), min_size=1, max_size=3)
deaths = st.sampled_from([{"boolean": True}, {"boolean": False}, {"dateTime": "2024-04-30"}])

FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": names,
    "name.alias": names,
    "birthDate": birth_dates,
    "gender": st.sampled_from([{"value": "female", "raw": "2"}, {"value": "male", "raw": "1"}, {"value": "unknown", "raw": "0"}]),
    "telecom.home": telecoms,
    "telecom.work": telecoms,
    "address": st.builds(lambda code: [{"postalCode": code}], st.sampled_from(["TN37 7PT", "GU2 7XX", "KT16 0PZ", "ZZ99 3VZ"])),
    "deceased": deaths,
    "deceased.V1": deaths,
    "pseudo": st.booleans(),
    "restricted": st.booleans(),
}

LISTS = ("address", "telecom.home")

assertions = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda name: st.builds(Assertion, st.just(name), st.none() | FIELDS[name], st.booleans() if name in LISTS else st.just(False))
)

identifiers = st.one_of(
    st.builds(
        lambda value, use, ended: IdentifierFact(MRN, value, owner="RTK", use=use, ended=ended or not value),
        st.sampled_from(["", "1", "2", "3"]), st.sampled_from([None, "old"]), st.booleans(),
    ),
    st.builds(
        lambda value, status: IdentifierFact(NHS_NUMBER, value, "NH", None, status=status, ended=not value),
        st.sampled_from(["", "9434765919", "9434765870"]), st.sampled_from([None, "01", "02"]),
    ),
)  # fmt: skip

patient_facts = st.builds(
    PatientFacts,
    st.lists(identifiers, max_size=3, unique_by=lambda fact: fact.key).map(tuple),
    st.lists(assertions, max_size=4, unique_by=lambda one: one.field).map(tuple),
    st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple),
)

histories = st.lists(st.tuples(patient_facts, stamps), max_size=8)
"""Everything said of one record, in some order."""
