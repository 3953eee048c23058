"""Probability by weight learned from stewards' labels (matching.md 7, Calibration)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, comb, exp2
from typing import NamedTuple

from matching.model import Costs, Model, canonical_bytes

LEAST_LABELS = 400
LEAST_OF_EACH = 50
WRONG_LINKS = 0.001
CONFIDENCE = 0.95
EDGE = 1e-6
LEAST_WEIGHT = -30
LEAST_P, GREATEST_P = 1e-6, 1 - 1e-6

Knots = tuple[tuple[float, float], ...]


class Label(NamedTuple):
    """A pair that a steward judged: its weight, the judgement, and the probability that it was chosen to be judged."""

    weight: float
    same: bool
    chosen: float = 1.0


def isotonic(labels: Iterable[Label]) -> Knots:
    """(weight, probability) knots of the best probability that never falls as the weight rises; each label counts 1/chosen."""
    blocks: list[list[float]] = []
    for label in sorted(labels):
        counts = 1.0 / label.chosen
        blocks.append([label.weight, label.weight, counts * label.same, counts])
        while len(blocks) > 1 and blocks[-2][2] * blocks[-1][3] >= blocks[-1][2] * blocks[-2][3]:
            _, most, same, total = blocks.pop()
            blocks[-1] = [blocks[-1][0], most, blocks[-1][2] + same, blocks[-1][3] + total]
    knots: list[tuple[float, float]] = []
    for least, most, same, total in blocks:
        p = min(max(same / total, LEAST_P), GREATEST_P)
        knots += [(least, p)] if least == most else [(least, p), (most, p)]
    return tuple(knots)


def upper_limit(wrong: int, audited: int) -> float:
    """The upper 95 % limit (Clopper-Pearson, one side) of the share of wrong links, ``wrong`` of ``audited`` having been so."""
    if wrong >= audited:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        at_most = sum(comb(audited, k) * middle**k * (1 - middle) ** (audited - k) for k in range(wrong + 1))
        low, high = (middle, high) if at_most > 1 - CONFIDENCE else (low, middle)
    return high


def _certain_from(labels: Sequence[Label], bound: float) -> float:
    """The least weight from which links may be certain: the bound, or lower where audits show it safe."""
    lowest, wrong, audited = bound, 0, 0
    for label in sorted(labels, reverse=True):
        wrong, audited = wrong + (not label.same), audited + 1
        if label.weight < bound and wrong <= WRONG_LINKS * audited and upper_limit(wrong, audited) <= WRONG_LINKS:
            lowest = label.weight
    return lowest


def calibrate(labels: Sequence[Label], costs: Costs, certain_weight: float) -> Knots:
    """The calibration of these labels, () where they are too few: 400, and 50 of each kind.

    Below ``certain_weight`` the probability stays under the bound of certain, unless the upper 95 % limit of wrong links
    among the labels from there up is at most .1 %.
    """
    same = sum(label.same for label in labels)
    if len(labels) < LEAST_LABELS or min(same, len(labels) - same) < LEAST_OF_EACH:
        return ()
    most = costs.bounds[0] - LEAST_P
    floor = _certain_from(labels, certain_weight)
    knots = isotonic(labels)
    below = [(weight, min(p, most)) for weight, p in knots if weight < floor]
    above = [(weight, p) for weight, p in knots if weight >= floor]
    edge = [(floor - EDGE, min(above[0][1], most))] if below and above and below[-1][0] < floor - EDGE else []
    return (*_tail(knots[0]), *below, *edge, *above)


def _tail(first: tuple[float, float]) -> Knots:
    """Knots below the least weight that was judged: the formula, and no more than what is known there, so that nothing is possible for want of labels."""
    least, p = first
    return tuple((float(weight), min(1.0 / (1.0 + exp2(-weight)), p)) for weight in range(LEAST_WEIGHT, ceil(least)))


def calibrated_document(model: Model, knots: Knots, facts: Mapping[str, int]) -> bytes:
    """The canonical bytes of the model's document with this calibration; ``facts`` say what it was made from."""
    raw = json.loads(model.document)
    raw["calibration"] = [list(knot) for knot in knots]
    raw["training"] = {**raw["training"], "calibration": dict(facts)}
    return canonical_bytes(raw)
