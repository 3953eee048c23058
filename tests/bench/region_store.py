"""A store with the blocks of a large region in it, built once and kept: ``var/bench/matcher-N.db`` and, beside it, what arrives.

The rows go straight into the engine's tables, in the order of their keys. Nothing but the matcher's own tables is filled, and
for relink a document a record: a head with number and person, and as many bytes of state as a record's usually has.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from array import array
from pathlib import Path
from struct import pack as packed_struct
from uuid import UUID

import numpy as np
import orjson
from population import SEED, Held, stream

from app.ingest.identity import digest_key
from app.store.contract import EDGE, RECORD
from app.store.sqlite.names import index_name, kind_name
from app.store.sqlite.store import open_store

FORMAT = 3
"""Raised where what is built changes, so that an older store is not measured."""
FOLDER = Path("var") / "bench"
ROWS_AT_ONCE = 100_000
STATE_BYTES = 1_200
"""About what the state of a record of the sample region takes."""


def store_path(records: int) -> Path:
    return FOLDER / f"matcher-{records}-{SEED}-{FORMAT}.db"


def record_id(key: str) -> str:
    return str(UUID(bytes=bytes.fromhex(digest_key(key))))


Truth = dict[str, set[str]]


def built(records: int) -> tuple[Path, list[Held], Truth]:
    """The path of the store of so many records, made where it is missing; the records that are to arrive, and the keys in the store of the person of each."""
    path = store_path(records)
    if not _beside(path).exists():
        began = time.perf_counter()
        larger = min((size for size in _sizes() if size > records), default=None)
        arrivals = _made(path, records, _cut(larger) if larger else _simulated)
        _beside(path).write_bytes(pickle.dumps(arrivals))
        print(f"  made a store of {records:,} records in {time.perf_counter() - began:,.0f} s, {path.stat().st_size / 1e9:.2f} GB", file=sys.stderr, flush=True)
    arrivals = _arrivals(path)
    return path, [one for _, one, _ in arrivals], {one.cluster: {key for at, key in own if at <= records} for _, one, own in arrivals}


def _beside(path: Path) -> Path:
    return path.with_suffix(".arrivals")


Arrivals = list[tuple[int, Held, list[tuple[int, str]]]]


def _arrivals(path: Path) -> Arrivals:
    """(number of the record before it, record, (number, key) of its person's records in the store) of each record that is to arrive."""
    return pickle.loads(_beside(path).read_bytes())  # noqa: S301 - our own file


def _sizes() -> list[int]:
    """How many records the stores have that are there already."""
    return [int(path.name.split("-")[1]) for path in FOLDER.glob(f"matcher-*-{SEED}-{FORMAT}.arrivals")]


def _made(path, records, fill):
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    store = open_store(path)
    store.check()
    connection = store._open().writer
    for pragma in ("synchronous = OFF", "cache_size = -400000", "journal_mode = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    arrivals = fill(connection, records)
    _insert_facts(connection, records)
    connection.execute("PRAGMA journal_mode = WAL")
    store.close()
    _settle(path)
    return arrivals


def _simulated(connection, records):
    """A store of newly simulated people."""
    keys, numbers, arrivals = array("q"), array("q"), []
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO demographics VALUES (?, ?, ?)", _demographics(records, keys, numbers, arrivals))
    _insert_blocks(connection, keys, numbers)
    connection.execute("COMMIT")
    return arrivals


def _cut(larger):
    """A smaller store: the first records of a larger one."""

    def fill(connection, records):
        connection.execute("ATTACH ? AS larger", (str(store_path(larger)),))
        connection.execute("INSERT INTO demographics SELECT * FROM larger.demographics WHERE number <= ? ORDER BY number", (records,))
        connection.execute("INSERT INTO block SELECT key, number FROM larger.block WHERE number <= ? ORDER BY key, number", (records,))
        connection.execute("DETACH larger")
        return [one for one in _arrivals(store_path(larger)) if one[0] <= records]

    return fill


def _demographics(records, keys, numbers, arrivals):
    """The rows of the records that are not held back. A person's records come one after another."""
    number, cluster, own = 0, "", []
    for one in stream(records):
        if one.cluster != cluster:
            cluster, own = one.cluster, []
        if one.arrives:
            arrivals.append((number, one, own))
            continue
        number += 1
        own.append((number, one.key))
        keys.extend(one.keys)
        numbers.extend([number] * len(one.keys))
        sorted_keys = sorted(one.keys)
        yield number, packed_struct(f"<{len(sorted_keys)}q", *sorted_keys), b"\x00".join((record_id(one.key).encode(), one.key.encode(), one.packed))


def _insert_blocks(connection, keys, numbers):
    """The rows of the blocks in the order of the table, so that each page is written once."""
    keys, numbers = np.frombuffer(keys, dtype=np.int64), np.frombuffer(numbers, dtype=np.int64)
    order = np.argsort(keys, kind="stable")
    for start in range(0, len(order), ROWS_AT_ONCE):
        some = order[start : start + ROWS_AT_ONCE]
        connection.executemany("INSERT INTO block VALUES (?, ?)", zip(keys[some].tolist(), numbers[some].tolist(), strict=True))


def _insert_facts(connection, records):
    connection.execute("INSERT INTO counter VALUES (?, ?)", (kind_name(RECORD.name), records))
    connection.execute("INSERT INTO number VALUES ('record', ?)", (records,))
    connection.execute("INSERT INTO commits VALUES (1, ?)", (int(time.time() * 1000),))


def _settle(path):
    """Put the file on disk, so that its pages can be dropped from memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def forget_cached(path: Path) -> None:
    """Drop the file's pages from the machine's memory, where its kernel does as it is asked."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def add_documents(path: Path, persons: dict[str, int] | None, edges: list[dict]) -> None:
    """Give each record of the store a document with its person (by id: the number of the person's first record), and each edge one."""
    store = open_store(path)
    connection = store._open().writer
    connection.execute("BEGIN")
    ids = [(number, packed.split(b"\x00", 1)[0].decode()) for number, packed in connection.execute("SELECT number, packed FROM demographics ORDER BY number")]
    named = {name: _name(connection, name) for name in (kind_name(RECORD.name), kind_name(EDGE.name), index_name(EDGE.name, "record"))}
    connection.execute("DELETE FROM document")
    connection.execute("DELETE FROM document_index")
    state = orjson.dumps({"state": "x" * STATE_BYTES})
    rows = ((named[kind_name(RECORD.name)], id, b"[]", 0, orjson.dumps(_head(id, number, persons)) + b"\n" + state) for number, id in ids)
    connection.executemany("INSERT INTO document (kind, key, indexes, deflated, body) VALUES (?, ?, ?, ?, ?)", sorted(rows, key=lambda row: row[1]))
    rows = ((named[kind_name(EDGE.name)], edge["id"], b"[]", 0, orjson.dumps(edge)) for edge in edges)
    connection.executemany("INSERT INTO document (kind, key, indexes, deflated, body) VALUES (?, ?, ?, ?, ?)", rows)
    connection.execute("INSERT OR REPLACE INTO counter VALUES (?, ?)", (kind_name(EDGE.name), len(edges)))
    connection.execute("COMMIT")
    store.close()


def _head(id, number, persons):
    return {"id": id, "number": number, "organisation": "RTK", "first_key": id, "first_event": "2026-01-01", "person": f"person-{persons[id] if persons else number}"}


def _name(connection, text):
    connection.execute("INSERT OR IGNORE INTO name (text) VALUES (?)", (text,))
    return connection.execute("SELECT id FROM name WHERE text = ?", (text,)).fetchone()[0]
