"""Testing and sorting resources that are already read, by the index rows packed beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
)
from app.store.sqlite.names import DATE, EXACT, REFERENCE, STRING, TEXT, TOKEN, TYPED
from app.store.sqlite.rows import HIGHEST, LAST_UPDATED, LOWEST, Packed
from app.store.sqlite.view import View

SortValue = str | int | None


class Candidate:
    """A live, visible version that may match, and its rows, opened when first needed."""

    __slots__ = ("_far", "_near", "_rows", "id", "rid", "sort_values", "start")

    def __init__(self, rid: int, id: str, start: int, near: bytes, far: bytes | None) -> None:
        self.rid, self.id, self.start, self._near, self._far = rid, id, start, near, far
        self._rows: Packed | None = None
        self.sort_values: tuple[SortValue, ...] = ()

    @property
    def rows(self) -> Packed:
        if self._rows is None:
            self._rows = Packed(self._near, self._far)
        return self._rows


Test = Callable[[Candidate], bool]
ValueTest = Callable[[str, str | None], bool]


def test_of(view: View, criterion: Criterion) -> Test:
    """The criterion as a test of a candidate."""
    match criterion:
        case Not(inner):
            test = test_of(view, inner)
            return lambda candidate: not test(candidate)
        case AnyOf(criteria):
            tests = [test_of(view, one) for one in criteria]
            return lambda candidate: any(test(candidate) for test in tests)
        case AllOf(criteria):
            tests = [test_of(view, one) for one in criteria]
            return lambda candidate: all(test(candidate) for test in tests)
        case HasId(ids):
            wanted = frozenset(ids)
            return lambda candidate: candidate.id in wanted
        case DateIs(param, prefix, low, high):
            return _date_test(view.slot(DATE, param), prefix, low, high)
        case Missing(param, missing):
            return _missing_test(view, param, missing)
        case _:
            return _value_test(view, criterion)


def _value_test(
    view: View, leaf: TokenIs | TypedIdentifier | TextStarts | StringStarts | StringIs | StringHas | RefersTo
) -> Test:  # fmt: skip
    match leaf:
        case TokenIs(param, system, code):
            slots = frozenset(_slots(view, param, TOKEN)) if system is None else frozenset({view.slot(TOKEN, param, system)})
            return _any(slots, lambda value, _: code is None or value == code)
        case TypedIdentifier(param, type_system, type_code, asked):
            return _any(frozenset({view.slot(TYPED, param, type_system, type_code)}), lambda value, _: value == asked)
        case TextStarts(param, asked):
            return _any(frozenset({view.slot(TEXT, param)}), lambda value, _: value.startswith(asked))
        case StringStarts(param, asked):
            return _any(frozenset({view.slot(STRING, param)}), lambda value, _: value.startswith(asked))
        case StringHas(param, asked):
            return _any(frozenset({view.slot(STRING, param)}), lambda value, _: asked in value)
        case StringIs(param, asked):
            other = _any(frozenset({view.slot(EXACT, param)}), lambda value, _: value == asked)
            shared = _any(frozenset({view.slot(STRING, param)}), lambda _, exact: exact == asked)
            return lambda candidate: other(candidate) or shared(candidate)
        case RefersTo(param, targets):
            wanted = frozenset(targets)
            return _any(frozenset({view.slot(REFERENCE, param)}), lambda value, _: value in wanted)


def _any(slots: frozenset[int | None], holds: ValueTest) -> Test:
    return lambda candidate: any(slot in slots and holds(value, exact) for slot, value, _, exact in candidate.rows.values)


_DATE_TESTS: dict[str, Callable[[int, int, int, int], bool]] = {
    "eq": lambda a, b, c, d: a <= c and d <= b,
    "gt": lambda _a, b, _c, d: d > b,
    "lt": lambda a, _b, c, _d: c < a,
    "ge": lambda a, b, c, d: d > b or (a <= c and d <= b),
    "le": lambda a, b, c, d: c < a or (a <= c and d <= b),
    "sa": lambda _a, b, c, _d: c >= b,
    "eb": lambda a, _b, _c, d: d <= a,
    "overlaps": lambda a, b, c, d: c < b and d > a,
}
"""FHIR R4 search.html#prefix: asked [a, b), held [c, d)."""


def _date_test(slot: int | None, prefix: str, low: int, high: int) -> Test:
    holds = _DATE_TESTS[prefix]
    return lambda candidate: any(slot == at and holds(low, high, c, d) for at, c, d, _ in candidate.rows.dates)


def _missing_test(view: View, param: str, missing: bool) -> Test:
    slots = frozenset(_slots(view, param))
    return lambda candidate: (
        missing
        is not (any(row[0] in slots for row in candidate.rows.values) or any(row[0] in slots for row in candidate.rows.dates))
    )


def _slots(view: View, param: str, *kinds: int) -> list[int]:
    rows = view.connection.execute("SELECT id, kind FROM slot WHERE param = ?", (view.param(param),))
    return [id for id, kind in rows if not kinds or kind in kinds]


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key with where its values stand: the slots of the parameter, of strings or of dates."""

    key: SortKey
    slots: tuple[int, ...]
    dates: bool

    @property
    def mark(self) -> int:
        return HIGHEST if self.key.descending else LOWEST

    def value(self, candidate: Candidate) -> SortValue:
        """What the candidate sorts by; None where it has no value."""
        if self.key.param == "_commit":
            return candidate.start
        if self.key.param == "_id":
            return candidate.id
        if self.dates:
            ends = (row[2] if self.key.descending else row[1] for row in candidate.rows.dates if row[0] in self.slots and row[3] & self.mark)
            return next(ends, None)
        return next((row[1] for row in candidate.rows.values if row[0] in self.slots and row[2] & self.mark), None)


def order_of(view: View, key: SortKey) -> Order:
    """A sort key resolved: a parameter sorts by its dates, else tokens, else strings, else references."""
    if key.param in ("_commit", "_id"):
        return Order(key, (), dates=False)
    if key.param == LAST_UPDATED:
        return Order(key, tuple(_slots(view, key.param, DATE)), dates=True)
    for kind in (DATE, TOKEN, STRING, REFERENCE):
        if found := _slots(view, key.param, kind):
            return Order(key, tuple(found), dates=kind == DATE)
    return Order(key, (), dates=False)


def in_order(candidates: list[Candidate], orders: Sequence[Order]) -> list[Candidate]:
    """The candidates sorted by the keys, then id; those lacking a value last in either direction."""
    for candidate in candidates:
        candidate.sort_values = tuple(order.value(candidate) for order in orders)
    candidates.sort(key=lambda candidate: candidate.id)
    for at in reversed(range(len(orders))):
        if orders[at].key.descending:
            candidates.sort(key=lambda candidate, at=at: _present_first(candidate.sort_values[at]), reverse=True)  # type: ignore[misc]
        else:
            candidates.sort(key=lambda candidate, at=at: _absent_last(candidate.sort_values[at]))  # type: ignore[misc]
    return candidates


def _present_first(value: SortValue) -> tuple[bool, SortValue]:
    return value is not None, value


def _absent_last(value: SortValue) -> tuple[bool, SortValue]:
    return value is None, value


def is_beyond(candidate: Candidate, orders: Sequence[Order], after: Sequence[SortValue]) -> bool:
    """True where the candidate comes after the row whose sort values and id ``after`` holds."""
    for order, mine, last in zip(orders, candidate.sort_values, after, strict=False):
        if mine != last:
            if mine is None or last is None:
                return mine is None
            return (mine < last) if order.key.descending else (mine > last)  # type: ignore[operator]
    return candidate.id > str(after[-1])
