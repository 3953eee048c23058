"""Review items: what a steward is asked, kept as documents and shown as FHIR Tasks (matching.md 9, fhir.md 3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.ingest.edges import Edge
from app.ingest.identity import digest_key, mint_id
from app.ingest.resources import save_derived
from app.ingest.work import Work
from app.store.contract import REVIEW
from mappers.links import Decision, linkage, review_task
from matching.waterfall import Waterfall, spelled

PARKED = frozenset({
    "merge-of-others-numbers", "merge-across-nhs-numbers", "merge-across-not-same", "link-of-others-numbers",
    "unlink-of-others-numbers", "reused-number",
})  # fmt: skip
"""Kinds that ask about a message whose effect waits for a steward (hl7v2.md, park)."""

MATCHED = frozenset({"probable-match", "contested-match", "bridging-match", "refused-assertion", "link-across-nhs-numbers"})
"""Kinds that ask about what the persons were derived from, and are moot once that no longer holds."""

AUDIT = "audit"
DAILY = frozenset({"possible-match", AUDIT})
"""Kinds that the day's pass asks (``app.ingest.daily``), and that are moot once the persons have changed."""


def _evidence(found: Waterfall | Edge | None) -> dict[str, Any]:
    if found is None:
        return {}
    if isinstance(found, Edge):
        return {"edge": found.id, "weight": found.weight, "grade": found.grade, "why": found.evidence.get("why")}
    return {"weight": found["weight"], "grade": found["grade"], "why": found}


@dataclass(frozen=True, slots=True)
class Question:
    """What a steward is asked about some records: its kind, why, and what the matcher found, if it did.

    Of a crowd ``records`` are those that the item names, the strongest pair first; ``crowd`` is how many there are, ``first`` the smallest id.
    """

    kind: str
    records: tuple[str, ...]
    reason: str
    found: Waterfall | Edge | None = None
    crowd: int = 0
    first: str = ""

    @property
    def key(self) -> str:
        """The key of its review item: the same question about the same records is one item, and so is that of a crowd that grows."""
        return digest_key("review", self.kind, *(("crowd", self.first) if self.crowd else sorted(set(self.records))))

    @property
    def evidence(self) -> dict[str, Any]:
        """What the item shows of the matcher's finding."""
        about = {"pair": list(self.records[:2]), "records": self.crowd} if self.crowd else {}
        return {**_evidence(self.found), **about}


def open_review(work: Work, kind: str, records: Sequence[str], reason: str, found: Waterfall | Edge | None = None, **details: Any) -> None:
    """Ask a steward about these records; the same open question is asked once.

    Where a message is parked, each further one joins the item, and opens it again if it was settled: its AA says that somebody sees it.
    ``message`` among the details names it where it is not the cause of this change.
    """
    question = Question(kind, tuple(records), reason, found)
    body = work.tx.get(REVIEW, question.key)
    before = orjson.loads(body) if body else None
    if kind in PARKED:
        _park(work, question, before, details)
    else:
        _open(work, question, before, details)


def _park(work: Work, question: Question, before: Mapping[str, Any] | None, details: Mapping[str, Any]) -> None:
    messages = list(before["evidence"].get("messages", ())) if before else []
    message = details.get("message", work.cause.reference)
    if message not in messages:
        kept = {name: value for name, value in details.items() if name != "message"}
        evidence = {"messages": [*messages, message]}
        _save_open(work, question, before, {"evidence": evidence, **kept}, new=before is None or before["state"] != "open")


def ask(
    work: Work, records: Iterable[str], questions: Iterable[Question], kinds: Collection[str] = MATCHED, *, is_open: Callable[[Mapping[str, Any]], bool] | None = None
) -> None:
    """Ask what the matcher wonders about ``records`` now, and close what it once asked of these kinds about them and asks no more.

    ``is_open``: whether what an item of the day's questions asks is still a question; without it they stay as they are.
    """
    standing = {key: orjson.loads(body) for key, body in work.tx.find(REVIEW, "record", sorted(records))}
    asked = set()
    for question in questions:
        asked.add(question.key)
        _open(work, question, standing.get(question.key), {})
    _close(work, [item for key, item in standing.items() if key not in asked], kinds)
    if is_open is not None:
        _close(work, [item for item in standing.values() if item["kind"] in DAILY and item["state"] == "open" and not is_open(item)], DAILY)


