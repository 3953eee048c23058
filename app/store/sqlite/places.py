"""Where a criterion's matches stand in the index, and the condition that a resource is among them."""

from __future__ import annotations

from collections.abc import Iterable
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
    StringHas,
    StringIs,
    StringStarts,
    TextStarts,
    TokenIs,
    TypedIdentifier,
)
from app.store.sqlite.names import DATE, EXACT, REFERENCE, STRING, TEXT, TOKEN, TYPED
from app.store.sqlite.rows import LAST_UPDATED, has_entry, has_sort_value, led_to
from app.store.sqlite.view import FALSE, TRUE, Sql, View, joined, marks, union

LAST_CHARACTER = "\U0010ffff"

Leaf = TokenIs | TypedIdentifier | TextStarts | StringStarts | StringIs | StringHas | DateIs | RefersTo | HasId


@dataclass(frozen=True, slots=True)
class Place:
    """Index rows of ``table`` that meet ``where``.

    ``seeks``: with a rid added, a row is found without a scan. ``once``: no resource has two of the rows.
    """

    table: str
    where: Sql
    seeks: bool
    once: bool = False


def places(view: View, leaf: Leaf) -> tuple[Place, ...]:
    """The places of a leaf's matches; none where the store has never seen the parameter or system."""
    match leaf:
        case TokenIs(param, system, code):
            return _token(view, param, system, code)
        case TypedIdentifier(param, type_system, type_code, value):
            return _equal(view.slot(TYPED, param, type_system, type_code), (value,))
        case TextStarts(param, value):
            return _starts(view.slot(TEXT, param), value)
        case StringStarts(param, value):
            return _starts(view.slot(STRING, param), value)
        case StringIs(param, value):
            shared = Sql("e.slot = ? AND e.value IN (?, ?) AND e.exact = ?", (view.slot(STRING, param), *led_to(value), value))
            return (*_equal(view.slot(EXACT, param), (value,)), Place("entry", shared, seeks=True))
        case StringHas(param, value):
            return (Place("entry", Sql("e.slot = ? AND instr(e.value, ?) > 0", (view.slot(STRING, param), value)), seeks=False),)
        case DateIs(param, prefix, low, high):
            return tuple(_date(view.slot(DATE, param), prefix, low, high))
        case RefersTo(param, targets):
            return _equal(view.slot(REFERENCE, param), targets)
        case HasId(ids):
            return (Place("resource", Sql(f"e.type = ? AND e.id IN ({marks(ids)})", (view.type_number, *ids)), seeks=False),)


def _token(view: View, param: str, system: str | None, code: str | None) -> tuple[Place, ...]:
    if system is not None:
        slot = view.slot(TOKEN, param, system)
        if code is not None:
            return _equal(slot, (code,))
        return () if slot is None else (Place("entry", Sql("e.slot = ?", (slot,)), seeks=False),)
    slots = Sql("e.slot IN (SELECT id FROM slot WHERE param = ? AND kind = ?)", (view.param(param), TOKEN))
    if code is None:
        return (Place("entry", slots, seeks=False),)
    return (Place("entry", Sql(f"{slots.text} AND e.value = ?", (*slots.given, code)), seeks=True),)


def _equal(slot: int | None, values: tuple[str, ...]) -> tuple[Place, ...]:
    if slot is None or not values:
        return ()
    test = "e.value = ?" if len(values) == 1 else f"e.value IN ({marks(values)})"
    return (Place("entry", Sql(f"e.slot = ? AND {test}", (slot, *values)), seeks=True, once=len(values) == 1),)


def _starts(slot: int | None, value: str) -> tuple[Place, ...]:
    if slot is None:
        return ()
    return (Place("entry", Sql("e.slot = ? AND e.value >= ? AND e.value < ?", (slot, value, value + LAST_CHARACTER)), seeks=False),)


def _date(slot: int | None, prefix: str, low: int, high: int) -> Iterable[Place]:
    if slot is not None:
        for test in date_tests(prefix, low, high):
            yield Place("date", Sql(f"e.slot = ? AND {test.text}", (slot, *test.given)), seeks=True)


def date_tests(prefix: str, low: int, high: int, row: str = "e") -> Iterable[Sql]:
    """FHIR R4 search.html#prefix: the asked range [low, high) against a row's, as tests of which one must hold."""
    if prefix in ("eq", "ge", "le"):
        yield Sql(f"{row}.low >= ? AND {row}.low <= ? AND {row}.high <= ?", (low, high, high))
    if prefix in ("gt", "ge"):
        yield Sql(f"{row}.high > ?", (high,))
    if prefix in ("lt", "le"):
        yield Sql(f"{row}.low < ?", (low,))
    if prefix == "sa":
        yield Sql(f"{row}.low >= ?", (high,))
    if prefix == "eb":
        yield Sql(f"{row}.high <= ?", (low,))
    if prefix == "overlaps":
        yield Sql(f"{row}.low < ? AND {row}.high > ?", (high, low))


