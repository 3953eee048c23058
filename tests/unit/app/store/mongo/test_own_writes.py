"""What a change reads of its own and earlier writes is what the store holds once the group is committed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app.principal import SYSTEM, Principal
from app.search.criteria import NO_ENTRIES, Query
from app.store.contract import RECORD, Snapshot, Transaction
from tests.contract import drawing
from tests.contract.making import content

KEYS, NAMES, NUMBERS, BLOCKS = ("a", "b", "é", "\U0001f600"), ("1", "2"), (1, 2, 3), (-5, 7, 2**62)
EXAMPLES = itertools.count()
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""Not to shrink: an example costs a database."""
SETTINGS = settings(
    phases=PHASES, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

put = st.tuples(
    st.just("put"),
    st.sampled_from(KEYS),
    st.binary(max_size=3),
    st.lists(st.sampled_from(NAMES), max_size=2),
    st.lists(st.sampled_from(NAMES), max_size=1),
)
remove = st.tuples(st.just("remove"), st.sampled_from(KEYS))
number = st.tuples(st.just("number"), st.sampled_from(NAMES))
blocks = st.tuples(st.just("blocks"), st.sampled_from(NUMBERS), st.lists(st.sampled_from(BLOCKS), max_size=3), st.binary(max_size=2))
unblock = st.tuples(st.just("unblock"), st.sampled_from(NUMBERS))
save = st.tuples(
    st.just("save"), st.sampled_from(("Patient", "ImagingStudy")), st.sampled_from(drawing.IDS[:4]), st.integers(0, 2), drawing.entries | st.just(NO_ENTRIES),
    st.sampled_from(drawing.ORGANISATIONS),
)  # fmt: skip
delete = st.tuples(st.just("delete"), st.sampled_from(("Patient", "ImagingStudy")), st.sampled_from(drawing.IDS[:4]))
step = st.one_of(put, remove, number, blocks, unblock, save, delete)
groups = st.lists(st.lists(st.lists(step, max_size=5), min_size=1, max_size=3), min_size=1, max_size=4)
"""Groups of changes of steps."""


def perform(tx: Transaction, step: tuple[Any, ...]) -> object:
    match step:
        case "put", key, body, identifiers, persons:
            return tx.put(RECORD, key, body, {"identifier": identifiers, "person": persons})
        case "remove", key:
            return tx.remove(RECORD, key)
        case "number", name:
            return tx.next_number(name)
        case "blocks", record, keys, packed:
            return tx.put_blocks(record, keys, packed)
        case "unblock", record:
            return tx.remove_blocks(record)
        case "save", type, id, what, entries, custodian:
            return tx.save(type, id, content(type, id, n=what), entries, custodian=custodian)
        case "delete", type, id:
            return tx.delete(type, id)
    raise AssertionError(step)


def seen(view: Snapshot, queries: list[Query]) -> list[Any]:
    """Everything a view can be asked."""
    ids = drawing.IDS[:4]
    return [
        [view.get(RECORD, key) for key in KEYS],
        view.get_many(RECORD, KEYS),
        [view.find(RECORD, index, values) for index in RECORD.indexes for values in (NAMES, NAMES[:1], ())],
        view.find(RECORD, "identifier", NAMES, limit=1),
        view.scan(RECORD), view.scan(RECORD, after="a", limit=2),
        view.count(RECORD), [view.count(RECORD, index) for index in RECORD.indexes], view.count(RECORD, "identifier", "1"),
        [view.candidates(BLOCKS, cap) for cap in (0, 1, 3)],
        view.demographics(NUMBERS),
        view.resources("Patient", ids), [view.resource("ImagingStudy", id) for id in ids],
        [view.version("Patient", id, version) for id in ids for version in range(4)],
        view.history(), view.history("Patient"), view.history("Patient", ids[0]), view.history(limit=2),
        view.history(since="2026-01-01T12:00:00.001Z"), view.history(at="2026-01-01T12:00:00.001Z"), view.history(at="2027-01-01T12:00:00Z"),
        view.history(after=(2, "Patient", ids[1]), limit=3),
        [(hits.matches, hits.after, hits.total) for hits in map(view.search, queries)],
    ]  # fmt: skip


def assert_same(one: list[Any], other: list[Any]) -> None:
    """Answer by answer, so that a difference names its question."""
    assert len(one) == len(other)
    for at, (mine, yours) in enumerate(zip(one, other, strict=True)):
        assert (at, mine) == (at, yours)


queries = st.lists(
    st.builds(
        Query, st.sampled_from(("Patient", "ImagingStudy")), drawing.criterion, drawing.sort, st.integers(1, 3), st.none(), st.none() | st.integers(0, 3)
    ),
    max_size=6,
)  # fmt: skip


@SETTINGS
@given(groups, queries, drawing.principal)
def test_a_change_sees_what_the_commit_will_hold(new_store, groups, queries, principal: Principal) -> None:
    store = new_store(f"_{next(EXAMPLES)}")
    inside: list[Any] = []
    present = [replace(query, at=None) for query in queries]

    def looking(tx: Transaction) -> None:
        tx.principal = principal
        inside.append(seen(tx, present))
        tx.next_number("looked")

    for group in groups:
        inside.clear()
        changes = [lambda tx, steps=steps: [perform(tx, step) for step in steps] for steps in group]
        store.apply(SYSTEM, [*changes, looking])
        with store.snapshot(principal) as snapshot:
            assert_same(seen(snapshot, present), inside[-1])
    store.close()
