"""Which of what feeds and stewards state of two records is in force (matching.md 8 and 9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.ingest.edges import STEWARD, Edge, close_edge, open_edges, put_edge
from app.ingest.work import Work
from app.services import Services
from matching.records import FEED, NOT_SAME, Assertion, pair, standing
from matching.records import STEWARD as STEWARD_ROLE
from matching.records import Edge as PairEdge

STATED = frozenset({"link", "not-same"})
"""Kinds that feeds and stewards state of a pair; a ``replaced-by`` is a trust's own record keeping, done and undone by its merges."""


def owner_of(services: Services, agent: str) -> tuple[str, str]:
    """Whose word an agent's is, and in which role: all stewards are one, and so are all feeds of a trust."""
    if agent.startswith(STEWARD):
        return STEWARD_ROLE, STEWARD_ROLE
    source = services.sources.by_code(agent)
    return source.organisation if source else agent, FEED


def state(work: Work, edge: Edge) -> list[Edge]:
    """Put the asserted edge in force and end its owner's earlier word on the two records; returns the edges ended.

    What a do-not-link List says stands beside it, and ends with that List alone. Of two words of one owner the later holds, whichever comes first: where something later is known, ``edge`` is kept as ended.
    """
    own = owner_of(work.services, edge.agent)
    same = [one for one in between(work, edge.a, edge.b) if one.id != edge.id and not one.is_listed and owner_of(work.services, one.agent) == own]
    later = [one for one in same if _place(one) > _place(edge)]
    ended = [one for one in same if not later]
    for one in ended:
        close_edge(work, one, edge.occurred)
    if later:
        edge.closed, edge.ended_by = later[0].occurred, later[0].cause
    put_edge(work, edge)
    work.moved.update((edge.a, edge.b))
    return ended


def _place(edge: Edge) -> tuple[Any, ...]:
    """Where the word stands in the order of events: by its time, and what of a feed has one time by its place among the messages."""
    return edge.occurred, *edge.evidence.get("order", ())


def between(work: Work, a: str, b: str) -> list[Edge]:
    """The open links and not-sames between two records, or between those that answer for them.

    What a do-not-link List says of a record holds of those that answer for it, and so of all that these answer for.
    """
    first, second = _named(work, a), _named(work, b)
    near, far = _with_replaced(work, first), _with_replaced(work, second)
    if near & far:
        near, far = first, second
    found = {edge.id: edge for edge in open_edges(work.tx, near) if edge.kind in STATED and (_joins(edge, first, second) or (edge.is_listed and _joins(edge, near, far)))}
    return [found[id] for id in sorted(found)]


def _named(work: Work, id: str) -> set[str]:
    record = work.record(id)
    return {id} if record is None else {id, work.root(record).id}


def _with_replaced(work: Work, ids: Iterable[str]) -> set[str]:
    return {one.id for record in work.records(sorted(ids)) for one in (record, *work.below(record))}.union(ids)


def _joins(edge: Edge, first: set[str], second: set[str]) -> bool:
    return (edge.a in first and edge.b in second) or (edge.b in first and edge.a in second)


def in_force(services: Services, edges: Iterable[Edge], keys: Mapping[str, str]) -> tuple[list[PairEdge], frozenset[tuple[str, str]]]:
    """The links that hold and the pairs forbidden, of the open edges whose ends ``keys`` (record id -> key) gives.

    A link that a later steward's ``not-same`` beats is left out, so that the answered question is not asked again. What a do-not-link List
    forbids no link allows, a later one of a steward neither: a trust's merge may bring the two together.
    """
    told = [(edge, one) for edge in edges if edge.kind in STATED and (one := _assertion(services, edge, keys)) is not None]
    stands = standing(one for edge, one in told if not edge.is_listed)
    forbidden = stands.not_same.union(pair(one.a, one.b) for edge, one in told if edge.is_listed)
    refused: dict[tuple[str, str], str] = {}
    for _, one in told:
        if one.kind == NOT_SAME and one.role == STEWARD_ROLE:
            about = pair(one.a, one.b)
            refused[about] = max(one.time, refused.get(about, ""))
    return [edge for edge in stands.edges if edge.pair not in forbidden or edge.time > refused.get(edge.pair, "")], forbidden


def _assertion(services: Services, edge: Edge, keys: Mapping[str, str]) -> Assertion | None:
    a, b = keys.get(edge.a), keys.get(edge.b)
    if a is None or b is None or a == b:
        return None
    owner, role = owner_of(services, edge.agent)
    owns_both = all(key.startswith(f"{owner}|") for key in (a, b))
    return Assertion(edge.kind, *pair(a, b), owner, role, edge.occurred, owns_both=owns_both)
