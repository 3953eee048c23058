"""A model learned from records alone, without labels (matching.md 5, Training): seeded, input order irrelevant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from matching.blocking import EXCLUDED
from matching.comparisons import FIELDS, Vector, level_count
from matching.demographics import Demographics, pack
from matching.linking import kind_of
from matching.model import (
    GRADES,
    IDENTIFIER,
    RIVALS,
    SHARED_FIELDS,
    SIZE_BOUNDS,
    TERM_FIELDS,
    Costs,
    Level,
    Model,
    alpha,
    default_model,
    frequency_bytes,
    load,
    model_document,
)
from matching.pairs import Progress, Sample, compared, no_progress, random_pairs, sample
from matching.records import NUMBER
from matching.scoring import Scorer

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RANDOM_PAIRS = 1_000_000
U_SMOOTHING = 0.5
M_SMOOTHING = 0.02
START_MATCH, START_STRANGER, START_RIVALS = 0.3, 0.4, 0.3
START_LEVEL_1 = 0.8
ROUNDS = 60
SIZE_ROUNDS = 500
LEAST_PAIRS = 30
LEAST_SHARE = 0.02
LEAST_MATCHES = 20.0
FILLED = 0.05

LEAST_M = 0.5
LARGEST_LAMBDA_CHANGE = 0.2
MOST_DROPPED = 3
MOST_MATCHES = 25
"""Others of its person that a record may have on average: as many records as a person may have."""
SURE_WEIGHT, SURE_P = 10.0, 0.999
REGRESSION_BOUND = 0.95
LARGEST_REGRESSION_CHANGE = 0.002

_ADDRESS = ("street", "city", "postcode", "phone", "guardian")


@dataclass(frozen=True, slots=True)
class Fitted:
    """What EM found in one family's pairs: m by field, expected matches by field where it is filled, and their share."""

    m: Mapping[str, Floats]
    filled: Mapping[str, float]
    matches: float
    share: float


class Judged(NamedTuple):
    """A pair of the pinned regression set, and whether it is one person."""

    a: Demographics
    b: Demographics
    same: bool


@dataclass(frozen=True)
class Among:
    """What a sample was taken from: records of it drawn at random, and how many values of each field it has, in all and of each value."""

    records: Sequence[Demographics]
    totals: Mapping[str, int]
    counts: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Trained:
    """A trained model and why it must not be published, if so: ``refusals`` are sentences, () where it may be."""

    document: bytes
    frequencies: bytes
    refusals: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    defaulted: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)

    def model(self) -> Model:
        """The Model of it."""
        return load(self.document, self.frequencies)


def model_fields(vectors: Iterable[Vector], files: bool) -> tuple[str, ...]:
    """The fields of a model: all that some pair fills; ``files`` knows identifiers each by itself, the live store by authority."""
    filled = {place for vector in vectors for place, level in enumerate(vector.levels) if level}
    extra = {name for vector in vectors for name, _ in vector.extra if files or name.startswith("cat:")}
    return tuple(name for place, name in enumerate(FIELDS) if place in filled and not (files and name == "same_authority")) + tuple(sorted(extra))


def level_matrix(vectors: Sequence[Vector], fields: Sequence[str]) -> Ints:
    """Levels of the vectors, one row each, in the order of ``fields``."""
    places = [FIELDS.index(name) for name in fields if name in FIELDS]
    rows = np.array([vector.levels for vector in vectors], dtype=np.int64).reshape(len(vectors), len(FIELDS))[:, places]
    extra = [name for name in fields if name not in FIELDS]
    if not extra:
        return rows
    others = np.array([[dict(vector.extra).get(name, 0) for name in extra] for vector in vectors], dtype=np.int64)
    return np.concatenate([rows, others.reshape(len(vectors), len(extra))], axis=1)


def level_counts(levels: Ints, counts: Floats, place: int, name: str) -> Floats:
    """How much of ``counts`` falls on each level of the field, level 1 first."""
    return np.bincount(levels[:, place], weights=counts, minlength=level_count(name) + 1)[1:].astype(np.float64)


def u_probabilities(levels: Ints, counts: Floats, fields: Sequence[str]) -> dict[str, Floats]:
    """U of each field from random pairs, half a pair added to each level."""
    found = {}
    for place, name in enumerate(fields):
        seen = level_counts(levels, counts, place, name) + U_SMOOTHING
        found[name] = seen / seen.sum()
    return found


