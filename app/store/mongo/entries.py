"""A resource's search entries as the terms of the ``search`` collection.

A term is a path: type, parameter, a mark of what it is, then the values. Terms of one multikey index are
asked for whole, or by a range that begins with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bson import Int64

from app.search.criteria import Entries
from app.store.contract import StoredResource
from app.store.mongo.values import NOBODY, OPEN, SEPARATOR, Raw, microseconds, resource_key

CODED, CODE, TYPED, EXACT, PRESENT, TOKENED, STRING, TEXT = "s", "c", "y", "x", "p", "k", "w", "t"
"""Marks: a code with its system, a code of any system, an Identifier of a type, an exact string, an element present,
a token present, a normalised string, a display or text."""

LAST_UPDATED: Final = "_lastUpdated"
SPREAD: Final = frozenset({("ImagingStudy", "instance")})
"""Parameters with up to thousands of values in one resource: theirs are single documents of ``spread``."""

_ESCAPE, _ESCAPED = "\x1e", {"\x1e": "\x1e0", "\x1f": "\x1e1"}
_MILLISECOND = 1000


def term(type: str, param: str, mark: str, *values: str) -> str:
    """One term; no two different paths make the same one."""
    return SEPARATOR.join((type, param, mark, *map(_escaped, values)))


def _escaped(value: str) -> str:
    if _ESCAPE in value or SEPARATOR in value:
        return "".join(_ESCAPED.get(character, character) for character in value)
    return value


def spread_term(type: str, param: str, code: str, system: str) -> str:
    """The term of a spread value: the code first, so that a code of any system is a range."""
    return term(type, param, CODE, code, system)


@dataclass(frozen=True, slots=True)
class Indexed:
    """What one version is found by: the ``search`` document and the terms spread over their own."""

    document: Raw
    spread: frozenset[str] = frozenset()


def indexed(resource: StoredResource, entries: Entries, start: int) -> Indexed:
    """The search entries of a version, valid from the commit ``start``."""
    type = resource.type
    updated = microseconds(resource.last_updated)
    dates = [*(date for date in entries.dates if date[0] != LAST_UPDATED), (LAST_UPDATED, updated, updated + _MILLISECOND)]
    key = resource_key(type, resource.id)
    near = [token for token in entries.tokens if (type, token[0]) not in SPREAD]
    document: Raw = {
        "_id": f"{key}/{start}", "key": key, "type": type, "id": resource.id, "version": resource.version,
        "custodian": resource.custodian or NOBODY, "keeper": resource.custodian or NOBODY, "start": Int64(start), "stop": Int64(OPEN),
        "tokens": sorted({*_token_terms(type, near), *_other_terms(type, entries)}),
        "references": [term(type, param, CODE, target) for param, target in entries.references],
        "words": sorted({*(term(type, param, STRING, text) for param, text, _ in entries.strings),
                         *(term(type, param, TEXT, text) for param, text in entries.texts)}),
        "dates": [{"p": term(type, param, PRESENT), "low": low, "high": high} for param, low, high in dates],
        **_extremes(entries, dates),
    }  # fmt: skip
    return Indexed(document, frozenset(spread_term(type, p, code, system) for p, system, code in entries.tokens if (type, p) in SPREAD))


def _token_terms(type: str, tokens: Iterable[tuple[str, str, str]]) -> Iterable[str]:
    for param, system, code in tokens:
        yield term(type, param, CODED, system, code)
        yield term(type, param, CODE, code)


def _other_terms(type: str, entries: Entries) -> Iterable[str]:
    for param, type_system, type_code, value in entries.typed:
        yield term(type, param, TYPED, type_system, type_code, value)
    for param, _, exact in entries.strings:
        yield term(type, param, EXACT, exact)
    for param in {token[0] for token in entries.tokens}:
        yield term(type, param, TOKENED)
    for param in _params(entries):
        yield term(type, param, PRESENT)


def _params(entries: Entries) -> set[str]:
    kinds = (entries.tokens, entries.strings, entries.dates, entries.references, entries.typed, entries.texts)
    return {entry[0] for kind in kinds for entry in kind} | {LAST_UPDATED}


def _extremes(entries: Entries, dates: Iterable[tuple[str, int, int]]) -> Raw:
    """The lowest and highest value of each parameter, for sorting."""
    lowest: dict[str, str | int] = {}
    highest: dict[str, str | int] = {}
    values = [
        *((param, code, code) for param, _, code in entries.tokens), *((param, text, text) for param, text, _ in entries.strings),
        *((param, target, target) for param, target in entries.references), *dates,
    ]  # fmt: skip
    for param, low, high in values:
        lowest[param] = min(lowest.get(param, low), low)  # type: ignore[call-overload]
        highest[param] = max(highest.get(param, high), high)  # type: ignore[call-overload]
    return {"lowest": lowest, "highest": highest}


def entries_of(document: Raw, spread: Iterable[str]) -> dict[str, set[tuple[str | int, ...]]]:
    """The entries a ``search`` document was made of, by kind; the string entries without their exact forms."""
    found: dict[str, set[tuple[str | int, ...]]] = {}
    terms = [*document["tokens"], *document["words"]]
    for _, param, mark, *values in map(_split, terms):
        if mark in _KINDS:
            found.setdefault(_KINDS[mark], set()).add((param, *values))
    for _, param, _, code, system in map(_split, spread):
        found.setdefault("tokens", set()).add((param, system, code))
    for _, param, _, target in map(_split, document["references"]):
        found.setdefault("references", set()).add((param, target))
    for date in document["dates"]:
        param = _split(date["p"])[1]
        if param != LAST_UPDATED:
            found.setdefault("dates", set()).add((param, date["low"], date["high"]))
    return found


_KINDS = {CODED: "tokens", TYPED: "typed", EXACT: "exact", STRING: "strings", TEXT: "texts"}


def _split(term: str) -> list[str]:
    return [each.replace("\x1e1", "\x1f").replace("\x1e0", "\x1e") for each in term.split(SEPARATOR)]
