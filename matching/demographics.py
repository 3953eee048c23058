"""What the matcher is told of a record (RecordFacts) and what it compares (Demographics).

RecordFacts are raw values, current and past, as the feeds gave them. ``matching.normalise.normalise``
makes Demographics of them; only Demographics are indexed, compared and stored for the matcher.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import orjson


@dataclass(frozen=True, slots=True)
class RawName:
    family: str = ""
    given: str = ""
    middle: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class RawAddress:
    lines: tuple[str, ...] = ()
    city: str = ""
    postcode: str = ""


@dataclass(frozen=True, slots=True)
class RawIdentifier:
    """``system`` URI of one numbering scheme and the exact ``value``."""

    system: str
    value: str


DEFAULT_DATE = "default"
"""The quality of a birth date that was put in for want of one (HL7 table 0445, UD)."""


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """One record's raw facts, newest first in each tuple.

    ``nhs_number`` is the one live number; ``nhs_status`` its two-digit verification status or None;
    ``birth_date`` ISO with its precision; ``birth_date_quality`` "", "default" (UD) or "estimated" (ED);
    ``multiple`` for one of several born together (PID-24), whatever its order; ``alias`` for PID-32 AL; ``address_default`` for UA; ``pseudo`` for PID-31 Y or anonymised headers;
    ``header_only`` for a record known only from DICOM headers; ``usable_identifier`` False where it has none;
    ``first_seen`` the day of the first event (for the newborn rule), ISO date.
    """

    names: tuple[RawName, ...] = ()
    birth_date: str = ""
    birth_date_quality: str = ""
    sex: str = ""
    addresses: tuple[RawAddress, ...] = ()
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    identifiers: tuple[RawIdentifier, ...] = ()
    nhs_number: str = ""
    nhs_status: str | None = None
    nhs_labelled: bool = True
    guardian: str = ""
    birth_order: str = ""
    multiple: bool = False
    categories: tuple[tuple[str, str], ...] = ()
    alias: bool = False
    address_default: bool = False
    pseudo: bool = False
    header_only: bool = False
    usable_identifier: bool = True
    first_seen: str = ""


class Name(NamedTuple):
    """One normalised name: folded parts, and the sounds of given and family."""

    given: str = ""
    middle: str = ""
    family: str = ""
    suffix: str = ""
    given_sound: str = ""
    family_sound: str = ""


ALIAS = 1
PSEUDO = 2
HEADER_ONLY = 4
NO_IDENTIFIER = 8
NEWBORN = 16
MULTIPLE = 32

EVIDENTIAL = "e"
WEAK = "w"
DOUBTED = "d"
NONE = ""
COUNTED = (EVIDENTIAL, WEAK)
"""States of a number that is compared and looked up."""


@dataclass(frozen=True, slots=True)
class Demographics:
    """One record as the matcher sees it: normalised, newest value first, "" or () where there is no evidence.

    ``birth_date`` is 8, 6 or 4 digits, its length its precision; ``sex`` "m" or "f"; ``nhs_state`` EVIDENTIAL, WEAK,
    DOUBTED (verified, but two people seem to use it: no evidence for anybody, and against another verified number as ever) or NONE, with a
    number where an unverified one is in doubt; ``flags`` a sum of ALIAS .. MULTIPLE; ``unkeyed`` values shared so widely that no key is made of them.
    """

    names: tuple[Name, ...] = ()
    birth_date: str = ""
    sex: str = ""
    nhs_number: str = ""
    nhs_state: str = NONE
    streets: tuple[str, ...] = ()
    cities: tuple[str, ...] = ()
    postcodes: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    identifiers: tuple[tuple[str, str], ...] = ()
    guardian: str = ""
    guardian_sound: str = ""
    birth_order: str = ""
    categories: tuple[tuple[str, str], ...] = ()
    flags: int = 0
    unkeyed: tuple[str, ...] = ()


_PAIRED = frozenset({10, 14})
"""Places of ``identifiers`` and ``categories``, whose items are pairs."""


def pack(demographics: Demographics) -> bytes:
    """The bytes that a store keeps of it: one JSON array in the order of the fields, trailing empty values left off."""
    values = [getattr(demographics, name) for name in Demographics.__slots__]
    values[0] = [tuple(name) for name in demographics.names]
    while values and not values[-1]:
        values.pop()
    return orjson.dumps(values)


def unpack(packed: bytes) -> Demographics:
    """The Demographics that ``pack`` made these bytes of."""
    values = orjson.loads(packed)
    if values:
        values[0] = tuple([Name(*name) for name in values[0]])
    for index in range(5, min(len(values), 17)):
        value = values[index]
        if value.__class__ is list:
            values[index] = tuple([tuple(pair) for pair in value]) if index in _PAIRED else tuple(value)
    return Demographics(*values)

