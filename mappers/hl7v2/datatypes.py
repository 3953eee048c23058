"""HL7 v2 data types as FHIR ones (hl7v2.md 2; HL7 v2 chapter 2.A). Each takes the raw text of one repeat.

A component that is empty or ``""`` gives nothing here; what a whole field asserts is for ``segments``.
Findings are appended to ``flags`` as codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from mappers import nhs_number
from mappers.context import NHS_NUMBER, Authority, MappingContext
from mappers.facts import IdentifierFact, period_from_dates
from mappers.hl7v2 import tables
from mappers.hl7v2.er7 import DELETED, Delimiters

NHS = Authority("NHS", NHS_NUMBER, "NH", None)


def texts(repeat: str, d: Delimiters, size: int = 1) -> list[str]:
    """The components of a repeat, at least ``size`` of them, unescaped and trimmed, "" for what is empty or deleted."""
    parts = repeat.split(d.component)
    if d.escape in repeat or '"' in repeat or not repeat.isprintable():
        parts = ["" if part == DELETED else _clean(d.unescape(part)) for part in parts]
    else:
        parts = [part.strip() for part in parts]
    if len(parts) < size:
        parts += [""] * (size - len(parts))
    return parts


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
    if len(text) == 14 and text.isdigit() and text.isascii() and text[10:12] < "60" and text[12:] < "60":
        hour = _utc_hour(text[:10], zone)
        if hour is not None:
            return f"{hour}:{text[10:12]}:{text[12:]}.000000Z"
    at = _moment(text, zone, flags)
    try:
        return None if at is None else iso(at)
    except OverflowError:
        return None


@lru_cache(maxsize=4096)
def _utc_hour(text: str, zone: str) -> str | None:
    """YYYYMMDDHH in civil time as ISO 8601 UTC to the hour; None where the hour is no plain one, or is none."""
    flags: list[str] = []
    at = _moment(text, zone, flags)
    whole = at is not None and (at.utcoffset() or timedelta()) % timedelta(hours=1) == timedelta()
    return iso(at)[:13] if at is not None and whole and not flags and MINYEAR < at.year < MAXYEAR else None


def iso(at: datetime) -> str:
    """ISO 8601 UTC with microseconds and Z, of fixed width, so that text order is time order."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def date_time_from_ts(text: str, zone: str, flags: list[str]) -> str | None:
    """FHIR dateTime of a TS, precision kept; a time carries its offset.

    An hour alone gives the date, and so does a time before there were zones, whose offset is no whole minute.
    """
    found = _TS.fullmatch(text)
    if not found:
        return None
    if found[5] is None:
        return _date(found[1], found[2], found[3])
    at = _moment(text, zone, flags)
    if at is None:
        return None
    whole = (at.utcoffset() or timedelta()) % timedelta(minutes=1) == timedelta()
    return at.isoformat() if whole else _date(found[1], found[2], found[3])


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
    parts = texts(repeat, d, 7)
    name: dict[str, Any] = {}
    use = _name_use(parts[6].upper()) or ("official" if first else None)
    if use:
        name["use"] = use
    family = first_part(repeat, 1, d) if d.subcomponent in repeat else parts[0]
    if family:
        name["family"] = family
    for key, values in (("given", [parts[1], *parts[2].split()]), ("prefix", [parts[4]]), ("suffix", [parts[3], parts[5]])):
        kept = [value for value in values if value]
        if kept:
            name[key] = kept
    if not (family or "given" in name):
        return None
    return _dated(name, repeat, parts, d, range_at=10, start_at=12) if len(parts) >= 10 else name


def _name_use(code: str) -> str | None:
    return tables.NAME_USES.get(code) or ("old" if code.startswith("PREVIOUS") else None)


def _period(start: str, end: str) -> dict[str, str]:
    """Period of two TS, by day."""
    return period_from_dates(date_from_ts(start) if start else None, date_from_ts(end) if end else None)


def _dated(element: dict[str, Any], repeat: str, parts: list[str], d: Delimiters, *, range_at: int, start_at: int) -> dict[str, Any]:
    """The element with its period: two TS from ``start_at`` on, else the DR at ``range_at``."""
    start, end = [*parts[start_at - 1 : start_at + 1], "", ""][:2]
    period = _period(start, end) or _period(subcomponent(repeat, range_at, 1, d), subcomponent(repeat, range_at, 2, d))
    if period:
        element["period"] = period
    return element


def address_from_xad(repeat: str, d: Delimiters) -> dict[str, Any] | None:
    """Address of an XAD; None where it holds none."""
    parts = texts(repeat, d, 9)
    kind = parts[6].upper()
    address: dict[str, Any] = {}
    if use := tables.ADDRESS_USES.get(kind):
        address["use"] = use
    if kind == tables.POSTAL_ADDRESS:
        address["type"] = "postal"
    street = _street(repeat, d) if d.subcomponent in repeat else parts[0]
    lines = [line for line in (street, parts[1], parts[7]) if line]
    country = parts[5]
    places = (
        ("line", lines), ("city", parts[2]), ("district", parts[8]), ("state", parts[3]),
        ("postalCode", parts[4].upper()), ("country", tables.COUNTRIES.get(country.upper(), country)),
    )  # fmt: skip
    address.update([place for place in places if place[1]])
    if not (lines or parts[2] or parts[3] or parts[4] or parts[8]):
        return None
    return _dated(address, repeat, parts, d, range_at=12, start_at=13) if len(parts) >= 12 else address


