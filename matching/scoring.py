"""The weight of a pair under a model, rivals inside it, and its grade (matching.md 5 to 7).

``weigh`` is the hot path; ``score`` gives the waterfall of the same numbers. What a level adds is kept as
plain factors: 2^w for the match and alpha * 2^w + 1 - alpha for each rival, so that a pair costs a few multiplications.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from math import exp2, log2
from typing import NamedTuple

from matching import caps as rules
from matching.caps import Cap
from matching.comparisons import (
    BIRTH_DATE,
    CITY,
    EMAIL,
    FAMILY,
    FIELDS,
    GIVEN,
    NHS_NUMBER,
    NHS_WEAK,
    PHONE,
    POSTCODE,
    SAME_AUTHORITY,
    STREET,
    Vector,
    are_two_names,
    compare,
    differ_now,
)
from matching.demographics import NEWBORN, Demographics
from matching.model import GRADES, IDENTIFIER, LEAST_COUNT, RIVALS, SHARED_FIELDS, Model, alpha
from matching.normalise import is_listed_name

LEAST_WEIGHT = -30.0
GREATEST_WEIGHT = 60.0
WEIGHT_DIGITS = 6
_VECTORS_KEPT = 50_000
_TERMS_KEPT = 50_000
_ONES = (1.0, 1.0, 1.0, 1.0, 1.0)

Factors = tuple[float, float, float, float, float]


class Contribution(NamedTuple):
    """What one field adds: its level, its weight, and how much of that its value's frequency makes."""

    field: str
    level: int
    weight: float
    frequency: float = 0.0


class Penalty(NamedTuple):
    """What one rival takes away (its share of the last term of the weight), <= 0."""

    rival: str
    weight: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A pair's score. ``start`` + contributions + rivals + ``bound`` = ``weight``; ``bound`` is what is cut at the bounds -30 and 60, else rounding."""

    weight: float
    p: float
    grade: str
    vector: Vector
    start: float
    contributions: tuple[Contribution, ...]
    rivals: tuple[Penalty, ...]
    bound: float
    caps: tuple[Cap, ...]
    vetoes: tuple[str, ...]
    confusion: bool


class _Base(NamedTuple):
    """The product of a vector's factors, those of its terms apart, and the terms: places of fields, and names of extra identifiers."""

    factors: Factors
    terms: tuple[int, ...]
    identifiers: tuple[str, ...] = ()


_TERM_PLACES = (GIVEN, FAMILY, CITY, POSTCODE, PHONE, EMAIL, STREET)


