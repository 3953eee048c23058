"""Endpoints of an archive (imaging.md 5.4) and Organizations of trusts."""

from __future__ import annotations

import pytest
from fhir.resources.R4B.endpoint import Endpoint
from fhir.resources.R4B.organization import Organization

from mappers.dicom.endpoints import endpoint_resource
from mappers.organisation import organization_resource
from tests.unit.mappers.dicom.making import SOURCES

RTK = SOURCES["RTK-PACS"]


def test_an_endpoint_names_how_and_where_to_retrieve() -> None:
    made = endpoint_resource(RTK, "dicom-wado-rs", "e1", address="https://pacs.rtk.example/dicomweb/studies/")
    Endpoint.model_validate(made)
    assert made["address"] == "https://pacs.rtk.example/dicomweb"
    assert made["connectionType"]["code"] == "dicom-wado-rs"
    assert made["status"] == "active"
    assert made["managingOrganization"] == {"identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "RTK"}}
    assert made["payloadMimeType"] == ["application/dicom"]


def test_an_archive_that_does_not_answer_is_suspended() -> None:
    made = endpoint_resource(
        RTK, "dicom-qido-rs", "e1", address="https://a.example", active=False, organisation_reference="Organization/o1"
    )
    assert made["status"] == "suspended"
    assert made["managingOrganization"]["reference"] == "Organization/o1"


def test_another_connection_type_is_refused() -> None:
    with pytest.raises(ValueError, match="dicom-wado-rs"):
        endpoint_resource(RTK, "hl7-fhir-rest", "e1", address="https://a.example")


def test_an_organization_carries_its_ods_code() -> None:
    made = organization_resource("RTK", "Ashford and St Peter's", "o1")
    Organization.model_validate(made)
    assert made["identifier"] == [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "RTK"}]
