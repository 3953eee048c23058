"""Values by VR (PS3.5 6.2), from raw bytes or DICOM JSON: an absent or invalid one never raises and never is invented."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from mappers.dicom.charset import Charset, charset_from_terms, text_from_bytes
from mappers.dicom.header import Items, Raw, items_from_raw
from mappers.dicom.tables import CHARSET, Element
from mappers.dicom.times import zone_from_offset

NO_CHARSET = Charset()

_WHOLE_TEXT = frozenset(("ST", "LT", "UT", "UR"))
_ENCODED_TEXT = frozenset(("SH", "LO", "UC", "PN", "ST", "LT", "UT"))
_IDENTIFIERS = frozenset(
    (
        "PatientID",
        "AccessionNumber",
        "StudyID",
        "AdmissionID",
        "PlacerOrderNumberImagingServiceRequest",
        "FillerOrderNumberImagingServiceRequest",
        "SpecimenIdentifier",
    )
)
_UNWANTED = re.compile("[\x00-\x1f\x7f-\x9f\ufffd\ud800-\udfff]")
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_LEADING_ZERO = re.compile(r"(?:^|\.)0[0-9]")
_DATE = re.compile(r"([0-9]{4})(\.?)([0-9]{2})\2([0-9]{2})")
_TIME = re.compile(r"([0-9]{2})(:?)([0-9]{2})(?:\2([0-9]{2})(\.[0-9]{1,6})?)?")
_HOUR = re.compile(r"[01][0-9]|2[0-3]")
_INTEGER = re.compile(r"\+?[0-9]{1,11}")
_DATETIME = re.compile(r"[0-9]{8}(?:[0-9]{2}(?:[0-9]{2}(?:[0-9]{2}(?:\.[0-9]{1,6})?)?)?)?(?:[+-][0-9]{4})?")
_LARGEST_INTEGER = 2**31 - 1


@dataclass(slots=True)
class Reading:
    """The values read so far of one level, with findings; ``raw`` keeps what could not be used, as text."""

    charset: Charset = NO_CHARSET
    fallback: Charset = NO_CHARSET
    big: bool = False
    flags: set[str] = field(default_factory=set)
    raw: dict[str, str] = field(default_factory=dict)

    def refuse(self, keyword: str, text: str) -> None:
        """Keep an invalid value beside the facts and flag it."""
        self.flags.add("value-invalid")
        self.raw[keyword] = text[:256]

    def inside(self, charset: Charset) -> Reading:
        """A Reading of an item with its own character set, adding to the same findings."""
        return Reading(charset, self.fallback, self.big, self.flags, self.raw)


def read_elements(elements: Sequence[Element], raws: Mapping[int, Raw], reading: Reading) -> dict[str, Any]:
    """The JSON-able values of the elements that are present and valid, by keyword."""
    values: dict[str, Any] = {}
    for element in elements:
        raw = raws.get(element.tag)
        if raw:
            value = read_value(element, raw, reading)
            if value is not None:
                values[element.keyword] = value
    return values


def read_value(element: Element, raw: Raw, reading: Reading) -> Any:
    """One element's value: a string or integer, a list where its multiplicity is above one, a list of items."""
    if element.vr == "SQ":
        return _read_items(element, raw, reading)
    if element.vr == "US":
        return _unsigned_short(element, raw, reading)
    texts = [text for text in _texts(element, raw, reading) if text]
    if not texts:
        return None
    if element.many:
        checked = [_checked(element, text, reading) for text in texts]
        return [value for value in checked if value is not None] or None
    if len(texts) == 1:
        return _checked(element, texts[0], reading)
    reading.flags.add("multiple-values")
    return "\\".join(texts) if element.keyword in _IDENTIFIERS else _checked(element, texts[0], reading)


def _read_items(element: Element, raw: Raw, reading: Reading) -> list[dict[str, Any]] | None:
    if isinstance(raw, Items):
        raws: Sequence[Any] = items_from_raw(raw, element.wanted)
    else:
        raws = raw if isinstance(raw, list) else ()
    items = [_read_item(element, item, reading) for item in raws if isinstance(item, dict)]
    return [item for item in items if item] or None


def _read_item(element: Element, item: Mapping[int, Raw], reading: Reading) -> dict[str, Any]:
    own = item.get(CHARSET)
    inside = reading.inside(charset_from_terms(plain_text(own))) if own else reading
    return read_elements(element.items, item, inside)


def plain_text(raw: Raw | None) -> str:
    """Text of a value that no character set touches (CS, UI), its values joined by backslash."""
    if isinstance(raw, bytes):
        return raw.decode("latin_1").strip(" \0")
    return "\\".join([text.strip(" \0") for text in raw if isinstance(text, str)]) if isinstance(raw, list) else ""


