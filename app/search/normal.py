"""Values as they are compared: one normal form for the index and for the question (FHIR R4 search.html).

Everything here is a pure function of the text, so that a value found in a resource and the same
value found in a query always meet. Times become microseconds since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from app.search.criteria import MAX_TIME

CIVIL = ZoneInfo("Europe/London")
OID = "urn:oid:"
SHORT = 64
"""Values up to this length are remembered, so that memory is bounded whatever is asked."""

_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "\u0131": "i"} | dict.fromkeys("'\u2019\u02bc."))
_GAPS = re.compile("[\\s\\-\u2010-\u2014]+")
_PHONE = re.compile(r"[+(\d][\d\s().\-/]*")
_NOT_DIGITS = re.compile(r"\D+")
_UK = re.compile(r"^\(?(?:\+|00)44\)?\s*(?:\(0\)|0)?")

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  naive on purpose: offsets are subtracted by hand, so that year 1 and year 9999 fit
_MICROSECOND = timedelta(microseconds=1)
WRITABLE = range((datetime(1, 1, 1) - _EPOCH) // _MICROSECOND, (datetime(9999, 12, 31) - _EPOCH + timedelta(days=1)) // _MICROSECOND)  # noqa: DTZ001  as above
"""The times that can be written in UTC: an offset takes the first and last hours of the years 1 to 9999 beyond them."""
_DATE = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d+))?)?(Z|[+\-]\d{2}:\d{2})?)?)?)?",
    re.ASCII,
)


def folded(text: str) -> str:
    """The normal form of a string: NFKD, casefold, no marks, apostrophes or full stops; hyphens and spaces one space."""
    return _short_folded(text) if len(text) <= SHORT else _folded(text)


@lru_cache(maxsize=16384)
def _short_folded(text: str) -> str:
    return _folded(text)


def _folded(text: str) -> str:
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        text = "".join(c for c in decomposed if not unicodedata.combining(c))
    return _GAPS.sub(" ", text.casefold().translate(_LETTERS)).strip()


def exact(text: str) -> str:
    """The form that ``:exact`` compares: NFC, nothing else changed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def postcode(text: str) -> str:
    """A postcode folded and without spaces."""
    return folded(text).replace(" ", "")


def code(text: str) -> str:
    """A token's code or identifier's value: case folded, a DICOM UID without its ``urn:oid:``."""
    return text.casefold().removeprefix(OID)


def contact(text: str) -> str:
    """A ContactPoint.value: a telephone number as digits with +44, 0044 and 0 unified, anything else case folded."""
    stripped = text.strip()
    if not _PHONE.fullmatch(stripped):
        return stripped.casefold()
    national = _UK.sub("0", stripped, count=1)
    digits = _NOT_DIGITS.sub("", national)
    if national.startswith("+"):
        return "+" + digits
    return "+" + digits[2:] if digits.startswith("00") else digits


def date_range(text: str) -> tuple[int, int] | None:
    """The half-open range [low, high) of a FHIR date, dateTime or instant at its own precision, None where it is none.

    Without an offset it is civil time in Europe/London, where a day has 23 to 25 hours and an
    ambiguous hour covers both its instants (FHIR R4 search.html#date).
    """
    return _day_range(text) if len(text) <= 10 else _parsed_range(text)


@lru_cache(maxsize=16384)
def _day_range(text: str) -> tuple[int, int] | None:
    return _parsed_range(text)


def _parsed_range(text: str) -> tuple[int, int] | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    try:
        return _range(found)
    except (ValueError, OverflowError):
        return None


def _range(found: re.Match[str]) -> tuple[int, int]:
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    if hour is None:
        return _civil_days(int(year), int(month or 0), int(day or 0))
    seconds = int(second or 0)
    if seconds > 60:
        raise ValueError
    at = datetime(int(year), int(month), int(day), int(hour), int(minute), min(seconds, 59))  # noqa: DTZ001
    more = (seconds - at.second) * 1_000_000 + int((fraction or "0")[:6].ljust(6, "0"))
    unit = 60_000_000 if second is None else 1_000_000 if fraction is None else 10 ** max(0, 6 - len(fraction))
    first, last = (_civil_offset(at, 0), _civil_offset(at, 1)) if offset is None else (_offset(offset),) * 2
    return _micros(at, first) + more, _micros(at, last) + more + unit


def _civil_days(year: int, month: int, day: int) -> tuple[int, int]:
    low = date(year, month or 1, day or 1)
    if day:
        high = low + timedelta(days=1) if low < date.max else None
    elif month:
        high = date(year + month // 12, month % 12 + 1, 1) if (year, month) < (9999, 12) else None
    else:
        high = date(year + 1, 1, 1) if year < 9999 else None
    return _midnight(low), MAX_TIME if high is None else _midnight(high)


def _midnight(day: date) -> int:
    at = datetime(day.year, day.month, day.day)  # noqa: DTZ001
    return _micros(at, _civil_offset(at, 0))


def _civil_offset(at: datetime, fold: int) -> timedelta:
    shift = at.replace(tzinfo=CIVIL, fold=fold).utcoffset()
    # In the hour that the clocks skip, fold 1 is the offset after the change, which would end the range before it starts.
    before = at.replace(tzinfo=CIVIL, fold=0).utcoffset()
    if shift is None or before is None:
        raise ValueError
    return min(shift, before)


def _offset(text: str) -> timedelta:
    if text == "Z":
        return timedelta(0)
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 14 or minutes > 59:
        raise ValueError
    return timedelta(hours=hours, minutes=minutes) * (-1 if text[0] == "-" else 1)


def _micros(at: datetime, shift: timedelta) -> int:
    return (at - _EPOCH - shift) // _MICROSECOND


def instant(micros: int) -> str:
    """The instant, one of WRITABLE, as the store writes it: ISO 8601 UTC with milliseconds and Z."""
    at = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
