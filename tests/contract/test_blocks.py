"""The matcher's blocks: exact sizes up to the cap, in the same commit as the record."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import BusinessRule
from app.principal import SYSTEM
from app.store.contract import Block, Failed, Store, Transaction
from tests.contract.conftest import NewStore
from tests.contract.making import applied

LOWEST, HIGHEST = -(2**63), 2**63 - 1


def test_a_block_has_its_size_and_members_up_to_the_cap(store: Store) -> None:
    applied(store, *[lambda tx, number=number: tx.put_blocks(number, [7, number], b"d") for number in range(1, 6)])
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.candidates([7], 5) == {7: Block(5, (1, 2, 3, 4, 5))}
        assert snapshot.candidates([7], 4) == {7: Block(5, ())}
        assert snapshot.candidates([7], 2) == {7: Block(3, ())}
        assert snapshot.candidates([3, 99], 5) == {3: Block(1, (3,))}
        assert snapshot.candidates([], 5) == {}


def test_keys_are_any_signed_integers_of_64_bits(store: Store) -> None:
    applied(store, lambda tx: tx.put_blocks(1, [LOWEST, -1, 0, HIGHEST], b""))
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.candidates([LOWEST, -1, 0, HIGHEST, 5], 9) == {key: Block(1, (1,)) for key in (LOWEST, -1, 0, HIGHEST)}


def test_a_put_replaces_keys_and_demographics(store: Store) -> None:
    applied(store, lambda tx: tx.put_blocks(1, [1, 2], b"old"), lambda tx: tx.put_blocks(1, [2, 3], b"new"))
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.candidates([1, 2, 3], 9) == {2: Block(1, (1,)), 3: Block(1, (1,))}
        assert snapshot.demographics([1, 2]) == {1: b"new"}


def test_removed_blocks_are_gone(store: Store) -> None:
    applied(store, lambda tx: tx.put_blocks(1, [1], b"a"), lambda tx: tx.put_blocks(2, [1], b"b"))
    applied(store, lambda tx: (tx.remove_blocks(1), tx.remove_blocks(77)))
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.candidates([1], 9) == {1: Block(1, (2,))}
        assert snapshot.demographics([1, 2]) == {2: b"b"}


def test_a_refused_change_leaves_the_blocks_as_they_were(store: Store) -> None:
    applied(store, lambda tx: tx.put_blocks(1, [1], b"a"))

    def refused(tx: Transaction) -> None:
        tx.put_blocks(1, [2], b"b")
        tx.put_blocks(2, [1], b"c")
        raise BusinessRule("no")

    assert isinstance(store.apply(SYSTEM, [refused])[0], Failed)
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.candidates([1, 2], 9) == {1: Block(1, (1,))}
        assert snapshot.demographics([1, 2]) == {1: b"a"}


records = st.lists(st.tuples(st.integers(1, 6), st.none() | st.lists(st.integers(-3, 3), max_size=5, unique=True)), max_size=14)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records, st.integers(1, 4), st.integers(1, 5))
def test_sizes_are_exact_whatever_is_put_and_removed(new_store: NewStore, records, cap: int, group: int) -> None:
    store, held = new_store(), {}

    def change(number: int, keys: list[int] | None) -> object:
        if keys is None:
            return lambda tx: tx.remove_blocks(number)
        return lambda tx: tx.put_blocks(number, keys, bytes(keys.__repr__(), "ascii"))

    for at in range(0, len(records), group):
        applied(store, *[change(*record) for record in records[at : at + group]], lambda tx: tx.next_number("n"))
    held |= dict(records)
    expected = {}
    for key in range(-3, 4):
        members = tuple(sorted(number for number, keys in held.items() if keys and key in keys))
        if members:
            expected[key] = Block(len(members), members) if len(members) <= cap else Block(cap + 1, ())
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.candidates(range(-3, 4), cap) == expected
        assert snapshot.demographics(list(held)) == {number: bytes(repr(keys), "ascii") for number, keys in held.items() if keys is not None}
