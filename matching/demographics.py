"""What the matcher is told of a record (RecordFacts) and what it compares (Demographics).

RecordFacts are raw values, current and past, as the feeds gave them. ``matching.normalise.normalise``
makes Demographics of them; only Demographics are indexed, compared and stored for the matcher.
"""

from __future__ import annotations

from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """One record's raw facts, newest first in each tuple.

    ``nhs_number`` is the one live number; ``nhs_status`` its two-digit verification status or None;
    ``birth_date`` ISO with its precision; ``birth_date_quality`` "", "default" (UD) or "estimated" (ED);
    ``alias`` for PID-32 AL; ``address_default`` for UA; ``pseudo`` for PID-31 Y or anonymised headers;
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
    categories: tuple[tuple[str, str], ...] = ()
    alias: bool = False
    address_default: bool = False
    pseudo: bool = False
    header_only: bool = False
    usable_identifier: bool = True
    first_seen: str = ""
