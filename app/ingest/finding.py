"""Looking for a person by what a caller knows of them: candidates, scores, one answer a person (fhir.md 3, $match)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from app.ingest.evidence import normalised
from app.ingest.linking import Candidates, find_candidates
from app.ingest.records import Record, get_records
from app.services import Services
from app.store.contract import Snapshot
from matching import linking as matcher
from matching.caps import vetoes
from matching.clustering import MARGIN, VETO_MARGIN
from matching.demographics import RecordFacts
from matching.linking import CONFUSION, EdgeProposal
from matching.model import GRADES
from matching.records import MATCH, NUMBER, Candidate
from matching.scoring import Scored

ASKED = ""
"""The key of the record that is asked about: smaller than every stored one."""
_BELOW = 1e-6

CERTAIN, PROBABLE, POSSIBLE = GRADES[:3]


@dataclass(frozen=True, slots=True)
class Found:
    """A person who may be meant, by the record of theirs that fits best. ``score`` 0 to 1 rises with ``grade``."""

    person: str
    record: str
    grade: str
    score: float
    scored: Scored


@dataclass(frozen=True, slots=True)
class Search:
    """Who was found, best first, and whether a limit may have left somebody out."""

    found: tuple[Found, ...]
    limited: bool

    def certain_alone(self) -> tuple[Found, ...]:
        """The one person who is certain where nobody else is certain or probable, else nobody."""
        likely = [one for one in self.found if one.grade in (CERTAIN, PROBABLE)]
        return tuple(likely) if len(likely) == 1 and likely[0].grade == CERTAIN else ()


def find_persons(snapshot: Snapshot, services: Services, facts: RecordFacts) -> Search:
    """The persons that the facts may be of: each by its best record of those the snapshot's caller may see."""
    demographics = normalised(snapshot, services, facts)
    asked = Candidate(ASKED, -1, demographics)
    near = _visible(snapshot, find_candidates(snapshot, demographics, services.scorer.model.population))
    ids = {candidate.key: id for id, candidate in near.found.values()}
    candidates = [candidate for _, candidate in near.found.values()]
    decided = matcher.decide(asked, candidates, services.scorer) or _of_number(services, asked, candidates)
    proposals = {ids[one.b]: one for one in decided}
    records = get_records(snapshot, proposals)
    best: dict[str, tuple[EdgeProposal, Record]] = {}
    for id in sorted(records, key=lambda id: (*_rank(proposals[id]), records[id].first_key)):
        best.setdefault(records[id].person, (proposals[id], records[id]))
    contested = _contested(services, near, best.values())
    limited = _is_limited(near, [record for _, record in best.values()])
    found = [_found(services, person, one, record, doubtful=limited or person in contested) for person, (one, record) in best.items()]
    return Search(tuple(sorted(found, key=lambda one: (GRADES.index(one.grade), -one.score, one.person))), limited)


def _of_number(services: Services, asked: Candidate, candidates: Iterable[Candidate]) -> list[EdgeProposal]:
    """Those who have the NHS number where nothing else is asked by: it is weak evidence alone, and yet what the caller wants to know."""
    given = asked.demographics
    if not given.nhs_number or given.names or given.birth_date:
        return []
    holders = [one for one in candidates if one.demographics.nhs_number == given.nhs_number]
    scored = {one.key: services.scorer.score(given, one.demographics) for one in holders}
    return [EdgeProposal(MATCH, ASKED, key, replace(found, grade=POSSIBLE), ("nn",)) for key, found in scored.items() if not found.vetoes]


def _visible(snapshot: Snapshot, near: Candidates) -> Candidates:
    """The candidates without those that the caller may not see: they are no rivals to the others either.

    Of restricted ones where they live and how they are reached is neither found by nor compared (nhs.md 6, S-flag): a guess must not be confirmed.
    """
    known = get_records(snapshot, [id for id, _ in near.found.values()])
    seen = {number: one for number, one in near.found.items() if one[0] in known and snapshot.principal.sees(known[one[0]].organisation)}
    return replace(near, found={number: (id, _withheld(one) if is_restricted(known[id]) else one) for number, (id, one) in seen.items()})


def is_restricted(record: Record) -> bool:
    """Whether its trust withholds where the person lives and how they are reached."""
    return record.state.value("restricted") is True


def _withheld(candidate: Candidate) -> Candidate:
    return candidate._replace(demographics=replace(candidate.demographics, streets=(), cities=(), postcodes=(), phones=(), emails=()))


def _rank(proposal: EdgeProposal) -> tuple[int, float]:
    return GRADES.index(_grade(proposal)), -proposal.weight


def _grade(proposal: EdgeProposal) -> str:
    """The grade of a pair; one whose number is in doubt is at most probable."""
    return PROBABLE if proposal.kind == CONFUSION and proposal.grade == CERTAIN else proposal.grade


def _found(services: Services, person: str, proposal: EdgeProposal, record: Record, *, doubtful: bool) -> Found:
    grade = PROBABLE if doubtful and _grade(proposal) == CERTAIN else _grade(proposal)
    return Found(person, record.id, grade, _score(services, proposal, grade), proposal.scored)


def _score(services: Services, proposal: EdgeProposal, grade: str) -> float:
    """The probability, kept within what the grade allows, so that no lower grade has a higher score."""
    bounds = services.scorer.bounds
    place = GRADES.index(grade)
    p = max(proposal.scored.p, bounds[0]) if proposal.kind == NUMBER and grade == CERTAIN else proposal.scored.p
    return min(p, bounds[place - 1] - _BELOW) if place else p


def _contested(services: Services, near: Candidates, best: Iterable[tuple[EdgeProposal, Record]]) -> set[str]:
    """The persons who are certain but for a rival nearly as good who cannot be the same person (matching.md 7, Ambiguity)."""
    scorer, by_id = services.scorer, {id: candidate.demographics for id, candidate in near.found.values()}
    ranked = list(best)
    contested = set()
    for one, record in ranked:
        if _grade(one) != CERTAIN:
            continue
        for other, rival in ranked:
            gap = one.weight - other.weight
            if rival.person == record.person or gap > VETO_MARGIN:
                continue
            first, second = by_id[record.id], by_id[rival.id]
            if vetoes(first, second) or (gap <= MARGIN and scorer.weigh(first, second) < 0):
                contested.add(record.person)
    return contested


def _is_limited(near: Candidates, found: Sequence[Record]) -> bool:
    """Whether records were left unseen that share as much as the best one seen: no block was small enough, or too many were as near."""
    if near.under_blocked or not near.left_out:
        return near.under_blocked
    seen = [near.shared[record.number] for record in found if record.number in near.shared]
    return not seen or near.left_out >= max(seen)
