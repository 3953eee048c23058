"""HL7 v2 data types as FHIR ones (hl7v2.md 2; HL7 v2 chapter 2.A). Each takes the raw text of one repeat.

A component that is empty or ``""`` gives nothing here; what a whole field asserts is for ``segments``.
Findings are appended to ``flags`` as codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from mappers import nhs_number
from mappers.context import NHS_NUMBER, Authority, MappingContext
from mappers.facts import IdentifierFact
from mappers.hl7v2 import tables
from mappers.hl7v2.er7 import DELETED, Delimiters

NHS = Authority("NHS", NHS_NUMBER, "NH", None)


def texts(repeat: str, d: Delimiters) -> list[str]:
    """The components of a repeat, unescaped and trimmed, "" for what is empty or deleted."""
    parts = repeat.split(d.component)
    if d.escape in repeat or DELETED in repeat or not repeat.isprintable():
        return ["" if part == DELETED else _clean(d.unescape(part)) for part in parts]
    return [part.strip() for part in parts]


def _clean(text: str) -> str:
    """Text without the control characters that FHIR strings forbid."""
    if text.isprintable():
        return text.strip()
    return "".join(c for c in text if c in "\n\t" or (c >= " " and not "\x7f" <= c <= "\x9f")).strip()


def first_part(repeat: str, component: int, d: Delimiters) -> str:
    """The first subcomponent of a component that is made of such (FN, SAD, HD)."""
    return subcomponent(repeat, component, 1, d)


def subcomponent(repeat: str, component: int, number: int, d: Delimiters) -> str:
    """Unescaped text of one subcomponent."""
    parts = repeat.split(d.component)
    if component > len(parts):
        return ""
    inner = parts[component - 1].split(d.subcomponent)
    text = inner[number - 1] if number <= len(inner) else ""
    return "" if text == DELETED else _clean(d.unescape(text))


def _at(parts: list[str], component: int) -> str:
    return parts[component - 1] if component <= len(parts) else ""


_TS = re.compile(r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?", re.ASCII)


@lru_cache(maxsize=16)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def date_from_ts(text: str) -> str | None:
    """FHIR date of a TS, its precision (year, month or day) kept; None where it is no date."""
    if len(text) == 8 and text.isdigit() and text.isascii():
        return _date(text[:4], text[4:6], text[6:])
    found = _TS.fullmatch(text)
    return _date(found[1], found[2], found[3]) if found else None


def _date(year: str, month: str | None, day: str | None) -> str | None:
    try:
        date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return None
    return "-".join(part for part in (year, month, day) if part)


def instant_from_ts(text: str, zone: str, flags: list[str]) -> str | None:
    """The instant of a TS as ISO 8601 UTC with microseconds; missing parts are the earliest; None where it is none."""
    at = _moment(text, zone, flags)
    return None if at is None else iso(at)


def iso(at: datetime) -> str:
    """ISO 8601 UTC with microseconds and Z, of fixed width, so that text order is time order."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def date_time_from_ts(text: str, zone: str, flags: list[str]) -> str | None:
    """FHIR dateTime of a TS, precision kept; a time carries its offset, an hour alone gives the date."""
    found = _TS.fullmatch(text)
    if not found:
        return None
    if found[5] is None:
        return _date(found[1], found[2], found[3])
    at = _moment(text, zone, flags)
    return None if at is None else at.isoformat()


def _moment(text: str, zone: str, flags: list[str]) -> datetime | None:
    found = _TS.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        plain = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0),
            min(int(second or 0), 59), int((fraction or "0").ljust(6, "0")), tzinfo=_offset(offset) if offset else None,
        )  # fmt: skip
    except ValueError:
        return None
    return plain if offset else _civil(plain, _zone(zone), flags)


