"""A store in a database of its own on the session's server."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import pymongo
import pytest

from app.store.mongo import MongoStore, open_store
from tests.contract.conftest import Clock
from tests.contract.mongo_server import server_uri

_numbers = itertools.count()


@pytest.fixture
def uri() -> Iterator[str]:
    name = f"weald_unit_{os.getpid()}_{next(_numbers)}"
    yield f"{server_uri()}/{name}"
    with pymongo.MongoClient(server_uri()) as client:
        for each in client.list_database_names():
            if each.startswith(name):
                if left := [{"id": writer["_id"]} for writer in client[each].writer.find()]:
                    client.admin.command("killSessions", left)
                client.drop_database(each)


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
