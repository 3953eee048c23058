"""The comparison vector of a pair (matching.md 4): one level per field, 0 no evidence, 1 strongest. Symmetric.

The only module that knows rapidfuzz. Arguments are put in order before an asymmetric algorithm sees them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance.JaroWinkler import similarity as jaro_winkler
from rapidfuzz.distance.OSA import distance as osa
from rapidfuzz.distance.OSA import normalized_similarity as osa_similarity
from rapidfuzz.fuzz import token_set_ratio, token_sort_ratio

from matching.demographics import ALIAS, DOUBTED, EVIDENTIAL, Demographics, Name
from matching.normalise import is_listed_name, is_nickname, passes_check

COMPARATOR_VERSION = 2

FIELDS = (
    "given", "middle", "family", "guardian", "birth_date", "sex", "birth_order", "nhs_number", "nhs_weak", "same_authority",
    "street", "city", "postcode", "phone", "email",
)  # fmt: skip
GIVEN, MIDDLE, FAMILY, GUARDIAN, BIRTH_DATE, SEX, BIRTH_ORDER, NHS_NUMBER, NHS_WEAK, SAME_AUTHORITY = range(10)
STREET, CITY, POSTCODE, PHONE, EMAIL = range(10, 15)

LEVEL_COUNTS = {
    "given": 6, "middle": 4, "family": 6, "guardian": 6, "birth_date": 6, "sex": 2, "birth_order": 2, "nhs_number": 4, "nhs_weak": 4,
    "same_authority": 2, "street": 4, "city": 4, "postcode": 4, "phone": 4, "email": 4,
}  # fmt: skip

_EQUAL_OR_NOT = ("equal", "different")
_NAME = ("equal", "nearly equal", "same sound, nickname, a shared part, or alike", "initial fits", "faintly alike", "different")
_SLIPS = ("equal", "one slip", "two slips", "different")
_PLACE = ("equal", "alike", "shares most words", "different")
LEVEL_NAMES = {
    "given": _NAME, "family": _NAME, "guardian": _NAME, "middle": ("equal", "initial fits", "alike", "different"),
    "birth_date": ("equal", "day and month exchanged, or one slip", "two slips", "same day of the year, or same month", "same year", "different"),
    "sex": _EQUAL_OR_NOT, "birth_order": _EQUAL_OR_NOT, "nhs_number": _SLIPS, "nhs_weak": _SLIPS,
    "same_authority": ("equal number", "two numbers of one authority"), "street": _PLACE, "city": _PLACE,
    "postcode": ("equal", "one slip", "same outward part", "different"), "phone": _SLIPS, "email": ("equal", "alike", "not given", "different"),
}  # fmt: skip
"""What each level of a field means, in a few words, level 1 first (matching.md 4)."""


class Vector(NamedTuple):
    """Levels in the order of FIELDS, and those of ``id:x`` and ``cat:x`` fields that both records have, by name."""

    levels: tuple[int, ...]
    extra: tuple[tuple[str, int], ...] = ()

    def level(self, field: str) -> int:
        """The level of one field by name."""
        return self.levels[FIELDS.index(field)] if field in LEVEL_COUNTS else dict(self.extra).get(field, 0)

    def agreeing(self, field: str) -> Vector:
        """The vector with that field, none of ``id:x`` and ``cat:x``, at level 1."""
        place = FIELDS.index(field)
        return self._replace(levels=(*self.levels[:place], 1, *self.levels[place + 1 :]))

    def without(self, field: str) -> Vector:
        """The vector with that field at level 0."""
        if field in LEVEL_COUNTS:
            place = FIELDS.index(field)
            return self._replace(levels=(*self.levels[:place], 0, *self.levels[place + 1 :]))
        return self._replace(extra=tuple(item for item in self.extra if item[0] != field))


def level_count(field: str) -> int:
    """How many levels the field has."""
    return LEVEL_COUNTS.get(field) or (2 if field.startswith("cat:") else 4)


def level_name(field: str, level: int) -> str:
    """What a level of the field means, for explanations."""
    return LEVEL_NAMES.get(field, _EQUAL_OR_NOT if field.startswith("cat:") else _SLIPS)[level - 1]


def _shares_token(x: str, y: str) -> bool:
    return (" " in x or " " in y) and not set(x.split()).isdisjoint(y.split())


def _name_level(x: str, y: str, same_sound: bool, given: bool) -> int:
    """The level of two names, both present: different ones, or one letter in both, which fits and does not say that the names are equal."""
    if len(x) == 1 or len(y) == 1:
        return 4 if x[0] == y[0] else 6
    likeness = jaro_winkler(x, y, score_cutoff=0.75)
    if likeness >= 0.93:
        return 2
    if likeness >= 0.85 or same_sound or (given and is_nickname(x, y)) or _shares_token(x, y):
        return 3
    return 5 if likeness >= 0.75 else 6


@lru_cache(maxsize=65536)
def _given_level(x: str, y: str, same_sound: bool) -> int:
    return _name_level(x, y, same_sound, given=True)


@lru_cache(maxsize=65536)
def _family_level(x: str, y: str, same_sound: bool) -> int:
    return _name_level(x, y, same_sound, given=False)


def _names_level(names_a: tuple[Name, ...], names_b: tuple[Name, ...], part: int, level_of: Callable[[str, str, bool], int]) -> int:
    """The best level of given (part 0) or family (part 2) over the names of both records."""
    best = 0
    for name_a in names_a:
        x = name_a[part]
        if not x:
            continue
        for name_b in names_b:
            y = name_b[part]
            if x == y and len(x) > 1:
                return 1
            if y:
                same_sound = name_a[4 + part // 2] == name_b[4 + part // 2]
                level = level_of(x, y, same_sound) if x < y else level_of(y, x, same_sound)
                if best == 0 or level < best:
                    best = level
    return best


def are_two_names(a: Demographics, b: Demographics, used: Collection[str]) -> bool:
    """Whether given names at level 2 are two names, such as Ella and Bella, and not one that is misspelt or spelt in two ways, such as Sara and Sarah.

    Both are in use, ``used`` where the records are from or in the lists of nicknames; they sound otherwise; and neither is short for the other.
    """
    near = [(x, y) for x in a.names for y in b.names if x.given and y.given and _given_level(*sorted((x.given, y.given)), x.given_sound == y.given_sound) == 2]
    return all(
        x.given_sound != y.given_sound and not is_nickname(x.given, y.given) and all(name.given in used or is_listed_name(name.given) for name in (x, y))
        for x, y in near
    )


def differ_now(a: Demographics, b: Demographics) -> bool:
    """Whether the names agree only by such as a record has had besides its newest: the newest given names are two, or no name of one agrees with one of the other in given and family name."""
    if len(a.names) == 1 == len(b.names) or not (a.names and b.names):
        return False
    newest = (a.names[:1], b.names[:1])
    if _names_level(*newest, 0, _given_level) >= 5 and not _is_swapped(*newest):
        return True
    pairs = [((x,), (y,)) for x in a.names for y in b.names]
    return not any((_names_level(x, y, 0, _given_level) <= 4 and _names_level(x, y, 2, _family_level) <= 4) or _is_swapped(x, y) for x, y in pairs)


def _is_swapped(names_a: tuple[Name, ...], names_b: tuple[Name, ...]) -> bool:
    """Whether given and family of one record are, nearly, family and given of the other."""
    return any(
        min(len(a.given), len(a.family), len(b.given), len(b.family)) > 1 and _is_alike(a.given, b.family) and _is_alike(a.family, b.given)
        for a in names_a
        for b in names_b
    )


def _is_alike(x: str, y: str) -> bool:
    return jaro_winkler(min(x, y), max(x, y)) >= 0.90


def _one_middle_level(x: str, y: str) -> int:
    """The level of two middle names; two equal letters fit, they do not say that the names are equal."""
    if x == y and len(x) > 1:
        return 1
    if x[0] == y[0] and (len(x) == 1 or len(y) == 1):
        return 2
    return 3 if jaro_winkler(min(x, y), max(x, y)) > 0.88 else 4


def _middle_level(names_a: tuple[Name, ...], names_b: tuple[Name, ...]) -> int:
    levels = [_one_middle_level(x[1], y[1]) for x in names_a if x[1] for y in names_b if y[1]]
    return min(levels, default=0)


def _guardian_level(a: Demographics, b: Demographics) -> int:
    x, y = a.guardian, b.guardian
    if not x or not y:
        return 0
    if x == y:
        return 1
    return _given_level(min(x, y), max(x, y), a.guardian_sound == b.guardian_sound)


def _birth_date_level(x: str, y: str) -> int:
    """The level of two different birth dates, both present; a partial one reaches at most 4 (month) or 5 (year)."""
    precision = min(len(x), len(y))
    if precision == 8:
        if x[:4] == y[:4] and x[4:6] == y[6:] and x[6:] == y[4:6]:
            return 2
        slips = osa(x, y, score_cutoff=2)
        if slips <= 2:
            return slips + 1
        if x[4:] == y[4:] or x[:6] == y[:6]:
            return 4
    elif precision == 6 and x[:6] == y[:6]:
        return 4
    return 5 if x[:4] == y[:4] else 6


def _slips_level(x: str, y: str) -> int:
    if x == y:
        return 1
    slips = osa(x, y, score_cutoff=2)
    return slips + 1 if slips <= 2 else 4


def _number_level(x: str, y: str) -> int:
    """The level of two NHS numbers: fuzzy only where one fails its check (nhs.md 2)."""
    if x == y:
        return 1
    return 4 if passes_check(x) and passes_check(y) else _slips_level(x, y)


def outward(postcode: str) -> str:
    """The outward part of a postcode; of what is none, the first three characters."""
    return postcode[:-3] if 5 <= len(postcode) <= 7 and postcode[0].isalpha() and postcode[-3].isdigit() else postcode[:3]


def _postcode_level(x: str, y: str) -> int:
    if osa(x, y, score_cutoff=1) <= 1:
        return 2
    return 3 if outward(x) == outward(y) else 4


def _email_level(x: str, y: str) -> int:
    return 2 if jaro_winkler(min(x, y), max(x, y)) >= 0.93 else 4


@lru_cache(maxsize=65536)
def _place_level(x: str, y: str) -> int:
    if osa_similarity(x, y, score_cutoff=0.85) >= 0.85 or token_sort_ratio(x, y, score_cutoff=90) >= 90:
        return 2
    return 3 if token_set_ratio(x, y, score_cutoff=80) >= 80 else 4


def _ordered_place_level(x: str, y: str) -> int:
    return _place_level(x, y) if x < y else _place_level(y, x)


def _best(values_a: tuple[str, ...], values_b: tuple[str, ...], level_of: Callable[[str, str], int]) -> int:
    """The best level over the cross product of two records' values; ``level_of`` sees different values only."""
    if not values_a or not values_b:
        return 0
    if values_a[0] == values_b[0]:
        return 1
    if len(values_a) == 1 == len(values_b):
        return level_of(values_a[0], values_b[0])
    if not set(values_a).isdisjoint(values_b):
        return 1
    return min([level_of(x, y) for x in values_a for y in values_b])


