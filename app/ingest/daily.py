"""The day's questions: possible links within the stewards' budget, best expected gain first, and the blind audit (matching.md 7).

Both are chosen in one walk over the edges, outside any write, and looked at again where they are asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import product
from typing import Any, NamedTuple

import orjson

from app.ingest.auditing import Audits, Chosen
from app.ingest.edges import Edge, edge_from_body, edges_by_id, open_edges
from app.ingest.evidence import demographics_of
from app.ingest.indexed import STEP
from app.ingest.records import Record, get_records
from app.ingest.reviews import AUDIT, Question, is_answered, open_review
from app.ingest.work import Cause, Work
from app.principal import Principal
from app.services import Services
from app.store.contract import EDGE, REVIEW, SETTING, Change, Failed, Snapshot, Transaction
from matching.caps import vetoes
from matching.model import GRADES
from matching.scoring import Scorer

POSSIBLE = "possible-match"
SPARE = 20
"""Candidates kept for each question that may be asked, since some turn out to be settled by a veto or by somebody's word."""
AT_ONCE = 20
"""Questions asked in one commit."""
_FILLED = "review-fill"
_CERTAIN, _, _POSSIBLE, _ = GRADES


@dataclass(frozen=True, slots=True)
class Filled:
    """What the day's pass came to: possible links and audits asked about since the day began; ``at`` when it last ran."""

    at: str
    possible: int
    audits: int


class Gain(NamedTuple):
    """What asking about a possible link is expected to gain; of equal ones the heavier, then the smaller id, comes first."""

    gain: float
    weight: float
    id: str
    records: tuple[str, str]


def expected_gain(scorer: Scorer, weight: float) -> float:
    """What is expected to be missed without the question, less what it costs. A cap holds the probability below that of probable."""
    costs = scorer.model.costs
    return min(scorer.probability(weight), scorer.bounds[1]) * costs.missed - costs.review


def last_filled(snapshot: Snapshot) -> Filled | None:
    """The last pass, None where there was none."""
    body = snapshot.get(SETTING, _FILLED)
    return Filled(**orjson.loads(body)) if body else None


def fill(services: Services, principal: Principal, progress: Callable[[int], None] = lambda _: None) -> Filled:
    """Ask what is to be asked today and was not asked yet. What the store refuses is raised."""
    at = services.now()
    budget = services.settings.matching.review_budget
    with services.store.snapshot(principal) as snapshot:
        before = last_filled(snapshot)
    today = before if before is not None and before.at[:10] == at[:10] else Filled(at, 0, 0)
    possible, audits = _chosen(services, principal, budget, progress)
    asked = _ask_all(services, principal, [_possible(services, one, at) for one in possible], budget - today.possible)
    audited = _ask_all(services, principal, [_audit(services, one, at) for one in audits], budget - today.audits)
    filled = Filled(at, today.possible + asked, today.audits + audited)
    keep: list[Change[None]] = [lambda tx: tx.put(SETTING, _FILLED, orjson.dumps(filled))]
    services.store.apply(principal, keep)
    return filled


def _chosen(services: Services, principal: Principal, budget: int, progress: Callable[[int], None]) -> tuple[list[Gain], list[Chosen]]:
    audits = Audits(services.id_secret, services.clock().year)

    def gains() -> Iterator[Gain]:
        for snapshot, edges in _pages(services, principal):
            progress(len(edges))
            records = get_records(snapshot, sorted({id for edge in edges for id in (edge.a, edge.b)}))
            pairs = [(edge, records[edge.a], records[edge.b]) for edge in edges if edge.a in records and edge.b in records]
            pairs = [(edge, a, b) for edge, a, b in pairs if a.active and b.active]
            known = _known(snapshot, pairs)
            audits.add((edge, a, b, known.get(_key(edge, AUDIT))) for edge, a, b in pairs if edge.grade == _CERTAIN and a.person == b.person)
            for edge, a, b in pairs:
                if edge.grade == _POSSIBLE and a.person != b.person and not _is_asked(edge, known.get(_key(edge, POSSIBLE))):
                    weight = edge.weight or 0.0
                    yield Gain(expected_gain(services.scorer, weight), weight, edge.id, (edge.a, edge.b))

    best = nlargest(budget * SPARE, (one for one in gains() if one.gain > 0))
    return best, audits.chosen()


