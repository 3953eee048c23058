"""The engines the contract is put to. An engine joins by adding its opener to ENGINES; nothing else of the suite names one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.store.contract import Store
from app.store import mongo
from app.store.sqlite import open_store
from tests.contract.mongo_server import database_uri

Clock = Callable[[], int]
"""Milliseconds since 1970."""
Opener = Callable[[Path, Clock], Store]
"""Opens the store that belongs to a folder, the same store each time."""


def open_sqlite(folder: Path, clock: Clock) -> Store:
    return open_store(folder / "weald.db", clock=clock)


def open_mongo(folder: Path, clock: Clock) -> Store:
    return mongo.open_store(database_uri(folder), clock=clock)


ENGINES: dict[str, Opener] = {"mongo": open_mongo, "sqlite": open_sqlite}
