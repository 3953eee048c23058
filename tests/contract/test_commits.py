"""Group commits: all or nothing a change, numbers without gaps, a clock that never goes back."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from app.errors import BusinessRule, Conflict, StoreUnavailable
from app.principal import SYSTEM, Principal
from app.search.criteria import Query, TokenIs
from app.store import turns
from app.store.contract import EVENT, RECORD, Failed, Store, Transaction
from tests.contract.conftest import Clock, NewStore
from tests.contract.engines import Opener
from tests.contract.making import applied, content, deleting, saving, token

FEMALE = token("gender", "", "female")


def commit_of(store: Store) -> int:
    with store.snapshot(SYSTEM) as snapshot:
        return snapshot.commit


def everything(store: Store) -> list[tuple[str, str, bytes]]:
    return list(store.dump())


def writing_everything(tx: Transaction) -> None:
    """A change that writes all there is to write."""
    tx.save("Patient", "alice", content("Patient", "alice", n=2), token("gender", "urn:new-system", "male"), custodian="RXC")
    tx.save("Patient", "bea", content("Patient", "bea"), FEMALE, custodian="RTK")
    tx.delete("Patient", "anna")
    tx.put(RECORD, "new", b"x", {"identifier": ["nhs|1"]})
    tx.put(RECORD, "old", b"y", {"identifier": ["nhs|2"]})
    tx.remove(EVENT, "e")
    tx.put_blocks(1, [9], b"z")
    tx.next_number("record")


def refusing(change: Callable[[Transaction], object], error: Exception) -> Callable[[Transaction], None]:
    def refused(tx: Transaction) -> None:
        change(tx)
        raise error

    return refused


@pytest.fixture
def filled(store: Store) -> Store:
    applied(
        store, saving("Patient", "alice", FEMALE), saving("Patient", "anna", FEMALE),
        lambda tx: (tx.put(RECORD, "old", b"o", {"identifier": ["nhs|9"]}), tx.put(EVENT, "e", b"e"), tx.put_blocks(1, [1, 2], b"d")),
    )  # fmt: skip
    return store


def test_the_commits_are_counted_from_one(store: Store) -> None:
    assert commit_of(store) == 0
    assert applied(store, lambda tx: (tx.put(EVENT, "a", b""), tx.commit)[1]) == [1]
    assert commit_of(store) == 1
    applied(store, saving("Patient", "a"), saving("Patient", "b"))
    assert commit_of(store) == 2


def test_what_writes_nothing_is_no_commit(filled: Store) -> None:
    before = commit_of(filled)
    applied(filled, lambda tx: tx.get(RECORD, "old"), saving("Patient", "alice", FEMALE), deleting("Patient", "nobody"))
    assert filled.apply(SYSTEM, []) == []
    assert commit_of(filled) == before


def test_a_refused_change_leaves_nothing_and_the_others_stay(filled: Store, new_store: NewStore) -> None:
    error = BusinessRule("no")
    results = filled.apply(SYSTEM, [saving("Patient", "c"), refusing(writing_everything, error), saving("Patient", "d")])
    assert results[1] == Failed(error)
    assert [new for _, new in (results[0], results[2])] == [True, True]
    twin = new_store()
    applied(
        twin, saving("Patient", "alice", FEMALE), saving("Patient", "anna", FEMALE),
        lambda tx: (tx.put(RECORD, "old", b"o", {"identifier": ["nhs|9"]}), tx.put(EVENT, "e", b"e"), tx.put_blocks(1, [1, 2], b"d")),
    )  # fmt: skip
    applied(twin, saving("Patient", "c"), saving("Patient", "d"))
    assert everything(filled) == everything(twin)
    with filled.snapshot(SYSTEM) as snapshot:
        assert snapshot.count(RECORD) == 1
        assert [match.id for match in snapshot.search(Query("Patient", TokenIs("gender", None, None))).matches] == ["alice", "anna"]
        assert sorted(match.id for match in snapshot.search(Query("Patient", TokenIs("gender", "urn:new-system", "male"))).matches) == []


def test_where_all_are_refused_nothing_is_committed(filled: Store) -> None:
    before, held = commit_of(filled), everything(filled)
    refused = filled.apply(SYSTEM, [refusing(writing_everything, Conflict("a")), refusing(lambda tx: None, Conflict("b"))])
    assert [type(result.error) for result in refused] == [Conflict, Conflict]
    assert (commit_of(filled), everything(filled)) == (before, held)


def test_any_other_exception_rolls_the_group_back_and_is_raised(filled: Store) -> None:
    before, held = commit_of(filled), everything(filled)
    with pytest.raises(ZeroDivisionError):
        filled.apply(SYSTEM, [writing_everything, lambda tx: 1 / 0])
    with pytest.raises(KeyError):
        filled.apply(SYSTEM, [saving("Patient", "alice", n=5), saving("Patient", "alice", n=6), refusing(writing_everything, KeyError())])
    assert (commit_of(filled), everything(filled)) == (before, held)
    applied(filled, writing_everything)
    assert commit_of(filled) == before + 1


def test_a_new_name_used_first_in_a_refused_change_can_be_used_again(store: Store) -> None:
    save = saving("Linkage", "x", token("item", "urn:s", "1"))
    assert isinstance(store.apply(SYSTEM, [refusing(save, Conflict("no"))])[0], Failed)
    applied(store, save)
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.search(Query("Linkage", TokenIs("item", "urn:s", "1"))).total == 1


def test_a_change_sees_its_own_writes_and_those_before_it(filled: Store) -> None:
    def change(tx: Transaction) -> None:
        writing_everything(tx)
        assert tx.resource("Patient", "alice").version == 2
        assert tx.version("Patient", "alice", 1).version == 1
        assert tx.resource("Patient", "anna").deleted
        assert sorted(tx.resources("Patient", ["alice", "bea", "anna"])) == ["alice", "anna", "bea"]
        assert tx.get(RECORD, "new") == b"x"
        assert sorted(tx.candidates([1, 2, 9], 5)) == [9]
        assert tx.demographics([1]) == {1: b"z"}
        assert [match.id for match in tx.search(Query("Patient", TokenIs("gender", None, "female"))).matches] == ["bea"]
        assert [match.id for match in tx.search(Query("Patient", TokenIs("gender", "urn:new-system", None))).matches] == ["alice"]
        assert [(v.id, v.version) for v in tx.history("Patient")] == [("bea", 1), ("anna", 2), ("alice", 2), ("anna", 1), ("alice", 1)]

    applied(filled, change, lambda tx: tx.resource("Patient", "bea").version)


def test_a_change_sees_what_its_principal_may_see(filled: Store) -> None:
    results = filled.apply(Principal("charlie"), [lambda tx: (tx.principal.id, tx.resource("Patient", "alice"))])
    assert results == [("charlie", None)]


def test_a_snapshot_stays_as_it_was_opened(filled: Store) -> None:
    with filled.snapshot(SYSTEM) as snapshot:
        before = snapshot.commit
        applied(filled, writing_everything)
        assert snapshot.commit == before
        assert snapshot.resource("Patient", "alice").version == 1
        assert snapshot.get(RECORD, "new") is None
        assert snapshot.search(Query("Patient", TokenIs("gender", None, "female"))).total == 2
        assert snapshot.candidates([1, 9], 5).keys() == {1}
        with filled.snapshot(SYSTEM) as later:
            assert (later.commit, later.resource("Patient", "alice").version) == (before + 1, 2)


def test_the_instants_of_commits_only_grow(store: Store, clock: Clock) -> None:
    nows = applied(store, lambda tx: (tx.put(EVENT, "a", b""), tx.now)[1])
    nows += applied(store, lambda tx: (tx.put(EVENT, "b", b""), tx.now)[1])
    clock.forward(-60_000)
    nows += applied(store, lambda tx: (tx.put(EVENT, "c", b""), tx.now)[1])
    clock.forward(120_000)
    nows += applied(store, lambda tx: (tx.put(EVENT, "d", b""), tx.now)[1])
    assert nows == ["2026-01-01T12:00:00.000Z", "2026-01-01T12:00:00.001Z", "2026-01-01T12:00:00.002Z", "2026-01-01T12:01:00.000Z"]


def test_a_store_opened_again_goes_on_where_it_was(engines: tuple[str, Opener], clock: Clock, tmp_path) -> None:
    store = engines[1](tmp_path, clock)
    applied(store, saving("Patient", "alice", FEMALE), writing_everything)
    commit, held = commit_of(store), everything(store)
    store.close()
    clock.forward(-1_000_000)
    again = engines[1](tmp_path, clock)
    assert (commit_of(again), everything(again)) == (commit, held)
    [now] = applied(again, lambda tx: (tx.put(EVENT, "z", b""), tx.now)[1])
    assert now > "2026-01-01T12:00:00"
    assert applied(again, lambda tx: tx.next_number("record")) == [2]
    again.close()


def test_a_closed_store_is_unavailable(new_store: NewStore) -> None:
    store = new_store()
    store.close()
    with pytest.raises(StoreUnavailable):
        store.apply(SYSTEM, [lambda tx: None])
    with pytest.raises(StoreUnavailable), store.snapshot(SYSTEM):
        pass
    with pytest.raises(StoreUnavailable):
        store.check()


def test_unavailable_raised_inside_a_change_stops_its_group(filled: Store) -> None:
    held = everything(filled)
    with pytest.raises(StoreUnavailable):
        filled.apply(SYSTEM, [saving("Patient", "x"), refusing(writing_everything, StoreUnavailable("no"))])
    assert everything(filled) == held


def test_a_check_writes_no_commit(filled: Store) -> None:
    before = commit_of(filled)
    filled.check()
    assert commit_of(filled) == before


def test_facts_tell_engine_commit_and_sizes(filled: Store) -> None:
    facts = filled.facts()
    assert facts.engine == filled.engine
    assert facts.version
    assert facts.commit == commit_of(filled)
    assert {name: facts.counts[name] for name in ("kind:record", "kind:event", "type:Patient")} == {
        "kind:record": 1, "kind:event": 1, "type:Patient": 2,
    }  # fmt: skip
    applied(filled, deleting("Patient", "anna"), lambda tx: tx.remove(EVENT, "e"))
    assert (filled.facts().counts["type:Patient"], filled.facts().counts.get("kind:event", 0)) == (1, 0)


def test_threads_share_a_store_and_lose_nothing(store: Store) -> None:
    workers, each = 6, 12
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for n in range(each):
                results = store.apply(SYSTEM, [
                    saving("Patient", f"{worker}-{n}", FEMALE), lambda tx: tx.next_number("n"), saving("Patient", "shared", worker=worker, n=n),
                ])  # fmt: skip
                assert not [result for result in results if isinstance(result, Failed)]
                with store.snapshot(SYSTEM) as snapshot:
                    assert snapshot.resource("Patient", f"{worker}-{n}") is not None
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.search(Query("Patient", TokenIs("gender", None, "female"), count=1)).total == workers * each
        assert snapshot.resource("Patient", "shared").version == workers * each
    assert applied(store, lambda tx: tx.next_number("n")) == [workers * each + 1]


def test_one_threads_mistake_does_not_undo_anothers_change(store: Store) -> None:
    started = threading.Barrier(4)
    outcomes: list[str] = []

    def right(number: int) -> None:
        started.wait()
        for n in range(8):
            store.apply(SYSTEM, [saving("Patient", f"{number}-{n}", FEMALE)])

    def wrong() -> None:
        started.wait()
        for n in range(8):
            try:
                store.apply(SYSTEM, [saving("Patient", f"wrong-{n}", FEMALE), lambda tx: 1 / 0])
            except ZeroDivisionError:
                outcomes.append("raised")

    threads = [threading.Thread(target=right, args=(number,)) for number in range(3)] + [threading.Thread(target=wrong)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["raised"] * 8
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.search(Query("Patient", TokenIs("gender", None, "female"), count=1)).total == 24


def test_apply_returns_only_when_its_own_change_is_done_however_small_a_group_is(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of many threads leads commits of two changes, in which its own need not be."""
    monkeypatch.setattr(turns, "_MOST_IN_A_COMMIT", 2)
    wrong: list[str] = []

    def hammer(name: str) -> None:
        for number in range(6):
            key = f"{name}-{number}"
            results = store.apply(SYSTEM, [lambda tx, key=key: (tx.put(EVENT, key, b""), key)[1]])
            with store.snapshot(SYSTEM) as snapshot:
                if results != [key] or snapshot.get(EVENT, key) is None:
                    wrong.append(key)

    threads = [threading.Thread(target=hammer, args=(f"t{number}",)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
