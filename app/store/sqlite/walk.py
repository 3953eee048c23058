"""Walking the index of the first sort key in order, testing as it goes.

Rows of equal value are read together and put in order by the other keys and the id. Where very many
have one value, those are walked by the next key, or by id, instead. Resources lacking the value come
after all others, in the order of the other keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.search.criteria import MAX_TIME, DateIs
from app.store.sqlite.names import DATE
from app.store.sqlite.places import date_tests, unsorted
from app.store.sqlite.residual import Candidate, Order, SortValue, in_order, is_beyond
from app.store.sqlite.rows import LAST_UPDATED
from app.store.sqlite.view import FALSE, TRUE, Sql, View, joined, marks

_BATCH = 64
_MANY_EQUAL = 4_000
_ALWAYS_THERE = ("_commit", "_id", LAST_UPDATED)

Load = Callable[[Sequence[int]], list[Candidate]]
After = tuple[SortValue, ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """The matches of ``tests`` (on ``x.rid``) by ``orders``; ``load`` reads the resources of some rids."""

    view: View
    orders: Sequence[Order]
    tests: Sequence[Sql]
    load: Load
    first: Sequence[Sql]
    """The tests again, as put to the rows ``x`` of the first key's index."""
    done: Sequence[Order] = ()
    """Keys before ``orders`` whose values are fixed by the tests."""

    def rows(self, after: After | None) -> Iterator[Candidate]:
        """All matches in order, from beyond ``after``, which has a value for each of ``done`` and ``orders``, and an id."""
        if not self.orders:
            yield from self._by_id(after)
            return
        held = None if after is None else after[len(self.done)]
        if after is None or held is not None:
            yield from self._by_value(after, held)
        if self.orders[0].key.param not in _ALWAYS_THERE:
            beyond = after if after is not None and held is None else None
            yield from self._then(unsorted(self.view, self.orders[0].key.param)).rows(beyond)

    def _then(self, test: Sql) -> Walk:
        """The walk of those that meet ``test``, by the keys after the first."""
        return Walk(self.view, self.orders[1:], (*self.tests, test), self.load, (*self.tests, test), (*self.done, self.orders[0]))

    def _by_value(self, after: After | None, held: SortValue) -> Iterator[Candidate]:
        """Those that have a value, from ``held`` on; values that very many share are walked apart."""
        source = Source.of(self.view, self.orders[0])
        if source is None:
            return
        start, inclusive = held, True
        while True:
            shared: SortValue = None
            for batch, large in self._batches(source, start, inclusive=inclusive):
                yield from self._ordered(batch, after)
                shared = large
            if shared is None:
                return
            yield from self._then(source.same(self.view, shared)).rows(after if after is not None and shared == held else None)
            start, inclusive = shared, False

    def _batches(self, source: Source, start: SortValue, *, inclusive: bool) -> Iterator[tuple[list[int], SortValue]]:
        """Rids in batches of whole groups of equal value, and, to end with, the value of a group too large to be read."""
        batch: list[int] = []
        group: list[int] = []
        value: SortValue = None
        for next_value, rid in self.view.rows(source.select(self.view, self.first, start, inclusive=inclusive)):
            if next_value != value:
                batch += group
                group, value = [], next_value
                if len(batch) >= _BATCH:
                    yield batch, None
                    batch = []
            group.append(rid)
            if len(group) > _MANY_EQUAL:
                yield batch, value
                return
        yield batch + group, None

    def _by_id(self, after: After | None) -> Iterator[Candidate]:
        batch: list[int] = []
        for _, rid in self.view.rows(self._ids(None if after is None else after[-1])):
            batch.append(rid)
            if len(batch) >= _BATCH:
                yield from self._ordered(batch, after)
                batch = []
        yield from self._ordered(batch, after)

    def _ids(self, start: SortValue) -> Sql:
        lives, tests = self.view.lives("x.rid"), joined("AND", self.tests, TRUE)
        return Sql(
            f"SELECT x.id, x.rid FROM resource x WHERE x.type = ? AND x.id > ? AND {lives.text} AND {tests.text} ORDER BY x.id",
            (self.view.type_number, start or "", *lives.given, *tests.given),
        )

    def _ordered(self, rids: list[int], after: After | None) -> Iterator[Candidate]:
        orders = (*self.done, *self.orders)
        for candidate in in_order(self.load(list(dict.fromkeys(rids))), orders):
            if after is None or is_beyond(candidate, orders, after):
                yield candidate

    def statements(self) -> Iterator[Sql]:
        """The SELECTs that the walk may run, for their plans."""
        if not self.orders:
            yield self._ids("")
            return
        if source := Source.of(self.view, self.orders[0]):
            yield source.select(self.view, self.first, None, inclusive=True)
        if self.orders[0].key.param not in _ALWAYS_THERE:
            yield from self._then(unsorted(self.view, self.orders[0].key.param)).statements()


