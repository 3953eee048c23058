"""All blocks of many records at once (relink; matching.md 9)."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.blocking import blocking_keys, family_of, is_no_key
from matching.blocks import Blocks, connected_rows, distinct
from tests.unit.matching.cast import alice

keys_of_rows = st.lists(st.sets(st.integers(1, 7), max_size=4), max_size=12)


def blocks(rows, cap=4):
    flat = [key for keys in rows for key in sorted(keys)]
    return Blocks(np.array(flat, dtype=np.int64), np.append(0, np.cumsum([len(keys) for keys in rows])).astype(np.int64), cap)


def every_pair(found, most=1_000):
    pairs = []
    for first, past in found.chunks(most):
        i, j = found.pairs(first, past)
        pairs += zip(i.tolist(), j.tolist(), strict=True)
    return pairs


@given(keys_of_rows, st.integers(1, 9))
def test_each_pair_that_shares_a_block_within_the_cap_is_given_once(rows, most):
    sizes = {key: sum(key in keys for keys in rows) for key in range(9)}
    wanted = [(i, j) for i, j in combinations(range(len(rows)), 2) if any(key in rows[j] and sizes[key] <= 4 for key in rows[i])]
    assert every_pair(blocks(rows), most) == wanted


def test_pairs_named_besides_are_given_with_the_others():
    found = blocks([{1}, {1}, {2}, set()])
    i, j = found.pairs(0, 4, np.array([0 * 4 + 3, 0 * 4 + 1]))
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [(0, 1), (0, 3)]


def test_sizes_of_blocks_are_known_by_key():
    found = blocks([{1, 2}, {1}, {1}])
    assert dict(zip(found.keys.tolist(), found.sizes.tolist(), strict=True)) == {1: 3, 2: 1}


@pytest.mark.parametrize(("count", "kept"), [(50, True), (51, False)])
def test_a_value_shared_too_widely_makes_no_pairs(count, kept):
    record = alice(phones=("01483 571122",))
    phone = next(key for key in blocking_keys(record) if family_of(key) == "ph")
    assert is_no_key(phone, count) is not kept
    found = blocks([{phone}] * count, cap=200)
    assert bool(every_pair(found)) is kept


@given(st.integers(0, 12), st.data())
def test_connected_rows_have_one_label(rows, data):
    ends = st.integers(0, max(rows - 1, 0))
    pairs = data.draw(st.lists(st.tuples(ends, ends), max_size=15)) if rows else []
    graph = nx.Graph()
    graph.add_nodes_from(range(rows))
    graph.add_edges_from(pairs)
    wanted = {row: min(part) for part in nx.connected_components(graph) for row in part}
    a, b = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    assert connected_rows(rows, a, b).tolist() == [wanted[row] for row in range(rows)]


@given(st.lists(st.integers(0, 9), max_size=12))
def test_each_code_is_there_once_and_in_order(codes):
    assert distinct(np.array(codes, dtype=np.int64)).tolist() == sorted(set(codes))
