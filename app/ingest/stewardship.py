"""What stewards do to links: each is a decision with who and why, and each can be undone (matching.md 9).

A decision states edges and may end others. All of them stay stored: to undo a decision is to end what it stated and to
put in force again what it ended, then to derive the persons again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from itertools import combinations, product
from typing import Any

import orjson

from app.errors import BusinessRule, NotFound, UnknownKey
from app.ingest.assertions import between, state
from app.ingest.edges import STEWARD, Edge, close_edge, edges_by_id, put_edge, reopen_edge
from app.ingest.evidence import STOPPED, demographics_of
from app.ingest.identity import digest_key, mint_id
from app.ingest.learned import Said, holders, known, restore, supersede
from app.ingest.learned import lift as lift_number
from app.ingest.people import tell_membership
from app.ingest.publish import finish
from app.ingest.records import Record, records_by_identifier
from app.ingest.resources import save_derived, versioned
from app.ingest.reviews import AUDIT, is_crowd, save_review, task_id
from app.ingest.work import Cause, Work
from app.principal import Principal
from app.services import Services
from app.store.contract import DECISION, REVIEW, Change, Failed, Snapshot, Transaction
from mappers.links import Decision, provenance
from matching.caps import PSEUDO_PERSON, TWO_NUMBERS, vetoes
from matching.demographics import EVIDENTIAL
from matching.grouping import LARGEST_PERSON
from matching.normalise import normal_number

OUTCOMES = ("same", "different", "cannot-tell", "bad-data")
_ACTIVITY = {"link": "linked", "unlink": "unlinked", "merge": "merged", "split": "split", "undo": "undone", "lift": "lifted", "same": "confirmed", "different": "rejected"}
_MEMBERSHIP = frozenset({"linked", "unlinked", "merged", "split", "confirmed", "rejected"})
"""What events of membership are called; what an undone or lifted decision changes is told as linked or unlinked."""
_VETOED = {
    TWO_NUMBERS: "Records of the two hold different verified NHS numbers; one number must be superseded first.",
    PSEUDO_PERSON: "A record of the two is of a pseudo person or anonymised; it is linked to nobody.",
}


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision came to: the id of its Provenance, and the persons that its records belong to now."""

    provenance: str
    persons: tuple[str, ...]


