"""Identifiers of a header with the system of who issued them (imaging.md 1.2, 2.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mappers.context import NHS_NUMBER, ODS_CODE, Authority, MappingContext
from mappers.hl7v2.tables import NHS_AUTHORITIES, OTHER_HEALTH_NUMBERS

IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
NHS = Authority("NHS", NHS_NUMBER, "NH", None)
_NHS_NAMES = NHS_AUTHORITIES | {"NH", "NHS NUMBER", NHS_NUMBER.upper()}


def authority_from_issuer(
    namespace: str | None, qualifiers: Sequence[Mapping[str, Any]] | None, context: MappingContext
) -> tuple[Authority, str | None] | None:
    """The Authority that an issuer names, and the v2-0203 type sent with it; None where no issuer is named.

    The universal entity id comes first, then the namespace; both may stand in the source's table. Spaces in a type count once, as in HL7 feeds.
    """
    qualifier = qualifiers[0] if qualifiers else {}
    type_code = " ".join(qualifier.get("IdentifierTypeCode", "").split()) or None
    if type_code in ("NH", "NHS"):
        return NHS, "NH"
    universal = qualifier.get("UniversalEntityID")
    if universal:
        found = context.source.authorities.get(universal.upper()) or _named_nhs(universal)
        system = None if found else system_from_universal_id(universal, qualifier.get("UniversalEntityIDType"))
        if system:
            found = Authority(universal, system, type_code or "MR", context.source.organisation)
        if found:
            return found, type_code
    name = namespace or qualifier.get("LocalNamespaceEntityID") or universal
    return (authority_from_namespace(name, context), type_code) if name else None


def _named_nhs(name: str) -> Authority | None:
    return NHS if name.upper().removeprefix("URN:OID:") in _NHS_NAMES else None


def system_from_universal_id(value: str, type: str | None) -> str | None:
    """The FHIR system of a universal entity id by its type (PS3.3 10.14): ISO, URI or UUID; None of others, and where it is no URI."""
    if re.search(r"\s", value):
        return None
    if type == "ISO":
        return f"urn:oid:{value.removeprefix('urn:oid:')}"
    if type == "UUID":
        return f"urn:uuid:{value.removeprefix('urn:uuid:').lower()}"
    return value if type == "URI" else None


def authority_from_namespace(name: str, context: MappingContext) -> Authority:
    """The Authority of a namespace in the source's table, the NHS, or one scoped to the organisation."""
    organisation = context.source.organisation
    name = name.upper()
    found = context.source.authorities.get(name) or _named_nhs(name)
    if not found and name in OTHER_HEALTH_NUMBERS:
        found = Authority(name, f"{context.canonical_base}/Id/{quote(name, safe='')}", "NH", name)
    return found or Authority(name, scoped_system(context, organisation, name), "MR", organisation)


def default_authority(context: MappingContext) -> Authority:
    """The Authority of a PatientID that names none."""
    organisation = context.source.organisation
    return context.source.default_authority or Authority("", scoped_system(context, organisation, "local"), "MR", organisation)


def scoped_system(context: MappingContext, owner: str, scheme: str) -> str:
    """``<w>/Id/<owner>/<scheme>``."""
    return f"{context.canonical_base}/Id/{owner}/{quote(scheme, safe='')}"


def identifier(system: str, value: str, *, type: Mapping[str, Any] | None = None, owner: str | None = None) -> dict[str, Any]:
    """A FHIR Identifier; ``owner`` is the ODS code of its assigner."""
    made: dict[str, Any] = {}
    if type:
        made["type"] = type
    made["system"], made["value"] = system, value
    if owner:
        made["assigner"] = {"identifier": {"system": ODS_CODE, "value": owner}}
    return made


def identifier_type(*codings: tuple[str, str, str | None], text: str | None = None) -> dict[str, Any]:
    """The CodeableConcept of an identifier type from (system, code, display)."""
    made: dict[str, Any] = {}
    if codings:
        made["coding"] = [
            {"system": system, "code": code, **({"display": display} if display else {})} for system, code, display in codings
        ]
    if text:
        made["text"] = text
    return made
