"""Reads of raw documents in one session, each bounded in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from app.store.contract import Kind
from app.store.mongo.blocks import Chunks, chunk_id, chunks_from
from app.store.mongo.schema import Collections
from app.store.mongo.values import Raw

Id = TypeVar("Id", bound=str | int | bytes)

_AT_ONCE = 10_000


class Reader:
    """The collections as one session sees them."""

    __slots__ = ("collections", "session", "time_limit")

    def __init__(self, collections: Collections, session: ClientSession, time_limit: int) -> None:
        self.collections = collections
        self.session = session
        self.time_limit = time_limit

    def one(self, collection: Collection[Raw], id: str | int | bytes) -> Raw | None:
        return collection.find_one({"_id": id}, session=self.session, max_time_ms=self.time_limit)

    def many(self, collection: Collection[Raw], ids: Iterable[Id], **options: Any) -> dict[Id, Raw]:
        """The documents with these ``_id``s, by it."""
        wanted = list(dict.fromkeys(ids))
        found: dict[Id, Raw] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            for document in self.all(collection, {"_id": {"$in": wanted[start : start + _AT_ONCE]}}, **options):
                found[document["_id"]] = document
        return found

    def all(self, collection: Collection[Raw], condition: Raw, **options: Any) -> Iterator[Raw]:
        """What ``find`` gives; ``options`` are its own."""
        return iter(collection.find(condition, session=self.session, max_time_ms=self.time_limit, **options))

    def aggregate(self, collection: Collection[Raw], pipeline: Sequence[Raw], hint: str | None = None) -> list[Raw]:
        options: dict[str, Any] = {"hint": hint} if hint else {}
        return list(collection.aggregate(pipeline, session=self.session, maxTimeMS=self.time_limit, **options))

    def count(self, collection: Collection[Raw], condition: Raw, hint: str | None = None) -> int:
        found = self.aggregate(collection, [{"$match": condition}, {"$count": "n"}], hint)
        return int(found[0]["n"]) if found else 0

    def documents(self, kind: Kind) -> Collection[Raw]:
        return self.collections.of(kind)

    def blocks(self, keys: Sequence[int], chunks: int) -> dict[int, Chunks]:
        """The first chunks of each key that has a block; one round trip."""
        ids = [chunk_id(key, chunk) for key in keys for chunk in range(chunks)]
        return chunks_from(list(self.many(self.collections.block, ids).values()))
