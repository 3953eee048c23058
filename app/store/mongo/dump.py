"""Everything durable in the order and form of the contract, so that two stores can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

import orjson

from app.store.mongo.entries import entries_of
from app.store.mongo.reader import Reader
from app.store.mongo.transaction import NUMBER
from app.store.mongo.values import OPEN, Raw, get_bytes, unpack_numbers

Line = tuple[str, str, bytes]


def lines(reader: Reader) -> Iterator[Line]:
    """The lines of ``Store.dump``, from one read transaction."""
    types = sorted(reader.collections.resource.distinct("type", session=reader.session))
    yield from _blocks(reader)
    yield from _documents(reader)
    for type in types:
        yield from _entries(reader, type)
    yield from _numbers(reader)
    for type in types:
        yield from _versions(reader, type)


def _blocks(reader: Reader) -> Iterator[Line]:
    for document in reader.all(reader.collections.demographics, {}, sort=[("_id", 1)]):
        yield "blocks", f"{document['_id']:020d}", orjson.dumps(unpack_numbers(document["keys"])) + b"\n" + document["packed"]


def _documents(reader: Reader) -> Iterator[Line]:
    for kind, collection in sorted(reader.collections.documents.items()):
        for document in reader.all(collection, {}, sort=[("_id", 1)]):
            pairs = sorted(tuple(term.split("\0", 1)) for term in document["ix"])
            listed = orjson.dumps({index: [value for _, value in values] for index, values in groupby(pairs, lambda pair: pair[0])})
            yield f"document/{kind}", document["_id"], listed + b"\n" + get_bytes(document, "body")


def _entries(reader: Reader, type: str) -> Iterator[Line]:
    spread: dict[str, list[str]] = {}
    prefix = f"{type}/"
    for document in reader.all(reader.collections.spread, {"stop": OPEN}):
        spread.setdefault(document["key"], []).append(document["token"])
    for document in reader.all(reader.collections.search, {"type": type, "stop": OPEN}, sort=[("id", 1)]):
        found = entries_of(document, spread.get(prefix + document["id"], ()))
        yield f"entries/{type}", document["id"], orjson.dumps({kind: sorted(values) for kind, values in sorted(found.items())})


def _numbers(reader: Reader) -> Iterator[Line]:
    for document in reader.all(reader.collections.sequence, {}, sort=[("_id", 1)]):
        if document["_id"].startswith(NUMBER):
            yield "number", document["_id"].removeprefix(NUMBER), b"%d" % document["n"]


def _versions(reader: Reader, type: str) -> Iterator[Line]:
    found: Iterable[Raw] = (
        held for collection in (reader.collections.resource, reader.collections.version) for held in reader.all(collection, {"type": type})
    )  # fmt: skip
    for held in sorted(found, key=_by_id_and_version):
        summary = get_bytes(held, "summary") if "summary" in held else None
        lead: dict[str, Any] = {
            "custodian": held["custodian"] or None, "deleted": held["deleted"], "last_updated": held["at"], "summary": summary is not None,
        }  # fmt: skip
        body = orjson.dumps(lead) + b"\n" + (summary or b"") + b"\n" + get_bytes(held, "body")
        yield f"resource/{type}", f"{held['id']}/{held['version']:010d}", body


def _by_id_and_version(held: Raw) -> tuple[str, int]:
    return held["id"], held["version"]
