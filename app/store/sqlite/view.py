"""What a search looks at: one type, as of one commit, for one Principal; and SQL with its bound values."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.principal import AND, Principal
from app.store.sqlite.names import Names, param_name, type_name

_COMPOUND_LIMIT = 100
"""SQLite takes 500 SELECTs in a compound and nests 1,000 operators deep."""
_TOGETHER = 2
"""What several organisations keep together is seen by no caller who sees fewer of them."""


@dataclass(frozen=True, slots=True)
class Sql:
    """A piece of SQL, and the values its question marks stand for, in order."""

    text: str
    given: tuple[str | int | None, ...] = ()


TRUE, FALSE = Sql("1"), Sql("0")


def joined(word: str, parts: Sequence[Sql], empty: Sql) -> Sql:
    """The parts joined by AND or OR, as a balanced tree."""
    if len(parts) <= 1:
        return parts[0] if parts else empty
    middle = len(parts) // 2
    left, right = joined(word, parts[:middle], empty), joined(word, parts[middle:], empty)
    return Sql(f"({left.text} {word} {right.text})", left.given + right.given)


def union(selects: Sequence[Sql]) -> Sql:
    """The rows of all the SELECTs, repeats kept."""
    while len(selects) > _COMPOUND_LIMIT:
        chunks = [union(selects[at : at + _COMPOUND_LIMIT]) for at in range(0, len(selects), _COMPOUND_LIMIT)]
        selects = [Sql(f"SELECT rid FROM ({chunk.text})", chunk.given) for chunk in chunks]
    return Sql(" UNION ALL ".join(select.text for select in selects), tuple(value for select in selects for value in select.given))


def marks(values: Iterable[object]) -> str:
    """A question mark a value."""
    return ",".join("?" for _ in values)


class View:
    """``pin`` is None where the newest state is asked for, else the commit number to answer as of."""

    __slots__ = ("connection", "names", "pin", "principal", "type", "type_number")

    def __init__(self, connection: sqlite3.Connection, names: Names, principal: Principal, type: str, pin: int | None) -> None:
        self.connection, self.names, self.principal, self.type, self.pin = connection, names, principal, type, pin
        self.type_number = names.name(connection, type_name(type))

    def param(self, param: str) -> int | None:
        """The parameter's number, None where no resource ever had a value of it."""
        return self.names.name(self.connection, param_name(self.type, param))

    def slot(self, kind: int, param: str, a: str = "", b: str = "") -> int | None:
        return self.names.slot(self.connection, (self.type, param, kind, a, b))

    def valid(self, alias: str) -> Sql:
        """The condition that an index row or lifetime holds in this view."""
        if self.pin is None:
            return Sql(f"{alias}.stop IS NULL")
        return Sql(f"{alias}.start <= ? AND ({alias}.stop IS NULL OR {alias}.stop > ?)", (self.pin, self.pin))

    @property
    def present(self) -> Sql:
        """What a lifetime ``l`` had a value of."""
        if self.pin is None:
            return Sql("l.present")
        former = "SELECT f.present FROM former f WHERE f.rid = l.rid AND f.start <= ? AND f.stop > ?"
        return Sql(f"coalesce(({former}), l.present)", (self.pin, self.pin))

    def visible(self, alias: str) -> Sql:
        """The condition that the row's custodian is one the Principal sees."""
        return visible(self.principal, alias)

    def lives(self, rid: str, also: Sql = TRUE) -> Sql:
        """The condition that the resource is there and visible, then and still, and ``also`` holds of its lifetime ``l`` then."""
        valid, seen = self.valid("l"), self.visible("l")
        still = TRUE if self.pin is None else self._still(rid)
        return Sql(
            f"(EXISTS (SELECT 1 FROM lifetime l WHERE l.rid = {rid} AND {valid.text} AND l.deleted = 0 AND {seen.text} AND {also.text})"
            f" AND {still.text})",
            valid.given + seen.given + also.given + still.given,
        )

    def _still(self, rid: str) -> Sql:
        seen = self.visible("n")
        where = f"n.rid = {rid} AND n.stop IS NULL AND n.deleted = 0 AND {seen.text}"
        return Sql(f"EXISTS (SELECT 1 FROM lifetime n WHERE {where})", seen.given)

    @property
    def sees_all(self) -> bool:
        """True where an index row that is valid is always of a resource that is there and visible."""
        return self.pin is None and self.principal.organisations is None

    def rows(self, sql: Sql) -> sqlite3.Cursor:
        return self.connection.execute(sql.text, sql.given)


def visible(principal: Principal, alias: str) -> Sql:
    """The condition that ``alias``.custodian is one the Principal sees."""
    if principal.organisations is None:
        return TRUE
    allowed = tuple(sorted(principal.organisations))
    among = f"IN ({marks(allowed)})"
    one = f"{alias}.custodian IS NULL OR {alias}.custodian {among}"
    if len(allowed) < _TOGETHER:
        return Sql(f"({one})", allowed)
    several = f"""instr({alias}.custodian, '{AND}') AND NOT EXISTS (
        SELECT 1 FROM json_each('["' || replace({alias}.custodian, '{AND}', '","') || '"]') k WHERE k.value NOT {among})"""
    return Sql(f"({one} OR {several})", allowed + allowed)
