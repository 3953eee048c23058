"""ImagingStudy.series and instances (imaging.md 1.6)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mappers.dicom.facts import Attributes, InstanceFacts
from tests.unit.mappers.dicom.making import BASE, KOS, SERIES, STUDY, code, facts, instance, item
from tests.unit.mappers.dicom.test_study import flags, mapped, study

SCT = "http://snomed.info/sct"
RAW = f"{BASE}/StructureDefinition/raw-value"


def series(**values: Any) -> dict[str, Any]:
    found: dict[str, Any] = study(**values)["series"][0]
    return found


def _series_of(many: list[InstanceFacts]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = mapped(many)[0]["series"]
    return found


def test_the_plain_series() -> None:
    made = series(SeriesDescription="Axial", SeriesDate="20250710", SeriesTime="1015")
    assert made == {
        "uid": SERIES,
        "number": 1,
        "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT", "display": "Computed Tomography"},
        "description": "Axial",
        "numberOfInstances": 1,
        "started": "2025-07-10T10:15:00+01:00",
        "instance": [
            {
                "uid": f"{SERIES}.1",
                "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2", "display": "CT Image Storage"},
                "number": 1,
            }
        ],
    }


def test_series_and_instances_are_sorted_by_number_then_uid_absent_numbers_last() -> None:
    many = [
        instance(1, SeriesInstanceUID="1.5", SeriesNumber=None),
        instance(2, SeriesInstanceUID="1.4", SeriesNumber=2),
        instance(3, SeriesInstanceUID="1.3", SeriesNumber=2),
        instance(4, SeriesInstanceUID="1.3", SeriesNumber=2, InstanceNumber=None),
        instance(5, SeriesInstanceUID="1.3", SeriesNumber=2, InstanceNumber=1),
    ]
    made = _series_of(many)
    assert [one["uid"] for one in made] == ["1.3", "1.4", "1.5"]
    assert [one["uid"].rsplit(".", 1)[1] for one in made[0]["instance"]] == ["5", "3", "4"]
    assert "number" not in made[2]


def test_a_number_that_fhir_cannot_hold_is_kept_as_text() -> None:
    made = study(SeriesNumber="-7", InstanceNumber="-8")
    assert made["series"][0]["_number"] == {"extension": [{"url": RAW, "valueString": "-7"}]}
    assert made["series"][0]["instance"][0]["_number"] == {"extension": [{"url": RAW, "valueString": "-8"}]}
    assert flags(made) == ["value-invalid"]
    assert "_number" not in series(NumberOfFrames="-8", InstanceNumber=None)["instance"][0]
    assert "_number" not in mapped([facts(SeriesNumber="-7")])[1]["series"][0]


def test_a_series_without_modality_has_that_of_its_class_else_none_and_is_never_dropped() -> None:
    made = study(Modality=None)
    assert made["series"][0]["modality"]["code"] == "CT"
    assert flags(made) == ["modality-absent"]
    made = study(Modality=None, SOPClassUID="1.2.3.4")
    assert made["series"][0]["modality"]["extension"][0]["valueCode"] == "unknown"
    assert "modality" not in made


def test_a_modality_of_the_sources_own_is_scoped_to_it() -> None:
    assert series(Modality="ZZ")["modality"] == {"system": f"{BASE}/Id/RTK/code/modality", "code": "ZZ"}


def test_body_site_is_the_code_sent_else_the_word_as_snomed_else_the_word() -> None:
    assert series(AnatomicRegionSequence=[code("T-D1100", "SRT", "Head")])["bodySite"] == {
        "system": SCT,
        "code": "69536005",
        "display": "Head",
    }
    assert (
        series(AnatomicRegionSequence=[code("T-XXXXX", "SRT", "Old"), code("T-XXXXY", "SRT", "Old")], BodyPartExamined="CHEST")["bodySite"][
            "code"
        ]
        == "816094009"
    )
    assert series(BodyPartExamined="WIDGET")["bodySite"] == {"display": "WIDGET"}


@pytest.mark.parametrize(("votes", "code_"), [("LLR", "7771000"), ("RR", "24028007"), ("LR", None), ("U", None), ("", None)])
def test_laterality_is_the_majority_of_the_images(votes: str, code_: str | None) -> None:
    many = [instance(number, ImageLaterality=vote) for number, vote in enumerate(votes, 1)] or [instance(1)]
    assert _series_of(many)[0].get("laterality", {}).get("code") == code_


def test_laterality_of_the_series_comes_first_and_that_of_frames_last() -> None:
    assert series(Laterality="R", ImageLaterality="L")["laterality"]["code"] == "24028007"
    assert "laterality" not in series(Laterality="U", ImageLaterality="L")
    assert series(FrameLaterality="B")["laterality"]["code"] == "51440002"


def test_specimens_are_logical() -> None:
    made = series(SpecimenDescriptionSequence=[item(SpecimenUID="1.2.9"), item(SpecimenIdentifier="S7"), item(SpecimenIdentifier=None)])
    assert made["specimen"] == [
        {"identifier": {"system": "urn:dicom:uid", "value": "urn:oid:1.2.9"}},
        {"identifier": {"system": f"{BASE}/Id/RTK/specimen", "value": "S7"}},
    ]


def test_performers_are_physicians_operators_and_the_device() -> None:
    made = series(
        PerformingPhysicianName=["Strange^Ann", "House^Bob"],
        OperatorsName="Lane^Cy",
        Manufacturer="Acme",
        ManufacturerModelName="Scanner 3",
        DeviceSerialNumber="SN1",
    )
    assert [(one.get("function", {}).get("coding", [{}])[0].get("code"), one["actor"].get("display")) for one in made["performer"]] == [
        ("PRF", "Ann Strange"),
        ("PRF", "Bob House"),
        ("SPRF", "Cy Lane"),
        (None, "Acme Scanner 3"),
    ]
    assert made["performer"][3]["actor"]["identifier"]["value"] == "SN1"
    assert series(DeviceSerialNumber="SN1")["performer"][0]["actor"]["type"] == "Device"


def test_a_time_in_a_repeated_hour_is_flagged() -> None:
    assert flags(study(SeriesDate="20251026", SeriesTime="0130")) == ["time-ambiguous"]


@pytest.mark.parametrize(
    ("values", "title"),
    [
        ({"ContentLabel": "KEY", "DocumentTitle": "Doc", "ImageType": ["A", "B"]}, "KEY"),
        ({"ConceptNameCodeSequence": [code("18748-4", "LN", "Report")], "DocumentTitle": "Doc"}, "Report"),
        ({"ConceptNameCodeSequence": [item(CodeValue="1")], "DocumentTitle": "Doc"}, "Doc"),
        ({"ImageType": ["ORIGINAL", "PRIMARY"]}, "ORIGINAL\\PRIMARY"),
        ({}, None),
    ],
)
def test_the_title_is_the_first_present(values: dict[str, Any], title: str | None) -> None:
    assert series(**values)["instance"][0].get("title") == title


def test_frames_and_unknown_classes_are_shown() -> None:
    made = series(NumberOfFrames=12, SOPClassUID="1.2.3.4")["instance"][0]
    assert made["extension"][0]["valueInteger"] == 12
    assert made["sopClass"] == {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.3.4"}


def test_an_instance_without_class_says_so() -> None:
    made = mapped([replace(facts(), instance=Attributes({}))])[0]
    assert made["series"][0]["instance"][0]["sopClass"]["extension"][0]["valueCode"] == "unknown"


def test_a_key_object_shows_its_text_and_document_title() -> None:
    text = item(ConceptNameCodeSequence=[code("113012", "DCM", "Key Object Description")], TextValue="Look here")
    made = series(SOPClassUID=KOS, Modality="KO", ConceptNameCodeSequence=[code("113000", "DCM", "Of Interest")], ContentSequence=[text])[
        "instance"
    ][0]
    assert made["title"] == "Look here"
    assert made["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "113000"


def test_series_of_another_study_uid_do_not_matter() -> None:
    assert len(_series_of([instance(1), instance(2, SeriesInstanceUID=f"{STUDY}.8")])) == 2
