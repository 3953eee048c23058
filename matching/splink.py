"""A Splink model as ours, where its comparisons map (matching.md 5, Document): nothing is guessed, what does not map is listed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from matching.model import Level, Model, UnusableModel, frequency_bytes, load, model_document
from matching.tables import guess_columns
from matching.training import MOST_MATCHES, Judged, level_refusals, link_refusals, pooled

LEAST_U = 1e-8
"""Least u that is believed: of 100 million random pairs one."""

_FIELD_OF_ROLE = {
    role: role for role in ("given", "middle", "family", "guardian", "birth_date", "sex", "street", "city", "postcode", "phone", "email")
} | {"nhs_number": "nhs_number", "birth_order": "birth_order"}

_SIMILAR = {
    "given": ((0.93, 2), (0.85, 3), (0.75, 5)),
    "family": ((0.93, 2), (0.85, 3), (0.75, 5)),
    "guardian": ((0.93, 2), (0.85, 3), (0.75, 5)),
    "middle": ((0.88, 3),),
    "email": ((0.93, 2),),
    "street": ((0.85, 2), (0.75, 3)),
    "city": ((0.85, 2), (0.75, 3)),
}
"""Levels that a Jaro-Winkler bound comes nearest to."""

_DISTANT = {
    "given": ((1, 2), (2, 3), (3, 5)),
    "family": ((1, 2), (2, 3), (3, 5)),
    "guardian": ((1, 2), (2, 3), (3, 5)),
    "middle": ((1, 3),),
    "email": ((1, 2),),
    "street": ((2, 2), (4, 3)),
    "city": ((1, 2), (3, 3)),
    "birth_date": ((1, 2), (2, 3)),
    "postcode": ((1, 2), (3, 3)),
    "phone": ((1, 2), (2, 3)),
    "nhs_number": ((1, 2), (2, 3)),
}
"""Levels that an edit distance comes nearest to."""

_COLUMN = r'["`]?(?P<{0}>\w+)_{1}["`]?'
_EQUAL = re.compile(rf"\s*{_COLUMN.format('x', 'l')}\s*=\s*{_COLUMN.format('y', 'r')}\s*")
_NULL = re.compile(r'\s*["`]?\w+_[lr]["`]?\s+is\s+null(\s+or\s+["`]?\w+_[lr]["`]?\s+is\s+null)?\s*', re.IGNORECASE)
_JARO_WINKLER = re.compile(
    rf"\s*jaro_winkler(?:_similarity)?\(\s*{_COLUMN.format('x', 'l')}\s*,\s*{_COLUMN.format('y', 'r')}\s*\)\s*>=\s*(?P<bound>[\d.]+)\s*",
    re.IGNORECASE,
)
_LEVENSHTEIN = re.compile(
    rf"\s*(?:damerau_)?levenshtein\(\s*{_COLUMN.format('x', 'l')}\s*,\s*{_COLUMN.format('y', 'r')}\s*\)\s*<=\s*(?P<bound>\d+)\s*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Imported:
    """The document made and its frequency table, ours, if we have one; the fields whose comparison was taken over, and the Splink comparisons that were not.

    ``refusals`` say why it must not take the place of our model, () where it may.
    """

    document: bytes
    frequencies: bytes | None
    mapped: tuple[str, ...]
    unmapped: tuple[str, ...]
    refusals: tuple[str, ...] = ()


def _nearest(bounds: tuple[tuple[float, int], ...], bound: float) -> int:
    return min(bounds, key=lambda item: (abs(item[0] - bound), item[1]))[1]


def _level_of(condition: str, field: str, last: int) -> int | None:
    """The level of ours nearest to a condition: 0 for null, None where it is of no kind that maps."""
    if condition.strip().upper() == "ELSE":
        return last
    if _NULL.fullmatch(condition):
        return 0
    found = _EQUAL.fullmatch(condition)
    if found and found["x"] == found["y"]:
        return 1
    for pattern, table in ((_JARO_WINKLER, _SIMILAR), (_LEVENSHTEIN, _DISTANT)):
        found = pattern.fullmatch(condition)
        if found and found["x"] == found["y"] and field in table:
            return _nearest(table[field], float(found["bound"]))
    return None


def _comparison(comparison: Mapping[str, Any], ours: Model) -> tuple[str, tuple[Level, ...]] | None:
    """Field and levels of a Splink comparison, None where it does not map."""
    column = comparison["output_column_name"]
    roles = guess_columns([column]) if isinstance(column, str) else ()
    field = _FIELD_OF_ROLE.get(roles[0][0]) if roles else None
    if field is None or field not in ours.fields:
        return None
    known = ours.fields[field]
    m, u = np.zeros(len(known)), np.zeros(len(known))
    for level in comparison["comparison_levels"]:
        place = _level_of(str(level["sql_condition"]), field, len(known))
        found = [float(level.get(name) or 0.0) for name in ("m_probability", "u_probability")]
        if place is None or not all(0 <= one <= 1 for one in found):
            return None
        if place:
            m[place - 1] += found[0]
            u[place - 1] += found[1]
    return (field, tuple(_completed(m, u, known))) if m[0] and u[0] else None


def _completed(m: np.ndarray[Any, Any], u: np.ndarray[Any, Any], known: tuple[Level, ...]) -> Iterator[Level]:
    """The levels, those that Splink's lack keeping our own, all summing to 1 and never rising."""
    for place, level in enumerate(known):
        if not m[place] or not u[place]:
            m[place], u[place] = level.m, level.u
    m, u, _ = pooled(m / m.sum(), u / u.sum())
    for x, y in zip(m, u, strict=True):
        yield Level(float(x), float(y))