class Scorer:
    """Scores pairs under one model. Its memory is a cache only: the same pair always scores the same."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._factors = {
            field: (_ONES, *(self._of_ratio(field, level.m / level.u) for level in levels)) for field, levels in model.fields.items()
        }
        self._start: Factors = (model.lambda_match, *self._sizes())  # type: ignore[assignment]
        self._has_identifier_fields = any(field.startswith(IDENTIFIER) for field in model.fields)
        self._term_places = tuple(
            place for place in _TERM_PLACES if FIELDS[place] in model.fields and FIELDS[place] in model.totals
        )
        births = model.fields.get("birth_date", ())
        self.partial_against = frozenset(place for place in (4, 5) if births and births[place - 1].weight < 0)
        self._term_identifiers = frozenset(field for field in model.fields if field.startswith(IDENTIFIER) and field in model.totals)
        terms: tuple[int | str, ...] = (*self._term_places, *self._term_identifiers)
        self._terms: dict[int | str, dict[str, Factors]] = {term: {} for term in terms}
        self._bases: dict[Vector, _Base] = {}
        self.bounds = model.costs.bounds
        self.weight_bounds = tuple(log2(p / (1 - p)) for p in self.bounds)

    def _sizes(self) -> list[float]:
        return [self.model.rivals.get(name, 0.0) for name in RIVALS]

    def _of_ratio(self, field: str, ratio: float) -> Factors:
        """The factors of a level whose m/u is ``ratio``: the match's, then each rival's."""
        values = [ratio]
        for name in RIVALS:
            share = alpha(name, field, self.model.alpha) if name in self.model.rivals else 0.0
            values.append(share * ratio + 1.0 - share)
        return tuple(values)  # type: ignore[return-value]

    def _term_factors(self, term: int | str, value: str) -> Factors:
        """The factors of agreeing in this very value, from its frequency (matching.md 5, Term frequency)."""
        known = self._terms[term].get(value)
        if known is None:
            field = term if isinstance(term, str) else FIELDS[term]
            known = self._of_ratio(field, self._term_ratio(field, value))
            if len(self._terms[term]) >= _TERMS_KEPT:
                self._terms[term].clear()
            self._terms[term][value] = known
        return known

    def _term_ratio(self, field: str, value: str) -> float:
        """M/u of agreeing in this very value. That it is not in a table of other people's records does not say that it is rare here."""
        model = self.model
        first, second = model.fields[field][0], model.fields[field][1]
        count, total = model.frequencies.get(field, {}).get(value, 0), model.totals[field]
        if field in SHARED_FIELDS or field in self._term_identifiers:
            frequency = max(first.u, count / total)
        else:
            frequency = (max(count, LEAST_COUNT) + model.kappa * first.u) / (total + model.kappa)
            frequency = frequency if count or model.own_frequencies else max(frequency, first.u)
        return max(first.m / frequency, second.m / second.u)

    def _base(self, vector: Vector) -> _Base:
        """The factors that follow from the vector alone."""
        known = self._bases.get(vector)
        if known is not None:
            return known
        factors, terms, identifiers = self._start, list[int](), list[str]()
        for place, level in enumerate(vector.levels):
            if level == 1 and place in self._term_places:
                terms.append(place)
            elif level and self._counts(place):
                factors = _product(factors, self._level_factors(FIELDS[place], level))
        for field, level in vector.extra:
            if level == 1 and field in self._term_identifiers:
                identifiers.append(field)
            else:
                factors = _product(factors, self._level_factors(field, level))
        if len(self._bases) >= _VECTORS_KEPT:
            self._bases.clear()
        base = self._bases[vector] = _Base(factors, tuple(terms), tuple(identifiers))
        return base

    @property
    def knows_authorities(self) -> bool:
        """Whether same_authority is evidence: not where the model knows each identifier by itself."""
        return not self._has_identifier_fields

    def agreement(self, field: str, value: str) -> float:
        """What agreeing in this very value of a field weighs, in bits."""
        place = FIELDS.index(field)
        return log2(self._term_factors(place, value)[0]) if place in self._term_places else self.model.fields[field][0].weight

    def _counts(self, place: int) -> bool:
        """Whether the field is evidence."""
        return place != SAME_AUTHORITY or self.knows_authorities

    def _level_factors(self, field: str, level: int) -> Factors:
        levels = self._factors.get(field)
        return levels[level] if levels else _ONES

    def _agreed_identifier(self, field: str, a: Demographics, b: Demographics) -> Factors:
        """The factors of the rarest value of this extra identifier that both records have."""
        system = field.removeprefix(IDENTIFIER)
        return max(self._term_factors(field, value) for named, value in {*a.identifiers} & {*b.identifiers} if named == system)

    def _agreed(self, place: int, a: Demographics, b: Demographics) -> Factors:
        """The factors of the rarest value that both records have in this field."""
        if place in (GIVEN, FAMILY):
            if len(a.names) == 1 == len(b.names):
                return self._term_factors(place, a.names[0][place])
            common = {name[place] for name in a.names if len(name[place]) > 1} & {name[place] for name in b.names}
        else:
            attribute = _ATTRIBUTES[place]
            values_a, values_b = getattr(a, attribute), getattr(b, attribute)
            if len(values_a) == 1 == len(values_b):
                return self._term_factors(place, values_a[0])
            common = set(values_a) & set(values_b)
        return max(self._term_factors(place, value) for value in common)

    def _evidence(self, vector: Vector, a: Demographics, b: Demographics) -> tuple[Vector, bool]:
        """The vector that counts, and whether the NHS number is confused and so left out.

        A partial birth date that agrees as far as it goes is never evidence against.
        """
        level = vector.levels[BIRTH_DATE]
        if level in self.partial_against:
            known = min(len(a.birth_date), len(b.birth_date))
            if known < 8 and a.birth_date[:known] == b.birth_date[:known]:
                vector = vector.without("birth_date")
        if vector.levels[NHS_NUMBER] == 1:
            confused = self._is_confusion(vector, a, b)
            return (vector.without("nhs_number") if confused else vector), confused
        return vector, rules.carries_doubt(a, b) and self._is_confusion(vector.agreeing("nhs_number"), a, b)

    def _is_confusion(self, vector: Vector, a: Demographics, b: Demographics) -> bool:
        """Whether one verified number is on what look like two people: by its rule, or where they differ and all evidence, that number in it, is not even probable."""
        if rules.is_confusion(a, b, vector):
            return True
        differs = max(vector.levels) > 1
        return differs and not rules.agrees_for_life(vector) and self.grade(self._weight(vector, a, b)) in GRADES[2:]

    def ratios(self, vector: Vector, a: Demographics, b: Demographics) -> Factors:
        """The size of a match and of each rival times what this pair's agreement makes of it: their odds against chance."""
        factors, terms, identifiers = self._base(self._evidence(vector, a, b)[0])
        for place in terms:
            factors = _product(factors, self._agreed(place, a, b))
        for field in identifiers:
            factors = _product(factors, self._agreed_identifier(field, a, b))
        return factors

    def _weight(self, vector: Vector, a: Demographics, b: Demographics) -> float:
        (match, housemate, twin, namesake, borrowed), terms, identifiers = self._base(vector)
        for place in terms:
            factors = self._agreed(place, a, b)
            match *= factors[0]
            housemate *= factors[1]
            twin *= factors[2]
            namesake *= factors[3]
            borrowed *= factors[4]
        for field in identifiers:
            match, housemate, twin, namesake, borrowed = _product((match, housemate, twin, namesake, borrowed), self._agreed_identifier(field, a, b))
        weight = log2(match / (1.0 + housemate + twin + namesake + borrowed))
        return LEAST_WEIGHT if weight < LEAST_WEIGHT else min(weight, GREATEST_WEIGHT)

    def weigh(self, a: Demographics, b: Demographics) -> float:
        """The weight of the pair: log2 odds that the two are one person, -30 to 60."""
        return self._weight(self._evidence(compare(a, b), a, b)[0], a, b)

    def weigh_compared(self, vector: Vector, a: Demographics, b: Demographics) -> float:
        """The weight of a pair whose comparison vector is known."""
        return self._weight(self._evidence(vector, a, b)[0], a, b)

    def potential(self, a: Demographics, b: Demographics) -> float:
        """The weight that the pair would have if every field both records have agreed."""
        vector = compare(a, b)
        best = Vector(tuple([1 if level else 0 for level in vector.levels]), tuple((field, 1) for field, _ in vector.extra))
        factors = self._start
        for place, level in enumerate(best.levels):
            if level and self._counts(place):
                factors = _product(factors, self._level_factors(FIELDS[place], 1))
        for field, _ in best.extra:
            factors = _product(factors, self._level_factors(field, 1))
        return min(max(log2(factors[0] / (1.0 + sum(factors[1:]))), LEAST_WEIGHT), GREATEST_WEIGHT)

    def probability(self, weight: float) -> float:
        """The probability of a weight: the model's calibration, else 2^w/(1 + 2^w)."""
        knots = self.model.calibration
        if not knots:
            return 1.0 / (1.0 + exp2(-weight))
        place = bisect_right(knots, weight, key=lambda knot: knot[0])
        if place in (0, len(knots)):
            return knots[min(place, len(knots) - 1)][1]
        (w0, p0), (w1, p1) = knots[place - 1], knots[place]
        return p0 + (p1 - p0) * ((weight - w0) / (w1 - w0))

    def grade(self, weight: float) -> str:
        """The grade that the weight alone reaches (matching.md 7)."""
        p = self.probability(weight)
        for grade, bound in zip(GRADES, self.bounds, strict=False):
            if p >= bound:
                return grade
        return GRADES[-1]

    def _contributions(self, vector: Vector, a: Demographics, b: Demographics) -> list[tuple[Contribution, Factors]]:
        _, terms, identifiers = self._base(vector)
        rows = []
        for place, level in enumerate(vector.levels):
            if level and self._counts(place) and FIELDS[place] in self.model.fields:
                plain = self._level_factors(FIELDS[place], level)
                factors = self._agreed(place, a, b) if place in terms else plain
                weight = log2(factors[0])
                rows.append((Contribution(FIELDS[place], level, weight, weight - log2(plain[0])), factors))
        for field, level in vector.extra:
            if field in self.model.fields:
                plain = self._level_factors(field, level)
                factors = self._agreed_identifier(field, a, b) if field in identifiers else plain
                weight = log2(factors[0])
                rows.append((Contribution(field, level, weight, weight - log2(plain[0])), factors))
        return rows

    def score(self, a: Demographics, b: Demographics, *, not_same: bool = False) -> Scored:
        """The pair's weight, probability and grade with all that made them; ``not_same`` where an assertion forbids it."""
        vector, confusion = self._evidence(compare(a, b), a, b)
        weight = round(self._weight(vector, a, b), WEIGHT_DIGITS)
        rows = self._contributions(vector, a, b)
        products = self._start
        for _, factors in rows:
            products = _product(products, factors)
        against = sum(products[1:])
        penalty = -log2(1.0 + against)
        rivals = tuple(
            Penalty(name, penalty * size / against) for name, size in zip(RIVALS, products[1:], strict=True) if name in self.model.rivals and against
        )
        contributions = tuple(row for row, _ in rows)
        start = log2(self.model.lambda_match)
        caps = self._caps(vector, a, b, contributions)
        vetoes = rules.vetoes(a, b) + ((rules.NOT_SAME,) if not_same else ())
        return Scored(
            weight=weight,
            p=self.probability(weight),
            grade=self._capped(self.grade(weight), caps, bool(vetoes)),
            vector=vector,
            start=start,
            contributions=contributions,
            rivals=rivals,
            bound=weight - start - sum(c.weight for c in contributions) - penalty,
            caps=caps,
            vetoes=vetoes,
            confusion=confusion,
        )

    explain = score

    def _caps(self, vector: Vector, a: Demographics, b: Demographics, contributions: tuple[Contribution, ...]) -> tuple[Cap, ...]:
        weak = vector.levels[NHS_WEAK] == 1
        alone = weak and self._rests_on_weak_number(vector, a, b)
        if not self._counts(SAME_AUTHORITY):
            vector = vector.without("same_authority")
        weights = {c.field: c.weight for c in contributions}
        used = self.model.frequencies.get("given", {})
        names = rules.Names(
            two=vector.levels[GIVEN] == 2 and are_two_names(a, b, used),
            past=1 <= vector.levels[GIVEN] <= 4 and differ_now(a, b),
            unheard_of=bool((a.flags | b.flags) & NEWBORN) and not (_has_known_name(a, used) and _has_known_name(b, used)),
        )
        return rules.caps(a, b, vector, weights, weak_number_alone=alone, own_frequencies=self.model.own_frequencies, names=names)

    def _rests_on_weak_number(self, vector: Vector, a: Demographics, b: Demographics) -> bool:
        """Whether it is no match without the unverified NHS number, or where no birth date is compared not a certain one: a father's number on his namesake's record."""
        without = self.grade(self._weight(vector.without("nhs_weak"), a, b))
        return without == GRADES[-1] or (not vector.levels[BIRTH_DATE] and without != GRADES[0])

    @staticmethod
    def _capped(grade: str, caps: tuple[Cap, ...], vetoed: bool) -> str:
        if vetoed:
            return GRADES[-1]
        return max([grade, *(cap.grade for cap in caps)], key=GRADES.index)


def _has_known_name(one: Demographics, used: Collection[str]) -> bool:
    """Whether its newest given name is one that people have, and not one more word for a child without a name."""
    given = one.names[0].given if one.names else ""
    return given in used or is_listed_name(given)


_ATTRIBUTES = {CITY: "cities", POSTCODE: "postcodes", PHONE: "phones", EMAIL: "emails", STREET: "streets"}


def _product(x: Factors, y: Factors) -> Factors:
    return x[0] * y[0], x[1] * y[1], x[2] * y[2], x[3] * y[3], x[4] * y[4]
