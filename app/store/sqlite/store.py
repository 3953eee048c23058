"""The engine, open: snapshots from a pool of readers, and group commits on the one writer."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from app.errors import StoreUnavailable
from app.principal import SYSTEM, Principal
from app.store.contract import Change, Failed, StoreFacts
from app.store.sqlite import dump, schema
from app.store.sqlite.connection import WriterLock, connect, create_private, unavailable
from app.store.sqlite.names import Names, NewNames
from app.store.sqlite.snapshot import SqliteSnapshot
from app.store.sqlite.transaction import SqliteTransaction, TryAgain, TryApart
from app.store.turns import Call, Turns

T = TypeVar("T")

_LAST_COMMIT = "SELECT number, instant FROM commits ORDER BY number DESC LIMIT 1"
_PURGED = "INSERT INTO fact VALUES ('purged', ?) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)"
_PURGED_AT_ONCE = 5_000
_ENDING = (("entry", "slot, value, rid, start"), ("date", "slot, low, high, rid, start"), ("former", "rid, start"))
"""The tables whose rows end, and their keys."""
_GROUPS_ALIKE = 20
"""After a group had to run twice, so many run at once as it did then: what brought it about is likely to go on."""
_WAL_BYTES = 64 * 2**20


def _now() -> int:
    return time.time_ns() // 1_000_000


def open_store(
    path: str | Path, *, clock: Callable[[], int] = _now, timeout: float = 10.0, reader_cache_kib: int = 2_048, writer_cache_kib: int = 32_768
) -> SqliteStore:  # fmt: skip
    """The store in that file, made where it is missing.

    ``clock`` gives milliseconds since 1970. ``timeout`` bounds the wait for other writers, in seconds.
    SettingsError where the file is not Weald's or newer than this code; StoreUnavailable where it cannot be used.
    """
    return SqliteStore(Path(path), clock, _Limits(timeout, reader_cache_kib, writer_cache_kib))


@dataclass(frozen=True, slots=True)
class _Limits:
    timeout: float
    reader_cache_kib: int
    writer_cache_kib: int


class _Open:
    """What one process has open: the writer, its lock, and readers at rest."""

    def __init__(self, path: Path, limits: _Limits) -> None:
        self.pid = os.getpid()
        self._path, self._limits = path, limits
        create_private(path)
        self.lock = WriterLock(path, limits.timeout)
        with self.lock.held():
            self.writer = connect(path, writes=True, cache_kib=limits.writer_cache_kib, busy_timeout=limits.timeout)
            schema.upgrade(self.writer)
        self.readers: deque[sqlite3.Connection] = deque()
        self.names = Names()
        self.log_size_due = _WAL_BYTES
        self.careful_groups = self.apart_groups = 0
        self.turns = Turns()

    def reader(self) -> sqlite3.Connection:
        """A connection at rest, or a new one; hand it back to ``readers``."""
        try:
            return self.readers.pop()
        except IndexError:
            return connect(self._path, writes=False, cache_kib=self._limits.reader_cache_kib, busy_timeout=self._limits.timeout)

    def close(self) -> None:
        with self.lock.held():
            while self.readers:
                self.readers.pop().close()
            self.writer.close()
        self.lock.close()


class _Reading:
    """The context of one snapshot: a connection and its read transaction."""

    __slots__ = ("_connection", "_open", "_principal")

    def __init__(self, open: _Open, principal: Principal) -> None:
        self._open = open
        self._principal = principal

    def __enter__(self) -> SqliteSnapshot:
        try:
            connection = self._connection = self._open.reader()
            try:
                connection.execute("BEGIN")
                row = connection.execute(_LAST_COMMIT).fetchone()
            except sqlite3.Error:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise unavailable(error) or error from error
        return SqliteSnapshot(connection, self._open.names, self._principal, row[0] if row else 0)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.execute("ROLLBACK")
        self._open.readers.append(self._connection)
        if isinstance(error, sqlite3.Error) and (cause := unavailable(error)):
            raise cause from error


class SqliteStore:
    """One SQLite file, open. Threads share it; after a fork the child opens its own connections."""

    engine = "sqlite"

    def __init__(self, path: Path, clock: Callable[[], int], limits: _Limits) -> None:
        self._path, self._clock, self._limits = path, clock, limits
        self._abandoned: list[_Open] = []
        self._now_open: _Open | None = self._try_open()

    def _try_open(self) -> _Open:
        try:
            return _Open(self._path, self._limits)
        except sqlite3.Error as error:
            raise unavailable(error) or error from error
        except OSError as error:
            raise StoreUnavailable(f"the store's file cannot be opened: {os.strerror(error.errno or 0)}") from error

    def _open(self) -> _Open:
        opened = self._now_open
        if opened is None:
            raise StoreUnavailable("the store is closed")
        if opened.pid != os.getpid():
            self._abandoned.append(opened)  # kept from the collector: a child must not close its parent's connections
            opened = self._now_open = self._try_open()
        return opened

    def snapshot(self, principal: Principal) -> _Reading:
        return _Reading(self._open(), principal)

    # writing

    def apply(self, principal: Principal, changes: Sequence[Change[T]]) -> list[T | Failed]:
        opened = self._open()
        return opened.turns.take(Call(principal, changes), partial(self._commit_calls, opened))

    def _commit_calls(self, opened: _Open, calls: list[Call]) -> None:
        """Commit the calls or give each of them an error: none may take silence for success."""
        failure: Exception | None = StoreUnavailable("the commit was broken off")
        try:
            with opened.lock.held():
                self._commit(opened, calls)
            failure = None
        except sqlite3.Error as error:
            failure = unavailable(error) or error
        except StoreUnavailable as error:
            failure = error
        except OSError:
            failure = StoreUnavailable("the store's lock cannot be used")
        finally:
            if failure is not None:
                self._fail(calls, failure)

    def _fail(self, calls: list[Call], error: Exception) -> None:
        for call in calls:
            call.error = call.error or error

    def _commit(self, opened: _Open, calls: list[Call]) -> None:
        careful, apart = opened.careful_groups > 0, opened.apart_groups > 0
        opened.careful_groups, opened.apart_groups = max(opened.careful_groups - 1, 0), max(opened.apart_groups - 1, 0)
        while True:
            try:
                self._attempt(opened, calls, careful=careful, apart=apart)
            except TryApart:
                apart, opened.apart_groups = True, _GROUPS_ALIKE
            except TryAgain:
                careful, opened.careful_groups = True, _GROUPS_ALIKE
            else:
                return

    def _attempt(self, opened: _Open, calls: list[Call], *, careful: bool, apart: bool) -> None:
        writer = opened.writer
        writer.execute("BEGIN IMMEDIATE")
        try:
            number, instant = writer.execute(_LAST_COMMIT).fetchone() or (0, 0)
            names, now = NewNames(opened.names), max(self._clock(), instant + 1)
            transaction = SqliteTransaction(writer, names, commit=number + 1, now=now, careful=careful, apart=apart)
            for call in calls:
                self._run(transaction, call)
            if transaction.dirty:
                transaction.finish()
            writer.execute("COMMIT" if transaction.dirty else "ROLLBACK")
        finally:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
        if transaction.dirty:
            names.commit()
            self._checkpoint_if_due(opened)

    def _run(self, transaction: SqliteTransaction, call: Call) -> None:
        """One caller's changes. What breaks them is that caller's to see; only a store out of order stops all callers."""
        call.error = None
        try:
            call.results = transaction.run_all(call.principal, call.changes)
        except sqlite3.Error as error:
            if unavailable(error):
                raise
            call.error = error
        except TryAgain:
            raise
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's own thread, by apply
            call.error = error

    def _checkpoint_if_due(self, opened: _Open) -> None:
        """Move the log into the file once it is large; the commit stands whether or not it succeeds.

        Its size is the measure, since a row can change many pages. Where readers hold the log, the next try waits
        until it has grown again.
        """
        with suppress(sqlite3.DatabaseError, OSError):
            if self._log_size() >= opened.log_size_due:
                opened.writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._truncate_log(opened)
                opened.log_size_due = self._log_size() + _WAL_BYTES

    def _log_size(self) -> int:
        return self._path.with_name(self._path.name + "-wal").stat().st_size

    def _truncate_log(self, opened: _Open) -> None:
        opened.writer.execute("PRAGMA busy_timeout = 0")
        try:
            opened.writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            opened.writer.execute(f"PRAGMA busy_timeout = {int(self._limits.timeout * 1000)}")

    # operation

    def facts(self) -> StoreFacts:
        with self.snapshot(SYSTEM) as snapshot:
            return StoreFacts(self.engine, sqlite3.sqlite_version, snapshot.commit, snapshot.counters())

    def check(self) -> None:
        opened = self._open()
        with self._writing(opened) as writer:
            writer.execute("UPDATE probe SET value = value + 1")

    def purge(self, before: str) -> int:
        with self.snapshot(SYSTEM) as snapshot:
            horizon = snapshot.last_commit_by(before)
        dropped, opened = 0, self._open()
        for table, key in _ENDING:
            ended = f"SELECT {key} FROM {table} INDEXED BY {table}_ended WHERE stop IS NOT NULL AND stop <= ? LIMIT {_PURGED_AT_ONCE}"
            count = _PURGED_AT_ONCE
            while count == _PURGED_AT_ONCE:
                with self._writing(opened) as writer:
                    writer.execute(_PURGED, (horizon,))
                    count = writer.execute(f"DELETE FROM {table} WHERE ({key}) IN ({ended})", (horizon,)).rowcount
                dropped += count
        return dropped

    @contextmanager
    def _writing(self, opened: _Open) -> Iterator[sqlite3.Connection]:
        """The writer in a transaction of its own, which is no commit in the contract's sense."""
        writer = opened.writer
        try:
            with opened.lock.held():
                writer.execute("BEGIN IMMEDIATE")
                try:
                    yield writer
                    writer.execute("COMMIT")
                finally:
                    if writer.in_transaction:
                        writer.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise unavailable(error) or error from error

    def dump(self) -> Iterator[tuple[str, str, bytes]]:
        opened = self._open()
        connection = opened.reader()
        connection.execute("BEGIN")
        try:
            yield from dump.lines(connection)
        finally:
            connection.execute("ROLLBACK")
            opened.readers.append(connection)

    def close(self) -> None:
        opened, self._now_open = self._now_open, None
        if opened is not None and opened.pid == os.getpid():
            opened.close()