def plain(criterion: Criterion) -> Criterion:
    """The same criterion without ``ne``, which means: has a date, and none that is equal."""
    match criterion:
        case DateIs(param, "ne", low, high):
            return AllOf((Missing(param, missing=False), Not(DateIs(param, "eq", low, high))))
        case Not(inner):
            return Not(plain(inner))
        case AnyOf(criteria):
            return AnyOf(tuple(plain(each) for each in criteria))
        case AllOf(criteria):
            return AllOf(tuple(plain(each) for each in criteria))
        case _:
            return criterion


def select(view: View, place: Place) -> Sql:
    """SELECT of the rids of a place, some repeated where a resource has several values."""
    if place.table == "resource":
        return Sql(f"SELECT e.rid FROM resource e WHERE {place.where.text}", place.where.given)
    valid = view.valid("e")
    return Sql(f"SELECT e.rid FROM {place.table} e WHERE {place.where.text} AND {valid.text}", place.where.given + valid.given)


def driver(view: View, criterion: Criterion) -> tuple[Place, ...] | None:
    """Places that hold all matches and perhaps more; None where only a test can tell."""
    match criterion:
        case Missing() | Not():
            return None
        case AnyOf(criteria):
            each = [driver(view, one) for one in criteria]
            return None if None in each else tuple(place for found in each for place in found or ())
        case AllOf(criteria):
            leading = [found for one in criteria if (found := driver(view, one)) is not None]
            return min(leading, key=_cost) if leading else None
        case _:
            return places(view, criterion)


def holds_always(view: View, criterion: Criterion) -> bool:
    """True where it is known at once that every resource meets the criterion: none ever had what it wants missing or not so."""
    match criterion:
        case Missing(param, missing):
            return missing and param != LAST_UPDATED and view.param(param) is None
        case Not(inner):
            return driver(view, inner) == ()
        case _:
            return False


def _cost(found: tuple[Place, ...]) -> tuple[bool, int]:
    return not all(place.seeks for place in found), len(found)


def is_exact(criterion: Criterion) -> bool:
    """True where ``driver`` gives the matches and no more."""
    match criterion:
        case AnyOf(criteria):
            return all(is_exact(one) for one in criteria)
        case AllOf() | Missing() | Not():
            return False
        case _:
            return True


def seeks(view: View, criterion: Criterion) -> bool:
    """True where the condition costs a few seeks for each resource it is put to."""
    match criterion:
        case Not(inner):
            return seeks(view, inner)
        case AnyOf(criteria) | AllOf(criteria):
            return all(seeks(view, one) for one in criteria)
        case Missing():
            return True
        case _:
            return all(place.seeks for place in places(view, criterion))


def condition(view: View, criterion: Criterion, rid: str = "x.rid") -> Sql:
    """The condition that the resource of ``rid`` meets the criterion."""
    match criterion:
        case Not(inner):
            test = condition(view, inner, rid)
            return Sql(f"NOT {test.text}", test.given)
        case AnyOf(criteria):
            return joined("OR", [condition(view, one, rid) for one in criteria], FALSE)
        case AllOf(criteria):
            return joined("AND", [condition(view, one, rid) for one in criteria], TRUE)
        case Missing(param, missing):
            return _missing(view, param, missing, rid)
        case _:
            return _among(view, places(view, criterion), rid)


def _among(view: View, found: tuple[Place, ...], rid: str) -> Sql:
    """A row that seeks is looked for; the others are read once and kept as a set."""
    tests = []
    for place in found:
        if place.seeks:
            valid, table = view.valid("e"), "date e INDEXED BY date_rid" if place.table == "date" else "entry e"
            test = f"EXISTS (SELECT 1 FROM {table} WHERE {place.where.text} AND {valid.text} AND e.rid = {rid})"
            tests.append(Sql(test, place.where.given + valid.given))
    if sets := [select(view, place) for place in found if not place.seeks]:
        rows = union(sets)
        tests.append(Sql(f"{rid} IN ({rows.text})", rows.given))
    return joined("OR", tests, FALSE)


def _missing(view: View, param: str, missing: bool, rid: str) -> Sql:
    number = view.param(param)
    if param == LAST_UPDATED or number is None:
        return TRUE if missing == (param != LAST_UPDATED) else FALSE
    return view.lives(rid, Sql(f"instr({view.present.text}, ?) {'=' if missing else '>'} 0", (*view.present.given, has_entry(number))))


def unsorted(view: View, param: str, rid: str = "x.rid") -> Sql:
    """The condition that the resource of ``rid`` has no value to sort by."""
    number = view.param(param)
    if number is None:
        return TRUE
    return view.lives(rid, Sql(f"instr({view.present.text}, ?) = 0", (*view.present.given, has_sort_value(number))))