_Pairs = tuple[tuple[str, str], ...]


def _identifier_levels(a: _Pairs, b: _Pairs) -> tuple[int, list[tuple[str, int]]]:
    """The level of same_authority, and that of ``id:x`` for each system both have."""
    levels: dict[str, int] = {}
    for system, x in a:
        for other, y in b:
            if system == other:
                level = _slips_level(x, y)
                if level < levels.get(system, 9):
                    levels[system] = level
    if not levels:
        return 0, []
    return 1 if 1 in levels.values() else 2, [("id:" + system, level) for system, level in levels.items()]


def _category_levels(a: _Pairs, b: _Pairs) -> list[tuple[str, int]]:
    levels: dict[str, int] = {}
    for name, x in a:
        for other, y in b:
            if name == other:
                levels[name] = min(levels.get(name, 2), 1 if x == y else 2)
    return [("cat:" + name, level) for name, level in levels.items()]


def compare(a: Demographics, b: Demographics) -> Vector:
    """The comparison vector of the pair, the same for either order of its records."""
    names_a, names_b = a.names, b.names
    given = family = middle = 0
    if names_a and names_b:
        given = _names_level(names_a, names_b, 0, _given_level)
        family = _names_level(names_a, names_b, 2, _family_level)
        if given >= 5 and family >= 5 and _is_swapped(names_a, names_b):
            given = family = 3
        if (a.flags | b.flags) & ALIAS:
            given, family = given and max(given, 3), family and max(family, 3)
        middle = _middle_level(names_a, names_b) if names_a[0][1] or names_b[0][1] or len(names_a) > 1 or len(names_b) > 1 else 0
    x, y = a.birth_date, b.birth_date
    birth_date = 0
    if x and y:
        birth_date = 1 if x == y and len(x) == 8 else _birth_date_level(x, y)
    nhs_number = nhs_weak = 0
    state_a, state_b = a.nhs_state, b.nhs_state
    if state_a and state_b and state_a != DOUBTED != state_b:
        level = _number_level(a.nhs_number, b.nhs_number)
        if state_a == EVIDENTIAL == state_b:
            nhs_number = level
        else:
            nhs_weak = level
    same_authority = 0
    extra: tuple[tuple[str, int], ...] = ()
    if (a.identifiers and b.identifiers) or (a.categories and b.categories):
        same_authority, items = _identifier_levels(a.identifiers, b.identifiers)
        extra = tuple(sorted(items + _category_levels(a.categories, b.categories)))
    return Vector(
        (
            given,
            middle,
            family,
            _guardian_level(a, b) if a.guardian else 0,
            birth_date,
            (1 if a.sex == b.sex else 2) if a.sex and b.sex else 0,
            (1 if a.birth_order == b.birth_order else 2) if a.birth_order and b.birth_order else 0,
            nhs_number,
            nhs_weak,
            same_authority,
            _best(a.streets, b.streets, _ordered_place_level),
            _best(a.cities, b.cities, _ordered_place_level),
            _best(a.postcodes, b.postcodes, _postcode_level),
            _best(a.phones, b.phones, _slips_level),
            _best(a.emails, b.emails, _email_level),
        ),
        extra,
    )


