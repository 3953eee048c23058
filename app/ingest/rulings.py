"""One steward's decision in the making, and those that were made: by whom, why, and what each stated and ended (matching.md 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.errors import BusinessRule, UnknownKey
from app.ingest.assertions import between, state
from app.ingest.edges import LIST, Edge, close_edge, put_edge
from app.ingest.identity import digest_key
from app.ingest.learned import Said
from app.ingest.records import Record, found_by_identifier, record_from_body
from app.ingest.work import Work
from app.services import Services
from app.store.contract import DECISION, Snapshot, Transaction

_ACTIVITY = {
    "link": "linked", "unlink": "unlinked", "merge": "merged", "split": "split", "undo": "undone", "lift": "lifted", "do-not-link": "barred", "retire": "retired", "same": "confirmed", "different": "rejected",
}  # fmt: skip

_BARRED = "Records of the two persons are stated not to be the same; a steward who sees all of these records may end that."


@dataclass(slots=True)
class Ruling:
    """One steward's decision in the making: ``stated`` and ``ended`` the edges it put in force and took out of it.

    ``dropped``: edges that an undone decision had stated and that were ended since; they do not come back. ``learned``:
    what was known before of each NHS number that it says something of. ``item`` is the review item that it answers, as it
    was; ``undoes`` the key of the decision that it takes back; ``list_id`` that of the do-not-link List that it makes or whose standing it changes.
    """

    work: Work
    number: int
    action: str
    why: str
    records: list[str] = field(default_factory=list)
    stated: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    dropped: dict[str, str] = field(default_factory=dict)
    learned: dict[str, Said | None] = field(default_factory=dict)
    item: dict[str, Any] | None = None
    outcome: str | None = None
    undoes: str | None = None
    list_id: str | None = None

    @property
    def key(self) -> str:
        """The key under which it is kept."""
        return f"{self.number:016d}"

    @property
    def activity(self) -> str:
        """What it did, as its Provenance and its events say."""
        return _ACTIVITY.get(self.outcome or self.action, "review")

    def about(self, *records: Record) -> None:
        """Note the records that it is about."""
        self.records += [record.id for record in records if record.id not in self.records]

    def state(self, kind: str, a: Record, b: Record) -> None:
        """State an edge of two records; what any steward, and for a link any feed, said to the contrary ends.

        What a do-not-link List says ends with that List alone: BusinessRule where a link contradicts one.
        """
        work = self.work
        self.ended += [one.id for one in state(work, self._edge(kind, a, b))]
        for one in self.said(a, b) if kind == "link" else ():
            if one.kind == "not-same":
                close_edge(work, one, work.cause.occurred)
                self.ended.append(one.id)

    def bar(self, a: Record, b: Record) -> None:
        """State that the do-not-link List of this decision names both records. It ends nothing, it only outweighs what is said to the contrary."""
        edge = self._edge("not-same", a, b)
        edge.cause = f"{LIST}{self.list_id}"
        put_edge(self.work, edge)
        self.work.moved.update((a.id, b.id))

    def _edge(self, kind: str, a: Record, b: Record) -> Edge:
        self.about(a, b)
        self.work.people.update((a.person, b.person))
        edge = Edge.asserted(kind, a, b, self.work.cause, self.work.cause.occurred)
        edge.id = digest_key("decision", self.key, kind, edge.a, edge.b)
        self.stated.append(edge.id)
        return edge

    def said(self, a: Record, b: Record) -> list[Edge]:
        """What is stated of two records that are to be linked. BusinessRule where a do-not-link List names both, or others that they answer for."""
        found = between(self.work, a.id, b.id)
        listed = sorted({one.cause for one in found if one.is_listed})
        if listed:
            seen = [one for one in listed if is_shown(self.work.tx, one)]
            raise BusinessRule(f"{seen[0]} (do-not-link) names a record of each of the two persons; retire it first." if seen else _BARRED)
        return found


def is_shown(tx: Snapshot, listed: str) -> bool:
    """Whether the caller may read that List (``List/<id>``)."""
    return tx.resource("List", listed.removeprefix(LIST)) is not None


def find_record(tx: Snapshot, services: Services, name: str) -> str:
    """The id of the record that ``name`` means: a Patient id, or ``system|value``. UnknownKey where there is none or several."""
    system, bar, value = name.partition("|")
    if not bar:
        return name.removeprefix("Patient/")
    keys = [f"{system}|{value}"]
    held = [record_from_body(body) for ods in services.sources.organisations for _, body in found_by_identifier(tx, ods, keys)]
    found = {record.id for record in held if tx.principal.sees(record.organisation)}
    if len(found) != 1:
        raise UnknownKey("The identifier names no record, or several; give the Patient id.")
    return found.pop()


def named_record(work: Work, name: str, *, itself: bool = False) -> Record:
    """The record that answers for the one that ``name`` means, or that record ``itself``. UnknownKey where there is none."""
    record = work.record(find_record(work.tx, work.services, name))
    if record is None or not work.tx.principal.sees(record.organisation):
        raise UnknownKey("There is no record of that id.")
    return record if itself else work.root(record)


def named_pair(work: Work, first: str, second: str) -> tuple[Record, Record]:
    """The two records that answer for those named. BusinessRule where they are one."""
    a, b = named_record(work, first), named_record(work, second)
    if a.id == b.id:
        raise BusinessRule("Both names are of one record.")
    return a, b


def decision_of(work: Work, name: str) -> dict[str, Any]:
    """The steward's decision of that Provenance. UnknownKey where there is none whose records the caller may all see."""
    found = work.tx.find(DECISION, "provenance", [name.removeprefix("Provenance/")])
    if not found:
        raise UnknownKey("There is no steward's decision of that Provenance.")
    decision: dict[str, Any] = orjson.loads(found[0][1])
    if not is_seen(work, decision):
        raise UnknownKey("There is no steward's decision of that Provenance.")
    return decision


def is_seen(work: Work, decision: Mapping[str, Any]) -> bool:
    """Whether the caller may see every record that it is about."""
    return all(work.tx.principal.sees(record.organisation) for record in work.records(decision["records"]))


def save_decision(tx: Transaction, decision: dict[str, Any]) -> None:
    """Keep a decision under the records that it is about, and its Provenance."""
    tx.put(DECISION, decision["key"], orjson.dumps(decision), {"record": decision["records"], "provenance": [decision["provenance"]]})


def decisions(tx: Snapshot, record: str) -> list[dict[str, Any]]:
    """The stewards' decisions about a record, oldest first, undone ones included."""
    return [orjson.loads(body) for _, body in tx.find(DECISION, "record", [record])]
