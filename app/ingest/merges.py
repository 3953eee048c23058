"""A trust's own merges, links and unlinks of its records (hl7v2.md 1: A40 family, A24, A37)."""

from __future__ import annotations

from collections.abc import Mapping

from app.errors import UnknownKey
from app.ingest.assertions import state
from app.ingest.edges import Edge, edges_by_id
from app.ingest.records import Record
from app.ingest.resolve import ask_of_two, enrol, local_identifiers, named_by
from app.ingest.reviews import open_review
from app.ingest.succession import order_of, succeed, tell
from app.ingest.work import Work
from mappers.context import Source
from mappers.facts import PatientFacts, Stamp

Statements = Mapping[str, PatientFacts]
"""What an event says of each patient it names, by role (``app.ingest.reading.statements``)."""


def merge(work: Work, source: Source, said: Statements, stamp: Stamp, place: int) -> None:
    """Tell that the MRG record of the message's ``place``-th pair is ``replaced-by`` its PID record (A40).

    A known survivor keeps its demographics, an unknown one is enrolled from PID, an unknown loser is a stub. Self merges
    have no effect. Parked: a merge across two evidential NHS numbers or a steward's word, and one of numbers that another
    organisation gives.
    """
    kept, lost = f"survivor{place}", f"loser{place}"
    survivor = _named(work, source, said, kept, stamp)
    if not said[lost].identifiers:
        work.flags.append("self-merge")
        return
    if not _owns(source, said[kept]) or not _owns(source, said[lost]):
        open_review(work, "merge-of-others-numbers", [survivor.id], "A merge names numbers that another organisation gives; it waits for a steward.", occurred=stamp.event_time)
        return
    if not local_identifiers(said[lost].identifiers) and named_by(work, source, said[lost].identifiers).record is None:
        raise UnknownKey("MRG-1 names no record by a local identifier, and its NHS number is of none or of several.", location="MRG^1^1")
    loser = _named(work, source, said, lost, stamp)
    if loser.id == survivor.id:
        work.flags.append("self-merge")
        return
    edge = Edge.asserted("replaced-by", loser, survivor, work.cause, stamp.event_time)
    edge.closed = stamp.event_time
    succeed(work, [loser, survivor], tell(work, edge, stamp, place).id)


def _named(work: Work, source: Source, said: Statements, role: str, stamp: Stamp) -> Record:
    """The very record that the message names in that role, not its survivor; enrolled where the trust has none. It keeps its demographics."""
    facts = said[role]
    found = named_by(work, source, facts.identifiers)
    if found.record is not None:
        ask_of_two(work, found)
    record = found.record or enrol(work, source, facts, stamp.event_time)
    work.name(role, record, facts)
    work.tell(record, found.facts_for(record, facts), stamp)
    work.save(record)
    return record


def _owns(source: Source, facts: PatientFacts) -> bool:
    """Whether the source's organisation gives any of the local identifiers; NHS numbers are nobody's (hl7v2.md 1, Ownership)."""
    local = local_identifiers(facts.identifiers)
    return not local or any(one.owner == source.organisation for one in local)


def _number(work: Work, record: Record, said: Statements, stamp: Stamp) -> None:
    """An NHS number alone in the second PID joins the first one's record, or is taken off it."""
    work.name("number", record, said["number"])
    work.tell(record, said["number"], stamp)


def link(work: Work, source: Source, said: Statements, stamp: Stamp) -> None:
    """A24: a ``link`` edge between the records of both PIDs, each its own record; ends an earlier ``not-same``.

    Between two verified NHS numbers that differ it joins nothing while they do, and a steward is asked (``app.ingest.questions``).
    """
    a = _named(work, source, said, "first", stamp)
    if "number" in said:
        _number(work, a, said, stamp)
        return
    if not _owns(source, said["first"]) or not _owns(source, said["second"]):
        open_review(work, "link-of-others-numbers", [a.id], "A link names numbers that another organisation gives; it waits for a steward.", occurred=stamp.event_time)
        return
    b = _named(work, source, said, "second", stamp)
    if a.id == b.id:
        work.flags.append("self-link")
        return
    _state(work, Edge.asserted("link", a, b, work.cause, stamp.event_time), "linked", stamp)


def _state(work: Work, edge: Edge, action: str, stamp: Stamp) -> None:
    """Put a feed's word on two records in force, and have it explained; told again it is nothing new."""
    if not edges_by_id(work.tx, [edge.id]):
        edge.evidence["order"] = order_of(stamp)
        state(work, edge)
        work.merges.append((action, edge.id, edge.a, edge.b))


def unlink(work: Work, source: Source, said: Statements, stamp: Stamp) -> None:
    """A37: close the link and add ``not-same``, also without a prior link; on a merged pair, undo the merge."""
    a = _named(work, source, said, "first", stamp)
    if "number" in said:
        _number(work, a, said, stamp)
        return
    if not _owns(source, said["first"]) or not _owns(source, said["second"]):
        open_review(work, "unlink-of-others-numbers", [a.id], "An unlink names numbers that another organisation gives; it waits for a steward.", occurred=stamp.event_time)
        return
    b = _named(work, source, said, "second", stamp)
    if a.id == b.id:
        work.flags.append("self-unlink")
        return
    edge = Edge.asserted("not-same", a, b, work.cause, stamp.event_time)
    _state(work, edge, "unlinked", stamp)
    tell(work, edge, stamp)
    succeed(work, [a, b])
    if work.root(a).id == work.root(b).id:
        open_review(work, "unlink-within-merge", [a.id, b.id], "An unlink names two records that are one by merges it does not undo.")
