"""Which record of a trust answers for which: derived from the merges and unlinks its feeds told, and brought about (hl7v2.md 1, Merge).

What is told is kept as edges of the very records named, in force or not. What they come to is ``matching.succession``'s to say, anew
whenever one is told or a record that they name takes another verified NHS number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.ingest.assertions import owner_of
from app.ingest.edges import ASSERTED, STEWARD, Edge, close_edge, edge_from_body, edges_by_id, edges_of, put_edge, reopen_edge
from app.ingest.numbers import MergedNumbers
from app.ingest.records import Record
from app.ingest.retelling import as_named, retell
from app.ingest.reviews import close_answered, open_review
from app.ingest.standing_in import stand_in
from app.ingest.work import Work
from app.store.contract import EDGE
from mappers.facts import Stamp
from matching.records import NOT_SAME, REPLACED_BY
from matching.succession import Bars, Succession, Told, succession

_ROUNDS = 3
ACROSS_NUMBERS, ACROSS_NOT_SAME = "merge-across-nhs-numbers", "merge-across-not-same"
_REASONS = {
    ACROSS_NUMBERS: "A merge joins two records whose verified NHS numbers differ; it waits for a steward.",
    ACROSS_NOT_SAME: "A merge joins two records of which a steward says that they are two people; it waits.",
}


def order_of(stamp: Stamp, place: int = 0) -> list[Any]:
    """The place of a word in the order of events (hl7v2.md 4), and within its message."""
    return [*stamp[1:6], place]


def tell(work: Work, edge: Edge, stamp: Stamp, place: int = 0) -> Edge:
    """Keep a merge or unlink as told, at its place in the order of events; told again, the earlier place stands. Returns the edge as it is kept."""
    order = order_of(stamp, place)
    kept = next(iter(edges_by_id(work.tx, [edge.id])), edge)
    if order < kept.evidence.get("order", [*order, ""]):
        kept.evidence["order"] = order
        put_edge(work, kept)
    return kept


def succeed(work: Work, start: Iterable[Record], told: str = "") -> Succession:
    """Derive who answers for whom among the records that merges connect with ``start``, and bring it about; ``told`` is the edge that is new."""
    known = _connected(work, start)
    records = {record.id: record for record in work.records(sorted(known.ids))}
    found = succession([_as_told(edge) for edge in known.edges if _counts(edge)], _bars(work, records, known.edges))
    _ask(work, found, known.edges, told)
    _bring_about(work, records, {edge.id: edge for edge in known.edges}, found)
    _end_parted(work, known.edges, found)
    for record in records.values():
        record.merges = True
        work.folded[record.id] = record.stored
    return found


def tell_late(work: Work, record: Record, event_time: str) -> None:
    """Retell the records of the record's merges where this event comes after a later one that was told under a merged number.

    Whether that one is of the same person is judged by all that was said before it.
    """
    if any(one.replaced is not None and one.replaced <= one.last_event > event_time for one in work.below(work.root(record))):
        work.astray.add(record.id)


def settle(work: Work) -> None:
    """End what a change began: who answers for whom, and what each record was told, until neither changes the other."""
    for _ in range(_ROUNDS):
        _succeed_changed(work, stand_in(work, as_named))
        if not work.astray:
            return
        retell(work, _whole(work, work.records(sorted(work.astray))))
        work.astray.clear()


def _whole(work: Work, records: Iterable[Record]) -> list[Record]:
    """The records and all that have one answering for them together with these."""
    roots = {root.id: root for root in map(work.root, records)}
    return [one for id in sorted(roots) for one in (roots[id], *work.below(roots[id]))]


def _succeed_changed(work: Work, anew: Sequence[Record]) -> None:
    """Derive again who answers for records of which something else is said now: NHS numbers or stewards may forbid a merge, or no longer do."""
    touched = work.records(sorted(work.moved | (work.shown & work.dirty.keys())))
    changed = [*anew, *(one for one in touched if one.merges and work.folded.get(one.id) != one.stored)]
    if changed:
        succeed(work, changed)


@dataclass(frozen=True, slots=True)
class _Connected:
    """The records that merges connect, and all that was ever told of merges between them."""

    ids: frozenset[str]
    edges: tuple[Edge, ...]


def _connected(work: Work, start: Iterable[Record]) -> _Connected:
    ids = {record.id for record in start}
    edges: dict[str, Edge] = {}
    ahead = set(ids)
    while ahead:
        found = [edge_from_body(body) for _, body in work.tx.find(EDGE, "told", sorted(ahead))]
        edges.update({edge.id: edge for edge in found})
        ahead = {id for edge in found if edge.kind == REPLACED_BY for id in (edge.a, edge.b)} - ids
        ids |= ahead
    return _Connected(frozenset(ids), tuple(edges[id] for id in sorted(edges)))


def _counts(edge: Edge) -> bool:
    """Whether it is a merge or unlink of a feed: a steward's word forbids, and what followed from the records may follow no more."""
    return not edge.agent.startswith(STEWARD) and not edge.evidence.get("withdrawn")


