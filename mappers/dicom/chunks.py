"""Facts of many instances of one study as one compact document: shared values once, the rest in columns."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from mappers.dicom.facts import Attributes, InstanceFacts

CHUNK_SIZE = 1000
_VERSION = 1


def chunks(facts: Sequence[InstanceFacts], size: int = CHUNK_SIZE) -> Iterator[Sequence[InstanceFacts]]:
    """Runs of at most ``size`` facts, in order, each of which ``pack`` takes."""
    for start in range(0, len(facts), size):
        yield facts[start : start + size]


def pack(facts: Sequence[InstanceFacts]) -> bytes:
    """One chunk of at most CHUNK_SIZE facts of one study. ``unpack`` gives them back, in order."""
    if not 0 < len(facts) <= CHUNK_SIZE or len({fact.study_uid for fact in facts}) != 1:
        raise ValueError("a chunk holds 1 to 1000 facts of one study")
    document = {
        "version": _VERSION,
        "study": facts[0].study_uid,
        "sources": _column([fact.source for fact in facts]),
        "patientAttributes": _shared([fact.patient for fact in facts]),
        "studyAttributes": _shared([fact.study for fact in facts]),
        "seriesAttributes": _shared([fact.series for fact in facts]),
        "series": _column([fact.series_uid for fact in facts]),
        "uids": _uids([fact.sop_uid for fact in facts]),
        "instances": _columns([fact.instance for fact in facts]),
        "received": _column([fact.received for fact in facts]),
    }
    return zlib.compress(orjson.dumps(document), 6)


def unpack(chunk: bytes) -> list[InstanceFacts]:
    """The facts of a chunk made by ``pack``; what was shared is one object again."""
    document = orjson.loads(zlib.decompress(chunk))
    sop_uids = _uids_back(document["uids"])
    count = len(sop_uids)
    rows = zip(
        _column_back(document["sources"], count),
        [document["study"]] * count,
        _column_back(document["series"], count),
        sop_uids,
        _shared_back(document["patientAttributes"], count),
        _shared_back(document["studyAttributes"], count),
        _shared_back(document["seriesAttributes"], count),
        _columns_back(document["instances"], count),
        _column_back(document.get("received", {"all": ""}), count),
        strict=True,
    )
    return [InstanceFacts(*row) for row in rows]


def _shared(column: list[Attributes]) -> Any:
    rows = {id(attributes): attributes for attributes in column}
    contents = {key: attributes.content for key, attributes in rows.items()}
    distinct = list(dict.fromkeys(contents.values()))
    places = {content: place for place, content in enumerate(distinct)}
    return {
        "values": [orjson.Fragment(content) for content in distinct],
        "places": _same([places[contents[id(attributes)]] for attributes in column]),
    }


def _shared_back(packed: Mapping[str, Any], count: int) -> list[Attributes]:
    rows = [Attributes(values, tuple(flags), raw) for values, flags, raw in packed["values"]]
    return [rows[place] for place in _same_back(packed["places"], count)]


def _same(values: list[Any]) -> Any:
    """The list, or its one value where all are the same."""
    return values if values.count(values[0]) < len(values) else {"all": values[0]}


def _same_back(packed: Any, count: int) -> list[Any]:
    return [packed["all"]] * count if isinstance(packed, dict) else packed


def _column(values: list[Any]) -> Any:
    """A column: its one value, a dictionary with places where values repeat, or the values themselves."""
    contents = [orjson.dumps(value) for value in values]
    distinct = list(dict.fromkeys(contents))
    if len(distinct) == 1:
        return {"all": values[0]}
    if 2 * len(distinct) > len(values):
        return values
    places = {content: place for place, content in enumerate(distinct)}
    return {"values": [orjson.Fragment(content) for content in distinct], "places": [places[content] for content in contents]}


def _column_back(packed: Any, count: int) -> list[Any]:
    if isinstance(packed, dict) and "places" in packed:
        return [packed["values"][place] for place in packed["places"]]
    return _same_back(packed, count)


def _uids(uids: list[str]) -> list[str]:
    prefix = _common_prefix(min(uids), max(uids))
    return [prefix, "\n".join([uid[len(prefix) :] for uid in uids])]


def _common_prefix(first: str, last: str) -> str:
    for place, (one, other) in enumerate(zip(first, last, strict=False)):
        if one != other:
            return first[:place]
    return first


def _uids_back(packed: list[str]) -> list[str]:
    prefix, rest = packed
    return [prefix + suffix for suffix in rest.split("\n")]


_PARTS: Mapping[str, Callable[[Attributes], Mapping[str, Any]]] = {
    "values": lambda attributes: attributes.values,
    "raw": lambda attributes: attributes.raw,
}


def _columns(column: list[Attributes]) -> dict[str, Any]:
    packed: dict[str, Any] = {"flags": _column([list(attributes.flags) for attributes in column])}
    for part, of in _PARTS.items():
        rows = [of(attributes) for attributes in column]
        keywords = sorted({keyword for row in rows for keyword in row})
        packed[part] = {keyword: _column([row.get(keyword) for row in rows]) for keyword in keywords}
    return packed


def _columns_back(packed: Mapping[str, Any], count: int) -> list[Attributes]:
    flags = [tuple(row) for row in _column_back(packed["flags"], count)]
    values, raws = (_rows(packed[part], count) for part in _PARTS)
    return [Attributes(*row) for row in zip(values, flags, raws, strict=True)]


def _rows(columns: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{} for _ in range(count)]
    for keyword, packed in columns.items():
        for row, value in zip(rows, _column_back(packed, count), strict=True):
            if value is not None:
                row[keyword] = value
    return rows
