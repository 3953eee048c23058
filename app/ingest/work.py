"""One change in the making: the records it touches, each loaded once, saved and published once at its end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson

from app.ingest.identity import mint_id
from app.ingest.records import Record, called_verified, found_by_identifier, found_by_person, get_record, record_from_body, save_record
from app.principal import together
from app.services import Services
from app.store.contract import EVENT, RECORD, Transaction
from mappers.facts import PatientFacts, Stamp
from mappers.patient import PatientState


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a change is made: who (a feed, an archive, a steward), by which message, when it happened and was received."""

    agent: str
    message: str
    occurred: str
    received: str

    @property
    def reference(self) -> str:
        """``agent#message``."""
        return f"{self.agent}#{self.message}"


@dataclass(slots=True)
class Work:
    """The unit of work of one change. ``finish`` in ``app.ingest.publish`` ends it.

    ``stored``: by person id the records that the store has of it; ``dirty``: records to save; ``shown``: ids of those whose Patient shows something new; ``weighed``: ids of those who say something
    new or with another standing, so that another record's word may count in the golden patient;
    ``moved``: ids of records whose edges changed; ``people``: person ids whose golden patient
    may change; ``near``: other persons that a person would include at a lower floor of grade;
    ``merges``: (merged, unmerged, linked or unlinked, edge id, record, the other) of each merge and link done or undone; ``explained``: ids of records
    that a Provenance of this change names; ``named`` the records that the message names, by role; ``folded`` the bytes that the
    records of merges had when it was last derived who answers for whom; ``astray`` the records that were told what is now another's;
    ``heard``: by key of a kept message when and by what it spoke, and what it says of each patient by role; ``packed``: what it says of its subject, as it is compared;
    ``act``: what a steward's decision is called in the events of membership, "" where it is none; ``regrouped`` the persons that such an event tells of;
    ``again``: by id of a record that is matched whether or not it changed, the numbers of the records to match it with, None where
    they are to be searched for.
    """

    tx: Transaction
    services: Services
    cause: Cause
    loaded: dict[str, Record] = field(default_factory=dict)
    stored: dict[str, list[Record]] = field(default_factory=dict)
    dirty: dict[str, Record] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)
    weighed: set[str] = field(default_factory=set)
    people: set[str] = field(default_factory=set)
    studies: dict[str, dict[str, Any]] = field(default_factory=dict)
    near: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    merges: list[tuple[str, str, str, str]] = field(default_factory=list)
    explained: set[str] = field(default_factory=set)
    named: dict[str, str] = field(default_factory=dict)
    folded: dict[str, bytes] = field(default_factory=dict)
    astray: set[str] = field(default_factory=set)
    again: dict[str, Sequence[int] | None] = field(default_factory=dict)
    heard: dict[str, tuple[Stamp, Mapping[str, PatientFacts]]] = field(default_factory=dict)
    packed: dict[Stamp, str] = field(default_factory=dict)
    act: str = ""
    regrouped: set[str] = field(default_factory=set)

    def _one(self, record: Record) -> Record:
        return self.loaded.setdefault(record.id, record)

    def _each(self, documents: Iterable[tuple[str, bytes]]) -> list[Record]:
        """The records of these documents; those that are loaded are not read again."""
        return [self.loaded.get(id) or self._one(record_from_body(body)) for id, body in documents]

    def record(self, id: str) -> Record | None:
        """The record of that id, the same object at each call."""
        if id in self.loaded:
            return self.loaded[id]
        found = get_record(self.tx, id)
        return None if found is None else self._one(found)

    def records(self, ids: Iterable[str]) -> list[Record]:
        """The records that exist among ``ids``, in that order."""
        wanted = list(ids)
        missing = [id for id in wanted if id not in self.loaded]
        self._each(self.tx.get_many(RECORD, missing).items())
        return [self.loaded[id] for id in wanted if id in self.loaded]

    def holders(self, organisation: str, identifiers: Sequence[str]) -> list[Record]:
        """Records of the organisation holding any of the identifiers."""
        return self._each(found_by_identifier(self.tx, organisation, identifiers))

    def custodian(self, records: Iterable[str]) -> str | None:
        """The custodian of what tells of these records: every trust that has a part in it."""
        return together(record.organisation for record in self.records(records))

    def members(self, person: str) -> list[Record]:
        """The records of a person as this change has them, replaced ones included, by first key."""
        if person not in self.stored:
            self.stored[person] = self._each(found_by_person(self.tx, person))
        found = {record.id: record for record in self.stored[person]}
        found.update({record.id: record for record in self.dirty.values()})
        return sorted((record for record in found.values() if record.person == person), key=lambda record: record.first_key)

    def survivor(self, record: Record) -> Record:
        """The record that replaced this one."""
        found = self.record(record.replaced_by or "")
        assert found is not None  # noqa: S101  (records are never removed)
        return found

    def root(self, record: Record) -> Record:
        """The record that answers for this one after its trust's merges; these never make a circle."""
        while record.replaced_by is not None:
            record = self.survivor(record)
        return record

    def below(self, record: Record) -> list[Record]:
        """The records that this one answers for, each after the one that replaced it."""
        found: list[Record] = []
        ahead = [record]
        while ahead:
            losers = self.records(ahead.pop(0).merged)
            found += losers
            ahead += losers
        return found

    def change(self, record: Record) -> Record:
        """Mark the record as changed."""
        self.dirty[record.id] = record
        return record

    def create(self, organisation: str, first_key: str, first_event: str) -> Record:
        """A new record, with the ids of its first key (design.md, Identity), not yet saved."""
        secret = self.services.id_secret
        id = self._free_id(f"patient|{organisation}|{first_key}")
        person = mint_id(secret, f"person|{id}")
        record = Record(
            id=id, number=self.tx.next_number("record"), organisation=organisation, first_key=f"{organisation}|{first_key}",
            first_event=first_event, person=person, birth_person=person, state=PatientState.empty(),
            numbers=[],
        )
        self.loaded[id] = record
        return self.change(record)

    def born_of(self, organisation: str, first_key: str) -> Iterator[Record]:
        """The records of the organisation that were born of that key, the first one first."""
        for id in self._ids(f"patient|{organisation}|{first_key}"):
            born = self.record(id)
            if born is None:
                return
            yield born

    def _ids(self, key: str) -> Iterator[str]:
        """The ids that a key may give, the one for the first record of it first."""
        for turn in count():
            yield mint_id(self.services.id_secret, key if turn == 0 else f"{key}#{turn}")

    def _free_id(self, key: str) -> str:
        return next(id for id in self._ids(key) if id not in self.loaded and self.tx.get(RECORD, id) is None)

    def name(self, role: str, record: Record, facts: PatientFacts) -> None:
        """Note that the message names the record in that role, and which NHS numbers it calls verified there."""
        self.named[role] = record.id
        new = called_verified(facts).difference(record.numbers or ())
        if new and record.numbers is not None:
            record.numbers = sorted({*record.numbers, *new})
            self.change(record)

    def tell(self, record: Record, facts: PatientFacts, stamp: Stamp) -> None:
        """Fold what a message says into the record."""
        state = record.state.apply(facts, stamp)
        stored = state.to_json()
        if stored == record.stored:
            return
        if not state.told_alike(record.state):
            self.weighed.add(record.id)
            if not record.stored or not state.same_values(record.state):
                self.shown.add(record.id)
        record.state, record.stored = state, stored
        self.change(record)

    def save(self, record: Record) -> None:
        """Store the record now, so that look-ups of this change find it."""
        save_record(self.tx, record)
        self.stored.clear()

    def event(self, action: str, **details: Any) -> None:
        """Put an event in the outbox, in this commit."""
        number = self.tx.next_number("event")
        body = {"number": number, "action": action, "at": self.tx.now, "cause": self.cause.reference, **details}
        self.tx.put(EVENT, f"{number:016d}", orjson.dumps(body), {"state": ["new"]})
