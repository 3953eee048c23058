"""A trust's own merges, links and unlinks of its records (hl7v2.md 1: A40 family, A24, A37)."""

from __future__ import annotations

from dataclasses import replace

from app.ingest.edges import Edge, close_edge, edges_of, put_edge
from app.ingest.evidence import evidential_conflict
from app.ingest.records import Record, identifier_keys
from app.ingest.resolve import first_key, resolve_or_create
from app.ingest.reviews import open_review
from app.ingest.work import Work
from mappers.context import NHS_NUMBER, Source
from mappers.facts import PatientFacts, Stamp
from mappers.hl7v2.merges import Merge


def merge(work: Work, source: Source, one: Merge, stamp: Stamp) -> None:
    """Make the MRG record ``replaced-by`` the PID record (A40).

    A known survivor keeps its demographics, an unknown one is enrolled from PID, an unknown loser is a stub.
    Self merges have no effect. Where both hold evidential NHS numbers that differ, the merge is parked.
    """
    work.flags.extend(one.flags)
    survivor = resolve_or_create(work, source, one.survivor, stamp.event_time)
    work.tell(survivor, one.survivor, stamp)
    work.save(survivor)
    loser = _loser(work, source, one, stamp)
    if loser is None or loser.id == survivor.id:
        work.flags.append("self-merge")
        return
    survivor = work.root(survivor)
    if evidential_conflict(work, survivor, loser):
        open_review(work,
            "merge-across-nhs-numbers", [survivor.id, loser.id], "A merge joins two records whose verified NHS numbers differ; it waits for a steward.",
            survivor=survivor.id, loser=loser.id, occurred=stamp.event_time,
        )
        return
    if survivor.id == loser.id:
        survivor = _invert(work, source, one, loser, stamp)
    _replace(work, loser, survivor, stamp)


def _loser(work: Work, source: Source, one: Merge, stamp: Stamp) -> Record | None:
    """The record that MRG-1 names itself, also where it is replaced already; a stub where the trust has none.

    Its identifiers stay as its own feed gave them: that they are old is shown by the survivor, so that an undone merge
    leaves no trace in it.
    """
    facts = PatientFacts(tuple(replace(fact, use=None, end=None) for fact in one.loser.identifiers))
    keys = [fact.key for fact in facts.identifiers if not fact.ended and fact.system != NHS_NUMBER]
    if not keys:
        return None
    holders = work.holders(source.organisation, keys)
    named = [record for key in keys for record in holders if key in identifier_keys(record)]
    loser = next((record for record in named if record.active), named[0] if named else None)
    if loser is None:
        loser = work.create(source.organisation, first_key(facts.identifiers, source), stamp.event_time)
    work.tell(loser, facts, stamp)
    work.save(loser)
    return loser


def _invert(work: Work, source: Source, one: Merge, loser: Record, stamp: Stamp) -> Record:
    """The merge is the inverse of an earlier one: free the named survivor first (hl7v2.md 1, Merge 4)."""
    keys = [fact.key for fact in one.survivor.identifiers]
    named = next(record for record in work.holders(source.organisation, keys) if record.id != loser.id)
    _restore(work, named, stamp)
    open_review(work, "inverse-merge", [named.id, loser.id], "A merge reverses an earlier one; the later one stands.")
    return named


def _restore(work: Work, record: Record, stamp: Stamp) -> None:
    """Take a record out of its merge: it answers for itself again."""
    parent = work.record(record.replaced_by) if record.replaced_by else None
    if parent is not None:
        parent.merged = [id for id in parent.merged if id != record.id]
        work.change(parent)
    for edge in edges_of(work, record.id):
        if edge.kind == "replaced-by" and edge.a == record.id:
            close_edge(work, edge, stamp.event_time)
    record.replaced_by, record.replaced, record.active = None, None, True
    work.moved.add(record.id)
    work.change(record)
    work.event("unmerged", record=record.id, survivor=parent.id if parent else None)


def _replace(work: Work, loser: Record, survivor: Record, stamp: Stamp) -> None:
    if loser.replaced_by == survivor.id:
        return
    if loser.replaced_by is not None:
        if loser.replaced is not None and stamp.event_time < loser.replaced:
            return
        open_review(work, "second-merge", [loser.id, survivor.id], "A record that was merged already is merged into another one; the later merge stands.")
        _restore(work, loser, stamp)
    for edge in edges_of(work, loser.id):
        if edge.kind == "not-same" and edge.other(loser.id) == survivor.id and edge.agent == work.cause.agent:
            close_edge(work, edge, stamp.event_time)
    put_edge(work, Edge.asserted("replaced-by", loser, survivor, work.cause, stamp.event_time))
    loser.active, loser.replaced_by, loser.replaced = False, survivor.id, stamp.event_time
    survivor.merged = sorted({*survivor.merged, loser.id})
    work.tx.remove_blocks(loser.number)
    work.moved.add(loser.id)
    work.change(loser)
    work.change(survivor)
    work.event("merged", record=loser.id, survivor=survivor.id)


def link(work: Work, source: Source, first: PatientFacts, second: PatientFacts, stamp: Stamp) -> None:
    """A24: a ``link`` edge between the records of both PIDs, each its own record; ends an earlier ``not-same``."""
    a = work.root(_enrolled(work, source, first, stamp))
    b = work.root(_enrolled(work, source, second, stamp))
    if a.id == b.id:
        work.flags.append("self-link")
        return
    if evidential_conflict(work, a, b):
        open_review(work, "link-across-nhs-numbers", [a.id, b.id], "A link joins two records whose verified NHS numbers differ; it waits for a steward.", occurred=stamp.event_time)
        return
    for edge in edges_of(work, a.id):
        if edge.kind == "not-same" and edge.other(a.id) == b.id and edge.agent == work.cause.agent:
            close_edge(work, edge, stamp.event_time)
    put_edge(work, Edge.asserted("link", a, b, work.cause, stamp.event_time))
    work.moved.update((a.id, b.id))


def unlink(work: Work, source: Source, first: PatientFacts, second: PatientFacts, stamp: Stamp) -> None:
    """A37: close the link and add ``not-same``, also without a prior link; on a merged pair, undo the merge."""
    a = _enrolled(work, source, first, stamp)
    b = _enrolled(work, source, second, stamp)
    if a.id == b.id:
        work.flags.append("self-unlink")
        return
    for record, other in ((a, b), (b, a)):
        if record.replaced_by == other.id:
            _restore(work, record, stamp)
            open_review(work, "unlink-of-merged", [a.id, b.id], "An unlink undid a merge of the same two records.")
    for edge in edges_of(work, a.id):
        if edge.kind == "link" and edge.other(a.id) == b.id:
            close_edge(work, edge, stamp.event_time)
    put_edge(work, Edge.asserted("not-same", a, b, work.cause, stamp.event_time))
    work.moved.update((a.id, b.id))


def _enrolled(work: Work, source: Source, facts: PatientFacts, stamp: Stamp) -> Record:
    """The very record the identifiers name, not its survivor; enrolled where the trust has none."""
    keys = [fact.key for fact in facts.identifiers if not fact.ended and fact.type_code != "NH"]
    holders = [record for key in keys for record in work.holders(source.organisation, keys) if key in identifier_keys(record)]
    if holders:
        return holders[0]
    record = resolve_or_create(work, source, facts, stamp.event_time)
    work.tell(record, facts, stamp)
    work.save(record)
    return record
