"""Candidate pairs of a table found in memory (matching.md 3, 5)."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from matching.blocking import blocking_texts
from matching.comparisons import compare
from matching.pairs import file_cap, random_pairs, sample, sample_of_pairs, sample_of_rows
from tests.unit.matching.cast import ASP, alice, anna, bea, mrn
from tests.unit.matching.population import population

RECORDS, _ = population(40, 3)


def pairs_of(sampled):
    return set(zip(sampled.first.tolist(), sampled.second.tolist(), strict=True))


def sharing(records, cap):
    members = {}
    for place, record in enumerate(records):
        for key in set(blocking_texts(record, files=True)):
            members.setdefault(key, []).append(place)
    return {pair for found in members.values() if len(found) <= cap for pair in combinations(found, 2)}


def test_pairs_are_those_that_share_a_block_within_the_cap():
    assert pairs_of(sample(RECORDS, cap=5)) == sharing(RECORDS, 5)
    assert pairs_of(sample(RECORDS)) == sharing(RECORDS, 250)
    assert pairs_of(sample(RECORDS, cap=5)) < pairs_of(sample(RECORDS))


def test_of_two_tables_only_pairs_across_are_taken():
    found = sample(RECORDS, left=30)
    assert pairs_of(found) == {(i, j) for i, j in sharing(RECORDS, 250) if i < 30 <= j}
    assert found.total == 30 * (len(RECORDS) - 30)


def test_each_pair_has_its_vector_and_each_family_its_pairs():
    found = sample(RECORDS)
    for i, j, v in zip(found.first.tolist(), found.second.tolist(), found.vector.tolist(), strict=True):
        assert found.vectors[v] == compare(RECORDS[i], RECORDS[j])
    texts = [dict.fromkeys(blocking_texts(r, files=True)) for r in RECORDS]
    for place in found.families["pf"].tolist():
        i, j = int(found.first[place]), int(found.second[place])
        assert {t for f, t in texts[i] if f == "pf"} & {t for f, t in texts[j] if f == "pf"}
    assert len(found.vectors) == len(set(found.vectors))


def test_each_identifier_system_is_a_family_of_its_own():
    records = [alice(identifiers=mrn(ASP, "1")), bea(identifiers=mrn(ASP, "1")), anna(identifiers=mrn("t", "2"))]
    assert {family for family in sample(records).families if family.startswith("id:")} == {"id:" + ASP, "id:t"}


def test_an_empty_table_has_no_pairs():
    assert len(sample([]).first) == 0
    assert len(sample([alice()]).first) == 0


def test_progress_is_told():
    told = []
    sample(RECORDS, progress=lambda stage, done, total: told.append((stage, done, total)))
    assert told[0][:2] == ("comparing", 0)
    assert told[-1][1] == told[-1][2]


@pytest.mark.parametrize(("count", "cap"), [(20_000, 250), (20_001, 50)])
def test_large_files_have_smaller_blocks(count, cap):
    assert file_cap(count) == cap


def test_pairs_found_elsewhere_make_the_same_sample():
    made = sample_of_pairs(RECORDS, {(0, 1): {"db"}, (2, 3): {"pf", "db"}}, 99.0)
    assert pairs_of(made) == {(0, 1), (2, 3)}
    assert {family: places.tolist() for family, places in made.families.items()} == {"db": [0, 1], "pf": [1]}
    assert (made.total, made.left) == (99.0, 0)


def test_random_pairs_are_all_pairs_where_there_are_no_more():
    first, second = random_pairs(5, 0, 100, 1)
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == set(combinations(range(5), 2))
    first, second = random_pairs(5, 2, 100, 1)
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == {(i, j) for i in (0, 1) for j in (2, 3, 4)}


def test_random_pairs_are_of_two_records_and_the_same_for_a_seed():
    first, second = random_pairs(50, 0, 500, 7)
    assert len(first) == 500
    assert not (first == second).any()
    assert second.max() < 50
    assert np.array_equal(second, random_pairs(50, 0, 500, 7)[1])
    assert not np.array_equal(second, random_pairs(50, 0, 500, 8)[1])
    first, second = random_pairs(50, 20, 500, 7)
    assert first.max() < 20 <= second.min()


def test_rows_of_a_live_store_are_taken_once_in_either_order():
    rows = {"db": np.array([[3, 0, 1], [0, 3, 2]]), "pf": np.array([[0], [3]])}
    made = sample_of_rows(RECORDS, rows, 99.0)
    assert pairs_of(made) == {(0, 3), (1, 2)}
    assert [made.families[name].tolist() for name in ("db", "pf")] == [[0, 1], [0]]
    assert sample_of_rows([], {}, 1.0).first.tolist() == []
