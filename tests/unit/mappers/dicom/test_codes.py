"""Coded entries as FHIR codings (imaging.md 1.5), and the Standard's dictionaries behind them."""

from __future__ import annotations

from typing import Any

import pytest

from mappers.dicom.codes import coding_from_code, concepts_from_codes, laterality_coding, modality_coding
from mappers.dicom.dataset import body_part, dicom_term, snomed_from_retired, sop_class_name

SCOPE = "https://weald.example/fhir/Id/RTK/code"
SCHEMES = [
    {"CodingSchemeDesignator": "99OWN", "CodingSchemeUID": "1.2.3"},
    {"CodingSchemeDesignator": "99URL", "CodingSchemeURL": "https://a.example/codes"},
    {"CodingSchemeDesignator": "99NIL"},
]


def _coding(value: str, designator: str, **more: str) -> tuple[dict[str, Any] | None, set[str]]:
    flags: set[str] = set()
    item = {"CodeValue": value, "CodingSchemeDesignator": designator, **more}
    return coding_from_code(item, SCHEMES, SCOPE, flags), flags


@pytest.mark.parametrize(
    ("designator", "system"),
    [
        ("SCT", "http://snomed.info/sct"),
        ("DCM", "http://dicom.nema.org/resources/ontology/DCM"),
        ("LN", "http://loinc.org"),
        ("UCUM", "http://unitsofmeasure.org"),
        ("RADLEX", "http://www.radlex.org"),
        ("I10", "http://hl7.org/fhir/sid/icd-10"),
        ("C4", "http://www.ama-assn.org/go/cpt"),
        ("NICIP", "https://nicip.nhs.uk"),
        ("99OWN", "urn:oid:1.2.3"),
        ("99URL", "https://a.example/codes"),
    ],
)
def test_the_designator_names_a_system(designator: str, system: str) -> None:
    assert _coding("X1", designator) == ({"system": system, "code": "X1"}, set())


@pytest.mark.parametrize("designator", ["99NIL", "99 PAS"])
def test_a_scheme_of_the_sources_own_is_scoped_and_flagged(designator: str) -> None:
    coding, flags = _coding("X1", designator, CodeMeaning="An examination", CodingSchemeVersion="2")
    assert coding == {"system": f"{SCOPE}/{designator.replace(' ', '%20')}", "version": "2", "code": "X1", "display": "An examination"}
    assert flags == {"code-system-unknown"}


@pytest.mark.parametrize("designator", ["SCT", "SRT"])
def test_what_is_no_fhir_code_leaves_its_text_and_is_flagged(designator: str) -> None:
    """R4 code: no two spaces in a row."""
    assert _coding("T-D  4000", designator) == (None, {"value-invalid"})
    assert concepts_from_codes([{"CodeValue": "X  1", "CodingSchemeDesignator": designator, "CodeMeaning": "Head"}], (), SCOPE, set()) == [{"text": "Head"}]
    assert modality_coding("C  T", SCOPE, set()) == {"system": f"{SCOPE}/modality", "display": "C  T"}
    assert modality_coding("C T", SCOPE, set()) == {"system": f"{SCOPE}/modality", "code": "C T"}


def test_a_url_that_is_none_names_no_system() -> None:
    item = {"CodeValue": "X1", "CodingSchemeDesignator": "99A"}
    scheme = {"CodingSchemeDesignator": "99A", "CodingSchemeURL": "see our site"}
    assert coding_from_code(item, [{**scheme, "CodingSchemeUID": "1.2"}], SCOPE, set()) == {"system": "urn:oid:1.2", "code": "X1"}
    assert coding_from_code(item, [scheme], SCOPE, set()) == {"system": f"{SCOPE}/99A", "code": "X1"}


@pytest.mark.parametrize("designator", ["SRT", "SNM3", "99SDM"])
def test_retired_snomed_codes_become_concept_ids(designator: str) -> None:
    assert _coding("T-D4000", designator, CodingSchemeVersion="1") == (
        {"system": "http://snomed.info/sct", "code": snomed_from_retired("T-D4000")},
        set(),
    )
    assert _coding("T-XXXXX", designator) == (None, {"code-retired"})


def test_long_and_urn_codes_are_codes() -> None:
    assert coding_from_code({"LongCodeValue": "1" * 20, "CodingSchemeDesignator": "SCT"}, (), SCOPE, set())["code"] == "1" * 20  # type: ignore[index]
    assert coding_from_code({"URNCodeValue": "urn:lex:eu"}, (), SCOPE, set()) == {"system": "urn:ietf:rfc:3986", "code": "urn:lex:eu"}


def test_an_item_without_code_or_scheme_is_text() -> None:
    items = [
        {"CodeMeaning": "CT head"},
        {"CodeValue": "X"},
        {"CodeValue": "T-XXXXX", "CodingSchemeDesignator": "SRT", "CodeMeaning": "Old"},
    ]
    assert concepts_from_codes(items, (), SCOPE, set()) == [{"text": "CT head"}, {"text": "Old"}]
    assert concepts_from_codes([{"CodeValue": "1", "CodingSchemeDesignator": "SCT"}], (), SCOPE, set()) == [
        {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]}
    ]


def test_a_known_modality_is_of_the_dicom_system_and_another_is_scoped() -> None:
    flags: set[str] = set()
    assert modality_coding("CT", SCOPE, flags) == {
        "system": "http://dicom.nema.org/resources/ontology/DCM",
        "code": "CT",
        "display": "Computed Tomography",
    }
    assert modality_coding("RTDOSE", SCOPE, flags)["code"] == "RTDOSE"
    assert not flags
    assert modality_coding("ZZ", SCOPE, flags) == {"system": f"{SCOPE}/modality", "code": "ZZ"}
    assert flags == {"modality-unknown"}


def test_laterality_is_snomed() -> None:
    assert [laterality_coding(side) and laterality_coding(side)["code"] for side in ("L", "R", "B", "U")] == [
        "7771000",
        "24028007",
        "51440002",
        None,
    ]  # type: ignore[index]


def test_body_parts_are_those_of_the_standards_context_groups() -> None:
    assert body_part("CHEST") == ("816094009", "Chest")
    assert body_part("Lumbar Spine") == ("122496007", "Lumbar spine")
    assert body_part("WIDGET") is None


def test_dictionary_names() -> None:
    assert sop_class_name("1.2.840.10008.5.1.4.1.1.2") == "CT Image Storage"
    assert sop_class_name("1.2.3.4") is None
    assert dicom_term("113037") == "Rejected for Patient Safety Reasons"
    assert dicom_term("none") is None
