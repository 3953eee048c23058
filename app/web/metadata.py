"""The CapabilityStatement, made from the table that the parser and the index run on (FHIR R4 capabilitystatement.html)."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
from flask import Response

from app.search.params import INCLUDES, PARAMETERS, REVERSE_INCLUDES, Parameter, definition
from app.search.values import modifiers
from app.web.answers import etag_matches, fhir_response
from app.web.door import Exchange
from app.web.operations.table import OPERATIONS

RELEASED = "2024-11-01"
SOFTWARE = "Weald"
_INTERACTIONS = ("read", "vread", "history-instance", "history-type", "search-type")


def _parameter(type_: str, parameter: Parameter) -> dict[str, Any]:
    shown = ", ".join(f":{m}" for m in modifiers(parameter) if m[0].islower()) if parameter.name != "_lastUpdated" else ""
    return {
        "name": parameter.name,
        "definition": definition(type_, parameter),
        "type": parameter.type,
        **({"documentation": f"Modifiers: {shown}."} if shown else {}),
    }


def _operations(type_: str, canonical_base: str) -> dict[str, Any]:
    found = [{"name": one.name, "definition": one.definition(canonical_base)} for one in OPERATIONS if one.type == type_]
    return {"operation": found} if found else {}


def _resource(type_: str, canonical_base: str) -> dict[str, Any]:
    return {
        "type": type_,
        "interaction": [{"code": code} for code in _INTERACTIONS],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": False,
        "conditionalRead": "full-support",
        "referencePolicy": ["literal", "local"],
        "searchInclude": list(INCLUDES[type_]) or ["*"],
        "searchRevInclude": list(REVERSE_INCLUDES[type_]),
        "searchParam": [_parameter(type_, parameter) for parameter in PARAMETERS[type_].values()],
        **_operations(type_, canonical_base),
    }


def capability_statement(base: str, canonical_base: str, version: str) -> dict[str, Any]:
    """The CapabilityStatement of this service at ``base``."""
    return {
        "resourceType": "CapabilityStatement",
        "id": "weald",
        "url": f"{canonical_base}/CapabilityStatement/weald",
        "version": version,
        "name": "Weald",
        "title": "Weald regional imaging index",
        "status": "active",
        "date": RELEASED,
        "kind": "instance",
        "software": {"name": SOFTWARE, "version": version},
        "implementation": {"description": "Regional imaging index and patient linker", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "A search for a person's studies reaches every record linked to that person: -reach (person, record) and "
                "-min-grade (certain, probable, possible) say how far.",
                "resource": [_resource(type_, canonical_base) for type_ in PARAMETERS],
                "interaction": [{"code": "history-system"}],
                "compartment": ["http://hl7.org/fhir/CompartmentDefinition/patient"],
            }
        ],
    }


def metadata(exchange: Exchange, version: str) -> Response:
    """GET metadata: 200 with ETag, 304 where the caller has it."""
    body = orjson.dumps(capability_statement(exchange.base, exchange.services.settings.canonical_base, version))
    tag = hashlib.sha256(body).hexdigest()[:16]
    headers = (("ETag", f'W/"{tag}"'),)
    cache = ("Cache-Control", "max-age=300")
    if etag_matches(exchange.environ.get("HTTP_IF_NONE_MATCH", ""), tag):
        return fhir_response(b"", 304, headers, cache)
    return fhir_response(body, 200, headers, cache)
