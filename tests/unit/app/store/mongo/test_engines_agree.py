"""The same groups of changes leave the same state, byte for byte, on both engines, and get the same results."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.errors import BusinessRule
from app.principal import SYSTEM
from app.store import sqlite
from app.store.contract import Failed, Store, Transaction
from tests.contract.conftest import Clock
from tests.unit.app.store.mongo.test_own_writes import SETTINGS, assert_same, groups, perform, queries, seen

EXAMPLES = itertools.count()


def changes(group: Sequence[Sequence[tuple[Any, ...]]], refused: int) -> list[Callable[[Transaction], object]]:
    """The changes of a group, one of which is refused after its work."""

    def change(at: int, steps: Sequence[tuple[Any, ...]]) -> Callable[[Transaction], object]:
        def run(tx: Transaction) -> object:
            done = [perform(tx, step) for step in steps]
            if at == refused:
                raise BusinessRule("no")
            return done, tx.commit, tx.now

        return run

    return [change(at, steps) for at, steps in enumerate(group)]


def together(group: Sequence[Sequence[tuple[Any, ...]]]) -> list[Sequence[Sequence[tuple[Any, ...]]]]:
    """The group, or each of its changes alone where two touch one resource: which of its changes then share a commit is the engine's own."""
    touched = [{step[1:3] for step in steps if step[0] in ("save", "delete")} for steps in group]
    return [group] if all(a.isdisjoint(b) for a, b in itertools.combinations(touched, 2)) else [[steps] for steps in group]


def results(store: Store, group: list[Callable[[Transaction], object]]) -> list[object]:
    return ["refused" if isinstance(result, Failed) else result for result in store.apply(SYSTEM, group)]


@SETTINGS
@given(groups, queries, st.integers(0, 5))
def test_both_engines_end_in_the_same_state(new_store, tmp_path_factory, groups, queries, refused: int) -> None:
    mongo = new_store(f"_agree{next(EXAMPLES)}")
    embedded = sqlite.open_store(tmp_path_factory.mktemp("agree") / "weald.db", clock=Clock())
    for group in itertools.chain.from_iterable(map(together, groups)):
        assert results(mongo, changes(group, refused)) == results(embedded, changes(group, refused))
    assert list(mongo.dump()) == list(embedded.dump())
    with mongo.snapshot(SYSTEM) as one, embedded.snapshot(SYSTEM) as other:
        assert one.commit == other.commit
        assert_same(seen(one, queries), seen(other, queries))
    mongo.close()
    embedded.close()
