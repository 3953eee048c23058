"""A group's writes as batches for the server: one bulk write a collection, inside the group's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

from bson import Int64
from bson.raw_bson import RawBSONDocument
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.collection import Collection

from app.store.mongo.blocks import Chunks, chunk_document, chunk_id, chunks_from
from app.store.mongo.entries import SPREAD
from app.store.mongo.reader import Reader
from app.store.mongo.transaction import Known, number_id
from app.store.mongo.unit import Layer, Saved
from app.store.mongo.values import GONE, NOBODY, OPEN, Raw

Write: TypeAlias = InsertOne[Any] | ReplaceOne[Any] | UpdateOne | UpdateMany | DeleteOne

_OPEN = Int64(OPEN)
_SPREADING = frozenset(type for type, _ in SPREAD)


class Flush:
    """The writes of one group, collection by collection."""

    def __init__(self, reader: Reader, known: Known, layer: Layer) -> None:
        self._reader = reader
        self._known = known
        self._layer = layer
        self._batches: dict[str, tuple[Collection[Raw], list[Write]]] = {}
        self._keepers: list[tuple[Raw, Raw]] = []

    def write(self, beat: Callable[[], None]) -> None:
        """Send everything; the transaction is left open. ``beat`` is called between the batches."""
        self._documents()
        self._numbers()
        self._records()
        self._blocks()
        for key, versions in self._layer.resources.items():
            self._resource(key, versions)
        self._spread()
        for collection, writes in self._batches.values():
            if writes:
                beat()
                collection.bulk_write(writes, ordered=False, session=self._reader.session)
        for condition, change in self._keepers:
            self._reader.collections.search.update_many(condition, {"$set": change}, session=self._reader.session)

    def _add(self, collection: Collection[Raw], *writes: Write) -> None:
        self._batches.setdefault(collection.name, (collection, []))[1].extend(writes)

    def _put(self, collection: Collection[Raw], id: str | int | bytes, document: Raw | RawBSONDocument, *, new: bool) -> None:
        self._add(collection, InsertOne(document) if new else ReplaceOne({"_id": id}, document, upsert=True))

    # documents, numbers, blocks

    def _documents(self) -> None:
        for kind, documents in self._layer.documents.items():
            collection = self._reader.collections.documents[kind]
            for key, kept in documents.items():
                if kept is None:
                    self._add(collection, DeleteOne({"_id": key}))
                else:
                    self._put(collection, key, kept.raw, new=self._known.is_absent(collection.name, key))

    def _numbers(self) -> None:
        for name, number in self._layer.numbers.items():
            self._put(self._reader.collections.sequence, number_id(name), {"_id": number_id(name), "n": Int64(number)}, new=False)

    def _records(self) -> None:
        collection = self._reader.collections.demographics
        for number, record in self._layer.records.items():
            if record is None:
                self._add(collection, DeleteOne({"_id": number}))
            else:
                self._put(collection, number, record.raw, new=self._known.is_absent(collection.name, number))

    def _blocks(self) -> None:
        changes = {key: self._net(key, members) for key, members in self._layer.members.items()}
        changes = {key: change for key, change in changes.items() if change[0] or change[1]}
        blocks = self._known.blocks(list(changes), 1)
        self._read_missing(blocks, changes)
        for key, (added, removed) in changes.items():
            self._block(key, blocks[key], added, removed)

    def _net(self, key: int, members: dict[int, bool]) -> tuple[list[int], list[int]]:
        """The numbers to add to a block and to remove from it, as against what the server has."""
        added: list[int] = []
        removed: list[int] = []
        for number, wanted in members.items():
            if wanted != (key in self._known.record_keys(number)):
                (added if wanted else removed).append(number)
        return added, removed

    def _read_missing(self, blocks: dict[int, Chunks], changes: dict[int, tuple[list[int], list[int]]]) -> None:
        missing = [
            chunk_id(key, chunk) for key, (_, removed) in changes.items() for chunk in blocks[key].missing(removing=bool(removed))
        ]  # fmt: skip
        found = chunks_from(list(self._reader.many(self._reader.collections.block, missing).values())) if missing else {}
        for key, block in found.items():
            blocks[key].parts.update(block.parts)

    def _block(self, key: int, block: Chunks, added: Sequence[int], removed: Sequence[int]) -> None:
        collection, was_empty = self._reader.collections.block, block.size == 0
        for chunk in sorted(block.change(added, removed)):
            if block.parts.get(chunk):
                self._put(collection, chunk_id(key, chunk), chunk_document(key, chunk, block), new=was_empty)
            elif not was_empty:
                self._add(collection, DeleteOne({"_id": chunk_id(key, chunk)}))

    # resources

    def _resource(self, key: str, versions: Sequence[Saved]) -> None:
        """Superseded versions go to history, the last is current, and its entries are the open ones."""
        collections = self._reader.collections
        held = self._known.one(collections.resource.name, key)
        for earlier, later in pairwise([*([held] if held else []), *(saved.raw for saved in versions)]):
            if earlier["version"] != later["version"]:
                self._add(collections.version, InsertOne(_superseded(earlier, later["at"])))
        last = versions[-1]
        self._put(collections.resource, key, last.raw, new=held is None)
        if held is not None and not held["deleted"]:
            self._add(collections.search, UpdateOne({"_id": f"{key}/{held['entered']}"}, {"$set": {"stop": Int64(versions[0].start)}}))
        self._entries(versions)
        if held is not None:
            self._keeper(key, held, versions)

    def _entries(self, versions: Sequence[Saved]) -> None:
        """The entries of each version, those of all but the last already ended."""
        last, custodians = versions[-1], _custodians(versions)
        for saved, later in pairwise(versions):
            if saved.entries is not None:
                ended = {"stop": Int64(later.start), "custodian": custodians[saved.resource.version], "keeper": _found_by(last)}
                self._add(self._reader.collections.search, InsertOne({**saved.entries.document, **ended}))
        if last.raw_entries is not None:
            self._add(self._reader.collections.search, InsertOne(last.raw_entries))

    def _keeper(self, key: str, held: Raw, versions: Sequence[Saved]) -> None:
        """Earlier entries are found by whoever may see the resource now, those of a deleted one by nobody.

        A version that was given another custodian has it in all its entries.
        """
        version, found_by = held["version"], _found_by(versions[-1])
        custodian = _custodians(versions).get(version, held["custodian"])
        if custodian != held["custodian"]:
            self._keepers.append(({"key": key, "version": version}, {"custodian": custodian}))
        if found_by != (GONE if held["deleted"] else held["custodian"]):
            self._keepers.append(({"key": key}, {"keeper": found_by}))

    def _spread(self) -> None:
        """Open the spread values that are new, close those that are gone, and leave the rest."""
        collection = self._reader.collections.spread
        last = {key: versions[-1] for key, versions in self._layer.resources.items() if versions[-1].resource.type in _SPREADING}
        spreading = list(last)
        held: dict[str, dict[str, Any]] = {key: {} for key in spreading}
        for document in self._reader.all(collection, {"key": {"$in": spreading}, "stop": _OPEN}) if spreading else ():
            held[document["key"]][document["token"]] = document["_id"]
        for key in spreading:
            entries = last[key].entries
            wanted = entries.spread if entries else frozenset()
            start = Int64(last[key].start)
            gone = [id for token, id in held[key].items() if token not in wanted]
            if gone:
                self._add(collection, UpdateMany({"_id": {"$in": gone}}, {"$set": {"stop": start}}))
            new = sorted(wanted - held[key].keys())
            self._add(collection, *(InsertOne({"token": token, "key": key, "start": start, "stop": _OPEN}) for token in new))


def _custodians(versions: Sequence[Saved]) -> dict[int, str]:
    """The custodian of each version written, the last one it was given."""
    return {saved.resource.version: saved.resource.custodian or NOBODY for saved in versions}


def _found_by(last: Saved) -> str:
    """Whose searches find the earlier entries of a resource that now is as ``last`` says."""
    return GONE if last.resource.deleted else last.resource.custodian or NOBODY


def _superseded(document: Mapping[str, Any], until: str) -> Raw:
    """The same version as it is kept in history."""
    kept = {name: value for name, value in document.items() if name not in {"digest", "entered"}}
    return {**kept, "_id": f"{document['key']}/{document['version']}", "until": until}
