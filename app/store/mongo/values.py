"""Stored values: bodies that are deflated where long, places in history, instants, packed blocking keys."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from app.errors import TooLarge
from app.store.contract import StoredResource
from app.store.deflating import deflate, inflate

Raw = dict[str, Any]
"""A document as the server keeps it."""

OPEN: Final = 2**62
"""The end of the validity of what is current: no commit has this number."""
SEPARATOR: Final = "\x1f"
NOBODY: Final = ""
"""Stored for a custodian of None, so that no query compares with null."""
GONE: Final = "\0"
"""Stored as the keeper of a deleted resource's earlier entries: a walk pinned before the deletion leaves it out."""

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
_LONG = 2048
_MOST_BYTES = 15 * 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def put_bytes(document: Raw, field: str, body: bytes) -> None:
    """Set ``field``, deflated where that is worth it."""
    kept = deflate(body) if len(body) > _LONG else body
    document[field] = kept
    if kept is not body:
        document["deflated"] = [*document.get("deflated", ()), field]


def encoded(document: Raw) -> RawBSONDocument:
    """The document as BSON, made while its change runs, so that what cannot be stored is that change's error and no other's.

    TooLarge where the server would not hold it.
    """
    raw = bson.encode(document, codec_options=_RAW)
    if len(raw) > _MOST_BYTES:
        raise TooLarge("the content is larger than the store can hold in one document; send it in parts")
    return RawBSONDocument(raw, _RAW)


def get_bytes(document: Mapping[str, Any], field: str) -> bytes:
    """The bytes as they were put."""
    kept: bytes = document[field]
    return inflate(kept) if field in document.get("deflated", ()) else kept


def place(commit: int, type: str, id: str) -> str:
    """A string that sorts as (commit, type, id) does."""
    return f"{commit:016d}{SEPARATOR}{type}{SEPARATOR}{id}"


def resource_key(type: str, id: str) -> str:
    """The ``_id`` of a current resource."""
    return f"{type}/{id}"


def resource_document(resource: StoredResource) -> Raw:
    """The document of a version; its ``_id`` is set by the collection it is put into."""
    document: Raw = {
        "key": resource_key(resource.type, resource.id), "type": resource.type, "id": resource.id, "version": resource.version,
        "at": resource.last_updated, "deleted": resource.deleted, "custodian": resource.custodian or NOBODY, "commit": resource.commit,
        "place": place(resource.commit, resource.type, resource.id),
    }  # fmt: skip
    put_bytes(document, "body", resource.body)
    if resource.summary is not None:
        put_bytes(document, "summary", resource.summary)
    return document


def stored_resource(document: Mapping[str, Any]) -> StoredResource:
    """The version a document holds; without its body where that was not read."""
    return StoredResource(
        type=document["type"], id=document["id"], version=document["version"], last_updated=document["at"],
        deleted=document["deleted"], custodian=document["custodian"] or None, commit=document["commit"],
        body=get_bytes(document, "body") if "body" in document else b"", summary=get_bytes(document, "summary") if "summary" in document else None,
    )  # fmt: skip


def instant(milliseconds: int) -> str:
    """ISO 8601 UTC with milliseconds and Z."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def microseconds(text: str) -> int:
    """An ISO 8601 instant as microseconds since 1970; one without offset is UTC."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def pack_numbers(numbers: Iterable[int]) -> bytes:
    """Signed 64-bit integers, eight bytes each."""
    ordered = list(numbers)
    return struct.pack(f"<{len(ordered)}q", *ordered)


def unpack_numbers(packed: bytes) -> tuple[int, ...]:
    """The integers that were packed."""
    return struct.unpack(f"<{len(packed) // 8}q", packed)


def index_terms(index: Mapping[str, Sequence[str]]) -> list[str]:
    """A document's index values as the terms of its one multikey index."""
    return sorted({index_term(name, value) for name, values in index.items() for value in values})


def index_term(name: str, value: str) -> str:
    """One index value as a term."""
    return f"{name}\0{value}"