@dataclass(slots=True)
class Ruling:
    """One steward's decision in the making: ``stated`` and ``ended`` the edges it put in force and took out of it.

    ``dropped``: edges that an undone decision had stated and that were ended since; they do not come back. ``learned``:
    what was known before of each NHS number that it says something of. ``item`` is the review item that it answers, as it
    was; ``undoes`` the key of the decision that it takes back.
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
        """State an edge of two records; what any steward, and for a link any feed, said to the contrary ends."""
        work, at = self.work, self.work.cause.occurred
        self.about(a, b)
        edge = Edge.asserted(kind, a, b, work.cause, at)
        edge.id = digest_key("decision", self.key, kind, edge.a, edge.b)
        work.people.update((a.person, b.person))
        self.ended += [one.id for one in state(work, edge)]
        self.stated.append(edge.id)
        for one in between(work, a.id, b.id) if kind == "link" else ():
            if one.kind == "not-same":
                close_edge(work, one, at)
                self.ended.append(one.id)


def find_record(tx: Snapshot, services: Services, name: str) -> str:
    """The id of the record that ``name`` means: a Patient id, or ``system|value``. UnknownKey where there is none or several."""
    system, bar, value = name.partition("|")
    if not bar:
        return name.removeprefix("Patient/")
    keys = [f"{system}|{value}"]
    held = [record for ods in services.sources.organisations for record in records_by_identifier(tx, ods, keys)]
    found = {record.id for record in held if tx.principal.sees(record.organisation)}
    if len(found) != 1:
        raise UnknownKey("The identifier names no record, or several; give the Patient id.")
    return found.pop()


def _record(work: Work, name: str, *, itself: bool = False) -> Record:
    """The record that answers for the one that ``name`` means, or that record ``itself``. UnknownKey where there is none."""
    record = work.record(find_record(work.tx, work.services, name))
    if record is None or not work.tx.principal.sees(record.organisation):
        raise UnknownKey("There is no record of that id.")
    return record if itself else work.root(record)


def _pair(work: Work, first: str, second: str) -> tuple[Record, Record]:
    a, b = _record(work, first), _record(work, second)
    if a.id == b.id:
        raise BusinessRule("Both names are of one record.")
    return a, b


def _answering(work: Work, person: str) -> list[Record]:
    """The records of a person that answer for themselves."""
    return [record for record in work.members(person) if record.active]


def _members(work: Work, person: str) -> list[Record]:
    found = _answering(work, person.removeprefix("Patient/"))
    if not found or not all(work.tx.principal.sees(record.organisation) for record in found):
        raise UnknownKey("There is no person of that id.")
    return found


def _check_joinable(work: Work, first: Iterable[Record], second: Iterable[Record]) -> None:
    """BusinessRule where a hard veto lies between a record of the first person and one of the second."""
    seen = [[(record, demographics_of(work, record)) for record in side] for side in (first, second)]
    for (_, one), (_, other) in product(*seen):
        for veto in vetoes(one, other):
            raise BusinessRule(_VETOED[veto])


def _supersede(ruling: Ruling, records: Iterable[Record], number: str) -> None:
    """State that one of the two verified NHS numbers of these records has been superseded by the other (matching.md 6)."""
    work, number = ruling.work, normal_number(number.rpartition("|")[2])
    seen = [demographics_of(work, record) for record in records]
    numbers = {one.nhs_number for one in seen if one.nhs_state == EVIDENTIAL}
    if number not in numbers or len(numbers) != 2:
        raise BusinessRule("The superseded number is one of two verified NHS numbers of these records.")
    ruling.learned[number] = known(work.tx, number)
    supersede(work, number, (numbers - {number}).pop())


def link(ruling: Ruling, first: str, second: str, superseded: str | None = None) -> None:
    """State that two records are one person. BusinessRule where their persons cannot be one.

    ``superseded``: the one of their two verified NHS numbers whose place the other has taken.
    """
    a, b = _pair(ruling.work, first, second)
    if a.person != b.person:
        _check_linkable(ruling, a, b, superseded)
    ruling.state("link", a, b)


def _check_linkable(ruling: Ruling, a: Record, b: Record, superseded: str | None = None) -> None:
    """BusinessRule where the persons of the two records cannot be one, though these two records could."""
    work = ruling.work
    sides = _answering(work, a.person), _answering(work, b.person)
    if superseded:
        _supersede(ruling, [*sides[0], *sides[1]], superseded)
    _check_joinable(work, *sides)
    for one, other in product(*sides):
        if (one.id, other.id) != (a.id, b.id) and any(edge.kind == "not-same" for edge in between(work, one.id, other.id)):
            raise BusinessRule("Other records of the two persons are stated not to be the same; undo that first, or merge the persons.")


def unlink(ruling: Ruling, first: str, second: str) -> None:
    """State that two records are not one person; it bars new links between them, and undoes a merge that made them one record."""
    work = ruling.work
    a, b = (_record(work, name, itself=True) for name in (first, second))
    if a.id == b.id:
        raise BusinessRule("Both names are of one record.")
    merged = work.root(a).id == work.root(b).id
    ruling.state("not-same", *((a, b) if merged else (work.root(a), work.root(b))))


def merge(ruling: Ruling, first: str, second: str) -> None:
    """State that two persons are one: a link between each record of the one and each of the other.

    Which records are one patient of a trust is that trust's to say.
    """
    sides = [_members(ruling.work, person) for person in (first, second)]
    if sides[0][0].person == sides[1][0].person:
        raise BusinessRule("Both names are of one person.")
    _check_joinable(ruling.work, *sides)
    for one, other in product(*sides):
        ruling.state("link", one, other)


def split(ruling: Ruling, person: str, records: Sequence[str]) -> None:
    """Part the named records from the rest of their person: a not-same between each of them and each of the rest."""
    members = _members(ruling.work, person)
    apart = {_record(ruling.work, name).id for name in records}
    inside = [record for record in members if record.id in apart]
    rest = [record for record in members if record.id not in apart]
    if not inside or not rest or len(inside) != len(apart):
        raise BusinessRule("Name some, not all, of the records of that person.")
    for one, other in product(inside, rest):
        ruling.state("not-same", one, other)


def settle(ruling: Ruling, key: str, outcome: str, superseded: str | None = None) -> None:
    """Answer a review item: ``same`` links its records, ``different`` parts them, ``cannot-tell`` and ``bad-data`` only close it."""
    work = ruling.work
    item = open_item(work.tx, key)
    if outcome not in OUTCOMES:
        raise BusinessRule(f"The outcome is one of {', '.join(OUTCOMES)}.")
    if outcome in ("same", "different"):
        _state_answer(ruling, item, outcome, superseded)
    ruling.about(*work.records(item["records"]))
    ruling.item, ruling.outcome = item, outcome
    save_review(work, {**item, "state": "settled", "outcome": outcome, "settled_by": work.cause.agent, "decision": ruling.key})
    work.event("review-settled", records=item["records"], outcome=outcome)


def _state_answer(ruling: Ruling, item: dict[str, Any], outcome: str, superseded: str | None) -> None:
    """What ``same`` or ``different`` states of the records of an item: ``same`` of an audit, or of records merged since, states nothing, they are one already."""
    records = item["records"]
    if item["kind"] == AUDIT and outcome == "same":
        return
    if is_crowd(item):
        _answer_crowd(ruling, item, outcome)
    elif len(records) != 2:
        raise BusinessRule("That item is not about two records; answer cannot-tell or bad-data.")
    elif outcome == "different":
        unlink(ruling, records[0], records[1])
    elif len({_record(ruling.work, id).id for id in records}) > 1:
        link(ruling, records[0], records[1], superseded)


def _answer_crowd(ruling: Ruling, item: dict[str, Any], outcome: str) -> None:
    """Link all records of a crowd, or part those that are of two persons now. BusinessRule where they are more than a person may have."""
    records, count = [_record(ruling.work, id) for id in item["records"]], item["evidence"]["records"]
    if count > LARGEST_PERSON:
        raise BusinessRule(
            f"That item is about {count} records, more than {LARGEST_PERSON}: link or unlink some of them, and what is left is asked again; or answer cannot-tell or bad-data."
        )
    for a, b in combinations(records, 2):
        if a.person != b.person and outcome == "same":
            _check_linkable(ruling, a, b)
        elif a.person != b.person:
            ruling.state("not-same", a, b)
    for other in records[1:] if outcome == "same" else ():
        if other.id != records[0].id:
            ruling.state("link", records[0], other)


def lift(ruling: Ruling, number: str) -> None:
    """State that a stopped NHS number is good after all, however many people seem to have it."""
    work, number = ruling.work, normal_number(number)
    before = known(work.tx, number)
    held = holders(work, number)
    if before is None or before["state"] != STOPPED or not held:
        raise BusinessRule("That NHS number is not stopped.")
    ruling.about(*held)
    ruling.learned[number] = before
    lift_number(work, number)


def undo(ruling: Ruling, *names: str) -> None:
    """Take a decision back: named by its Provenance, or as the last one standing about two records."""
    decision = _decision(ruling.work, names[0]) if len(names) == 1 else _last_about(ruling.work, *names)
    if decision["undone_by"]:
        raise BusinessRule("That decision is undone already.")
    work, at = ruling.work, ruling.work.cause.occurred
    ruling.undoes = decision["key"]
    ruling.about(*work.records(decision["records"]))
    work.people.update(record.person for record in work.records(decision["records"]))
    for edge in edges_by_id(work.tx, decision["stated"]):
        if edge.closed is None:
            close_edge(work, edge, at)
            ruling.ended.append(edge.id)
        else:
            ruling.dropped[edge.id], edge.ended_by = edge.ended_by, work.cause.reference
            put_edge(work, edge)
        work.moved.update((edge.a, edge.b))
    for edge in edges_by_id(work.tx, decision["ended"]):
        if edge.ended_by == decision["cause"]:
            reopen_edge(work, edge)
            ruling.stated.append(edge.id)
            work.moved.update((edge.a, edge.b))
    for edge in edges_by_id(work.tx, decision["dropped"]):
        if edge.ended_by == decision["cause"]:
            edge.ended_by = decision["dropped"][edge.id]
            put_edge(work, edge)
    for number, before in decision["learned"].items():
        ruling.learned[number] = known(work.tx, number)
        restore(work, number, before)
    _restore_item(ruling, decision)
    _save_decision(work.tx, {**decision, "undone_by": ruling.key})


def _restore_item(ruling: Ruling, decision: dict[str, Any]) -> None:
    """Ask again what the decision had answered; if it took back another, that one stands again, and its answer with it."""
    work = ruling.work
    if decision["undoes"]:
        revived = orjson.loads(work.tx.get(DECISION, decision["undoes"]) or b"{}")
        _save_decision(work.tx, {**revived, "undone_by": None})
        if revived["item"]:
            save_review(work, {**revived["item"], "state": "settled", "outcome": revived["outcome"], "settled_by": revived["by"], "decision": revived["key"]})
    elif decision["item"]:
        save_review(work, decision["item"])
        work.event("review-opened", kind=decision["item"]["kind"], records=decision["item"]["records"])


def _decision(work: Work, name: str) -> dict[str, Any]:
    found = work.tx.find(DECISION, "provenance", [name.removeprefix("Provenance/")])
    if not found:
        raise UnknownKey("There is no steward's decision of that Provenance.")
    decision: dict[str, Any] = orjson.loads(found[0][1])
    if not _is_seen(work, decision):
        raise UnknownKey("There is no steward's decision of that Provenance.")
    return decision


def _is_seen(work: Work, decision: dict[str, Any]) -> bool:
    return all(work.tx.principal.sees(record.organisation) for record in work.records(decision["records"]))


def _last_about(work: Work, first: str, second: str) -> dict[str, Any]:
    a, b = _pair(work, first, second)
    found = [orjson.loads(body) for _, body in work.tx.find(DECISION, "record", [a.id])]
    standing = [one for one in found if b.id in one["records"] and not one["undone_by"] and one["action"] != "undo" and _is_seen(work, one)]
    if not standing:
        raise BusinessRule("No decision of a steward about these two records stands.")
    return max(standing, key=lambda one: str(one["key"]))


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


def item_of_task(tx: Snapshot, services: Services, id: str) -> str:
    """The key of the review item that a Task shows. NotFound where the caller sees no such Task."""
    stored = tx.resource("Task", id)
    if stored is None or stored.deleted:
        raise NotFound("No such resource.")
    task = orjson.loads(stored.body)
    record = task["for"]["reference"].removeprefix("Patient/")
    return next(key for key, _ in tx.find(REVIEW, "record", [record]) if task_id(services.id_secret, key) == id)


ACTIONS: dict[str, Callable[..., None]] = {"link": link, "unlink": unlink, "undo": undo, "merge": merge, "split": split, "settle": settle, "lift": lift}


def act(services: Services, principal: Principal, who: str, why: str, action: str, *arguments: Any) -> Decided:
    """Carry out one steward's action as one durable change. The refusal of the action is raised."""
    now = services.clock().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def change(tx: Transaction) -> Decided:
        number = tx.next_number("decision")
        work = Work(tx, services, Cause(f"{STEWARD}{who}", f"decision-{number}", now, now))
        ruling = Ruling(work, number, action, why)
        ACTIONS[action](ruling, *arguments)
        work.act = ruling.activity if ruling.activity in _MEMBERSHIP else ""
        finish(work)
        return _record_decision(ruling)

    changes: list[Change[Decided]] = [change]
    [result] = services.store.apply(principal, changes)
    if isinstance(result, Failed):
        raise result.error
    return result


