"""Hard vetoes and caps on grade (matching.md 6): what no weight may override."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from matching.comparisons import BIRTH_DATE, BIRTH_ORDER, FAMILY, GIVEN, MIDDLE, NHS_NUMBER, SAME_AUTHORITY, SEX, Vector
from matching.demographics import DOUBTED, EVIDENTIAL, HEADER_ONLY, MULTIPLE, NEWBORN, NO_IDENTIFIER, NONE, PSEUDO, WEAK, Demographics
from matching.normalise import is_communal

CONFUSION = "confusion"
TWO_NUMBERS = "two-evidential-numbers"
PSEUDO_PERSON = "pseudo-person"
NOT_SAME = "not-same"

GENERATION = 12
"""Years between two birth dates from which one of the two may be a parent of the other."""

_PERSONAL = ("given", "middle", "family", "guardian", "phone", "email")
_NAMESAKES = frozenset({"given", "family", "birth_date", "sex", "city"})
"""Fields in which two namesakes of one age agree by chance, the oftener the more common their names are together, and in their town."""
_NAMES_IN_FULL = frozenset({"given", "middle", "family", "birth_date", "sex"})
"""Fields in which even namesakes in full of one age agree by chance (docs/adr/0019)."""
_PLACE = ("street", "city", "postcode")
MOBILE = "07"
"""What a mobile number begins with in the United Kingdom: it is a person's own."""

_VERIFIED = (EVIDENTIAL, DOUBTED)
_NUMBERS = ("nhs_number", "nhs_weak", "same_authority")


class Cap(NamedTuple):
    """A rule of matching.md 6 that held, and the best grade it allows."""

    rule: str
    grade: str


class Names(NamedTuple):
    """What is seen of the names themselves and not of their levels.

    ``two`` where given names are nearly equal and yet two names, ``past`` where they agree only by such as a record has had besides its
    newest, ``unheard_of`` where a newborn's given name is none that people are known to have: it may be one more word for a child without a name.
    """

    two: bool = False
    past: bool = False
    unheard_of: bool = False


ORDINARY_NAMES = Names()


def vetoes(a: Demographics, b: Demographics) -> tuple[str, ...]:
    """The hard vetoes between two records, ``not-same`` apart: they are never one person, whatever the weight."""
    found = []
    if a.nhs_state in _VERIFIED and b.nhs_state in _VERIFIED and a.nhs_number != b.nhs_number:
        found.append(TWO_NUMBERS)
    if (a.flags | b.flags) & PSEUDO and set(a.identifiers).isdisjoint(b.identifiers):
        found.append(PSEUDO_PERSON)
    return tuple(found)


def carries_doubt(a: Demographics, b: Demographics) -> bool:
    """Whether the two carry one NHS number that is in doubt on one of them at least, and weak on neither."""
    states = (a.nhs_state, b.nhs_state)
    return bool(a.nhs_number) and a.nhs_number == b.nhs_number and (DOUBTED in states or NONE in states) and WEAK not in states


def is_confusion(a: Demographics, b: Demographics, vector: Vector) -> bool:
    """Whether one verified NHS number is on what look like two people: no evidence until settled.

    Birth date and a name at their last level, or a mother's number on her newborn, however alike the two birth dates are.
    """
    last = vector.levels[BIRTH_DATE] == 6 and 6 in (vector.levels[GIVEN], vector.levels[FAMILY])
    return last or ((a.flags ^ b.flags) & NEWBORN == NEWBORN and a.birth_date[:4] != b.birth_date[:4])


def agrees_for_life(vector: Vector) -> bool:
    """Whether what stays with a person for life agrees: given name, birth date, and sex where both are known; one of the first two may be near."""
    levels = vector.levels
    near = 1 <= levels[GIVEN] <= 3 and 1 <= levels[BIRTH_DATE] <= 2
    return near and 1 in (levels[GIVEN], levels[BIRTH_DATE]) and levels[SEX] != 2


def is_number_edge(vector: Vector, grade: str, found: tuple[Cap, ...]) -> bool:
    """Whether equal evidential numbers link by themselves: birth dates at level <= 2, given or family at level <= 4.

    No cap ``found`` may hold, and the whole evidence, the number in it, must reach ``grade`` probable, unless what stays with
    a person for life agrees: who marries and moves keeps the number.
    """
    levels = vector.levels
    names = 1 <= levels[GIVEN] <= 4 or 1 <= levels[FAMILY] <= 4
    if levels[NHS_NUMBER] != 1 or not 1 <= levels[BIRTH_DATE] <= 2 or not names or found:
        return False
    return grade in ("certain", "probable") or agrees_for_life(vector)


def _newborn_cap(a: Demographics, b: Demographics, vector: Vector, *, unheard_of: bool) -> Cap | None:
    """Newborn without a name that is known as one: at most probable; of a multiple birth with no or another birth order: possible."""
    if not (a.flags | b.flags) & NEWBORN or (vector.levels[GIVEN] and not unheard_of):
        return None
    if (a.flags | b.flags) & MULTIPLE and vector.levels[BIRTH_ORDER] != 1:
        return Cap("multiple-birth", "possible")
    return Cap("newborn-without-name", "probable")