def import_splink(settings: bytes, ours: Model, judged: Sequence[Judged] = ()) -> Imported:
    """Our model with the m, u and prior of a Splink settings file; UnusableModel where it is none. Term frequencies stay ours.

    Where no comparison maps, it is our model as it is. Of the ``judged`` pairs no two people may be linked by it.
    """
    try:
        raw = json.loads(settings)
        prior = float(raw["probability_two_random_records_match"])
        found = [(_name(place, c["output_column_name"]), _comparison(c, ours)) for place, c in enumerate(raw["comparisons"], 1)]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UnusableModel("the file is not a Splink model: it lacks a part or is not JSON") from error
    if not 0 < prior < 1:
        raise UnusableModel("probability_two_random_records_match is not between 0 and 1")
    unmapped = tuple(name for name, mapped in found if not mapped)
    frequencies = frequency_bytes(ours.totals, ours.frequencies) if ours.totals else None
    if len(unmapped) == len(found):
        return Imported(ours.document, frequencies, (), unmapped)
    fields = dict(ours.fields) | dict(filter(None, (mapped for _, mapped in found)))
    scale = prior / ours.lambda_match
    if prior * ours.population > MOST_MATCHES:
        raise UnusableModel(f"probability_two_random_records_match says that a record has more than {MOST_MATCHES} others of its person")
    document = model_document(
        frequencies=frequencies,
        own_frequencies=ours.own_frequencies,
        population=ours.population,
        lambda_match=prior,
        rivals={name: size * scale for name, size in ours.rivals.items()},
        fields=fields,
        costs=ours.costs,
        overused_birth_dates=ours.overused_birth_dates,
        training={"imported": "splink", "prior": prior, "from": ours.id},
    )
    names = tuple(mapped[0] for _, mapped in found if mapped)
    refusals = (*_absurd(names, fields), *level_refusals(fields), *link_refusals(load(document, frequencies), judged))
    return Imported(document, frequencies, names, unmapped, refusals)


def _name(place: int, column: Any) -> str:
    """What a comparison is called in the lists: its column, or where it names none, its place."""
    return column if isinstance(column, str) and column else f"comparison {place} (without output_column_name)"


def _absurd(names: Iterable[str], fields: Mapping[str, tuple[Level, ...]]) -> list[str]:
    """Why probabilities taken over cannot be learned from records: chance is rarer than any number of pairs could show."""
    return [f"u of a level of {name} is below {LEAST_U:g}" for name in names if min(level.u for level in fields[name]) < LEAST_U]
