"""Telling records again what was said of them, where merges that came late change which record a message was about (hl7v2.md 1, Merge 6).

Each message is kept with the records that it named. From these and from the image headers the states of the records
are folded anew, as they would be had all come in the order of the events.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from app.ingest.evidence import contradicts, header_demographics
from app.ingest.reading import Heard, heard
from app.ingest.records import ALWAYS, Record, identifier_keys
from app.ingest.resolve import answering_at, local_identifiers, others_keys
from app.ingest.reviews import open_review
from app.ingest.studies import headers_under
from app.ingest.work import Work
from app.store.contract import MESSAGE
from mappers.context import NHS_NUMBER
from mappers.facts import CLASS_RANK, IdentifierFact, PatientFacts, Stamp
from mappers.hl7v2.errors import Er7Error
from mappers.patient import PatientState

_BEFORE_ALL = Stamp(CLASS_RANK["P"], ALWAYS, "", 0, "", "", "weald")


@dataclass(frozen=True, slots=True)
class Statement:
    """What one message says of one record: which it ``named``, and which ``answering`` at that time it is about; the same where the record is not its ``subject``."""

    named: str
    answering: str
    facts: PatientFacts
    stamp: Stamp
    subject: bool


def retell(work: Work, records: Sequence[Record]) -> None:
    """Fold again all that was said of the records; what a merged number's message says against its survivor waits for a steward.

    Where a message of theirs can no longer be read, because its source is not configured any more, they stay as they are.
    """
    found = statements_of(work, records)
    if found is None:
        work.event("not-retold", records=[record.id for record in records])
        return
    before = {record.id: record.state for record in records}
    for record in records:
        record.state = headers_of(work, record)
    own = [one for one in found if one.named == one.answering]
    for one in own:
        _tell(work, records, one)
    for one in found:
        if one.named != one.answering:
            _tell_survivor(work, records, one)
    for record in records:
        _keep(work, record, before[record.id])


def as_named(work: Work, records: Sequence[Record]) -> dict[str, PatientState]:
    """What was said under each record's own identifiers, by id, as if none had been merged; strangers to the survivor left out.

    So a number that is sent under a merged number counts as that record's, whether or not the merge stands.
    """
    now = {record.id: record.state for record in records}
    found = statements_of(work, records) if any(one.is_past for one in records) else None
    if found is None:
        return now
    states = {record.id: headers_of(work, record) for record in records}
    for one in found:
        if one.named == one.answering or not is_strange(work, one, work.records([one.answering])[0]):
            states[one.named] = states[one.named].apply(one.facts, one.stamp)
    return states


def is_strange(work: Work, one: Statement, record: Record) -> bool:
    """Whether what a message says under a merged number contradicts the record that answers for it."""
    if one.stamp not in work.packed:
        work.packed[one.stamp] = header_demographics(work, one.facts, one.stamp)
    return contradicts(work, work.packed[one.stamp], record)


def headers_of(work: Work, record: Record) -> PatientState:
    """What image headers alone say of the record."""
    state = PatientState.empty()
    for facts, stamp in headers_under(work, record):
        state = state.apply(facts, stamp)
    return state


def statements_of(work: Work, records: Iterable[Record]) -> list[Statement] | None:
    """All that messages said of the records, in the order of the events; None where one of them cannot be read any more."""
    by_id = {record.id: record for record in records}
    found: list[Statement] = []
    for key, body in work.tx.find(MESSAGE, "record", sorted(by_id)):
        head, _, raw = body.partition(b"\n")
        said = orjson.loads(head)
        spoken = work.heard.get(key) or _heard(work, said, raw)
        if spoken is None:
            return None
        work.heard[key] = spoken
        stamp, facts = spoken
        for role, id in said["named"].items():
            if id in by_id:
                record = by_id[id]
                about = answering_at(work, record, stamp.event_time) if role == "subject" else record
                found.append(Statement(id, about.id, facts[role], stamp, role == "subject"))
    return sorted(found, key=lambda one: one.stamp[1:])


def _heard(work: Work, head: Mapping[str, Any], raw: bytes) -> Heard | None:
    """What ``heard`` has of a kept message; None where it cannot be read any more."""
    source = work.services.sources.by_code(head["source"])
    if source is None:
        return None
    try:
        return heard(work.services.sources, raw, source, head["received"])
    except Er7Error:
        return None


def _tell(work: Work, records: Sequence[Record], one: Statement) -> None:
    record = next(record for record in records if record.id == one.answering)
    record.state = record.state.apply(_without_others(work, records, record, one), one.stamp)


def _without_others(work: Work, records: Sequence[Record], record: Record, one: Statement) -> PatientFacts:
    """The facts without the identifiers of other records that hold one of the local ones (hl7v2.md 3)."""
    facts, named = one.facts, one.named
    local = {fact.key for fact in local_identifiers(facts.identifiers)}
    if not local or local <= set(identifier_keys(record)):
        return facts
    inside = {one.id for one in records}
    holders = [one for one in work.holders(record.organisation, sorted(local)) if one.id not in inside]
    held = {one.id: frozenset(identifier_keys(one)) for one in (*records, *holders)}
    others = others_keys({id: keys for id, keys in held.items() if id == record.id or keys & local}, record.id, named)
    return replace(facts, identifiers=tuple(fact for fact in facts.identifiers if fact.key not in others))


def _tell_survivor(work: Work, records: Sequence[Record], one: Statement) -> None:
    survivor = next(record for record in records if record.id == one.answering)
    if is_strange(work, one, survivor):
        ask_of_stranger(work, survivor, f"{one.stamp.source}#{one.stamp.control_id}")
    else:
        _tell(work, records, one)


def ask_of_stranger(work: Work, survivor: Record, message: str) -> None:
    """Ask a steward about a message under a merged number that is of somebody else, as it seems."""
    open_review(work, "reused-number", [survivor.id], "A message under a merged number contradicts the surviving record; it waits for a steward.", message=message)


def _keep(work: Work, record: Record, before: PatientState) -> None:
    if not record.state.identifiers():
        record.state = record.state.apply(_first_identifier(record), _BEFORE_ALL)
    stored = record.state.to_json()
    if stored == record.stored:
        record.state = before
        return
    record.stored = stored
    work.shown.add(record.id)
    work.change(record)
    work.save(record)


def _first_identifier(record: Record) -> PatientFacts:
    """The identifier that the record was born with, so that it is found by it even where all it was told is another's."""
    _, system, value = record.first_key.split("|", 2)
    return PatientFacts((IdentifierFact(system, value, "NH" if system == NHS_NUMBER else "MR", None if system == NHS_NUMBER else record.organisation),))
