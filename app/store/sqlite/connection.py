"""Connections to the file, the lock that one writer at a time holds, and the errors that mean unavailable.

SQLite before 3.51.3 can corrupt a WAL database when two connections write or checkpoint at once, so a
lock across processes is held around each write and each checkpoint, and automatic checkpoints are off.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import StoreUnavailable

_UNAVAILABLE = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_INTERRUPT,
})  # fmt: skip
_PRIMARY_CODE = 0xFF
_STATEMENTS = 512
_FIRST_WAIT, _LONGEST_WAIT = 0.0001, 0.002


def unavailable(error: sqlite3.Error) -> StoreUnavailable | None:
    """StoreUnavailable where the disk or another process is the cause; None where the statement is wrong."""
    if getattr(error, "sqlite_errorcode", -1) & _PRIMARY_CODE in _UNAVAILABLE:
        return StoreUnavailable(f"the store cannot be used now: {getattr(error, 'sqlite_errorname', 'unknown')}")
    return None


def create_private(path: Path) -> None:
    """Make the file, readable by its owner only, where it is missing; its WAL inherits the mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def connect(path: Path, *, writes: bool, cache_kib: int, busy_timeout: float) -> sqlite3.Connection:
    """A connection for one thread at a time; a reader cannot write or checkpoint."""
    uri = f"{path.resolve().as_uri()}?mode={'rw' if writes else 'ro'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS)
    connection.execute(f"PRAGMA busy_timeout = {int(busy_timeout * 1000)}")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA mmap_size = 0")
    if writes:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    else:
        connection.execute("PRAGMA query_only = ON")
    return connection


class WriterLock:
    """Held by one thread of one process at a time.

    Who waits holds ``turn``, so that a process that has just written cannot overtake it.
    """

    def __init__(self, store: Path, timeout: float) -> None:
        self._timeout = timeout
        self._thread = threading.RLock()
        self._depth = 0
        self._held = _lock_file(store.with_name(store.name + ".lock"))
        self._turn = _lock_file(store.with_name(store.name + ".turn"))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock; StoreUnavailable where it cannot be had in time. A thread may nest it."""
        deadline = time.monotonic() + self._timeout
        if not self._thread.acquire(timeout=self._timeout):
            raise StoreUnavailable("the store is busy writing")
        try:
            if self._depth == 0:
                self._take(deadline)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    fcntl.flock(self._held, fcntl.LOCK_UN)
        finally:
            self._thread.release()

    def _take(self, deadline: float) -> None:
        _flock(self._turn, deadline)
        try:
            _flock(self._held, deadline)
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._held)
        os.close(self._turn)


def _lock_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _flock(descriptor: int, deadline: float) -> None:
    wait = _FIRST_WAIT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise StoreUnavailable("the store is busy writing in another process") from None
            time.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)
        else:
            return
