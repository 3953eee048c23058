"""How a result is to be given: sort, page, subset, includes and person reach (FHIR R4 search.html#table, fhir.md 2 and 3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from app.errors import InvalidValue, NotSupported
from app.search.criteria import SortKey
from app.search.params import INCLUDES, PARAMETERS, REVERSE_INCLUDES

COUNT, MAX_COUNT = 50, 1000
FLOORS = ("certain", "probable", "possible")
REACHES = ("person", "record")
SUMMARIES = ("true", "text", "data", "count", "false")
TOTALS = ("none", "estimate", "accurate")

DEFAULTS: dict[str, tuple[SortKey, ...]] = {"ImagingStudy": (SortKey("started", descending=True),)}
"""The order of a type that has its own; else the newest commit first."""

_NEWEST = (SortKey("_commit", descending=True),)
_PATH = re.compile(r"[A-Za-z]+(\.[A-Za-z]+)*")


@dataclass(frozen=True, slots=True)
class Include:
    """``_include`` or ``_revinclude``: the type that holds the reference, its parameter, and a target type or None."""

    type: str
    param: str
    target: str | None


@dataclass(frozen=True, slots=True)
class Controls:
    """How the result is to be given. ``shown`` are the parameters as asked, those with defaults left out."""

    sort: tuple[SortKey, ...]
    count: int = COUNT
    total: str = "accurate"
    summary: str = "false"
    elements: tuple[str, ...] = ()
    includes: tuple[Include, ...] = ()
    reverse_includes: tuple[Include, ...] = ()
    floor: str = "certain"
    reach: str = "person"
    shown: tuple[tuple[str, str], ...] = ()

    def applied(self, person: bool) -> list[tuple[str, str]]:
        """The parameters as applied, defaults and clamps included; the reach where a ``person`` was named."""
        sort = ",".join(f"{'-' if key.descending else ''}{key.param}" for key in self.sort if key.param != "_commit")
        reach = [("-reach", self.reach), *([("-min-grade", self.floor)] if self.reach == "person" else [])] if person else []
        return [*self.shown, *reach, *([("_sort", sort)] if sort else []), ("_count", str(self.count))]


def _one_of(name: str, allowed: tuple[str, ...], value: str) -> str:
    if value not in allowed:
        raise InvalidValue(f"{name} is one of {', '.join(allowed)}.", expression=name)
    return value


def _count(asked: Controls, _type: str, value: str) -> Controls:
    if not (value.isascii() and value.isdigit()):
        raise InvalidValue("_count is a whole number from 0.", expression="_count")
    count = min(int(value[:6]), MAX_COUNT)
    return replace(asked, count=count, summary=asked.summary if count else "count")


def _sort(asked: Controls, type_: str, value: str) -> Controls:
    keys = []
    for part in value.split(","):
        name = part.removeprefix("-")
        if name not in PARAMETERS[type_]:
            raise NotSupported(f"_sort has an unknown parameter; valid are {', '.join(sorted(PARAMETERS[type_]))}.", expression="_sort")
        keys.append(SortKey(PARAMETERS[type_][name].index, descending=part.startswith("-")))
    return replace(asked, sort=tuple(keys))


def _summary(asked: Controls, _type: str, value: str) -> Controls:
    summary = _one_of("_summary", SUMMARIES, value)
    return replace(asked, summary=summary, shown=(*asked.shown, ("_summary", summary)))


def _total(asked: Controls, _type: str, value: str) -> Controls:
    total = _one_of("_total", TOTALS, value)
    return replace(asked, total=total, shown=(*asked.shown, ("_total", total)))


def _elements(asked: Controls, _type: str, value: str) -> Controls:
    elements = tuple(value.split(","))
    if not all(_PATH.fullmatch(element) for element in elements):
        raise InvalidValue("_elements is a list of element names or paths such as series.uid.", expression="_elements")
    return replace(asked, elements=elements, shown=(*asked.shown, ("_elements", value)))


def _parsed_include(name: str, value: str, offered: tuple[str, ...]) -> list[Include]:
    type_, _, rest = value.partition(":")
    param, _, target = rest.partition(":")
    wanted = [each for each in offered if value == "*" or (param == "*" and each.startswith(f"{type_}:")) or each == f"{type_}:{param}"]
    if not wanted or (target and target not in PARAMETERS):
        raise NotSupported(f"{name} has an unknown value; valid are {', '.join(offered)}.", expression=name)
    return [Include(holder, own, target or None) for holder, own in (each.split(":") for each in wanted)]


def _include(asked: Controls, type_: str, value: str) -> Controls:
    found = _parsed_include("_include", value, INCLUDES[type_])
    return replace(asked, includes=(*asked.includes, *found), shown=(*asked.shown, ("_include", value)))


def _reverse_include(asked: Controls, type_: str, value: str) -> Controls:
    found = _parsed_include("_revinclude", value, REVERSE_INCLUDES[type_])
    return replace(asked, reverse_includes=(*asked.reverse_includes, *found), shown=(*asked.shown, ("_revinclude", value)))


def _floor(asked: Controls, _type: str, value: str) -> Controls:
    return replace(asked, floor=_one_of("-min-grade", FLOORS, value))


def _reach(asked: Controls, _type: str, value: str) -> Controls:
    return replace(asked, reach=_one_of("-reach", REACHES, value))


CONTROLS: dict[str, Callable[[Controls, str, str], Controls]] = {
    "_count": _count, "_elements": _elements, "_include": _include, "_revinclude": _reverse_include, "_sort": _sort,
    "_summary": _summary, "_total": _total, "-min-grade": _floor, "-reach": _reach,
}  # fmt: skip
_REPEATABLE = frozenset({"_include", "_revinclude"})


def controls(type_: str, pairs: Iterable[tuple[str, str]], ignored: list[str] | None) -> Controls:
    """The Controls that these parameters ask. ``ignored`` takes what lenient handling leaves out; None refuses it."""
    asked = Controls(DEFAULTS.get(type_, _NEWEST))
    seen: set[str] = set()
    for name, value in pairs:
        if name in seen and name not in _REPEATABLE:
            raise InvalidValue(f"{name} may be given once only.", expression=name)
        seen.add(name)
        try:
            asked = CONTROLS[name](asked, type_, value)
        except NotSupported as refusal:
            if ignored is None:
                raise
            ignored.append(refusal.text)
    if asked.elements and asked.summary not in ("false", "count"):
        raise InvalidValue("_summary and _elements exclude each other.", expression="_elements")
    return asked
