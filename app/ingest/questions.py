"""What stewards are asked about the persons of a component: one question for two persons, one item for a crowd (matching.md 7 to 9).

A function of the component alone, so that the order of arrival never changes what is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from app.ingest.edges import Edge
from app.ingest.reviews import AUDIT, Question
from matching.caps import TWO_NUMBERS, vetoes
from matching.clustering import Component, Partition, connected
from matching.records import Edge as PairEdge
from matching.records import pair

CROWD = 4
"""Persons that one doubt connects from which they are one item together, not one a pair."""
LISTED = 50
"""Records that an item of a crowd names at most."""

Ends = tuple[str, str]


class Doubt(NamedTuple):
    """A doubtful pair of record ids, smaller first, the groups that they are of, its weight and the edge that is stored of it."""

    records: Ends
    groups: Ends
    weight: float
    edge: Edge | None

    @property
    def rank(self) -> tuple[float, Ends]:
        """The strongest pair first, whatever the order of arrival."""
        return -self.weight, self.records


def _doubts(component: Component, partition: Partition) -> list[tuple[PairEdge, str, str]]:
    doubtful = [
        (edge, "probable-match", "The records probably are of one person.")
        for edge in component.edges
        if edge.kind == "match" and edge.grade == "probable"
    ]
    doubtful += [(edge, "contested-match", "Two persons compete for this record.") for edge in partition.contested]
    doubtful += [(edge, "refused-assertion", "An asserted link gave way to a veto.") for edge in partition.refused]
    doubtful += [(edge, "bridging-match", "A component too large to be one person was cut here.") for edge in partition.bridges]
    return doubtful


def questions(component: Component, partition: Partition, ids: Mapping[str, str], edges: Iterable[Edge]) -> Iterator[Question]:
    """What is doubtful about the component; ``ids``: the record id of each key, ``edges``: what the store keeps of its pairs.

    An assertion that was refused is a question by itself. Of all other doubts of a kind between two persons the strongest is asked, and none
    where somebody said that a record of the one is not the same as one of the other: that is the answer.
    """
    together = {key: group[0] for group in partition.certain for key in group}
    stored = {(edge.kind, _ends(edge.a, edge.b)): edge for edge in edges}
    answered = {pair(together[a], together[b]) for a, b in component.not_same}
    found: dict[tuple[str, str], list[Doubt]] = {}
    for edge, kind, reason in _doubts(component, partition):
        groups, records = pair(together[edge.a], together[edge.b]), _ends(ids[edge.a], ids[edge.b])
        if groups[0] == groups[1]:
            continue
        doubt = Doubt(records, groups, edge.weight, stored.get((edge.kind, records)))
        if kind == "refused-assertion":
            yield _of_assertion(component, edge, doubt, reason)
        elif groups not in answered:
            found.setdefault((kind, reason), []).append(doubt)
    for (kind, reason), doubts in found.items():
        yield from _of_kind(kind, reason, doubts)


def _of_assertion(component: Component, edge: PairEdge, doubt: Doubt, reason: str) -> Question:
    if TWO_NUMBERS in vetoes(component.records[edge.a], component.records[edge.b]):
        return Question("link-across-nhs-numbers", doubt.records, "A link joins two records whose verified NHS numbers differ; it waits for a steward.", doubt.edge)
    return Question("refused-assertion", doubt.records, reason, doubt.edge)


def still_open(component: Component, partition: Partition, ids: Mapping[str, str]) -> Callable[[Mapping[str, Any]], bool]:
    """Whether an item of the day's questions still is one: a possible link of two persons, or of an audit two records of one."""
    keys = {id: key for key, id in ids.items()}
    together = {key: group[0] for group in partition.certain for key in group}
    answered = {pair(together[a], together[b]) for a, b in component.not_same}

    def is_open(item: Mapping[str, Any]) -> bool:
        found = [keys[id] for id in item["records"] if id in keys]
        if len(found) < len(item["records"]):
            return False
        groups = pair(together[found[0]], together[found[1]])
        if item["kind"] == AUDIT:
            return groups[0] == groups[1]
        stands = any(edge.grade == "possible" and edge.kind == "match" and edge.pair == pair(*found) for edge in component.edges)
        return stands and groups[0] != groups[1] and groups not in answered

    return is_open


def _ends(a: str, b: str) -> Ends:
    return (a, b) if a < b else (b, a)


def _of_kind(kind: str, reason: str, doubts: Iterable[Doubt]) -> Iterator[Question]:
    """One question for two persons; where a doubt connects four or more, one for all of them."""
    strongest: dict[Ends, Doubt] = {}
    for doubt in sorted(doubts, key=lambda one: one.rank):
        strongest.setdefault(doubt.groups, doubt)
    persons = {group for groups in strongest for group in groups}
    for crowd in connected(persons, (PairEdge("match", *groups) for groups in strongest)):
        members = set(crowd)
        inside = [doubt for groups, doubt in strongest.items() if groups[0] in members]
        if len(crowd) < CROWD:
            yield from (Question(kind, doubt.records, reason, doubt.edge) for doubt in inside)
        else:
            yield _of_crowd(kind, reason, inside)


def _of_crowd(kind: str, reason: str, doubts: list[Doubt]) -> Question:
    """The question of a crowd: the strongest pair, and the first of the other records."""
    best = doubts[0]
    records = sorted({id for doubt in doubts for id in doubt.records})
    others = [id for id in records if id not in best.records]
    text = f"{reason} {len(records)} records ask this of each other; the evidence is that of the strongest pair."
    return Question(kind, (*best.records, *others[: LISTED - 2]), text, best.edge, crowd=len(records), first=records[0])
