"""Which record of a trust answers for which: a fold of the merges and unlinks its feeds told, in the order of the events (hl7v2.md 1, Merge)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from matching.records import REPLACED_BY

Bars = Callable[[frozenset[str], frozenset[str], Mapping[str, "Told"]], str]
"""Why no record of the first set may be one with a record of the second, were these the merges in force; "" where nothing speaks against it."""


@dataclass(frozen=True, slots=True)
class Told:
    """One merge or unlink as a feed told it, of the very records named.

    ``kind`` is replaced-by or not-same; of replaced-by, ``a`` is replaced by ``b``. ``owner`` is who told it, ``order`` its place among
    the events (hl7v2.md 4).
    """

    id: str
    kind: str
    a: str
    b: str
    owner: str
    order: tuple[Any, ...]


@dataclass(slots=True)
class Succession:
    """What the merges come to: ``parents`` has for each replaced record the merge in force.

    ``inverse`` are the merges that turned an earlier one round, ``second`` those that took a record from another survivor, ``undone``
    the merges that an unlink ended, ``barred`` those that had no effect, each with the reason.
    """

    parents: dict[str, Told] = field(default_factory=dict)
    inverse: list[Told] = field(default_factory=list)
    second: list[Told] = field(default_factory=list)
    undone: list[Told] = field(default_factory=list)
    barred: list[tuple[Told, str]] = field(default_factory=list)


def succession(told: Iterable[Told], bars: Bars) -> Succession:
    """The merges in force after all that was told, whatever order it is given in."""
    found = Succession()
    for one in sorted(told, key=lambda one: (one.order, one.id)):
        if one.kind == REPLACED_BY:
            _merge(found, one, bars)
        else:
            _unlink(found, one)
    return found


def _merge(found: Succession, one: Told, bars: Bars) -> None:
    """Put ``a`` under ``b``; of a chain that leads from ``b`` to ``a``, the first link is cut, so that there is never a ring."""
    parents = found.parents
    held = parents.get(one.a)
    if held is not None and held.b == one.b:
        return
    after = dict(parents)
    inverse = one.a in chain(parents, one.b)
    if inverse:
        del after[one.b]
    second = held is not None and one.b not in chain(parents, one.a)
    below = _tree(after, one.a)
    others = _tree(after, chain(after, one.b)[-1]) - below
    after[one.a] = one
    reason = bars(below, others, after)
    if reason:
        found.barred.append((one, reason))
        return
    found.parents = after
    if inverse:
        found.inverse.append(one)
    elif second:
        found.second.append(one)


def _unlink(found: Succession, one: Told) -> None:
    """End the merge of exactly these two records, if the same feed told it."""
    for loser, survivor in ((one.a, one.b), (one.b, one.a)):
        held = found.parents.get(loser)
        if held is not None and (held.b, held.owner) == (survivor, one.owner):
            del found.parents[loser]
            found.undone.append(held)


def chain(parents: Mapping[str, Told], id: str) -> list[str]:
    """The record, the one that replaced it, and so on to the one that answers for all of them."""
    found = [id]
    while (held := parents.get(found[-1])) is not None:
        found.append(held.b)
    return found


def _tree(parents: Mapping[str, Told], root: str) -> frozenset[str]:
    """The record and all that it answers for."""
    children: dict[str, list[str]] = {}
    for loser, held in parents.items():
        children.setdefault(held.b, []).append(loser)
    found, ahead = {root}, [root]
    while ahead:
        new = [one for one in children.get(ahead.pop(), ()) if one not in found]
        found.update(new)
        ahead += new
    return frozenset(found)
