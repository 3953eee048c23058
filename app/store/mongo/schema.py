"""The collections and their indexes, as mongoengine documents that never leave this package.

One collection a kind of document, ``resource`` for current versions and ``version`` for superseded ones,
``search`` for the search entries of each version with their validity [start, stop) in commit numbers,
``spread`` for the values of parameters that have thousands in one resource, ``demographics`` and
``block`` for the matcher, and ``sequence`` with ``commit`` for the numbers that everything hangs on.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, ClassVar

import mongoengine as me
from mongoengine.connection import get_db
from pymongo.collection import Collection
from pymongo.database import Database

from app.store.contract import KINDS, Kind
from app.store.mongo.values import Raw

SEARCH_TOKENS = "tokens"
SEARCH_REFERENCES = "references"
SEARCH_WORDS = "words"
SEARCH_LOW = "dates_low"
SEARCH_HIGH = "dates_high"
SEARCH_TYPE = "type"


class _Kept(me.Document):  # type: ignore[misc]
    """A document of any kind: bytes under a key, with the terms it is found by."""

    meta: ClassVar[dict[str, Any]] = {"abstract": True, "auto_create_index": False}
    key = me.StringField(primary_key=True)
    body = me.BinaryField(required=True)
    deflated = me.ListField(me.StringField())
    ix = me.ListField(me.StringField())


class _Version(me.Document):  # type: ignore[misc]
    """A version of a resource: ``type/id`` its key, the bytes that are served, who may see it, and where it stands in history."""

    meta: ClassVar[dict[str, Any]] = {"abstract": True, "auto_create_index": False}
    _key = me.StringField(primary_key=True)
    key = me.StringField(required=True)
    type = me.StringField(required=True)
    id = me.StringField(required=True)
    version = me.IntField(required=True)
    at = me.StringField(required=True)
    deleted = me.BooleanField(required=True)
    custodian = me.StringField(required=True)
    commit = me.LongField(required=True)
    place = me.StringField(required=True)
    body = me.BinaryField(required=True)
    summary = me.BinaryField()
    deflated = me.ListField(me.StringField())


class CurrentResource(_Version):
    """``digest`` tells what was saved, ``entered`` the commit its search entries start at."""

    meta: ClassVar[dict[str, Any]] = {
        "collection": "resource", "auto_create_index": False,
        "indexes": ["place", ("type", "place")],
    }  # fmt: skip
    digest = me.BinaryField(required=True)
    entered = me.LongField(required=True)


class SupersededVersion(_Version):
    meta: ClassVar[dict[str, Any]] = {
        "collection": "version", "auto_create_index": False,
        "indexes": ["place", ("type", "place"), ("key", "place")],
    }  # fmt: skip
    until = me.StringField(required=True)


class DateRange(me.EmbeddedDocument):  # type: ignore[misc]
    p = me.StringField(required=True)
    low = me.LongField(required=True)
    high = me.LongField(required=True)


class SearchEntries(me.Document):  # type: ignore[misc]
    """The entries of one version of a resource, in one multikey index each way of asking.

    ``custodian`` is that of the version, ``keeper`` the resource's own now: a walk pinned in the past asks for both.
    """

    meta: ClassVar[dict[str, Any]] = {
        "collection": "search", "auto_create_index": False,
        "indexes": [
            {"fields": ("tokens", "stop", "-start"), "name": SEARCH_TOKENS},
            {"fields": ("references", "stop", "-start"), "name": SEARCH_REFERENCES},
            {"fields": ("words", "stop"), "name": SEARCH_WORDS},
            {"fields": ("dates.p", "dates.low", "stop"), "name": SEARCH_LOW},
            {"fields": ("dates.p", "dates.high", "stop"), "name": SEARCH_HIGH},
            {"fields": ("type", "stop", "-start", "id"), "name": SEARCH_TYPE},
            {"fields": ("type", "stop", "-highest.started", "id"), "name": "type_started"},
            {"fields": ("key", "stop"), "name": "key"},
        ],
    }  # fmt: skip
    _key = me.StringField(primary_key=True)
    key = me.StringField(required=True)
    type = me.StringField(required=True)
    id = me.StringField(required=True)
    version = me.IntField(required=True)
    custodian = me.StringField(required=True)
    keeper = me.StringField(required=True)
    start = me.LongField(required=True)
    stop = me.LongField(required=True)
    tokens = me.ListField(me.StringField())
    references = me.ListField(me.StringField())
    words = me.ListField(me.StringField())
    dates = me.EmbeddedDocumentListField(DateRange)
    lowest = me.DictField()
    highest = me.DictField()


class SpreadEntry(me.Document):  # type: ignore[misc]
    """One value of a parameter that may have thousands in one resource: only what changes is written."""

    meta: ClassVar[dict[str, Any]] = {
        "collection": "spread", "auto_create_index": False,
        "indexes": [("token", "stop"), ("key", "stop"), ("stop",)],
    }  # fmt: skip
    token = me.StringField(required=True)
    key = me.StringField(required=True)
    start = me.LongField(required=True)
    stop = me.LongField(required=True)


class Demographics(me.Document):  # type: ignore[misc]
    """A record's packed demographics and blocking keys, by record number."""

    meta: ClassVar[dict[str, Any]] = {"collection": "demographics", "auto_create_index": False}
    number = me.LongField(primary_key=True)
    keys = me.BinaryField(required=True)
    packed = me.BinaryField(required=True)