def close_moot(work: Work, records: Iterable[str], kinds: Collection[str]) -> None:
    """Close the open questions of these kinds about ``records``: they have answered themselves."""
    _close(work, [orjson.loads(body) for _, body in work.tx.find(REVIEW, "record", sorted(records))], kinds)


def close_answered(work: Work, pairs: Iterable[tuple[str, str]], kinds: Collection[str]) -> None:
    """Close the open questions of these kinds about exactly these pairs of records."""
    keys = [Question(kind, pair, "").key for pair in pairs for kind in sorted(kinds)]
    _close(work, [orjson.loads(body) for body in work.tx.get_many(REVIEW, keys).values()], kinds)


def _close(work: Work, items: Iterable[Mapping[str, Any]], kinds: Collection[str]) -> None:
    for item in items:
        if item["state"] == "open" and item["kind"] in kinds:
            save_review(work, {**item, "state": "moot", "outcome": "moot"})
            work.event("review-closed", kind=item["kind"], records=item["records"])


def _open(work: Work, question: Question, before: Mapping[str, Any] | None, details: Mapping[str, Any]) -> None:
    evidence, records = question.evidence, sorted(set(question.records))
    if before is not None and before["records"] == records and (is_answered(before) or (before["state"] in ("open", "settled") and before["evidence"] == evidence)):
        return
    _save_open(work, question, before, {"evidence": evidence, **details}, new=before is None or before["state"] != "open")


def _save_open(work: Work, question: Question, before: Mapping[str, Any] | None, details: Mapping[str, Any], *, new: bool) -> None:
    scored = {"model": question.found.evidence.get("model")} if isinstance(question.found, Edge) else {}
    item = {
        "key": question.key, "kind": question.kind, "records": sorted(set(question.records)), "reason": question.reason,
        "opened": before["opened"] if before else work.tx.now, "cause": work.cause.reference, "state": "open", **scored, **details,
    }
    save_review(work, item)
    if new:
        work.event("review-opened", kind=item["kind"], records=item["records"])


def is_answered(item: Mapping[str, Any]) -> bool:
    """Whether it was settled for good: what nobody could tell, or what bad data hid, is asked again when there is new evidence."""
    return item["state"] == "settled" and item["outcome"] in ("same", "different")


def is_crowd(item: Mapping[str, Any]) -> bool:
    """Whether the item asks about a crowd of records, not about a pair."""
    return "pair" in item["evidence"]


def task_id(secret: bytes, key: str) -> str:
    """The id of the Task that shows the review item of that key."""
    return mint_id(secret, f"task|{key}")


def save_review(work: Work, item: Mapping[str, Any]) -> None:
    """Store the item and the Task and Linkage that show it."""
    work.tx.put(REVIEW, item["key"], orjson.dumps(item), {"record": item["records"], "state": [item["state"]]})
    base, secret = work.services.settings.canonical_base, work.services.id_secret
    custodian = work.custodian(item["records"])
    evidence = item["evidence"]
    linkage_id = mint_id(secret, f"crowd|{item['key']}" if is_crowd(item) else "|".join(["pair", *item["records"]]))
    decision = Decision(
        action="review", recorded=item["opened"], agent="Weald matcher", reason=item["reason"], edge=evidence.get("edge", ""),
        grade=evidence.get("grade"), weight=evidence.get("weight"),
        why=spelled(evidence["why"]) if evidence.get("why") else None,
    )
    if len(item["records"]) > 1:
        save_derived(work.tx, linkage(linkage_id, base, golden=None, members=item["records"], active=False), custodian)
    status = {"open": "requested", "moot": "cancelled", "settled": "completed"}[item["state"]]
    task = review_task(
        task_id(secret, item["key"]), base, decision, linkage_id=linkage_id if len(item["records"]) > 1 else None, records=item["records"],
        kind=item["kind"], status=status, modified=work.tx.now, outcome=item.get("outcome"),
    )
    save_derived(work.tx, task, custodian)