def _street(repeat: str, d: Delimiters) -> str:
    """SAD: the whole first line, else dwelling number and street name."""
    whole = subcomponent(repeat, 1, 1, d)
    return whole or " ".join(part for part in (subcomponent(repeat, 1, 3, d), subcomponent(repeat, 1, 2, d)) if part)


def contact_point_from_xtn(repeat: str, d: Delimiters, use: str | None) -> dict[str, Any] | None:
    """ContactPoint of an XTN in a field whose use is ``use``; None where it holds no number or address."""
    parts = texts(repeat, d, 12)
    equipment = parts[2].upper()
    system = tables.TELECOM_SYSTEMS.get(equipment, "phone")
    number = parts[11] or parts[0]
    if parts[1].upper() == "NET" or (not number and parts[3]):
        system = "email"
    value = (parts[3] or number) if system == "email" else (number or _number(parts))
    if not value:
        return None
    point = {"system": system, "value": value}
    use = "mobile" if equipment == "CP" else use or tables.TELECOM_USES.get(parts[1].upper())
    if use:
        point["use"] = use
    return point


def _number(parts: list[str]) -> str:
    """The number of XTN.5 country code, .6 area code and .7 local number."""
    country = parts[4].lstrip("+")
    return " ".join([part for part in (f"+{country}" if country else "", parts[5], parts[6]) if part])


def concept_from_ce(repeat: str, d: Delimiters, codes: Mapping[str, tuple[str, str, str]] | None = None) -> dict[str, Any] | None:
    """CodeableConcept of a CE: a coding where the source's map has its code, with the text that was sent."""
    parts = texts(repeat, d, 2)
    code, text = parts[0], parts[1]
    if not (code or text):
        return None
    concept: dict[str, Any] = {}
    mapped = codes.get(code.upper()) if codes else None
    if mapped:
        concept["coding"] = [dict(zip(("system", "code", "display"), mapped, strict=True))]
    concept["text"] = text or code
    return concept



def identifier_from_cx(
    repeat: str, d: Delimiters, context: MappingContext, flags: list[str], *, day: str, kind: str = "", status: str | None = None
) -> IdentifierFact | None:
    """The identifier of a CX, None where CX.1 is empty; ``""`` in CX.1 gives one with ``value`` "" that is ``ended``.

    ``day`` (ISO date) decides whether its period is over; ``kind`` is the v2-0203 type where CX.5 is empty;
    ``status`` the verification status, should it be an NHS number.
    """
    parts = texts(repeat, d, 8)
    value = parts[0]
    deleted = not value and repeat.split(d.component, 1)[0] == DELETED
    if not value and not deleted:
        return None
    authority, code, assumed = _authority(repeat, parts, context=context, d=d, kind=kind)
    if assumed:
        flags.append("authority-assumed")
    system = authority.system
    if system == NHS_NUMBER:
        value = nhs_number.plain(value)
        flags += [] if deleted else nhs_number.findings(value)
    else:
        status = None
        if code != authority.type_code:
            system = f"{system}/{quote(code, safe='')}"
    start = date_from_ts(parts[6]) if parts[6] else None
    end = date_from_ts(parts[7]) if parts[7] else None
    if start and end and period_from_dates(start, end) == {"end": end}:
        flags.append("period-invalid")
    ended = deleted or (end is not None and end < day)
    return IdentifierFact(system, value, code, authority.owner, None, start, end, status, assumed, True, ended)


def _authority(repeat: str, parts: list[str], *, d: Delimiters, context: MappingContext, kind: str) -> tuple[Authority, str, bool]:
    """The assigning authority, the v2-0203 type, and whether the authority was assumed (hl7v2.md 2, identifier key)."""
    source = context.source
    sent = " ".join(parts[4].upper().split()) or kind
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
    """Universal id, namespace and whole text of an HD, those that are sent: "H&C" is one name, though it looks like two parts."""
    text = parts[component - 1]
    if d.subcomponent not in repeat:
        return [text.upper()] if text else []
    universal = subcomponent(repeat, component, 2, d) if subcomponent(repeat, component, 3, d) else ""
    return [name.upper() for name in (universal, subcomponent(repeat, component, 1, d), text) if name]


def _known(names: list[str], code: str, context: MappingContext) -> Authority:
    """The configured authority of one of the names, the NHS, or one scoped to the sender where none is configured."""
    source = context.source
    for name in names:
        configured = source.authorities.get(name)
        if configured is not None:
            return NHS if code == "NH" and configured.type_code == "MR" else configured
    for name in names:
        if name in tables.OTHER_HEALTH_NUMBERS:
            return Authority(name, f"{context.canonical_base}/Id/{quote(name, safe='')}", code or "NH", name)
    if code == "NH" or tables.NHS_AUTHORITIES.intersection(names):
        return NHS
    system = f"{context.canonical_base}/Id/{source.organisation}/{quote(names[0], safe='')}"
    return Authority(names[0], system, code or "MR", source.organisation)
