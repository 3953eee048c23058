"""Source records as the store keeps them: one trust's patient, the fold of what was said of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.store.contract import RECORD, Snapshot, Transaction
from mappers.context import NHS_NUMBER
from mappers.facts import PatientFacts
from mappers.patient import PatientState

ALWAYS = "0001-01-01T00:00:00.000000Z"
"""When a record was replaced that never was one of its own: it is known by an NHS number alone, which another record holds."""
PENDING = "pending"
"""State of a record whose links wait for the slow lane."""


@dataclass(slots=True)
class Record:
    """A source record. ``person`` is the golden patient's id, ``birth_person`` the one it was born with.

    ``replaced`` is the event time of the merge that made it inactive, ``content`` the key of what its Patient shows,
    ``studies`` whether any study was ever filed under it, ``former`` the person ids it once had, newest first;
    ``told`` the key of what it shows of itself, ``source`` (agent, message) of what last changed that; ``stored`` the state's bytes.
    ``merges`` whether a merge or unlink was ever told of it, ``last_event`` the time of the newest event that named it as its subject;
    ``numbers`` the NHS numbers that messages ever called verified under its identifiers, whatever became of them, None where that was not noted from the first.
    """

    id: str
    number: int
    organisation: str
    first_key: str
    first_event: str
    person: str
    birth_person: str
    state: PatientState
    active: bool = True
    replaced_by: str | None = None
    replaced: str | None = None
    merged: list[str] = field(default_factory=list)
    pending: bool = False
    content: str = ""
    studies: bool = False
    former: list[str] = field(default_factory=list)
    told: str = ""
    source: list[str] = field(default_factory=list)
    merges: bool = False
    last_event: str = ""
    numbers: list[str] | None = None
    stored: bytes = b""

    @property
    def is_past(self) -> bool:
        """Whether it was spoken of after its merge: what it holds itself is of the past, its survivor has what was said since."""
        return self.replaced is not None and self.last_event >= self.replaced


def record_from_body(body: bytes) -> Record:
    """The Record of a stored document: a line of JSON, then the state's own bytes."""
    head, _, state = body.partition(b"\n")
    values: dict[str, Any] = orjson.loads(head)
    return Record(state=PatientState.from_json(state), stored=state, **values)


def called_verified(facts: PatientFacts) -> set[str]:
    """The NHS numbers that a message calls verified. No other can be evidence, but it was said in another message."""
    return {one.value for one in facts.identifiers if one.system == NHS_NUMBER and one.value and one.status == "01" and not one.ended}


def index_key(organisation: str, identifier: str) -> str:
    """The index value by which a record of ``organisation`` is found: an identifier counts within its trust only."""
    return f"{organisation}|{identifier}"


def identifier_keys(record: Record) -> list[str]:
    """``system|value`` of every identifier it ever had, ended ones included: all of them still find it."""
    return record.state.identifier_keys()


_HEAD = tuple(name for name in Record.__slots__ if name not in ("state", "stored"))


def save_record(tx: Transaction, record: Record) -> None:
    """Store the record under its identifiers, old ones included, and its person."""
    head = orjson.dumps({name: getattr(record, name) for name in _HEAD})
    identifiers = [index_key(record.organisation, key) for key in identifier_keys(record)]
    index = {"identifier": identifiers, "person": [record.person], "state": [PENDING] if record.pending else []}
    tx.put(RECORD, record.id, b"%s\n%s" % (head, record.stored), index)


def get_record(tx: Snapshot, id: str) -> Record | None:
    """The record of that id, or None."""
    body = tx.get(RECORD, id)
    return None if body is None else record_from_body(body)


def get_records(tx: Snapshot, ids: Iterable[str]) -> dict[str, Record]:
    """The records that exist among ``ids``."""
    return {key: record_from_body(body) for key, body in tx.get_many(RECORD, list(ids)).items()}


def merged_into(tx: Snapshot, record: Record) -> list[Record]:
    """The records that this one answers for, each after the one that replaced it."""
    found: list[Record] = []
    ahead = record.merged
    while ahead:
        losers = list(get_records(tx, ahead).values())
        found += losers
        ahead = [id for loser in losers for id in loser.merged]
    return found


def found_by_identifier(tx: Snapshot, organisation: str, identifiers: Sequence[str]) -> list[tuple[str, bytes]]:
    """(id, document) of the organisation's records that hold any of the identifiers (``system|value``), replaced ones included."""
    return tx.find(RECORD, "identifier", [index_key(organisation, key) for key in identifiers]) if identifiers else []


def found_by_person(tx: Snapshot, person: str) -> list[tuple[str, bytes]]:
    """(id, document) of the records that a person is made of, replaced ones included."""
    return tx.find(RECORD, "person", [person])