def active_rivals(records: Sequence[Demographics]) -> tuple[str, ...]:
    """The rivals that these records can show: an address, phone or guardian is filled in more than 5 % (matching.md 5)."""
    count = max(len(records), 1)

    def filled(attribute: str) -> bool:
        return sum(bool(getattr(record, attribute)) for record in records) / count > FILLED

    if not any(map(filled, ("streets", "cities", "postcodes", "phones", "guardian"))):
        return ()
    found = {"housemate": True, "twin": filled("birth_date"), "namesake": True, "borrowed": filled("nhs_number") or filled("identifiers")}
    return tuple(name for name in RIVALS if found[name])


def bounded(match: float, sizes: Mapping[str, float], files: bool) -> dict[str, float]:
    """The rivals' sizes within their bounds. ``files`` may have no housemates, and so none of the others, but where they have them they have those too (docs/adr/0024)."""
    known = {"match": match}
    for name in RIVALS:
        if name in sizes:
            base, least, most = SIZE_BOUNDS[name]
            known[name] = min(max(sizes[name], 0.0 if files and base == "match" else least * known[base]), most * known[base])
    return {name: known[name] for name in sizes}


def _likelihoods(levels: Ints, fields: Sequence[str], tables: Mapping[str, Floats]) -> Floats:
    """The probability of each vector where ``tables`` gives that of each level."""
    product = np.ones(len(levels))
    for place, name in enumerate(fields):
        product *= np.concatenate([[1.0], tables[name]])[levels[:, place]]
    return product


def _rival_tables(name: str, fields: Sequence[str], m: Mapping[str, Floats], u: Mapping[str, Floats]) -> dict[str, Floats]:
    return {f: alpha(name, f) * m[f] + (1 - alpha(name, f)) * u[f] for f in fields}


def _start_m(name: str) -> Floats:
    count = level_count(name)
    return np.array([START_LEVEL_1] + [(1 - START_LEVEL_1) / (count - 1)] * (count - 1))


def fit(levels: Ints, counts: Floats, fields: Sequence[str], u: Mapping[str, Floats], rivals: Sequence[str], *, files: bool) -> Fitted:
    """M and the share of matches among pairs, by EM with strangers and rivals; ``counts`` pairs have each row of ``levels``."""
    m = {name: _start_m(name) for name in fields}
    strangers = _likelihoods(levels, fields, u)
    match, stranger = START_MATCH, START_STRANGER
    sizes = bounded(match, dict.fromkeys(rivals, START_RIVALS / max(len(rivals), 1)), files)
    total, expected = counts.sum(), counts
    for _ in range(ROUNDS):
        parts = [match * _likelihoods(levels, fields, m), stranger * strangers]
        parts += [sizes[name] * _likelihoods(levels, fields, _rival_tables(name, fields, m, u)) for name in rivals]
        shares = np.array(parts) / np.maximum(sum(parts), 1e-300)
        expected = shares[0] * counts
        before = match
        masses = shares @ counts / total
        match = float(masses[0])
        sizes = bounded(match, dict(zip(rivals, map(float, masses[2:]), strict=True)), files)
        stranger = max(1.0 - match - sum(sizes.values()), 1e-9)
        for place, name in enumerate(fields):
            seen = level_counts(levels, expected, place, name) + M_SMOOTHING
            m[name] = seen / seen.sum()
        if abs(match - before) < 1e-7 * max(match, 1e-9):
            break
    filled = {name: float(expected[levels[:, place] > 0].sum()) for place, name in enumerate(fields)}
    return Fitted(m, filled, float(expected.sum()), match)


def excluded_fields(family: str) -> tuple[str, ...]:
    """The fields left out of a family's EM; a family ``id:x`` leaves out that identifier."""
    return (family,) if family.startswith("id:") else EXCLUDED[family]


def pooled(m: Floats, u: Floats) -> tuple[Floats, Floats, bool]:
    """M and u with adjacent levels pooled until m/u never rises with the level; and whether level 1 was among them."""
    groups = [[place] for place in range(len(m))]

    def ratio(group: list[int]) -> float:
        return float(m[group].sum() / u[group].sum())

    place = 0
    while place + 1 < len(groups):
        if ratio(groups[place + 1]) > ratio(groups[place]) * (1 + 1e-12):
            groups[place : place + 2] = [groups[place] + groups[place + 1]]
            place = max(place - 1, 0)
        else:
            place += 1
    new_m = m.copy()
    for group in groups:
        new_m[group] = u[group] * ratio(group)
    return new_m, u, len(groups[0]) > 1


