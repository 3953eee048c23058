"""Which edges a record has to its candidates (matching.md 6, 7): pure, and the same from either side."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from matching import caps as rules
from matching.blocking import blocking_keys, family_of
from matching.model import GRADES
from matching.records import MATCH, NUMBER, Candidate, Edge, pair
from matching.scoring import Scored, Scorer

CONFUSION = "confusion"


@dataclass(frozen=True, slots=True)
class EdgeProposal:
    """An edge that the matcher found: ``number``, ``match``, or ``confusion`` (no edge: a Task, the number no evidence).

    ``families`` are the key families that both records share, so that the edge says what found it.
    """

    kind: str
    a: str
    b: str
    scored: Scored
    families: tuple[str, ...]

    @property
    def weight(self) -> float:
        """The pair's weight."""
        return self.scored.weight

    @property
    def grade(self) -> str:
        """The grade of the edge: a number edge links by itself."""
        return GRADES[0] if self.kind == NUMBER else self.scored.grade

    def edge(self, time: str = "") -> Edge:
        """The edge as ``clustering.derive`` takes it; ``time`` is that of the newer record's event."""
        return Edge(self.kind, self.a, self.b, weight=self.weight, grade=self.grade, time=time)


def kind_of(scored: Scored) -> str | None:
    """What a scored pair is: a number edge, a confusion, a match of grade possible or better, or nothing."""
    if scored.vetoes:
        return None
    if scored.confusion:
        return CONFUSION
    if rules.is_number_edge(scored.vector, scored.grade, scored.caps):
        return NUMBER
    return MATCH if scored.grade != GRADES[-1] else None


def decide(
    record: Candidate, candidates: Sequence[Candidate], scorer: Scorer, *, not_same: Collection[str] = (), files: bool = False
) -> list[EdgeProposal]:
    """The edges of ``record`` to its candidates, by the other's key; ``not_same`` are keys an assertion forbids.

    A pair under a hard veto has no edge. A confusion is proposed whatever its weight.
    """
    demographics = record.demographics
    keys = set(blocking_keys(demographics, files=files))
    found = []
    for other in sorted(candidates, key=lambda candidate: candidate.key):
        if other.key == record.key or other.key in not_same:
            continue
        same_number = bool(demographics.nhs_number) and demographics.nhs_number == other.demographics.nhs_number
        if not same_number and scorer.grade(scorer.weigh(demographics, other.demographics)) == GRADES[-1]:
            continue
        scored = scorer.score(demographics, other.demographics)
        kind = kind_of(scored)
        if kind:
            shared = keys.intersection(blocking_keys(other.demographics, files=files))
            families = tuple(sorted({family_of(key) for key in shared}))
            found.append(EdgeProposal(kind, *pair(record.key, other.key), scored, families))
    return found
