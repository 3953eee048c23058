"""Chunks of a block against a plain set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.store.contract import Block
from app.store.mongo import blocks
from app.store.mongo.blocks import Chunks, block_seen, chunk_document, chunk_id, chunks_for, chunks_from, key_and_chunk

steps = st.lists(st.tuples(st.sets(st.integers(0, 30), max_size=12), st.sets(st.integers(0, 30), max_size=12)), max_size=12)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "CHUNK", 4)


@given(steps)
def test_chunks_stay_dense_and_hold_the_set(steps) -> None:
    kept: dict[int, dict] = {}
    members: set[int] = set()
    for add, remove in steps:
        added, removed = sorted(add - members), sorted((remove - add) & members)
        block = chunks_from([document for chunk, document in kept.items() if chunk == 0]).get(5, Chunks())
        read = chunks_from([kept[chunk] for chunk in block.missing(removing=bool(removed))]).get(5)
        block.parts.update(read.parts if read else {})
        members = (members | set(added)) - set(removed)
        for chunk in block.change(added, removed):
            if block.parts.get(chunk):
                kept[chunk] = chunk_document(5, chunk, block)
            else:
                kept.pop(chunk, None)
        whole = chunks_from(list(kept.values())).get(5, Chunks())
        assert sorted(whole.members()) == sorted(members)
        assert whole.size == len(members)
        assert sorted(kept) == list(range(chunks_for(len(members)) if members else 0))
        assert all(len(whole.parts[chunk]) == 4 for chunk in sorted(kept)[:-1])


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**32 - 1))
def test_a_chunk_id_gives_back_its_key_and_number(key: int, chunk: int) -> None:
    assert key_and_chunk(chunk_id(key, chunk)) == (key, chunk)


def test_a_change_sees_exact_sizes_over_what_the_store_has() -> None:
    block = Chunks(3, {0: [1, 2, 3]})
    assert block_seen(block, 3, {}, {}) == Block(3, (1, 2, 3))
    assert block_seen(block, 2, {}, {}) == Block(3, ())
    assert block_seen(block, 3, {2: False, 9: True}, {2: True, 9: False}) == Block(3, (1, 3, 9))
    assert block_seen(block, 2, {2: False, 4: False}, {2: True, 4: False}) == Block(2, (1, 3))
    assert block_seen(block, 2, {1: False, 2: False, 3: False}, {1: True, 2: True, 3: True}) is None
    assert block_seen(Chunks(), 2, {}, {}) is None
