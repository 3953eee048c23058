"""Writing: one SQLite transaction that carries a group of changes.

A savepoint a change lets one be undone and the others stay, but SQLite then copies each page that a change
touches. So a group first runs without, and again with savepoints where a change that has written is refused. All changes of
a group share a commit number, unless they touch the same resources: then it runs again with a number for each.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from struct import pack as packed_struct
from struct import unpack
from typing import TypeVar

import orjson

from app.errors import StoreUnavailable, WealdError
from app.principal import SYSTEM, Principal
from app.search.criteria import Entries
from app.store.content import Content
from app.store.contract import Change, Failed, Kind, StoredResource
from app.store.sqlite.bodies import CURRENT, deflate, inflate, stored_resource
from app.store.sqlite.names import NewNames, index_name, kind_name, param_name, type_name
from app.store.sqlite.rows import (
    ONLY,
    Date,
    MakeSlot,
    Packed,
    Rows,
    Value,
    has_entry,
    has_sort_value,
    last_updated_rows,
    pack,
    rows_from_entries,
)
from app.store.sqlite.snapshot import DocumentRow, SqliteSnapshot

T = TypeVar("T")

_OPEN_ENTRY = "INSERT INTO entry (slot, value, mark, exact, rid, start) VALUES (?, ?, ?, ?, ?, ?)"
_OPEN_DATE = "INSERT INTO date (slot, low, high, mark, rid, start) VALUES (?, ?, ?, ?, ?, ?)"
_CLOSE_ENTRY = "UPDATE entry SET stop = ? WHERE slot = ? AND value = ? AND rid = ? AND stop IS NULL"
_CLOSE_DATE = "UPDATE date SET stop = ? WHERE slot = ? AND low = ? AND high = ? AND rid = ? AND stop IS NULL"
_DROP_ENTRY = "DELETE FROM entry WHERE slot = ? AND value = ? AND rid = ? AND start = ?"
_DROP_DATE = "DELETE FROM date WHERE slot = ? AND low = ? AND high = ? AND rid = ? AND start = ?"
_INSERT_DOCUMENT = "INSERT INTO document (indexes, deflated, body, kind, key) VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, key) DO NOTHING"
_INSERT = """
    INSERT INTO resource (version, start, last_updated, deleted, custodian, digest, rows, more_rows, summary, deflated, body, type, id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_UPDATE = """
    UPDATE resource SET version = ?, start = ?, last_updated = ?, deleted = ?, custodian = ?, digest = ?, rows = ?, more_rows = ?,
    summary = ?, deflated = ?, body = ? WHERE type = ? AND id = ?"""
_TO_PAST = """
    INSERT INTO past (rid, version, start, stop, last_updated, deleted, custodian, rows, more_rows, summary, deflated, body)
    SELECT rid, version, start, ?, last_updated, deleted, custodian, rows, more_rows, summary, deflated, body
    FROM resource WHERE rid = ?"""
_TO_FORMER = """
    INSERT INTO former (rid, start, stop, rows, more_rows, present)
    SELECT r.rid, coalesce(max(f.stop), r.start) AS since, :commit, r.rows, r.more_rows, l.present
    FROM resource r JOIN lifetime l ON l.rid = r.rid AND l.start = r.start LEFT JOIN former f ON f.rid = r.rid AND f.start >= r.start
    WHERE r.rid = :rid GROUP BY r.rid HAVING since < :commit"""
_FOR_SAVE = f"SELECT {CURRENT}, rid, digest, rows, more_rows FROM resource WHERE type = ? AND id = ?"
_NOTHING = Rows(frozenset(), frozenset(), (), ())
_HALF = 16

Held = tuple[str, int, str, int, str | None, int, int, bytes | None, bytes, int, bytes, bytes, bytes | None]
"""The current version as ``_FOR_SAVE`` reads it."""


class InNextCommit(Exception):
    """A change touches a resource that another change of this commit has written: it runs again in the next commit."""


class TryAgain(Exception):
    """A change has to be undone and no savepoint was kept: the whole group runs again in another way."""


class TryApart(TryAgain):
    """It touches what another change of the group has written: each of them gets a commit number of its own."""


class TryCarefully(TryAgain):
    """It was refused after it had written: each of them gets a savepoint."""


def instant(milliseconds: int) -> str:
    """ISO 8601 in UTC with milliseconds and Z."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"


class SqliteTransaction(SqliteSnapshot):
    """A snapshot that writes. ``now`` and ``commit`` are those that the commit will have."""

    __slots__ = ("_apart", "_careful", "_counts", "_has_versions", "_indexed", "_new_names", "_numbers", "_own", "_seen", "dirty", "now", "now_milliseconds")

    def __init__(self, connection: sqlite3.Connection, names: NewNames, *, commit: int, now: int, careful: bool = False, apart: bool = False) -> None:
        super().__init__(connection, names, SYSTEM, commit)
        self._new_names = names
        self._careful, self._apart = careful, apart
        self._own: set[int] = set()
        self._indexed: set[int] = set()
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._seen: dict[tuple[str, str], tuple[int, bytes]] = {}
        self._numbers: dict[str, int] = {}
        self.dirty = False
        self._number(commit, now)

    def _number(self, commit: int, now: int) -> None:
        self.commit, self.now_milliseconds, self.now = commit, now, instant(now)
        self._has_versions = False

    def _next_commit(self) -> None:
        self._close_commit()
        self._number(self.commit + 1, self.now_milliseconds + 1)

    # a group of changes

    def run_all(self, principal: Principal, changes: Sequence[Change[T]]) -> list[T | Failed]:
        """One caller's changes, all undone where one raises anything but a refusal."""
        before = self._counts.copy(), self._numbers.copy(), self.dirty, self.commit, self.now_milliseconds
        written = self._connection.total_changes
        self._savepoint("SAVEPOINT caller")
        try:
            results = [self._run_once_or_twice(principal, change) for change in changes]
        except TryAgain:
            raise
        except BaseException:
            self._undo("caller", written, TryCarefully)
            self._counts, self._numbers, self.dirty, commit, now = before
            self._number(commit, now)
            raise
        self._savepoint("RELEASE caller")
        return results

    def _run_once_or_twice(self, principal: Principal, change: Change[T]) -> T | Failed:
        """The change's result, or Failed where it was refused and left nothing."""
        self.principal = principal
        if self._apart and self._has_versions:
            self._next_commit()
        try:
            return self._run(change)
        except InNextCommit:
            self._next_commit()
            return self._run(change)

    def _run(self, change: Change[T]) -> T | Failed:
        before, dirty, written = (self._counts.copy(), self._numbers.copy()), self.dirty, self._connection.total_changes
        self._own = set()
        self._savepoint("SAVEPOINT change")
        try:
            result: T | Failed = change(self)
        except StoreUnavailable:
            raise
        except (WealdError, InNextCommit) as refusal:
            self._undo("change", written, TryApart if isinstance(refusal, InNextCommit) else TryCarefully)
            (self._counts, self._numbers), self.dirty = before, dirty
            if isinstance(refusal, InNextCommit):
                raise
            return Failed(refusal)
        self._savepoint("RELEASE change")
        return result

    def _savepoint(self, statement: str) -> None:
        if self._careful:
            self._connection.execute(statement)

    def _undo(self, savepoint: str, written: int, otherwise: type[TryAgain]) -> None:
        """Take back what was written since the savepoint; without one, only nothing can be taken back, else ``otherwise`` is raised."""
        self._new_names.forget()
        self._seen.clear()
        if self._careful:
            if self._connection.in_transaction:
                self._connection.execute(f"ROLLBACK TO {savepoint}")
                self._connection.execute(f"RELEASE {savepoint}")
        elif self._connection.total_changes != written:
            raise otherwise

    def _close_commit(self) -> None:
        self._connection.execute("INSERT INTO commits VALUES (?, ?)", (self.commit, self.now_milliseconds))

    def finish(self) -> None:
        """Write what the commit itself adds."""
        self._close_commit()
        self._connection.executemany(
            "INSERT INTO counter VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
            [(name, count) for name, count in self._counts.items() if count],
        )
        self._connection.executemany("INSERT OR REPLACE INTO number VALUES (?, ?)", sorted(self._numbers.items()))

    def _make_name(self, text: str) -> int:
        return self._new_names.make_name(self._connection, text)

    # documents

    def put(self, kind: Kind, key: str, body: bytes, index: Mapping[str, Sequence[str]] | None = None) -> None:
        self.dirty = True
        wanted = self._index_rows(kind, index or {})
        packed = orjson.dumps(sorted(wanted))
        held = self._seen.get((kind.name, key)) or self._insert(kind, key, packed, body)
        if held is None:
            self._add_index(key, wanted)
            return
        number, indexes = held
        if indexes == packed:
            self._connection.execute("UPDATE document SET deflated = ?, body = ? WHERE number = ?", (*deflate(body), number))
            return
        self._connection.execute("UPDATE document SET indexes = ?, deflated = ?, body = ? WHERE number = ?", (packed, *deflate(body), number))
        self._seen[kind.name, key] = number, packed
        had = _index_rows_held(indexes)
        self._drop_index(key, had - wanted)
        self._add_index(key, wanted - had)

    def _insert(self, kind: Kind, key: str, packed: bytes, body: bytes) -> tuple[int, bytes] | None:
        """Insert a document under a new key; where there is one, its number and index values."""
        given = (packed, *deflate(body), self._make_name(kind_name(kind.name)), key)
        inserted = self._connection.execute(_INSERT_DOCUMENT, given)
        if inserted.rowcount == 1:
            self._counts[kind_name(kind.name)] += 1
            self._seen[kind.name, key] = int(inserted.lastrowid or 0), packed
            return None
        number, indexes = self._connection.execute("SELECT number, indexes FROM document WHERE kind = ? AND key = ?", given[3:]).fetchone()
        return number, indexes

    def _documents(self, kind: Kind, rows: Iterable[DocumentRow]) -> list[tuple[str, bytes]]:
        """The documents, each one's place and index values remembered for the time when it is put."""
        found = []
        for key, deflated, body, number, indexes in rows:
            self._seen[kind.name, key] = number, indexes
            found.append((key, inflate(deflated, body)))
        return found

    def _index_rows(self, kind: Kind, index: Mapping[str, Sequence[str]]) -> set[tuple[int, str]]:
        if unknown := index.keys() - set(kind.indexes):
            raise ValueError(f"{kind.name} has no index {sorted(unknown)}")
        return {(self._make_name(index_name(kind.name, name)), value) for name, values in index.items() for value in values}

    def _add_index(self, key: str, rows: Iterable[tuple[int, str]]) -> None:
        self._connection.executemany("INSERT INTO document_index VALUES (?, ?, ?)", [(*row, key) for row in rows])

    def _drop_index(self, key: str, rows: Iterable[tuple[int, str]]) -> None:
        self._connection.executemany(
            "DELETE FROM document_index WHERE slot = ? AND value = ? AND key = ?", [(*row, key) for row in rows]
        )

    def remove(self, kind: Kind, key: str) -> None:
        given = (self._name(kind_name(kind.name)), key)
        held = self._connection.execute("DELETE FROM document WHERE kind = ? AND key = ? RETURNING indexes", given).fetchone()
        if held is not None:
            self.dirty = True
            self._seen.pop((kind.name, key), None)
            self._counts[kind_name(kind.name)] -= 1
            self._drop_index(key, _index_rows_held(held[0]))

    def next_number(self, name: str) -> int:
        self.dirty = True
        if name not in self._numbers:
            row = self._connection.execute("SELECT value FROM number WHERE name = ?", (name,)).fetchone()
            self._numbers[name] = row[0] if row else 0
        self._numbers[name] += 1
        return self._numbers[name]

    # blocks

    def put_blocks(self, number: int, keys: Sequence[int], demographics: bytes) -> None:
        self.dirty = True
        held, wanted = self._blocks(number), set(keys)
        if held:
            self._connection.executemany("DELETE FROM block WHERE key = ? AND number = ?", [(key, number) for key in held - wanted])
        self._connection.executemany("INSERT INTO block VALUES (?, ?)", [(key, number) for key in sorted(wanted - held)])
        self._connection.execute(
            "INSERT OR REPLACE INTO demographics VALUES (?, ?, ?)",
            (number, packed_struct(f"<{len(wanted)}q", *sorted(wanted)), demographics),
        )

    def remove_blocks(self, number: int) -> None:
        held = self._blocks(number)
        self._connection.executemany("DELETE FROM block WHERE key = ? AND number = ?", [(key, number) for key in held])
        if self._connection.execute("DELETE FROM demographics WHERE number = ?", (number,)).rowcount:
            self.dirty = True

    def _blocks(self, number: int) -> set[int]:
        row = self._connection.execute("SELECT keys FROM demographics WHERE number = ?", (number,)).fetchone()
        return set(unpack(f"<{len(row[0]) // 8}q", row[0])) if row else set()

    # resources

    def save(
        self, type: str, id: str, content: Content, entries: Entries, *, custodian: str | None, summary: Content | None = None
    ) -> tuple[StoredResource, bool]:
        type_number = self._make_name(type_name(type))
        held = self._connection.execute(_FOR_SAVE, (type_number, id)).fetchone()
        digest = _digest(content, summary, entries, custodian)
        if held is not None and held[10] == digest and not held[3]:
            return stored_resource(type, held[:9]), False
        rows = rows_from_entries(entries, self._slot_of(type))
        if held is not None and not held[3] and held[10][:_HALF] == digest[:_HALF]:
            return self._reindex(type, held, rows, digest, custodian), False
        version, replaces = self._next_version(held)
        body = content.stamped(version, self.now)
        stored = StoredResource(
            type, id, version, self.now, False, custodian, self.commit, body, summary.stamped(version, self.now) if summary else None
        )
        self._store(stored, held, replaces, rows, digest)
        return stored, True

    def delete(self, type: str, id: str) -> StoredResource | None:
        held = self._connection.execute(_FOR_SAVE, (self._name(type_name(type)), id)).fetchone()
        if held is None or held[3]:
            return None
        version, replaces = self._next_version(held)
        stored = StoredResource(type, id, version, self.now, True, held[4], self.commit, b"")
        self._store(stored, held, replaces, _NOTHING, b"")
        return stored

    def _next_version(self, held: Held | None) -> tuple[int, bool]:
        """The number of the version to write, and whether it replaces one that this change itself has written."""
        if held is None:
            return 1, False
        if held[5] != self.commit:
            return held[1] + 1, False
        if held[9] not in self._own:
            raise InNextCommit
        return held[1], True

    def _store(self, stored: StoredResource, held: Held | None, replaces: bool, rows: Rows, digest: bytes) -> None:
        """Write a version: the one it follows goes to the past, or is overwritten where this same change wrote it."""
        self.dirty = self._has_versions = True
        type_number = self._make_name(type_name(stored.type))
        if not stored.deleted:
            rows = Rows(rows.values, rows.dates | last_updated_rows(self.now, self._slot_of(stored.type)), rows.params, rows.sorts)
        near, far = pack(rows)
        columns = (
            stored.version, stored.commit, stored.last_updated, stored.deleted, stored.custodian, digest, near, far,
            stored.summary, *deflate(stored.body), type_number, stored.id,
        )  # fmt: skip
        if held is None:
            rid = int(self._connection.execute(_INSERT, columns).lastrowid or 0)
        else:
            rid = held[9]
            if not replaces:
                self._connection.execute(_TO_PAST, (self.commit, rid))
                self._connection.execute("UPDATE lifetime SET stop = ? WHERE rid = ? AND start = ?", (self.commit, rid, held[5]))
            self._connection.execute(_UPDATE, columns)
        self._connection.execute(
            "INSERT OR REPLACE INTO lifetime VALUES (?, ?, NULL, ?, ?, ?, ?, ?)",
            (rid, self.commit, type_number, stored.version, stored.deleted, stored.custodian, self._present(stored.type, rows)),
        )
        self._reopen(rid, held, rows)
        self._own.add(rid)
        self._counts[type_name(stored.type)] += (not stored.deleted) - (held is not None and not held[3])

    def _reindex(self, type: str, held: Held, rows: Rows, digest: bytes, custodian: str | None) -> StoredResource:
        """Give the current version other entries or another custodian, without a new version; searches as of before keep those it had."""
        self.dirty = True
        self._connection.execute(_TO_FORMER, {"rid": held[9], "commit": self.commit})
        rows = Rows(rows.values, rows.dates | last_updated_rows(held[2], self._slot_of(type)), rows.params, rows.sorts)
        self._connection.execute(
            "UPDATE resource SET digest = ?, rows = ?, more_rows = ?, custodian = ? WHERE rid = ?", (digest, *pack(rows), custodian, held[9])
        )
        self._connection.execute(
            "UPDATE lifetime SET custodian = ?, present = ? WHERE rid = ? AND stop IS NULL", (custodian, self._present(type, rows), held[9])
        )
        self._reopen(held[9], held, rows)
        return stored_resource(type, (*held[:4], custodian, *held[5:9]))

    def _slot_of(self, type: str) -> MakeSlot:
        known, make, connection = self._new_names.known_slots, self._new_names.make_slot, self._connection

        def slot_of(kind: int, param: str, a: str, b: str) -> int:
            slot = (type, param, kind, a, b)
            return known.get(slot) or make(connection, slot)

        return slot_of

    def _present(self, type: str, rows: Rows) -> str:
        """The characters of what the rows have, made once for each such set of parameters."""
        presence = (type, rows.params, rows.sorts)
        names = self._new_names
        found = names.known_presences.get(presence) or names.presences.get(presence)
        if found is None:
            params, sorts = ([self._make_name(param_name(type, param)) for param in listed] for listed in presence[1:])
            found = names.presences[presence] = "".join([*map(has_entry, params), *map(has_sort_value, sorts)])
        return found

    def _reopen(self, rid: int, held: Held | None, rows: Rows) -> None:
        """Close the index rows that no longer hold and open those that are new."""
        new_values, new_dates = rows.values, rows.dates
        if held is not None:
            had = Packed(held[11], held[12])
            values, dates = frozenset(had.values), frozenset(had.dates)
            self._close(rid, values - new_values, dates - new_dates)
            new_values, new_dates = new_values - values, new_dates - dates
        run, commit = self._connection.executemany, self.commit
        run(_OPEN_ENTRY, [(*row, rid, commit) for row in new_values])
        run(_OPEN_DATE, [(*row, rid, commit) for row in new_dates])
        for slot, low, high, mark in new_dates:
            self._new_names.widen(self._connection, slot, high - low, mark & ONLY == 0)
        self._indexed.add(rid)

    def _close(self, rid: int, values: Iterable[Value], dates: Iterable[Date]) -> None:
        run, commit = self._connection.executemany, self.commit
        if rid in self._indexed:
            run(_DROP_ENTRY, [(slot, value, rid, commit) for slot, value, _, _ in values])
            run(_DROP_DATE, [(slot, low, high, rid, commit) for slot, low, high, _ in dates])
        run(_CLOSE_ENTRY, [(commit, slot, value, rid) for slot, value, _, _ in values])
        run(_CLOSE_DATE, [(commit, slot, low, high, rid) for slot, low, high, _ in dates])


def _digest(content: Content, summary: Content | None, entries: Entries, custodian: str | None) -> bytes:
    """What was saved, in two halves: the bytes, and how they are found."""
    parts = (content.head, content.tail, *((summary.head, summary.tail) if summary else ()))
    hashed = blake2b(b"".join(b"%d:" % len(part) for part in parts), digest_size=_HALF)
    for part in parts:
        hashed.update(part)
    return hashed.digest() + blake2b(orjson.dumps([entries, custodian]), digest_size=_HALF).digest()


def _index_rows_held(packed: bytes) -> set[tuple[int, str]]:
    return {(slot, value) for slot, value in orjson.loads(packed)}
