"""A search criterion weighed in memory against entries that are not written yet, and the order of hits.

A change sees its own writes and those of the changes before it in the group; what they save is few, and is
compared here, while the server answers for all the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.search.criteria import (
    AllOf,
    AnyOf,
    Criterion,
    DateIs,
    HasId,
    Missing,
    Not,
    RefersTo,
    SortKey,
    StringHas,
    StringIs,
    StringStarts,
    TextStarts,
    TokenIs,
    TypedIdentifier,
)  # fmt: skip
from app.store.mongo.entries import CODE, CODED, EXACT, PRESENT, STRING, TEXT, TOKENED, TYPED, Indexed, term
from app.store.mongo.values import SEPARATOR, Raw

Value = str | int | None


def meets(found: Indexed, criterion: Criterion) -> bool:
    """True where a version with these entries is a match."""
    match criterion:
        case AllOf(criteria):
            return all(meets(found, inner) for inner in criteria)
        case AnyOf(criteria):
            return any(meets(found, inner) for inner in criteria)
        case Not(inner):
            return not meets(found, inner)
        case HasId(ids):
            return found.document["id"] in ids
        case DateIs():
            return _date(found, criterion)
        case StringStarts() | StringHas() | TextStarts():
            return _word(found, criterion)
        case TokenIs():
            return _token(found, criterion)
        case Missing(param, missing):
            return (_term(found, param, PRESENT) in found.document["tokens"]) != missing
        case RefersTo(param, targets):
            return any(_term(found, param, CODE, target) in found.document["references"] for target in targets)
        case StringIs(param, value):
            return _term(found, param, EXACT, value) in found.document["tokens"]
        case TypedIdentifier(param, type_system, type_code, value):
            return _term(found, param, TYPED, type_system, type_code, value) in found.document["tokens"]


def _term(found: Indexed, param: str, mark: str, *values: str) -> str:
    return term(found.document["type"], param, mark, *values)


def _token(found: Indexed, asked: TokenIs) -> bool:
    near, spread = found.document["tokens"], found.spread
    match asked.system, asked.code:
        case None, None:
            return _term(found, asked.param, TOKENED) in near
        case None, str(code):
            start = _term(found, asked.param, CODE, code)
            return start in near or any(each.startswith(start + SEPARATOR) for each in spread)
        case str(system), None:
            start, end = _term(found, asked.param, CODED, system) + SEPARATOR, term("", "", "", system)[2:]
            param = _term(found, asked.param, CODE) + SEPARATOR
            return any(each.startswith(start) for each in near) or any(e.startswith(param) and e.endswith(end) for e in spread)
        case system, code:
            near_term = _term(found, asked.param, CODED, str(system), str(code))
            return near_term in near or _term(found, asked.param, CODE, str(code), str(system)) in spread


def _word(found: Indexed, asked: StringStarts | StringHas | TextStarts) -> bool:
    words = found.document["words"]
    match asked:
        case StringHas(param, value):
            start = _term(found, param, STRING) + SEPARATOR
            literal = term("", "", "", value)[3:]
            return any(word.startswith(start) and literal in word[len(start) :] for word in words)
        case StringStarts(param, value):
            start = _term(found, param, STRING, value)
        case TextStarts(param, value):
            start = _term(found, param, TEXT, value)
    return any(word.startswith(start) for word in words)


def _date(found: Indexed, asked: DateIs) -> bool:
    p = _term(found, asked.param, PRESENT)
    dates = [(date["low"], date["high"]) for date in found.document["dates"] if date["p"] == p]
    if asked.prefix == "ne":
        return bool(dates) and not any(_compares("eq", asked, *date) for date in dates)
    return any(_compares(asked.prefix, asked, *date) for date in dates)


def _compares(prefix: str, asked: DateIs, low: int, high: int) -> bool:
    """FHIR R4 search.html#prefix, for the value [low, high)."""
    equal = asked.low <= low and high <= asked.high
    match prefix:
        case "eq":
            return equal
        case "gt" | "ge":
            return high > asked.high or (prefix == "ge" and equal)
        case "lt" | "le":
            return low < asked.low or (prefix == "le" and equal)
        case "sa":
            return low >= asked.high
        case "eb":
            return high <= asked.low
        case _:
            return low < asked.high and high > asked.low


def field_of(key: SortKey) -> str:
    """The stored field that a sort key orders by."""
    if key.param in {"_commit", "_id"}:
        return "start" if key.param == "_commit" else "id"
    return f"{'highest' if key.descending else 'lowest'}.{key.param}"


def place_of(document: Raw, sort: Sequence[SortKey]) -> tuple[Value, ...]:
    """Where a hit stands: its sort values, then its id."""
    values: list[Value] = []
    for key in sort:
        outer, _, param = field_of(key).partition(".")
        values.append(document[outer].get(param) if param else document[outer])
    return (*values, document["id"])


class Standing:
    """A place that compares as the sort keys say; what lacks a value comes last in both directions."""

    __slots__ = ("_place", "_sort")

    def __init__(self, place: Sequence[Value], sort: Sequence[SortKey]) -> None:
        self._place = place
        self._sort = sort

    def __lt__(self, other: Standing) -> bool:
        for key, mine, theirs in zip(self._sort, self._place, other._place, strict=False):
            if mine != theirs:
                return _before(mine, theirs, descending=key.descending)
        return str(self._place[-1]) < str(other._place[-1])


def _before(mine: Value, theirs: Value, *, descending: bool) -> bool:
    if mine is None or theirs is None:
        return theirs is None
    return bool(mine > theirs if descending else mine < theirs)  # type: ignore[operator]
