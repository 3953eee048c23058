"""ImagingStudy elements from the facts of one study (imaging.md 1.2 to 1.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from fhir.resources.R4B.imagingstudy import ImagingStudy

from mappers.context import MappingContext
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.study import imaging_study
from tests.unit.mappers.dicom.making import BASE, CONTEXTS, ENDPOINTS, RTK, SERIES, STUDY, code, facts, instance, item

ALICE = {f"RTK|{BASE}/Id/RTK/mrn|A100": "alice-rtk", f"RA2|{BASE}/Id/RA2/mrn|A100": "alice-ra2"}
DCM = "http://dicom.nema.org/resources/ontology/DCM"
TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
ODS = "https://fhir.nhs.uk/Id/ods-organization-code"


def mapped(
    many: Iterable[InstanceFacts], contexts: Mapping[str, MappingContext] = CONTEXTS, subject_of: Mapping[str, str | None] = ALICE
) -> tuple[dict[str, Any], dict[str, Any], str]:
    return imaging_study(many, id="study-1", subject_of=subject_of, contexts=contexts, endpoints=ENDPOINTS)


def study(**values: Any) -> dict[str, Any]:
    """The ImagingStudy of one instance, valid as a resource."""
    made = mapped([facts(**values)])[0]
    ImagingStudy.model_validate(made)
    return made


def flags(made: dict[str, Any]) -> list[str]:
    return [tag["code"] for tag in made["meta"].get("tag", []) if tag["system"] == f"{BASE}/CodeSystem/flag"]


def _identifier(made: dict[str, Any], type_code: str) -> dict[str, Any]:
    return next(one for one in made["identifier"] if type_code in [coding["code"] for coding in one["type"].get("coding", [])])


def test_the_plain_study() -> None:
    made = study()
    assert made["meta"] == {"profile": ["https://fhir.hl7.org.uk/StructureDefinition/UKCore-ImagingStudy"]}
    assert made["identifier"] == [
        {
            "type": {"coding": [{"system": DCM, "code": "110180", "display": "Study Instance UID"}]},
            "system": "urn:dicom:uid",
            "value": f"urn:oid:{STUDY}",
        }
    ]
    assert (made["status"], made["started"]) == ("available", "2025-01-10T10:11:12+00:00")
    assert made["modality"] == [{"system": DCM, "code": "CT", "display": "Computed Tomography"}]
    assert made["subject"]["reference"] == "Patient/alice-rtk"
    assert made["subject"]["identifier"]["value"] == "A100"
    assert made["endpoint"] == [{"reference": "Endpoint/rtk-wado"}]
    assert (made["numberOfSeries"], made["numberOfInstances"]) == (1, 1)
    assert not {"note", "procedureReference", "reasonReference"} & made.keys()


def test_without_a_patient_the_reference_is_logical() -> None:
    subject = mapped([facts()], subject_of={f"RTK|{BASE}/Id/RTK/mrn|A100": None})[0]["subject"]
    assert "reference" not in subject
    assert subject["identifier"] == {
        "system": f"{BASE}/Id/RTK/mrn",
        "value": "A100",
        "assigner": {"identifier": {"system": ODS, "value": "RTK"}},
    }


def test_the_accession_number_is_of_the_trusts_scheme_typed_and_an_order() -> None:
    made = study(AccessionNumber="RTK 1")
    accession = _identifier(made, "ACSN")
    assert accession["system"] == f"{BASE}/Id/RTK/accession"
    assert [coding["code"] for coding in accession["type"]["coding"]] == ["ACSN", "121022"]
    assert accession["assigner"] == {"identifier": {"system": ODS, "value": "RTK"}}
    assert made["basedOn"] == [{"type": "ServiceRequest", "identifier": accession}]


def test_a_configured_accession_system_and_a_sent_issuer_outdo_the_default() -> None:
    source = replace(RTK.source, accession_system="https://a.example/accession", study_id_system="https://a.example/study")
    contexts = {"RTK-PACS": replace(RTK, source=source)}
    made = mapped([facts(AccessionNumber="1", StudyID="S1")], contexts)[0]
    assert [one["system"] for one in made["identifier"]] == ["urn:dicom:uid", "https://a.example/accession", "https://a.example/study"]
    issued = study(AccessionNumber="1", IssuerOfAccessionNumberSequence=[item(UniversalEntityID="1.9", UniversalEntityIDType="ISO")])
    assert _identifier(issued, "ACSN")["system"] == "urn:oid:1.9"


def test_every_accession_number_of_the_requests_is_an_identifier() -> None:
    request = item(AccessionNumber="2", PlacerOrderNumberImagingServiceRequest="P1", FillerOrderNumberImagingServiceRequest="F1")
    made = study(
        AccessionNumber="1",
        RequestAttributesSequence=[request, item(AccessionNumber="1")],
        ReferencedRequestSequence=[item(AccessionNumber="3")],
    )
    assert [one["value"] for one in made["identifier"][1:]] == ["1", "3", "2"]
    orders = [(one["identifier"]["type"]["coding"][0]["code"], one["identifier"]["value"]) for one in made["basedOn"]]
    assert orders == [("ACSN", "1"), ("ACSN", "3"), ("ACSN", "2"), ("PLAC", "P1"), ("FILL", "F1")]
    assert made["basedOn"][3]["identifier"]["system"] == f"{BASE}/Id/RTK/placer-order"


def test_a_study_id_is_an_identifier_and_never_a_key() -> None:
    made = study(StudyID="77")
    assert made["identifier"][1] == {
        "type": {"text": "Study ID"},
        "system": f"{BASE}/Id/RTK/study-id",
        "value": "77",
        "assigner": {"identifier": {"system": ODS, "value": "RTK"}},
    }


def test_the_admission_is_a_logical_encounter() -> None:
    made = study(AdmissionID="V1", IssuerOfAdmissionIDSequence=[item(LocalNamespaceEntityID="RTK")])
    assert made["encounter"]["identifier"]["system"] == f"{BASE}/Id/RTK/mrn"
    assert study(AdmissionID="V1")["encounter"]["identifier"]["system"] == f"{BASE}/Id/RTK/admission"


@pytest.mark.parametrize(
    ("values", "started", "flag"),
    [
        ({"StudyDate": "20250710"}, "2025-07-10T10:11:12+01:00", None),
        ({"StudyTime": None}, "2025-01-10", None),
        ({"StudyTime": "10"}, "2025-01-10", None),
        ({"StudyDate": "20250230"}, None, "value-invalid"),
        ({"StudyTime": "25"}, "2025-01-10", "value-invalid"),
        ({"StudyTime": "noon"}, "2025-01-10", "value-invalid"),
        ({"StudyDate": "20250710", "TimezoneOffsetFromUTC": "bogus"}, "2025-07-10T10:11:12+01:00", "value-invalid"),
        ({"TimezoneOffsetFromUTC": "-0500"}, "2025-01-10T10:11:12-05:00", None),
        ({"StudyDate": "20251026", "StudyTime": "0130"}, "2025-10-26T01:30:00+01:00", "time-ambiguous"),
        ({"StudyDate": "20250330", "StudyTime": "0130"}, "2025-03-30T01:30:00+00:00", "time-missing"),
    ],
)
def test_started_has_the_offset_of_the_place_and_date(values: dict[str, Any], started: str | None, flag: str | None) -> None:
    made = study(**values)
    assert made.get("started") == started
    assert flags(made) == ([flag] if flag else [])


def test_referrer_and_interpreters_are_coded_or_named() -> None:
    gmc = item(PersonIdentificationCodeSequence=[code("C7012345", "GMC", "GMC number")])
    sds = item(PersonIdentificationCodeSequence=[code("123456789012", "SDS", "SDS user")])
    other = item(PersonIdentificationCodeSequence=[code("9", "99X", "x"), code("9", "GMC", "x"), code("9", "SDS", "x")])
    made = study(
        ReferringPhysicianName="Grey^Meredith^^Dr",
        ReferringPhysicianIdentificationSequence=[gmc],
        NameOfPhysiciansReadingStudy=["Strange^Ann", "House^Bob"],
        PhysiciansReadingStudyIdentificationSequence=[sds, other],
    )
    assert made["referrer"] == {
        "type": "Practitioner",
        "identifier": {"system": "https://fhir.hl7.org.uk/Id/gmc-number", "value": "7012345"},
        "display": "Dr Meredith Grey",
    }
    assert made["interpreter"] == [
        {
            "type": "Practitioner",
            "identifier": {"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": "123456789012"},
            "display": "Ann Strange",
        },
        {"display": "Bob House"},
    ]
    assert study(NameOfPhysiciansReadingStudy=["Strange^Ann", "Strange^Ann"])["interpreter"] == [{"display": "Ann Strange"}]


def test_procedure_codes_are_those_performed_else_requested_else_text() -> None:
    performed = [code("77477000", "SCT", "CT"), code("CHEAD", "NICIP", "CT head")]
    requested = [item(RequestedProcedureCodeSequence=[code("CNECK", "NICIP", "CT neck")], ScheduledProcedureStepDescription="Step")]
    made = study(ProcedureCodeSequence=performed, RequestAttributesSequence=requested)
    assert [concept["coding"][0]["code"] for concept in made["procedureCode"]] == ["77477000", "CHEAD"]
    made = study(RequestAttributesSequence=requested, RequestedProcedureCodeSequence=[code("CNECK", "NICIP", "CT neck")])
    assert made["procedureCode"] == [
        {"coding": [{"system": "https://nicip.nhs.uk", "code": "CNECK", "display": "CT neck"}], "text": "CT neck"}
    ]
    made = study(RequestedProcedureDescription="CT neck", RequestAttributesSequence=[item(ScheduledProcedureStepDescription="Step")])
    assert made["procedureCode"] == [{"text": "CT neck"}, {"text": "Step"}]
    made = study(StudyDescription="CT Head")
    assert (made["procedureCode"], made["description"]) == ([{"text": "CT Head"}], "CT Head")


def test_a_scheme_that_the_header_identifies_names_the_system() -> None:
    scheme = item(CodingSchemeDesignator="99PAS", CodingSchemeUID="1.2.3")
    made = study(CodingSchemeIdentificationSequence=[scheme], ProcedureCodeSequence=[code("X", "99PAS", "x")])
    assert made["procedureCode"][0]["coding"][0]["system"] == "urn:oid:1.2.3"
    assert flags(study(ProcedureCodeSequence=[code("X", "99PAS", "x")])) == ["code-system-unknown"]


def test_reasons_are_collected_from_everywhere() -> None:
    made = study(
        ReasonForRequestedProcedureCodeSequence=[code("25064002", "SCT", "Headache")],
        ReasonForPerformedProcedureCodeSequence=[code("25064002", "SCT", "Headache")],
        ReasonForTheRequestedProcedure="Headache",
        RequestAttributesSequence=[item(ReasonForTheRequestedProcedure="Fall")],
    )
    assert [concept["text"] for concept in made["reasonCode"]] == ["Headache", "Fall"]


def test_the_location_is_the_department_else_the_performed_location() -> None:
    assert study(InstitutionalDepartmentName="Radiology", PerformedLocation="CT1")["location"] == {"display": "Radiology"}
    assert study(PerformedLocation="CT1")["location"] == {"display": "CT1"}


def test_modalities_are_ordered_by_their_series() -> None:
    many = [
        instance(1, Modality="SR", SeriesInstanceUID=f"{STUDY}.3"),
        instance(2, Modality="CT", SeriesInstanceUID=f"{STUDY}.4"),
        instance(3, Modality="CT", SeriesInstanceUID=f"{STUDY}.5"),
        instance(4, Modality="MR", SeriesInstanceUID=f"{STUDY}.6"),
    ]
    assert [coding["code"] for coding in mapped(many)[0]["modality"]] == ["CT", "MR", "SR"]


def test_findings_of_facts_and_callers_are_shown_as_tags() -> None:
    odd = facts(StudyDescription=["CT", "Head"])
    made = imaging_study([odd], id="x", subject_of={}, contexts=CONTEXTS, endpoints={}, flags=["identity-mismatch"])[0]
    assert flags(made) == ["identity-mismatch", "multiple-values"]
    assert "endpoint" not in made


def test_the_summary_drops_the_instances_and_says_so() -> None:
    full, summary, _ = mapped([facts(SeriesNumber=None)])
    assert "instance" in full["series"][0]
    assert summary["series"] == [{key: value for key, value in full["series"][0].items() if key != "instance"}]
    assert summary["meta"]["tag"] == [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}]
    ImagingStudy.model_validate(summary)


def test_the_record_is_kept_by_every_organisation_whose_archive_told_of_it() -> None:
    assert mapped([facts("RA2-PACS"), facts()])[2] == {"RA2", "RTK"}
    assert mapped([facts("RA2-PACS")])[2] == {"RA2"}


def test_a_study_of_nothing_but_uids_is_a_valid_resource() -> None:
    empty = dict.fromkeys(
        (
            "PatientName",
            "PatientID",
            "PatientBirthDate",
            "PatientSex",
            "StudyDate",
            "StudyTime",
            "Modality",
            "SeriesNumber",
            "InstanceNumber",
        )
    )
    made = study(**empty)
    assert made["series"][0]["uid"] == SERIES
    assert made["subject"]["identifier"]["system"] == f"{BASE}/Id/RTK-PACS/study-patient"
