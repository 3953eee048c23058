"""Persons as the store keeps them: their members, the golden patient that shows them, and what led to each change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import orjson

from app.ingest.edges import STEWARD, Edge, open_edges
from app.ingest.identity import mint_id
from app.ingest.records import Record
from app.ingest.resources import save_derived, versioned
from app.ingest.work import Work
from app.principal import together
from app.store.content import content_from_resource
from app.store.contract import PERSON
from app.store.persons import STRENGTH
from mappers.golden import Member, elected, retired_golden_patient
from mappers.links import Decision, linkage, provenance

SETS_KEPT = 50
_KINDS = {"merged": "replaced-by", "unmerged": "replaced-by", "linked": "link", "unlinked": "not-same"}


def publish(work: Work) -> None:
    """Save each person this change touched: document, golden patient, Linkage, and a Provenance where its members changed."""
    touched = sorted(work.people | set(work.near))
    stored = work.tx.get_many(PERSON, touched)
    for person in touched:
        before: dict[str, Any] = orjson.loads(stored[person]) if person in stored else {"members": [], "near": {}, "former": [], "sets": []}
        if person not in work.people and before["near"] == work.near[person]:
            continue
        members = work.members(person)
        if not members:
            _retire(work, person, before)
        else:
            _renew(work, person, before, members)
    for person, document in _open_persons(work, [record for record in work.dirty.values() if record.person not in work.people]):
        shown = _save_golden(work, person, work.members(person), document["golden"])
        if any(document.get(name) != value for name, value in shown.items()):
            work.tx.put(PERSON, person, orjson.dumps({**document, **shown}), {"former": []})
    _explain_merges(work)


def _open_persons(work: Work, records: Iterable[Record]) -> list[tuple[str, dict[str, Any]]]:
    """The persons of records that say nothing new, whose golden patient may change all the same: one of several records, a rival of the others."""
    told: dict[str, set[str]] = {}
    for record in records:
        told.setdefault(record.person, set()).add(record.id)
    found = [(person, orjson.loads(body)) for person, body in work.tx.get_many(PERSON, sorted(told)).items()]
    return [
        (person, document) for person, document in found
        if len(document["members"]) > 1 and (told[person] & (work.weighed | work.shown | work.moved) or not told[person].isdisjoint(document.get("rivals", document["members"])))
    ]  # fmt: skip


def _renew(work: Work, person: str, before: dict[str, Any], members: Sequence[Record]) -> None:
    ids = [record.id for record in members]
    edges = _inner_edges(work, ids) if len(members) > 1 else []
    former = sorted((set(before["former"]) | set(before["members"])) - set(ids))
    document = {
        "id": person, "members": ids, "former": former, "near": work.near.get(person, before["near"]),
        "decided": {id: _decided_by(id, edges) for id in ids} if edges else {}, "organisations": {record.id: record.organisation for record in members},
        "linkage": linkage_id(work.services.id_secret, person), **_save_golden(work, person, members, before.get("golden")),
        "sets": _sets(before["sets"], [record.id for record in members if record.active]),
    }
    if document != before:
        work.tx.put(PERSON, person, orjson.dumps(document), {"former": []})
    if ids != before["members"] and (len(ids) > 1 or former):
        _save_linkage(work, person, ids, former)
    if set(ids) != set(before["members"]) and (len(ids) > 1 or before["members"]):
        _explain(work, person, before["members"], ids, edges)


def _sets(before: list[list[str]], records: list[str]) -> list[list[str]]:
    """The sets of records that were this person, oldest first: made of them again, it has its id again."""
    return before if len(records) < 2 or records in before or len(before) == SETS_KEPT else [*before, records]


def _inner_edges(work: Work, ids: Sequence[str]) -> list[Edge]:
    inside = set(ids)
    found = [edge for edge in open_edges(work.tx, ids) if edge.kind in STRENGTH and edge.a in inside and edge.b in inside]
    return sorted(found, key=lambda edge: (STRENGTH[edge.kind], -(edge.weight or 0.0), edge.id))


def _decided_by(id: str, edges: Iterable[Edge]) -> dict[str, Any]:
    """Who or what holds a member in its person: its strongest edge."""
    for edge in edges:
        if id in (edge.a, edge.b):
            return {"edge": edge.id, "kind": edge.kind, "by": edge.agent, "cause": edge.cause}
    return {}


def _save_golden(work: Work, person: str, members: Sequence[Record], before: str | None) -> dict[str, Any]:
    """Save the golden patient unless it is as ``before``, the digest of its content; returns the new digest, and who are rivals in it."""
    settings = work.services.settings
    resource, rivals = elected(
        [Member(record.id, record.state, record.organisation, record.first_key, record.first_event, record.active) for record in members],
        id=person, base=settings.canonical_base, admit_test_numbers=settings.admit_test_numbers,
    )
    custodian = together(record.organisation for record in members)
    content = content_from_resource(resource)
    digest = blake2b(b"%s\x00%s\x00%s" % (content.head, content.tail, (custodian or "").encode()), digest_size=16).hexdigest()
    if digest != before:
        save_derived(work.tx, resource, custodian, content=content)
    return {"golden": digest, "rivals": sorted(rivals)}


def _save_linkage(work: Work, person: str, ids: Sequence[str], former: Sequence[str]) -> None:
    base = work.services.settings.canonical_base
    resource = linkage(linkage_id(work.services.id_secret, person), base, golden=person, members=ids, former=former)
    save_derived(work.tx, resource, work.custodian([*ids, *former]))


def linkage_id(secret: bytes, person: str) -> str:
    """The id of the Linkage that shows a person."""
    return mint_id(secret, f"linkage|{person}")


def _retire(work: Work, person: str, before: dict[str, Any]) -> None:
    """A person left without records reads as inactive and replaced by the one that most of them went to."""
    if not before["members"]:
        return
    records = work.records(before["members"])
    counts: dict[str, int] = {}
    for record in records:
        counts[record.person] = counts.get(record.person, 0) + 1
    successor = min(counts, key=lambda one: (-counts[one], one))
    document = {"id": person, "members": [], "former": sorted(set(before["former"]) | set(before["members"])), "near": {}, "sets": before["sets"], "successor": successor}
    work.tx.put(PERSON, person, orjson.dumps(document), {"former": []})
    custodian = work.custodian([*before["members"], *(record.id for record in work.members(successor))])
    save_derived(work.tx, retired_golden_patient(id=person, successor=successor, base=work.services.settings.canonical_base), custodian)
    work.event("person-retired", person=person, successor=successor, before=before["members"])


def _explain(work: Work, person: str, before: Sequence[str], after: Sequence[str], edges: Sequence[Edge]) -> None:
    """The outgoing event and the Provenance of a change of membership; a steward's decision has its own Provenance, of all that it changed."""
    joined, left = sorted(set(after) - set(before)), sorted(set(before) - set(after))
    if not before and len(after) == 1:
        return
    action = "unlinked" if left and not joined else "linked"
    best = next((edge for edge in edges if edge.a in joined or edge.b in joined), None)
    tell_membership(work, person, before, after, work.act or action, edge=best.id if best else "")
    if work.cause.agent.startswith(STEWARD):
        return
    decision = Decision(
        action=action, recorded=work.tx.now, agent=best.agent if best else work.cause.agent, reason=f"{work.cause.reference}: {best.kind if best else action}",
        edge=best.id if best else "", grade=best.grade if best else None, weight=best.weight if best else None,
    )
    ends = (best.a, best.b) if best else ()
    _prove(work, decision, [person, *sorted({*joined, *left, *ends})], [*before, *after])


