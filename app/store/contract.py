"""What a store engine does. ``tests/contract`` holds both engines to it, test for test.

An engine keeps three things, and commits them together:

* **resources**: FHIR resources with all their versions, each the JSON bytes that are served, and
  their search entries with a validity range in commit numbers [from, to);
* **documents**: everything else (source records, edges, persons, studies, facts, visits, raw messages, dead
  letters, review items, outgoing events), as bytes under a key with declared index values;
* **blocks**: the matcher's blocking keys and packed demographics of each record.

A commit has a number, counted from 1 without gaps in the order in which commits become visible. A
snapshot at commit n sees all commits up to n and no other, and n never has a write in flight below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from app.errors import WealdError
from app.principal import Principal
from app.search.criteria import Entries, Query
from app.store.content import Content

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of document and the names of its index values."""

    name: str
    indexes: tuple[str, ...] = ()


RECORD = Kind("record", ("identifier", "person", "state"))
PERSON = Kind("person", ("former",))
EDGE = Kind("edge", ("record", "told"))
STATEMENT = Kind("statement")
STUDY = Kind("study", ("patient-key",))
FACTS = Kind("facts", ("study",))
VISIT = Kind("visit", ("patient",))
MESSAGE = Kind("message", ("duplicate", "record"))
DEAD_LETTER = Kind("dead-letter", ("state", "digest"))
REVIEW = Kind("review", ("record", "state"))
DECISION = Kind("decision", ("record", "provenance"))
DO_NOT_LINK = Kind("do-not-link", ("status",))
EVENT = Kind("event", ("state",))
LEARNED = Kind("learned", ("record", "successor"))
SETTING = Kind("setting")
KINDS = (RECORD, PERSON, EDGE, STATEMENT, STUDY, FACTS, VISIT, MESSAGE, DEAD_LETTER, REVIEW, DECISION, DO_NOT_LINK, EVENT, LEARNED, SETTING)


@dataclass(frozen=True, slots=True)
class StoredResource:
    """One version of a resource as stored. ``body`` is what is served, ``summary`` its ``_summary=true`` form if kept."""

    type: str
    id: str
    version: int
    last_updated: str
    deleted: bool
    custodian: str | None
    commit: int
    body: bytes
    summary: bytes | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A blocking key's block: its exact size up to cap + 1, and its record numbers where size <= cap, else ()."""

    size: int
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hits:
    """One page of a search: matches in order, whether another follows, the place to resume, and the total."""

    matches: tuple[StoredResource, ...]
    after: tuple[str | int | None, ...] | None
    total: int | None
    commit: int


