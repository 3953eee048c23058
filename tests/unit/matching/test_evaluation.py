"""Measures against a truth (matching.md 12)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.evaluation import (
    PairScore,
    Quality,
    calibration_table,
    evaluate,
    evaluate_clusters,
    quality,
    recall_by_group,
    truth_from_clusters,
    truth_from_pairs,
)

TRUTH = truth_from_clusters({"a1": "a", "a2": "a", "a3": "a", "b1": "b", "b2": "b", "c1": "c"})


def scored(*rows: tuple[str, str, float, float]):
    return [PairScore(x, y, w, p, "certain" if p >= 0.999 else "possible") for x, y, w, p in rows]


PAIRS = scored(("a1", "a2", 20, 0.9999), ("b2", "b1", 15, 0.9995), ("a1", "b1", 12, 0.999), ("a2", "a3", 3, 0.9), ("a1", "c1", -2, 0.2))


def test_truth_from_clusters_has_all_pairs():
    assert TRUTH.pairs == {("a1", "a2"), ("a1", "a3"), ("a2", "a3"), ("b1", "b2")}


def test_truth_from_pairs_makes_clusters():
    truth = truth_from_pairs([("b", "a"), ("b", "c"), ("x", "y")])
    assert truth.pairs == {("a", "b"), ("b", "c"), ("x", "y")}
    assert truth.clusters["a"] == truth.clusters["c"] != truth.clusters["x"]


def test_all_true_pairs_are_the_denominator_also_those_never_found():
    found = evaluate(PAIRS, TRUTH, records=6)
    assert found.true_pairs == 4
    assert found.at_bound == quality(2, 3, 4) == Quality(2 / 3, 0.5, pytest.approx(4 / 7))
    assert found.best == quality(3, 4, 4)
    assert found.best_weight == 3
    assert found.block_recall == 0.75
    assert found.recall_at == {0.999: 0.5, 0.9999: 0.5}
    assert found.review_per_record == pytest.approx(2 / 6)
    assert found.clusters is None
    assert found.groups == ()


def test_the_automatic_share_lies_above_the_wrong_pairs():
    assert evaluate(PAIRS, TRUTH).auto_share == 0.5
    assert evaluate(scored(("a1", "a2", 9, 0.99)), TRUTH).auto_share == 0.25


def test_a_pair_scored_twice_counts_once():
    again = [*PAIRS, PairScore("a2", "a1", 1, 0.5, "possible")]
    assert evaluate(again, TRUTH).best == evaluate(PAIRS, TRUTH).best


def test_equal_weights_share_one_bound():
    found = evaluate(scored(("a1", "a2", 5, 0.97), ("a1", "b1", 5, 0.97)), TRUTH)
    assert found.best == quality(1, 2, 4)
    assert found.recall_at[0.999] == 0.0


def test_nothing_scored_is_precise_and_finds_nothing():
    found = evaluate([], TRUTH)
    assert found.best == found.at_bound == Quality(1.0, 0.0, 0.0)
    assert (found.auto_share, found.block_recall, found.best_weight) == (0.0, 0.0, 0.0)
    nothing = evaluate([], truth_from_pairs([]))
    assert (nothing.at_bound.recall, nothing.block_recall, nothing.auto_share) == (1.0, 1.0, 0.0)
    assert quality(0, 5, 5) == Quality(0.0, 0.0, 0.0)


def test_the_calibration_table_sets_probability_against_truth():
    table = evaluate(PAIRS, TRUTH).calibration
    assert [(b.least, b.pairs, b.true_share) for b in table] == [(0.1, 1, 0.0), (0.9, 1, 1.0), (0.999, 3, pytest.approx(2 / 3))]
    assert calibration_table(np.array([1.0]), np.array([True]))[0].pairs == 1


def test_recall_is_compared_between_groups():
    gaps = recall_by_group(TRUTH, frozenset({("a1", "a2")}), {"a1": "old", "a2": "old", "a3": "old", "b1": "young", "b2": "young"})
    assert [(gap.group, gap.pairs) for gap in gaps] == [("old", 3), ("young", 1)]
    assert gaps[0].recall == pytest.approx(1 / 3)
    assert gaps[0].low <= gaps[0].recall <= gaps[0].high
    assert gaps[1][2:5] == (0.0, 0.0, 0.0)
    assert gaps[0].gap == pytest.approx(1 / 3) == -gaps[1].gap
    assert gaps[0].gap_low <= gaps[0].gap <= gaps[0].gap_high
    assert recall_by_group(TRUTH, frozenset(), dict.fromkeys(("a1", "a2", "a3", "b1", "b2"), "all"))[0][5:] == (0.0, 0.0, 0.0)
    assert evaluate(PAIRS, TRUTH, groups={"b1": "young"}).groups[0].recall == 1.0


def test_clusters_are_judged_by_pairs_by_record_and_by_size():
    found = evaluate(PAIRS, TRUTH, clusters=[("a1", "a2", "b1"), ("b2",), ("c1",)]).clusters
    assert found.pairs == quality(1, 3, 4)
    assert found.over_merged == 1
    assert (found.largest, found.true_largest) == (3, 3)
    precise = (2 * 2 / 3 + 1 / 3 + 1 + 1 + 1) / 6
    recalled = (2 * 2 / 3 + 1 / 3 + 1 / 2 + 1 / 2 + 1) / 6
    assert found.b_cubed[:2] == (pytest.approx(precise), pytest.approx(recalled))


def test_a_record_the_truth_does_not_name_is_a_person_of_its_own():
    found = evaluate_clusters([("a1", "x"), ("y",)], truth_from_clusters({"a1": "a"}))
    assert found.over_merged == 1
    assert found.true_largest == 1
    assert evaluate_clusters([], truth_from_clusters({})).b_cubed == Quality(0.0, 0.0, 0.0)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9))
def test_perfect_clusters_are_perfect(labels):
    of = {str(place): str(label) for place, label in enumerate(labels)}
    groups = [[key for key, label in of.items() if label == name] for name in set(of.values())]
    found = evaluate_clusters(groups, truth_from_clusters(of))
    assert found.pairs == found.b_cubed == Quality(1.0, 1.0, 1.0)
    assert (found.over_merged, found.largest) == (0, found.true_largest)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=8), st.lists(st.integers(0, 3), min_size=2, max_size=8))
def test_pair_quality_of_clusters_agrees_with_counting(truth_labels, cluster_labels):
    size = min(len(truth_labels), len(cluster_labels))
    true = {str(i): str(truth_labels[i]) for i in range(size)}
    groups = {}
    for i in range(size):
        groups.setdefault(cluster_labels[i], []).append(str(i))
    truth = truth_from_clusters(true)
    found = {pair for group in groups.values() for pair in combinations(group, 2)}
    assert evaluate_clusters(groups.values(), truth).pairs == quality(len(found & truth.pairs), len(found), len(truth.pairs))
