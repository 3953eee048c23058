"""Probability by weight from stewards' labels (matching.md 7)."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.calibration import Label, calibrate, calibrated_document, isotonic, upper_limit
from matching.model import Costs, default_model, load
from matching.scoring import Scorer

BOUND = 9.96


def labels(count, seed=1, least=-6.0, most=16.0):
    draw = random.Random(seed)
    weights = [draw.uniform(least, most) for _ in range(count)]
    return [Label(w, draw.random() < 1 / (1 + 2**-w)) for w in weights]


def test_too_few_labels_calibrate_nothing():
    assert calibrate(labels(399), Costs(), BOUND) == ()
    assert calibrate([Label(w, same=True) for w in range(500)], Costs(), BOUND) == ()
    assert calibrate(labels(400), Costs(), BOUND) != ()


@given(st.lists(st.builds(Label, st.floats(-10, 10), st.booleans(), st.sampled_from([0.01, 0.5, 1.0])), min_size=1, max_size=30))
def test_probability_never_falls_as_the_weight_rises(found):
    knots = isotonic(found)
    assert all(a[0] <= b[0] and a[1] <= b[1] + 1e-12 for a, b in pairwise(knots))
    assert all(0 < p < 1 for _, p in knots)


def test_isotonic_means_are_weighted_by_how_rarely_a_pair_was_chosen():
    knots = isotonic([Label(1.0, same=True, chosen=0.25), Label(2.0, same=False)])
    assert knots == ((1.0, 0.8), (2.0, 0.8))


def test_a_calibration_follows_the_labels():
    knots = dict(calibrate(labels(20_000), Costs(), BOUND))
    for weight, p in knots.items():
        if -3 < weight < 3:
            assert abs(p - 1 / (1 + 2**-weight)) < 0.15


def test_below_the_certain_bound_nothing_becomes_certain_without_enough_audits():
    found = [Label(w / 100, same=True) for w in range(1200)] + [Label(-5.0 + w / 1000, same=False) for w in range(100)]
    knots = calibrate(found, Costs(), BOUND)
    assert all(p < 0.999 for w, p in knots if w < BOUND)
    assert any(p >= 0.999 for w, p in knots if w >= BOUND)


def test_three_thousand_audits_without_error_may_lower_the_bound():
    found = [Label(8.0 + w / 1000, same=True) for w in range(3100)] + [Label(-5.0 + w / 1000, same=False) for w in range(100)]
    knots = calibrate(found, Costs(), BOUND)
    assert any(p >= 0.999 and w < BOUND for w, p in knots)


def test_between_two_knots_at_the_bound_nothing_becomes_certain_early():
    found = [Label(5.0, same=s) for s in [True] * 300 + [False] * 60] + [Label(12.0, same=True)] * 200
    knots = calibrate(found, Costs(), BOUND)
    below = max(w for w, _ in knots if w < BOUND)
    assert below == pytest.approx(BOUND, abs=1e-5)
    assert dict(knots)[below] < 0.999


def test_the_upper_limit_is_the_exact_one():
    assert upper_limit(0, 2995) == pytest.approx(0.001, rel=0.01)
    assert upper_limit(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100), rel=1e-6)
    assert upper_limit(1, 100) > upper_limit(0, 100)
    assert upper_limit(5, 5) == 1.0


def test_below_all_that_was_judged_nothing_is_possible_that_the_formula_does_not_call_so():
    """All labels lie between 6 and 12 bits: the half of them that is wrong says nothing of pairs at -20."""
    found = [Label(6 + number / 100, same=number % 2 == 0) for number in range(600)]
    knots = calibrate(found, Costs(), BOUND)
    document = calibrated_document(default_model(), knots, {"labels": 600})
    scorer = Scorer(load(document))
    assert scorer.probability(-20.0) < 1e-5
    assert scorer.grade(-4.0) == "certainly-not"
    assert scorer.probability(3.0) <= scorer.probability(7.0) < 0.6
    assert all(before[0] < after[0] and before[1] <= after[1] for before, after in pairwise(knots))


def test_a_calibrated_model_is_another_that_scores_alike():
    knots = calibrate(labels(2_000), Costs(), BOUND)
    ours = default_model()
    made = load(calibrated_document(ours, knots, {"labels": 2_000}))
    assert made.id != ours.id
    assert made.fields == ours.fields
    assert made.calibration == knots
    assert made.training["calibration"] == {"labels": 2_000}
