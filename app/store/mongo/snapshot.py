"""Reading: a consistent view in one session's read transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.principal import Principal
from app.search.criteria import Query
from app.store.contract import Block, Hits, Kind, StoredResource
from app.store.mongo.blocks import block_seen, chunks_for
from app.store.mongo.reader import Reader
from app.store.mongo.searching import NOTHING_PENDING, Search, visible
from app.store.mongo.values import Raw, get_bytes, index_term, instant, microseconds, place, resource_key, stored_resource

SEQUENCER = "commit"
_SCANNED = 1000


def terms_of(kind: Kind, index: str, values: Sequence[str]) -> list[str]:
    """The terms of these values; ValueError where the kind has no such index."""
    if index not in kind.indexes:
        raise ValueError(f"{kind.name} has no index {index}")
    return [index_term(index, value) for value in values]


class MongoSnapshot:
    """The store as of one commit, for one Principal."""

    def __init__(self, reader: Reader, principal: Principal) -> None:
        self._reader = reader
        self._commit: int | None = None
        self.principal = principal

    @property
    def commit(self) -> int:
        """The commit this view is as of; read in the view itself, when first asked for."""
        if self._commit is None:
            held = self._reader.one(self._reader.collections.sequence, SEQUENCER)
            self._commit = held["n"] if held else 0
        return self._commit

    @commit.setter
    def commit(self, number: int) -> None:
        self._commit = number

    # documents

    def get(self, kind: Kind, key: str) -> bytes | None:
        held = self._reader.one(self._reader.documents(kind), key)
        return get_bytes(held, "body") if held else None

    def get_many(self, kind: Kind, keys: Sequence[str]) -> dict[str, bytes]:
        held = self._reader.many(self._reader.documents(kind), keys)
        return {key: get_bytes(document, "body") for key, document in held.items()}

    def find(self, kind: Kind, index: str, values: Sequence[str], *, limit: int | None = None) -> list[tuple[str, bytes]]:
        terms = terms_of(kind, index, values)
        if not terms or limit == 0:
            return []
        condition: Raw = {"ix": terms[0] if len(terms) == 1 else {"$in": terms}}
        found = self._reader.all(self._reader.documents(kind), condition, sort=[("_id", 1)], limit=limit or 0)
        return [(document["_id"], get_bytes(document, "body")) for document in found]

    def scan(self, kind: Kind, *, after: str = "", limit: int = _SCANNED) -> list[tuple[str, bytes]]:
        condition: Raw = {"_id": {"$gt": after}} if after else {}
        found = self._reader.all(self._reader.documents(kind), condition, sort=[("_id", 1)], limit=limit) if limit > 0 else ()
        return [(document["_id"], get_bytes(document, "body")) for document in found]

    def count(self, kind: Kind, index: str | None = None, value: str | None = None) -> int:
        return self._reader.count(self._reader.documents(kind), counted(kind, index, value))

    # blocks

    def candidates(self, keys: Sequence[int], cap: int) -> dict[int, Block]:
        read = self._reader.blocks(keys, chunks_for(cap + 1))
        blocks = {key: block_seen(block, cap, {}, {}) for key, block in read.items()}
        return {key: block for key, block in blocks.items() if block is not None}

    def demographics(self, numbers: Sequence[int]) -> dict[int, bytes]:
        found = self._reader.many(self._reader.collections.demographics, numbers)
        return {number: bytes(document["packed"]) for number, document in found.items()}

    # resources

    def resource(self, type: str, id: str) -> StoredResource | None:
        held = self._reader.one(self._reader.collections.resource, resource_key(type, id))
        return stored_resource(held) if held and self._sees(held) else None

    def resources(self, type: str, ids: Sequence[str]) -> dict[str, StoredResource]:
        found = self._reader.many(self._reader.collections.resource, [resource_key(type, id) for id in ids])
        return {held["id"]: stored_resource(held) for held in found.values() if self._sees(held)}

    def version(self, type: str, id: str, version: int) -> StoredResource | None:
        held = self._reader.one(self._reader.collections.resource, resource_key(type, id))
        if held is not None and held["version"] != version:
            held = self._reader.one(self._reader.collections.version, f"{resource_key(type, id)}/{version}")
        return stored_resource(held) if held and self._sees(held) else None

    def _sees(self, held: Raw) -> bool:
        return self.principal.sees(held["custodian"] or None)

    def history(
        self, type: str | None = None, id: str | None = None, *, since: str | None = None, at: str | None = None,
        limit: int = 50, after: tuple[int, str, str] | None = None,
    ) -> list[StoredResource]:  # fmt: skip
        condition = self._history_condition(type, id, since, after)
        pin = None if at is None else instant(microseconds(at) // 1000)
        return [stored_resource(held) for held in self._versions(condition, pin, limit)[:limit]]

    def _history_condition(self, type: str | None, id: str | None, since: str | None, after: tuple[int, str, str] | None) -> Raw:
        condition: Raw = visible(self.principal, "custodian")
        if type is not None and id is not None:
            condition["key"] = resource_key(type, id)
        elif type is not None:
            condition["type"] = type
        if after is not None:
            condition["place"] = {"$lt": place(*after)}
        if since is not None:
            condition["at"] = {"$gte": instant(-(-microseconds(since) // 1000))}
        return condition

    def _versions(self, condition: Raw, pin: str | None, limit: int) -> list[Raw]:
        """The first versions of the history, newest first, from current and superseded ones."""
        current, past = dict(condition), dict(condition)
        if "key" in current:
            current["_id"] = current.pop("key")
        if pin is not None:
            current["at"] = past["at"] = {**condition.get("at", {}), "$lte": pin}
            past["until"] = {"$gt": pin}
        options: dict[str, Any] = {"sort": [("place", -1)], "limit": limit}
        if limit < 1:
            return []
        found = [
            *self._reader.all(self._reader.collections.resource, current, **options),
            *self._reader.all(self._reader.collections.version, past, **options),
        ]
        return sorted(found, key=lambda held: str(held["place"]), reverse=True)

    # search

    def search(self, query: Query) -> Hits:
        return Search(self._reader, self.principal, self.commit, query, NOTHING_PENDING).hits()

    def explain(self, query: Query) -> list[str]:
        return Search(self._reader, self.principal, self.commit, query, NOTHING_PENDING).plan()


def counted(kind: Kind, index: str | None, value: str | None) -> Raw:
    """The condition of the documents that ``count`` counts."""
    if index is None:
        return {}
    if value is not None:
        return {"ix": terms_of(kind, index, [value])[0]}
    (prefix,) = terms_of(kind, index, [""])
    return {"ix": {"$elemMatch": {"$gte": prefix, "$lt": prefix[:-1] + "\x01"}}}
