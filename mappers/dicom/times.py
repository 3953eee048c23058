"""Dates and times of a study as FHIR dateTime and as instants (imaging.md 1.4, started)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

_OFFSET = re.compile(r"([+-])([0-9]{2}):?([0-9]{2})")
_LARGEST_OFFSET = timedelta(hours=14)


class Moment(NamedTuple):
    """A FHIR dateTime and a finding about it: time-ambiguous or time-missing."""

    text: str
    flag: str | None = None


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def zone_from_offset(text: str | None) -> timezone | None:
    """The zone of a (0008,0201) such as +0100; None where it is absent or no offset."""
    match = _OFFSET.fullmatch(text or "")
    if not match:
        return None
    size = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(-size if match[1] == "-" else size) if size <= _LARGEST_OFFSET and int(match[3]) < 60 else None


def _local(date: str, time: str) -> datetime:
    return datetime.fromisoformat(f"{date}T{time[:8]}")


def moment_from_da_tm(date: str, time: str | None, offset: str | None, zone: str) -> Moment:
    """The FHIR dateTime of a date and time: the date alone where there is no time, else with its offset.

    The offset is that sent, else that of the zone at that date: the first of a repeated hour, and for an hour
    that the clocks leave out the offset before the jump.
    """
    if not time:
        return Moment(date)
    sent = zone_from_offset(offset)
    if sent:
        return Moment(f"{date}T{time}{_text(sent.utcoffset(None))}")
    first = _local(date, time).replace(tzinfo=_zone(zone))
    before, after = first.utcoffset(), first.replace(fold=1).utcoffset()
    flag = None
    if before is not None and after is not None and before != after:
        flag = "time-ambiguous" if before > after else "time-missing"
    whole = timedelta(minutes=round((before or timedelta()) / timedelta(minutes=1)))
    if before is not None and whole != before:
        date, time = _moved(first.replace(tzinfo=None), whole - before, date, time)
    return Moment(f"{date}T{time}{_text(whole)}", flag)


def _moved(local: datetime, by: timedelta, date: str, time: str) -> tuple[str, str]:
    """The date and time of a local mean time under the nearest offset of whole minutes, FHIR having no other: the instant stays."""
    try:
        moved = local + by
    except OverflowError:
        return date, time
    return f"{moved.year:04d}-{moved:%m-%d}", f"{moved:%H:%M:%S}{time[8:]}"


def _text(offset: timedelta | None) -> str:
    """+HH:MM of an offset of whole minutes."""
    minutes = int((offset or timedelta()).total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def instant_from_da_tm(date: str | None, time: str | None, offset: str | None, zone: str) -> str:
    """The instant as ISO 8601 UTC with microseconds, of a date alone its first; "" where there is no date."""
    if not date:
        return ""
    fraction = time[8:].ljust(7, "0") if time and len(time) > 8 else ".000000"
    local = _local(date, (time or "00:00:00")[:8]).replace(tzinfo=zone_from_offset(offset) or _zone(zone))
    try:
        instant = local.astimezone(UTC)
    except OverflowError:
        return ""
    return f"{instant.year:04d}-{instant:%m-%dT%H:%M:%S}{fraction}Z"


def instant_from_dt(text: str | None, zone: str) -> str:
    """The instant of a DT value (YYYYMMDD[HHMMSS[.F]][&ZZXX]) as ISO 8601 UTC; "" where there is none."""
    if not text:
        return ""
    digits, offset = (text[:-5], text[-5:]) if text[-5:-4] in ("+", "-") else (text, None)
    time = digits[8:14].ljust(6, "0")
    clock = f"{time[:2]}:{time[2:4]}:{min(time[4:6], '59')}{digits[14:]}"
    return instant_from_da_tm(f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}", clock, offset, zone)
