"""Physicians, operators and devices named in headers as FHIR references (imaging.md 1.4, 1.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from mappers.dicom.election import Election, Voice
from mappers.dicom.identifiers import IDENTIFIER_TYPE, identifier, identifier_type
from mappers.dicom.person_names import display_from_pn

GMC = "https://fhir.hl7.org.uk/Id/gmc-number"
SDS_USER = "https://fhir.nhs.uk/Id/sds-user-id"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


def practitioner_reference(name: str | None, identification: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A logical reference: the GMC or SDS number where the header codes one, and the name as display."""
    made: dict[str, Any] = {}
    number = _national_number(identification or {})
    if number:
        made["type"] = "Practitioner"
        made["identifier"] = number
    if name:
        made["display"] = display_from_pn(name)
    return made or None


def _national_number(identification: Mapping[str, Any]) -> dict[str, Any] | None:
    for code in identification.get("PersonIdentificationCodeSequence", ()):
        value = code.get("CodeValue") or code.get("LongCodeValue") or ""
        scheme = code.get("CodingSchemeDesignator", "").upper()
        if "GMC" in scheme and re.fullmatch("C?[0-9]{7}", value):
            return identifier(GMC, value.removeprefix("C"))
        if "SDS" in scheme and re.fullmatch("[0-9]{12}", value):
            return identifier(SDS_USER, value)
    return None


def practitioner_references(election: Election, names: str, identifications: str) -> list[dict[str, Any]]:
    """A reference for each person that a pair of attributes names, matched by place, each once."""
    found: list[dict[str, Any]] = []
    for voice in election.voices:
        for name, identification in _pairs(voice, names, identifications):
            reference = practitioner_reference(name, identification)
            if reference and reference not in found:
                found.append(reference)
    return found


def _pairs(voice: Voice, names: str, identifications: str) -> list[tuple[str | None, Mapping[str, Any] | None]]:
    values = voice.attributes.values
    return list(zip_longest(_listed(values.get(names)), values.get(identifications, ())))


def _listed(value: Any) -> Sequence[str]:
    return value if isinstance(value, list) else [value] if value else []


def performers(election: Election) -> list[dict[str, Any]]:
    """ImagingStudy.series.performer: performing physicians, operators, and the device."""
    physicians = practitioner_references(election, "PerformingPhysicianName", "PerformingPhysicianIdentificationSequence")
    operators = practitioner_references(election, "OperatorsName", "OperatorIdentificationSequence")
    found = [_performer("PRF", "performer", actor) for actor in physicians]
    found += [_performer("SPRF", "secondary performer", actor) for actor in operators]
    device = _device(election)
    return [*found, {"actor": device}] if device else found


def _performer(code: str, display: str, actor: dict[str, Any]) -> dict[str, Any]:
    return {"function": {"coding": [{"system": PARTICIPATION, "code": code, "display": display}]}, "actor": actor}


def _device(election: Election) -> dict[str, Any] | None:
    """The machine: manufacturer and model as display, its serial number as identifier."""
    named = [election.one(keyword) for keyword in ("Manufacturer", "ManufacturerModelName")]
    serial = election.one("DeviceSerialNumber")
    made: dict[str, Any] = {}
    if serial:
        made["identifier"] = {"type": identifier_type((IDENTIFIER_TYPE, "SNO", "Serial Number")), "value": serial}
    display = " ".join(part for part in named if part)
    if display:
        made["display"] = display
    return {"type": "Device", **made} if made else None
