"""The file, its lock, its versions, and what happens where the disk or another process is in the way."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import BusinessRule, SettingsError, StoreUnavailable
from app.principal import SYSTEM, Principal
from app.search.criteria import Entries, Query, TokenIs
from app.store.contract import EVENT, RECORD, Failed, Transaction
from app.store.sqlite import SqliteStore, open_store, schema
from app.store.sqlite import store as engine
from app.store.sqlite.connection import WriterLock, unavailable
from app.store.sqlite.transaction import SqliteTransaction
from tests.contract.making import applied, saving, token


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "weald.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = open_store(path, timeout=2.0)
    yield store
    store.close()


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def put(key: str, body: bytes = b"x"):
    return lambda tx: tx.put(EVENT, key, body)


def commit_of(store: SqliteStore) -> int:
    return store.facts().commit


def test_only_the_owner_can_read_the_files(store: SqliteStore, path: Path) -> None:
    applied(store, put("a"))
    with store.snapshot(SYSTEM):
        files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert files == dict.fromkeys(["weald.db", "weald.db-wal", "weald.db-shm", "weald.db.lock", "weald.db.turn"], 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_commits_are_synced_and_checkpoints_are_ours(store: SqliteStore) -> None:
    opened = store._open()
    reader = opened.reader()
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "wal_autocheckpoint": 0, "mmap_size": 0, "query_only": 0}
    assert {name: pragma(opened.writer, name) for name in expected} == expected
    assert (pragma(reader, "query_only"), pragma(reader, "wal_autocheckpoint")) == (1, 0)
    with pytest.raises(sqlite3.OperationalError):
        reader.execute("DELETE FROM document")
    opened.readers.append(reader)


def test_a_store_newer_than_the_code_refuses_to_start(path: Path) -> None:
    open_store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    with pytest.raises(SettingsError, match=f"schema version {schema.VERSION + 1}, newer than the {schema.VERSION}"):
        open_store(path)


def test_a_database_that_is_not_wealds_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    with pytest.raises(SettingsError, match="not Weald's"):
        open_store(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    connection.close()


def test_an_older_store_is_led_forward_step_by_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(path)
    applied(store, put("kept"))
    store.close()
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, ("CREATE TABLE later (x)",), ("INSERT INTO later VALUES (7)",)))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 2)
    again = open_store(path)
    assert again._open().writer.execute("SELECT x FROM later").fetchall() == [(7,)]
    assert pragma(again._open().writer, "user_version") == schema.VERSION
    with again.snapshot(SYSTEM) as snapshot:
        assert snapshot.get(EVENT, "kept") == b"x"
    again.close()


def test_an_older_store_gives_each_version_the_custodian_that_it_had(path: Path) -> None:
    store = open_store(path)
    for n, custodian in enumerate((None, "RTK", "RXC")):
        applied(store, saving("Patient", "alice", n=n, custodian=custodian))
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE lifetime SET custodian = 'RXC'")
        connection.execute("DROP TABLE former")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    again = open_store(path)
    for trust, versions in (("RTK", [2, 1]), ("RXC", [3, 1])):
        with again.snapshot(Principal(trust, organisations=frozenset({trust}))) as snapshot:
            assert [one.version for one in snapshot.history("Patient", "alice")] == versions
    again.close()


def test_a_step_that_breaks_leaves_the_version_before_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store(path).close()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "STEPS", (*schema.STEPS, ("CREATE TABLE later (x)", "CREATE TABLE later (x)")))
        with pytest.raises(sqlite3.OperationalError, match="later"):
            open_store(path)
    store = open_store(path)
    assert pragma(store._open().writer, "user_version") == schema.VERSION
    store.close()


@pytest.mark.parametrize("content", [b"this is no database, but long enough to be told from one" * 40])
def test_a_file_that_is_no_database_is_unavailable(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="SQLITE_NOTADB"):
        open_store(path)
    assert path.read_bytes() == content


def test_a_place_where_no_file_can_be_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        open_store(tmp_path / "file" / "weald.db")
    with pytest.raises(StoreUnavailable):
        open_store(tmp_path)


# the lock


def test_a_writer_waits_for_another_process_and_then_gives_up(path: Path) -> None:
    store = open_store(path, timeout=0.2)
    with path.with_name("weald.db.lock").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        begun = time.monotonic()
        with pytest.raises(StoreUnavailable, match="busy writing"):
            store.apply(SYSTEM, [put("a")])
        with pytest.raises(StoreUnavailable, match="busy writing"):
            store.check()
        assert time.monotonic() - begun < 3
        with store.snapshot(SYSTEM) as snapshot:
            assert snapshot.get(EVENT, "a") is None
    applied(store, put("a"))
    store.close()


def test_who_has_just_written_cannot_overtake_who_waits(tmp_path: Path) -> None:
    lock, waiting = WriterLock(tmp_path / "x", 5.0), WriterLock(tmp_path / "x", 5.0)
    with lock.held():
        fcntl.flock(waiting._turn, fcntl.LOCK_EX)  # as one that waits does
    late = WriterLock(tmp_path / "x", 0.05)
    with pytest.raises(StoreUnavailable), late.held():
        pass
    fcntl.flock(waiting._turn, fcntl.LOCK_UN)
    with late.held(), late.held():
        pass
    for each in (lock, waiting, late):
        each.close()


def test_another_connection_that_writes_outside_the_lock_is_told_as_unavailable(store: SqliteStore, path: Path) -> None:
    store._open().writer.execute("PRAGMA busy_timeout = 0")
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
        store.apply(SYSTEM, [put("a")])
    stranger.execute("ROLLBACK")
    stranger.close()
    applied(store, put("a"))


# the disk


def test_a_full_disk_commits_nothing_and_is_survived(store: SqliteStore) -> None:
    applied(store, put("before"))
    writer, commit = store._open().writer, commit_of(store)
    pages = pragma(writer, "page_count")
    writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable, match="SQLITE_FULL"):
        store.apply(SYSTEM, [put("small"), put("large", os.urandom(100_000))])
    with pytest.raises(StoreUnavailable, match="SQLITE_FULL"):
        store.apply(SYSTEM, [lambda tx: tx.put(EVENT, "a", os.urandom(100_000)), lambda tx: 1 / 0])
    assert commit_of(store) == commit
    writer.execute("PRAGMA max_page_count = 1000000")
    applied(store, put("after"))
    with store.snapshot(SYSTEM) as snapshot:
        assert [key for key, _ in snapshot.scan(EVENT)] == ["after", "before"]


def test_a_wrong_statement_is_no_outage(store: SqliteStore) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        store.apply(SYSTEM, [lambda tx: tx._connection.execute("SELECT * FROM nowhere")])
    with pytest.raises(sqlite3.OperationalError, match="no such table"), store.snapshot(SYSTEM) as snapshot:
        snapshot._connection.execute("SELECT * FROM nowhere")
    assert unavailable(sqlite3.ProgrammingError("closed")) is None


def test_a_reader_that_meets_a_broken_page_is_told_as_unavailable(store: SqliteStore) -> None:
    error = sqlite3.DatabaseError("malformed")
    error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_CORRUPT, "SQLITE_CORRUPT"
    with pytest.raises(StoreUnavailable, match="SQLITE_CORRUPT"), store.snapshot(SYSTEM):
        raise error


# checkpoints


def test_the_log_is_moved_into_the_file_and_stays_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_WAL_BYTES", 400_000)
    store, log = open_store(path), path.with_name("weald.db-wal")
    largest = 0
    for n in range(150):
        applied(store, *[put(f"{n}-{m}", os.urandom(1500)) for m in range(8)])
        largest = max(largest, log.stat().st_size)
    assert largest < 2_000_000 < path.stat().st_size
    assert pragma(store._open().writer, "busy_timeout") == 10_000
    store.close()
    assert not log.exists()


def test_an_open_snapshot_holds_the_checkpoint_back_and_is_not_harmed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_WAL_BYTES", 0)
    store = open_store(path)
    applied(store, put("a", b"1"))
    with store.snapshot(SYSTEM) as snapshot:
        for n in range(20):
            applied(store, put("a", str(n).encode()), put(f"k{n}", os.urandom(3000)))
        assert snapshot.get(EVENT, "a") == b"1"
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.get(EVENT, "a") == b"19"
    store.close()


def test_a_checkpoint_that_fails_does_not_fail_the_commit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(path)
    store._open().writer.set_authorizer(
        lambda action, what, *_: sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_PRAGMA and what == "wal_checkpoint" else sqlite3.SQLITE_OK
    )
    applied(store, put("a"))
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.get(EVENT, "a") == b"x"
    store._open().writer.set_authorizer(None)
    store.close()


# processes


def test_a_child_opens_its_own_connections_and_the_parent_goes_on(store: SqliteStore) -> None:
    applied(store, put("parent"))
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's coverage is not collected
        status = 1
        try:
            applied(store, put("child"))
            with store.snapshot(SYSTEM) as snapshot:
                status = 0 if snapshot.get(EVENT, "parent") == b"x" else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    applied(store, put("parent again"))
    with store.snapshot(SYSTEM) as snapshot:
        assert [key for key, _ in snapshot.scan(EVENT)] == ["child", "parent", "parent again"]


def test_what_another_process_named_first_is_found(path: Path) -> None:
    one, other = open_store(path), open_store(path)
    gender = Query("Patient", TokenIs("gender", "urn:x", "male"))
    with other.snapshot(SYSTEM) as snapshot:
        assert snapshot.search(gender).total == 0
    applied(one, saving("Patient", "a", token("gender", "urn:x", "male")))
    with other.snapshot(SYSTEM) as snapshot:
        assert snapshot.search(gender).total == 1
    applied(other, saving("Patient", "b", token("gender", "urn:x", "male")))
    with one.snapshot(SYSTEM) as snapshot:
        assert snapshot.search(gender).total == 2
    for store in (one, other):
        store.close()


# groups with and without savepoints


def refused(tx: Transaction) -> None:
    tx.put(RECORD, "r", b"")
    raise BusinessRule("no")


def test_a_group_runs_again_with_savepoints_where_a_change_that_wrote_is_refused(store: SqliteStore) -> None:
    runs: list[str] = []

    def counted(tx: Transaction) -> None:
        runs.append("x")
        tx.put(EVENT, f"e{len(runs)}", b"")

    assert isinstance(store.apply(SYSTEM, [counted, refused])[1], Failed)
    assert len(runs) == 2
    store.apply(SYSTEM, [counted, refused])
    assert len(runs) == 3
    with store.snapshot(SYSTEM) as snapshot:
        assert [key for key, _ in snapshot.scan(EVENT)] == ["e2", "e3"]
        assert snapshot.count(RECORD) == 0


def test_changes_of_one_resource_run_again_each_under_a_number_of_its_own_and_the_next_groups_at_once(store: SqliteStore) -> None:
    runs: list[str] = []

    def change(family: str):
        def counted(tx: Transaction) -> None:
            runs.append(family)
            tx.put(EVENT, f"e{len(runs)}", b"")
            saving("Patient", "alice", name=[{"family": family}])(tx)

        return counted

    applied(store, change("a"), change("b"), change("c"))
    assert runs == ["a", "b", "a", "b", "c"]
    assert isinstance(store.apply(SYSTEM, [change("d"), refused, change("e")])[1], Failed)
    assert runs[5:] == ["d", "d", "e"]
    with store.snapshot(SYSTEM) as snapshot:
        versions = snapshot.history("Patient", "alice")
        assert [one.version for one in versions] == [5, 4, 3, 2, 1]
        assert len({one.commit for one in versions}) == len({one.last_updated for one in versions}) == 5
        assert [key for key, _ in snapshot.scan(EVENT)] == ["e3", "e4", "e5", "e7", "e8"]
        assert snapshot.count(RECORD) == 0


def test_a_change_refused_before_it_wrote_costs_no_second_run(store: SqliteStore) -> None:
    runs: list[str] = []

    def early(tx: Transaction) -> None:
        runs.append("x")
        raise BusinessRule("no")

    store.apply(SYSTEM, [put("a"), early, put("b")])
    assert len(runs) == 1


def test_a_reader_that_cannot_begin_is_closed_and_told_as_unavailable(store: SqliteStore) -> None:
    class Broken(sqlite3.Connection):
        closed = False

        def execute(self, *_given: object):
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR, "SQLITE_IOERR"
            raise error

        def close(self) -> None:
            self.closed = True
            super().close()

    broken = Broken(":memory:")
    store._open().readers.append(broken)
    with pytest.raises(StoreUnavailable, match="SQLITE_IOERR"), store.snapshot(SYSTEM):
        pass
    assert broken.closed
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.commit == 0


def test_a_lock_file_that_cannot_be_used_is_told_as_unavailable(store: SqliteStore) -> None:
    opened = store._open()
    held, opened.lock._turn = opened.lock._turn, 1_000_000
    with pytest.raises(StoreUnavailable, match="lock"):
        store.apply(SYSTEM, [put("a")])
    opened.lock._turn = held
    applied(store, put("a"))


def test_callers_whose_commit_is_broken_off_are_told(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, outcomes = store._open(), []
    monkeypatch.setattr(SqliteTransaction, "finish", lambda _: 1 / 0)
    opened.turns._committing = True  # so that both callers are waiting when one of them begins to lead

    def call(key: str) -> None:
        try:
            outcomes.append(store.apply(SYSTEM, [put(key)]))
        except (StoreUnavailable, ZeroDivisionError) as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=call, args=(key,)) for key in "ab"]
    for thread in threads:
        thread.start()
    while len(opened.turns._waiting) < 2:
        time.sleep(0.001)
    with opened.turns._turn:
        opened.turns._committing = False
        opened.turns._turn.notify_all()
    for thread in threads:
        thread.join()
    assert sorted(outcome.__name__ for outcome in outcomes) == ["StoreUnavailable", "ZeroDivisionError"]
    monkeypatch.undo()
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.scan(EVENT) == []
    applied(store, put("c"))


def test_purging_drops_the_entries_that_a_version_had_before_it_was_given_others(path: Path) -> None:
    store = open_store(path)
    for gender in ("female", "male", "other"):
        applied(store, saving("Patient", "alice", Entries(tokens=(("gender", "", gender),))))
    count = store._open().writer.execute
    assert count("SELECT count(*) FROM former").fetchone() == (2,)
    store.purge("2999-01-01T00:00:00.000Z")
    assert count("SELECT count(*) FROM former").fetchone() == (0,)
    store.close()
