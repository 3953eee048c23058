"""The engine, open: snapshots in read transactions, and group commits behind one sequencer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from bson import Int64
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from app.errors import StoreUnavailable
from app.principal import SYSTEM, Principal
from app.store.contract import Change, Failed, StoreFacts
from app.store.mongo import dump
from app.store.mongo.committing import Committer
from app.store.mongo.connection import READING, check_server, connect, disconnect, reached
from app.store.mongo.reader import Reader
from app.store.mongo.schema import SEARCH_TYPE, Collections, open_collections
from app.store.mongo.searching import PURGED
from app.store.mongo.snapshot import SEQUENCER, MongoSnapshot
from app.store.mongo.values import OPEN, Raw, instant, microseconds
from app.store.turns import Call, Turns

T = TypeVar("T")

_PURGED_AT_ONCE = 5_000


def _now() -> int:
    return time.time_ns() // 1_000_000


def open_store(
    uri: str, *, clock: Callable[[], int] = _now, timeout: float = 10.0, query_limit: float = 5.0, pool: int = 100
) -> MongoStore:  # fmt: skip
    """The store in the database that the URI names (``weald`` where it names none), made where it is missing.

    ``clock`` gives milliseconds since 1970. ``timeout`` bounds the wait for the server and for other writers, ``query_limit`` that
    for one query, in seconds. SettingsError where the URI or the server is not fit; StoreUnavailable where it cannot be reached.
    """
    alias, client, _ = connect(uri, timeout, pool)
    try:
        with reached():
            version = check_server(client)
            collections = open_collections(alias)
            collections.sequence.update_one({"_id": SEQUENCER}, {"$setOnInsert": {"n": Int64(0), "at": ""}}, upsert=True)
    except BaseException:
        disconnect(alias)
        raise
    return MongoStore(alias, client, collections, version, Limits(clock, timeout, int(query_limit * 1000)))


@dataclass(frozen=True, slots=True)
class Limits:
    """The clock and how long the store waits."""

    clock: Callable[[], int]
    timeout: float
    query_milliseconds: int


class MongoStore:
    """One database, open. Threads share it; processes open their own."""

    engine = "mongodb"

    def __init__(self, alias: str, client: MongoClient[Raw], collections: Collections, version: str, limits: Limits) -> None:
        self._alias, self._client, self._collections, self._version, self._limits = alias, client, collections, version, limits
        self._turns = Turns()
        self._committer = Committer(client, collections, limits.clock, limits.timeout)
        self._closed = False

    @contextmanager
    def snapshot(self, principal: Principal) -> Iterator[MongoSnapshot]:
        with reached(), self._reading() as reader:
            yield MongoSnapshot(reader, principal)

    @contextmanager
    def _reading(self, milliseconds: int | None = None) -> Iterator[Reader]:
        """Reads of one moment: the first fixes it."""
        self._refuse_closed()
        limit = self._limits.query_milliseconds if milliseconds is None else milliseconds
        with self._client.start_session() as session:
            session.start_transaction(**READING)
            try:
                yield Reader(self._collections, session, limit)
            finally:
                session.abort_transaction()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")

    # writing

    def apply(self, principal: Principal, changes: Sequence[Change[T]]) -> list[T | Failed]:
        self._refuse_closed()
        return self._turns.take(Call(principal, changes), self._committer.commit)

    # operation

    def facts(self) -> StoreFacts:
        with self.snapshot(SYSTEM) as snapshot:
            commit = snapshot.commit
        counts: dict[str, int] = {}
        with reached():
            for name, collection in self._collections.documents.items():
                if number := collection.estimated_document_count():
                    counts[f"kind:{name}"] = number
            for type in self._collections.resource.distinct("type"):
                counts[f"type:{type}"] = self._collections.search.count_documents({"type": type, "stop": OPEN}, hint=SEARCH_TYPE)
        return StoreFacts(self.engine, self._version, commit, counts)

    def check(self) -> None:
        self._refuse_closed()
        with reached():
            self._collections.sequence.update_one({"_id": "probe"}, {"$inc": {"n": Int64(1)}}, upsert=True)

    def purge(self, before: str) -> int:
        self._refuse_closed()
        cut = instant(microseconds(before) // 1000)
        with reached():
            last = self._collections.commit.find_one({"at": {"$lte": cut}}, sort=[("at", -1)])
            if last is None:
                return 0
            self._collections.commit.delete_many({"_id": {"$lt": last["_id"]}})
            self._collections.sequence.update_one({"_id": PURGED}, {"$max": {"n": last["_id"]}}, upsert=True)
            ended: Raw = {"stop": {"$lt": last["_id"] + 1}}
            search = self._collections.search
            dropped = sum(self._drop(search, {"type": type, **ended}) for type in self._collections.resource.distinct("type"))
            return dropped + self._drop(self._collections.spread, ended)

    def _drop(self, collection: Collection[Raw], condition: Raw) -> int:
        dropped, found = 0, _PURGED_AT_ONCE
        while found == _PURGED_AT_ONCE:
            ended = [row["_id"] for row in collection.find(condition, {"_id": 1}, limit=_PURGED_AT_ONCE)]
            found = len(ended)
            dropped += collection.delete_many({"_id": {"$in": ended}}).deleted_count if ended else 0
        return dropped

    def dump(self) -> Iterator[tuple[str, str, bytes]]:
        with reached(), self._reading(0) as reader:
            yield from dump.lines(reader)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            with suppress(PyMongoError):
                self._committer.close()
            disconnect(self._alias)