def _as_told(edge: Edge) -> Told:
    return Told(edge.id, edge.kind, edge.a, edge.b, edge.agent, tuple(edge.evidence["order"]))


def _bars(work: Work, records: Mapping[str, Record], edges: Sequence[Edge]) -> Bars:
    """Why two groups of records may not be one: a steward's word, or verified NHS numbers that differ, as sent under their own identifiers or after the merge."""
    parted = [(edge.a, edge.b) for edge in edges if edge.kind == NOT_SAME and edge.agent.startswith(STEWARD) and edge.closed is None]
    numbers = MergedNumbers(work, records, {edge.id: edge.occurred for edge in edges})

    def bars(first: frozenset[str], second: frozenset[str], parents: Mapping[str, Told]) -> str:
        if any((a in first and b in second) or (b in first and a in second) for a, b in parted):
            return ACROSS_NOT_SAME
        return ACROSS_NUMBERS if numbers.differ(first, second, parents) else ""

    return bars


def _ask(work: Work, found: Succession, edges: Sequence[Edge], told: str) -> None:
    """What a steward is asked or told of the merges. A merge that waits is asked about when it is told, and when it no longer may stand.

    Where nothing bars it any more, nothing is left to ask.
    """
    waiting = {(one.a, one.b) for one, _ in found.barred}
    close_answered(work, [(edge.a, edge.b) for edge in edges if edge.kind == REPLACED_BY and (edge.a, edge.b) not in waiting], _REASONS)
    standing = {edge.id: edge for edge in edges}
    for one, reason in found.barred:
        edge = standing[one.id]
        if one.id == told or (edge.closed is None and reason == ACROSS_NUMBERS):
            open_review(work, reason, [one.b, one.a], _REASONS[reason], survivor=one.b, loser=one.a, occurred=edge.occurred)
    for one in found.inverse:
        open_review(work, "inverse-merge", [one.b, one.a], "A merge reverses another one; the later of them stands.")
    for one in found.second:
        open_review(work, "second-merge", [one.a, one.b], "A record that was merged already is merged into another one; the later merge stands.")
    for one in found.undone:
        open_review(work, "unlink-of-merged", [one.b, one.a], "An unlink undid a merge of the same two records.")


def _bring_about(work: Work, records: Mapping[str, Record], edges: Mapping[str, Edge], found: Succession) -> None:
    """Make the records stand as ``found`` says; those of which something was said that is another's now are ``astray``."""
    roots = {id: work.root(record).id for id, record in records.items()}
    changed = [(one, one.replaced) for one in records.values() if _stands(one) != _shall_stand(found.parents.get(one.id), edges)]
    for record, _ in changed:
        if record.id not in found.parents:
            _restore(work, record, edges)
    for record, _ in changed:
        if record.id in found.parents:
            _replace(work, record, edges[found.parents[record.id].id], edges)
    for id, record in records.items():
        if work.root(record).id != roots[id]:
            _touch(work, [record, records[roots[id]], work.root(record)])
    times = [(record, [time for time in (before, record.replaced) if time is not None]) for record, before in changed]
    if any(one.last_event >= min(at) for record, at in times for one in (record, *work.below(record))):
        work.astray.update(records)


