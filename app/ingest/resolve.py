"""Which record a message speaks of: within its own trust, local identifiers first (hl7v2.md 3)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.errors import RequiredMissing
from app.ingest.records import Record, identifier_keys
from app.ingest.reviews import open_review
from app.ingest.standing_in import own_record
from app.ingest.work import Work
from mappers.context import NHS_NUMBER, Source
from mappers.facts import IdentifierFact, PatientFacts


@dataclass(frozen=True, slots=True)
class Named:
    """Whom identifiers name in a trust: the very record, replaced or not, None where there is none; and what each record found holds."""

    record: Record | None
    held: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def facts_for(self, record: Record, facts: PatientFacts) -> PatientFacts:
        """The facts without the identifiers that other records hold: a message never takes them from there (hl7v2.md 3)."""
        if len(self.held) < 2 and record.id in self.held:
            return facts
        named = self.record.id if self.record else ""
        others = others_keys(self.held, record.id, named)
        return replace(facts, identifiers=tuple(one for one in facts.identifiers if one.key not in others)) if others else facts


def others_keys(held: Mapping[str, Collection[str]], record: str, named: str) -> frozenset[str]:
    """The keys that are of other records than ``record``, by what each of them holds. An NHS number of the ``named`` one, for which the record answers, is its own."""
    keys = (key for id, keys in held.items() if id != record for key in keys if id != named or not key.startswith(f"{NHS_NUMBER}|"))
    return frozenset(keys) - frozenset(held.get(record, ()))


@dataclass(frozen=True, slots=True)
class Spoken:
    """Of whom a message speaks: ``named`` by its identifiers, ``record`` the one that answers at the time of the event, and the facts for it."""

    named: Record
    record: Record
    facts: PatientFacts


def local_identifiers(identifiers: Sequence[IdentifierFact]) -> list[IdentifierFact]:
    """Identifiers in force that a trust or another body gave, NHS numbers and temporary ones left out."""
    return [one for one in identifiers if one.system != NHS_NUMBER and not one.ended and one.use != "temp"]


def first_key(identifiers: Sequence[IdentifierFact], source: Source) -> str:
    """The key that a new record's id is made of: of the organisation's primary authority, else the smallest. RequiredMissing without any."""
    primary = source.default_authority.system if source.default_authority else None
    keys = sorted(one.key for one in identifiers if not one.ended)
    preferred = [one.key for one in identifiers if one.system == primary and not one.ended]
    if not keys:
        raise RequiredMissing("The message names no patient identifier.", location="PID^1^3")
    return preferred[0] if preferred else keys[0]


def named_by(work: Work, source: Source, identifiers: Sequence[IdentifierFact]) -> Named:
    """Whom the identifiers name: the holder of the first local one, those of the primary authority before others.

    An NHS number alone names the only one in force that holds it, else the record of that number alone, if there is one.
    """
    local = local_identifiers(identifiers)
    if not local:
        return _named_by_number(work, source, _numbers(identifiers))
    primary = source.default_authority.system if source.default_authority else None
    keys = [one.key for one in sorted(local, key=lambda one: one.system != primary)]
    holders = work.holders(source.organisation, keys)
    if not holders:
        return Named(None)
    held = {record.id: frozenset(identifier_keys(record)) for record in holders}
    key = next(key for key in keys if any(key in those for those in held.values()))
    return Named(min((one for one in holders if key in held[one.id]), key=lambda one: (not one.active, one.first_key)), held)


def named_itself(work: Work, source: Source, identifiers: Sequence[IdentifierFact]) -> Named:
    """Whom the identifiers name; an NHS number alone only the record of that number alone, for which the one that holds it answers (``app.ingest.standing_in``)."""
    if local_identifiers(identifiers):
        return named_by(work, source, identifiers)
    keys = _numbers(identifiers)
    return Named(own_record(work.holders(source.organisation, keys[:1]), keys[0]) if keys else None)


def _numbers(identifiers: Sequence[IdentifierFact]) -> list[str]:
    return [one.key for one in identifiers if one.system == NHS_NUMBER and not one.ended]


def _named_by_number(work: Work, source: Source, keys: Sequence[str]) -> Named:
    holders = work.holders(source.organisation, keys[:1])
    own = own_record(holders, keys[0]) if holders else None
    others = [record for record in holders if record.active and record is not own]
    return Named(others[0] if len(others) == 1 else own)


def answering_at(work: Work, record: Record, event_time: str) -> Record:
    """The record that answers for ``record`` at that time: its survivor for events after its merge, itself for earlier ones."""
    while record.replaced is not None and event_time >= record.replaced:
        record = work.survivor(record)
    return record


def resolve_or_create(work: Work, source: Source, facts: PatientFacts, event_time: str) -> Spoken:
    """Of whom the facts speak, enrolled if the trust has none (hl7v2.md 1). RequiredMissing where nothing names one."""
    found = named_itself(work, source, facts.identifiers)
    if found.record is None:
        record = enrol(work, source, facts, event_time)
        return Spoken(record, record, facts)
    ask_of_two(work, found)
    record = answering_at(work, found.record, event_time)
    return Spoken(found.record, record, found.facts_for(record, facts))


def ask_of_two(work: Work, found: Named) -> None:
    """Ask a steward where the identifiers of one patient are of two records (hl7v2.md 3)."""
    answering = {work.root(record).id for record in work.records(found.held)}
    if len(answering) > 1:
        open_review(work, "identifiers-of-two-records", sorted(answering), "One message names identifiers that two records hold.")


def enrol(work: Work, source: Source, facts: PatientFacts, event_time: str) -> Record:
    """A new record of the facts. RequiredMissing where they hold no identifier in force."""
    return work.create(source.organisation, first_key(facts.identifiers, source), event_time)