def count_values(records: Iterable[Demographics], identifiers: Iterable[str] = ()) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Of each field with term frequencies, these ``identifiers`` among them, how many values the records have in all, and of each value."""
    counts: dict[str, dict[str, int]] = {name: {} for name in (*TERM_FIELDS, *SHARED_FIELDS, *identifiers)}
    for record in records:
        for system, value in record.identifiers:
            if (named := counts.get(IDENTIFIER + system)) is not None:
                named[value] = named.get(value, 0) + 1
        values: dict[str, Iterable[str]] = {
            "given": {name.given for name in record.names}, "family": {name.family for name in record.names},
            "city": record.cities, "postcode": record.postcodes, "phone": record.phones, "email": record.emails, "street": record.streets,
        }  # fmt: skip
        for name, found in values.items():
            for value in found:
                if value:
                    counts[name][value] = counts[name].get(value, 0) + 1
    totals = {name: sum(found.values()) for name, found in counts.items()}
    return {name: total for name, total in totals.items() if total}, {name: found for name, found in counts.items() if totals[name]}


def fit_sizes(ratios: Floats, rivals: Sequence[str], total: float, *, files: bool) -> tuple[float, dict[str, float]]:
    """The match's and rivals' share of all pairs, by EM over candidate pairs; ``ratios``: of each pair, each cause's odds against chance."""
    match = START_MATCH * len(ratios) / total
    sizes = bounded(match, dict.fromkeys(rivals, match / max(len(rivals), 1)), files)
    for _ in range(SIZE_ROUNDS):
        parts = ratios * np.array([match, *(sizes[name] for name in rivals)])
        masses = (parts / (1.0 + parts.sum(axis=1, keepdims=True))).sum(axis=0) / total
        before, match = match, max(float(masses[0]), 1e-300)
        sizes = bounded(match, dict(zip(rivals, map(float, masses[1:]), strict=True)), files)
        if abs(match - before) < 1e-9 * before:
            break
    return match, sizes


def _mean_m(fitted: Mapping[str, Fitted], name: str) -> tuple[Floats, float]:
    """M of a field over the families that saw it, weighted by expected matches, and their sum."""
    found = [(f.m[name], f.filled[name]) for f in fitted.values() if f.filled.get(name, 0.0) > 1.0]
    weight = sum(w for _, w in found)
    if not found:
        return np.empty(0), 0.0
    return np.sum([m * w for m, w in found], axis=0) / weight, weight


def _ratios(sampled: Sample, scorer: Scorer) -> Floats:
    """Of each candidate pair, the odds of a match and of each rival against chance, sizes apart."""
    records = sampled.records
    rows = np.empty((len(sampled.first), 1 + len(RIVALS)))
    for place, (i, j, v) in enumerate(zip(sampled.first.tolist(), sampled.second.tolist(), sampled.vector.tolist(), strict=True)):
        rows[place] = scorer.ratios(sampled.vectors[v], records[i], records[j])
    return rows[:, [0, *(1 + RIVALS.index(name) for name in scorer.model.rivals)]]


def _family_fits(sampled: Sample, fields: Sequence[str], u: Mapping[str, Floats], rivals: Sequence[str], files: bool) -> tuple[dict[str, Fitted], list[str]]:
    """What EM found family by family, and the families dropped."""
    fitted, dropped = {}, []
    for family, places in sampled.families.items():
        inner = [name for name in fields if name not in excluded_fields(family)]
        if len(places) < LEAST_PAIRS or not inner:
            continue
        counts = np.bincount(sampled.vector[places], minlength=len(sampled.vectors)).astype(float)
        seen = counts > 0
        levels = level_matrix([v for v, s in zip(sampled.vectors, seen, strict=True) if s], inner)
        found = fit(levels, counts[seen], inner, u, rivals, files=files)
        if found.share < LEAST_SHARE or found.matches < LEAST_MATCHES:
            dropped.append(family)
        else:
            fitted[family] = found
    return fitted, dropped


