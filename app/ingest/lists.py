"""Do-not-link Lists: sets of records that must never be one person, until a steward retires them (fhir.md 3, Link history).

A List bars each pair of its records by an edge ``not-same`` that names it as its cause and ends with it alone. The edge is of the very records
named, so that what their trusts merge and unmerge, whenever, leaves it theirs; while one of them is merged it holds of its survivor.
"""

from __future__ import annotations

from itertools import combinations
from typing import TypedDict

import orjson

from app.errors import BusinessRule, TooCostly
from app.ingest.edges import STEWARD
from app.ingest.identity import mint_id
from app.ingest.resources import save_resource
from app.ingest.rulings import Ruling, named_record
from app.store.contract import DO_NOT_LINK, Snapshot
from mappers.links import Note, do_not_link_list

CURRENT, RETIRED = "current", "retired"


class Listed(TypedDict):
    """A do-not-link List as it is kept: ``decision`` is the key of the one that made it, ``notes`` who said what of it when (author, time, text)."""

    id: str
    decision: str
    status: str
    records: list[str]
    notes: list[tuple[str, str, str]]


def do_not_link(ruling: Ruling, *names: str) -> None:
    """State that no two of these records are ever one person. BusinessRule for fewer than two, TooCostly beyond ``matching.list_entries``.

    Where a trust merged two of them, that merge is undone, as by an unlink.
    """
    work = ruling.work
    most = work.services.settings.matching.list_entries
    if len(names) < 2:
        raise BusinessRule("A do-not-link List is of two records at least.")
    if len(names) > most:
        raise TooCostly(f"A do-not-link List is of at most {most} records (matching.list_entries).", expression="record")
    ruling.list_id = mint_id(work.services.id_secret, f"do-not-link|{ruling.number}")
    named = {record.id: record for record in (named_record(work, name, itself=True) for name in names)}
    if len(named) < len(names):
        raise BusinessRule("Two names are of one record.")
    records = [named[id] for id in sorted(named)]
    for a, b in combinations(records, 2):
        ruling.bar(a, b)
    listed = Listed(id=ruling.list_id, decision=ruling.key, status=CURRENT, records=[record.id for record in records], notes=[])
    follow(ruling, listed, is_current=True)


def follow(ruling: Ruling, listed: Listed, *, is_current: bool) -> None:
    """Keep the List with the standing that it has now and with what this decision says of it, and show it."""
    work = ruling.work
    ruling.list_id = listed["id"]
    note = work.cause.agent.removeprefix(STEWARD), work.cause.occurred, ruling.why
    listed = {**listed, "status": CURRENT if is_current else RETIRED, "notes": [*listed["notes"], note]}
    work.tx.put(DO_NOT_LINK, listed["id"], orjson.dumps(listed), {"status": [listed["status"]]})
    notes = [Note(*one) for one in listed["notes"]]
    resource = do_not_link_list(listed["id"], work.services.settings.canonical_base, records=listed["records"], status=listed["status"], notes=notes)
    save_resource(work.tx, resource, work.custodian(listed["records"]))


def list_of(tx: Snapshot, id: str) -> Listed | None:
    """The do-not-link List of that id."""
    body = tx.get(DO_NOT_LINK, id)
    return None if body is None else _listed(body)


def current_lists(tx: Snapshot) -> list[Listed]:
    """The Lists in force, oldest first."""
    return sorted((_listed(body) for _, body in tx.find(DO_NOT_LINK, "status", [CURRENT])), key=lambda one: one["decision"])


def _listed(body: bytes) -> Listed:
    found: Listed = orjson.loads(body)
    return found