def _record_decision(ruling: Ruling) -> Decided:
    """Keep the decision, and its Provenance over the records and persons it was about."""
    work = ruling.work
    records = work.records(ruling.records)
    persons = sorted({record.person for record in records})
    id = mint_id(work.services.id_secret, f"decision|{ruling.number}")
    _save_decision(work.tx, {
        "key": ruling.key, "provenance": id, "action": ruling.action, "outcome": ruling.outcome, "by": work.cause.agent, "cause": work.cause.reference,
        "why": ruling.why, "at": work.cause.occurred, "records": ruling.records, "stated": ruling.stated, "ended": ruling.ended, "dropped": ruling.dropped,
        "learned": ruling.learned,
        "item": ruling.item, "undoes": ruling.undoes, "undone_by": None,
    })  # fmt: skip
    if ruling.activity in ("confirmed", "rejected"):
        for person in (one for one in persons if one not in work.regrouped):
            held = [record.id for record in work.members(person)]
            tell_membership(work, person, held, held, ruling.activity)
    touched = sorted({*persons, *work.people})
    members = [record.id for person in touched for record in work.members(person)]
    save_derived(work.tx, _provenance(ruling, id, touched), work.custodian([*ruling.records, *members]))
    return Decided(id, tuple(persons))


def _provenance(ruling: Ruling, id: str, touched: Sequence[str]) -> dict[str, Any]:
    work = ruling.work
    shown = versioned(work.tx, [*ruling.records, *touched])
    decision = Decision(
        action=ruling.activity,
        recorded=work.tx.now, occurred=work.cause.occurred, agent=work.cause.agent.removeprefix(STEWARD), reason=ruling.why, edge=ruling.stated[0] if ruling.stated else "",
    )
    resource = provenance(id, work.services.settings.canonical_base, decision, targets=shown)
    if ruling.undoes:
        undone = orjson.loads(work.tx.get(DECISION, ruling.undoes) or b"{}")
        resource["entity"] = [{"role": "removal", "what": {"reference": f"Provenance/{undone['provenance']}"}}]
    return resource


def _save_decision(tx: Transaction, decision: dict[str, Any]) -> None:
    tx.put(DECISION, decision["key"], orjson.dumps(decision), {"record": decision["records"], "provenance": [decision["provenance"]]})


def decisions(tx: Snapshot, record: str) -> list[dict[str, Any]]:
    """The stewards' decisions about a record, oldest first, undone ones included."""
    return [orjson.loads(body) for _, body in tx.find(DECISION, "record", [record])]
