"""A trust's own merges, links and unlinks of its records (hl7v2.md 1: A40 family, A24, A37)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.errors import UnknownKey
from app.ingest.assertions import end_own, parted_by_steward, parted_since, state
from app.ingest.edges import ASSERTED, Edge, close_edge, edges_by_id, edges_of, put_edge, reopen_edge
from app.ingest.evidence import evidential_conflict
from app.ingest.records import Record
from app.ingest.resolve import enrol, local_identifiers, named_by
from app.ingest.reviews import open_review
from app.ingest.work import Work
from mappers.context import NHS_NUMBER, Source
from mappers.facts import IdentifierFact, PatientFacts, Stamp
from mappers.hl7v2.merges import Merge


def merge(work: Work, source: Source, one: Merge, stamp: Stamp) -> None:
    """Make the MRG record ``replaced-by`` the PID record (A40).

    A known survivor keeps its demographics, an unknown one is enrolled from PID, an unknown loser is a stub. Self merges
    have no effect. Parked: a merge across two evidential NHS numbers or a steward's word, and one of numbers that another
    organisation gives.
    """
    work.flags.extend(one.flags)
    survivor = _named(work, source, one.survivor, stamp)
    if not one.loser.identifiers:
        work.flags.append("self-merge")
        return
    if not _owns(source, one.survivor) or not _owns(source, one.loser):
        open_review(work, "merge-of-others-numbers", [survivor.id], "A merge names numbers that another organisation gives; it waits for a steward.", occurred=stamp.event_time)
        return
    loser = _loser(work, source, one, stamp)
    if loser.id == survivor.id:
        work.flags.append("self-merge")
        return
    root = work.root(survivor)
    if _is_barred(work, root, loser, stamp):
        return
    if root.id == loser.id:
        if not _invert(work, survivor, loser, stamp):
            return
        root = survivor
    _replace(work, loser, root, stamp)


def _is_barred(work: Work, survivor: Record, loser: Record, stamp: Stamp) -> bool:
    """Whether the merge must not be done; a steward is asked."""
    details: dict[str, Any] = {"survivor": survivor.id, "loser": loser.id, "occurred": stamp.event_time}
    pair = [survivor.id, loser.id]
    if evidential_conflict(work, survivor, loser):
        open_review(work, "merge-across-nhs-numbers", pair, "A merge joins two records whose verified NHS numbers differ; it waits for a steward.", **details)
    elif parted_by_steward(work, survivor.id, loser.id):
        open_review(work, "merge-across-not-same", pair, "A merge joins two records of which a steward says that they are two people; it waits.", **details)
    elif parted_since(work, survivor.id, loser.id, stamp.event_time):
        open_review(work, "unlink-of-merged", pair, "An unlink undid a merge of the same two records.")
    else:
        return False
    return True


def _named(work: Work, source: Source, facts: PatientFacts, stamp: Stamp) -> Record:
    """The very record the identifiers name, not its survivor; enrolled where the trust has none. It keeps its demographics."""
    found = named_by(work, source, facts.identifiers)
    record = found.record or enrol(work, source, facts, stamp.event_time)
    work.tell(record, found.facts_for(record, facts), stamp)
    work.save(record)
    return record


def _owns(source: Source, facts: PatientFacts) -> bool:
    """Whether the source's organisation gives any of the local identifiers; NHS numbers are nobody's (hl7v2.md 1, Ownership)."""
    local = local_identifiers(facts.identifiers)
    return not local or any(one.owner == source.organisation for one in local)


def _loser(work: Work, source: Source, one: Merge, stamp: Stamp) -> Record:
    """The record that MRG-1 names itself, also where it is replaced already; a stub where the trust has none.

    Its identifiers stay as its own feed gave them: that they are old is shown by the survivor, so that an undone merge
    leaves no trace in it. UnknownKey where an NHS number alone names no one record.
    """
    facts = PatientFacts(tuple(replace(fact, use=None, end=None) for fact in one.loser.identifiers))
    if not local_identifiers(facts.identifiers) and named_by(work, source, facts.identifiers).record is None:
        raise UnknownKey("MRG-1 names no record by a local identifier, and its NHS number is of none or of several.", location="MRG^1^1")
    return _named(work, source, facts, stamp)


def _invert(work: Work, survivor: Record, loser: Record, stamp: Stamp) -> bool:
    """The merge is the inverse of an earlier one: free the named survivor first (hl7v2.md 1, Merge 4); False where it is the older of the two."""
    open_review(work, "inverse-merge", [survivor.id, loser.id], "A merge reverses another one; the later of them stands.")
    if survivor.replaced is not None and stamp.event_time < survivor.replaced:
        return False
    _restore(work, survivor, stamp)
    return True


def _restore(work: Work, record: Record, stamp: Stamp) -> None:
    """Take a record out of its merge: it answers for itself again, and the matcher judges again what the merge set aside."""
    parent = work.survivor(record)
    parent.merged = [id for id in parent.merged if id != record.id]
    work.moved.add(parent.id)
    work.change(parent)
    for edge in edges_of(work, record.id):
        if edge.kind == "replaced-by" and edge.a == record.id:
            close_edge(work, edge, stamp.event_time)
            work.merges.append(("unmerged", edge.id, record.id, parent.id))
            for one in edges_by_id(work.tx, edge.evidence.get("set_aside", ())):
                reopen_edge(work, one)
    record.replaced_by, record.replaced, record.active = None, None, True
    work.moved.add(record.id)
    work.change(record)
    work.event("unmerged", record=record.id, survivor=parent.id)


def _replace(work: Work, loser: Record, survivor: Record, stamp: Stamp) -> None:
    if loser.replaced_by is not None:
        if work.root(loser).id == survivor.id:
            return
        open_review(work, "second-merge", [loser.id, survivor.id], "A record that was merged already is merged into another one; the later merge stands.")
        if loser.replaced is not None and stamp.event_time < loser.replaced:
            return
        _restore(work, loser, stamp)
    end_own(work, loser.id, survivor.id, "not-same", stamp.event_time)
    edge = Edge.asserted("replaced-by", loser, survivor, work.cause, stamp.event_time)
    edge.evidence = {"set_aside": _set_aside(work, loser, stamp)}
    put_edge(work, edge)
    work.merges.append(("merged", edge.id, loser.id, survivor.id))
    loser.active, loser.replaced_by, loser.replaced = False, survivor.id, stamp.event_time
    survivor.merged = sorted({*survivor.merged, loser.id})
    work.tx.remove_blocks(loser.number)
    work.moved.add(loser.id)
    work.change(loser)
    work.change(survivor)
    work.event("merged", record=loser.id, survivor=survivor.id)


def _set_aside(work: Work, loser: Record, stamp: Stamp) -> list[str]:
    """Close what the matcher found of the record by itself, for its values now count as its survivor's past; returns the edges' ids."""
    scored = [edge for edge in edges_of(work, loser.id) if edge.kind not in ASSERTED]
    for edge in scored:
        close_edge(work, edge, stamp.event_time)
        work.moved.add(edge.other(loser.id))
    return [edge.id for edge in scored]


def link(work: Work, source: Source, first: PatientFacts, second: PatientFacts, stamp: Stamp) -> None:
    """A24: a ``link`` edge between the records of both PIDs, each its own record; ends an earlier ``not-same``.

    An NHS number alone in the second PID joins the first one's record.
    """
    a = _named(work, source, first, stamp)
    if not local_identifiers(second.identifiers):
        work.tell(a, _numbers(second), stamp)
        return
    if not _owns(source, first) or not _owns(source, second):
        open_review(work, "link-of-others-numbers", [a.id], "A link names numbers that another organisation gives; it waits for a steward.", occurred=stamp.event_time)
        return
    a, b = work.root(a), work.root(_named(work, source, second, stamp))
    if a.id == b.id:
        work.flags.append("self-link")
        return
    if evidential_conflict(work, a, b):
        open_review(work, "link-across-nhs-numbers", [a.id, b.id], "A link joins two records whose verified NHS numbers differ; it waits for a steward.", occurred=stamp.event_time)
        return
    state(work, Edge.asserted("link", a, b, work.cause, stamp.event_time))


def unlink(work: Work, source: Source, first: PatientFacts, second: PatientFacts, stamp: Stamp) -> None:
    """A37: close the link and add ``not-same``, also without a prior link; on a merged pair, undo the merge.

    An NHS number alone in the second PID is taken off the first one's record.
    """
    a = _named(work, source, first, stamp)
    if not local_identifiers(second.identifiers):
        work.tell(a, PatientFacts(tuple(replace(fact, ended=True) for fact in _numbers(second).identifiers)), stamp)
        return
    if not _owns(source, first) or not _owns(source, second):
        open_review(work, "unlink-of-others-numbers", [a.id], "An unlink names numbers that another organisation gives; it waits for a steward.", occurred=stamp.event_time)
        return
    b = _named(work, source, second, stamp)
    if a.id == b.id:
        work.flags.append("self-unlink")
        return
    for record, other in ((a, b), (b, a)):
        if record.replaced_by == other.id and _merged_by(work, record) == work.cause.agent:
            _restore(work, record, stamp)
            open_review(work, "unlink-of-merged", [a.id, b.id], "An unlink undid a merge of the same two records.")
    if work.root(a).id == work.root(b).id:
        open_review(work, "unlink-within-merge", [a.id, b.id], "An unlink names two records that are one by merges it does not undo.")
    state(work, Edge.asserted("not-same", a, b, work.cause, stamp.event_time))


def _merged_by(work: Work, record: Record) -> str:
    """The feed whose merge replaced the record."""
    return next((edge.agent for edge in edges_of(work, record.id) if edge.kind == "replaced-by" and edge.a == record.id), "")


def _numbers(facts: PatientFacts) -> PatientFacts:
    """The NHS numbers of the facts alone."""
    numbers: tuple[IdentifierFact, ...] = tuple(one for one in facts.identifiers if one.system == NHS_NUMBER)
    return PatientFacts(numbers)