def _pages(services: Services, principal: Principal) -> Iterator[tuple[Snapshot, list[Edge]]]:
    """The open scored edges that are possible or certain, a page at a time, each with a snapshot of its own: MongoDB ends a long one."""
    after = ""
    while True:
        with services.store.snapshot(principal) as snapshot:
            page = snapshot.scan(EDGE, after=after, limit=STEP)
            if not page:
                return
            after = page[-1][0]
            found = (edge_from_body(body) for _, body in page)
            yield snapshot, [edge for edge in found if edge.kind == "match" and not edge.closed and edge.grade in (_CERTAIN, _POSSIBLE)]


def _key(edge: Edge, kind: str) -> str:
    return Question(kind, (edge.a, edge.b), "").key


def _known(snapshot: Snapshot, pairs: Iterable[tuple[Edge, Record, Record]]) -> dict[str, dict[str, Any]]:
    """The review items there are about these pairs, by key."""
    keys = sorted(_key(edge, AUDIT if edge.grade == _CERTAIN else POSSIBLE) for edge, _, _ in pairs)
    return {key: orjson.loads(body) for key, body in snapshot.get_many(REVIEW, keys).items()}


def _is_asked(edge: Edge, item: Mapping[str, Any] | None) -> bool:
    """Whether the pair is asked about, or was and there is nothing new."""
    if item is None or item["state"] == "moot":
        return False
    return item["state"] == "open" or is_answered(item) or item["evidence"] == Question(POSSIBLE, (edge.a, edge.b), "", edge).evidence


Asking = Change[tuple[str, ...]]
"""A change that asks a question; the persons that it is about, () where it is none any more."""


def _ask_all(services: Services, principal: Principal, changes: Sequence[Asking], most: int) -> int:
    """Ask in order, at most so many; how many were asked."""
    asked = start = 0
    while asked < most and start < len(changes):
        batch = changes[start : start + min(AT_ONCE, most - asked)]
        start += len(batch)
        for result in services.store.apply(principal, batch):
            if isinstance(result, Failed):
                raise result.error
            asked += bool(result)
    return asked


def _work(tx: Transaction, services: Services, at: str) -> Work:
    return Work(tx, services, Cause("matcher", f"review-fill {at}", at, at))


def _possible(services: Services, chosen: Gain, at: str) -> Asking:
    """The change that asks about a possible link, if its persons may be one and neither is asked about so already."""

    def change(tx: Transaction) -> tuple[str, ...]:
        work = _work(tx, services, at)
        edge, records = edges_by_id(tx, [chosen.id])[0], work.records(chosen.records)
        persons = {record.person for record in records}
        if edge.closed or edge.grade != _POSSIBLE or len(persons) < 2 or not _may_be_asked(work, *sorted(persons)):
            return ()
        open_review(work, POSSIBLE, chosen.records, "The records may be of one person.", edge)
        return tuple(sorted(persons))

    return change


def _may_be_asked(work: Work, first: str, second: str) -> bool:
    """Whether neither person has an open question of the kind, and neither a veto nor anyone's word lies between them."""
    sides = [[record for record in work.members(person) if record.active] for person in (first, second)]
    ids = [{record.id for record in side} for side in sides]
    items = [orjson.loads(body) for _, body in work.tx.find(REVIEW, "record", sorted(ids[0] | ids[1]))]
    if any(item["state"] == "open" and item["kind"] == POSSIBLE for item in items):
        return False
    if any(edge.kind == "not-same" and edge.other(id) in ids[1] for id in ids[0] for edge in open_edges(work.tx, [id])):
        return False
    seen = [[demographics_of(work, record) for record in side] for side in sides]
    return not any(vetoes(one, other) for one, other in product(*seen))


def _audit(services: Services, chosen: Chosen, at: str) -> Asking:
    """The change that asks about a link as if nothing were known of it."""

    def change(tx: Transaction) -> tuple[str, ...]:
        work = _work(tx, services, at)
        edge, records = edges_by_id(tx, [chosen.id])[0], work.records(chosen.records)
        persons = {record.person for record in records}
        if edge.closed or edge.grade != _CERTAIN or len(persons) > 1:
            return ()
        label = {"edge": edge.id, "weight": edge.weight, "model": edge.evidence.get("model"), "chosen": chosen.probability, "stratum": chosen.stratum}
        open_review(work, AUDIT, chosen.records, "Are these two records of one person? Judge by the sources alone.", audit=label)
        return tuple(persons)

    return change