def _is_twin_pattern(levels: tuple[int, ...], weights: Mapping[str, float], flags: int, *, two_names: bool) -> bool:
    """Whether the two may be twins: one birth date and family name, given names that differ or are not known.

    Of names that are alike, such as Anna and Hannah, only where no middle name in full speaks for one person; of those that are nearly
    equal, such as Daniel and Danielle, only where sex does not either, one is of a multiple birth, or both are names in use that sound
    otherwise (``two_names``), such as Ella and Bella, and not one spelt in two ways, such as Sara and Sarah; of equal ones, such as Muhammad
    Hassan and Muhammad Hussain, where the middle names differ.
    """
    if not (1 <= levels[BIRTH_DATE] <= 2 and 1 <= levels[FAMILY] <= 3) or _is_proven(levels, weights, flags):
        return False
    if levels[GIVEN] == 1:
        return levels[MIDDLE] == 4
    alike = 3 <= levels[GIVEN] <= 5 or (levels[GIVEN] == 2 and (two_names or levels[SEX] != 1 or flags & MULTIPLE != 0))
    return levels[GIVEN] in (0, 6) or (alike and levels[MIDDLE] != 1)


def _is_proven(levels: tuple[int, ...], weights: Mapping[str, float], flags: int) -> bool:
    """Whether a number that one person alone has by right speaks for the pair: verified, or where given names are alike or unknown a trust's own.

    A verified one of newborns may be their mother's, and so on all of them.
    """
    if levels[NHS_NUMBER] == 1 and not flags & NEWBORN:
        return True
    own = any(weight > 0 and (field == "same_authority" or field.startswith("id:")) for field, weight in weights.items())
    return own and levels[GIVEN] != 6


def _differs_in_suffix(a: Demographics, b: Demographics) -> bool:
    """Whether the two may be a senior and a junior: other suffixes, or one has none and their years of birth are not known to be one."""
    first, second = ({name.suffix for name in d.names if name.suffix} for d in (a, b))
    if first and second:
        return first.isdisjoint(second)
    return bool(first or second) and (not a.birth_date or a.birth_date[:4] != b.birth_date[:4])


def _are_generations(a: Demographics, b: Demographics) -> bool:
    """Whether the years of birth are so far apart that one may be the other's child, however few digits differ."""
    first, second = a.birth_date[:4], b.birth_date[:4]
    return first.isdecimal() and second.isdecimal() and abs(int(first) - int(second)) >= GENERATION


def _evidence_caps(positive: set[str]) -> list[Cap]:
    """The caps that follow from which fields speak for the pair."""
    numbered = any(field in _NUMBERS or field.startswith("id:") for field in positive)
    kinds = sum(field in positive for field in ("given", "family", "birth_date")) + numbered
    found = []
    if positive.isdisjoint(("given", "birth_date")) or kinds < 2:
        found.append(Cap("too-few-fields", "probable"))
    if not numbered and positive.isdisjoint(_PERSONAL):
        found.append(Cap("sex-postcode-birth-date-alone", "possible"))
    return found


def _may_be_namesakes(positive: set[str], weights: Mapping[str, float]) -> bool:
    """Whether only what namesakes have in common speaks for the pair: with a middle name, where they live speaks against it.

    A street of one name in two towns is no home in common: most towns have a High Street.
    """
    if all(weights.get(field, 0.0) < 0 for field in ("city", "postcode")):
        positive = positive - {"street"}
    return positive <= _NAMESAKES or (positive <= _NAMES_IN_FULL and any(weights.get(field, 0.0) < 0 for field in _PLACE))


def _may_be_namesakes_in_a_house_of_many(a: Demographics, b: Demographics, positive: set[str]) -> bool:
    """Whether only what namesakes have in common speaks for the pair but for where they live: a care home, hall or prison, and its own phone."""
    if "street" not in positive or not all(map(is_communal, set(a.streets) & set(b.streets) or {*a.streets, *b.streets})):
        return False
    own_phone = any(phone.startswith(MOBILE) for phone in set(a.phones) & set(b.phones))
    return positive - {*_PLACE, *(() if own_phone else ("phone",))} <= _NAMESAKES


def caps(
    a: Demographics, b: Demographics, vector: Vector, weights: Mapping[str, float], *,
    weak_number_alone: bool, own_frequencies: bool, names: Names = ORDINARY_NAMES,
) -> tuple[Cap, ...]:
    """The caps on the pair's grade; ``weights`` by field, ``weak_number_alone`` where without that number it is no match.

    ``own_frequencies`` where how common names are was counted in the very records that these are of.
    """
    levels, either = vector.levels, a.flags | b.flags
    agreed = levels[NHS_NUMBER] == 1
    positive = {field for field, weight in weights.items() if weight > 0}
    found = _evidence_caps(positive)
    if not own_frequencies and _may_be_namesakes(positive, weights):
        found.append(Cap("names-birth-date-sex-alone", "probable"))
    if _may_be_namesakes_in_a_house_of_many(a, b, positive):
        found.append(Cap("names-and-communal-address-alone", "probable"))
    if weak_number_alone:
        found.append(Cap("weak-number-alone", "probable"))
    if _is_twin_pattern(levels, weights, either, two_names=names.two):
        found.append(Cap("twin-pattern", "probable"))
    if names.past and not _is_proven(levels, weights, either):
        found.append(Cap("past-names", "probable"))
    if levels[BIRTH_ORDER] == 2:
        found.append(Cap("other-birth-order", "probable"))
    if _differs_in_suffix(a, b):
        found.append(Cap("other-suffix", "probable"))
    if _are_generations(a, b) and not (agreed and 1 <= levels[BIRTH_DATE] <= 2):
        found.append(Cap("two-generations", "probable"))
    if agreed and levels[BIRTH_DATE] == 6:
        found.append(Cap("number-of-another-birth-date", "probable"))
    newborn = _newborn_cap(a, b, vector, unheard_of=names.unheard_of)
    if newborn:
        found.append(newborn)
    if levels[SAME_AUTHORITY] == 2 and not agreed:
        found.append(Cap("same-authority", "probable"))
    if either & HEADER_ONLY and any(d.flags & HEADER_ONLY and d.flags & NO_IDENTIFIER for d in (a, b)):
        found.append(Cap("header-only", "probable"))
    return tuple(found)