def _levels(
    fields: Sequence[str], fitted: Mapping[str, Fitted], u: Mapping[str, Floats], defaults: Model | None
) -> tuple[dict[str, tuple[Level, ...]], list[str], list[str]]:
    """The levels of each field; the fields that keep a default, and those whose level 1 pooling merged."""
    levels: dict[str, tuple[Level, ...]] = {}
    defaulted, merged = [], []
    for name in fields:
        m, weight = _mean_m(fitted, name)
        if not weight:
            defaulted.append(name)
            known = defaults.fields.get(name) if defaults else None
            m = np.array([level.m for level in known]) if known else _start_m(name)
        m, chance, with_first = pooled(m, u[name])
        if with_first:
            merged.append(name)
        levels[name] = tuple(Level(float(x), float(y)) for x, y in zip(m, chance, strict=True))
    return levels, defaulted, merged


def below_evidential(weak: Sequence[Level], evidential: Sequence[Level]) -> tuple[Level, ...]:
    """The levels of a weak NHS number, none of which weighs more than an equal evidential one: chance alone may have it so in small samples."""
    most = evidential[0].m / evidential[0].u
    return tuple(Level(level.m, max(level.u, level.m / most)) for level in weak)


def _with_unseen(levels: dict[str, tuple[Level, ...]], defaulted: list[str], defaults: Model) -> None:
    """Give a live store's model the fields that no pair filled: tomorrow's records may."""
    for name in defaults.fields:
        if name not in levels:
            levels[name] = defaults.fields[name]
            defaulted.append(name)


def sorted_sample(records: Sequence[Demographics], *, left: int = 0, cap: int | None = None, progress: Progress = no_progress) -> Sample:
    """The sample of a table whose records are put in an order of their own, so that training forgets that of the input."""
    parts = (records[:left], records[left:])
    return sample([record for part in parts for record in sorted(part, key=pack)], left=left, cap=cap, progress=progress)


def train(
    sampled: Sample,
    *,
    files: bool,
    population: int,
    seed: int = 0,
    previous: Model | None = None,
    defaults: Model | None = None,
    regression: Sequence[Judged] = (),
    hard: Sequence[Judged] = (),
    overused_birth_dates: frozenset[str] = frozenset(),
    among: Among | None = None,
    progress: Progress = no_progress,
    facts: Mapping[str, object] | None = None,
) -> Trained:
    """A model of these records; ``defaults`` for fields that no family saw.

    ``previous`` is the model to be replaced: its costs are kept, its size of match and its result on the ``regression``
    set must not differ much. Of that set and of ``hard`` no two people may be linked. ``overused_birth_dates`` are listed in the document. ``among``: where the sample is not all
    there is, what chance and frequencies are learned from.
    """
    records = among.records if among else sampled.records
    first, second = random_pairs(len(records), 0 if among else sampled.left, RANDOM_PAIRS, seed)
    vectors, places = compared(records, first, second, progress, "random pairs")
    fields = model_fields((*sampled.vectors, *vectors), files)
    random_counts = np.bincount(places, minlength=len(vectors)).astype(float)
    u = u_probabilities(level_matrix(vectors, fields), random_counts, fields)
    rivals = active_rivals(records)
    fitted, dropped = _family_fits(sampled, fields, u, rivals, files)
    levels, defaulted, merged = _levels(fields, fitted, u, defaults)
    if defaults and not files:
        _with_unseen(levels, defaulted, defaults)
    if "nhs_weak" in levels and "nhs_number" in levels:
        levels["nhs_weak"] = below_evidential(levels["nhs_weak"], levels["nhs_number"])
    frequencies = frequency_bytes(among.totals, among.counts) if among else frequency_bytes(*count_values(records, [name for name in levels if name.startswith(IDENTIFIER)]))
    costs = previous.costs if previous else Costs()
    known: dict[str, object] = {
        **(facts or {}), "seed": seed, "records": population if among else len(records), "candidate_pairs": len(sampled.first), "random_pairs": len(first),
        "families": {name: round(f.matches, 3) for name, f in fitted.items()}, "dropped": dropped, "defaulted": defaulted,
    }  # fmt: skip

    def document(match: float, sizes: Mapping[str, float], more: Mapping[str, object]) -> bytes:
        return model_document(
            population=population, lambda_match=match, rivals=sizes, fields=levels, frequencies=frequencies, own_frequencies=True, costs=costs,
            overused_birth_dates=overused_birth_dates, training={**known, **more},
        )  # fmt: skip

    unsized = Scorer(load(document(1.0, dict.fromkeys(rivals, 1.0), {}), frequencies))
    ratios = _ratios(sampled, unsized)
    match, sizes = fit_sizes(ratios, rivals, sampled.total, files=files) if len(ratios) else (1.0 / max(sampled.total, 1.0), bounded(0.0, dict.fromkeys(rivals, 0.0), files))
    parts = ratios * np.array([match, *(sizes[name] for name in rivals)])
    expected = round(match * sampled.total, 3)
    made = document(match, sizes, {"expected_matches": expected})
    refusals = (
        *_level_refusals(levels, merged, dropped),
        *_size_refusals(match, sampled, population, previous),
        *_sure_refusals(parts),
        *_regression_refusals(load(made, frequencies), previous, regression),
        *link_refusals(load(made, frequencies), (*regression, *hard)),
    )
    return Trained(made, frequencies, refusals, tuple(dropped), tuple(defaulted), known)