def _end_parted(work: Work, edges: Sequence[Edge], found: Succession) -> None:
    """A merge in force ends what its trust said before of the same two records: that they are not the same."""
    for held in found.parents.values():
        for edge in edges:
            earlier = edge.kind == NOT_SAME and edge.closed is None and {edge.a, edge.b} == {held.a, held.b} and not edge.agent.startswith(STEWARD)
            if earlier and tuple(edge.evidence["order"]) < held.order and owner_of(work.services, edge.agent) == owner_of(work.services, held.owner):
                close_edge(work, edge, held.order[0])


def _stands(record: Record) -> tuple[str, str] | None:
    return (record.replaced_by, record.replaced or "") if record.replaced_by else None


def _shall_stand(held: Told | None, edges: Mapping[str, Edge]) -> tuple[str, str] | None:
    return None if held is None else (held.b, edges[held.id].occurred)


def _touch(work: Work, records: Iterable[Record]) -> None:
    for record in records:
        work.moved.add(record.id)
        work.change(record)


def _in_force(record: Record, edges: Mapping[str, Edge]) -> Edge:
    """The edge of the merge that replaced the record."""
    return next(edge for edge in edges.values() if edge.kind == REPLACED_BY and edge.a == record.id and edge.closed is None)


def _leave(work: Work, record: Record, edges: Mapping[str, Edge]) -> Edge:
    """Take a record from the one that replaced it; returns the edge that ended."""
    edge, parent = _in_force(record, edges), work.survivor(record)
    parent.merged = [id for id in parent.merged if id != record.id]
    close_edge(work, edge, work.cause.occurred)
    _touch(work, [record, parent])
    return edge


def _restore(work: Work, record: Record, edges: Mapping[str, Edge]) -> None:
    """Take a record out of its merge: it answers for itself again, and the matcher judges again what the merge set aside."""
    edge = _leave(work, record, edges)
    for one in edges_by_id(work.tx, edge.evidence.get("set_aside", ())):
        reopen_edge(work, one)
    work.merges.append(("unmerged", edge.id, edge.a, edge.b))
    work.event("record-unmerged", record=edge.a, survivor=edge.b)
    record.replaced_by, record.replaced, record.active = None, None, True


def _replace(work: Work, record: Record, edge: Edge, edges: Mapping[str, Edge]) -> None:
    """Put a record under the one that replaces it now, whether or not another did before."""
    aside = _leave(work, record, edges).evidence.get("set_aside", []) if record.replaced_by else _set_aside(work, record)
    edge.evidence["set_aside"] = aside
    reopen_edge(work, edge)
    survivor = work.records([edge.b])[0]
    survivor.merged = sorted({*survivor.merged, record.id})
    record.active, record.replaced_by, record.replaced = False, edge.b, edge.occurred
    work.tx.remove_blocks(record.number)
    _touch(work, [record, survivor])
    work.merges.append(("merged", edge.id, edge.a, edge.b))
    work.event("record-merged", record=edge.a, survivor=edge.b)


def _set_aside(work: Work, loser: Record) -> list[str]:
    """Close what the matcher found of the record by itself, for its values now count as its survivor's past; returns the edges' ids."""
    scored = [edge for edge in edges_of(work, loser.id) if edge.kind not in ASSERTED]
    for edge in scored:
        close_edge(work, edge, work.cause.occurred)
        work.moved.add(edge.other(loser.id))
    return [edge.id for edge in scored]
