"""Which of millions of pairs may be possible or better: a bound that no pair's weight exceeds, worked out by column (relink; matching.md 9).

A level here is the pair's own or a better one; the weight never falls when a level gets better. So a pair whose bound is
below *possible* needs no look of its own, and whatever is left is scored as any other pair is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import log2

import numpy as np
import numpy.typing as npt

from matching.columns import PLACES, Codes, Columns, Places, Values
from matching.comparisons import Texts, jaro_winklers, osas, outward, place_levels
from matching.model import GRADES, alpha
from matching.normalise import nickname_forms
from matching.scoring import GREATEST_WEIGHT, LEAST_WEIGHT, Scorer

Levels = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
LevelOf = Callable[[Texts, Codes, Codes], Levels]

NONE = 9
"""Level of no evidence while the least level of several is looked for."""
SLACK = 1e-6
"""Bits by which a bound may fall short of a weight for the rounding of sums."""


def least_weight(scorer: Scorer) -> float:
    """The least weight whose grade is possible or better, to a millionth of a bit below."""
    low, high = LEAST_WEIGHT, GREATEST_WEIGHT
    if scorer.grade(low) != GRADES[-1]:
        return low
    while high - low > SLACK:
        middle = (low + high) / 2
        low, high = (middle, high) if scorer.grade(middle) == GRADES[-1] else (low, middle)
    return low


class Combinations:
    """The pairs of values that two columns of rows have, each value of the first with each of the second."""

    def __init__(self, values: Values, i: Places, j: Places) -> None:
        ni, nj = values.counts(i), values.counts(j)
        one = (ni == 1) & (nj == 1)
        self._rows = len(i)
        self._single = np.flatnonzero(one)
        self._several = np.flatnonzero((ni > 0) & (nj > 0) & ~one)
        counts = ni[self._several] * nj[self._several]
        ends = np.cumsum(counts)
        self._begins = ends - counts
        within = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(self._begins, counts)
        rows = np.repeat(self._several, counts)
        width = nj[rows]
        self.a = np.concatenate([values.starts[i[self._single]], values.starts[i[rows]] + within // np.maximum(width, 1)])
        self.b = np.concatenate([values.starts[j[self._single]], values.starts[j[rows]] + within % np.maximum(width, 1)])

    def least(self, levels: Levels) -> Levels:
        """Of each pair of rows the best level of its combinations, 0 where there is none."""
        found = np.full(self._rows, NONE, dtype=np.int8)
        found[self._single] = levels[: len(self._single)]
        if len(self._several):
            found[self._several] = np.minimum.reduceat(levels[len(self._single) :], self._begins)
        found[found == NONE] = 0
        return found

    def greatest(self, bits: Floats) -> Floats:
        """Of each pair of rows the greatest number of its combinations."""
        found = np.full(self._rows, -np.inf)
        found[self._single] = bits[: len(self._single)]
        if len(self._several):
            found[self._several] = np.maximum.reduceat(bits[len(self._single) :], self._begins)
        return found


class Names:
    """How alike the names of a column are, by number."""

    def __init__(self, texts: Texts, nicknames: bool) -> None:
        self.texts = texts
        self._initial = np.array([text[:1] for text in texts])
        self._is_initial = np.array([len(text) == 1 for text in texts])
        self._has_parts = np.array([" " in text for text in texts])
        self._nickname, self._meets = _nickname_table(texts if nicknames else texts[:0])

    def levels(self, x: Codes, y: Codes, same_sound: Bools) -> Levels:
        """The level of each two names, NONE where one is empty; a shared part of a compound is taken to be there."""
        levels = np.full(len(x), NONE, dtype=np.int8)
        levels[(x == y) & (x > 0)] = 1
        rest = np.flatnonzero((x != y) & (x > 0) & (y > 0))
        low, high = np.minimum(x[rest], y[rest]), np.maximum(x[rest], y[rest])
        alike = jaro_winklers(self.texts[low], self.texts[high], 0.75)
        found = np.full(len(rest), 6, dtype=np.int8)
        for least, level in ((0.75, 5), (0.85, 3), (0.93, 2)):
            found[alike >= least] = level
        near = same_sound[rest] | self._has_parts[low] | self._has_parts[high]
        if len(self._nickname):
            near |= self._meets[self._nickname[low], self._nickname[high]]
        found[near & (found > 3)] = 3
        initial = self._is_initial[low] | self._is_initial[high]
        found[initial] = np.where(self._initial[low] == self._initial[high], 4, 6)[initial]
        levels[rest] = found
        return levels


def _nickname_table(texts: Texts) -> tuple[Codes, Bools]:
    """A number for each name that has a nickname among the others, 0 for the rest; and which numbers are nicknames of each other."""
    members: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        for form in nickname_forms(text) if text else ():
            members.setdefault(form, []).append(place)
    shared = [found for found in members.values() if len(found) > 1]
    kept = sorted({place for found in shared for place in found})
    numbers = np.zeros(len(texts), dtype=np.int32)
    numbers[kept] = np.arange(1, len(kept) + 1)
    table = np.zeros((len(kept) + 1, len(kept) + 1), dtype=np.bool_)
    for found in shared:
        table[np.ix_(numbers[found], numbers[found])] = True
    return numbers, table


class BirthDates:
    """How alike birth dates are, by number."""

    def __init__(self, texts: Texts, null: frozenset[int]) -> None:
        self._texts = texts
        self._null = null
        self._length = np.array([len(text) for text in texts], dtype=np.int8)
        digits = np.array([int((text + "00000000")[:8]) for text in texts], dtype=np.int64)
        self._year, self._month, self._day = digits // 10_000, digits // 100 % 100, digits % 100

    def levels(self, x: Codes, y: Codes) -> Levels:
        """The level of each two birth dates, 0 where one is empty or a partial one agrees as far as it goes and that would count against."""
        levels = np.full(len(x), 6, dtype=np.int8)
        same_year, same_month = self._year[x] == self._year[y], self._month[x] == self._month[y]
        levels[same_year] = 5
        known = np.minimum(self._length[x], self._length[y])
        levels[(known == 6) & same_year & same_month] = 4
        for level in self._null:
            levels[(levels == level) & (known < 8) & ((known == 4) | same_month)] = 0
        levels[(x == 0) | (y == 0)] = 0
        whole = np.flatnonzero((known == 8) & (x > 0) & (y > 0))
        levels[whole] = self._whole(x[whole], y[whole])
        return levels

    def _whole(self, x: Codes, y: Codes) -> Levels:
        year = self._year[x] == self._year[y]
        month, day = self._month[x] == self._month[y], self._day[x] == self._day[y]
        levels = np.where(year, 5, 6).astype(np.int8)
        levels[(month & day) | (year & month)] = 4
        slips = osas(self._texts[np.minimum(x, y)], self._texts[np.maximum(x, y)], 2)
        levels[slips <= 2] = slips[slips <= 2] + 1
        levels[year & (self._month[x] == self._day[y]) & (self._day[x] == self._month[y])] = 2
        levels[x == y] = 1
        return levels


@dataclass(slots=True)
class _Pairs:
    """Pairs of rows that may still be possible: the place each had, what each field weighs at most.

    ``apart``: what given and family weigh where the two are not exchanged, for the pairs of which that is not known yet.
    """

    places: Places
    i: Places
    j: Places
    bits: dict[str, Floats] = field(default_factory=dict)
    apart: dict[str, Floats] = field(default_factory=dict)

    def only(self, kept: Bools) -> _Pairs:
        """Those of the mask."""
        bits, apart = ({name: one[kept] for name, one in table.items()} for table in (self.bits, self.apart))
        return _Pairs(self.places[kept], self.i[kept], self.j[kept], bits, apart)


class Screen:
    """Tells of pairs of coded records whether they may be possible or better under a model."""

    def __init__(self, columns: Columns, scorer: Scorer) -> None:
        self._several, self._single, self._texts = columns.several, columns.single, columns.texts
        self._scorer = scorer
        self._least = least_weight(scorer) - SLACK
        model = scorer.model
        self._start = log2(model.lambda_match) + sum(max(levels[0].weight, 0.0) for name, levels in model.fields.items() if ":" in name)
        self._tables = {name: np.array([0.0, *(level.weight for level in levels)]) for name, levels in model.fields.items()}
        self._terms = {name: self._term_bits(name) for name in ("given", "family", *PLACES) if name in self._tables}
        self._names = {name: Names(self._texts[name], nicknames=name == "given") for name in ("given", "family")}
        self._births = BirthDates(self._texts["birth_date"], scorer.partial_against)
        self._outward = np.unique(np.array([outward(text) for text in self._texts["postcode"]]), return_inverse=True)[1]
        self._middle_initial = np.array([text[:1] for text in self._texts["middle"]])
        self._is_initial = np.array([len(text) == 1 for text in self._texts["middle"]])

    def _term_bits(self, name: str) -> Floats:
        """What agreeing in each value of a column weighs."""
        return np.array([self._scorer.agreement(name, text) if text else 0.0 for text in self._texts[name]])

    def possible(self, i: Places, j: Places) -> Bools:
        """Of each pair of rows, whether it may be possible or better; always so where the two carry one NHS number.

        The bound is first taken with the best that unlike contacts can be, then with what they are, last with the rivals.
        """
        number = self._single["nhs_number"]
        found: Bools = (number[i] == number[j]) & (number[i] > 0)
        pairs = _Pairs(np.arange(len(i)), i, j)
        for look in (self._look_first, self._look_for_exchange, self._look_at_contacts, self._look_at_the_rest):
            look(pairs)
            pairs = pairs.only(self._sum(pairs) >= self._least)
        found[pairs.places[self._sum(pairs) - self._penalty(pairs) >= self._least]] = True
        return found

    def _sum(self, pairs: _Pairs) -> Floats:
        total = np.full(len(pairs.i), self._start)
        for bits in pairs.bits.values():
            total += bits
        return total

    def _penalty(self, pairs: _Pairs) -> Floats:
        """What the rivals take away."""
        model = self._scorer.model
        against = np.ones(len(pairs.i))
        for rival, size in model.rivals.items():
            odds = np.full(len(pairs.i), size)
            for name, bits in pairs.bits.items():
                share = alpha(rival, name, model.alpha)
                if share:
                    odds *= share * np.exp2(bits) + (1.0 - share)
            against += odds
        return np.log2(against)

    def _keep(self, pairs: _Pairs, name: str, levels: Levels, agreed: Floats | None = None) -> None:
        """Note what the levels of a field weigh; ``agreed`` what the values weigh where the level is 1."""
        if name in self._tables:
            bits = self._tables[name][levels]
            pairs.bits[name] = bits if agreed is None else np.where(levels == 1, agreed, bits)

    def _look_first(self, pairs: _Pairs) -> None:
        """Names, birth dates and numbers as they are, contacts as equal or nearly so."""
        self._look_at_names(pairs)
        i, j, single = pairs.i, pairs.j, self._single
        self._keep(pairs, "birth_date", self._births.levels(single["birth_date"][i], single["birth_date"][j]))
        for name in ("sex", "birth_order", "guardian"):
            x, y = single[name][i], single[name][j]
            self._keep(pairs, name, np.where((x > 0) & (y > 0), np.where(x == y, 1, 2), 0).astype(np.int8))
        self._look_at_numbers(pairs)
        for name in PLACES:
            self._look_at_values(pairs, name, lambda _, x, __: np.full(len(x), 2, dtype=np.int8))

    def _look_at_names(self, pairs: _Pairs) -> None:
        columns = self._several
        both = Combinations(columns["given"], pairs.i, pairs.j)
        levels = {}
        for name in ("given", "family"):
            x, y = columns[name].codes[both.a], columns[name].codes[both.b]
            sounds = columns[f"{name}_sound"].codes
            levels[name] = both.least(self._names[name].levels(x, y, sounds[both.a] == sounds[both.b]))
            self._keep(pairs, name, levels[name], both.greatest(np.where((x == y) & (x > 0), self._term(name)[x], -np.inf)))
        middle = columns["middle"].codes
        self._keep(pairs, "middle", both.least(self._middles(middle[both.a], middle[both.b])))
        apart = (levels["given"] >= 5) & (levels["family"] >= 5)
        for name, found in levels.items():
            if name in pairs.bits:
                pairs.apart[name] = pairs.bits[name]
                pairs.bits[name] = np.where(apart, self._tables[name][3], pairs.bits[name])
            found[apart] = 3

    def _term(self, name: str) -> Floats:
        return self._terms.get(name, np.zeros(len(self._texts[name])))

    def _look_for_exchange(self, pairs: _Pairs) -> None:
        """Whether given and family are exchanged, of the pairs for which that was taken to be so."""
        open_ = np.flatnonzero(np.any([pairs.bits[name] != pairs.apart[name] for name in pairs.apart], axis=0)) if pairs.apart else np.empty(0, dtype=np.int64)
        both = Combinations(self._several["given"], pairs.i[open_], pairs.j[open_])
        alike = self._cross(both.a, both.b) & self._cross(both.b, both.a)
        exchanged = both.least(np.where(alike, 1, NONE).astype(np.int8)) == 1
        for name, plain in pairs.apart.items():
            pairs.bits[name][open_] = np.where(exchanged, pairs.bits[name][open_], plain[open_])
        pairs.apart = {}

    def _cross(self, a: Places, b: Places) -> Bools:
        """Whether the given name of each of ``a`` is like the family name of ``b``."""
        x = self._texts["given"][self._several["given"].codes[a]]
        y = self._texts["family"][self._several["family"].codes[b]]
        alike = jaro_winklers(np.minimum(x, y), np.maximum(x, y), 0.90)
        return alike >= 0.90

    def _look_at_numbers(self, pairs: _Pairs) -> None:
        i, j, single = pairs.i, pairs.j, self._single
        x, y = single["nhs_number"][i], single["nhs_number"][j]
        states = single["nhs_state"]
        either = (states[i] > 0) & (states[j] > 0)
        levels = np.where(either, np.where(x == y, 1, 4), 0).astype(np.int8)
        fuzzy = np.flatnonzero(either & (x != y) & ((single["nhs_checked"][i] == 0) | (single["nhs_checked"][j] == 0)))
        texts = self._texts["nhs_number"]
        slips = osas(texts[np.minimum(x, y)[fuzzy]], texts[np.maximum(x, y)[fuzzy]], 2)
        levels[fuzzy] = np.where(slips <= 2, slips + 1, 4)
        evidential = (states[i] == 2) & (states[j] == 2)
        self._keep(pairs, "nhs_number", np.where(evidential, levels, 0).astype(np.int8))
        self._keep(pairs, "nhs_weak", np.where(evidential, 0, levels).astype(np.int8))
        if self._scorer.knows_authorities:
            both = Combinations(self._several["system"], i, j)
            systems, values = self._several["system"].codes, self._several["identifier"].codes
            found = np.where(systems[both.a] == systems[both.b], np.where(values[both.a] == values[both.b], 1, 2), NONE)
            self._keep(pairs, "same_authority", both.least(found.astype(np.int8)))

    def _look_at_values(self, pairs: _Pairs, name: str, level_of: LevelOf) -> None:
        """The best level of a field of several values; ``level_of`` sees unlike values only, the smaller first."""
        if name not in self._tables:
            return
        column = self._several[name]
        both = Combinations(column, pairs.i, pairs.j)
        x, y = column.codes[both.a], column.codes[both.b]
        levels = np.ones(len(x), dtype=np.int8)
        rest = np.flatnonzero(x != y)
        levels[rest] = level_of(self._texts[name], np.minimum(x, y)[rest], np.maximum(x, y)[rest])
        self._keep(pairs, name, both.least(levels), both.greatest(np.where(x == y, self._term(name)[x], -np.inf)))

    def _look_at_contacts(self, pairs: _Pairs) -> None:
        """Postcodes and phones as they are."""
        self._look_at_values(pairs, "postcode", self._postcodes)
        self._look_at_values(pairs, "phone", _phones)

    def _postcodes(self, texts: Texts, x: Codes, y: Codes) -> Levels:
        slips = osas(texts[x], texts[y], 1)
        return np.where(slips <= 1, 2, np.where(self._outward[x] == self._outward[y], 3, 4)).astype(np.int8)

    def _middles(self, x: Codes, y: Codes) -> Levels:
        levels = np.where((x > 0) & (y > 0), np.where((x == y) & ~self._is_initial[x], 1, 4), NONE).astype(np.int8)
        rest = np.flatnonzero(levels == 4)
        low, high = np.minimum(x[rest], y[rest]), np.maximum(x[rest], y[rest])
        texts = self._texts["middle"]
        levels[rest[jaro_winklers(texts[low], texts[high], 0.88) > 0.88]] = 3
        levels[rest[(self._middle_initial[low] == self._middle_initial[high]) & (self._is_initial[low] | self._is_initial[high])]] = 2
        return levels

    def _look_at_the_rest(self, pairs: _Pairs) -> None:
        """Streets, towns and e-mail addresses as they are."""
        for name in ("street", "city"):
            self._look_at_values(pairs, name, lambda texts, x, y: place_levels(texts[x], texts[y]))
        self._look_at_values(pairs, "email", lambda texts, x, y: np.where(jaro_winklers(texts[x], texts[y], 0.93) >= 0.93, 2, 4).astype(np.int8))


def _phones(texts: Texts, x: Codes, y: Codes) -> Levels:
    slips = osas(texts[x], texts[y], 2)
    return np.where(slips <= 2, slips + 1, 4).astype(np.int8)