def tell_membership(work: Work, person: str, before: Sequence[str], after: Sequence[str], event: str, edge: str = "") -> None:
    """Tell of a person's records before and after (matching.md 9: linked, unlinked, merged, split, confirmed or rejected)."""
    work.regrouped.add(person)
    work.event(event, person=person, before=list(before), after=list(after), edge=edge)


def _explain_merges(work: Work) -> None:
    """The Provenance of each merge or link, done or undone, that moved no record from one person to another."""
    explained = frozenset(work.explained)
    for action, edge, loser, survivor in work.merges:
        if loser not in explained:
            reason = f"{work.cause.reference}: {_KINDS[action]}"
            _prove(work, Decision(action=action, recorded=work.tx.now, agent=work.cause.agent, reason=reason, edge=edge), [survivor, loser], [survivor, loser])


def _prove(work: Work, decision: Decision, patients: Sequence[str], records: Sequence[str]) -> None:
    """Save the Provenance of a decision over ``patients``; ``records`` are those that it was about or that their persons had.

    It names the message that led to it, so that who sees it must see that message's sender too.
    """
    work.explained.update(patients)
    number = work.tx.next_number("provenance")
    shown = versioned(work.tx, patients)
    resource = provenance(mint_id(work.services.id_secret, f"provenance|{number}"), work.services.settings.canonical_base, decision, targets=shown)
    sender = work.services.sources.by_code(work.cause.agent)
    save_derived(work.tx, resource, together([*(one.organisation for one in work.records(records)), *([sender.organisation] if sender else [])]))
