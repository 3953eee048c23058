"""The one door to fhir.resources: is a resource well-formed R4, as Weald must check at its door (fhir.md 4).

fhir.resources (R4B classes: the elements used equal 4.0.1) checks structure. It lets pass empty values, wrong JSON types, codes
outside required bindings, several invariants; those are checked here. Faults name elements and rules, never a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import BaseModel, ValidationError

MAX_DEPTH = 64
MAX_FAULTS = 100
SERVED = (
    "AuditEvent", "Endpoint", "ImagingStudy", "Linkage", "List", "OperationOutcome", "Organization", "Parameters", "Patient",
    "Practitioner", "PractitionerRole", "Provenance", "Subscription", "Task",
)  # fmt: skip

_HUMAN_NAME_USE = frozenset({"usual", "official", "temp", "nickname", "anonymous", "old", "maiden"})
_ADDRESS_USE = frozenset({"home", "work", "temp", "old", "billing"})
_ADDRESS_TYPE = frozenset({"postal", "physical", "both"})
_CONTACT_SYSTEM = frozenset({"phone", "fax", "email", "pager", "url", "sms", "other"})
_CONTACT_USE = frozenset({"home", "work", "temp", "old", "mobile"})
_IDENTIFIER_USE = frozenset({"usual", "official", "temp", "secondary", "old"})
_GENDER = frozenset({"male", "female", "other", "unknown"})
_NARRATIVE = frozenset({"generated", "extensions", "additional", "empty"})

BINDINGS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "": {"text.status": _NARRATIVE, "identifier.use": _IDENTIFIER_USE},
    "Patient": {
        "gender": _GENDER,
        "name.use": _HUMAN_NAME_USE,
        "telecom.system": _CONTACT_SYSTEM,
        "telecom.use": _CONTACT_USE,
        "address.use": _ADDRESS_USE,
        "address.type": _ADDRESS_TYPE,
        "contact.gender": _GENDER,
        "contact.name.use": _HUMAN_NAME_USE,
        "contact.telecom.system": _CONTACT_SYSTEM,
        "contact.telecom.use": _CONTACT_USE,
        "contact.address.use": _ADDRESS_USE,
        "contact.address.type": _ADDRESS_TYPE,
        "link.type": frozenset({"replaced-by", "replaces", "refer", "seealso"}),
    },
    "ImagingStudy": {"status": frozenset({"registered", "available", "cancelled", "entered-in-error", "unknown"})},
    "Endpoint": {"status": frozenset({"active", "suspended", "error", "off", "entered-in-error", "test"})},
    "Organization": {
        "telecom.system": _CONTACT_SYSTEM,
        "telecom.use": _CONTACT_USE,
        "address.use": _ADDRESS_USE,
        "address.type": _ADDRESS_TYPE,
    },
    "Linkage": {"item.type": frozenset({"source", "alternate", "historical"})},
    "List": {
        "status": frozenset({"current", "retired", "entered-in-error"}),
        "mode": frozenset({"working", "snapshot", "changes"}),
    },
    "Provenance": {"entity.role": frozenset({"derivation", "revision", "quotation", "source", "removal"})},
    "Subscription": {"status": frozenset({"requested", "active", "error", "off"})},
    "Task": {
        "status": frozenset({
            "draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold", "failed", "completed",
            "entered-in-error",
        }),
        "intent": frozenset({
            "unknown", "proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option",
        }),
        "priority": frozenset({"routine", "urgent", "asap", "stat"}),
    },
}  # fmt: skip
"""Required bindings by type and element path; "" for every type."""

_BOOLEANS = frozenset({"active", "deceasedBoolean", "multipleBirthBoolean", "preferred", "valueBoolean"})
_INTEGERS = frozenset({"multipleBirthInteger", "numberOfSeries", "numberOfInstances", "number", "rank", "valueInteger"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: the FHIRPath of the element and what is wrong with it; ``code`` a FHIR issue code."""

    expression: str
    text: str
    code: str = "invariant"