class BlockChunk(me.Document):  # type: ignore[misc]
    """A dense part of a blocking key's block: record numbers, packed; the first part knows the block's size."""

    meta: ClassVar[dict[str, Any]] = {"collection": "block", "auto_create_index": False}
    key = me.BinaryField(primary_key=True)
    size = me.LongField()
    members = me.BinaryField(required=True)


class Sequence(me.Document):  # type: ignore[misc]
    """A counter. ``commit`` is the sequencer: its number, its instant."""

    meta: ClassVar[dict[str, Any]] = {"collection": "sequence", "auto_create_index": False}
    name = me.StringField(primary_key=True)
    n = me.LongField(required=True)
    at = me.StringField()


class Commit(me.Document):  # type: ignore[misc]
    """A group of commits made durable together: its last number and instant, and the token of who made it."""

    meta: ClassVar[dict[str, Any]] = {"collection": "commit", "auto_create_index": False, "indexes": ["at"]}
    n = me.LongField(primary_key=True)
    at = me.StringField(required=True)
    token = me.StringField(required=True)


_SWITCHING = threading.Lock()


def _kept_class(kind: Kind) -> type[Any]:
    name = f"Kept{kind.name.title().replace('-', '')}"
    meta = {"collection": f"document_{kind.name}", "auto_create_index": False, "indexes": ["ix"]}
    return type(name, (_Kept,), {"meta": meta, "__doc__": f"A {kind.name}."})


_KEPT = {kind.name: _kept_class(kind) for kind in KINDS}


class Writer(me.Document):  # type: ignore[misc]
    """A session that writes, and when it last said so."""

    meta: ClassVar[dict[str, Any]] = {"collection": "writer", "auto_create_index": False}
    session = me.UUIDField(primary_key=True)
    at = me.DateTimeField(required=True)


@dataclass(slots=True)
class Collections:
    """The collections of one open database."""

    database: Database[Raw]
    resource: Collection[Raw]
    version: Collection[Raw]
    search: Collection[Raw]
    spread: Collection[Raw]
    demographics: Collection[Raw]
    block: Collection[Raw]
    sequence: Collection[Raw]
    commit: Collection[Raw]
    writer: Collection[Raw]
    documents: dict[str, Collection[Raw]] = field(default_factory=dict)

    def of(self, kind: Kind) -> Collection[Raw]:
        """The collection of a kind."""
        return self.documents[kind.name]


def open_collections(alias: str) -> Collections:
    """The collections of a mongoengine connection, made with their indexes where missing."""
    with _SWITCHING:
        return Collections(
            database=get_db(alias), resource=_opened(CurrentResource, alias), version=_opened(SupersededVersion, alias),
            search=_opened(SearchEntries, alias), spread=_opened(SpreadEntry, alias), demographics=_opened(Demographics, alias),
            block=_opened(BlockChunk, alias), sequence=_opened(Sequence, alias), commit=_opened(Commit, alias),
            writer=_opened(Writer, alias), documents={name: _opened(document, alias) for name, document in _KEPT.items()},
        )  # fmt: skip


def _opened(document: type[Any], alias: str) -> Collection[Raw]:
    """The collection of a document class in that connection, with its indexes; other connections keep theirs."""
    document._meta["db_alias"], document._collection = alias, None  # noqa: SLF001 - mongoengine's switch_db needs a default connection
    document.ensure_indexes()
    collection: Collection[Raw] = document._get_collection()  # noqa: SLF001 - the bulk paths are pymongo's
    return collection
