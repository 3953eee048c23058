"""Answering a search: few matches are read and sorted; many are met by walking the sort key's index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import isqrt

import orjson

from app.errors import PageExpired, PageForged
from app.principal import Principal
from app.search.criteria import AllOf, Criterion, DateIs, Not, Query
from app.store.contract import Hits, StoredResource
from app.store.sqlite.bodies import CURRENT, ResourceRow, stored_resource
from app.store.sqlite.names import Names, type_name
from app.store.sqlite.places import Place, condition, driver, holds_always, is_exact, plain, seeks, select
from app.store.sqlite.residual import Candidate, SortValue, in_order, is_beyond, order_of, test_of
from app.store.sqlite.view import TRUE, Sql, View, joined, union
from app.store.sqlite.walk import Walk, bound_by

FEW = 200
"""Up to so many matches are always read whole."""
SOME = 5_000
"""More are never read whole. Between the two it is done where a walk is likely to cost more."""
BROAD = 20_000
"""A criterion with more matches than this is not made a set of, but put to each resource that the walk reads."""

_CANDIDATE = "r.rid, r.id, r.start, r.deleted, r.custodian, r.rows"
_PAST_CANDIDATE = "SELECT p.start, p.deleted, p.rows, p.more_rows, p.custodian FROM past p WHERE p.rid = ? AND p.start <= ? AND p.stop > ?"
_FORMER_ROWS = "SELECT rows, more_rows FROM former WHERE rid = ? AND start <= ? AND stop > ?"
_WITHOUT_BODY = "id, version, last_updated, deleted, custodian, start, CASE WHEN summary IS NULL THEN deflated ELSE 0 END, summary, \
CASE WHEN summary IS NULL THEN body ELSE x'' END"


@dataclass(frozen=True, slots=True)
class Driven:
    """The places that hold all matches, the criterion they stand for, and the others that remain to be tested."""

    places: tuple[Place, ...]
    others: tuple[Criterion, ...]


class Search:
    """One query put to one snapshot."""

    def __init__(self, connection: sqlite3.Connection, names: Names, principal: Principal, commit: int, query: Query) -> None:
        at = commit if query.at is None else min(query.at, commit)
        self._query, self._commit, self._at = query, commit, at
        self._view = View(connection, names, principal, query.type, None if at == commit else at)
        criterion = plain(query.criterion)
        self._criteria = tuple(one for one in _flat(criterion) if not holds_always(self._view, one))
        self._orders = [order_of(self._view, key) for key in query.sort]
        if query.after is not None and len(query.after) != len(query.sort) + 1:
            raise PageForged("the page's place does not fit its sort")

    def hits(self) -> Hits:
        """The page that was asked for."""
        self._refuse_purged()
        candidates = self._few()
        if candidates is None:
            return self._walked()
        total = len(candidates) if self._query.total else None
        ordered = in_order(candidates, self._orders)
        if self._query.after is not None:
            ordered = [one for one in ordered if is_beyond(one, self._orders, self._query.after)]
        return self._page(ordered[: self._query.count + 1], total)

    def _refuse_purged(self) -> None:
        if self._view.pin is None:
            return
        row = self._view.connection.execute("SELECT value FROM fact WHERE name = 'purged'").fetchone()
        if row and self._at < row[0]:
            raise PageExpired("this page is too old to be continued; search again")

    # few

    def _few(self) -> list[Candidate] | None:
        """All matches where they are few; None where they are not, or cannot be known to be."""
        driven = self._drivers()
        if len(driven) == 1 and (found := self._read(driven[0], FEW)) is not None:
            return found
        if len(driven) > 1 and (best := self._smallest(driven, FEW)):
            return self._read(best, FEW)
        most = self._worth_reading()
        best = self._smallest(driven, most) if most > FEW else None
        return self._read(best, most) if best else None

    def _worth_reading(self) -> int:
        """How many matches cost less to read and sort than a page of them costs to be met on a walk of the whole type.

        A match costs about four rows of a walk, and a walk passes ``live / matches`` rows to meet one.
        """
        row = self._view.rows(Sql("SELECT value FROM counter WHERE name = ?", (type_name(self._view.type),))).fetchone()
        live = int(row[0]) if row else 0
        return min(isqrt(live * (self._query.count + 1) // 4), SOME)

    def _smallest(self, driven: Sequence[Driven], most: int) -> Driven | None:
        """The one with the fewest rows, None where all have more than ``most``."""
        sizes = [self._size(one.places, most + 1) for one in driven]
        return driven[sizes.index(min(sizes))] if sizes and min(sizes) <= most else None

    def _drivers(self) -> list[Driven]:
        """Every criterion that leads to its matches, the likeliest to be few first."""
        found = []
        for at, criterion in enumerate(self._criteria):
            if (places := driver(self._view, criterion)) is not None:
                rest = self._criteria[:at] + self._criteria[at + 1 :]
                found.append(Driven(places, rest if is_exact(criterion) else (criterion, *rest)))
        return sorted(found, key=lambda one: not all(place.seeks or place.table == "resource" for place in one.places))

    def _read(self, driven: Driven, most: int) -> list[Candidate] | None:
        """The matches among the rows of the driver; None where there are more rows than ``most``."""
        if not driven.places:
            return []
        sought = [one for one in driven.others if seeks(self._view, one)] if self._view.pin is None else []
        tests = [test_of(self._view, one) for one in driven.others if one not in sought]
        statement = self._candidates(driven.places, sought, most, more=bool(tests))
        rows = self._view.rows(statement).fetchall()
        if len(rows) > most:
            return None
        candidates = self._living(rows)
        return [one for one in candidates if all(test(one) for test in tests)] if tests else candidates

    def _candidates(self, places: tuple[Place, ...], sought: Sequence[Criterion], most: int, *, more: bool) -> Sql:
        """SELECT of the driver's resources; those that fail a ``sought`` criterion still count, as deleted."""
        picked = union([select(self._view, place) for place in places])
        tests = joined("AND", [condition(self._view, one, "r.rid") for one in sought], TRUE)
        dead = "r.deleted" if tests is TRUE else f"r.deleted OR NOT {tests.text}"
        return Sql(
            f"""SELECT r.rid, r.id, r.start, {dead}, r.custodian, r.rows, {"r.more_rows" if more else "NULL"}
            FROM (SELECT DISTINCT rid FROM ({picked.text}) LIMIT {most + 1}) k CROSS JOIN resource r ON r.rid = k.rid""",
            tests.given + picked.given,
        )

    def _living(self, rows: Iterable[tuple[int, str, int, int, str | None, bytes, bytes | None]]) -> list[Candidate]:
        """The rows that are still live and visible, each as the version that the view is of, where that is visible too."""
        pin, sees = self._view.pin, self._view.principal.sees
        found = []
        for rid, id, start, deleted, custodian, near, far in rows:
            if not sees(custodian):
                continue
            if deleted:
                continue
            if pin is None:
                found.append(Candidate(rid, id, start, near, far))
            elif start <= pin:
                found.append(Candidate(rid, id, start, *self._former(rid, pin, (near, far))))
            elif (past := self._view.connection.execute(_PAST_CANDIDATE, (rid, pin, pin)).fetchone()) and not past[1] and sees(past[4]):
                found.append(Candidate(rid, id, past[0], *self._former(rid, pin, past[2:4])))
        return found

    def _former(self, rid: int, pin: int, rows: tuple[bytes, bytes | None]) -> tuple[bytes, bytes | None]:
        """The rows that the version had as of the pin, where it has been given others since."""
        former: tuple[bytes, bytes | None] | None = self._view.connection.execute(_FORMER_ROWS, (rid, pin, pin)).fetchone()
        return former or rows

    def _size(self, places: tuple[Place, ...], most: int) -> int:
        if not places:
            return 0
        rows = union([select(self._view, place) for place in places])
        counted = Sql(f"SELECT count(*) FROM (SELECT 1 FROM ({rows.text}) LIMIT {most})", rows.given)
        return int(self._view.rows(counted).fetchone()[0])

    # many

    def _walked(self) -> Hits:
        total = self._total() if self._query.total else None
        found = self._walk().rows(self._query.after)
        return self._page(list(islice(found, self._query.count + 1)), total)

    def _walk(self) -> Walk:
        """The walk by the sort keys; criteria on the first key's own dates also bound it."""
        view, broad = self._view, [one for one in self._criteria if self._is_broad(one)]
        tests, first, last = [], [], [test_of(view, one) for one in broad]
        for one in self._criteria:
            if one not in broad:
                tests.append(condition(view, one))
                first.append(self._bound(one) or tests[-1])

        def load(rids: Sequence[int]) -> list[Candidate]:
            return [candidate for candidate in self._load(rids) if all(test(candidate) for test in last)]

        return Walk(view, self._orders, tests, load, first)

    def _bound(self, criterion: Criterion) -> Sql | None:
        if self._orders and isinstance(criterion, DateIs) and criterion.param == self._orders[0].key.param:
            return bound_by(self._view, criterion, descending=self._orders[0].key.descending)
        return None

    def _is_broad(self, criterion: Criterion) -> bool:
        if seeks(self._view, criterion):
            return False
        places = driver(self._view, criterion)
        return places is None or self._size(places, BROAD + 1) > BROAD

    def _load(self, rids: Sequence[int]) -> list[Candidate]:
        rows = self._view.connection.execute(
            f"SELECT {_CANDIDATE}, r.more_rows FROM json_each(?) k CROSS JOIN resource r ON r.rid = k.value", (_json(rids),)
        )
        return self._living(rows)

    def _total(self) -> int:
        counted = self._counted()
        row = self._view.rows(counted).fetchone()
        return int(row[0]) if row else 0

    def _counted(self) -> Sql:
        """The SELECT that counts the matches, from the smallest of the criteria that lead to theirs."""
        view = self._view
        if not self._criteria and view.sees_all:
            return Sql("SELECT value FROM counter WHERE name = ?", (type_name(view.type),))
        if driven := self._drivers():
            return self._counted_from(driven)
        if view.sees_all and len(self._criteria) == 1 and isinstance(self._criteria[0], Not) and is_exact(self._criteria[0].criterion):
            others = replace(self._query, criterion=self._criteria[0].criterion)
            without = Search(view.connection, view.names, view.principal, self._commit, others)._counted()  # noqa: SLF001 - of this class
            return Sql(f"SELECT value - ({without.text}) FROM counter WHERE name = ?", (*without.given, type_name(view.type)))
        valid, lives = view.valid("x"), [] if view.sees_all else [view.lives("x.rid")]
        tests = joined("AND", [*lives, *(condition(view, one) for one in self._criteria)], TRUE)
        return Sql(
            f"SELECT count(*) FROM lifetime x INDEXED BY lifetime_commit WHERE x.type = ? AND {valid.text} AND x.deleted = 0 "
            f"AND {tests.text}",
            (view.type_number, *valid.given, *tests.given),
        )

    def _counted_from(self, driven: Sequence[Driven]) -> Sql:
        view, most = self._view, 5 * SOME
        best = min(driven, key=lambda one: self._size(one.places, most)) if len(driven) > 1 else driven[0]
        if not best.places:
            return Sql("SELECT 0")
        picked = union([select(view, place) for place in best.places])
        known = view.sees_all and all(place.table != "resource" for place in best.places)
        lives = [] if known else [view.lives("x.rid")]
        tests = joined("AND", [*lives, *(condition(view, one) for one in best.others)], TRUE)
        distinct = "" if len(best.places) == 1 and best.places[0].once else "DISTINCT"
        return Sql(f"SELECT count(*) FROM (SELECT {distinct} rid FROM ({picked.text})) x WHERE {tests.text}", picked.given + tests.given)

    # the page

    def _page(self, ordered: list[Candidate], total: int | None) -> Hits:
        """The first ``count`` of them; one more tells that another page follows."""
        page = ordered[: self._query.count]
        found = self._stored([one.rid for one in page])
        after: tuple[SortValue, ...] | None = None
        if len(ordered) > len(page) and page:
            after = (*page[-1].sort_values, page[-1].id)
        return Hits(tuple(found[one.rid] for one in page), after, total, self._at)

    def _stored(self, rids: Sequence[int]) -> dict[int, StoredResource]:
        if not rids:
            return {}
        columns = _WITHOUT_BODY if self._query.summary else CURRENT
        view, pin = self._view, self._view.pin
        rows = view.connection.execute(f"SELECT {columns}, rid FROM resource WHERE rid IN (SELECT value FROM json_each(?))", (_json(rids),))
        found = {}
        for row in rows.fetchall():
            version: ResourceRow = row[:9]
            if pin is not None and row[5] > pin:
                past = view.connection.execute(f"SELECT {_past(columns)} FROM past WHERE rid = ? AND start <= ? AND stop > ?", (row[9], pin, pin))
                version = (row[0], *past.fetchone())
            found[row[9]] = stored_resource(view.type, version)
        return found

    # the plan

    def plan(self) -> list[str]:
        """The plan of each statement that may answer the query: leading criteria, the count, the walk."""
        statements = [self._counted()]
        for one in self._drivers():
            if one.places:
                sought = [other for other in one.others if seeks(self._view, other)]
                statements.append(self._candidates(one.places, sought, FEW, more=True))
        statements += self._walk().statements()
        return [line for statement in statements for line in self._lines(statement)]

    def _lines(self, statement: Sql) -> Iterator[str]:
        for row in self._view.connection.execute(f"EXPLAIN QUERY PLAN {statement.text}", statement.given):
            yield row[3]


def _past(columns: str) -> str:
    return columns.removeprefix("id, ")


def _flat(criterion: Criterion) -> tuple[Criterion, ...]:
    if isinstance(criterion, AllOf):
        return tuple(one for each in criterion.criteria for one in _flat(each))
    return (criterion,)


def _json(rids: Sequence[int]) -> str:
    return orjson.dumps(rids).decode()
