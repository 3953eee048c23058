"""The tables, as numbered steps that lead an older store forward.

``name`` numbers the names of types, parameters, kinds and their indexes. A ``slot`` is what an index row
stands under: a parameter, the kind of value, and what qualifies it (a token's system, an Identifier's
type); of dates it also tells the longest range ever held, and whether a resource ever had several. Index rows carry the commit numbers [start, stop) they are valid in; ``stop`` is null while open.
``mark`` bits: 1 lowest and 2 highest value of the parameter in the resource, 4 the only date. A string's
row holds its exact form too where lower case alone leads from that to the value; others have a row of their own.
"""

from __future__ import annotations

import sqlite3

from app.errors import SettingsError

APPLICATION_ID = 0x5765616C
"""``Weal``: tells a Weald store from any other SQLite file."""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
        """CREATE TABLE slot (
            id INTEGER PRIMARY KEY, param INTEGER NOT NULL, kind INTEGER NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL,
            longest INTEGER NOT NULL DEFAULT 0, several INTEGER NOT NULL DEFAULT 0, UNIQUE (param, kind, a, b))""",
        "CREATE TABLE fact (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE number (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE commits (number INTEGER PRIMARY KEY, instant INTEGER NOT NULL)",
        "CREATE UNIQUE INDEX commits_instant ON commits (instant)",
        """CREATE TABLE resource (
            rid INTEGER PRIMARY KEY, type INTEGER NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, start INTEGER NOT NULL,
            last_updated TEXT NOT NULL, deleted INTEGER NOT NULL, custodian TEXT, digest BLOB NOT NULL, rows BLOB NOT NULL,
            more_rows BLOB, summary BLOB, deflated INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (type, id))""",
        """CREATE TABLE past (
            rid INTEGER NOT NULL REFERENCES resource (rid), version INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL,
            last_updated TEXT NOT NULL, deleted INTEGER NOT NULL, custodian TEXT, rows BLOB NOT NULL,
            more_rows BLOB, summary BLOB, deflated INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (rid, version))""",
        """CREATE TABLE lifetime (
            rid INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER, type INTEGER NOT NULL, version INTEGER NOT NULL,
            deleted INTEGER NOT NULL, custodian TEXT, present TEXT NOT NULL, PRIMARY KEY (rid, start)) WITHOUT ROWID""",
        "CREATE INDEX lifetime_commit ON lifetime (type, start, stop, deleted, custodian)",
        """CREATE TABLE entry (
            slot INTEGER NOT NULL, value TEXT NOT NULL, rid INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER,
            mark INTEGER NOT NULL, exact TEXT, PRIMARY KEY (slot, value, rid, start)) WITHOUT ROWID""",
        "CREATE INDEX entry_ended ON entry (stop) WHERE stop IS NOT NULL",
        """CREATE TABLE date (
            slot INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, rid INTEGER NOT NULL, start INTEGER NOT NULL,
            stop INTEGER, mark INTEGER NOT NULL, PRIMARY KEY (slot, low, high, rid, start)) WITHOUT ROWID""",
        "CREATE INDEX date_high ON date (slot, high, low, rid, start, stop, mark)",
        "CREATE INDEX date_rid ON date (rid, slot, low, high, start, stop)",
        "CREATE INDEX date_ended ON date (stop) WHERE stop IS NOT NULL",
        """CREATE TABLE document (
            number INTEGER PRIMARY KEY, kind INTEGER NOT NULL, key TEXT NOT NULL, indexes BLOB NOT NULL,
            deflated INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (kind, key))""",
        """CREATE TABLE document_index (
            slot INTEGER NOT NULL, value TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (slot, value, key)) WITHOUT ROWID""",
        "CREATE TABLE block (key INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (key, number)) WITHOUT ROWID",
        "CREATE TABLE demographics (number INTEGER PRIMARY KEY, keys BLOB NOT NULL, packed BLOB NOT NULL)",
        "CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), value INTEGER NOT NULL)",
        "INSERT INTO probe VALUES (1, 0)",
    ),
    (
        # Until now a version's lifetime had the custodian of the newest version; ``past`` always had its own.
        """UPDATE lifetime SET custodian = p.custodian FROM past p
            WHERE p.rid = lifetime.rid AND p.version = lifetime.version AND p.custodian IS NOT lifetime.custodian""",
    ),
    (
        # The index rows that a version had before it was given others.
        """CREATE TABLE former (
            rid INTEGER NOT NULL, start INTEGER NOT NULL, stop INTEGER NOT NULL, rows BLOB NOT NULL, more_rows BLOB, present TEXT NOT NULL,
            PRIMARY KEY (rid, start)) WITHOUT ROWID""",
        "CREATE INDEX former_ended ON former (stop)",
    ),
)
VERSION = len(STEPS)


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring the store to this code's version, a step a transaction; SettingsError where it is newer or not Weald's."""
    version = _version(connection)
    for number, step in enumerate(STEPS[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        for statement in step:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    owner: int = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    if owner != APPLICATION_ID and not (empty and version == 0):
        raise SettingsError("store: the file named is an SQLite database that is not Weald's; name another path")
    if version > VERSION:
        raise SettingsError(
            f"store: this file has schema version {version}, newer than the {VERSION} this Weald knows; start the Weald that wrote it"
        )
    return version
