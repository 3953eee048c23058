"""A record's state as a UK Core flavoured Patient (hl7v2.md 2, nhs.md 1 and 6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mappers import fhir
from mappers.context import NHS_NUMBER, ODS_CODE
from mappers.facts import IdentifierFact
from mappers.patient import PatientState
from mappers.source_patient import (
    INDEX_PATIENT,
    UK_CORE_PATIENT,
    VERIFICATION_STATUS,
    source_patient,
    source_uri,
)

BASE = "https://weald.example/fhir"
MRN = "https://weald.example/fhir/Id/RTK/mrn"
NAME = [{"use": "official", "family": "SMITH", "given": ["ALICE"]}]
FEMALE = {"value": "female", "raw": "2"}


def nhs(value: str, **more: Any) -> IdentifierFact:
    return IdentifierFact(NHS_NUMBER, value, "NH", None, **more)


def patient(state: PatientState, **more: Any) -> dict[str, Any]:
    made = source_patient(state, id="alice", organisation="RTK", canonical_base=BASE, **more)
    fhir.validate(made)
    return made


def test_the_smallest_patient_says_who_keeps_the_record():
    assert patient(PatientState.empty()) == {
        "resourceType": "Patient",
        "id": "alice",
        "meta": {"profile": [UK_CORE_PATIENT], "tag": [{"system": f"{BASE}/CodeSystem/record-class", "code": "source"}]},
        "active": True,
        "managingOrganization": {"reference": "Organization/RTK", "identifier": {"system": ODS_CODE, "value": "RTK"}},
    }


def test_every_element_in_fhirs_order(state_of, facts, stamp, mrn):
    state = state_of((
        facts(
            mrn("1"), nhs("9434765919", status="01"), name=NAME, name_alias=[{"family": "ALI"}], gender=FEMALE,
            birthDate={"value": "1970-03-11", "time": "1970-03-11T14:25:00+01:00"}, deceased={"dateTime": "2024-04-30"},
            address=[{"line": ["1 HIGH ST"], "postalCode": "TN37 7PT"}], telecom_home=[{"system": "phone", "value": "1", "use": "home"}],
            telecom_work=[{"system": "phone", "value": "2", "use": "work"}], telecom_other=[{"system": "email", "value": "a@b.uk"}],
            maritalStatus={"text": "Married"}, multipleBirth={"integer": 2}, contact=[{"name": {"family": "BOB"}}],
            language={"coding": [{"system": "urn:ietf:bcp:47", "code": "en"}]}, religion={"text": "C22"}, birthPlace="LONDON",
            citizenship={"text": "GBR"}, ethnicCategory={"coding": [{"code": "A"}]}, mothersMaidenName=[{"family": "BROWN"}],
            generalPractitioner_practice=[{"type": "Organization", "display": "SURGERY"}],
            generalPractitioner_practitioner=[{"type": "Practitioner", "display": "DR BROWN"}],
        ),
        stamp(1),
    ))  # fmt: skip
    made = patient(state, organisation_name="Ashford and St Peter's", message=("rtk-pas", "M 1"), links=[{"other": {"reference": "Patient/b"}, "type": "replaces"}])
    assert list(made) == [
        "resourceType", "id", "meta", "extension", "identifier", "active", "name", "telecom", "gender", "birthDate", "_birthDate",
        "deceasedDateTime", "address", "maritalStatus", "multipleBirthInteger", "contact", "communication", "generalPractitioner",
        "managingOrganization", "link",
    ]  # fmt: skip
    assert made["meta"]["source"] == f"{BASE}/source/rtk-pas#M%201" == source_uri(BASE, ("rtk-pas", "M 1"))
    assert made["meta"]["profile"] == [UK_CORE_PATIENT, INDEX_PATIENT]
    assert [e["url"].rsplit("/", 1)[1] for e in made["extension"]] == [
        "Extension-UKCore-EthnicCategory", "patient-religion", "patient-birthPlace", "patient-citizenship", "patient-mothersMaidenName",
    ]  # fmt: skip
    assert [n["family"] for n in made["name"]] == ["SMITH", "ALI"]
    assert [t["value"] for t in made["telecom"]] == ["1", "2", "a@b.uk"]
    assert made["_birthDate"]["extension"][0]["valueDateTime"] == "1970-03-11T14:25:00+01:00"
    assert [r["type"] for r in made["generalPractitioner"]] == ["Organization", "Practitioner"]
    assert made["managingOrganization"]["display"] == "Ashford and St Peter's"


def test_identifiers_are_typed_and_assigned(state_of, facts, stamp, mrn):
    made = patient(state_of((facts(mrn("1", start="2020", assumed=True), nhs("9434765919", status="01")), stamp(1))))
    number, local = made["identifier"]
    assert (number["system"], number["value"], number["type"]["coding"][0]["code"]) == (NHS_NUMBER, "9434765919", "NH")
    assert number["extension"][0]["url"] == VERIFICATION_STATUS
    assert number["extension"][0]["valueCodeableConcept"]["coding"][0] == {
        "system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland",
        "code": "01",
        "display": "Number present and verified",
    }
    assert local == {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
        "system": MRN,
        "value": "1",
        "period": {"start": "2020"},
        "assigner": {"identifier": {"system": ODS_CODE, "value": "RTK"}},
    }


def test_a_number_without_status_has_no_extension(state_of, facts, stamp):
    assert "extension" not in patient(state_of((facts(nhs("9434765919")), stamp(1))))["identifier"][0]


def test_at_most_one_nhs_number_is_shown(state_of, facts, stamp):
    state = state_of((facts(nhs("9434765870")), stamp(1)), (facts(nhs("9434765919")), stamp(2)))
    assert [i["value"] for i in patient(state)["identifier"]] == ["9434765919"]
    assert {"system": f"{BASE}/CodeSystem/flag", "code": "nhs-number-conflict"} in patient(state)["meta"]["tag"]


def test_a_deleted_identifier_goes_and_an_expired_one_is_old(state_of, facts, stamp, mrn):
    state = state_of((facts(mrn("1"), IdentifierFact("urn:x", "9", owner=None, end="2020-01-01", ended=True)), stamp(1)), (facts(mrn("", ended=True)), stamp(2)))
    (kept,) = patient(state)["identifier"]
    assert (kept["value"], kept["use"], kept["period"], "assigner" in kept) == ("9", "old", {"end": "2020-01-01"}, False)


def test_identifiers_of_merged_records_are_shown_as_old(state_of, facts, stamp, mrn):
    state = state_of((facts(mrn("1")), stamp(1)))
    former = [(mrn("2"), "2024-05-02T09:00:00.000000Z"), (mrn("1"), "2024-05-02"), (nhs("9434765919"), "2024-05-02")]
    assert [(i["value"], i.get("use"), i.get("period")) for i in patient(state, former=former)["identifier"]] == [
        ("1", None, None),
        ("2", "old", {"end": "2024-05-02"}),
    ]


def test_an_identifier_that_a_merge_ends_before_it_starts_has_no_start(state_of, facts, stamp, mrn):
    former = [(replace(mrn("2"), start="2024-06-01"), "2024-05-02T09:00:00.000000Z")]
    shown = patient(state_of((facts(mrn("1")), stamp(1))), former=former)
    assert shown["identifier"][1]["period"] == {"end": "2024-05-02"}
    assert fhir.faults(shown) == []


def test_a_restricted_patient_shows_neither_address_nor_telecom_nor_gp_nor_contact(state_of, facts, stamp, mrn):
    secret = facts(
        mrn("1"), name=NAME, address=[{"city": "X"}], telecom_home=[{"system": "phone", "value": "1"}], contact=[{"name": {"family": "B"}}],
        generalPractitioner_practice=[{"display": "S"}], restricted=True,
    )  # fmt: skip
    made = patient(state_of((secret, stamp(1))))
    assert not made.keys() & {"address", "telecom", "contact", "generalPractitioner"}
    assert made["meta"]["security"] == [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]
    assert made["name"] == NAME
    opened = patient(state_of((secret, stamp(1)), (facts(restricted=False), stamp(2))))
    assert opened["address"] == [{"city": "X"}]
    assert "security" not in opened["meta"]


def test_a_replaced_record_is_inactive_and_names_its_survivor():
    link = {"other": {"reference": "Patient/b"}, "type": "replaced-by"}
    made = patient(PatientState.empty(), active=False, links=[link], flags=["merged"])
    assert (made["active"], made["link"]) == (False, [link])
    assert made["meta"]["tag"][1] == {"system": f"{BASE}/CodeSystem/flag", "code": "merged"}


def test_profiles_are_claimed_only_where_met(state_of, facts, stamp, mrn):
    def profiles(**fields: Any) -> list[str]:
        return patient(state_of((facts(mrn("1"), **fields), stamp(1))))["meta"].get("profile", [])

    assert profiles(name=NAME, gender=FEMALE) == [UK_CORE_PATIENT, INDEX_PATIENT]
    assert profiles(name=NAME) == [UK_CORE_PATIENT]
    assert profiles(gender=FEMALE) == [UK_CORE_PATIENT]
    assert profiles(name=NAME, gender=FEMALE, address=[{"city": "X"}, {"city": "Y"}]) == [UK_CORE_PATIENT]
    assert profiles(name=NAME, gender=FEMALE, language={"text": "EN"}) == []


@pytest.mark.parametrize(
    ("deaths", "element"),
    [
        ({"deceased": {"boolean": True}}, ("deceasedBoolean", True)),
        ({"deceased": {"boolean": False}}, ("deceasedBoolean", False)),
        ({"deceased": {"boolean": False}, "deceased_V1": {"boolean": True}}, ("deceasedBoolean", True)),
        ({"deceased": {"boolean": True}, "deceased_V1": {"dateTime": "2024"}}, ("deceasedDateTime", "2024")),
    ],
)
def test_the_death_in_force(state_of, facts, stamp, deaths, element):
    made = patient(state_of((facts(**deaths), stamp(1))))
    assert made[element[0]] == element[1]
    assert len([key for key in made if key.startswith("deceased")]) == 1


def test_a_withdrawn_discharge_death_leaves_the_others(state_of, facts, stamp):
    state = state_of((facts(deceased={"boolean": True}), stamp(1)), (facts(deceased_V1={"dateTime": "2024"}), stamp(2, "V")))
    assert patient(state.apply(facts(deceased_V1=None), stamp(3, "V")))["deceasedBoolean"] is True


def test_multiple_birth_may_be_a_boolean(state_of, facts, stamp):
    assert patient(state_of((facts(multipleBirth={"boolean": True}), stamp(1))))["multipleBirthBoolean"] is True


def test_a_mother_without_family_name_is_not_shown(state_of, facts, stamp):
    assert "extension" not in patient(state_of((facts(mothersMaidenName=[{"given": ["ANN"]}]), stamp(1))))
