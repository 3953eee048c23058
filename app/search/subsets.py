"""Parts of a resource: ``_summary`` and ``_elements`` (FHIR R4 search.html#summary, #elements).

A subset is cut from the stored JSON; numbers that a float would change pass as their own digits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import orjson

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}

_ALWAYS = frozenset({"resourceType", "id", "meta", "implicitRules"})
_CHOICES = ("deceased", "multipleBirth", "occurred")

SUMMARY: dict[str, frozenset[str]] = {
    type_: frozenset(elements.split())
    for type_, elements in {
        "Endpoint": "identifier status connectionType name managingOrganization period payloadType payloadMimeType address",
        "ImagingStudy": "identifier status modality subject encounter started basedOn referrer interpreter endpoint numberOfSeries "
        "numberOfInstances procedureReference procedureCode location reasonCode reasonReference note description series",
        "Linkage": "active author item",
        "Organization": "identifier active type name partOf",
        "Patient": "identifier active name telecom gender birthDate deceased address managingOrganization link",
        "Provenance": "target recorded agent entity",
        "Task": "identifier instantiatesCanonical instantiatesUri basedOn groupIdentifier partOf status statusReason businessStatus intent "
        "code description focus for encounter executionPeriod lastModified requester owner location",
    }.items()
}
"""Elements of each type that R4 marks as summary."""

_NOT_IN_SUMMARY: dict[str, dict[str, frozenset[str]]] = {
    "ImagingStudy": {"series": frozenset({"instance"})},
    "Provenance": {"agent": frozenset({"role", "onBehalfOf"}), "entity": frozenset({"agent"})},
}

MANDATORY: dict[str, frozenset[str]] = {
    "Endpoint": frozenset({"status", "connectionType", "payloadType", "address"}),
    "ImagingStudy": frozenset({"status", "subject"}),
    "Linkage": frozenset({"item"}),
    "Organization": frozenset(),
    "Patient": frozenset(),
    "Provenance": frozenset({"target", "recorded", "agent"}),
    "Task": frozenset({"status", "intent"}),
}
MODIFIERS: dict[str, frozenset[str]] = {"Patient": frozenset({"active", "deceased", "link"})}


def _number(digits: str) -> Any:
    return orjson.Fragment(digits.encode())


def _whole(digits: str) -> Any:
    return int(digits) if len(digits) < 16 else _number(digits)


def resource_from_body(body: bytes) -> dict[str, Any]:
    """The stored resource with its numbers as written, fit for ``orjson.dumps``."""
    resource: dict[str, Any] = json.loads(body, parse_float=_number, parse_int=_whole)
    return resource


def _element(key: str) -> str:
    name = key.removeprefix("_")
    return next((choice for choice in _CHOICES if name.startswith(choice) and name[len(choice) :][:1].isupper()), name)


def _tagged(resource: dict[str, Any]) -> dict[str, Any]:
    meta = dict(resource.get("meta", {}))
    meta["tag"] = [*meta.get("tag", ()), SUBSETTED]
    return {"resourceType": resource["resourceType"], **({"id": resource["id"]} if "id" in resource else {}), "meta": meta}


def _of(resource: dict[str, Any], elements: Iterable[str]) -> dict[str, Any]:
    wanted = {*elements, *_ALWAYS}
    return _tagged(resource) | {k: v for k, v in resource.items() if k not in ("resourceType", "id", "meta") and _element(k) in wanted}


def summary(resource: dict[str, Any]) -> dict[str, Any]:
    """The ``_summary=true`` form of a resource, tagged SUBSETTED."""
    type_ = resource["resourceType"]
    found = _of(resource, SUMMARY[type_])
    for name, dropped in _NOT_IN_SUMMARY.get(type_, {}).items():
        if name in found:
            found[name] = [{k: v for k, v in each.items() if k not in dropped} for each in found[name]]
    return found


def _text(resource: dict[str, Any]) -> dict[str, Any]:
    return _of(resource, {"text", *MANDATORY[resource["resourceType"]]})


def _data(resource: dict[str, Any]) -> dict[str, Any]:
    return _tagged(resource) | {k: v for k, v in resource.items() if k not in ("resourceType", "id", "meta", "text")}


def elements(resource: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """The resource with these elements only (paths such as ``series.uid`` too), its mandatory and its modifier elements."""
    type_ = resource["resourceType"]
    wanted = [path.removeprefix(f"{type_}.").split(".") for path in paths]
    whole = {*MANDATORY[type_], *MODIFIERS.get(type_, ()), *(path[0] for path in wanted if len(path) == 1)}
    found = _of(resource, {*whole, *(path[0] for path in wanted)})
    return {key: value if _element(key) in whole | _ALWAYS else _cut(value, _below(wanted, key)) for key, value in found.items()}


def _below(paths: list[list[str]], key: str) -> list[list[str]]:
    return [path[1:] for path in paths if path[0] == key and len(path) > 1]


def _cut(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_cut(each, paths) for each in value]
    if not isinstance(value, dict):
        return value
    whole = {path[0] for path in paths if len(path) == 1}
    return {k: v if k in whole else _cut(v, _below(paths, k)) for k, v in value.items() if any(path[0] == k for path in paths)}


def subset_body(body: bytes, kind: str, paths: Iterable[str] = ()) -> bytes:
    """The bytes of one subset: ``kind`` is true, text, data or elements."""
    resource = resource_from_body(body)
    if kind == "elements":
        return orjson.dumps(elements(resource, paths))
    return orjson.dumps({"true": summary, "text": _text, "data": _data}[kind](resource))
