"""What stewards do to links: each is a decision with who and why, and each can be undone (matching.md 9).

A decision states edges and may end others. All of them stay stored: to undo a decision is to end what it stated and to
put in force again what it ended, then to derive the persons again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import orjson

from app.errors import BusinessRule, NotFound, UnknownKey
from app.ingest.edges import STEWARD
from app.ingest.evidence import STOPPED, demographics_of
from app.ingest.identity import mint_id
from app.ingest.learned import holders, known, supersede
from app.ingest.learned import lift as lift_number
from app.ingest.lists import do_not_link
from app.ingest.people import tell_membership
from app.ingest.publish import finish
from app.ingest.records import Record
from app.ingest.resources import save_derived, versioned
from app.ingest.reviews import AUDIT, is_crowd, save_review, task_id
from app.ingest.rulings import Ruling, named_pair, named_record, save_decision
from app.ingest.undoing import retire, undo
from app.ingest.work import Cause, Work
from app.principal import Principal
from app.services import Services
from app.store.contract import DECISION, REVIEW, Change, Failed, Snapshot, Transaction
from mappers.links import Decision, provenance
from matching.caps import PSEUDO_PERSON, TWO_NUMBERS, vetoes
from matching.demographics import DOUBTED, EVIDENTIAL
from matching.grouping import LARGEST_PERSON
from matching.normalise import normal_number

OUTCOMES = ("same", "different", "cannot-tell", "bad-data")
_MEMBERSHIP = frozenset({"linked", "unlinked", "merged", "split", "confirmed", "rejected"})
"""What events of membership are called; what another decision changes is told as linked or unlinked."""
_VETOED = {
    TWO_NUMBERS: "Records of the two hold different verified NHS numbers; one number must be superseded first.",
    PSEUDO_PERSON: "A record of the two is of a pseudo person or anonymised; it is linked to nobody.",
}


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision came to: the id of its Provenance, the persons that its records belong to now, and the do-not-link List that it made or changed."""

    provenance: str
    persons: tuple[str, ...]
    list_id: str | None = None


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
    numbers = {one.nhs_number for one in seen if one.nhs_state in (EVIDENTIAL, DOUBTED)}
    if number not in numbers or len(numbers) != 2:
        raise BusinessRule("The superseded number is one of two verified NHS numbers of these records.")
    ruling.learned[number] = known(work.tx, number)
    supersede(work, number, (numbers - {number}).pop())


def link(ruling: Ruling, first: str, second: str, superseded: str | None = None) -> None:
    """State that two records are one person. BusinessRule where their persons cannot be one.

    ``superseded``: the one of their two verified NHS numbers whose place the other has taken.
    """
    a, b = named_pair(ruling.work, first, second)
    if a.person != b.person:
        _check_linkable(ruling, a, b, superseded)
    elif superseded:
        raise BusinessRule("The two records are one person already: no number of theirs is superseded by a link.")
    ruling.state("link", a, b)


def _check_linkable(ruling: Ruling, a: Record, b: Record, superseded: str | None = None) -> None:
    """BusinessRule where the persons of the two records cannot be one, though these two records could."""
    work = ruling.work
    sides = _answering(work, a.person), _answering(work, b.person)
    if superseded:
        _supersede(ruling, [*sides[0], *sides[1]], superseded)
    _check_joinable(work, *sides)
    for one, other in product(*sides):
        said = ruling.said(one, other)
        if (one.id, other.id) != (a.id, b.id) and any(edge.kind == "not-same" for edge in said):
            raise BusinessRule("Other records of the two persons are stated not to be the same; undo that first, or merge the persons.")


def unlink(ruling: Ruling, first: str, second: str) -> None:
    """State that two records are not one person; it bars new links between them, and undoes a merge that made them one record."""
    work = ruling.work
    a, b = (named_record(work, name, itself=True) for name in (first, second))
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
    apart = {named_record(ruling.work, name).id for name in records}
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
    elif len({named_record(ruling.work, id).id for id in records}) > 1:
        link(ruling, records[0], records[1], superseded)


def _answer_crowd(ruling: Ruling, item: dict[str, Any], outcome: str) -> None:
    """Link all records of a crowd, or part those that are of two persons now. BusinessRule where they are more than a person may have."""
    records, count = [named_record(ruling.work, id) for id in item["records"]], item["evidence"]["records"]
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
    found = next((key for key, _ in tx.find(REVIEW, "record", [record]) if task_id(services.id_secret, key) == id), None)
    if found is None:
        raise NotFound("No such resource.")
    return found


ACTIONS: dict[str, Callable[..., None]] = {
    "link": link, "unlink": unlink, "undo": undo, "merge": merge, "split": split, "settle": settle, "lift": lift,
    "do-not-link": do_not_link, "retire": retire,
}  # fmt: skip


def act(services: Services, principal: Principal, who: str, why: str, action: str, *arguments: Any) -> Decided:
    """Carry out one steward's action as one durable change. The refusal of the action is raised."""
    now = services.now()

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
    save_decision(work.tx, {
        "key": ruling.key, "provenance": id, "action": ruling.action, "outcome": ruling.outcome, "by": work.cause.agent, "cause": work.cause.reference,
        "why": ruling.why, "at": work.cause.occurred, "records": ruling.records, "stated": ruling.stated, "ended": ruling.ended, "dropped": ruling.dropped,
        "learned": ruling.learned,
        "item": ruling.item, "list": ruling.list_id, "undoes": ruling.undoes, "undone_by": None,
    })  # fmt: skip
    if ruling.activity in ("confirmed", "rejected"):
        for person in (one for one in persons if one not in work.regrouped):
            held = [record.id for record in work.members(person)]
            tell_membership(work, person, held, held, ruling.activity)
    touched = sorted({*persons, *work.people})
    members = [record.id for person in touched for record in work.members(person)]
    save_derived(work.tx, _provenance(ruling, id, touched), work.custodian([*ruling.records, *members]))
    return Decided(id, tuple(persons), ruling.list_id)


def _provenance(ruling: Ruling, id: str, touched: Sequence[str]) -> dict[str, Any]:
    work = ruling.work
    shown = versioned(work.tx, [*ruling.records, *touched])
    if ruling.list_id and (listed := work.tx.resource("List", ruling.list_id)):
        shown.append(f"List/{ruling.list_id}/_history/{listed.version}")
    decision = Decision(
        action=ruling.activity,
        recorded=work.tx.now, occurred=work.cause.occurred, agent=work.cause.agent.removeprefix(STEWARD), reason=ruling.why, edge=ruling.stated[0] if ruling.stated else "",
    )
    resource = provenance(id, work.services.settings.canonical_base, decision, targets=shown)
    if ruling.undoes:
        undone = orjson.loads(work.tx.get(DECISION, ruling.undoes) or b"{}")
        resource["entity"] = [{"role": "removal", "what": {"reference": f"Provenance/{undone['provenance']}"}}]
    return resource
