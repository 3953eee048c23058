"""A search by patient means the person (fhir.md 3, Expansion)."""

import pytest
from fhir.resources.R4B.bundle import Bundle

from tests.flow.fhir.conftest import NHS, W

ALICES = ["alice-us", "alice-ct", "alice-mr"]


@pytest.mark.parametrize(
    "query",
    [
        "patient=Patient/alice-rtk",
        "patient=alice-rxc",
        "patient=Patient/golden-alice",
        "subject=golden-alice",
        "subject:Patient=alice-rtk",
        "patient=http://localhost/fhir/Patient/alice-rtk/_history/1",
        f"patient.identifier={NHS}|9990000018",
        "patient.identifier=https://rxc.nhs.uk/mrn|RXC001",
        "subject.identifier=RTK001",
        "subject:Patient._id=golden-alice",
        "patient:identifier=https://rxc.nhs.uk/mrn|alice-rxc",
    ],
)
def test_any_name_of_a_person_gives_the_same_studies(ids, query):
    assert ids(f"ImagingStudy?{query}") == ALICES


def test_the_compartment_equals_patient(ids, get):
    assert ids("Patient/golden-alice/ImagingStudy") == ALICES
    assert ids("Patient/alice-rtk/ImagingStudy?modality=US") == ["alice-us"]
    assert ids("Patient/alice-rtk/ImagingStudy?-reach=record") == ["alice-ct", "alice-mr"]
    assert ids("Patient/golden-alice/Provenance") == ["provenance-alice"]
    assert get("Patient/alice-rtk/Linkage")[0] == 400
    assert get("Patient/alice-rtk/Basic")[0] == 404
    _, first = get("Patient/alice-rtk/ImagingStudy?_count=1")
    assert ids(first["link"][1]["url"].split("/fhir/")[1]) == ["alice-ct"]
    token = first["link"][1]["url"].split("?")[1]
    assert ids(f"Patient/alice-rtk/ImagingStudy?{token}") == ["alice-ct"]


def test_anna_never_sees_her_twin(ids):
    assert ids("ImagingStudy?patient=anna-rtk") == ["anna-ct"]
    assert ids(f"ImagingStudy?patient.identifier={NHS}|9990000026") == ["anna-ct"]


def test_reach_record_asks_that_record_alone(ids):
    assert ids("ImagingStudy?patient=alice-rxc&-reach=record") == ["alice-us"]
    assert ids("ImagingStudy?patient=golden-alice&-reach=record") == []
    assert ids("ImagingStudy?patient.identifier=RTK001&-reach=record") == ["alice-ct", "alice-mr"]
    assert ids("ImagingStudy?patient:identifier=alice-rxc&-reach=record") == ["alice-us"]


def test_min_grade_lowers_the_floor(ids):
    assert "alice-dx" in ids("ImagingStudy?patient=alice-rtk&-min-grade=probable")
    assert "alice-dx" in ids("ImagingStudy?patient=alice-rtk&-min-grade=possible")
    assert "alice-dx" not in ids("ImagingStudy?patient=alice-rtk&-min-grade=certain")


def test_a_hit_over_a_link_says_which(get):
    _, bundle = get("ImagingStudy?patient=alice-rtk&-min-grade=probable&_summary=true")
    Bundle.model_validate(bundle)
    search = {entry["resource"]["id"]: entry["search"] for entry in bundle["entry"] if entry["search"]["mode"] == "match"}
    assert search["alice-ct"] == {"mode": "match"}
    assert search["alice-us"] == {
        "extension": [
            {
                "url": f"{W}/StructureDefinition/via-link",
                "extension": [
                    {"url": "grade", "valueCode": "certain"},
                    {"url": "linkage", "valueReference": {"reference": "Linkage/linkage-alice"}},
                    {"url": "source", "valueReference": {"reference": "Patient/alice-rxc"}},
                    {"url": "golden", "valueReference": {"reference": "Patient/golden-alice"}},
                    {"url": "decided-by", "valueString": "model 1"},
                ],
            }
        ],
        "mode": "match",
    }
    assert search["alice-dx"]["extension"][0]["extension"][0] == {"url": "grade", "valueCode": "probable"}


def test_records_just_below_the_floor_are_counted_in_an_information_outcome(get):
    _, bundle = get("ImagingStudy?patient=alice-rtk")
    outcome = bundle["entry"][-1]
    assert outcome["search"]["mode"] == "outcome"
    assert outcome["resource"]["issue"][0]["severity"] == "information"
    assert outcome["resource"]["issue"][0]["details"]["text"].startswith("1 more record")
    assert get("ImagingStudy?patient=anna-rtk")[1]["entry"][-1]["search"]["mode"] == "match"
    assert get("ImagingStudy?patient=alice-rtk&-min-grade=probable")[1]["entry"][-1]["search"]["mode"] == "match"


def test_somebody_unknown_has_no_studies(get):
    for query in ("patient=nobody", "patient.identifier=nothing", "subject.family=nobody", "patient.organization.name=nowhere", "patient:identifier=x"):
        _, bundle = get(f"ImagingStudy?{query}")
        assert bundle["total"] == 0, query
        assert "entry" not in bundle


def test_another_kind_of_subject_is_not_widened(ids):
    assert ids("ImagingStudy?subject=Device/d") == []
    assert ids("ImagingStudy?subject=alice-rtk,Device/d") == ALICES


def test_a_link_that_is_gone_is_gone_from_the_pages_to_come(get, region):
    _, first = get("ImagingStudy?patient=alice-rxc&_count=1")
    assert [entry["resource"]["id"] for entry in first["entry"] if entry["search"]["mode"] == "match"] == ["alice-us"]
    region.persons["alice-rtk"] = "golden-alice-rtk"
    _, second = get(first["link"][1]["url"].split("/fhir/")[1])
    assert "entry" not in second
