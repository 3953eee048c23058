"""How stewards' decisions are taken back: what they stated ends, what they ended is in force again, an undo's undo included (matching.md 9)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from app.errors import BusinessRule, UnknownKey
from app.ingest.assertions import between
from app.ingest.edges import STEWARD, Edge, close_edge, edges_by_id, put_edge, reopen_edge
from app.ingest.evidence import LIFTED, SUPERSEDED
from app.ingest.learned import known, restore
from app.ingest.lists import CURRENT, Listed, follow, list_of
from app.ingest.reviews import DAILY, MATCHED, save_review
from app.ingest.rulings import Ruling, decision_of, is_seen, named_pair, named_record, save_decision
from app.ingest.work import Work
from app.store.contract import DECISION


def undo(ruling: Ruling, *names: str) -> None:
    """Take a decision back: named by its Provenance, or as the last one standing about two records."""
    decision = decision_of(ruling.work, names[0]) if len(names) == 1 else _last_about(ruling.work, *names)
    if decision["undone_by"]:
        raise BusinessRule("That decision is undone already.")
    _take_back(ruling, decision)


def retire(ruling: Ruling, id: str) -> None:
    """End a do-not-link List: what it bars is barred no more, and what it ended is in force again. UnknownKey where there is none of that id."""
    work = ruling.work
    listed = list_of(work.tx, id.removeprefix("List/"))
    decision = None if listed is None else _kept(work, listed["decision"])
    if listed is None or decision is None or not is_seen(work, decision):
        raise UnknownKey("There is no do-not-link List of that id.")
    if listed["status"] != CURRENT:
        raise BusinessRule("That List is retired already.")
    _take_back(ruling, decision)


def _kept(work: Work, key: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(work.tx.get(DECISION, key) or b"{}")
    return found


def _take_back(ruling: Ruling, decision: dict[str, Any]) -> None:
    work = ruling.work
    ruling.undoes = decision["key"]
    ruling.about(*work.records(decision["records"]))
    work.people.update(record.person for record in work.records(decision["records"]))
    _close_stated(ruling, decision)
    _reopen_ended(ruling, decision)
    for number, before in decision["learned"].items():
        _check_unsaid(work, decision, number)
        ruling.learned[number] = known(work.tx, number)
        restore(work, number, before)
    _restore(ruling, decision)


def _check_unsaid(work: Work, decision: dict[str, Any], number: str) -> None:
    """BusinessRule where a steward's word on the number is in force that is not what this decision left: another's, which the undo would overwrite."""
    now = known(work.tx, number)
    if now is None or now["state"] not in (SUPERSEDED, LIFTED):
        return
    undone = _kept(work, decision["undoes"]) if decision["undoes"] else None
    is_left = now["cause"] == decision["cause"] if undone is None else now == undone["learned"][number]
    if not is_left:
        raise BusinessRule("Another decision in force says what is known of an NHS number that this one is about; undo that one first.")


def _close_stated(ruling: Ruling, decision: dict[str, Any]) -> None:
    work = ruling.work
    for edge in edges_by_id(work.tx, decision["stated"]):
        if edge.closed is None:
            close_edge(work, edge, work.cause.occurred)
            ruling.ended.append(edge.id)
        else:
            ruling.dropped[edge.id], edge.ended_by = edge.ended_by, work.cause.reference
            put_edge(work, edge)
        work.moved.update((edge.a, edge.b))


def _reopen_ended(ruling: Ruling, decision: dict[str, Any]) -> None:
    work, reopened = ruling.work, []
    for edge in edges_by_id(work.tx, decision["ended"]):
        if edge.ended_by == decision["cause"]:
            reopen_edge(work, edge)
            ruling.stated.append(edge.id)
            work.moved.update((edge.a, edge.b))
            reopened.append(edge)
    _check_unlisted(work, reopened)
    for edge in edges_by_id(work.tx, decision["dropped"]):
        if edge.ended_by == decision["cause"]:
            edge.ended_by = decision["dropped"][edge.id]
            put_edge(work, edge)


def _check_unlisted(work: Work, edges: Iterable[Edge]) -> None:
    """BusinessRule where one of these is in force with another that contradicts it: a steward's link newer than a do-not-link List."""
    for edge in edges:
        said = between(work, edge.a, edge.b)
        barred = min((one.occurred for one in said if one.is_listed), default=None)
        if barred is not None and any(one.kind == "link" and one.agent.startswith(STEWARD) and one.occurred > barred for one in said):
            raise BusinessRule("A do-not-link List and a later link of a steward would both be in force; undo the link, or retire the List, first.")


def _restore(ruling: Ruling, decision: dict[str, Any]) -> None:
    """Note by whom it is undone. What it took back stands again, what that one took back is undone again, and so on to the first.

    A review item that the first had answered is open again, or answered again; a do-not-link List has the status that its edges have.
    """
    work, one, by = ruling.work, decision, str(ruling.key)
    while True:
        save_decision(work.tx, {**one, "undone_by": by or None})
        if not one["undoes"]:
            break
        one, by = _kept(work, one["undoes"]), "" if by else str(one["key"])
    if one["item"] and by:
        _reopen(work, one["item"])
    elif one["item"]:
        save_review(work, {**one["item"], "state": "settled", "outcome": one["outcome"], "settled_by": one["by"], "decision": one["key"]})
    if one.get("list"):
        _restore_list(ruling, one)


def _reopen(work: Work, item: dict[str, Any]) -> None:
    """Ask the question again; its records are matched anew at the end of the change, which closes it where it is moot by then."""
    save_review(work, item)
    work.event("review-opened", kind=item["kind"], records=item["records"])
    for record in work.records(item["records"]) if item["kind"] in MATCHED | DAILY else ():
        work.change(record)
        work.moved.add(record.id)


def _restore_list(ruling: Ruling, made: dict[str, Any]) -> None:
    work = ruling.work
    listed: Listed | None = list_of(work.tx, made["list"])
    if listed is not None:
        follow(ruling, listed, is_current=any(edge.closed is None for edge in edges_by_id(work.tx, made["stated"])))


def _last_about(work: Work, first: str, second: str) -> dict[str, Any]:
    answering = named_pair(work, first, second)
    a, b = ({named_record(work, name, itself=True).id, one.id} for name, one in zip((first, second), answering, strict=True))
    found = [orjson.loads(body) for _, body in work.tx.find(DECISION, "record", sorted(a))]
    standing = [one for one in found if not b.isdisjoint(one["records"]) and not one["undone_by"] and not one["undoes"] and is_seen(work, one)]
    if not standing:
        raise BusinessRule("No decision of a steward about these two records stands.")
    return max(standing, key=lambda one: str(one["key"]))