class InvalidResource(Exception):
    """The resource must not be stored; ``faults`` say why, all at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.expression}: {fault.text}" for fault in self.faults))


def validate(resource: Mapping[str, Any], *, structure: bool = True) -> None:
    """Return nothing where the resource is well-formed R4; raises InvalidResource with every fault, up to MAX_FAULTS.

    Without ``structure`` the model classes are left out, five times the cost of all else: for what is composed of elements that
    were checked when they were born, as a golden patient is.
    """
    found = faults(resource, structure=structure)
    if found:
        raise InvalidResource(found)


def faults(resource: Mapping[str, Any], *, structure: bool = True) -> list[Fault]:
    """The faults of a resource, each (element, text) once, in the order of the document."""
    kind = resource.get("resourceType")
    if kind not in SERVED:
        return [Fault("resourceType", "is no resource type kept here", "not-supported")]
    found = [*_shape(resource, kind, 0), *_bindings(resource, kind), *_invariants(resource, kind)]
    found += _structure(resource, kind) if structure else []
    return list({(fault.expression, fault.text): fault for fault in found}.values())[:MAX_FAULTS]


def _shape(element: Mapping[str, Any], path: str, depth: int) -> Iterator[Fault]:
    """Empty values, JSON types, control characters, ids: what the model classes let pass."""
    if depth > MAX_DEPTH:
        yield Fault(path, "is nested too deep", "structure")
        return
    for key, value in element.items():
        here = f"{path}.{key}"
        if isinstance(value, str):
            yield from _text(key, value, here)
        elif isinstance(value, dict):
            yield from _shape(value, here, depth + 1) if value else (Fault(here, "is empty", "structure"),)
        elif isinstance(value, list):
            yield from _items(value, key, here, depth)
        elif key in _BOOLEANS and not isinstance(value, bool):
            yield Fault(here, "must be a JSON boolean", "structure")
        elif key in _INTEGERS and (isinstance(value, bool) or not isinstance(value, int)):
            yield Fault(here, "must be a JSON integer", "structure")
        elif value is None:
            yield Fault(here, "is null", "structure")


def _text(key: str, value: str, here: str) -> Iterator[Fault]:
    if not value.strip():
        yield Fault(here, "is empty", "structure")
    elif _CONTROL.search(value):
        yield Fault(here, "holds a control character", "structure")
    elif key in _BOOLEANS or key in _INTEGERS:
        yield Fault(here, "must not be a JSON string", "structure")
    elif key == "id" and not _ID.fullmatch(value):
        yield Fault(here, "is not a FHIR id", "structure")


def _items(values: Sequence[Any], key: str, here: str, depth: int) -> Iterator[Fault]:
    if not values:
        yield Fault(here, "is empty", "structure")
    for number, value in enumerate(values):
        place = f"{here}[{number}]"
        if isinstance(value, dict):
            yield from _shape(value, place, depth + 1) if value else (Fault(place, "is empty", "structure"),)
        elif isinstance(value, str):
            yield from _text(key, value, place)


def _bindings(resource: Mapping[str, Any], kind: str) -> Iterator[Fault]:
    for bound in (BINDINGS[""], BINDINGS.get(kind, {})):
        for path, codes in bound.items():
            for place, value in _at(resource, path.split("."), kind):
                if isinstance(value, str) and value not in codes:
                    yield Fault(place, "is a code outside its required value set", "code-invalid")


def _at(element: Any, path: Sequence[str], here: str) -> Iterator[tuple[str, Any]]:
    """(FHIRPath, value) of every element at a path."""
    if isinstance(element, list):
        for number, item in enumerate(element):
            yield from _at(item, path, f"{here}[{number}]")
    elif not path:
        yield here, element
    elif isinstance(element, dict) and path[0] in element:
        yield from _at(element[path[0]], path[1:], f"{here}.{path[0]}")


def _invariants(resource: Mapping[str, Any], kind: str) -> Iterator[Fault]:
    """ext-1 and per-1 everywhere; those of the types that Weald builds."""
    yield from _everywhere(resource, kind)
    if kind == "Patient":
        for place, contact in _at(resource, ["contact"], kind):
            if isinstance(contact, dict) and not contact.keys() & {"name", "telecom", "address", "organization"}:
                yield Fault(place, "needs a name, telecom, address or organization (pat-1)")
    if kind == "Linkage" and len(resource.get("item", ())) < 2:
        yield Fault("Linkage.item", "needs two items (lnk-1)")
    if kind == "ImagingStudy":
        yield from _study(resource)


def _everywhere(element: Any, here: str) -> Iterator[Fault]:
    if isinstance(element, list):
        for number, item in enumerate(element):
            if isinstance(item, (dict, list)):
                yield from _everywhere(item, f"{here}[{number}]")
        return
    for key, value in element.items():
        if key == "extension" and isinstance(value, list):
            yield from _extensions(value, f"{here}.extension")
        if key.endswith(("period", "Period")) and isinstance(value, dict):
            yield from _period(value, f"{here}.{key}")
        if isinstance(value, (dict, list)):
            yield from _everywhere(value, f"{here}.{key}")


def _extensions(extensions: Iterable[Any], here: str) -> Iterator[Fault]:
    for number, extension in enumerate(extensions):
        if isinstance(extension, dict):
            values = sum(1 for key in extension if key.startswith("value"))
            if values + ("extension" in extension) != 1:
                yield Fault(f"{here}[{number}]", "needs a value or extensions, not both (ext-1)")


def _period(period: Mapping[str, Any], here: str) -> Iterator[Fault]:
    start, end = period.get("start"), period.get("end")
    if isinstance(start, str) and isinstance(end, str):
        size = min(len(start), len(end), 10)
        if start[:size] > end[:size]:
            yield Fault(here, "starts after it ends (per-1)")


def _study(study: Mapping[str, Any]) -> Iterator[Fault]:
    """Every series its own valid UID, every instance one of its own in its series, and its SOP class (fhir.md 4).

    One SOP instance may stand in two series, as archives send it: both places are kept (imaging.md 3.2).
    """
    known: set[Any] = set()
    for series, part in enumerate(study.get("series", ())):
        here = f"ImagingStudy.series[{series}]"
        yield from _uid(part, here, known)
        placed: set[Any] = set()
        for number, instance in enumerate(part.get("instance", ())):
            place = f"{here}.instance[{number}]"
            yield from _uid(instance, place, placed)
            if "sopClass" not in instance:
                yield Fault(f"{place}.sopClass", "is required", "required")


def _uid(element: Mapping[str, Any], here: str, known: set[Any]) -> Iterator[Fault]:
    """The faults of an element's UID; ``known`` are those of the elements beside it, and takes it in."""
    uid = element.get("uid")
    if not isinstance(uid, str) or not _ID.fullmatch(uid):
        yield Fault(f"{here}.uid", "is not a UID of 64 characters at most", "value")
    elif uid in known:
        yield Fault(f"{here}.uid", "occurs twice")
    known.add(uid)


