"""The embedded store engine on SQLite: one file, one writer at a time, many reading processes."""

from app.store.sqlite.store import SqliteStore, open_store

__all__ = ["SqliteStore", "open_store"]