Texts = npt.NDArray[np.object_]


def jaro_winklers(xs: Texts, ys: Texts, least: float) -> npt.NDArray[np.float64]:
    """The Jaro-Winkler similarity of each x with its y, below ``least`` 0. Of each two the smaller text is x."""
    return process.cpdist(xs, ys, scorer=jaro_winkler, score_cutoff=least, dtype=np.float64)


def osas(xs: Texts, ys: Texts, most: int) -> npt.NDArray[np.int32]:
    """The OSA distance of each x from its y, above ``most`` one more."""
    return process.cpdist(xs, ys, scorer=osa, score_cutoff=most, dtype=np.int32)


def place_levels(xs: Texts, ys: Texts) -> npt.NDArray[np.int8]:
    """The level of each two different streets or towns, as ``compare`` has it. Of each two the smaller text is x."""
    levels = np.full(len(xs), 4, dtype=np.int8)
    levels[process.cpdist(xs, ys, scorer=osa_similarity, score_cutoff=0.85, dtype=np.float64) >= 0.85] = 2
    for scorer, least, level in ((token_sort_ratio, 90, 2), (token_set_ratio, 80, 3)):
        left = np.flatnonzero(levels == 4)
        found = process.cpdist(xs[left], ys[left], scorer=scorer, score_cutoff=least, dtype=np.float64) >= least
        levels[left[found]] = level
    return levels