@cache
def _model(kind: str) -> type[BaseModel]:
    """The class of a type, its module imported when first needed: the classes are heavy."""
    model: type[BaseModel] = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    return model


def _structure(resource: Mapping[str, Any], kind: str) -> list[Fault]:
    """The faults that the model class finds. Of a study's series only the first instance is built, the others were checked alike."""
    try:
        _model(kind).model_validate(_sample(resource) if kind == "ImagingStudy" else resource)
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False, include_context=False)
        return [Fault(_path(kind, d["loc"]), *_MEANINGS.get(d["type"], _INVALID)) for d in details if not _extended_value(d["loc"])]
    return []


def _extended_value(location: Sequence[str | int]) -> bool:
    """Whether the place is the extension of an extension's primitive value (``_valueString``), which the classes do not know."""
    return len(location) > 2 and location[-3] == "extension" and str(location[-1]).startswith("_value")


_INVALID = ("is not valid here", "structure")
_MEANINGS = {
    "missing": ("is required", "required"),
    "model_field_validation.missing": ("is required", "required"),
    "extra_forbidden": ("is no element of the type", "structure"),
}


def _sample(study: Mapping[str, Any]) -> dict[str, Any]:
    series = [{**s, "instance": s["instance"][:1]} if s.get("instance") else s for s in study.get("series", ())]
    return {**study, "series": series} if series else dict(study)


def _path(kind: str, location: Iterable[str | int]) -> str:
    path = kind
    for part in location:
        if part == "root":  # the classes' name for the element as a whole
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path
