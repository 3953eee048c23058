"""Review items: what a steward is asked, kept as documents and shown as FHIR Tasks (matching.md 9, fhir.md 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from app.ingest.edges import Edge
from app.ingest.evidence import field_evidence
from app.ingest.identity import digest_key, mint_id
from app.ingest.resources import EVERYONES, save_derived
from app.ingest.work import Work
from app.store.contract import REVIEW
from mappers.links import Decision, linkage, review_task
from matching.clustering import Partition
from matching.scoring import Scored

MATCHED = frozenset({"probable-match", "contested-match", "bridging-match"})
"""Kinds that ask about the matcher's own finding, and are moot once it no longer finds it."""


def _evidence(found: Scored | Edge | None) -> dict[str, Any]:
    if found is None:
        return {}
    if isinstance(found, Edge):
        return {"edge": found.id, "weight": found.weight, "grade": found.grade, "fields": found.evidence.get("fields", {})}
    return {"weight": found.weight, "grade": found.grade, "fields": field_evidence(found)}


def open_review(work: Work, kind: str, records: Sequence[str], reason: str, found: Scored | Edge | None = None, **details: Any) -> str:
    """Ask a steward about these records; the same open question is asked once. Returns the item's key."""
    pair = sorted(set(records))
    key = digest_key("review", kind, *pair)
    body = work.tx.get(REVIEW, key)
    before = orjson.loads(body) if body else None
    evidence = _evidence(found)
    if before is not None and (before["state"] == "settled" or (before["state"] == "open" and before["evidence"] == evidence)):
        return key
    item = {
        "key": key, "kind": kind, "records": pair, "reason": reason, "opened": before["opened"] if before else work.tx.now,
        "cause": work.cause.reference, "state": "open", "evidence": evidence, **details,
    }
    save_review(work, item)
    if before is None or before["state"] != "open":
        work.event("review-opened", kind=kind, records=pair)
    return key


def save_review(work: Work, item: Mapping[str, Any]) -> None:
    """Store the item and the Task and Linkage that show it."""
    work.tx.put(REVIEW, item["key"], orjson.dumps(item), {"record": item["records"], "state": [item["state"]]})
    base, secret = work.services.settings.canonical_base, work.services.id_secret
    linkage_id = mint_id(secret, "|".join(["pair", *item["records"]]))
    evidence = item["evidence"]
    decision = Decision(
        action="review", recorded=item["opened"], agent="Weald matcher", reason=item["reason"], edge=evidence.get("edge", ""),
        grade=evidence.get("grade"), weight=evidence.get("weight"), fields={name: tuple(value) for name, value in evidence.get("fields", {}).items()},
    )
    if len(item["records"]) > 1:
        save_derived(work.tx, linkage(linkage_id, base, golden=None, members=item["records"], active=False), EVERYONES)
    status = {"open": "requested", "moot": "cancelled", "settled": "completed"}[item["state"]]
    task = review_task(
        mint_id(secret, f"task|{item['key']}"), base, decision, linkage_id=linkage_id if len(item["records"]) > 1 else None, records=item["records"],
        kind=item["kind"], status=status, modified=work.tx.now, outcome=item.get("outcome"),
    )
    save_derived(work.tx, task, EVERYONES)


def close_moot(work: Work, records: Mapping[str, str], partition: Partition) -> None:
    """Close the matcher's questions about ``records`` (key -> id) that are no longer asked: together now, or no longer probable."""
    together = {records[key]: group for group in partition.certain for key in group}
    probable = {records[key]: group for group in partition.probable for key in group}
    found = work.tx.find(REVIEW, "record", sorted(together))
    for _, body in found:
        item = orjson.loads(body)
        if item["state"] != "open" or item["kind"] not in MATCHED:
            continue
        groups = {together.get(id) for id in item["records"]}
        wider = {probable.get(id) for id in item["records"]}
        if len(groups) == 1 or len(wider) > 1:
            save_review(work, {**item, "state": "moot", "outcome": "moot"})
            work.event("review-closed", kind=item["kind"], records=item["records"])
