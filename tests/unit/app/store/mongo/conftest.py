"""A store in a database of its own on the session's server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.store.mongo import MongoStore, open_store
from tests.contract.conftest import Clock
from tests.contract.mongo_server import database_uri


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return database_uri(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def new_store(uri: str, clock: Clock) -> Iterator[Callable[..., MongoStore]]:
    """Opens the one database, each time anew, or one beside it."""
    opened: list[MongoStore] = []

    def make(beside: str = "") -> MongoStore:
        opened.append(open_store(uri + beside, clock=clock))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(new_store: Callable[..., MongoStore]) -> MongoStore:
    return new_store()
