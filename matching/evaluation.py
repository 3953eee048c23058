"""How good scored pairs and clusters are against a truth (matching.md 12). The denominator is all true pairs, found or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from matching.records import Pair, pair

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BOUND = 0.95
PRECISIONS = (0.999, 0.9999)
FALSE_POSITIVES = 0.001
CALIBRATION_EDGES = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999, 1.0)
BOOTSTRAPS = 1000
_INTERVAL = (0.025, 0.975)


class PairScore(NamedTuple):
    """A scored pair of ids: weight, probability and grade."""

    left: str
    right: str
    weight: float
    p: float
    grade: str = ""


class Quality(NamedTuple):
    """Precision, recall and their harmonic mean."""

    precision: float
    recall: float
    f1: float


class Bin(NamedTuple):
    """A row of the calibration table: pairs of ``least`` <= p < ``most``, their mean p and the share that are true."""

    least: float
    most: float
    pairs: int
    mean_p: float
    true_share: float


class Gap(NamedTuple):
    """Recall at the bound of the true pairs that touch one group, ``gap`` what it is above that of all others; both with bootstrap intervals (95 %)."""

    group: str
    pairs: int
    recall: float
    low: float
    high: float
    gap: float
    gap_low: float
    gap_high: float


@dataclass(frozen=True)
class Truth:
    """Which pairs are one person: ``pairs``, unordered, and the cluster of each id."""

    pairs: frozenset[Pair]
    clusters: Mapping[str, str]


@dataclass(frozen=True)
class ClusterQuality:
    """How good clusters are: pairs in them, B-cubed, clusters that join several persons, and the largest against the truth's."""

    pairs: Quality
    b_cubed: Quality
    over_merged: int
    largest: int
    true_largest: int


@dataclass(frozen=True)
class Evaluation:
    """All measures of scored pairs; ``clusters`` None where none were given."""

    true_pairs: int
    at_bound: Quality
    best: Quality
    best_weight: float
    block_recall: float
    recall_at: Mapping[float, float]
    auto_share: float
    review_per_record: float
    calibration: tuple[Bin, ...]
    groups: tuple[Gap, ...]
    clusters: ClusterQuality | None


def quality(true_found: float, found: float, true: float) -> Quality:
    """Precision, recall and F1 of ``found`` pairs of which ``true_found`` are among the ``true``; nothing found is precise."""
    precision = true_found / found if found else 1.0
    recall = true_found / true if true else 1.0
    return Quality(precision, recall, 2 * precision * recall / (precision + recall) if precision + recall else 0.0)


def truth_from_pairs(pairs: Iterable[tuple[str, str]]) -> Truth:
    """The truth that true pairs state, and the clusters that they make."""
    found = frozenset(pair(x, y) for x, y in pairs)
    cluster: dict[str, str] = {}

    def root(key: str) -> str:
        while cluster.setdefault(key, key) != key:
            cluster[key] = cluster[cluster[key]]
            key = cluster[key]
        return key

    for x, y in sorted(found):
        low, high = sorted((root(x), root(y)))
        cluster[high] = low
    return Truth(found, {key: root(key) for key in sorted(cluster)})


def truth_from_clusters(clusters: Mapping[str, str]) -> Truth:
    """The truth that each id's cluster states; one without a cluster is a person of its own."""
    clusters = {key: name for key, name in clusters.items() if name}
    members: dict[str, list[str]] = {}
    for key, name in clusters.items():
        members.setdefault(name, []).append(key)
    return Truth(frozenset(pair(x, y) for keys in members.values() for x, y in combinations(keys, 2)), dict(clusters))


def _descending(scored: Iterable[PairScore], truth: Truth) -> tuple[Floats, Floats, Bools, list[PairScore]]:
    """Weights, probabilities and truth of the distinct pairs, best first."""
    best: dict[Pair, PairScore] = {}
    for found in scored:
        about = pair(found.left, found.right)
        if about not in best or found.weight > best[about].weight:
            best[about] = found
    rows = sorted(best.items(), key=lambda row: (-row[1].weight, row[0]))
    weights = np.array([found.weight for _, found in rows], dtype=np.float64)
    probabilities = np.array([found.p for _, found in rows], dtype=np.float64)
    return weights, probabilities, np.array([about in truth.pairs for about, _ in rows], dtype=np.bool_), [found for _, found in rows]


def _cuts(weights: Floats, true: Bools) -> tuple[Floats, Floats, Floats]:
    """At each place where a bound can lie: the weight, pairs at or above it, true ones among them."""
    if not len(weights):
        return np.empty(0), np.empty(0), np.empty(0)
    last = np.append(weights[1:] != weights[:-1], True)
    return weights[last], np.arange(1, len(weights) + 1)[last].astype(np.float64), np.cumsum(true)[last].astype(np.float64)


def _recall_at(precision: float, found: Floats, right: Floats, true: int) -> float:
    good = right / found >= precision if len(found) else np.empty(0, dtype=np.bool_)
    return float(right[good].max() / true) if true and good.any() else 0.0


def _auto_share(weights: Floats, true: Bools, true_pairs: int) -> float:
    """The share of true pairs above all but .1 % of the scored pairs that are not (share linked without a steward)."""
    others = weights[~true]
    bound = np.quantile(others, 1 - FALSE_POSITIVES) if len(others) else -np.inf
    return float((weights[true] > bound).sum() / true_pairs) if true_pairs else 0.0


