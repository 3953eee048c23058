"""What a search asks of a store, engine-neutral: a small tree of criteria, a sort and a place to resume.

Values arrive normalised as ``app.search.entries`` normalises them for the index, so that an engine
only ever compares for equality, by prefix or by order. Times are integers: microseconds since
1970-01-01T00:00:00Z; every date is a half-open range [low, high). An open side is ``MIN_TIME`` or
``MAX_TIME``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

MIN_TIME = -(2**62)
MAX_TIME = 2**62


@dataclass(frozen=True, slots=True)
class TokenIs:
    """Some value of ``param`` has this system and code. ``system`` None: any, "": none present; ``code`` None: any."""

    param: str
    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class TypedIdentifier:
    """``:of-type``: one Identifier has this type coding and this value (all folded as in the index)."""

    param: str
    type_system: str
    type_code: str
    value: str


@dataclass(frozen=True, slots=True)
class TextStarts:
    """``:text`` on a token: a display or text of the value starts so."""

    param: str
    value: str


@dataclass(frozen=True, slots=True)
class StringStarts:
    param: str
    value: str


@dataclass(frozen=True, slots=True)
class StringIs:
    """``:exact``: the whole value, NFC, case and accents count."""

    param: str
    value: str


@dataclass(frozen=True, slots=True)
class StringHas:
    """``:contains``: normalised substring."""

    param: str
    value: str


@dataclass(frozen=True, slots=True)
class DateIs:
    """A date value [c, d) against the asked range [low, high): FHIR R4 search.html#prefix, eq ne gt lt ge le sa eb.

    ``ap`` is resolved by the parser into ``overlaps``.
    """

    param: str
    prefix: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class RefersTo:
    """Some reference of ``param`` is one of ``targets`` ("Patient/id", relative, version-free)."""

    param: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HasId:
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """``:missing``: the resource has no entry of ``param`` (``missing`` False: has one)."""

    param: str
    missing: bool


@dataclass(frozen=True, slots=True)
class Not:
    """Resources that do not meet ``criterion``, those lacking the element included."""

    criterion: Criterion


@dataclass(frozen=True, slots=True)
class AnyOf:
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    criteria: tuple[Criterion, ...]


Criterion: TypeAlias = (
    TokenIs | TypedIdentifier | TextStarts | StringStarts | StringIs | StringHas | DateIs | RefersTo | HasId | Missing | Not | AnyOf | AllOf
)


@dataclass(frozen=True, slots=True)
class SortKey:
    """One ``_sort`` key. Rows lacking the value come last in both directions.

    Several values count as the lowest ascending and the highest descending: a token by its code, a string
    by its normalised form, a date by its low ascending and its high descending. Ties go by id, ascending.
    The pseudo parameter ``_commit`` (newest commit first when descending) is the default order. ``_id`` and
    ``_lastUpdated`` are the store's own: no entries hold them.
    """

    param: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One page of a search. ``after``: sort values and id of the last row of the page before, as the engine gave them.

    ``at`` pins a commit number: the answer is as of that commit, without resources deleted or hidden since. ``total`` asks for the number of matches.
    ``summary``: a match whose summary is kept may come without its body.
    """

    type: str
    criterion: Criterion
    sort: tuple[SortKey, ...] = (SortKey("_commit", descending=True),)
    count: int = 50
    after: tuple[str | int | None, ...] | None = None
    at: int | None = None
    total: bool = True
    summary: bool = False


@dataclass(frozen=True, slots=True)
class Entries:
    """The search entries of one resource, extracted once when it is written. All sets are sorted tuples.

    tokens: (param, system, code folded); strings: (param, normalised, exact NFC);
    dates: (param, low, high); references: (param, "Type/id"); typed: (param, type system, type code, value
    folded) of each Identifier; texts: (param, normalised display or text).
    """

    tokens: tuple[tuple[str, str, str], ...] = ()
    strings: tuple[tuple[str, str, str], ...] = ()
    dates: tuple[tuple[str, int, int], ...] = ()
    references: tuple[tuple[str, str], ...] = ()
    typed: tuple[tuple[str, str, str, str], ...] = ()
    texts: tuple[tuple[str, str], ...] = ()


NO_ENTRIES = Entries()
EVERYTHING = AllOf(())

__all__ = [
    "EVERYTHING", "MAX_TIME", "MIN_TIME", "NO_ENTRIES", "AllOf", "AnyOf", "Criterion", "DateIs", "Entries", "HasId",
    "Missing", "Not", "Query", "RefersTo", "SortKey", "StringHas", "StringIs", "StringStarts", "TextStarts", "TokenIs",
    "TypedIdentifier",
]
