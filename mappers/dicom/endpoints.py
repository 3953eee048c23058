"""Endpoint resources of an archive (imaging.md 5.4)."""

from __future__ import annotations

from typing import Any

from mappers.context import ODS_CODE, Source
from mappers.dicom.setting import CONNECTION_TYPES

CONNECTION_TYPE = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
PAYLOAD_TYPE = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"


def endpoint_resource(
    source: Source, connection_type: str, id: str, *, address: str, active: bool = True, organisation_reference: str | None = None
) -> dict[str, Any]:
    """The Endpoint of one archive and connection type. ``address`` is what a caller can reach, without ``/studies``.

    Raises ValueError for another connection type than those of imaging.md 5.4.
    """
    if connection_type not in CONNECTION_TYPES:
        raise ValueError("an archive's endpoint is dicom-wado-rs, dicom-qido-rs or ihe-iid")
    organisation: dict[str, Any] = {"identifier": {"system": ODS_CODE, "value": source.organisation}}
    if organisation_reference:
        organisation = {"reference": organisation_reference, **organisation}
    return {
        "resourceType": "Endpoint",
        "id": id,
        "status": "active" if active else "suspended",
        "connectionType": {"system": CONNECTION_TYPE, "code": connection_type},
        "name": f"{source.code} {connection_type}",
        "managingOrganization": organisation,
        "payloadType": [{"coding": [{"system": PAYLOAD_TYPE, "code": "none", "display": "None"}], "text": "DICOM"}],
        "payloadMimeType": ["application/dicom"],
        "address": address.rstrip("/").removesuffix("/studies"),
    }