def _texts(element: Element, raw: Raw, reading: Reading) -> list[str]:
    if isinstance(raw, bytes):
        text = _decoded(element.vr, raw, reading)
        parts = [text] if element.vr in _WHOLE_TEXT else text.split("\\")
    else:
        parts = [part for part in raw if isinstance(part, str)] if isinstance(raw, list) else []
    return [clean_text(part) for part in parts]


def _decoded(vr: str, raw: bytes, reading: Reading) -> str:
    if vr not in _ENCODED_TEXT:
        return raw.decode("latin_1")
    text, flag = text_from_bytes(raw, reading.charset, reading.fallback)
    if flag:
        reading.flags.add(flag)
    return text


def clean_text(text: str) -> str:
    """Text without padding, control characters and replacement characters, in NFC."""
    if text.isascii() and text.isprintable():
        return text.strip()
    return unicodedata.normalize("NFC", _UNWANTED.sub("", text)).strip()


def _checked(element: Element, text: str, reading: Reading) -> str | int | None:
    rule = _RULES.get(element.vr) or _RULES.get(element.keyword)
    if rule is None:
        return text
    value = rule(text)
    if value is None and not (element.vr == "PN" or (element.vr == "TM" and _HOUR.fullmatch(text))):
        reading.refuse(element.keyword, text)
    if element.vr == "UI" and value and _LEADING_ZERO.search(text):
        reading.flags.add("uid-leading-zero")
    return value


def uid_from_text(text: str) -> str | None:
    """A UID of at most 64 digits and dots (PS3.5 9.1); components with leading zeros are kept."""
    return text if len(text) <= 64 and _UID.fullmatch(text) else None


def date_from_da(text: str) -> str | None:
    """ISO date of a real YYYYMMDD or legacy YYYY.MM.DD."""
    match = _DATE.fullmatch(text)
    if not match:
        return None
    try:
        return date(int(match[1]), int(match[3]), int(match[4])).isoformat()
    except ValueError:
        return None


def time_from_tm(text: str) -> str | None:
    """HH:MM:SS with the fraction as given; seconds are zero where not sent, 60 becomes 59; hours alone are None."""
    match = _TIME.fullmatch(text)
    if not match:
        return None
    hour, minute, second, fraction = match[1], match[3], match[4] or "00", match[5] or ""
    second = "59" if second == "60" else second
    if hour > "23" or minute > "59" or second > "59":
        return None
    return f"{hour}:{minute}:{second}{fraction}"


def integer_from_is(text: str) -> int | None:
    """An integer from 0 to 2^31-1."""
    number = int(text) if _INTEGER.fullmatch(text) else -1
    return number if 0 <= number <= _LARGEST_INTEGER else None


def _datetime_from_dt(text: str) -> str | None:
    clock = re.split("[+-]", text)[0][8:14].ljust(6, "0")
    valid = _DATETIME.fullmatch(text) and date_from_da(text[:8]) and clock < "240000" and clock[2:4] < "60" and clock[4:6] <= "60"
    return text if valid else None


def offset_from_text(text: str) -> str | None:
    """An offset from UTC such as +0100 (PS3.3 C.12.1.1.8), as sent."""
    return text if zone_from_offset(text) else None


def person_name_from_pn(text: str) -> str | None:
    """The name with empty trailing parts dropped: at most three groups of at most five components, or None."""
    groups = [[part.strip() for part in group.split("^")[:5]] for group in text.split("=")[:3]]
    joined = ["^".join(parts).rstrip("^") for parts in groups]
    name = "=".join(joined).rstrip("=")
    return name if name.strip("^= ") else None


_RULES: Mapping[str, Callable[[str], str | int | None]] = {
    "UI": uid_from_text,
    "DA": date_from_da,
    "TM": time_from_tm,
    "IS": integer_from_is,
    "DT": _datetime_from_dt,
    "PN": person_name_from_pn,
    "CS": str.upper,
    "TimezoneOffsetFromUTC": offset_from_text,
}
"""What a value must be, by VR, or by the keyword of an attribute whose form its VR does not say."""


def _unsigned_short(element: Element, raw: Raw, reading: Reading) -> int | None:
    if isinstance(raw, bytes):
        return int.from_bytes(raw[:2], "big" if reading.big else "little") if len(raw) >= 2 else None
    texts = _texts(element, raw, reading)
    number = integer_from_is(texts[0]) if texts else None
    return number if number is not None and number < 65536 else None
