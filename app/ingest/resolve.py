"""Which record a message speaks of: within its own trust, local identifiers first (hl7v2.md 3)."""

from __future__ import annotations

from collections.abc import Sequence

from app.errors import RequiredMissing
from app.ingest.records import Record, identifier_keys
from app.ingest.reviews import open_review
from app.ingest.work import Work
from mappers.context import NHS_NUMBER, Source
from mappers.facts import IdentifierFact, PatientFacts


def _local(identifiers: Sequence[IdentifierFact]) -> list[IdentifierFact]:
    return [one for one in identifiers if one.system != NHS_NUMBER and not one.ended and one.use != "temp"]


def first_key(identifiers: Sequence[IdentifierFact], source: Source) -> str:
    """The key that a new record's id is made of: of the organisation's primary authority, else the smallest."""
    primary = source.default_authority.system if source.default_authority else None
    keys = sorted(one.key for one in identifiers if not one.ended)
    preferred = [one.key for one in identifiers if one.system == primary and not one.ended]
    return preferred[0] if preferred else keys[0]


def _only_holder(holders: Sequence[Record], key: str) -> Record | None:
    active = [record for record in holders if record.active and key in identifier_keys(record)]
    return active[0] if len(active) == 1 else None


def resolve(work: Work, source: Source, identifiers: Sequence[IdentifierFact], event_time: str) -> Record | None:
    """The record these identifiers name, or None where the trust has none.

    A replaced record answers with its survivor for events after the merge and by itself for earlier ones
    (hl7v2.md 1, Merge 6). Identifiers of two records: the one of the first local identifier, and a review item.
    """
    local = _local(identifiers)
    usable = [one.key for one in (local or identifiers) if not one.ended]
    holders = work.holders(source.organisation, usable)
    if not holders:
        return None
    if not local:
        return _only_holder(holders, usable[0])
    for key in usable:
        chosen = [record for record in holders if key in identifier_keys(record)]
        if chosen:
            break
    answering = {(work.root(record)).id for record in holders}
    record = min(chosen, key=lambda one: (not one.active, one.first_key))
    if len(answering) > 1:
        open_review(work, "identifiers-of-two-records", sorted(answering), "One message names identifiers that two records hold.")
    if record.replaced is not None and event_time >= record.replaced:
        return work.root(record)
    return record


def resolve_or_create(work: Work, source: Source, facts: PatientFacts, event_time: str) -> Record:
    """The record that the facts speak of, enrolled if the trust has none (hl7v2.md 1). RequiredMissing where nothing names one."""
    record = resolve(work, source, facts.identifiers, event_time)
    if record is not None:
        return record
    if not [one for one in facts.identifiers if not one.ended]:
        raise RequiredMissing("The message names no patient identifier.", location="PID^1^3")
    return work.create(source.organisation, first_key(facts.identifiers, source), event_time)
