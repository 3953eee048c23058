"""Writing: changes that see their own writes, kept in memory until the group goes to the server."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import blake2b
from typing import Any, TypeVar

import orjson
from bson import Int64

from app.errors import StoreUnavailable, WealdError
from app.principal import Principal
from app.search.criteria import Entries, Query
from app.store.content import Content
from app.store.contract import Block, Change, Failed, Hits, Kind, StoredResource
from app.store.mongo.blocks import Chunks, block_seen, chunks_for
from app.store.mongo.entries import indexed
from app.store.mongo.reader import Reader
from app.store.mongo.searching import Pending, Search
from app.store.mongo.snapshot import MongoSnapshot, counted, terms_of
from app.store.mongo.unit import Kept, Layers, Record, Saved
from app.store.mongo.values import (
    Raw,
    encoded,
    get_bytes,
    index_terms,
    instant,
    pack_numbers,
    put_bytes,
    resource_document,
    resource_key,
    stored_resource,
    unpack_numbers,
)  # fmt: skip

T = TypeVar("T")

NUMBER = "number/"
_HALF = 16
_UNREAD: Raw = {}


class InNextCommit(Exception):
    """A change touches a resource that another change of this commit has written: it runs again in the next commit."""


class Known:
    """What a transaction has read: its view does not move, so nothing is read twice."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._held: dict[tuple[str, str | int], Raw | None] = {}
        self._blocks: dict[int, Chunks] = {}
        self._chunks = 0

    def one(self, collection: str, id: str | int) -> Raw | None:
        if (collection, id) not in self._held:
            self.many(collection, [id])
        return self._held[collection, id]

    def many(self, collection: str, ids: Sequence[str | int]) -> dict[str | int, Raw]:
        """The documents with these ``_id``s that exist."""
        unread = [id for id in ids if (collection, id) not in self._held]
        if unread:
            found = self._reader.many(self._reader.collections.database[collection], unread)
            self._held.update({(collection, id): found.get(id) for id in unread})
        return {id: held for id in ids if (held := self._held[collection, id]) is not None}

    def is_absent(self, collection: str, id: str | int) -> bool:
        """True where it has been read that the server holds no such document."""
        return self._held.get((collection, id), _UNREAD) is None

    def blocks(self, keys: Sequence[int], chunks: int) -> dict[int, Chunks]:
        """The blocks with at least their first ``chunks`` chunks read; an empty one for a key without."""
        if chunks > self._chunks:
            self._blocks, self._chunks = {}, chunks
        unread = [key for key in keys if key not in self._blocks]
        if unread:
            found = self._reader.blocks(unread, self._chunks)
            self._blocks.update({key: found.get(key) or Chunks() for key in unread})
        return {key: self._blocks[key] for key in keys}

    def record_keys(self, number: int) -> frozenset[int]:
        """The blocking keys that the server has for a record."""
        held = self.one(self._reader.collections.demographics.name, number)
        return frozenset(unpack_numbers(held["keys"])) if held else frozenset()


