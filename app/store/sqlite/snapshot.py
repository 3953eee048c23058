"""Reading: a consistent view on one connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from heapq import merge
from itertools import islice

import orjson

from app.principal import Principal
from app.search.criteria import Query
from app.store.contract import Block, Hits, Kind, StoredResource
from app.store.sqlite.bodies import CURRENT, inflate, stored_resource
from app.store.sqlite.names import Names, index_name, kind_name, type_name
from app.store.sqlite.rows import microseconds
from app.store.sqlite.search import Search
from app.store.sqlite.view import visible

_PAST = "r.id, p.version, p.last_updated, p.deleted, p.custodian, p.start, p.deflated, p.summary, p.body"
_DOCUMENT = "d.key, d.deflated, d.body, d.number, d.indexes"
_GET = f"SELECT {_DOCUMENT} FROM document d WHERE kind = ? AND key = ?"
_GET_MANY = f"SELECT {_DOCUMENT} FROM document d WHERE kind = ? AND key IN (SELECT value FROM json_each(?))"
_RESOURCE = f"SELECT {CURRENT} FROM resource WHERE type = ? AND id = ?"
_CURRENT_VERSION = f"{_RESOURCE} AND version = ?"
_PAST_VERSION = f"SELECT {_PAST} FROM resource r JOIN past p ON p.rid = r.rid WHERE r.type = ? AND r.id = ? AND p.version = ?"
_RESOURCES = f"SELECT {CURRENT} FROM resource WHERE type = ? AND id IN (SELECT value FROM json_each(?))"
_BLOCKS = """
    SELECT k.value, (SELECT json_group_array(number) FROM (SELECT number FROM block WHERE key = k.value LIMIT ?))
    FROM json_each(?) k"""
_DEMOGRAPHICS = "SELECT number, packed FROM demographics WHERE number IN (SELECT value FROM json_each(?))"
_NO_BLOCK = "[]"

DocumentRow = tuple[str, int, bytes, int, bytes]
"""The columns of ``_DOCUMENT``."""


class SqliteSnapshot:
    """A view as of the last commit when it was opened, for one Principal."""

    __slots__ = ("_connection", "_names", "commit", "principal")

    def __init__(self, connection: sqlite3.Connection, names: Names, principal: Principal, commit: int) -> None:
        self._connection = connection
        self._names = names
        self.principal = principal
        self.commit = commit

    def _name(self, text: str) -> int | None:
        return self._names.name(self._connection, text)

    # documents

    def _documents(self, kind: Kind, rows: Iterable[DocumentRow]) -> list[tuple[str, bytes]]:  # noqa: ARG002  (who writes remembers them by kind)
        return [(key, inflate(deflated, body)) for key, deflated, body, _, _ in rows]

    def get(self, kind: Kind, key: str) -> bytes | None:
        rows = self._documents(kind, self._connection.execute(_GET, (self._name(kind_name(kind.name)), key)))
        return rows[0][1] if rows else None

    def get_many(self, kind: Kind, keys: Sequence[str]) -> dict[str, bytes]:
        if not keys:
            return {}
        if len(keys) == 1:
            found = self.get(kind, keys[0])
            return {} if found is None else {keys[0]: found}
        return dict(self._documents(kind, self._connection.execute(_GET_MANY, (self._name(kind_name(kind.name)), _json(keys)))))

    def find(self, kind: Kind, index: str, values: Sequence[str], *, limit: int | None = None) -> list[tuple[str, bytes]]:
        if not values:
            return []
        keys, given = _keys_having(len(values)), (self._index(kind, index), *values)
        rows = self._connection.execute(
            f"""SELECT {_DOCUMENT} FROM ({keys}) k CROSS JOIN document d ON d.kind = ? AND d.key = k.key
            ORDER BY k.key""",
            (*given, -1 if limit is None else limit, self._name(kind_name(kind.name))),
        )
        return self._documents(kind, rows)

    def scan(self, kind: Kind, *, after: str = "", limit: int = 1000) -> list[tuple[str, bytes]]:
        rows = self._connection.execute(
            "SELECT key, deflated, body FROM document WHERE kind = ? AND key > ? ORDER BY key LIMIT ?",
            (self._name(kind_name(kind.name)), after, limit),
        )
        return [(key, inflate(deflated, body)) for key, deflated, body in rows]

    def count(self, kind: Kind, index: str | None = None, value: str | None = None) -> int:
        if index is None:
            return self._counter(kind_name(kind.name))
        if value is None:
            sql, given = "SELECT count(DISTINCT key) FROM document_index WHERE slot = ?", (self._index(kind, index),)
            return int(self._connection.execute(sql, given).fetchone()[0])
        sql = "SELECT count(*) FROM document_index WHERE slot = ? AND value = ?"
        return int(self._connection.execute(sql, (self._index(kind, index), value)).fetchone()[0])

    def _index(self, kind: Kind, index: str) -> int | None:
        if index not in kind.indexes:
            raise ValueError(f"{kind.name} has no index {index}")
        return self._name(index_name(kind.name, index))

    def counters(self) -> dict[str, int]:
        """How many documents of each kind and live resources of each type there are."""
        return dict(self._connection.execute("SELECT name, value FROM counter ORDER BY name").fetchall())

    def _counter(self, name: str) -> int:
        row = self._connection.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    # blocks

    def candidates(self, keys: Sequence[int], cap: int) -> dict[int, Block]:
        blocks = {}
        for key, listed in self._connection.execute(_BLOCKS, (cap + 1, _json(keys))):
            if listed != _NO_BLOCK:
                members = orjson.loads(listed)
                blocks[key] = Block(len(members), tuple(members) if len(members) <= cap else ())
        return blocks

    def demographics(self, numbers: Sequence[int]) -> dict[int, bytes]:
        return dict(self._connection.execute(_DEMOGRAPHICS, (_json(numbers),)).fetchall())

    # resources

    def resource(self, type: str, id: str) -> StoredResource | None:
        row = self._connection.execute(_RESOURCE, (self._name(type_name(type)), id)).fetchone()
        return stored_resource(type, row) if row and self.principal.sees(row[4]) else None

    def resources(self, type: str, ids: Sequence[str]) -> dict[str, StoredResource]:
        rows = self._connection.execute(_RESOURCES, (self._name(type_name(type)), _json(ids)))
        return {row[0]: stored_resource(type, row) for row in rows if self.principal.sees(row[4])}

    def version(self, type: str, id: str, version: int) -> StoredResource | None:
        given = (self._name(type_name(type)), id, version)
        row = self._connection.execute(_CURRENT_VERSION, given).fetchone() or self._connection.execute(_PAST_VERSION, given).fetchone()
        return stored_resource(type, row) if row and self.principal.sees(row[4]) else None

    def history(
        self, type: str | None = None, id: str | None = None, *, since: str | None = None, at: str | None = None,
        limit: int = 50, after: tuple[int, str, str] | None = None,
    ) -> list[StoredResource]:  # fmt: skip
        first = 0 if since is None else self._first_commit_from(since)
        pin = None if at is None else self.last_commit_by(at)
        types = [type] if type is not None else self._types()
        versions = merge(
            *(self._versions(name, id, (first, pin), limit=limit, after=after) for name in types),
            key=lambda v: (v.commit, v.type, v.id), reverse=True,
        )  # fmt: skip
        return list(islice(versions, limit))

    def _types(self) -> list[str]:
        rows = self._connection.execute("SELECT text FROM name WHERE text >= 'type:' AND text < 'type;'")
        return [text.removeprefix("type:") for (text,) in rows]

    def _versions(
        self, type: str, id: str | None, bounds: tuple[int, int | None], *, limit: int, after: tuple[int, str, str] | None
    ) -> list[StoredResource]:
        """One type's versions from the first commit on, or those valid at the pinned one."""
        first, pin = bounds
        where = ["l.type = ?", "l.start >= ?"]
        given: list[str | int | None] = [self._name(type_name(type)), first]
        if id is not None:
            where.append("l.rid = (SELECT rid FROM resource WHERE type = ? AND id = ?)")
            given += [self._name(type_name(type)), id]
        if pin is not None:
            where.append("l.start <= ? AND (l.stop IS NULL OR l.stop > ?)")
            given += [pin, pin]
        if after is not None:
            where.append("l.start <= ? AND (l.start < ? OR (?, r.id) < (?, ?))")
            given += [after[0], after[0], type, after[1], after[2]]
        seen = visible(self.principal, "l")
        rows = self._connection.execute(
            f"""SELECT r.id, l.version, coalesce(p.last_updated, r.last_updated), l.deleted, l.custodian, l.start,
                coalesce(p.deflated, r.deflated), CASE WHEN p.rid IS NULL THEN r.summary ELSE p.summary END, coalesce(p.body, r.body)
            FROM lifetime l CROSS JOIN resource r ON r.rid = l.rid LEFT JOIN past p ON p.rid = l.rid AND p.version = l.version
            WHERE {" AND ".join(where)} AND {seen.text}
            ORDER BY l.start DESC, r.id DESC LIMIT ?""",
            (*given, *seen.given, limit),
        )
        return [stored_resource(type, row) for row in rows]

    def _first_commit_from(self, instant: str) -> int:
        row = self._connection.execute(
            "SELECT min(number) FROM commits WHERE instant >= ?", (-(-microseconds(instant) // 1000),)
        ).fetchone()
        return self.commit + 1 if row[0] is None else int(row[0])

    def last_commit_by(self, instant: str) -> int:
        row = self._connection.execute("SELECT max(number) FROM commits WHERE instant <= ?", (microseconds(instant) // 1000,)).fetchone()
        return 0 if row[0] is None else int(row[0])

    # search

    def search(self, query: Query) -> Hits:
        return Search(self._connection, self._names, self.principal, self.commit, query).hits()

    def explain(self, query: Query) -> list[str]:
        return Search(self._connection, self._names, self.principal, self.commit, query).plan()


def _json(values: Sequence[str] | Sequence[int]) -> str:
    return orjson.dumps(list(values)).decode()


def _keys_having(values: int) -> str:
    if values == 1:
        return "SELECT key FROM document_index WHERE slot = ? AND value = ? ORDER BY key LIMIT ?"
    asked = ",".join("?" * values)
    return f"SELECT DISTINCT key FROM document_index WHERE slot = ? AND value IN ({asked}) ORDER BY key LIMIT ?"