@dataclass(frozen=True, slots=True)
class Source:
    """The index that has a sort key's values in order."""

    table: str
    column: str
    where: Sql
    descending: bool

    @staticmethod
    def of(view: View, order: Order) -> Source | None:
        """None where no resource ever had a value."""
        descending = order.key.descending
        if order.key.param == "_commit":
            where = Sql("x.type = ? AND x.deleted = 0", (view.type_number,))
            return Source("lifetime x INDEXED BY lifetime_commit", "start", where, descending)
        if order.key.param == "_id":
            return Source("resource x", "id", Sql("x.type = ?", (view.type_number,)), descending)
        if not order.slots:
            return None
        where = Sql(f"x.slot IN ({marks(order.slots)}) AND x.mark & ?", (*order.slots, order.mark))
        if len(order.slots) == 1:
            where = Sql("x.slot = ? AND x.mark & ?", where.given)
        if order.dates:
            table = "date x INDEXED BY date_high" if descending else "date x"
            return Source(table, "high" if descending else "low", where, descending)
        return Source("entry x", "value", where, descending)

    def select(self, view: View, tests: Sequence[Sql], start: SortValue, *, inclusive: bool) -> Sql:
        """SELECT of value and rid in order, from ``start``."""
        valid = view.valid("x") if not self.table.startswith("resource") else TRUE
        parts = [self.where, valid, *self._from(start, inclusive=inclusive), *self._seen(view), *tests]
        where = joined("AND", parts, TRUE)
        direction = " DESC" if self.descending else ""
        return Sql(f"SELECT x.{self.column}, x.rid FROM {self.table} WHERE {where.text} ORDER BY x.{self.column}{direction}", where.given)

    def _from(self, start: SortValue, *, inclusive: bool) -> Iterator[Sql]:
        if start is not None:
            sign = "<" if self.descending else ">"
            yield Sql(f"x.{self.column} {sign}{'=' if inclusive else ''} ?", (start,))

    def _seen(self, view: View) -> Iterator[Sql]:
        if not view.sees_all or self.table.startswith("resource"):
            yield view.lives("x.rid")

    def same(self, view: View, value: SortValue) -> Sql:
        """The condition that the resource of ``x.rid`` has that value here."""
        where = self.where.text.replace("x.", "e.")
        valid = view.valid("e")
        if self.table.startswith("entry"):
            text = f"EXISTS (SELECT 1 FROM entry e WHERE {where} AND e.value = ? AND e.rid = x.rid AND {valid.text})"
        else:
            table = self.table.partition(" ")[0]
            text = f"x.rid IN (SELECT e.rid FROM {table} e WHERE {where} AND e.{self.column} = ? AND {valid.text})"
        return Sql(text, (*self.where.given, value, *valid.given))


def bound_by(view: View, asked: DateIs, *, descending: bool) -> Sql | None:
    """The criterion as a test of the date row ``x`` being walked, with a bound on the walk; None where a resource may have others."""
    slot = view.slot(DATE, asked.param)
    if slot is None:
        return None
    longest, several = view.connection.execute("SELECT longest, several FROM slot WHERE id = ?", (slot,)).fetchone()
    if several:
        return None
    bounds = _bounds_on_high(asked, longest) if descending else _bounds_on_low(asked, longest)
    column = "high" if descending else "low"
    sides = [Sql(f"x.{column} {sign} ?", (at,)) for sign, at in bounds if abs(at) < MAX_TIME]
    return joined("AND", [*sides, joined("OR", list(date_tests(asked.prefix, asked.low, asked.high, "x")), FALSE)], TRUE)


def _bounds_on_high(asked: DateIs, longest: int) -> list[tuple[str, int]]:
    """Where the end of a range that meets the criterion can lie, no range being longer than ``longest``."""
    low, high, reach = asked.low, asked.high, min(MAX_TIME, longest)
    return {
        "eq": [(">", low), ("<=", high)], "gt": [(">", high)], "ge": [(">", low)], "lt": [("<", _plus(low, reach))],
        "le": [("<=", max(high, _plus(low, reach)))], "sa": [(">", high)], "eb": [("<=", low)],
        "overlaps": [(">", low), ("<", _plus(high, reach))],
    }[asked.prefix]  # fmt: skip


def _bounds_on_low(asked: DateIs, longest: int) -> list[tuple[str, int]]:
    """Where the start of such a range can lie."""
    low, high, reach = asked.low, asked.high, -MAX_TIME if longest >= MAX_TIME else -longest
    return {
        "eq": [(">=", low), ("<", high)], "gt": [(">", _plus(high, reach))], "ge": [(">=", min(low, _plus(high, reach)))],
        "lt": [("<", low)], "le": [("<", high)], "sa": [(">=", high)], "eb": [("<", low)],
        "overlaps": [("<", high), (">", _plus(low, reach))],
    }[asked.prefix]  # fmt: skip


def _plus(time: int, reach: int) -> int:
    """The sum; MAX_TIME or -MAX_TIME, which is no bound, where there is no end to it."""
    return reach if abs(reach) >= MAX_TIME else max(-MAX_TIME, min(MAX_TIME, time + reach))
