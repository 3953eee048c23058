"""Hard vetoes and caps on grade (matching.md 6): what no weight may override."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from matching.comparisons import BIRTH_DATE, BIRTH_ORDER, FAMILY, GIVEN, MIDDLE, NHS_NUMBER, SAME_AUTHORITY, Vector
from matching.demographics import EVIDENTIAL, HEADER_ONLY, MULTIPLE, NEWBORN, NO_IDENTIFIER, PSEUDO, Demographics

CONFUSION = "confusion"
TWO_NUMBERS = "two-evidential-numbers"
PSEUDO_PERSON = "pseudo-person"
NOT_SAME = "not-same"

_PERSONAL = ("given", "middle", "family", "guardian", "phone", "email")
_NUMBERS = ("nhs_number", "nhs_weak", "same_authority")


class Cap(NamedTuple):
    """A rule of matching.md 6 that held, and the best grade it allows."""

    rule: str
    grade: str


def vetoes(a: Demographics, b: Demographics) -> tuple[str, ...]:
    """The hard vetoes between two records, ``not-same`` apart: they are never one person, whatever the weight."""
    found = []
    if a.nhs_state == EVIDENTIAL == b.nhs_state and a.nhs_number != b.nhs_number:
        found.append(TWO_NUMBERS)
    if (a.flags | b.flags) & PSEUDO and set(a.identifiers).isdisjoint(b.identifiers):
        found.append(PSEUDO_PERSON)
    return tuple(found)


def is_confusion(a: Demographics, b: Demographics, vector: Vector) -> bool:
    """Whether an equal evidential number is on what look like two people: no evidence until settled.

    Birth date and a name at their last level, or a mother's number on her newborn.
    """
    levels = vector.levels
    if levels[NHS_NUMBER] != 1 or levels[BIRTH_DATE] != 6:
        return False
    return 6 in (levels[GIVEN], levels[FAMILY]) or (a.flags ^ b.flags) & NEWBORN == NEWBORN


def is_number_edge(a: Demographics, b: Demographics, vector: Vector) -> bool:
    """Whether equal evidential numbers link by themselves: birth dates at level <= 2, given or family at level <= 4."""
    levels = vector.levels
    names = 1 <= levels[GIVEN] <= 4 or 1 <= levels[FAMILY] <= 4
    return levels[NHS_NUMBER] == 1 and 1 <= levels[BIRTH_DATE] <= 2 and names and _newborn_cap(a, b, vector) is None


def _newborn_cap(a: Demographics, b: Demographics, vector: Vector) -> Cap | None:
    """Newborn without a name: at most probable; of a multiple birth with no or another birth order: possible."""
    if not (a.flags | b.flags) & NEWBORN or vector.levels[GIVEN]:
        return None
    if (a.flags | b.flags) & MULTIPLE and vector.levels[BIRTH_ORDER] != 1:
        return Cap("multiple-birth", "possible")
    return Cap("newborn-without-name", "probable")


def _is_twin_pattern(levels: tuple[int, ...], weights: Mapping[str, float]) -> bool:
    """Whether the two may be twins: one birth date and family name, given names that differ.

    Of names that are alike, such as Anna and Hannah, only where no number and no middle name in full speaks for one person.
    """
    if not (1 <= levels[BIRTH_DATE] <= 2 and 1 <= levels[FAMILY] <= 3):
        return False
    return levels[GIVEN] == 6 or (3 <= levels[GIVEN] <= 5 and levels[MIDDLE] != 1 and not _is_numbered(weights))


def _is_numbered(weights: Mapping[str, float]) -> bool:
    """Whether a number speaks for the pair."""
    return any(weight > 0 and (field in _NUMBERS or field.startswith("id:")) for field, weight in weights.items())


def _evidence_caps(weights: Mapping[str, float]) -> list[Cap]:
    """The caps that follow from which fields speak for the pair."""
    positive = {field for field, weight in weights.items() if weight > 0}
    numbered = _is_numbered(weights)
    kinds = sum(field in positive for field in ("given", "family", "birth_date")) + numbered
    found = []
    if positive.isdisjoint(("given", "birth_date")) or kinds < 2:
        found.append(Cap("too-few-fields", "probable"))
    if not numbered and positive.isdisjoint(_PERSONAL):
        found.append(Cap("sex-postcode-birth-date-alone", "possible"))
    return found


def caps(a: Demographics, b: Demographics, vector: Vector, weights: Mapping[str, float], weak_number_alone: bool) -> tuple[Cap, ...]:
    """The caps on the pair's grade; ``weights`` by field, ``weak_number_alone`` where without that number it is no match."""
    levels, either = vector.levels, a.flags | b.flags
    agreed = levels[NHS_NUMBER] == 1
    found = _evidence_caps(weights)
    if weak_number_alone:
        found.append(Cap("weak-number-alone", "probable"))
    if _is_twin_pattern(levels, weights) and not agreed:
        found.append(Cap("twin-pattern", "probable"))
    newborn = _newborn_cap(a, b, vector)
    if newborn:
        found.append(newborn)
    if levels[SAME_AUTHORITY] == 2 and not agreed:
        found.append(Cap("same-authority", "probable"))
    if either & HEADER_ONLY and any(d.flags & HEADER_ONLY and d.flags & NO_IDENTIFIER for d in (a, b)):
        found.append(Cap("header-only", "probable"))
    return tuple(found)
