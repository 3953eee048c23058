"""A query string as a Search: criteria, how the result is to be given, and what was applied (FHIR R4 search.html).

What is not known is refused with the list of what is (fhir.md 2, refusal by default), or, where the
caller asked for lenient handling, left out and named in ``Search.ignored``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from app.errors import BadRequest, InvalidValue, NotSupported, TooCostly, UnknownType
from app.search.controls import CONTROLS, DEFAULTS, Controls, controls
from app.search.criteria import Criterion, Not, StringHas, TokenIs
from app.search.params import PARAMETERS, REFERENCE, SERVED, SOURCE_ONLY_UNLESS, Parameter
from app.search.values import Asked, RefersToPerson, criterion

MAX_CHAIN = 3
IGNORED_BY_SEARCH = frozenset({"_format", "_pretty"})
"""Parameters of every request, which content negotiation reads."""

_PRINTABLE = re.compile(r"[A-Za-z_\-][\w.:\-]{0,63}")


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference to resources that meet criteria of their own: of each possible target type, the terms."""

    param: str
    person: bool
    targets: tuple[tuple[str, tuple[Term, ...]], ...]


Term: TypeAlias = Criterion | RefersToPerson | Chain
"""One parameter of the query; a store is asked when the last two kinds are resolved to criteria."""


@dataclass(frozen=True, slots=True)
class Search:
    """A parsed search. ``applied``: the parameters that ``self`` shows; ``ignored``: one sentence each.

    ``follows_replaced``: a search of source patients, which finds the survivors of replaced records too.
    """

    type: str
    terms: tuple[Term, ...]
    controls: Controls
    applied: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...] = ()
    follows_replaced: bool = False


@dataclass(slots=True)
class Parser:
    """Parses searches of one caller: the service's base URL, the canonical base of own artefacts, and now."""

    base: str
    canonical_base: str
    now: int
    lenient: bool = False
    ignored: list[str] = field(default_factory=list)

    def search(self, type_: str, pairs: Iterable[tuple[str, str]]) -> Search:
        """The Search that these parameters ask of a type. Raises BadRequest naming the parameter at fault."""
        if type_ not in PARAMETERS:
            raise UnknownType("This type is not served; /fhir/metadata lists the types that are.")
        self.ignored = []
        results: list[tuple[str, str]] = []
        applied: list[tuple[str, str]] = []
        terms: list[Term] = []
        for key, value in pairs:
            if key in CONTROLS:
                results.append((key, value))
            elif key not in IGNORED_BY_SEARCH and (term := self._term_or_ignored(type_, key, value)) is not None:
                terms.append(term)
                applied.append((key, value))
        given = controls(type_, results, self.ignored if self.lenient else None)
        self._check_cost(terms)
        reaches = any(_reaches(term) for term in terms)
        only = _sources_only(type_, applied)
        follows = only and any(not key.startswith(("_", "active")) for key, _value in applied)
        applied += given.applied(reaches)
        return Search(type_, self._of_sources(terms) if only else tuple(terms), given, tuple(applied), tuple(self.ignored), follows)

    def _term_or_ignored(self, type_: str, key: str, value: str) -> Term | None:
        try:
            return self.term(type_, key, value, 1)
        except NotSupported as refusal:
            if not self.lenient:
                raise
            self.ignored.append(refusal.text)
            return None

    def term(self, type_: str, key: str, value: str, depth: int) -> Term:
        """The term of one parameter of a type, chains included."""
        head, dot, rest = key.partition(".")
        name, colon, modifier = head.partition(":")
        parameter = PARAMETERS[type_].get(name)
        if parameter is None:
            raise NotSupported(f"{_shown(name)} is not a search parameter of {type_}; valid are {_valid(type_)}.", expression=_plain(name))
        if not value.strip():
            raise InvalidValue(f"Parameter {name} has no value; give one or leave the parameter out.", expression=name)
        if dot:
            return self._chain(parameter, modifier, rest, value, depth)
        if colon and not modifier:
            raise NotSupported(f"Parameter {name} has an empty modifier.", expression=name)
        return criterion(Asked(parameter, modifier, value, self.base, self.now))

    def _chain(self, parameter: Parameter, wanted: str, rest: str, value: str, depth: int) -> Chain:
        types = _chain_types(parameter, wanted)
        first = rest.partition(".")[0].partition(":")[0]
        having = [type_ for type_ in types if first in PARAMETERS[type_]]
        if depth > MAX_CHAIN:
            raise NotSupported(f"A chain has at most {MAX_CHAIN} steps.", expression=parameter.name)
        if not having:
            offered = "; ".join(f"{type_}: {', '.join(sorted(PARAMETERS[type_]))}" for type_ in types) or "none"
            raise NotSupported(f"Parameter {parameter.name} has no such chain; valid are {offered}.", expression=parameter.name)
        terms = {type_: [self.term(type_, rest, value, depth + 1)] for type_ in having}
        targets = ((type_, self._of_sources(own) if _sources_only(type_, [(rest, value)]) else tuple(own)) for type_, own in terms.items())
        return Chain(parameter.index, parameter.person, tuple(targets))

    def _of_sources(self, terms: list[Term]) -> tuple[Term, ...]:
        return (*terms, Not(TokenIs("_tag", f"{self.canonical_base}/CodeSystem/record-class", "golden")))

    def _check_cost(self, terms: list[Term]) -> None:
        if len(terms) == 1 and isinstance(terms[0], StringHas) and len(terms[0].value) < 3:
            raise TooCostly(":contains with under three letters needs another parameter beside it.", expression=terms[0].param)


def _sources_only(type_: str, asked: list[tuple[str, str]]) -> bool:
    """Golden patients are found by ``_id`` or ``_tag`` only (fhir.md 3)."""
    return type_ == "Patient" and not SOURCE_ONLY_UNLESS & {key.partition(":")[0] for key, _value in asked}


def _chain_types(parameter: Parameter, wanted: str) -> tuple[str, ...]:
    if parameter.type != REFERENCE:
        raise NotSupported(f"Parameter {parameter.name} is not a reference and cannot be chained.", expression=parameter.name)
    served = tuple(type_ for type_ in parameter.targets or SERVED if type_ in SERVED)
    if wanted and wanted not in served:
        raise NotSupported(f"Parameter {parameter.name} can be chained to {', '.join(served) or 'nothing'} only.", expression=parameter.name)
    return (wanted,) if wanted else served


def _reaches(term: Term) -> bool:
    return isinstance(term, RefersToPerson) or (isinstance(term, Chain) and term.person)


def _valid(type_: str) -> str:
    return ", ".join(sorted([*PARAMETERS[type_], *CONTROLS]))


def _plain(name: str) -> str | None:
    return name if _PRINTABLE.fullmatch(name) else None


def _shown(name: str) -> str:
    return name if _PRINTABLE.fullmatch(name) else "One parameter's name"


__all__ = ["DEFAULTS", "BadRequest", "Chain", "Parser", "Search", "Term"]
