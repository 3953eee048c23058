"""A search criterion as a MongoDB filter over the ``search`` collection.

Values only ever stand as operands, never as operators or field names. Prefixes are key ranges inside
``$elemMatch``, which binds both ends to one value of the array; the one pattern, for ``:contains``, is an
escaped literal behind an anchored prefix. Native regular expressions are never sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

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
)  # fmt: skip
from app.store.mongo import schema
from app.store.mongo.entries import CODE, CODED, EXACT, PRESENT, SPREAD, STRING, TEXT, TOKENED, TYPED, spread_term, term
from app.store.mongo.values import OPEN, SEPARATOR, Raw, resource_key

NOTHING: Final[Raw] = {"key": {"$in": []}}

SpreadKeys = Callable[[Raw], Sequence[str]]
"""The keys of the resources that have, at the commit asked for, a spread term under this condition."""


def valid(at: int | None) -> Raw:
    """The condition of validity: open, or valid at the pinned commit."""
    return {"stop": OPEN} if at is None else {"stop": {"$gt": at}, "start": {"$lte": at}}


def next_beyond(prefix: str) -> str:
    """The least string that is greater than every one that starts with ``prefix``."""
    last = ord(prefix[-1])
    if last == 0x10FFFF:
        return next_beyond(prefix[:-1])
    return prefix[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)


def between(prefix: str) -> Raw:
    """The range of the strings that start with ``prefix``."""
    return {"$gte": prefix, "$lt": next_beyond(prefix)}


def combined(clauses: Iterable[Raw]) -> Raw:
    """All of them as one filter, flat as far as no field is named twice."""
    flat: Raw = {}
    rest = []
    for clause in clauses:
        if flat.keys() & clause.keys():
            rest.append(clause)
        else:
            flat.update(clause)
    if not rest:
        return flat
    inner = [flat.pop("$and")] if "$and" in flat else []
    return {**flat, "$and": [*(clause for clauses in inner for clause in clauses), *rest]}


@dataclass(frozen=True, slots=True)
class Asker:
    """Makes the filters of one resource type."""

    type: str
    spread_keys: SpreadKeys

    def clause(self, criterion: Criterion) -> Raw:
        """The filter that the search documents meeting ``criterion`` pass."""
        match criterion:
            case AllOf(criteria):
                return combined(self.clause(inner) for inner in criteria)
            case AnyOf(criteria):
                return self._any_of(criteria)
            case Not(inner):
                return {"$nor": [self.clause(inner)]}
            case HasId(ids):
                return {"key": _one_of([resource_key(self.type, id) for id in ids])}
            case Missing(param, missing):
                present = self._term(param, PRESENT)
                return {"tokens": {"$ne": present}} if missing else {"tokens": present}
            case RefersTo(param, targets):
                return {"references": _one_of([self._term(param, CODE, target) for target in targets])}
            case DateIs():
                return self._date(criterion)
            case TokenIs():
                return self._spread(criterion) if (self.type, criterion.param) in SPREAD else self._token(criterion)
            case _:
                return self._text(criterion)

    def _term(self, param: str, mark: str, *values: str) -> str:
        return term(self.type, param, mark, *values)

    def _any_of(self, criteria: Sequence[Criterion]) -> Raw:
        clauses = [self.clause(inner) for inner in criteria]
        if not clauses:
            return dict(NOTHING)
        if all(clause.keys() == {"tokens"} and isinstance(clause["tokens"], str) for clause in clauses):
            return {"tokens": {"$in": [clause["tokens"] for clause in clauses]}}
        return clauses[0] if len(clauses) == 1 else {"$or": clauses}

    def _token(self, asked: TokenIs) -> Raw:
        match asked.system, asked.code:
            case None, None:
                return {"tokens": self._term(asked.param, TOKENED)}
            case None, str(code):
                return {"tokens": self._term(asked.param, CODE, code)}
            case str(system), None:
                return {"tokens": {"$elemMatch": between(self._term(asked.param, CODED, system) + SEPARATOR)}}
            case system, code:
                return {"tokens": self._term(asked.param, CODED, str(system), str(code))}

    def _spread(self, asked: TokenIs) -> Raw:
        match asked.system, asked.code:
            case None, None:
                return {"tokens": self._term(asked.param, TOKENED)}
            case None, str(code):
                condition: Any = between(self._term(asked.param, CODE, code) + SEPARATOR)
            case str(system), None:
                start, end = self._term(asked.param, CODE), self._term("", "", system)[len(self.type) + 2 :]
                condition = {"$regex": f"^{re.escape(start)}.*{re.escape(end)}$", "$options": "s"}
            case system, code:
                condition = spread_term(self.type, asked.param, str(code), str(system))
        return {"key": {"$in": list(self.spread_keys({"token": condition}))}}

    def _text(self, asked: StringStarts | StringHas | StringIs | TextStarts | TypedIdentifier) -> Raw:
        match asked:
            case StringStarts(param, value):
                return {"words": {"$elemMatch": between(self._term(param, STRING, value))}}
            case TextStarts(param, value):
                return {"words": {"$elemMatch": between(self._term(param, TEXT, value))}}
            case StringHas(param, value):
                return self._contains(param, value)
            case StringIs(param, value):
                return {"tokens": self._term(param, EXACT, value)}
            case TypedIdentifier(param, type_system, type_code, value):
                return {"tokens": self._term(param, TYPED, type_system, type_code, value)}

    def _contains(self, param: str, value: str) -> Raw:
        if "\0" in value:
            return dict(NOTHING)
        start = self._term(param, STRING) + SEPARATOR
        literal = term("", "", "", value)[3:]
        return {"words": {"$regex": f"^{re.escape(start)}.*{re.escape(literal)}", "$options": "s"}}

    def _date(self, asked: DateIs) -> Raw:
        p = self._term(asked.param, PRESENT)
        low, high = asked.low, asked.high
        equal = {"dates": {"$elemMatch": {"p": p, "low": {"$gte": low}, "high": {"$lte": high}}}}
        simple: dict[str, Raw] = {
            "gt": {"high": {"$gt": high}}, "lt": {"low": {"$lt": low}}, "sa": {"low": {"$gte": high}}, "eb": {"high": {"$lte": low}},
            "overlaps": {"low": {"$lt": high}, "high": {"$gt": low}}, "ap": {"low": {"$lt": high}, "high": {"$gt": low}},
        }  # fmt: skip
        match asked.prefix:
            case "eq":
                return equal
            case "ne":
                return {"tokens": p, "dates": {"$not": equal["dates"]}}
            case "ge":
                return {"dates": {"$elemMatch": {"p": p, "$or": [{"high": {"$gt": high}}, {"low": {"$gte": low}}]}}}
            case "le":
                return {"dates": {"$elemMatch": {"p": p, "$or": [{"low": {"$lt": low}}, {"high": {"$lte": high}}]}}}
            case prefix:
                return {"dates": {"$elemMatch": {"p": p, **simple[prefix]}}}


def _one_of(values: Sequence[str]) -> str | Raw:
    """An equality where one value is asked for."""
    return values[0] if len(values) == 1 else {"$in": list(values)}


def narrows_to_type(criterion: Criterion) -> bool:
    """True where a match has some term of the type, so that the type itself need not be asked for."""
    return any(not isinstance(leaf, Not | AnyOf | Missing) for leaf in _leaves(criterion))


def driving_index(criterion: Criterion, sort: Sequence[Any]) -> str | None:
    """The index to name in the hint: that of a lone range, else the type's where nothing narrows the search.

    None leaves the choice to the server: some criterion is an equality, or there are several ranges.
    """
    leaves = _leaves(criterion)
    driving = [index for leaf in leaves if (index := _index(leaf)) is not None]
    if not driving:
        started = len(sort) == 1 and sort[0].param == "started" and sort[0].descending
        return "type_started" if started else schema.SEARCH_TYPE
    return driving[0] if len(driving) == 1 and driving[0] else None


def _leaves(criterion: Criterion) -> list[Criterion]:
    if isinstance(criterion, AllOf):
        return [leaf for inner in criterion.criteria for leaf in _leaves(inner)]
    return [criterion]


def _index(leaf: Criterion) -> str | None:
    """The index that a range runs along, "" where the server finds its own, None where the leaf narrows nothing."""
    match leaf:
        case StringStarts() | StringHas() | TextStarts():
            return schema.SEARCH_WORDS
        case DateIs(prefix=("gt" | "eb")):
            return schema.SEARCH_HIGH
        case DateIs(prefix=("eq" | "lt" | "sa" | "ap" | "overlaps" | "ge" | "le")):
            return schema.SEARCH_LOW
        case TokenIs(system=str(), code=None) | DateIs(prefix="ne"):
            return schema.SEARCH_TOKENS
        case Not() | Missing(missing=True):
            return None
        case _:
            return ""
