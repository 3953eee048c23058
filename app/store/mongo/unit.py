"""What a change has written and the server does not know yet: a stack of layers over the transaction's view.

A change writes into its own layer; where it is refused the layer is dropped, where it is done the layer is
merged into that of its caller, and that into the group's, which goes to the server in one batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from bson.raw_bson import RawBSONDocument

from app.store.contract import StoredResource
from app.store.mongo.entries import Indexed

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Kept:
    """A document as put: its bytes, the terms it is found by, and what the server is sent."""

    body: bytes
    terms: tuple[str, ...]
    raw: RawBSONDocument


@dataclass(frozen=True, slots=True)
class Saved:
    """A version as saved, or given other entries, in the commit ``start``; what the server is sent of it."""

    resource: StoredResource
    digest: bytes
    entries: Indexed | None
    start: int
    raw: RawBSONDocument
    raw_entries: RawBSONDocument | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record's blocking keys and demographics as put."""

    keys: frozenset[int]
    demographics: bytes
    raw: RawBSONDocument


@dataclass(slots=True)
class Layer:
    """The writes of one change, one caller or one group."""

    documents: dict[str, dict[str, Kept | None]] = field(default_factory=dict)
    keys: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    resources: dict[str, list[Saved]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    records: dict[int, Record | None] = field(default_factory=dict)
    members: dict[int, dict[int, bool]] = field(default_factory=dict)
    dirty: bool = False

    def put(self, kind: str, key: str, kept: Kept | None) -> None:
        self.dirty = True
        self.documents.setdefault(kind, {})[key] = kept
        for term in kept.terms if kept else ():
            self.keys.setdefault((kind, term), set()).add(key)

    def save(self, key: str, saved: Saved) -> None:
        """Add a version, in the place of one written in the same commit."""
        self.dirty = True
        versions = self.resources.setdefault(key, [])
        if versions and versions[-1].start == saved.start:
            versions.pop()
        versions.append(saved)

    def put_record(self, number: int, record: Record | None, had: frozenset[int]) -> None:
        self.dirty = True
        self.records[number] = record
        keys = record.keys if record else frozenset()
        for key in had - keys:
            self.members.setdefault(key, {})[number] = False
        for key in keys - had:
            self.members.setdefault(key, {})[number] = True

    def merge(self, inner: Layer) -> None:
        """Take over what an inner layer has written on top of this one."""
        self.dirty |= inner.dirty
        for kind, documents in inner.documents.items():
            self.documents.setdefault(kind, {}).update(documents)
        for term, keys in inner.keys.items():
            self.keys.setdefault(term, set()).update(keys)
        for key, versions in inner.resources.items():
            for saved in versions:
                self.save(key, saved)
        self.numbers.update(inner.numbers)
        self.records.update(inner.records)
        for block, numbers in inner.members.items():
            self.members.setdefault(block, {}).update(numbers)


class Layers:
    """The stack, innermost last."""

    __slots__ = ("_stack",)

    def __init__(self) -> None:
        self._stack = [Layer()]

    @property
    def top(self) -> Layer:
        return self._stack[-1]

    def push(self) -> None:
        self._stack.append(Layer())

    def drop(self) -> None:
        """Forget the innermost layer."""
        self._stack.pop()

    def merge(self) -> None:
        """Merge the innermost layer into the one around it."""
        inner = self._stack.pop()
        self._stack[-1].merge(inner)

    def document(self, kind: str, key: str) -> tuple[bool, Kept | None]:
        """Whether a layer has written this document, and the latest of it, None where removed."""
        for layer in reversed(self._stack):
            documents = layer.documents.get(kind)
            if documents is not None and key in documents:
                return True, documents[key]
        return False, None

    def is_written(self, kind: str, key: str) -> bool:
        return self.document(kind, key)[0]

    def most_written(self, kind: str) -> int:
        """At least as many as the documents of a kind that are written."""
        return sum(len(layer.documents.get(kind, ())) for layer in self._stack)

    def written(self, kind: str) -> dict[str, Kept | None]:
        """Every document of a kind that some layer has written, as it is now."""
        return _latest(layer.documents.get(kind, {}) for layer in self._stack)

    def having(self, kind: str, terms: Iterable[str]) -> dict[str, Kept]:
        """The written documents that now have one of these terms."""
        wanted = set(terms)
        keys = {key for layer in self._stack for term in wanted for key in layer.keys.get((kind, term), ())}
        found = {key: self.document(kind, key)[1] for key in keys}
        return {key: kept for key, kept in found.items() if kept is not None and wanted.intersection(kept.terms)}

    def versions(self, key: str) -> list[Saved]:
        """What was saved of a resource, oldest first, each commit once."""
        joined: dict[int, Saved] = {}
        for layer in self._stack:
            joined.update((saved.start, saved) for saved in layer.resources.get(key, ()))
        return [joined[start] for start in sorted(joined)]

    def resource_keys(self) -> list[str]:
        return list(dict.fromkeys(key for layer in self._stack for key in layer.resources))

    def number(self, name: str) -> int | None:
        return next((layer.numbers[name] for layer in reversed(self._stack) if name in layer.numbers), None)

    def record(self, number: int) -> tuple[bool, Record | None]:
        for layer in reversed(self._stack):
            if number in layer.records:
                return True, layer.records[number]
        return False, None

    def members(self, key: int) -> dict[int, bool]:
        """The record numbers put into or taken out of a block."""
        return _latest(layer.members.get(key, {}) for layer in self._stack)


def _latest(dictionaries: Iterator[dict[K, V]] | Iterable[dict[K, V]]) -> dict[K, V]:
    joined: dict[K, V] = {}
    for each in dictionaries:
        joined.update(each)
    return joined
