"""What stewards do to links: each is an assertion with who and why, and each can be undone (matching.md 9).

Assertions are on records and are never deleted: an undo closes them, and the persons are derived again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import orjson

from app.errors import BusinessRule, UnknownKey
from app.ingest.edges import ASSERTED, Edge, close_edge, edges_of, put_edge
from app.ingest.evidence import evidential_conflict
from app.ingest.publish import finish
from app.ingest.records import Record, records_by_identifier
from app.ingest.reviews import save_review
from app.ingest.work import Cause, Work
from app.principal import Principal
from app.services import Services
from app.store.contract import REVIEW, Change, Failed, Snapshot, Transaction

STEWARD = "steward:"


def cause_of(services: Services, who: str, why: str) -> Cause:
    """The cause of a steward's decision: ``who`` and ``why`` are kept with it."""
    now = services.clock().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return Cause(f"{STEWARD}{who}", why, now, now)


def find_record(tx: Snapshot, services: Services, name: str) -> str:
    """The id of the record that ``name`` means: a Patient id, or ``system|value``. UnknownKey where there is none or several."""
    system, bar, value = name.partition("|")
    if not bar:
        return name.removeprefix("Patient/")
    found = {record.id for ods in services.sources.organisations for record in records_by_identifier(tx, ods, [f"{system}|{value}"])}
    if len(found) != 1:
        raise UnknownKey("The identifier names no record, or several; give the Patient id.")
    return found.pop()


def _record(work: Work, name: str) -> Record:
    record = work.record(find_record(work.tx, work.services, name))
    if record is None:
        raise UnknownKey("There is no record of that id.")
    return work.root(record)


def _pair(work: Work, first: str, second: str) -> tuple[Record, Record]:
    a, b = _record(work, first), _record(work, second)
    if a.id == b.id:
        raise BusinessRule("Both names are of one record.")
    return a, b


def _between(work: Work, a: Record, b: Record, kinds: frozenset[str]) -> list[Edge]:
    return [edge for edge in edges_of(work, a.id) if edge.other(a.id) == b.id and edge.kind in kinds]


def link(work: Work, first: str, second: str) -> None:
    """State that two records are one person; ends what said otherwise. BusinessRule across two evidential NHS numbers."""
    a, b = _pair(work, first, second)
    if evidential_conflict(work, a, b):
        raise BusinessRule("The records hold two different verified NHS numbers; one of them must be superseded first.")
    for edge in _between(work, a, b, frozenset({"not-same"})):
        close_edge(work, edge, work.cause.occurred)
    put_edge(work, Edge.asserted("link", a, b, work.cause, work.cause.occurred))
    work.moved.update((a.id, b.id))


def unlink(work: Work, first: str, second: str) -> None:
    """State that two records are not one person; ends asserted links between them and bars new ones."""
    a, b = _pair(work, first, second)
    for edge in _between(work, a, b, frozenset({"link"})):
        close_edge(work, edge, work.cause.occurred)
    put_edge(work, Edge.asserted("not-same", a, b, work.cause, work.cause.occurred))
    work.moved.update((a.id, b.id))


def undo(work: Work, first: str, second: str) -> None:
    """Close every steward's assertion on the pair, so that feeds and matcher alone decide again."""
    a, b = _pair(work, first, second)
    closed = [edge for edge in _between(work, a, b, ASSERTED) if edge.agent.startswith(STEWARD)]
    if not closed:
        raise BusinessRule("No steward has said anything of these two records.")
    for edge in closed:
        close_edge(work, edge, work.cause.occurred)
    work.moved.update((a.id, b.id))


def split(work: Work, person: str, records: Sequence[str]) -> None:
    """Part the named records from the rest of their person: a not-same between each of them and each of the rest."""
    apart = {_record(work, name).id for name in records}
    members = [record for record in work.members(person.removeprefix("Patient/")) if record.active]
    rest = [record for record in members if record.id not in apart]
    if not rest or len(rest) + len(apart) != len(members):
        raise BusinessRule("Name some, not all, of the records of that person.")
    for inside in sorted(apart):
        for other in rest:
            unlink(work, inside, other.id)


def merge(work: Work, first: str, second: str) -> None:
    """Join two persons: a link between their oldest records. Which records are one patient of a trust is that trust's to say."""
    sides = [work.members(person.removeprefix("Patient/")) for person in (first, second)]
    if not all(sides):
        raise UnknownKey("There is no person of that id.")
    oldest = [min((r for r in side if r.active), key=lambda r: (r.first_event, r.first_key)) for side in sides]
    link(work, oldest[0].id, oldest[1].id)


def settle(work: Work, key: str, outcome: str) -> None:
    """Answer a review item: ``same`` links its records, ``different`` parts them, ``cannot-tell`` and ``bad-data`` only close it."""
    item = open_item(work.tx, key)
    pair = item["records"]
    if outcome in ("same", "different") and len(pair) != 2:
        raise BusinessRule("That item is not about two records; answer cannot-tell or bad-data.")
    if outcome == "same":
        link(work, *pair)
    elif outcome == "different":
        unlink(work, *pair)
    save_review(work, {**item, "state": "settled", "outcome": outcome, "settled_by": work.cause.agent, "why": work.cause.message})
    work.event("review-settled", records=pair, outcome=outcome)


def open_item(tx: Snapshot, key: str) -> dict[str, Any]:
    """The open review item of that key (its beginning is enough where it is unique). UnknownKey where there is none."""
    body = tx.get(REVIEW, key)
    if body is None:
        found = [body for name, body in tx.find(REVIEW, "state", ["open"]) if name.startswith(key)]
        if len(found) != 1:
            raise UnknownKey("There is no open review item of that key, or several begin so.")
        body = found[0]
    item: dict[str, Any] = orjson.loads(body)
    if item["state"] != "open":
        raise BusinessRule("That review item is closed.")
    return item


def open_items(tx: Snapshot) -> list[dict[str, Any]]:
    """All open review items, oldest first."""
    return sorted((orjson.loads(body) for _, body in tx.find(REVIEW, "state", ["open"])), key=lambda item: (item["opened"], item["key"]))


ACTIONS = {"link": link, "unlink": unlink, "undo": undo, "merge": merge, "settle": settle}


def act(services: Services, principal: Principal, who: str, why: str, action: str, *arguments: Any) -> None:
    """Carry out one steward's action as one durable change. The refusal of the action is raised."""
    cause = cause_of(services, who, why)

    def change(tx: Transaction) -> None:
        work = Work(tx, services, cause)
        (split if action == "split" else ACTIONS[action])(work, *arguments)
        finish(work)

    changes: list[Change[None]] = [change]
    [result] = services.store.apply(principal, changes)
    if isinstance(result, Failed):
        raise result.error