class MongoTransaction(MongoSnapshot):
    """A snapshot that writes. ``now`` and ``commit`` are those that the commit will have."""

    def __init__(self, reader: Reader, principal: Principal, last: int, milliseconds: int) -> None:
        super().__init__(reader, principal)
        self.known = Known(reader)
        self.layers = Layers()
        self._milliseconds = milliseconds
        self._number(last + 1)

    def _number(self, commit: int) -> None:
        self.commit, self.now = commit, instant(self._milliseconds)

    # a group of changes

    @contextmanager
    def caller(self) -> Iterator[None]:
        """One caller's changes: what they wrote is undone where one breaks."""
        before = self.commit, self._milliseconds
        self.layers.push()
        try:
            yield
        except BaseException:
            self.layers.drop()
            commit, self._milliseconds = before
            self._number(commit)
            raise
        self.layers.merge()

    def run(self, principal: Principal, change: Change[T]) -> T | Failed:
        """The change's result, or Failed where it was refused and left nothing."""
        self.principal = principal
        try:
            return self._run(change)
        except InNextCommit:
            self._milliseconds += 1
            self._number(self.commit + 1)
            return self._run(change)

    def _run(self, change: Change[T]) -> T | Failed:
        self.layers.push()
        try:
            result: T | Failed = change(self)
        except BaseException as refusal:
            self.layers.drop()
            if isinstance(refusal, WealdError) and not isinstance(refusal, StoreUnavailable):
                return Failed(refusal)
            raise
        self.layers.merge()
        return result

    # documents

    def _collection(self, kind: Kind) -> str:
        return self._reader.documents(kind).name

    def put(self, kind: Kind, key: str, body: bytes, index: Mapping[str, Sequence[str]] | None = None) -> None:
        if unknown := (index or {}).keys() - set(kind.indexes):
            raise ValueError(f"{kind.name} has no index {sorted(unknown)}")
        terms = index_terms(index or {})
        document: Raw = {"_id": key, "ix": terms}
        put_bytes(document, "body", body)
        self.layers.top.put(kind.name, key, Kept(body, tuple(terms), encoded(document)))

    def remove(self, kind: Kind, key: str) -> None:
        written, kept = self.layers.document(kind.name, key)
        if kept is not None or (not written and self.known.one(self._collection(kind), key) is not None):
            self.layers.top.put(kind.name, key, None)

    def get(self, kind: Kind, key: str) -> bytes | None:
        written, kept = self.layers.document(kind.name, key)
        if written:
            return kept.body if kept else None
        held = self.known.one(self._collection(kind), key)
        return get_bytes(held, "body") if held else None

    def get_many(self, kind: Kind, keys: Sequence[str]) -> dict[str, bytes]:
        written = {key: kept for key in keys for found, kept in [self.layers.document(kind.name, key)] if found}
        held = self.known.many(self._collection(kind), [key for key in keys if key not in written])
        bodies = {str(key): get_bytes(document, "body") for key, document in held.items()}
        return bodies | {key: kept.body for key, kept in written.items() if kept}

    def find(self, kind: Kind, index: str, values: Sequence[str], *, limit: int | None = None) -> list[tuple[str, bytes]]:
        more = None if limit is None else limit + self.layers.most_written(kind.name)
        stored = [hit for hit in super().find(kind, index, values, limit=more) if not self.layers.is_written(kind.name, hit[0])]
        own = self.layers.having(kind.name, terms_of(kind, index, values))
        return sorted([*stored, *((key, kept.body) for key, kept in own.items())])[:limit]

    def scan(self, kind: Kind, *, after: str = "", limit: int = 1000) -> list[tuple[str, bytes]]:
        written = self.layers.written(kind.name)
        stored = [hit for hit in super().scan(kind, after=after, limit=limit + len(written)) if hit[0] not in written]
        own = [(key, kept.body) for key, kept in written.items() if kept and key > after]
        return sorted([*stored, *own])[:limit]

    def count(self, kind: Kind, index: str | None = None, value: str | None = None) -> int:
        stored = super().count(kind, index, value)
        written = self.layers.written(kind.name)
        if not written:
            return stored
        condition = {"$and": [{"_id": {"$in": list(written)}}, counted(kind, index, value)]}
        hidden = self._reader.count(self._reader.documents(kind), condition)
        prefix = "" if index is None else terms_of(kind, index, [value or ""])[0]
        own = [kept for kept in written.values() if kept and (index is None or _has(kept, prefix, whole=value is not None))]
        return stored - hidden + len(own)

    def next_number(self, name: str) -> int:
        last = self.layers.number(name)
        if last is None:
            held = self.known.one(self._reader.collections.sequence.name, number_id(name))
            last = held["n"] if held else 0
        self.layers.top.numbers[name] = last + 1
        self.layers.top.dirty = True
        return last + 1

    # blocks

    def put_blocks(self, number: int, keys: Sequence[int], demographics: bytes) -> None:
        wanted = frozenset(keys)
        raw = encoded({"_id": Int64(number), "keys": pack_numbers(sorted(wanted)), "packed": demographics})
        self.layers.top.put_record(number, Record(wanted, demographics, raw), self._keys_of(number))

    def remove_blocks(self, number: int) -> None:
        written, record = self.layers.record(number)
        if record is not None or (not written and self.known.one(self._reader.collections.demographics.name, number)):
            self.layers.top.put_record(number, None, self._keys_of(number))

    def _keys_of(self, number: int) -> frozenset[int]:
        written, record = self.layers.record(number)
        if written:
            return record.keys if record else frozenset()
        return self.known.record_keys(number)

    def candidates(self, keys: Sequence[int], cap: int) -> dict[int, Block]:
        overrides = {key: self.layers.members(key) for key in keys}
        removed = max((list(members.values()).count(False) for members in overrides.values()), default=0)
        seen: dict[int, Block] = {}
        for key, block in self.known.blocks(list(overrides), chunks_for(cap + 1 + removed)).items():
            base = {number: key in self.known.record_keys(number) for number in overrides[key]}
            if (found := block_seen(block, cap, overrides[key], base)) is not None:
                seen[key] = found
        return seen

    def demographics(self, numbers: Sequence[int]) -> dict[int, bytes]:
        written = {number: record for number in numbers for found, record in [self.layers.record(number)] if found}
        unwritten = [number for number in numbers if number not in written]
        held = self.known.many(self._reader.collections.demographics.name, unwritten)
        stored = {int(number): bytes(document["packed"]) for number, document in held.items()}
        return stored | {number: record.demographics for number, record in written.items() if record}

    # resources

    def _current(self, key: str) -> tuple[Saved | None, Raw | None]:
        """The current version as this transaction has saved it, else as the server holds it."""
        saved = self.layers.versions(key)
        return (saved[-1], None) if saved else (None, self.known.one(self._reader.collections.resource.name, key))

    def resource(self, type: str, id: str) -> StoredResource | None:
        saved, held = self._current(resource_key(type, id))
        found = saved.resource if saved else stored_resource(held) if held else None
        return found if found is not None and self.principal.sees(found.custodian) else None

    def resources(self, type: str, ids: Sequence[str]) -> dict[str, StoredResource]:
        self.known.many(self._reader.collections.resource.name, [resource_key(type, id) for id in ids])
        found = {id: self.resource(type, id) for id in dict.fromkeys(ids)}
        return {id: resource for id, resource in found.items() if resource is not None}

    def version(self, type: str, id: str, version: int) -> StoredResource | None:
        key = resource_key(type, id)
        own = [saved.resource for saved in self.layers.versions(key) if saved.resource.version == version]
        held = None if own else self.known.one(self._reader.collections.resource.name, key)
        if held is not None and held["version"] != version:
            held = self._reader.one(self._reader.collections.version, f"{key}/{version}")
        found = own[-1] if own else stored_resource(held) if held else None
        return found if found is not None and self.principal.sees(found.custodian) else None

    def _versions(self, condition: Raw, pin: str | None, limit: int) -> list[Raw]:
        """The server's versions and the transaction's own, which end those of the server that they follow."""
        written = self.layers.resource_keys()
        if not written:
            return super()._versions(condition, pin, limit)
        own = {key: _each_version(self.layers.versions(key)) for key in written}
        wanted = [key for key in written if condition.get("key", key) == key]
        found = [
            held for held in super()._versions({**condition, "key": {"$in": wanted}}, pin, limit + len(written)) if _stands(held, own, pin)
        ]
        if condition.get("key") not in own:
            found += super()._versions({"key": {"$nin": written}, **condition}, pin, limit)
        asked = {name: value for name, value in condition.items() if name not in {"key", "custodian"}}
        for key in wanted:
            versions = own[key] if pin is None else [version for version in own[key] if version.last_updated <= pin][-1:]
            seen = [version for version in versions if self.principal.sees(version.custodian)]
            found += [document for document in map(resource_document, seen) if _passes(document, asked)]
        return sorted(found, key=lambda held: str(held["place"]), reverse=True)

    def save(
        self, type: str, id: str, content: Content, entries: Entries, *, custodian: str | None, summary: Content | None = None
    ) -> tuple[StoredResource, bool]:
        key, digest = resource_key(type, id), digest_of(content, summary, entries, custodian)
        saved, held = self._current(key)
        current = saved.resource if saved else stored_resource(held) if held else None
        had = saved.digest if saved else held["digest"] if held else b""
        if current is not None and not current.deleted and had[:_HALF] == digest[:_HALF]:
            if had != digest:
                current = replace(current, custodian=custodian)
                self._save(key, current, digest, entries)
            return current, False
        version = self._next_version(key, current)
        short = summary.stamped(version, self.now) if summary else None
        body = content.stamped(version, self.now)
        new = StoredResource(type, id, version, self.now, False, custodian, self.commit, body, short)
        self._save(key, new, digest, entries)
        return new, True

    def _save(self, key: str, resource: StoredResource, digest: bytes, entries: Entries | None) -> None:
        raw = encoded({"_id": key, **resource_document(resource), "digest": digest, "entered": Int64(self.commit)})
        found = indexed(resource, entries, self.commit) if entries is not None else None
        self.layers.top.save(key, Saved(resource, digest, found, self.commit, raw, encoded(found.document) if found else None))

    def delete(self, type: str, id: str) -> StoredResource | None:
        key = resource_key(type, id)
        saved, held = self._current(key)
        current = saved.resource if saved else stored_resource(held) if held else None
        if current is None or current.deleted:
            return None
        version = self._next_version(key, current)
        gone = StoredResource(type, id, version, self.now, True, current.custodian, self.commit, b"")
        self._save(key, gone, b"", None)
        return gone

    def _next_version(self, key: str, current: StoredResource | None) -> int:
        if current is None:
            return 1
        if current.commit != self.commit:
            return current.version + 1
        if key not in self.layers.top.resources:
            raise InNextCommit
        return current.version

    # search

    def search(self, query: Query) -> Hits:
        return Search(self._reader, self.principal, self.commit, query, self._pending(query.type)).hits()

    def _pending(self, type: str) -> Pending:
        keys = [key for key in self.layers.resource_keys() if key.startswith(f"{type}/")]
        saved = {key: self.layers.versions(key)[-1] for key in keys}
        return Pending({key: last.entries for key, last in saved.items()}, lambda key: saved[key].resource)


