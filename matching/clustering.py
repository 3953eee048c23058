"""Persons from edges (matching.md 8): a pure function of records, assertions and model, whatever the order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from matching.demographics import Demographics
from matching.grouping import LARGEST_PERSON, MARGIN, VETO_MARGIN, Groups
from matching.model import GRADES
from matching.records import LINK, MATCH, NUMBER, REPLACED_BY, STEWARD, Edge, Pair
from matching.scoring import WEIGHT_DIGITS, Scorer

__all__ = ["LARGEST_PERSON", "MARGIN", "VETO_MARGIN", "Component", "Partition", "connected", "derive", "ordered"]

LARGEST_COMPONENT = 200
SPLIT_STEP = 3.0

CERTAIN, PROBABLE, POSSIBLE, _ = GRADES

Group = tuple[str, ...]

Check = Callable[[], None]
"""Called before each edge is looked at; what it raises ends the work."""


def _unchecked() -> None:
    """Let the work go on."""



@dataclass(frozen=True, slots=True)
class Component:
    """Records that edges connect, the edges, and the pairs that an assertion forbids."""

    records: Mapping[str, Demographics]
    edges: tuple[Edge, ...]
    not_same: frozenset[Pair] = frozenset()


@dataclass(frozen=True, slots=True)
class Partition:
    """The groups of a component, each sorted, by least grade: ``certain`` are the persons, the others contain them.

    ``contested`` match edges of grade certain join nobody; ``refused`` are asserted edges that gave way to a veto;
    ``bridges`` the edges left out where a component of more than 200 records was split. Each is a Task.
    """

    certain: tuple[Group, ...]
    probable: tuple[Group, ...]
    possible: tuple[Group, ...]
    contested: tuple[Edge, ...] = ()
    refused: tuple[Edge, ...] = ()
    bridges: tuple[Edge, ...] = ()

    def groups(self, grade: str) -> tuple[Group, ...]:
        """The groups at that least grade."""
        return {CERTAIN: self.certain, PROBABLE: self.probable, POSSIBLE: self.possible}[grade]


SCORED = frozenset({NUMBER, MATCH})
"""Kinds of edges that the matcher finds by itself."""


def _rank(edge: Edge) -> int:
    if edge.kind == LINK:
        return 0 if edge.role == STEWARD else 1
    return {REPLACED_BY: 1, NUMBER: 2, MATCH: 3}[edge.kind]


def ordered(edges: Iterable[Edge]) -> list[Edge]:
    """Edges in the order they join groups: steward, A24, each the newest first; then number and match, each by weight; ties by smaller id pair.

    When a number edge was found hangs on the order of arrival, so that its time decides nothing.
    """
    by_pair = sorted(edges, key=lambda e: (e.pair, e.a, e.kind, e.grade))
    by_time = sorted(by_pair, key=lambda e: "" if e.kind in SCORED else e.time, reverse=True)
    by_time.sort(key=lambda e: (_rank(e), -round(e.weight, WEIGHT_DIGITS) if e.kind in SCORED else 0.0))
    return by_time


def _collapse(groups: Groups, edges: Iterable[Edge]) -> list[Edge]:
    """Join replaced-by chains into their root, newest first, but not across a hard veto; returns the edges refused."""
    refused = []
    replaced = sorted((e for e in edges if e.kind == REPLACED_BY), key=lambda e: e.pair)
    survivors: dict[str, str] = {}
    for edge in sorted(replaced, key=lambda e: e.time, reverse=True):
        group, other = groups.of[edge.a], groups.of[edge.b]
        if group is not other and groups.between.are_vetoed(group, other):
            refused.append(edge)
            continue
        survivors.setdefault(edge.a, edge.b)
        if group is not other:
            groups.join(group, other)
    groups.between.roots = {key: _root(key, survivors) for key in groups.of}
    return refused


def _root(key: str, survivors: Mapping[str, str]) -> str:
    """The end of the chain of survivors; of a ring its smallest key."""
    passed = [key]
    while (key := survivors.get(key, "")) and key not in passed:
        passed.append(key)
    return passed[-1] if not key else min(passed[passed.index(key) :])


def _apply(groups: Groups, edges: Iterable[Edge], contest: bool, check: Check) -> tuple[list[Edge], list[Edge]]:
    """Merge the two groups of each edge where the rules allow; returns the edges contested and the assertions refused."""
    contested, refused = [], []
    for edge in edges:
        check()
        group, other = groups.of[edge.a], groups.of[edge.b]
        if group is other:
            continue
        scored = edge.kind == MATCH
        if groups.between.are_vetoed(group, other) or len(group) + len(other) > LARGEST_PERSON:
            if not scored:
                refused.append(edge)
        elif scored and contest and groups.is_contested(edge):
            contested.append(edge)
        elif not (scored and groups.between.is_against(group, other)):
            groups.join(group, other)
    return contested, refused


def _derive(component: Component, scorer: Scorer, check: Check) -> Partition:
    groups = Groups(component.records, component.edges, component.not_same, scorer)
    refused = _collapse(groups, component.edges)
    edges = ordered(e for e in component.edges if e.kind != REPLACED_BY)
    contested, more = _apply(groups, [e for e in edges if e.kind != MATCH or e.grade == CERTAIN], contest=True, check=check)
    certain = groups.partition()
    _apply(groups, contested + [e for e in edges if e.kind == MATCH and e.grade == PROBABLE], contest=False, check=check)
    probable = groups.partition()
    _apply(groups, [e for e in edges if e.kind == MATCH and e.grade == POSSIBLE], contest=False, check=check)
    return Partition(certain, probable, groups.partition(), tuple(contested), tuple(refused + more))


def connected(keys: Iterable[str], edges: Iterable[Edge]) -> list[Group]:
    """The connected sets of keys, each sorted, in order."""
    adjacent: dict[str, set[str]] = {key: set() for key in keys}
    for edge in edges:
        adjacent[edge.a].add(edge.b)
        adjacent[edge.b].add(edge.a)
    found, left = [], set(adjacent)
    for key in sorted(adjacent):
        if key not in left:
            continue
        reached, ahead = {key}, [key]
        while ahead:
            new = adjacent[ahead.pop()] - reached
            reached |= new
            ahead.extend(new)
        left -= reached
        found.append(tuple(sorted(reached)))
    return found


def _pieces(component: Component, bound: float) -> tuple[list[Group], list[Edge]]:
    """The component's pieces of at most 200 records, the bound on match edges raised 3 bits until they fit; the edges left out."""
    kept: list[Edge] = []
    left_out: list[Edge] = []
    for edge in component.edges:
        (left_out if edge.kind == MATCH and edge.weight < bound else kept).append(edge)
    pieces: list[Group] = []
    for piece in connected(component.records, kept):
        members = set(piece)
        inside = tuple(e for e in kept if e.a in members)
        if len(piece) <= LARGEST_COMPONENT or all(e.kind != MATCH for e in inside):
            pieces.append(piece)
        else:
            inner = Component({key: component.records[key] for key in piece}, inside, component.not_same)
            smaller, more = _pieces(inner, bound + SPLIT_STEP)
            pieces += smaller
            left_out += more
    return pieces, left_out


def derive(component: Component, scorer: Scorer, check: Check = _unchecked) -> Partition:
    """The persons of a component and the wider groups of lower grades (matching.md 8). One that is not connected is allowed."""
    pieces, left_out = _pieces(component, scorer.weight_bounds[2])
    place = {key: number for number, piece in enumerate(pieces) for key in piece}
    bridges = tuple(sorted((e for e in left_out if place[e.a] != place[e.b]), key=lambda e: e.pair))
    inside: list[list[Edge]] = [[] for _ in pieces]
    for edge in component.edges:
        if place[edge.a] == place[edge.b]:
            inside[place[edge.a]].append(edge)
    partitions = []
    for piece, found in zip(pieces, inside, strict=True):
        edges = tuple(found)
        partitions.append(_derive(Component({key: component.records[key] for key in piece}, edges, component.not_same), scorer, check))
    return Partition(
        certain=tuple(sorted(group for p in partitions for group in p.certain)),
        probable=tuple(sorted(group for p in partitions for group in p.probable)),
        possible=tuple(sorted(group for p in partitions for group in p.possible)),
        contested=tuple(edge for p in partitions for edge in p.contested),
        refused=tuple(edge for p in partitions for edge in p.refused),
        bridges=bridges,
    )