def _offset(text: str) -> tzinfo:
    minutes = int(text[1:3]) * 60 + int(text[3:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _civil(plain: datetime, zone: ZoneInfo, flags: list[str]) -> datetime:
    """Civil time with its offset: of a repeated hour the first, of a missing hour the offset before the jump (imaging.md 1.4)."""
    at = plain.replace(tzinfo=zone)
    offset = at.utcoffset()
    if offset != at.replace(fold=1).utcoffset():
        flags.append("time-ambiguous")
    return plain.replace(tzinfo=timezone(offset or timedelta()))



def human_name_from_xpn(repeat: str, d: Delimiters, *, first: bool = False) -> dict[str, Any] | None:
    """HumanName of an XPN; without a type the ``first`` repeat is official; None where it holds no name."""
    parts = texts(repeat, d)
    name: dict[str, Any] = {}
    use = _name_use(_at(parts, 7).upper()) or ("official" if first else None)
    if use:
        name["use"] = use
    family = first_part(repeat, 1, d) if d.subcomponent in repeat else parts[0]
    if family:
        name["family"] = family
    _listed(name, "given", [_at(parts, 2), *_at(parts, 3).split()])
    _listed(name, "prefix", [_at(parts, 5)])
    _listed(name, "suffix", [_at(parts, 4), _at(parts, 6)])
    if not (family or "given" in name):
        return None
    period = _period(_at(parts, 12), _at(parts, 13)) or _range(repeat, 10, d)
    if period:
        name["period"] = period
    return name


def _name_use(code: str) -> str | None:
    return tables.NAME_USES.get(code) or ("old" if code.startswith("PREVIOUS") else None)


def _listed(element: dict[str, Any], key: str, values: list[str]) -> None:
    kept = [value for value in values if value]
    if kept:
        element[key] = kept


def _period(start: str, end: str) -> dict[str, str]:
    """Period of two TS, by day."""
    given = {"start": start and date_from_ts(start), "end": end and date_from_ts(end)}
    return {key: value for key, value in given.items() if value}


def _range(repeat: str, component: int, d: Delimiters) -> dict[str, str]:
    """Period of a DR component."""
    return _period(subcomponent(repeat, component, 1, d), subcomponent(repeat, component, 2, d))



def address_from_xad(repeat: str, d: Delimiters) -> dict[str, Any] | None:
    """Address of an XAD; None where it holds none."""
    parts = texts(repeat, d)
    kind = _at(parts, 7).upper()
    address: dict[str, Any] = {}
    if use := tables.ADDRESS_USES.get(kind):
        address["use"] = use
    if kind == tables.POSTAL_ADDRESS:
        address["type"] = "postal"
    street = _street(repeat, d) if d.subcomponent in repeat else parts[0]
    _listed(address, "line", [street, _at(parts, 2), _at(parts, 8)])
    country = _at(parts, 6)
    places = (
        ("city", _at(parts, 3)), ("district", _at(parts, 9)), ("state", _at(parts, 4)),
        ("postalCode", _at(parts, 5).upper()), ("country", tables.COUNTRIES.get(country.upper(), country)),
    )  # fmt: skip
    address.update({key: value for key, value in places if value})
    if not address.keys() - {"use", "type", "country"}:
        return None
    period = _period(_at(parts, 13), _at(parts, 14)) or _range(repeat, 12, d)
    if period:
        address["period"] = period
    return address


def _street(repeat: str, d: Delimiters) -> str:
    """SAD: the whole first line, else dwelling number and street name."""
    whole = subcomponent(repeat, 1, 1, d)
    return whole or " ".join(part for part in (subcomponent(repeat, 1, 3, d), subcomponent(repeat, 1, 2, d)) if part)


def contact_point_from_xtn(repeat: str, d: Delimiters, use: str | None) -> dict[str, Any] | None:
    """ContactPoint of an XTN in a field whose use is ``use``; None where it holds no number or address."""
    parts = texts(repeat, d)
    equipment = _at(parts, 3).upper()
    system = tables.TELECOM_SYSTEMS.get(equipment, "phone")
    number = _at(parts, 12) or _at(parts, 1)
    if _at(parts, 2).upper() == "NET" or (not number and _at(parts, 4)):
        system = "email"
    if system == "email":
        value = _at(parts, 4) or number
    else:
        value = number or " ".join(part for part in (_at(parts, 5), _at(parts, 6), _at(parts, 7)) if part)
    if not value:
        return None
    point = {"system": system, "value": value}
    use = "mobile" if equipment == "CP" else use or tables.TELECOM_USES.get(_at(parts, 2).upper())
    if use:
        point["use"] = use
    return point



def concept_from_ce(repeat: str, d: Delimiters, codes: Mapping[str, tuple[str, str, str]] | None = None) -> dict[str, Any] | None:
    """CodeableConcept of a CE: a coding where the source's map has its code, with the text that was sent."""
    parts = texts(repeat, d)
    code, text = parts[0], _at(parts, 2)
    if not (code or text):
        return None
    concept: dict[str, Any] = {}
    mapped = codes.get(code.upper()) if codes else None
    if mapped:
        concept["coding"] = [dict(zip(("system", "code", "display"), mapped, strict=True))]
    concept["text"] = text or code
    return concept



def identifier_from_cx(
    repeat: str, d: Delimiters, context: MappingContext, flags: list[str], *, day: str, kind: str = ""
) -> IdentifierFact | None:
    """The identifier of a CX, None where CX.1 is empty; ``""`` in CX.1 gives one with ``value`` "" that is ``ended``.

    ``day`` (ISO date) decides whether its period is over; ``kind`` is the v2-0203 type where CX.5 is empty.
    """
    parts = texts(repeat, d)
    value = parts[0]
    deleted = repeat.split(d.component, 1)[0] == DELETED
    if not value and not deleted:
        return None
    authority, code, assumed = _authority(repeat, parts, context=context, d=d, kind=kind)
    if assumed:
        flags.append("authority-assumed")
    if authority.system == NHS_NUMBER:
        value = nhs_number.plain(value)
        flags += [] if deleted else nhs_number.findings(value)
    system = authority.system if code == authority.type_code else f"{authority.system}/{quote(code, safe='')}"
    start, end = date_from_ts(_at(parts, 7)), date_from_ts(_at(parts, 8))
    return IdentifierFact(
        system, value, code, authority.owner, start=start, end=end, assumed=assumed, ended=deleted or (end is not None and end < day)
    )


def _authority(repeat: str, parts: list[str], *, d: Delimiters, context: MappingContext, kind: str) -> tuple[Authority, str, bool]:
    """The assigning authority, the v2-0203 type, and whether the authority was assumed (hl7v2.md 2, identifier key)."""
    source = context.source
    sent = _at(parts, 5).upper() or kind
    code = source.type_synonyms.get(sent) or tables.IDENTIFIER_TYPES.get(sent, sent)
    names = _names(repeat, parts, 4, d) or _names(repeat, parts, 6, d)
    if names:
        found = _known(names, code, context)
        return found, "NH" if found.system == NHS_NUMBER else code or found.type_code, False
    if code == "NH":
        return NHS, code, False
    default = source.default_authority or Authority("", f"{context.canonical_base}/Id/{source.organisation}/local", "MR", source.organisation)
    return default, code or default.type_code, True


def _names(repeat: str, parts: list[str], component: int, d: Delimiters) -> list[str]:
    """Universal id and namespace of an HD, those that are sent, the universal id first."""
    text = _at(parts, component)
    if d.subcomponent not in repeat:
        return [text.upper()] if text else []
    universal = subcomponent(repeat, component, 2, d) if subcomponent(repeat, component, 3, d) else ""
    return [name.upper() for name in (universal, subcomponent(repeat, component, 1, d)) if name]


def _known(names: list[str], code: str, context: MappingContext) -> Authority:
    """The configured authority of one of the names, the NHS, or one scoped to the sender where none is configured."""
    source = context.source
    for name in names:
        configured = source.authorities.get(name)
        if configured is not None:
            return NHS if code == "NH" and configured.type_code == "MR" else configured
    first = names[0]
    if first in tables.NHS_AUTHORITIES:
        return NHS
    scheme = quote(first, safe="")
    if first in tables.OTHER_HEALTH_NUMBERS:
        return Authority(first, f"{context.canonical_base}/Id/{scheme}", code or "NH", first)
    if code == "NH":
        return NHS
    return Authority(first, f"{context.canonical_base}/Id/{source.organisation}/{scheme}", code or "MR", source.organisation)
