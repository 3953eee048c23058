"""Groups of records while they grow (matching.md 8): what lies between two groups is worked out once, and added up when groups join."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from matching import caps as rules
from matching.demographics import Demographics
from matching.model import GRADES
from matching.records import MATCH, Edge, Pair, pair
from matching.scoring import Scorer

LARGEST_PERSON = 25
MARGIN = 3.0
VETO_MARGIN = 6.0
_UNITS = 1_000_000
"""Weights have six digits (matching.md 8) and are added as whole numbers of the last, so that the order of adding never matters."""

Numbers = tuple[int, int]
V = TypeVar("V")


@dataclass(eq=False, slots=True)
class Group:
    """Records held to be one person. ``parts``: the two groups that it was joined of; ``near``: the groups that match edges lead to, and the best weight."""

    number: int
    members: frozenset[str]
    parts: tuple[Group, Group] | None = None
    near: dict[Group, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.members)


class Between:
    """What lies between records and between groups: hard vetoes and sums of weights. Each answer is worked out once.

    Records of equal content are the same to it, but for the weights of stored edges and for the pairs that are forbidden.
    """

    def __init__(self, records: Mapping[str, Demographics], edges: Iterable[Edge], not_same: frozenset[Pair], scorer: Scorer) -> None:
        self._records, self._scorer, self._not_same = records, scorer, not_same
        contents: dict[Demographics, int] = {}
        self._content = {key: contents.setdefault(one, len(contents)) for key, one in records.items()}
        self._stored = {edge.pair: _in_units(edge.weight) for edge in edges if edge.kind == MATCH}
        self._vetoes: dict[Numbers, bool] = {}
        self._weights: dict[Numbers, int] = {}
        self._hopeless: dict[Numbers, bool] = {}
        self._group_vetoes: dict[Numbers, bool] = {}
        self._group_sums: dict[Numbers, int] = {}
        self.roots: dict[str, str] = {key: key for key in records}

    def _contents(self, x: str, y: str) -> Numbers:
        return _ordered(self._content[x], self._content[y])

    def is_vetoed(self, x: str, y: str) -> bool:
        """Whether a hard veto or an assertion forbids that the two records are one person."""
        about = self._contents(x, y)
        if about not in self._vetoes:
            self._vetoes[about] = bool(rules.vetoes(self._records[x], self._records[y]))
        return self._vetoes[about] or (bool(self._not_same) and pair(x, y) in self._not_same)

    def are_vetoed(self, group: Group, other: Group) -> bool:
        """Whether a hard veto lies between any members of the two groups."""
        about = _ordered(group.number, other.number)
        found = self._group_vetoes.get(about)
        if found is None:
            parts = _split(self._group_vetoes, group, other)
            found = any(parts) if parts else any(self.is_vetoed(x, y) for x in group.members for y in other.members)
            self._group_vetoes[about] = found
        return found

    def _weight(self, x: str, y: str) -> int:
        """The pair's weight in units of the last digit; 0 where it would stay below possible even if every field both have agreed."""
        about = self._contents(x, y)
        if about not in self._hopeless:
            best = self._scorer.potential(self._records[x], self._records[y])
            self._hopeless[about] = self._scorer.grade(best) == GRADES[-1]
        if self._hopeless[about]:
            return 0
        stored = self._stored.get(pair(x, y))
        if stored is not None:
            return stored
        if about not in self._weights:
            self._weights[about] = _in_units(self._scorer.weigh(self._records[x], self._records[y]))
        return self._weights[about]

    def _sum(self, group: Group, other: Group) -> int:
        about = _ordered(group.number, other.number)
        found = self._group_sums.get(about)
        if found is None:
            parts = _split(self._group_sums, group, other)
            found = sum(parts) if parts else sum(self._weight(x, y) for x in self._answering(group) for y in self._answering(other))
            self._group_sums[about] = found
        return found

    def _answering(self, group: Group) -> list[str]:
        return [key for key in group.members if self.roots[key] == key]

    def is_against(self, group: Group, other: Group) -> bool:
        """Whether the mean weight of the cross pairs, hopeless ones left out, is below 0. Replaced records do not count."""
        return self._sum(group, other) < 0


def _in_units(weight: float) -> int:
    return round(weight * _UNITS)


def _ordered(x: int, y: int) -> Numbers:
    return (x, y) if x < y else (y, x)


def _split(known: Mapping[Numbers, V], group: Group, other: Group) -> list[V]:
    """What is known of the two parts of one group against the other, [] where that is not known of both."""
    for whole, against in ((group, other), (other, group)):
        if whole.parts is not None:
            found = [known.get(_ordered(part.number, against.number)) for part in whole.parts]
            if found[0] is not None and found[1] is not None:
                return [one for one in found if one is not None]
    return []


class Groups:
    """The groups of a component while they grow: each record alone at first."""

    def __init__(self, records: Mapping[str, Demographics], edges: Iterable[Edge], not_same: frozenset[Pair], scorer: Scorer) -> None:
        kept = tuple(edges)
        self.between = Between(records, kept, not_same, scorer)
        self.of = {key: Group(number, frozenset((key,))) for number, key in enumerate(records)}
        self._next = len(self.of)
        self._rival: dict[Group, Group] = {}
        for edge in kept:
            if edge.kind == MATCH:
                a, b = self.of[edge.a], self.of[edge.b]
                a.near[b] = b.near[a] = max(edge.weight, a.near.get(b, edge.weight))

    def join(self, group: Group, other: Group) -> None:
        """Make one group of two."""
        near = {third: weight for third, weight in group.near.items() if third is not other}
        for third, weight in other.near.items():
            if third is not group:
                near[third] = max(weight, near.get(third, weight))
        merged = Group(self._next, group.members | other.members, (group, other), near)
        self._next += 1
        for third, weight in near.items():
            third.near.pop(group, None)
            third.near.pop(other, None)
            third.near[merged] = weight
        for key in merged.members:
            self.of[key] = merged

    def is_contested(self, edge: Edge) -> bool:
        """Whether a rival of either side, at most 3 bits weaker (6 where a veto is the reason), cannot join the other side."""
        side, other = self.of[edge.a], self.of[edge.b]
        return self._has_rival(side, other, edge.weight) or self._has_rival(other, side, edge.weight)

    def _has_rival(self, side: Group, other: Group, weight: float) -> bool:
        """The rival found last time is looked at first: where many records compete, it is one again."""
        last = self._rival.get(side)
        if last is not None and last in side.near and last is not other and self._is_rival(last, other, side.near[last], weight):
            return True
        for third, best in side.near.items():
            if third is not other and self._is_rival(third, other, best, weight):
                self._rival[side] = third
                return True
        return False

    def _is_rival(self, third: Group, other: Group, best: float, weight: float) -> bool:
        if best < weight - VETO_MARGIN:
            return False
        if best >= weight - MARGIN and len(third.members) + len(other.members) > LARGEST_PERSON:
            return True
        return self.between.are_vetoed(third, other) or (best >= weight - MARGIN and self.between.is_against(third, other))

    def partition(self) -> tuple[tuple[str, ...], ...]:
        """The groups, each sorted, in order."""
        return tuple(sorted(tuple(sorted(group.members)) for group in set(self.of.values())))