class Snapshot(Protocol):
    """A consistent view of the store, for one Principal; versions of custodians it may not see do not exist.

    Who sees a version goes by that version's own custodian, whichever versions came after it. A search as of an earlier
    commit leaves out what the caller may no longer see, too.
    """

    principal: Principal
    commit: int

    def get(self, kind: Kind, key: str) -> bytes | None: ...

    def get_many(self, kind: Kind, keys: Sequence[str]) -> dict[str, bytes]: ...

    def find(self, kind: Kind, index: str, values: Sequence[str], *, limit: int | None = None) -> list[tuple[str, bytes]]:
        """Documents having any of ``values`` under ``index``, each once, by key."""
        ...

    def scan(self, kind: Kind, *, after: str = "", limit: int = 1000) -> list[tuple[str, bytes]]:
        """Documents by key (code-point order), from beyond ``after``."""
        ...

    def count(self, kind: Kind, index: str | None = None, value: str | None = None) -> int: ...

    def candidates(self, keys: Sequence[int], cap: int) -> dict[int, Block]:
        """The block of each key that has one; one round trip."""
        ...

    def demographics(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """Packed demographics by record number."""
        ...

    def resource(self, type: str, id: str) -> StoredResource | None:
        """The current version, also where it is a deletion."""
        ...

    def resources(self, type: str, ids: Sequence[str]) -> dict[str, StoredResource]: ...

    def version(self, type: str, id: str, version: int) -> StoredResource | None: ...

    def history(
        self, type: str | None = None, id: str | None = None, *, since: str | None = None, at: str | None = None,
        limit: int = 50, after: tuple[int, str, str] | None = None,
    ) -> list[StoredResource]:
        """Versions newest first by (commit, type, id) descending, from beyond ``after``.

        ``since``: last_updated >= it. ``at``: versions current at that instant.
        """
        ...

    def search(self, query: Query) -> Hits:
        """One page. PageExpired where ``query.at`` is older than what ``Store.purge`` has dropped."""
        ...

    def explain(self, query: Query) -> list[str]:
        """The engine's own plan lines, for the test that every parameter is answered from an index."""
        ...


class Transaction(Snapshot, Protocol):
    """A snapshot that sees its own writes. Nothing of it is visible elsewhere until it commits."""

    now: str
    """Instant of this commit, ISO 8601 UTC with milliseconds and Z; later than that of every commit before it."""

    def put(self, kind: Kind, key: str, body: bytes, index: Mapping[str, Sequence[str]] = ...) -> None: ...

    def remove(self, kind: Kind, key: str) -> None: ...

    def next_number(self, name: str) -> int:
        """The next number of a sequence, from 1; a number of a rolled-back change may be used again."""
        ...

    def put_blocks(self, number: int, keys: Sequence[int], demographics: bytes) -> None:
        """Replace the blocking keys and packed demographics of one record."""
        ...

    def remove_blocks(self, number: int) -> None: ...

    def save(
        self, type: str, id: str, content: Content, entries: Entries, *, custodian: str | None, summary: Content | None = None
    ) -> tuple[StoredResource, bool]:
        """Save a new version; equal content makes none. Returns the current version and whether it is new.

        Where the content is equal, other entries or another custodian are still taken over. A change
        that writes a resource twice makes one version: no two versions of a resource carry one commit.
        """
        ...

    def delete(self, type: str, id: str) -> StoredResource | None:
        """Mark deleted with a new version; None where there is nothing to delete."""
        ...


Change = Callable[[Transaction], T]


@dataclass(frozen=True, slots=True)
class Failed:
    """A change that was refused; it left nothing behind."""

    error: WealdError


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """For health and metrics: engine, version, commits, sizes by kind and resource type."""

    engine: str
    version: str
    commit: int
    counts: Mapping[str, int] = field(default_factory=dict)


class Store(Protocol):
    """One engine, open. Threads may share it; processes open their own."""

    engine: str

    def snapshot(self, principal: Principal) -> AbstractContextManager[Snapshot]: ...

    def apply(self, principal: Principal, changes: Sequence[Change[T]]) -> list[T | Failed]:
        """Run the changes in order and make them durable together: a group commit.

        A change is all or nothing: one that raises WealdError leaves nothing and is returned as Failed;
        the others commit. Any other exception rolls the whole group back and is raised. When apply
        returns, what it returns is on disk (SQLite: synchronous=FULL; MongoDB: w:majority, j:true).
        A change may be run more than once (a conflict is retried), so it touches nothing but its
        transaction. StoreUnavailable is raised where nothing could be committed.
        """
        ...

    def facts(self) -> StoreFacts: ...

    def check(self) -> None:
        """Raise StoreUnavailable unless a commit is possible now."""
        ...

    def purge(self, before: str) -> int:
        """Drop index entries that ended before that instant; returns how many."""
        ...

    def dump(self) -> Iterator[tuple[str, str, bytes]]:
        """Everything durable as (what, key, bytes), ordered by (what, key): the state two stores are compared by.

        ``blocks``: number of 20 digits -> JSON of the sorted keys, newline, demographics. ``document/<kind>``: key -> JSON of
        its index values (those there are, names and values sorted), newline, body. ``entries/<type>``: id of a live resource ->
        JSON of its current entries by kind, sorted (strings without their exact form; ``exact`` has (param, exact)).
        ``number``: name of a sequence -> its last number. ``resource/<type>``: id/version of 10 digits -> JSON of custodian,
        deleted, last_updated and whether a summary is kept, newline, summary, newline, body.
        """
        ...

    def close(self) -> None: ...
