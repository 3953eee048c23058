"""Everything durable in a fixed order and form, so that two stores can be compared."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from struct import unpack
from typing import Any

import orjson

from app.store.sqlite.bodies import inflate
from app.store.sqlite.names import DATE, EXACT, REFERENCE, STRING, TEXT, TOKEN, TYPED
from app.store.sqlite.rows import LAST_UPDATED, Packed

Line = tuple[str, str, bytes]

_KINDS = {TOKEN: "tokens", STRING: "strings", EXACT: "exact", REFERENCE: "references", TYPED: "typed", TEXT: "texts", DATE: "dates"}


def lines(connection: sqlite3.Connection) -> Iterator[Line]:
    """The lines of ``Store.dump``, from one read transaction."""
    yield from _blocks(connection)
    yield from _documents(connection)
    yield from _entries(connection)
    yield from _numbers(connection)
    yield from _versions(connection)


def _blocks(connection: sqlite3.Connection) -> Iterator[Line]:
    for number, keys, packed in connection.execute("SELECT number, keys, packed FROM demographics ORDER BY number"):
        listed = orjson.dumps(unpack(f"<{len(keys) // 8}q", keys))
        yield "blocks", f"{number:020d}", listed + b"\n" + packed


def _documents(connection: sqlite3.Connection) -> Iterator[Line]:
    indexes = dict(connection.execute("SELECT id, text FROM name WHERE text >= 'index:' AND text < 'index;'"))
    for number, name in connection.execute("SELECT id, text FROM name WHERE text >= 'kind:' AND text < 'kind;' ORDER BY text").fetchall():
        rows = connection.execute("SELECT key, indexes, deflated, body FROM document WHERE kind = ? ORDER BY key", (number,))
        for key, held, deflated, body in rows:
            named = sorted((indexes[slot].rpartition(".")[2], value) for slot, value in orjson.loads(held))
            listed = orjson.dumps({index: [value for _, value in values] for index, values in groupby(named, lambda pair: pair[0])})
            yield f"document/{name.removeprefix('kind:')}", key, listed + b"\n" + inflate(deflated, body)


def _types(connection: sqlite3.Connection) -> list[tuple[int, str]]:
    return connection.execute("SELECT id, substr(text, 6) FROM name WHERE text >= 'type:' AND text < 'type;' ORDER BY text").fetchall()


def _entries(connection: sqlite3.Connection) -> Iterator[Line]:
    slots = {
        id: (kind, (text.partition(".")[2], *_qualifiers(kind, a, b)))
        for id, text, kind, a, b in connection.execute("SELECT s.id, n.text, s.kind, s.a, s.b FROM slot s JOIN name n ON n.id = s.param")
    }
    for number, type in _types(connection):
        rows = connection.execute("SELECT id, rows, more_rows FROM resource WHERE type = ? AND deleted = 0 ORDER BY id", (number,))
        for id, near, far in rows:
            yield f"entries/{type}", id, _listed(slots, Packed(near, far))


def _qualifiers(kind: int, a: str, b: str) -> tuple[str, ...]:
    return {TOKEN: (a,), TYPED: (a, b)}.get(kind, ())


def _listed(slots: dict[int, tuple[int, tuple[str, ...]]], rows: Packed) -> bytes:
    found: dict[str, set[tuple[Any, ...]]] = {}
    for slot, value, _, exact in rows.values:
        kind, lead = slots[slot]
        found.setdefault(_KINDS[kind], set()).add((*lead, value))
        if exact is not None:
            found.setdefault("exact", set()).add((*lead, exact))
    for slot, low, high, _ in rows.dates:
        lead = slots[slot][1]
        if lead[0] != LAST_UPDATED:
            found.setdefault("dates", set()).add((*lead, low, high))
    return orjson.dumps({kind: sorted(values) for kind, values in sorted(found.items())})


def _numbers(connection: sqlite3.Connection) -> Iterable[Line]:
    for name, value in connection.execute("SELECT name, value FROM number ORDER BY name"):
        yield "number", name, b"%d" % value


_VERSIONS = """
    SELECT r.id, r.version, r.last_updated, r.deleted, r.custodian, r.summary, r.deflated, r.body FROM resource r WHERE r.type = ?1
    UNION ALL
    SELECT r.id, p.version, p.last_updated, p.deleted, p.custodian, p.summary, p.deflated, p.body
    FROM resource r JOIN past p ON p.rid = r.rid WHERE r.type = ?1
    ORDER BY 1, 2"""


def _versions(connection: sqlite3.Connection) -> Iterator[Line]:
    for number, type in _types(connection):
        for id, version, last_updated, deleted, custodian, summary, deflated, body in connection.execute(_VERSIONS, (number,)):
            lead = {"custodian": custodian, "deleted": deleted == 1, "last_updated": last_updated, "summary": summary is not None}
            key = f"{id}/{version:010d}"
            yield f"resource/{type}", key, orjson.dumps(lead) + b"\n" + (summary or b"") + b"\n" + inflate(deflated, body)
