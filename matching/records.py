"""What the matcher is given of records and what is said of pairs: candidates, edges, assertions (matching.md 1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from matching.demographics import Demographics

REPLACED_BY = "replaced-by"
LINK = "link"
NUMBER = "number"
MATCH = "match"
NOT_SAME = "not-same"

STEWARD = "steward"
FEED = "feed"

Pair = tuple[str, str]


def pair(x: str, y: str) -> Pair:
    """The unordered pair of two record keys: the smaller first."""
    return (x, y) if x < y else (y, x)


class Candidate(NamedTuple):
    """A record as the matcher is given it: its stable key, its number in the store, its demographics."""

    key: str
    number: int
    demographics: Demographics


@dataclass(frozen=True, slots=True)
class Edge:
    """A standing statement that two records are one person.

    ``kind`` is replaced-by, link, number or match; for replaced-by ``a`` is the record replaced and ``b`` the survivor,
    else the order says nothing. ``weight`` and ``grade`` are those of a match; ``role`` (steward or feed) and ``time``
    (ISO 8601 UTC of the event) those of an assertion.
    """

    kind: str
    a: str
    b: str
    weight: float = 0.0
    grade: str = "certain"
    role: str = ""
    time: str = ""

    @property
    def pair(self) -> Pair:
        """The unordered pair it is about."""
        return pair(self.a, self.b)


@dataclass(frozen=True, slots=True)
class Assertion:
    """What someone said of a pair: ``kind`` link, replaced-by or not-same; append-only, ended only by a newer one.

    ``owner`` is who said it (a trust's code, a steward's name), ``role`` steward or feed; ``owns_both`` whether a feed's
    trust holds both records; ``withdrawn`` where it takes back the owner's earlier word on the pair.
    """

    kind: str
    a: str
    b: str
    owner: str
    role: str
    time: str
    owns_both: bool = True
    withdrawn: bool = False


class Standing(NamedTuple):
    """The assertions in force: edges to join, pairs forbidden, and pairs that need a steward because two owners differ."""

    edges: tuple[Edge, ...]
    not_same: frozenset[Pair]
    disputed: tuple[Pair, ...]


def _ends(later: Assertion, earlier: Assertion) -> bool:
    """Whether a positive assertion ends an earlier not-same of another owner: a feed's only one of a feed, between its own records."""
    if later.role == STEWARD:
        return True
    return earlier.role == FEED and later.owns_both


def _order(said: Assertion) -> tuple[str, str, str, str, str, bool]:
    return said.time, said.owner, said.kind, said.a, said.b, said.withdrawn


def standing(assertions: Iterable[Assertion]) -> Standing:
    """Which assertions are in force, whatever order they are given in (matching.md 8, 9).

    Of one owner's assertions on a pair the later wins. A feed's link or replaced-by ends a not-same only between records
    it owns, and never a steward's: that pair is disputed. A not-same stands against every link of another owner.
    """
    latest: dict[tuple[Pair, str], Assertion] = {}
    for said in sorted(assertions, key=_order):
        latest[pair(said.a, said.b), said.owner] = said
    by_pair: dict[Pair, list[Assertion]] = {}
    for (about, _), said in latest.items():
        if not said.withdrawn:
            by_pair.setdefault(about, []).append(said)
    edges, not_same, disputed = [], set(), []
    for about, words in sorted(by_pair.items()):
        joins = [said for said in words if said.kind != NOT_SAME]
        forbids = [said for said in words if said.kind == NOT_SAME and not _is_ended(said, joins)]
        if forbids:
            not_same.add(about)
            if joins:
                disputed.append(about)
        edges += [Edge(said.kind, said.a, said.b, role=said.role, time=said.time) for said in joins]
    return Standing(tuple(edges), frozenset(not_same), tuple(disputed))


def _is_ended(forbid: Assertion, joins: list[Assertion]) -> bool:
    return any(_order(join) > _order(forbid) and _ends(join, forbid) for join in joins)
