"""Lost answers, conflicts, and changes that break: what is acknowledged is done once, and nothing else is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from pymongo.errors import AutoReconnect, ExecutionTimeout, OperationFailure

from app.errors import BusinessRule, StoreUnavailable, TooCostly, TooLarge
from app.principal import SYSTEM
from app.search.criteria import Entries
from app.store.contract import RECORD, Failed, Transaction
from app.store.mongo import MongoStore
from app.store.mongo.committing import Call
from tests.contract.making import content


def counting(tx: Transaction) -> int:
    number = tx.next_number("n")
    tx.put(RECORD, f"{number}", b"")
    return number


def lost(error: Exception) -> Exception:
    error._add_error_label("UnknownTransactionCommitResult")
    return error


def commits(monkeypatch: pytest.MonkeyPatch, store: MongoStore, *acts: Callable[[Any], Any]) -> list[int]:
    """Let the commits of the store's session go through these acts, then as always."""
    session = store._committer._writers.session()
    real, left, done = session.commit_transaction, list(acts), []

    def commit() -> None:
        done.append(1)
        (left.pop(0) if left else lambda real: real())(real)

    monkeypatch.setattr(session, "commit_transaction", commit)
    return done


def then_lost(real: Callable[[], None]) -> None:
    real()
    raise lost(AutoReconnect("gone"))


def forgotten(_: Any) -> None:
    raise OperationFailure("no such transaction", 251, {"errorLabels": ["TransientTransactionError"]})


def seen(store: MongoStore) -> tuple[int, int, int]:
    with store.snapshot(SYSTEM) as view:
        return view.commit, view.count(RECORD), store._collections.commit.count_documents({})


def test_a_commit_whose_answer_is_lost_is_asked_for_again(store: MongoStore, monkeypatch) -> None:
    asked = commits(monkeypatch, store, then_lost)
    assert store.apply(SYSTEM, [counting]) == [1]
    assert (len(asked), seen(store)) == (2, (1, 1, 1))


def test_a_commit_that_a_restarted_server_has_forgotten_is_found_by_its_token(store: MongoStore, monkeypatch) -> None:
    commits(monkeypatch, store, then_lost, forgotten)
    assert store.apply(SYSTEM, [counting]) == [1]
    assert seen(store) == (1, 1, 1)


def test_a_commit_that_never_was_is_run_again(store: MongoStore, monkeypatch) -> None:
    def lost_before(_: Any) -> None:
        raise lost(AutoReconnect("gone"))

    commits(monkeypatch, store, lost_before, forgotten)
    assert store.apply(SYSTEM, [counting]) == [1]
    assert seen(store) == (1, 1, 1)


def test_an_outcome_that_stays_unknown_is_not_acknowledged(store: MongoStore, monkeypatch) -> None:
    monkeypatch.setattr(store._committer, "_timeout", 0.2)
    commits(monkeypatch, store, *[then_lost] * 50)
    with pytest.raises(StoreUnavailable):
        store.apply(SYSTEM, [counting])


def test_what_cannot_be_stored_is_an_error_of_its_own_caller(store: MongoStore) -> None:
    unfit: list[Callable[[Transaction], object]] = [
        lambda tx: tx.put(RECORD, "\ud800", b""),
        lambda tx: tx.put(RECORD, "a", b"", {"identifier": ["\ud800"]}),
        lambda tx: tx.put_blocks(1, [2**63], b""),
        lambda tx: tx.put_blocks(2**63, [1], b""),
        lambda tx: tx.save("Patient", "1", content("Patient", "1"), Entries(dates=(("birthdate", 0, 2**70),)), custodian=None),
        lambda tx: tx.put(RECORD, "a", b"", {"colour": ["red"]}),
    ]
    for change in unfit:
        with pytest.raises((ValueError, OverflowError, ArithmeticError, Exception)):
            store.apply(SYSTEM, [counting, change])
    assert store.apply(SYSTEM, [counting]) == [1]
    assert seen(store)[:2] == (1, 1)


def test_what_is_too_large_is_refused_alone(store: MongoStore) -> None:
    noise = __import__("random").Random(1).randbytes(16 * 2**20)
    refused, kept = store.apply(SYSTEM, [lambda tx: tx.put(RECORD, "a", noise), counting])
    assert isinstance(refused, Failed)
    assert isinstance(refused.error, TooLarge)
    assert kept == 1


def test_of_callers_that_commit_together_each_gets_its_own_results(store: MongoStore) -> None:
    results: dict[int, Any] = {}

    def refused(tx: Transaction) -> None:
        tx.put(RECORD, "refused", b"")
        raise BusinessRule("no")

    def broken(tx: Transaction) -> None:
        tx.put(RECORD, "broken", b"")
        raise ZeroDivisionError

    def call(at: int) -> None:
        change = [counting, refused, broken][at % 3]
        try:
            results[at] = store.apply(SYSTEM, [change])
        except ZeroDivisionError:
            results[at] = None

    threads = [threading.Thread(target=call, args=(at,)) for at in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results[at][0] for at in range(0, 24, 3)) == list(range(1, 9))
    assert all(isinstance(results[at][0], Failed) for at in range(1, 24, 3))
    assert all(results[at] is None for at in range(2, 24, 3))
    with store.snapshot(SYSTEM) as view:
        assert view.count(RECORD) == 8
        assert view.get(RECORD, "refused") is view.get(RECORD, "broken") is None


@pytest.mark.parametrize(("raised", "told"), [(OperationFailure("bad", 2), OperationFailure), (ExecutionTimeout("slow", 50), TooCostly)])
def test_a_command_the_server_refuses_fails_its_own_caller_only(store: MongoStore, raised, told) -> None:
    def refused(tx: Transaction) -> None:
        tx.next_number("n")
        raise raised

    calls = [Call(SYSTEM, [counting]), Call(SYSTEM, [counting, refused]), Call(SYSTEM, [counting])]
    store._committer.commit(calls)
    assert [call.results for call in calls] == [[1], [], [2]]
    assert isinstance(calls[1].error, told)
    assert calls[0].error is calls[2].error is None
    assert seen(store)[1] == 2


def test_a_query_stopped_at_its_time_limit_is_too_costly(store: MongoStore) -> None:
    with pytest.raises(TooCostly), store.snapshot(SYSTEM):
        raise ExecutionTimeout("slow", 50)


def test_a_commit_that_is_interrupted_is_acknowledged_to_nobody(store: MongoStore, monkeypatch) -> None:
    def interrupted(_: Any) -> None:
        raise KeyboardInterrupt

    commits(monkeypatch, store, interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.apply(SYSTEM, [counting])
    assert store.apply(SYSTEM, [counting]) == [1]


def test_a_change_that_only_reads_takes_no_commit_number(store: MongoStore) -> None:
    assert store.apply(SYSTEM, [lambda tx: tx.count(RECORD)]) == [0]
    assert store.apply(SYSTEM, [lambda tx: tx.remove(RECORD, "none")]) == [None]
    assert seen(store) == (0, 0, 0)


def test_a_closed_store_is_unavailable(store: MongoStore) -> None:
    store.close()
    store.close()
    for use in (
        lambda: store.apply(SYSTEM, []),
        store.check,
        lambda: store.purge("2026-01-01T00:00:00Z"),
        store.snapshot(SYSTEM).__enter__,
    ):
        with pytest.raises(StoreUnavailable):
            use()


def test_an_emptied_database_is_noticed(store: MongoStore) -> None:
    store._collections.sequence.delete_many({})
    with pytest.raises(StoreUnavailable, match="emptied"):
        store.apply(SYSTEM, [counting])