def calibration_table(probabilities: Floats, true: Bools) -> tuple[Bin, ...]:
    """Pairs by probability: how many, their mean probability, how many are true."""
    found = []
    for least, most in pairwise(CALIBRATION_EDGES):
        inside = (probabilities >= least) & ((probabilities < most) | (most == 1.0))
        if inside.any():
            found.append(Bin(least, most, int(inside.sum()), float(probabilities[inside].mean()), float(true[inside].mean())))
    return tuple(found)


def recall_by_group(truth: Truth, found: frozenset[Pair], groups: Mapping[str, str], seed: int = 0) -> tuple[Gap, ...]:
    """Recall of the true pairs that touch each group, and its gap to those that do not, with bootstrap intervals."""
    pairs, hits = Counter[str](), Counter[str]()
    for about in truth.pairs:
        touched = {groups[key] for key in about if groups.get(key)}
        pairs.update(touched)
        hits.update(touched if about in found else ())
    draw = np.random.default_rng(seed)
    total, right = len(truth.pairs), len(truth.pairs & found)
    gaps = []
    for group, count in sorted(pairs.items()):
        own, rest = _draws(draw, hits[group], count), _draws(draw, right - hits[group], total - count)
        recall, others = hits[group] / count, (right - hits[group]) / max(total - count, 1)
        above = own - rest if total > count else np.zeros(1)
        low, high = np.quantile(own, _INTERVAL)
        gap_low, gap_high = np.quantile(above, _INTERVAL)
        gaps.append(Gap(group, count, recall, float(low), float(high), recall - others if total > count else 0.0, float(gap_low), float(gap_high)))
    return tuple(gaps)


def _draws(draw: np.random.Generator, right: int, count: int) -> Floats:
    """Recalls of samples drawn again from ``count`` pairs of which ``right`` are found."""
    drawn: Floats = draw.binomial(count, right / max(count, 1), BOOTSTRAPS) / max(count, 1)
    return drawn


def evaluate_clusters(clusters: Iterable[Sequence[str]], truth: Truth) -> ClusterQuality:
    """How good clusters are. A record in none stands alone; one that the truth does not name is a person of its own."""
    of = {key: number for number, members in enumerate(clusters) for key in members}
    names = dict(truth.clusters)
    for key in of:
        names.setdefault(key, "\x00" + key)
    for key in names:
        of.setdefault(key, -1 - len(of))
    found: dict[int, dict[str, int]] = {}
    true: dict[str, int] = {}
    for key, name in names.items():
        inside = found.setdefault(of[key], {})
        inside[name] = inside.get(name, 0) + 1
        true[name] = true.get(name, 0) + 1
    right = sum(n * (n - 1) / 2 for inside in found.values() for n in inside.values())
    sizes = [sum(inside.values()) for inside in found.values()]
    agreeing = [(n, sum(inside.values()), true[name]) for inside in found.values() for name, n in inside.items()]
    count = max(len(names), 1)
    precise, recalled = sum(n * n / size for n, size, _ in agreeing) / count, sum(n * n / size for n, _, size in agreeing) / count
    return ClusterQuality(
        pairs=quality(right, sum(n * (n - 1) / 2 for n in sizes), sum(n * (n - 1) / 2 for n in true.values())),
        b_cubed=Quality(precise, recalled, 2 * precise * recalled / (precise + recalled) if precise + recalled else 0.0),
        over_merged=sum(len(inside) > 1 for inside in found.values()),
        largest=max(sizes, default=0),
        true_largest=max(true.values(), default=0),
    )


def evaluate(
    scored: Iterable[PairScore],
    truth: Truth,
    *,
    bound: float = BOUND,
    records: int = 0,
    clusters: Iterable[Sequence[str]] | None = None,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Evaluation:
    """All measures of section 12. ``scored`` are the pairs that blocking found, ``records`` how many records there are."""
    weights, probabilities, true, rows = _descending(scored, truth)
    total = len(truth.pairs)
    at, found, right = _cuts(weights, true)
    above = probabilities >= bound
    qualities = [quality(r, f, total) for f, r in zip(found.tolist(), right.tolist(), strict=True)]
    best = max(range(len(qualities)), key=lambda place: qualities[place].f1, default=-1)
    linked = frozenset(pair(row.left, row.right) for row, over in zip(rows, above, strict=True) if over)
    reviewed = sum(row.grade in ("probable", "possible") for row in rows)
    return Evaluation(
        true_pairs=total,
        at_bound=quality(float(true[above].sum()), float(above.sum()), total),
        best=qualities[best] if qualities else quality(0, 0, total),
        best_weight=float(at[best]) if qualities else 0.0,
        block_recall=float(true.sum() / total) if total else 1.0,
        recall_at={precision: _recall_at(precision, found, right, total) for precision in PRECISIONS},
        auto_share=_auto_share(weights, true, total),
        review_per_record=reviewed / records if records else 0.0,
        calibration=calibration_table(probabilities, true),
        groups=recall_by_group(truth, linked, groups, seed) if groups else (),
        clusters=evaluate_clusters(clusters, truth) if clusters is not None else None,
    )
