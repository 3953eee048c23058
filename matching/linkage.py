"""Linking plain tables (matching.md 12): train on them, score their candidate pairs, cut clusters. No files, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from matching.clustering import Component, connected, derive
from matching.comparisons import FIELDS
from matching.demographics import Demographics, pack
from matching.model import GRADES, Model, default_model
from matching.normalise import normalise
from matching.pairs import STEP, Progress, Sample, no_progress, sample
from matching.records import MATCH, Edge
from matching.scoring import Scored, Scorer
from matching.tables import Row
from matching.training import Trained, train

THRESHOLD = 0.95


class PairFound(NamedTuple):
    """A scored pair of rows, by their ids."""

    left: str
    right: str
    scored: Scored


@dataclass(frozen=True)
class Linked:
    """What linking tables gave: pairs graded possible or better, best first; clusters of row ids; the model and its training."""

    pairs: tuple[PairFound, ...]
    clusters: tuple[tuple[str, ...], ...]
    model: Model
    trained: Trained | None
    candidates: int
    records: tuple[str, ...] = field(repr=False, default=())
    sources: Sources = field(repr=False, default=({}, {}))
    apart: bool = False


Sources = tuple[Mapping[str, str], Mapping[str, str]]
"""The source of each row by its id: of the left rows and of the right ones, which are the left ones where there is one table."""


class UnusableTable(ValueError):
    """A table that cannot be linked; the sentence says why and holds no value of it."""


def _sources(rows: Iterable[Row]) -> dict[str, str]:
    return {row.id: row.source for row in rows if row.source}


def _demographics(rows: Sequence[Row], model: Model | None) -> list[tuple[str, Demographics]]:
    overused = model.overused_birth_dates if model else frozenset[str]()
    keyed = [(row.id, normalise(row.facts, admit_test_numbers=True, overused_birth_dates=overused)) for row in rows]
    if len({key for key, _ in keyed}) != len(keyed) or any(not key for key, _ in keyed):
        raise UnusableTable("each row needs an id of its own")
    return sorted(keyed, key=lambda item: (pack(item[1]), item[0]))


def train_on_table(sampled: Sample, *, seed: int, previous: Model | None = None, progress: Progress = no_progress) -> Trained:
    """The model trained on a table; its ``refusals`` say where its training collapsed."""
    count = len(sampled.records)
    return train(sampled, files=True, population=max(count, 1), seed=seed, previous=previous, defaults=default_model(), progress=progress)


def _scored_pairs(sampled: Sample, keys: Sequence[str], scorer: Scorer, progress: Progress, *, whole: bool) -> list[PairFound]:
    """The candidate pairs graded possible or better, or the ``whole`` of them; best first."""
    records, found = sampled.records, []
    total = len(sampled.first)
    places = zip(sampled.first.tolist(), sampled.second.tolist(), sampled.vector.tolist(), strict=True)
    for done, (i, j, v) in enumerate(places):
        if done % STEP == 0:
            progress("scoring", done, total)
        a, b = records[i], records[j]
        if whole or scorer.grade(scorer.weigh_compared(sampled.vectors[v], a, b)) != GRADES[-1]:
            found.append(PairFound(keys[i], keys[j], scorer.score(a, b)))
    progress("scoring", total, total)
    return _best_first(found)


def _best_first(pairs: Iterable[PairFound]) -> list[PairFound]:
    return sorted(pairs, key=lambda pair: (-pair.scored.weight, pair.left, pair.right))


def one_to_one(pairs: Iterable[PairFound], *, tables: int, sources: Sources = ({}, {})) -> list[PairFound]:
    """The pairs left when, best first, each record is used once; an id is of one record in one table, and of one in each of two.

    With ``sources`` a record is used once for each source that it is paired with.
    """
    used: set[tuple[str, str, str]] = set()
    kept = []
    for pair in pairs:
        left, right = source_pair(pair, sources)
        sides = {("left", pair.left, right), ("left" if tables == 1 else "right", pair.right, left)}
        if used.isdisjoint(sides):
            used |= sides
            kept.append(pair)
    return kept


def source_pair(pair: PairFound, sources: Sources) -> tuple[str, str]:
    """The sources of the two rows of a pair, "" where the table has none."""
    return sources[0].get(pair.left, ""), sources[1].get(pair.right, "")


def clusters(
    pairs: Iterable[PairFound], records: Sequence[tuple[str, Demographics]], scorer: Scorer, threshold: float = THRESHOLD
) -> tuple[tuple[str, ...], ...]:
    """The clusters of rows that pairs of probability ``threshold`` and more make, by the rules of section 8."""
    demographics = dict(records)
    edges = [
        Edge(MATCH, pair.left, pair.right, weight=pair.scored.weight)
        for pair in pairs
        if pair.scored.p >= threshold and not pair.scored.vetoes
    ]
    by_key: dict[str, list[Edge]] = {}
    for edge in edges:
        by_key.setdefault(edge.a, []).append(edge)
    found: list[tuple[str, ...]] = []
    for piece in connected(demographics, edges):
        if len(piece) == 1:
            found.append(piece)
        else:
            inside = tuple(edge for key in piece for edge in by_key.get(key, ()))
            found += derive(Component({key: demographics[key] for key in piece}, inside), scorer).certain
    return tuple(sorted(found))


def link(
    left: Sequence[Row],
    right: Sequence[Row] | None = None,
    *,
    model: Model | None = None,
    pairs: Iterable[tuple[str, str]] | None = None,
    threshold: float = THRESHOLD,
    one_to_one_only: bool = False,
    whole: bool = False,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Linked:
    """Left linked to right, or left alone de-duplicated; trained on these rows unless ``model`` is given.

    ``pairs`` scores exactly those pairs of ids, whatever their grade; ``whole`` keeps all that were compared. Ids of left and right that are equal are told
    apart in clusters by the prefixes ``left:`` and ``right:``.
    """
    sources = _sources(left), _sources(left if right is None else right)
    rows_left, rows_right = _demographics(left, model), _demographics(right or (), model)
    rows = rows_left + rows_right
    sampled = sample([d for _, d in rows], left=len(rows_left) if right is not None else 0, progress=progress)
    trained = None if model else train_on_table(sampled, seed=seed, progress=progress)
    used = trained.model() if trained else model or default_model()
    scorer = Scorer(used)
    if pairs is None:
        found = _scored_pairs(sampled, [key for key, _ in rows], scorer, progress, whole=whole)
    else:
        lefts, rights = dict(rows_left), dict(rows_right or rows_left)
        found = [PairFound(x, y, scorer.score(lefts[x], rights[y])) for x, y in pairs]
    if one_to_one_only:
        found = one_to_one(_best_first(found), tables=1 if right is None else 2, sources=sources)
    apart = right is not None and not {key for key, _ in rows_left}.isdisjoint(key for key, _ in rows_right)
    named = [("left:" + k, d) for k, d in rows_left] + [("right:" + k, d) for k, d in rows_right] if apart else rows
    joined = [p._replace(left="left:" + p.left, right="right:" + p.right) for p in found] if apart else found
    return Linked(
        tuple(found), clusters(joined, named, scorer, threshold), used, trained, len(sampled.first), tuple(key for key, _ in named), sources, apart,
    )


def compared_fields(model: Model) -> tuple[str, ...]:
    """The fields of a model in the order in which pairs are written."""
    return tuple(name for name in FIELDS if name in model.fields) + tuple(sorted(name for name in model.fields if name not in FIELDS))


def row_of_pair(pair: PairFound, fields: Sequence[str]) -> dict[str, str]:
    """The line of a pair: ids, p, weight, grade, then level and weight of each field."""
    weights = {c.field: c.weight for c in pair.scored.contributions}
    row = {
        "left_id": pair.left, "right_id": pair.right, "p": f"{pair.scored.p:.6f}", "weight": f"{pair.scored.weight:.3f}",
        "grade": pair.scored.grade,
    }  # fmt: skip
    for name in fields:
        row[f"{name}_level"] = str(pair.scored.vector.level(name))
        row[f"{name}_weight"] = f"{weights.get(name, 0.0):.3f}"
    return row