def _level_refusals(levels: Mapping[str, tuple[Level, ...]], merged: Sequence[str], dropped: Sequence[str]) -> list[str]:
    """Why what was learned of the fields shows a collapse (matching.md 5, Collapse)."""
    found = [f"pooling merged level 1 of {name}" for name in merged] + level_refusals(levels)
    if len(levels) == 1:
        found.append("one field alone tells a match from chance no more than a coin does; give more columns, or a model")
    if len(dropped) > MOST_DROPPED:
        found.append(f"{len(dropped)} key families were dropped, more than {MOST_DROPPED}")
    return found


def level_refusals(levels: Mapping[str, tuple[Level, ...]]) -> list[str]:
    """Why the levels of the fields that carry most show a collapse: too few true pairs would agree in them."""
    weak = [name for name in ("given", "family", "birth_date") if name in levels and levels[name][0].m < LEAST_M]
    return [f"m of level 1 of {name} is below {LEAST_M}" for name in weak]


def _size_refusals(match: float, sampled: Sample, population: int, previous: Model | None) -> list[str]:
    """Why the size of match shows a collapse. The shipped model knows nothing of a site's.

    A share of all pairs falls as the records grow in number, so that the previous one is taken to the same number.
    """
    found = []
    if not 1.0 <= match * sampled.total <= 0.999 * max(len(sampled.first), 1):
        found.append("the share of matches is at its bound")
    if match * population > MOST_MATCHES:
        found.append(f"the share of matches says that a record has more than {MOST_MATCHES} others of its person")
    if previous and previous.id != default_model().id and abs(match * population / (previous.lambda_match * previous.population) - 1) > LARGEST_LAMBDA_CHANGE:
        found.append("the share of matches differs by more than 20 % from the previous model's")
    return found


def _sure_refusals(parts: Floats) -> list[str]:
    """Why the pairs that look sure show a collapse; ``parts``: each pair's odds of a match and of each rival."""
    sure = parts[:, 0] / (1.0 + parts[:, 1:].sum(axis=1)) >= 2**SURE_WEIGHT
    p = parts[:, 0] / (1.0 + parts.sum(axis=1))
    return ["the mean probability of pairs of 10 bits and more is below .999"] if sure.any() and float(p[sure].mean()) < SURE_P else []


def regression_f1(model: Model, regression: Sequence[Judged]) -> float:
    """F1 of the model on the judged pairs, those of p >= .95 linked."""
    scorer = Scorer(model)
    linked = [scorer.probability(scorer.weigh(judged.a, judged.b)) >= REGRESSION_BOUND for judged in regression]
    right = sum(link and judged.same for link, judged in zip(linked, regression, strict=True))
    found = sum(linked) + sum(judged.same for judged in regression)
    return 2 * right / found if found else 1.0


def wrong_links(model: Model, judged: Sequence[Judged]) -> int:
    """How many of the judged pairs of two people the model would link."""
    scorer = Scorer(model)
    scored = [scorer.score(one.a, one.b) for one in judged if not one.same]
    return sum(kind_of(one) == NUMBER or (one.grade == GRADES[0] and not one.confusion) for one in scored)


def link_refusals(model: Model, judged: Sequence[Judged]) -> list[str]:
    """Why a model must not be published: it links two people."""
    wrong = wrong_links(model, judged)
    return [f"{wrong} pairs of two people in the regression sets would be linked"] if wrong else []


def _regression_refusals(model: Model, previous: Model | None, regression: Sequence[Judged]) -> list[str]:
    """Why the pinned regression set shows a collapse."""
    if previous is None or abs(regression_f1(model, regression) - regression_f1(previous, regression)) <= LARGEST_REGRESSION_CHANGE:
        return []
    return ["F1 on the regression set moves by more than .2 points"]
