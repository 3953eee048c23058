"""Organization resources of the trusts (UK Core Organization)."""

from __future__ import annotations

from typing import Any

from mappers.context import ODS_CODE

UK_CORE = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-Organization"


def organization_resource(ods: str, name: str, id: str) -> dict[str, Any]:
    """The Organization of an ODS code."""
    return {
        "resourceType": "Organization",
        "id": id,
        "meta": {"profile": [UK_CORE]},
        "identifier": [{"system": ODS_CODE, "value": ods}],
        "active": True,
        "name": name,
    }
