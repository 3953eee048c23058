"""What a search must answer, worked out by reading every resource: the plain meaning of app.search.criteria."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

from app.principal import Principal
from app.search.criteria import (
    AllOf,
    AnyOf,
    Criterion,
    DateIs,
    Entries,
    HasId,
    Missing,
    Not,
    Query,
    RefersTo,
    SortKey,
    StringHas,
    StringIs,
    StringStarts,
    TextStarts,
    TokenIs,
    TypedIdentifier,
)  # fmt: skip


@dataclass(frozen=True)
class Held:
    """One live resource as the oracle knows it."""

    id: str
    commit: int
    custodian: str | None
    entries: Entries
    last_updated: tuple[int, int]

    def dates(self, param: str) -> list[tuple[int, int]]:
        if param == "_lastUpdated":
            return [self.last_updated]
        return [(low, high) for name, low, high in self.entries.dates if name == param]


def answer(query: Query, held: Iterable[Held], principal: Principal) -> tuple[list[str], int]:
    """Ids of all matches in order, from beyond nothing, and their number."""
    matches = [one for one in held if principal.sees(one.custodian) and meets(query.criterion, one)]
    matches.sort(key=cmp_to_key(lambda a, b: compare(query.sort, a, b)))
    return [one.id for one in matches], len(matches)


def meets(criterion: Criterion, held: Held) -> bool:
    entries = held.entries
    match criterion:
        case AllOf(criteria):
            return all(meets(one, held) for one in criteria)
        case AnyOf(criteria):
            return any(meets(one, held) for one in criteria)
        case Not(inner):
            return not meets(inner, held)
        case HasId(ids):
            return held.id in ids
        case Missing(param, missing):
            return missing != (param == "_lastUpdated" or any(entry[0] == param for kind in kinds(entries) for entry in kind))
        case TokenIs(param, system, code):
            return any(p == param and system in (None, s) and code in (None, c) for p, s, c in entries.tokens)
        case TypedIdentifier(param, type_system, type_code, value):
            return (param, type_system, type_code, value) in entries.typed
        case TextStarts(param, value):
            return any(p == param and text.startswith(value) for p, text in entries.texts)
        case StringStarts(param, value):
            return any(p == param and text.startswith(value) for p, text, _ in entries.strings)
        case StringIs(param, value):
            return any(p == param and exact == value for p, _, exact in entries.strings)
        case StringHas(param, value):
            return any(p == param and value in text for p, text, _ in entries.strings)
        case RefersTo(param, targets):
            return any(p == param and target in targets for p, target in entries.references)
        case DateIs(param, prefix, a, b):
            ranges = held.dates(param)
            if prefix == "ne":
                return bool(ranges) and not any(date_is("eq", a, b, c, d) for c, d in ranges)
            return any(date_is(prefix, a, b, c, d) for c, d in ranges)


def kinds(entries: Entries) -> tuple[Any, ...]:
    return (entries.tokens, entries.strings, entries.dates, entries.references, entries.typed, entries.texts)


def date_is(prefix: str, a: int, b: int, c: int, d: int) -> bool:
    """The table of reference fhir.md 2: search [a, b), target [c, d)."""
    match prefix:
        case "eq":
            return a <= c and d <= b
        case "gt":
            return d > b
        case "lt":
            return c < a
        case "ge":
            return date_is("gt", a, b, c, d) or date_is("eq", a, b, c, d)
        case "le":
            return date_is("lt", a, b, c, d) or date_is("eq", a, b, c, d)
        case "sa":
            return c >= b
        case "eb":
            return d <= a
        case "overlaps":
            return c < b and a < d
    raise AssertionError(prefix)


def sort_value(key: SortKey, held: Held) -> str | int | None:
    if key.param == "_commit":
        return held.commit
    if key.param == "_id":
        return held.id
    choose = max if key.descending else min
    entries = held.entries
    values: list[Any] = [high if key.descending else low for low, high in held.dates(key.param)]
    values += [code for p, _, code in entries.tokens if p == key.param]
    values += [text for p, text, _ in entries.strings if p == key.param]
    values += [target for p, target in entries.references if p == key.param]
    return choose(values) if values else None


def compare(keys: tuple[SortKey, ...], a: Held, b: Held) -> int:
    for key in keys:
        x, y = sort_value(key, a), sort_value(key, b)
        if x == y:
            continue
        if x is None or y is None:
            return 1 if x is None else -1
        lower = x < y  # type: ignore[operator]
        return -1 if lower != key.descending else 1
    return (a.id > b.id) - (a.id < b.id)
