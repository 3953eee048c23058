"""Edges: stored statements that two records are, or are not, one person. Closed, never deleted (matching.md 1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from app.ingest.identity import digest_key
from app.ingest.records import Record
from app.ingest.work import Cause, Work
from app.store.contract import EDGE, STATEMENT, Snapshot

ASSERTED = frozenset({"replaced-by", "link", "not-same"})
_TOLD = frozenset({"replaced-by", "not-same"})
STEWARD = "steward:"
"""How the agent of what a steward states begins."""
LIST = "List/"
"""How the cause of what a do-not-link List states begins."""
EARLIER_KEPT = 10
"""How many of the statements that a pair's scored edge made before are kept: the last ones."""


@dataclass(slots=True)
class Edge:
    """One edge. ``a`` and ``b`` are record ids; of ``replaced-by``, ``a`` is the record replaced.

    ``kind``: replaced-by, link, number, match, not-same. ``weight`` in bits and ``grade`` where the matcher scored it;
    ``evidence`` what it saw (vector, weights, caps, model); ``closed`` the event time that ended it, ``ended_by`` the
    cause of that. ``earlier`` is how many statements the matcher made of the pair before this one (``renew_edge``).
    """

    id: str
    kind: str
    a: str
    b: str
    a_number: int
    b_number: int
    agent: str
    cause: str
    occurred: str
    weight: float | None = None
    grade: str | None = None
    closed: str | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    ended_by: str = ""
    earlier: int = 0

    @classmethod
    def asserted(cls, kind: str, a: Record, b: Record, cause: Cause, occurred: str) -> Edge:
        """An edge that a feed or a steward states; symmetric kinds are stored the same from both sides."""
        if kind != "replaced-by" and b.id < a.id:
            a, b = b, a
        id = digest_key(kind, a.id, b.id, cause.agent, occurred)
        return cls(id, kind, a.id, b.id, a.number, b.number, cause.agent, cause.reference, occurred, grade=None if kind == "not-same" else "certain")

    @property
    def is_listed(self) -> bool:
        """Whether a do-not-link List says so."""
        return self.kind == "not-same" and self.cause.startswith(LIST)

    def other(self, record: str) -> str:
        """The id at the other end."""
        return self.b if record == self.a else self.a


def edge_from_body(body: bytes) -> Edge:
    """The Edge of a stored document."""
    return Edge(**orjson.loads(body))


def put_edge(work: Work, edge: Edge) -> None:
    """Store the edge; a closed one is no longer found from its records, but by what was ever told of merges."""
    ends = [edge.a, edge.b]
    index = {"record": [] if edge.closed else ends, "told": ends if edge.kind in _TOLD else []}
    work.tx.put(EDGE, edge.id, _body(edge), index)


def _body(edge: Edge) -> bytes:
    return orjson.dumps({name: getattr(edge, name) for name in Edge.__slots__})


def scored_id(a: str, b: str) -> str:
    """The id of the scored edge of two records, that with the smaller first key first."""
    return digest_key("scored", a, b)


def renew_edge(work: Work, edge: Edge, before: Edge) -> None:
    """Store a scored edge in the place of what was said of its pair ``before``, in force or ended, and keep that as an earlier statement.

    Each takes the place of the oldest beyond ``EARLIER_KEPT``, so that none is read. What this same change had said was never in force.
    """
    edge.earlier = before.earlier
    if (before.cause, before.occurred) != (edge.cause, edge.occurred):
        ended = before if before.closed else replace(before, closed=work.cause.occurred, ended_by=work.cause.reference)
        work.tx.put(STATEMENT, f"{edge.id}-{before.earlier % EARLIER_KEPT}", _body(ended))
        edge.earlier += 1
    put_edge(work, edge)


def earlier_statements(tx: Snapshot, id: str) -> list[Edge]:
    """What the scored edge of that id said before and says no more, oldest first, as far as it is kept."""
    kept = [edge_from_body(body) for body in tx.get_many(STATEMENT, [f"{id}-{place}" for place in range(EARLIER_KEPT)]).values()]
    return [*sorted(kept, key=lambda one: one.earlier), *(one for one in edges_by_id(tx, [id]) if one.closed)]


def close_edge(work: Work, edge: Edge, at: str) -> None:
    """End the edge; it stays stored."""
    edge.closed, edge.ended_by = at, work.cause.reference
    put_edge(work, edge)


def reopen_edge(work: Work, edge: Edge) -> None:
    """Put an ended edge in force again."""
    edge.closed, edge.ended_by = None, ""
    put_edge(work, edge)


def edges_by_id(tx: Snapshot, ids: Iterable[str]) -> list[Edge]:
    """The edges of these ids, ended ones included, by id."""
    return [edge_from_body(body) for _, body in sorted(tx.get_many(EDGE, sorted(set(ids))).items())]


def open_edges(tx: Snapshot, records: Iterable[str]) -> list[Edge]:
    """The open edges at any of the records, each once."""
    return [edge_from_body(body) for _, body in tx.find(EDGE, "record", sorted(set(records)))]


def edges_of(work: Work, record: str) -> list[Edge]:
    """The open edges at one record."""
    return open_edges(work.tx, [record])