def number_id(name: str) -> str:
    """The ``_id`` of a counter that changes draw from; the sequencer's cannot be drawn."""
    return NUMBER + name


def digest_of(content: Content, summary: Content | None, entries: Entries, custodian: str | None) -> bytes:
    """What was saved, in two halves: the bytes, and how they are found."""
    parts = (content.head, content.tail, *((summary.head, summary.tail) if summary else ()))
    hashed = blake2b(b"".join(b"%d:" % len(part) for part in parts), digest_size=_HALF)
    for part in parts:
        hashed.update(part)
    return hashed.digest() + blake2b(orjson.dumps([entries, custodian]), digest_size=_HALF).digest()


def _has(kept: Kept, term: str, *, whole: bool) -> bool:
    return term in kept.terms if whole else any(each.startswith(term) for each in kept.terms)


def _each_version(saved: Sequence[Saved]) -> list[StoredResource]:
    """The last form of each version saved, oldest first."""
    return list({each.resource.version: each.resource for each in saved}.values())


def _stands(held: Raw, own: Mapping[str, Sequence[StoredResource]], pin: str | None) -> bool:
    """True where none of the transaction's own versions is in the place of this one, or follows it by the pinned instant."""
    later = next((version for version in own[held["key"]] if version.version >= held["version"]), None)
    return later is None or (later.version > held["version"] and (pin is None or later.last_updated > pin))


_TESTS: dict[str, Callable[[Any, Any], bool]] = {"$lt": operator.lt, "$gte": operator.ge}


def _passes(document: Raw, condition: Raw) -> bool:
    """True where a document passes a history condition."""
    for field, asked in condition.items():
        tests = asked if isinstance(asked, dict) else {}
        if not all(_TESTS[name](document[field], operand) for name, operand in tests.items()) or (not tests and document[field] != asked):
            return False
    return True
