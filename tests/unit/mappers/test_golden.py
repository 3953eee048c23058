"""The golden patient: survivorship of matching.md 8, a pure view in any order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from mappers import fhir
from mappers.context import NHS_NUMBER
from mappers.facts import IdentifierFact
from mappers.golden import Member, golden_patient, retired_golden_patient
from mappers.patient import PatientState

BASE = "https://weald.example/fhir"
SMITH = [{"family": "SMITH", "given": ["ALICE"]}]
JONES = [{"family": "JONES", "given": ["ALICE"]}]


def nhs(value: str, **more: Any) -> IdentifierFact:
    return IdentifierFact(NHS_NUMBER, value, "NH", None, **more)


@pytest.fixture
def member(facts, stamp) -> Callable[..., Member]:
    """A record ``id`` of trust ``organisation`` after one message on ``day`` in class ``rank``."""

    def make(id: str, *identifiers: IdentifierFact, organisation: str = "RTK", day: int = 1, rank: str = "D", live: bool = True, **fields: Any) -> Member:
        state = PatientState.empty().apply(facts(*identifiers, **fields), stamp(day, rank, f"{organisation}-pas"))
        return Member(id, state, organisation, f"urn:{id}", state.first_event_time, live)

    return make


def golden(*members: Member, **more: Any) -> dict[str, Any]:
    made = [golden_patient(order, id="g", base=BASE, admit_test_numbers=True, **more) for order in permutations(members)]
    assert all(one == made[0] for one in made)
    fhir.validate(made[0])
    return made[0]


def record_of(element: dict[str, Any]) -> str:
    (extension,) = [e for e in element["extension"] if e["url"] == f"{BASE}/StructureDefinition/source-record"]
    return extension["valueReference"]["reference"].removeprefix("Patient/")


def test_it_links_every_member_and_says_what_it_is(member, mrn):
    made = golden(member("b", mrn("2")), member("a", mrn("1")))
    assert made["meta"]["tag"] == [{"system": f"{BASE}/CodeSystem/record-class", "code": "golden"}]
    assert made["link"] == [{"other": {"reference": f"Patient/{id}", "type": "Patient"}, "type": "seealso"} for id in ("a", "b")]
    assert made["active"] is True
    assert "managingOrganization" not in made


def test_it_carries_every_identifier_once_each_naming_its_record(member, mrn):
    made = golden(
        member("a", mrn("1"), mrn("7", use="old"), live=False),
        member("b", mrn("2"), mrn("7")),
        member("c", mrn("3"), IdentifierFact("urn:x", "9", ended=True), mrn("", ended=True), organisation="RXC", day=2),
    )
    assert [(i["value"], record_of(i), i.get("use")) for i in made["identifier"]] == [
        ("1", "a", None), ("2", "b", None), ("3", "c", None), ("7", "b", None), ("9", "c", "old"),
    ]  # fmt: skip


def test_a_deleted_identifier_is_not_carried(facts, stamp, mrn):
    state = PatientState.empty().apply(facts(mrn("1")), stamp(1)).apply(facts(mrn("", ended=True)), stamp(2))
    assert "identifier" not in golden(Member("a", state, "RTK", "k", ""))


def test_the_one_nhs_number_is_the_evidential_one(member):
    made = golden(
        member("a", nhs("9434765870"), day=9),
        member("b", nhs("9434765919", status="01")),
        member("c", nhs("1000000028", status="01"), day=8),
    )
    (number,) = made["identifier"]
    assert (number["value"], record_of(number)) == ("9434765919", "b")
    assert number["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "01"


def test_an_unlabelled_number_is_no_evidence(member):
    (number,) = golden(member("a", nhs("9434765919", status="01", labelled=False), day=9), member("b", nhs("9434765870", status="01")))["identifier"]
    assert number["value"] == "9434765870"


def test_a_higher_class_then_an_evidential_number_then_the_newest_then_the_smallest_key(member):
    def name(*members: Member) -> str:
        return record_of(golden(*members)["name"][0])

    assert name(member("a", name=SMITH, rank="V", day=9), member("b", name=JONES, rank="D", day=1)) == "b"
    assert name(member("a", name=SMITH, day=9), member("b", nhs("9434765919", status="01"), name=JONES, day=1)) == "b"
    assert name(member("a", name=SMITH, day=1), member("b", name=JONES, day=2)) == "b"
    assert name(member("b", name=SMITH), member("a", name=JONES)) == "a"


def test_a_replaced_record_gives_no_demographics_unless_all_are(member):
    assert record_of(golden(member("a", name=SMITH, day=9, live=False), member("b", name=JONES))["name"][0]) == "b"
    assert record_of(golden(member("a", name=SMITH, live=False))["name"][0]) == "a"


def test_known_values_win_over_unknown_ones(member):
    made = golden(
        member("a", name=[{"family": "UNKNOWN"}], gender={"value": "unknown", "raw": "0"}, address=[{"postalCode": "ZZ99 3VZ"}],
               birthDate={"value": "1970-01-01", "quality": "default"}, day=9),
        member("b", name=SMITH, gender={"value": "female", "raw": "2"}, address=[{"postalCode": "TN37 7PT"}], birthDate={"value": "1970-03-11"}),
        member("c", name=[{"given": ["BABY"], "family": "SMITH"}], address=[{"city": "X"}], addressDefault=True, day=8),
    )  # fmt: skip
    assert (made["name"][0]["family"], made["gender"], made["address"][0]["postalCode"], made["birthDate"]) == ("SMITH", "female", "TN37 7PT", "1970-03-11")
    assert record_of(made["name"][0]) == record_of(made["_gender"]) == record_of(made["_birthDate"]) == "b"
    assert golden(member("a", name=[{"text": "?"}]), member("b", name=SMITH))["name"][0]["family"] == "SMITH"


def test_birth_date_and_gender_are_those_of_most_trusts(member):
    def one(id: str, organisation: str, date: str, sex: str, day: int = 1) -> Member:
        return member(id, organisation=organisation, birthDate={"value": date}, gender={"value": sex, "raw": "x"}, day=day)

    made = golden(
        one("a", "RTK", "1970-03-11", "female", 9), one("b", "RTK", "1970-03-11", "female", 8),
        one("c", "RXC", "1970-11-03", "male"), one("d", "RA2", "1970-11-03", "male", 2),
    )  # fmt: skip
    assert (made["birthDate"], made["gender"]) == ("1970-11-03", "male")
    assert record_of(made["_birthDate"]) == "c"


def test_the_birth_time_stays_beside_the_name_of_the_record(member):
    made = golden(member("a", birthDate={"value": "1970-03-11", "time": "1970-03-11T14:25:00+01:00"}))
    assert [e["url"].rsplit("/", 1)[1] for e in made["_birthDate"]["extension"]] == ["patient-birthTime", "source-record"]


def test_any_death_in_force_counts_a_dated_one_first(member):
    alive, dead = {"boolean": False}, {"boolean": True}
    assert golden(member("a", deceased=alive, day=9), member("b", deceased=dead))["deceasedBoolean"] is True
    dated = golden(member("a", deceased=dead, day=9), member("b", deceased={"dateTime": "2024-04-30"}), member("c"))
    assert (dated["deceasedDateTime"], record_of(dated["_deceasedDateTime"])) == ("2024-04-30", "b")
    assert golden(member("a", deceased=alive))["deceasedBoolean"] is False


def test_one_restricted_member_restricts_the_person(member):
    hidden = {"address": [{"city": "X"}], "telecom_home": [{"system": "phone", "value": "1"}]}
    made = golden(member("a", name=SMITH, **hidden), member("b", restricted=True, live=False))
    assert made["meta"]["security"][0]["code"] == "R"
    assert not made.keys() & {"address", "telecom", "contact", "generalPractitioner"}


def test_every_other_element_comes_from_one_record_and_names_it(member):
    made = golden(
        member(
            "a", day=2, telecom_home=[{"system": "phone", "value": "1"}], telecom_work=[{"system": "phone", "value": "2"}],
            maritalStatus={"text": "Married"}, multipleBirth={"integer": 1}, contact=[{"name": {"family": "B"}}], language={"text": "EN"},
            generalPractitioner_practitioner=[{"display": "DR"}], ethnicCategory={"coding": [{"code": "A"}]}, religion={"text": "C"},
            birthPlace="LONDON", citizenship={"text": "GBR"}, mothersMaidenName=[{"family": "BROWN"}],
        ),
        member("b", telecom_home=[{"system": "phone", "value": "3"}], maritalStatus={"text": "Single"}),
    )  # fmt: skip
    assert [t["value"] for t in made["telecom"]] == ["1", "2"]
    for element in ("telecom", "contact", "communication", "generalPractitioner"):
        assert all(record_of(item) == "a" for item in made[element])
    assert record_of(made["maritalStatus"]) == record_of(made["_multipleBirthInteger"]) == "a"
    ethnic, religion, place, citizenship, mother = made["extension"]
    assert record_of(ethnic["valueCodeableConcept"]) == record_of(religion["valueCodeableConcept"]) == record_of(place["valueAddress"]) == "a"
    assert record_of(citizenship["extension"][0]["valueCodeableConcept"]) == "a"
    assert (mother["valueString"], record_of(mother["_valueString"])) == ("BROWN", "a")


def test_a_mother_without_family_name_is_left_out(member):
    assert "extension" not in golden(member("a", mothersMaidenName=[{"given": ["ANN"]}]))


def test_flags_are_tags(member):
    assert golden(member("a"), flags=["review"])["meta"]["tag"][1]["code"] == "review"


def test_a_person_without_records_is_inactive_and_replaced():
    made = retired_golden_patient(id="g", successor="h", base=BASE)
    fhir.validate(made)
    assert made["active"] is False
    assert made["link"] == [{"other": {"reference": "Patient/h", "type": "Patient"}, "type": "replaced-by"}]


def test_saying_the_same_again_later_changes_nothing_of_the_golden_patient(member):
    same = {"name": SMITH, "birthDate": {"value": "1970-03-11"}, "gender": {"value": "female", "raw": "F"}}
    early, late = (golden(member("a", nhs("9434765919", status="01"), **same), member("b", nhs("9434765919", status="01"), day=day, **same)) for day in (1, 9))
    assert early == late
    assert record_of(late["name"][0]) == "a"
