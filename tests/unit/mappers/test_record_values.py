"""A record as plain values for the matcher (matching.md 2)."""

from __future__ import annotations

from mappers.context import NHS_NUMBER
from mappers.facts import IdentifierFact
from mappers.patient import PatientState
from mappers.record_values import AddressValue, NameValue, record_values


def test_an_empty_record_has_no_values():
    found = record_values(PatientState.empty())
    assert (found.names, found.birth_date, found.sex, found.nhs_number, found.nhs_status, found.nhs_labelled) == ((), "", "", "", None, True)
    assert (found.identifiers, found.mothers_maiden_name, found.birth_order, found.first_event_date) == ((), "", "", "")


def test_current_values_come_first_then_past_ones(state_of, facts, stamp):
    state = state_of(
        (facts(name=[{"family": "SMITH", "given": ["BEA", "ANN"], "suffix": ["JR"]}], address=[{"line": ["1 OLD ST"], "postalCode": "TN37 7PT"}],
               telecom_home=[{"system": "phone", "value": "1"}, {"system": "fax", "value": "9"}]), stamp(1)),
        (facts(name=[{"family": "JONES", "given": ["BEA"]}], address=[{"city": "X"}], telecom_work=[{"system": "email", "value": "b@j.uk"}]), stamp(2)),
    )  # fmt: skip
    found = record_values(state)
    assert found.names == (NameValue("JONES", "BEA", "", ""), NameValue("SMITH", "BEA", "ANN", "JR"))
    assert found.addresses == (AddressValue((), "X", ""), AddressValue(("1 OLD ST",), "", "TN37 7PT"))
    assert (found.phones, found.emails) == (("1",), ("b@j.uk",))
    assert found.first_event_date == "2024-05-01"


def test_at_most_four_names(state_of, facts, stamp):
    state = state_of(*((facts(name=[{"family": f"N{day}"}]), stamp(day)) for day in range(1, 9)))
    assert [n.family for n in record_values(state).names] == ["N8", "N7", "N6", "N5"]


def test_only_identifiers_in_force_count(state_of, facts, stamp, mrn):
    state = state_of((
        facts(mrn("1"), mrn("2", use="old"), mrn("3", use="temp"), mrn("4", ended=True), IdentifierFact(NHS_NUMBER, "9434765919", "NH", status="01", labelled=False)),
        stamp(1),
    ))
    found = record_values(state)
    assert found.identifiers == (("https://weald.example/fhir/Id/RTK/mrn", "1"),)
    assert (found.nhs_number, found.nhs_status, found.nhs_labelled) == ("9434765919", "01", False)


def test_the_rest(state_of, facts, stamp):
    state = state_of((
        facts(
            birthDate={"value": "1970-01-01", "quality": "default"}, gender={"value": "female", "raw": "2"}, alias=True, addressDefault=True,
            pseudo=True, multipleBirth={"integer": 2}, mothersMaidenName=[{"family": "BROWN", "given": ["ANN"]}],
        ),
        stamp(1, "H"),
    ))  # fmt: skip
    found = record_values(state)
    assert (found.birth_date, found.birth_date_quality, found.sex) == ("1970-01-01", "default", "female")
    assert (found.alias, found.address_default, found.pseudo, found.header_only) == (True, True, True, True)
    assert (found.mothers_maiden_name, found.birth_order) == ("BROWN ANN", "2")
