"""Documents: bytes under a key, found by declared index values."""

from __future__ import annotations

import pytest

from app.principal import SYSTEM, Principal
from app.store.contract import EVENT, KINDS, MESSAGE, RECORD, SETTING, Store, Transaction
from tests.contract.making import applied

LARGE = b"\x00\xff'\"{}" * 50_000


def putting(tx: Transaction) -> None:
    tx.put(RECORD, "RTK|1", b"alice", {"identifier": ["nhs|1", "mrn|1"], "person": ["p1"]})
    tx.put(RECORD, "RXC|2", b"alice too", {"identifier": ["nhs|1"], "person": ["p1"]})
    tx.put(RECORD, "RPC|3", b"anna", {"identifier": ["nhs|2"], "person": ["p2"]})


@pytest.fixture
def filled(store: Store) -> Store:
    applied(store, putting)
    return store


def test_a_document_is_read_by_its_key_and_kind(filled: Store) -> None:
    with filled.snapshot(SYSTEM) as snapshot:
        assert snapshot.get(RECORD, "RTK|1") == b"alice"
        assert snapshot.get(RECORD, "nobody") is None
        assert snapshot.get(SETTING, "RTK|1") is None
        assert snapshot.get_many(RECORD, ["RPC|3", "nobody", "RTK|1"]) == {"RTK|1": b"alice", "RPC|3": b"anna"}
        assert snapshot.get_many(RECORD, []) == {}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_is_kept_and_found_by_each_of_its_indexes(store: Store, kind) -> None:
    applied(store, lambda tx: tx.put(kind, "k", LARGE, {index: [f"v-{index}"] for index in kind.indexes}))
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.get(kind, "k") == LARGE
        for index in kind.indexes:
            assert snapshot.find(kind, index, [f"v-{index}"]) == [("k", LARGE)]


@pytest.mark.parametrize("body", [b"", b"x", b"{", LARGE], ids=["empty", "short", "brace", "large"])
def test_bytes_come_back_as_put(store: Store, body: bytes) -> None:
    applied(store, lambda tx: tx.put(MESSAGE, "m", body))
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.get(MESSAGE, "m") == body
        assert snapshot.scan(MESSAGE) == [("m", body)]


def test_documents_having_any_of_the_values_come_once_each_by_key(filled: Store) -> None:
    with filled.snapshot(SYSTEM) as snapshot:
        assert snapshot.find(RECORD, "identifier", ["nhs|1", "mrn|1", "nhs|2"]) == [("RPC|3", b"anna"), ("RTK|1", b"alice"), ("RXC|2", b"alice too")]
        assert snapshot.find(RECORD, "identifier", ["nhs|1"], limit=1) == [("RTK|1", b"alice")]
        assert snapshot.find(RECORD, "identifier", ["nhs|1", "nhs|2"], limit=2) == [("RPC|3", b"anna"), ("RTK|1", b"alice")]
        assert snapshot.find(RECORD, "person", ["nhs|1"]) == []
        assert snapshot.find(RECORD, "identifier", []) == []


def test_an_index_that_is_not_declared_is_a_mistake(store: Store) -> None:
    with pytest.raises(ValueError, match="record has no index"):
        store.apply(SYSTEM, [lambda tx: tx.put(RECORD, "k", b"", {"colour": ["red"]})])
    with store.snapshot(SYSTEM) as snapshot, pytest.raises(ValueError, match="record has no index"):
        snapshot.find(RECORD, "colour", ["red"])


def test_a_put_replaces_body_and_index_values(filled: Store) -> None:
    applied(filled, lambda tx: tx.put(RECORD, "RTK|1", b"bea", {"identifier": ["mrn|1"], "person": ["p9"]}))
    with filled.snapshot(SYSTEM) as snapshot:
        assert snapshot.find(RECORD, "identifier", ["nhs|1"]) == [("RXC|2", b"alice too")]
        assert snapshot.find(RECORD, "person", ["p9"]) == [("RTK|1", b"bea")]
        assert snapshot.count(RECORD) == 3


def test_a_removed_document_is_gone_from_its_indexes(filled: Store) -> None:
    applied(filled, lambda tx: (tx.remove(RECORD, "RTK|1"), tx.remove(RECORD, "nobody")))
    with filled.snapshot(SYSTEM) as snapshot:
        assert snapshot.get(RECORD, "RTK|1") is None
        assert snapshot.find(RECORD, "identifier", ["mrn|1"]) == []
        assert (snapshot.count(RECORD), snapshot.count(RECORD, "person", "p1")) == (2, 1)


def test_a_scan_walks_the_keys_in_code_point_order(store: Store) -> None:
    keys = ["", "a", "B", "é", "\U0001f600", "\uffff", "a/b", "ab"]
    applied(store, *[lambda tx, key=key: tx.put(EVENT, key or "0", b"x") for key in keys])
    walked: list[str] = []
    with store.snapshot(SYSTEM) as snapshot:
        while page := snapshot.scan(EVENT, after=walked[-1] if walked else "", limit=3):
            walked += [key for key, _ in page]
    assert walked == sorted(key or "0" for key in keys)


def test_counts_are_by_kind_by_index_and_by_value(filled: Store) -> None:
    with filled.snapshot(SYSTEM) as snapshot:
        assert [snapshot.count(RECORD), snapshot.count(EVENT)] == [3, 0]
        assert [snapshot.count(RECORD, "identifier", "nhs|1"), snapshot.count(RECORD, "identifier", "none")] == [2, 0]


def test_documents_are_internal_and_no_principal_is_asked(filled: Store) -> None:
    with filled.snapshot(Principal("charlie")) as snapshot:
        assert snapshot.get(RECORD, "RTK|1") == b"alice"
        assert len(snapshot.find(RECORD, "person", ["p1"])) == 2


def test_a_change_sees_its_own_documents(filled: Store) -> None:
    def change(tx: Transaction) -> list[object]:
        tx.put(RECORD, "RTK|1", b"bea", {"identifier": ["nhs|7"]})
        tx.remove(RECORD, "RXC|2")
        tx.put(RECORD, "RYR|4", b"new", {"identifier": ["nhs|7"]})
        return [
            tx.get(RECORD, "RTK|1"), tx.get(RECORD, "RXC|2"), tx.find(RECORD, "identifier", ["nhs|7"]), tx.find(RECORD, "identifier", ["nhs|1"]),
            [key for key, _ in tx.scan(RECORD)], tx.count(RECORD, "identifier", "nhs|7"), sorted(tx.get_many(RECORD, ["RYR|4", "RXC|2"])),
        ]  # fmt: skip

    assert applied(filled, change) == [
        [b"bea", None, [("RTK|1", b"bea"), ("RYR|4", b"new")], [], ["RPC|3", "RTK|1", "RYR|4"], 2, ["RYR|4"]]
    ]


def test_numbers_of_a_sequence_count_from_one(store: Store) -> None:
    assert applied(store, lambda tx: [tx.next_number("record"), tx.next_number("record"), tx.next_number("other")]) == [[1, 2, 1]]
    assert applied(store, lambda tx: tx.next_number("record")) == [3]
