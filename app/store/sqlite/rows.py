"""A resource's search entries as index rows, and those rows packed beside the resource.

The packed rows tell an update which index rows to close, and a search that has found few resources
what it needs to test and sort them without reading the index again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from operator import itemgetter
from typing import Any

import orjson

from app.search.criteria import Entries
from app.store.deflating import deflate, inflate
from app.store.sqlite.names import DATE, EXACT, REFERENCE, STRING, TEXT, TOKEN, TYPED

LOWEST, HIGHEST, ONLY = 1, 2, 4
LAST_UPDATED = "_lastUpdated"

Value = tuple[int, str, int, str | None]
"""Slot, value, mark, and of a string its exact form where that stands in the same row."""
Date = tuple[int, int, int, int]
"""Slot, low, high, mark."""
MakeSlot = Callable[[int, str, str, str], int]
"""Kind, parameter and two qualifiers to the slot's number."""

_FEW = 8
_MILLISECOND = 1000
_SLOT_AND_VALUE = itemgetter(0, 1)
_FIRST_CHARACTER, _FIRST_SORT_CHARACTER = 0x20, 0x4000


@dataclass(frozen=True, slots=True)
class Rows:
    """All index rows of one version, the parameters that have any, and those that have one to sort by."""

    values: frozenset[Value]
    dates: frozenset[Date]
    params: tuple[str, ...]
    sorts: tuple[str, ...]


def has_entry(param: int) -> str:
    """The character that stands in ``lifetime.present`` for a parameter with any entry."""
    return chr(_FIRST_CHARACTER + param)


def has_sort_value(param: int) -> str:
    """The character that stands in ``lifetime.present`` for a parameter with a value to sort by."""
    return chr(_FIRST_SORT_CHARACTER + param)


def microseconds(instant: str) -> int:
    """An ISO 8601 instant as microseconds since 1970; one without offset is UTC."""
    moment = datetime.fromisoformat(instant)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def rows_from_entries(entries: Entries, slot: MakeSlot) -> Rows:
    """The index rows of a resource's entries."""
    strings, others = _strings(entries.strings, slot)
    values = [
        *_marked([(param, slot(TOKEN, param, system, ""), code, None) for param, system, code in entries.tokens]),
        *_marked(strings),
        *_marked([(param, slot(REFERENCE, param, "", ""), target, None) for param, target in entries.references]),
        *others,
        *[(slot(TYPED, param, system, code), value, 0, None) for param, system, code, value in entries.typed],
        *[(slot(TEXT, param, "", ""), text, 0, None) for param, text in entries.texts],
    ]
    sorts = _params(entries.tokens, entries.strings, entries.dates, entries.references)
    params = sorts | _params(entries.typed, entries.texts)
    return Rows(frozenset(values), frozenset(_dates(entries.dates, slot)), tuple(sorted(params)), tuple(sorted(sorts)))


def led_to(exact: str) -> tuple[str, str]:
    """The values under which a string's exact form is looked for: itself, and in lower case."""
    return exact, exact.lower()


def _strings(entries: Sequence[tuple[str, str, str]], slot: MakeSlot) -> tuple[list[tuple[str, int, str, str | None]], list[Value]]:
    """Strings with the exact form that shares their row, and rows for the exact forms that do not."""
    shared: dict[tuple[str, str], str | None] = {}
    others: list[Value] = []
    for param, text, exact in entries:
        if text in led_to(exact) and shared.get((param, text)) is None:
            shared[param, text] = exact
        else:
            shared.setdefault((param, text), None)
            others.append((slot(EXACT, param, "", ""), exact, 0, None))
    return [(param, slot(STRING, param, "", ""), text, exact) for (param, text), exact in shared.items()], others


def _params(*kinds: Sequence[tuple[Any, ...]]) -> set[str]:
    return {entry[0] for kind in kinds for entry in kind}


def last_updated_rows(now: str, slot: MakeSlot) -> frozenset[Date]:
    """The one date row that the store itself adds."""
    low = microseconds(now)
    return frozenset({(slot(DATE, LAST_UPDATED, "", ""), low, low + _MILLISECOND, LOWEST | HIGHEST | ONLY)})


def _marked(values: Sequence[tuple[str, int, str, str | None]]) -> list[Value]:
    low: dict[str, int] = {}
    high: dict[str, int] = {}
    for at, (param, _, value, _) in enumerate(values):
        if param not in low:
            low[param] = high[param] = at
        elif value < values[low[param]][2]:
            low[param] = at
        elif value > values[high[param]][2]:
            high[param] = at
    return [
        (slot, value, (LOWEST if low[param] == at else 0) | (HIGHEST if high[param] == at else 0), exact)
        for at, (param, slot, value, exact) in enumerate(values)
    ]


def _dates(dates: Sequence[tuple[str, int, int]], slot: MakeSlot) -> Iterable[Date]:
    low = {param: at for param, at, _ in sorted(dates, key=lambda date: -date[1])}
    high = {param: at for param, _, at in sorted(dates, key=lambda date: date[2])}
    sizes = Counter(param for param, _, _ in dates)
    for param, start, end in dates:
        if param != LAST_UPDATED:
            mark = (LOWEST if low[param] == start else 0) | (HIGHEST if high[param] == end else 0) | (ONLY if sizes[param] == 1 else 0)
            yield slot(DATE, param, "", ""), start, end, mark


def pack(rows: Rows) -> tuple[bytes, bytes | None]:
    """The rows as kept beside the resource: those of slots with many values apart, but for the lowest and highest."""
    many = _many(rows.values) if len(rows.values) > _FEW else None
    if not many:
        return _packed(rows.values, rows.dates), None
    near = [row for row in rows.values if row[0] not in many or row[2] & (LOWEST | HIGHEST)]
    far = [row for row in rows.values if row[0] in many]
    return _packed(near, rows.dates), deflate(_packed(far, ()))


def _many(values: Iterable[Value]) -> set[int]:
    """Slots with so many values that they are kept apart."""
    sizes = Counter(row[0] for row in values)
    return {slot for slot, size in sizes.items() if size > _FEW}


def _packed(values: Iterable[Value], dates: Iterable[Date]) -> bytes:
    """JSON of three flat lists: values without an exact form, values with one, dates."""
    plain: list[int | str] = []
    exact: list[int | str | None] = []
    for row in sorted(values, key=_SLOT_AND_VALUE):
        if row[3] is None:
            plain += row[:3]
        else:
            exact += row
    return orjson.dumps([plain, exact, [field for row in dates for field in row]])


class Packed:
    """Packed rows opened: what an update compares with, and a search tests and sorts by."""

    __slots__ = ("_exact", "_plain", "_values", "dates")

    def __init__(self, near: bytes, far: bytes | None = None) -> None:
        self._plain, self._exact, dates = orjson.loads(near)
        if far is not None:
            further = orjson.loads(inflate(far))
            self._plain, self._exact = self._plain + further[0], self._exact + further[1]
        self._values: list[Value] | None = None
        self.dates: list[Date] = list(zip(dates[::4], dates[1::4], dates[2::4], dates[3::4], strict=True))

    @property
    def values(self) -> list[Value]:
        """The rows of values, made when first asked for."""
        if self._values is None:
            plain, exact = self._plain, self._exact
            self._values = list(zip(plain[::3], plain[1::3], plain[2::3], repeat(None)))
            if exact:
                self._values += zip(exact[::4], exact[1::4], exact[2::4], exact[3::4], strict=True)
        return self._values
