"""Patient facts and keys of headers (imaging.md 2.1, 2.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mappers.context import NHS_NUMBER, MappingContext
from mappers.dicom.patient import patient_facts, patient_key
from mappers.dicom.person_names import display_from_pn, human_names_from_pn
from mappers.facts import IdentifierFact, PatientFacts
from tests.unit.mappers.dicom.making import BASE, RA2, RTK, SOURCES, STUDY, facts, item

ALICE_NUMBER = "4010232137"
TEST_NUMBER = "9434765919"


def _facts(context: MappingContext = RTK, **values: Any) -> PatientFacts:
    return patient_facts(facts(context.source.code, **values), context)[0]


def _said(field: str, **values: Any) -> Any:
    return {one.field: one.value for one in _facts(**values).assertions}.get(field)


def _identifiers(context: MappingContext = RTK, **values: Any) -> list[tuple[str, str]]:
    return [(one.system, one.value) for one in _facts(context, **values).identifiers]


def test_a_patient_id_without_issuer_is_of_the_default_authority_and_flagged() -> None:
    found = _facts()
    assert found.identifiers == (IdentifierFact(f"{BASE}/Id/RTK/mrn", "A100", "MR", "RTK", assumed=True),)
    assert "issuer-assumed" in found.flags


def test_a_source_without_default_authority_scopes_its_numbers_to_its_organisation() -> None:
    context = replace(RTK, source=replace(SOURCES["RTK-PACS"], default_authority=None))
    assert _identifiers(context) == [(f"{BASE}/Id/RTK/local", "A100")]


def test_one_patient_id_at_two_trusts_has_two_keys() -> None:
    assert patient_key(facts(), RTK) == f"RTK|{BASE}/Id/RTK/mrn|A100"
    assert patient_key(facts("RA2-PACS"), RA2) == f"RA2|{BASE}/Id/RA2/mrn|A100"


@pytest.mark.parametrize(
    ("values", "system"),
    [
        ({"IssuerOfPatientID": "rtk"}, f"{BASE}/Id/RTK/mrn"),
        ({"IssuerOfPatientID": "Old PAS"}, f"{BASE}/Id/RTK/OLD%20PAS"),
        ({"IssuerOfPatientID": "CHI"}, f"{BASE}/Id/CHI"),
        ({"UniversalEntityID": "1.2.3.4", "UniversalEntityIDType": "ISO"}, f"{BASE}/Id/RTK/mrn"),
        ({"UniversalEntityID": "1.2.3.5", "UniversalEntityIDType": "ISO"}, "urn:oid:1.2.3.5"),
        ({"UniversalEntityID": "https://a.example/id", "UniversalEntityIDType": "URI"}, "https://a.example/id"),
        ({"UniversalEntityID": "ABCD", "UniversalEntityIDType": "UUID"}, "urn:uuid:abcd"),
        ({"UniversalEntityID": "pas.rtk", "UniversalEntityIDType": "DNS"}, f"{BASE}/Id/RTK/PAS.RTK"),
        ({"LocalNamespaceEntityID": "RTK"}, f"{BASE}/Id/RTK/mrn"),
        ({"IdentifierTypeCode": "PI", "LocalNamespaceEntityID": "RTK"}, f"{BASE}/Id/RTK/mrn"),
        ({"IdentifierTypeCode": "XX", "LocalNamespaceEntityID": "RTK"}, f"{BASE}/Id/RTK/mrn/XX"),
        ({"IdentifierTypeCode": "X  X", "LocalNamespaceEntityID": "RTK"}, f"{BASE}/Id/RTK/mrn/X%20X"),
        ({"UniversalEntityID": "http://x y", "UniversalEntityIDType": "URI"}, f"{BASE}/Id/RTK/HTTP%3A%2F%2FX%20Y"),
    ],
)
def test_the_issuer_names_the_system(values: dict[str, str], system: str) -> None:
    given: dict[str, Any] = {"IssuerOfPatientID": values.pop("IssuerOfPatientID", None)}
    given["IssuerOfPatientIDQualifiersSequence"] = [item(**values)] if values else None
    found = _facts(**given)
    assert (found.identifiers[0].system, found.identifiers[0].value) == (system, "A100")
    assert not found.identifiers[0].assumed


@pytest.mark.parametrize(
    "values",
    [
        {"IssuerOfPatientID": "NHS"},
        {"IssuerOfPatientIDQualifiersSequence": [item(IdentifierTypeCode="NH")]},
        {"IssuerOfPatientIDQualifiersSequence": [item(UniversalEntityID="2.16.840.1.113883.2.1.4.1", UniversalEntityIDType="ISO")]},
        {"IssuerOfPatientIDQualifiersSequence": [item(UniversalEntityID=NHS_NUMBER, UniversalEntityIDType="URI")]},
    ],
)
def test_a_labelled_nhs_number_loses_its_spaces_and_has_no_status(values: dict[str, Any]) -> None:
    found = _facts(PatientID="401 023 2137", **values)
    assert found.identifiers == (IdentifierFact(NHS_NUMBER, ALICE_NUMBER, "NH", None),)
    assert "issuer-assumed" not in found.flags


def test_a_labelled_number_that_fails_its_check_is_kept_and_flagged() -> None:
    found = _facts(PatientID="4010232138", IssuerOfPatientID="NHS")
    assert found.identifiers[0].value == "4010232138"
    assert "nhs-number-check-failed" in found.flags


def test_ten_unlabelled_digits_that_pass_are_a_weak_candidate_beside_the_local_number() -> None:
    found = _facts(PatientID=ALICE_NUMBER)
    assert [(one.system, one.labelled) for one in found.identifiers] == [(f"{BASE}/Id/RTK/mrn", True), (NHS_NUMBER, False)]
    assert patient_key(facts(PatientID=ALICE_NUMBER), RTK) == f"RTK|{BASE}/Id/RTK/mrn|{ALICE_NUMBER}"


@pytest.mark.parametrize("number", ["4010232138", "4444444444", "0123456789", TEST_NUMBER, "0101234568", "401023213"])
def test_other_digits_are_local_numbers_only(number: str) -> None:
    assert _identifiers(PatientID=number) == [(f"{BASE}/Id/RTK/mrn", number)]


def test_the_sample_admits_numbers_of_the_test_range() -> None:
    sample = replace(RTK, admit_test_numbers=True)
    assert (NHS_NUMBER, TEST_NUMBER) in _identifiers(sample, PatientID=TEST_NUMBER)


def test_other_ids_keep_their_own_issuer_and_none_is_taken_for_the_trusts_own() -> None:
    others = [
        item(PatientID="B7", IssuerOfPatientID="RA2"),
        item(PatientID="C8"),
        item(PatientID="TAG", TypeOfPatientID="RFID"),
        item(PatientID="UNKNOWN"),
        item(IssuerOfPatientID="RTK"),
        item(PatientID=ALICE_NUMBER, IssuerOfPatientID="NHS"),
    ]
    assert _identifiers(OtherPatientIDsSequence=others, OtherPatientIDs=["D9", "C8"]) == [
        (f"{BASE}/Id/RTK/mrn", "A100"),
        (f"{BASE}/Id/RTK/RA2", "B7"),
        (f"{BASE}/Id/RTK/other-patient-id", "C8"),
        (NHS_NUMBER, ALICE_NUMBER),
        (f"{BASE}/Id/RTK/other-patient-id", "D9"),
    ]


def test_a_label_outdoes_the_same_digits_without() -> None:
    found = _facts(PatientID=ALICE_NUMBER, OtherPatientIDsSequence=[item(PatientID=ALICE_NUMBER, IssuerOfPatientID="NHS")])
    assert [one.labelled for one in found.identifiers] == [True, True]


def test_an_unlabelled_nhs_number_among_the_other_ids_is_a_candidate() -> None:
    found = _facts(OtherPatientIDs=[ALICE_NUMBER])
    assert found.identifiers[1] == IdentifierFact(NHS_NUMBER, ALICE_NUMBER, "NH", None, labelled=False)


@pytest.mark.parametrize(
    "values",
    [{"PatientID": value} for value in (None, "UNKNOWN", "ANON", "anonymous 1", "TEST", "PHANTOM", "QC", "000000", "N/A", "????")]
    + [{"PatientID": "A100", "TypeOfPatientID": "BARCODE"}],
)
def test_without_a_usable_id_the_patient_is_scoped_to_source_and_study(values: dict[str, Any]) -> None:
    found = _facts(**values)
    assert found.identifiers[0] == IdentifierFact(f"{BASE}/Id/RTK-PACS/study-patient", STUDY, "PI", "RTK")
    assert "patient-id-unusable" in found.flags
    assert patient_key(facts(**values), RTK) == f"RTK|{BASE}/Id/RTK-PACS/study-patient|{STUDY}"


def test_names_are_official_old_and_maiden() -> None:
    names = _said("name", PatientName="Hart^Alice May^Rose Ann^Dr^MBE", OtherPatientNames=["Hart^Ali"], PatientBirthName="Wood^Alice")
    assert names == [
        {"use": "official", "family": "Hart", "given": ["Alice", "May", "Rose", "Ann"], "prefix": ["Dr"], "suffix": ["MBE"]},
        {"use": "old", "family": "Hart", "given": ["Ali"]},
        {"use": "maiden", "family": "Wood", "given": ["Alice"]},
    ]


def test_ideographic_and_phonetic_names_say_so() -> None:
    first, second, third = human_names_from_pn("Yamada^Tarou=山田^太郎=やまだ^たろう", "official")
    assert first == {"use": "official", "family": "Yamada", "given": ["Tarou"]}
    assert [name["extension"][0]["valueCode"] for name in (second, third)] == ["IDE", "SYL"]
    assert human_names_from_pn("=山田^太郎", "official")[0]["use"] == "official"
    assert human_names_from_pn("^", "official") == []


def test_a_name_without_caret_is_text() -> None:
    assert _said("name", PatientName="Alice Hart") == [{"use": "official", "text": "Alice Hart"}]


def test_a_name_is_shown_as_it_is_read_aloud() -> None:
    assert display_from_pn("Hart^Alice^^Dr") == "Dr Alice Hart"
    assert display_from_pn("Dr Hart") == "Dr Hart"
    assert display_from_pn("=山田^太郎") == "太郎 山田"
    assert display_from_pn("") == ""


def test_a_placeholder_name_is_not_asserted() -> None:
    found = _facts(PatientName="UNKNOWN^FEMALE")
    assert "name-placeholder" in found.flags
    assert not [one for one in found.assertions if one.field == "name"]


@pytest.mark.parametrize(
    ("given", "said", "flag"),
    [
        ("19800214", {"value": "1980-02-14"}, None),
        ("17530101", None, "birth-date-placeholder"),
        ("19000101", None, "birth-date-placeholder"),
        ("20990101", None, "birth-date-future"),
        (None, None, None),
    ],
)
def test_a_birth_date_is_a_day_that_has_been(given: str | None, said: dict[str, str] | None, flag: str | None) -> None:
    assert _said("birthDate", PatientBirthDate=given) == said
    assert flag is None or flag in _facts(PatientBirthDate=given).flags


@pytest.mark.parametrize(("sex", "said"), [("M", "male"), ("F", "female"), ("O", "other"), ("X", "unknown"), ("", None)])
def test_sex_is_gender(sex: str, said: str | None) -> None:
    assert _said("gender", PatientSex=sex) == ({"value": said, "raw": sex} if said else None)
    assert ("sex-unknown" in _facts(PatientSex=sex).flags) == (sex == "X")


@pytest.mark.parametrize(
    "values",
    [
        {"PatientIdentityRemoved": "YES"},
        {"PatientName": "PHANTOM^1"},
        {"PatientName": "Test"},
        {"PatientName": "A100"},
        {"PatientID": "QC1"},
    ],
)
def test_an_artificial_patient_is_a_pseudo_patient(values: dict[str, Any]) -> None:
    assert _said("pseudo", **values) is True
    assert "pseudo-patient" in _facts(**values).flags
    assert _said("pseudo") is None


def test_headers_are_of_class_h_at_the_time_of_the_study() -> None:
    stamp = patient_facts(facts(StudyDate="20250710"), RTK)[1]
    assert (stamp.rank, stamp.event_time, stamp.control_id, stamp.source) == (0, "2025-07-10T09:11:12.000000Z", STUDY, "RTK-PACS")
    assert patient_facts(facts(StudyDate=None), RTK)[1].event_time == ""
    assert stamp == patient_facts(facts(StudyDate="20250710", SOPInstanceUID="1.9"), RTK)[1]
