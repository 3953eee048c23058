"""The engines the contract is put to. An engine joins by adding its opener to ENGINES; nothing else of the suite names one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from app.store import mongo
from app.store.contract import Store
from app.store.sqlite import open_store
from tests.contract.mongo_server import database_uri, server_uri

Clock = Callable[[], int]
"""Milliseconds since 1970."""
Opener = Callable[[Path, Clock], Store]
"""Opens the store that belongs to a folder, the same store each time."""


def open_sqlite(folder: Path, clock: Clock) -> Store:
    return open_store(folder / "weald.db", clock=clock)


_MOST_OPEN = 40
"""A Hypothesis test opens a store an example and closes none before its end, which no server's connections last for."""
_opened: deque[Store] = deque()


def open_mongo(folder: Path, clock: Clock) -> Store:
    """The store in a database named after the folder; one opened long before in the same test is closed."""
    while len(_opened) >= _MOST_OPEN:
        _opened.popleft().close()
    _opened.append(mongo.open_store(database_uri(folder), clock=clock))
    return _opened[-1]


ENGINES: dict[str, Opener] = {"mongo": open_mongo, "sqlite": open_sqlite}


def environment(engine: str) -> dict[str, str]:
    """What another process needs to open the same stores; it must end without its exit handlers."""
    return {"WEALD_TEST_MONGODB": server_uri()} if engine == "mongo" else {}
