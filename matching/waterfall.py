"""Why a pair weighs what it weighs, as data: one structure for edges, review items, ``$match`` and explanations (matching.md 10)."""

from __future__ import annotations

from typing import Any

from matching.comparisons import level_name
from matching.model import GRADES
from matching.scoring import Scored, Scorer

_DIGITS = 6
_SMALL = 1e-5

Waterfall = dict[str, Any]
"""JSON-able; no value of a record is in it. ``start``, the weight of each of ``fields`` and ``rivals``, and ``cut`` sum to ``weight``, in bits."""


def waterfall(scored: Scored, scorer: Scorer) -> Waterfall:
    """The bars of a score and its rules, in the short form that is stored: rows of ``fields`` are name, level, weight and the frequency's part of it."""
    return {
        "model": scorer.model.id, "weight": scored.weight, "p": round(scored.p, 9), "calibrated": bool(scorer.model.calibration), "grade": scored.grade,
        "start": round(scored.start, _DIGITS), "fields": [[one.field, one.level, round(one.weight, _DIGITS), round(one.frequency, _DIGITS)] for one in scored.contributions],
        "rivals": [[one.rival, round(one.weight, _DIGITS)] for one in scored.rivals],
        "cut": round(scored.bound, _DIGITS) if abs(scored.bound) > _SMALL else 0.0,
        "caps": [list(one) for one in scored.caps], "vetoes": list(scored.vetoes), "confusion": scored.confusion,
        "bounds": [[grade, round(weight, _DIGITS)] for grade, weight in zip(GRADES, scorer.weight_bounds, strict=False)],
    }  # fmt: skip


def spelled(why: Waterfall) -> Waterfall:
    """The waterfall with each row's parts by name, and what each level means."""
    return {
        **why,
        "fields": [
            {"field": name, "level": level, "name": level_name(name, level), "weight": weight, "frequency": frequency} for name, level, weight, frequency in why["fields"]
        ],
        "rivals": [{"rival": name, "weight": weight} for name, weight in why["rivals"]],
        "caps": [{"rule": rule, "grade": grade} for rule, grade in why["caps"]],
        "bounds": [{"grade": grade, "weight": weight} for grade, weight in why["bounds"]],
    }
