"""Coded entries (PS3.3 8.8) as FHIR codings, the system by the coding scheme designator (imaging.md 1.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from mappers.dicom.dictionary import dicom_term, snomed_from_retired
from mappers.dicom.tables import CODING_SYSTEMS, DCM, KNOWN_MODALITIES, LATERALITY, RETIRED_SNOMED, SCT

NICIP = "https://nicip.nhs.uk"
_Item = Mapping[str, Any]
_CODE = re.compile(r"\S+(?:\s\S+)*")
_URI = re.compile(r"\S+")


def coding_from_code(item: _Item, schemes: Iterable[_Item], scope: str, flags: set[str]) -> dict[str, Any] | None:
    """The Coding of a code item; None where it holds no code, one that is no FHIR code, or a retired SNOMED code with no successor.

    ``schemes`` are the items of (0008,0110), ``scope`` is the URI under which a source's own schemes are named.
    """
    code = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
    designator = item.get("CodingSchemeDesignator", "")
    if not code or not (designator or "URNCodeValue" in item):
        return None
    if not _CODE.fullmatch(code):
        flags.add("value-invalid")
        return None
    if designator in RETIRED_SNOMED:
        code = snomed_from_retired(code)
        if code is None:
            flags.add("code-retired")
            return None
        return _coding(SCT, code, item, versioned=False)
    system = CODING_SYSTEMS.get(designator) or _declared(designator, schemes)
    if not system:
        system = _own(designator, scope, flags)
    return _coding(system, code, item, versioned=True)


def _coding(system: str, code: str, item: _Item, *, versioned: bool) -> dict[str, Any]:
    made = {"system": system}
    if versioned and "CodingSchemeVersion" in item:
        made["version"] = item["CodingSchemeVersion"]
    made["code"] = code
    if "CodeMeaning" in item:
        made["display"] = item["CodeMeaning"]
    return made


def _declared(designator: str, schemes: Iterable[_Item]) -> str | None:
    """The URI of a scheme that the header itself identifies by URL or UID."""
    for scheme in schemes:
        if designator and scheme.get("CodingSchemeDesignator") == designator:
            uid = scheme.get("CodingSchemeUID")
            url: str = scheme.get("CodingSchemeURL", "")
            return url if _URI.fullmatch(url) else f"urn:oid:{uid}" if uid else None
    return None


def _own(designator: str, scope: str, flags: set[str]) -> str:
    if designator == "NICIP":
        return NICIP
    if not designator:
        return "urn:ietf:rfc:3986"
    flags.add("code-system-unknown")
    return f"{scope}/{quote(designator, safe='')}"


def concepts_from_codes(items: Iterable[_Item], schemes: Iterable[_Item], scope: str, flags: set[str]) -> list[dict[str, Any]]:
    """A CodeableConcept an item: its coding, and its meaning as text; text alone where the code cannot be used."""
    concepts = []
    for item in items:
        coding = coding_from_code(item, schemes, scope, flags)
        text = item.get("CodeMeaning")
        concept = {**({"coding": [coding]} if coding else {}), **({"text": text} if text else {})}
        if concept:
            concepts.append(concept)
    return concepts


def modality_coding(modality: str, scope: str, flags: set[str]) -> dict[str, str]:
    """The Coding of a modality: of the DICOM system where the term is defined, else scoped to the source; of what is no FHIR code, its text."""
    if modality not in KNOWN_MODALITIES:
        flags.add("modality-unknown")
        return {"system": f"{scope}/modality", "code" if _CODE.fullmatch(modality) else "display": modality}
    display = dicom_term(modality)
    return {"system": DCM, "code": modality, **({"display": display} if display else {})}


def laterality_coding(laterality: str) -> dict[str, str] | None:
    """The Coding of L, R or B; None of anything else."""
    found = LATERALITY.get(laterality)
    return {"system": SCT, "code": found[0], "display": found[1]} if found else None
