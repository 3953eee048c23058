"""A parameter's value as a criterion: every value form and modifier of FHIR R4 search.html, type by type."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.errors import InvalidValue, NotSupported, TooCostly
from app.search import normal
from app.search.criteria import (
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
)
from app.search.params import DATE, REFERENCE, SERVED, STRING, TOKEN, URI, Parameter

MAX_VALUES = 1000
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
MODIFIERS: dict[str, tuple[str, ...]] = {
    DATE: ("missing",),
    REFERENCE: ("identifier", "missing"),
    STRING: ("contains", "exact", "missing"),
    TOKEN: ("missing", "not", "of-type", "text"),
    URI: ("above", "below", "missing"),
}

_ESCAPED = re.compile(r"\\([\\,|$])")
_PREFIX = re.compile(r"([a-zA-Z]{1,3})(?=\d|$)")
_BLANK_OFFSET = re.compile(r"(?<=\d) (?=\d{2}:\d{2}$)")
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_RELATIVE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})")


@dataclass(frozen=True, slots=True)
class Asked:
    """One parameter as asked: its row of the table, modifier and value, and what the forms of a value depend on.

    ``base`` is the service's own base URL, ``now`` the instant of asking in microseconds.
    """

    parameter: Parameter
    modifier: str
    value: str
    base: str
    now: int

    @property
    def name(self) -> str:
        return self.parameter.name


@dataclass(frozen=True, slots=True)
class RefersToPerson:
    """A reference to patients, to be widened to all records of their persons before the store is asked (fhir.md 3).

    ``patients`` are ids; ``others`` references to anything else that the value may mean; ``identified`` where
    the patients are named by Reference.identifier alone.
    """

    param: str
    patients: tuple[str, ...]
    others: tuple[str, ...] = ()
    identified: Criterion | None = None


def split(text: str, separator: str) -> list[str]:
    """The parts between separators that no backslash precedes, still escaped."""
    if "\\" not in text:
        return text.split(separator)
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == separator:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def unescaped(text: str) -> str:
    """The literal text of an escaped part."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def any_of(criteria: list[Criterion]) -> Criterion:
    """The criterion met where one of these is."""
    return criteria[0] if len(criteria) == 1 else AnyOf(tuple(criteria))


def alternatives(asked: Asked) -> list[str]:
    """The values between commas, still escaped; none may be empty."""
    values = split(asked.value, ",")
    if not all(value.strip() for value in values):
        raise InvalidValue(f"Parameter {asked.name} has an empty value; give one or leave the parameter out.", expression=asked.name)
    if len(values) > MAX_VALUES:
        raise TooCostly(f"Parameter {asked.name} has over {MAX_VALUES} values; ask in several searches.", expression=asked.name)
    return values


def _bad(asked: Asked, form: str) -> InvalidValue:
    return InvalidValue(f"A value of parameter {asked.name} is not {form}.", expression=asked.name)


# string


def _string(asked: Asked, text: str) -> Criterion:
    literal, param = unescaped(text), asked.parameter.index
    if asked.modifier == "exact":
        return StringIs(param, normal.exact(literal))
    fold = normal.postcode if param.endswith("postalcode") else normal.folded
    if not (value := fold(literal)):
        raise _bad(asked, "text with a letter or digit in it")
    return StringHas(param, value) if asked.modifier == "contains" else StringStarts(param, value)


# token


def _token(asked: Asked, text: str) -> Criterion:
    param = asked.parameter.index
    if asked.modifier == "text":
        return TextStarts(param, normal.folded(unescaped(text)))
    if asked.modifier == "of-type":
        return _of_type(asked, text)
    system, code = _system_and_code(asked, text)
    if asked.parameter.implied is not None:
        known = system in (None, "", asked.parameter.implied)
        return TokenIs(param, None if known else system, normal.code(code) if code else None)
    return _contact_or_code(asked, system, code)


def _system_and_code(asked: Asked, text: str) -> tuple[str | None, str]:
    first, *rest = split(text, "|")
    if not rest:
        return None, unescaped(first)
    system, code = unescaped(first), unescaped(text[len(first) + 1 :])
    if not system and not code:
        raise _bad(asked, "a token: code, system|code, |code or system|")
    return system, code


def _id(_asked: Asked, text: str) -> Criterion:
    return HasId((unescaped(text),))


def _contact_or_code(asked: Asked, system: str | None, code: str) -> Criterion:
    fold = normal.contact if asked.parameter.rules[0].datatype == "ContactPoint" else normal.code
    return TokenIs(asked.parameter.index, system, fold(code) if code else None)


def _of_type(asked: Asked, text: str) -> Criterion:
    parts = [unescaped(part) for part in split(text, "|")]
    if len(parts) != 3 or not all(parts):
        raise _bad(asked, "type system|type code|value")
    return TypedIdentifier(asked.parameter.index, parts[0], normal.code(parts[1]), normal.code(parts[2]))


# date


def _date(asked: Asked, text: str) -> Criterion:
    prefix = "eq"
    if found := _PREFIX.match(text):
        prefix, text = found[1], text[found.end() :]
        if prefix not in PREFIXES:
            raise NotSupported(
                f"Parameter {asked.name} has an unknown prefix; valid are {', '.join(PREFIXES)}.", expression=asked.name
            )
    range_ = normal.date_range(_BLANK_OFFSET.sub("+", text))
    if range_ is None:
        raise _bad(asked, "a date or time as FHIR writes it, such as 2024-05, 2024-05-31 or 2024-05-31T09:30:00Z")
    low, high = range_
    if prefix == "ap":
        gap = abs(asked.now - (low + high) // 2) // 10
        return DateIs(asked.parameter.index, "overlaps", low - gap, high + gap)
    return DateIs(asked.parameter.index, prefix, low, high)


# uri


def _uri(asked: Asked, text: str) -> Criterion:
    literal, param = unescaped(text), asked.parameter.index
    if asked.modifier == "below":
        return AnyOf((StringIs(param, literal), StringStarts(param, literal.rstrip("/") + "/")))
    if asked.modifier == "above":
        return any_of([StringIs(param, above) for above in _above(literal)])
    return StringIs(param, literal)


def _above(uri: str) -> list[str]:
    scheme, mark, rest = uri.partition("://")
    if not mark:
        return [uri]
    segments = rest.split("/")
    return [f"{scheme}://{'/'.join(segments[:n])}" for n in range(1, len(segments) + 1)]


# reference


def reference_targets(asked: Asked, text: str) -> tuple[str, ...]:
    """The references that a value may mean: relative and version-free where it points into this service."""
    literal = unescaped(text).partition("/_history/")[0].removeprefix(asked.base + "/")
    types = asked.parameter.targets or SERVED
    wanted = asked.modifier or None
    if found := _RELATIVE.fullmatch(literal):
        if (wanted and found[1] != wanted) or (asked.parameter.targets and found[1] not in types):
            raise _bad(asked, f"a reference to {wanted or ', '.join(types)}")
        return (literal,)
    if _ID.fullmatch(literal):
        return tuple(f"{type_}/{literal}" for type_ in types if wanted in (None, type_))
    if "://" not in literal and not literal.startswith("urn:"):
        raise _bad(asked, "an id, Type/id or absolute URL")
    return (literal,)


def _identifier_of(asked: Asked, text: str) -> Criterion:
    system, code = _system_and_code(asked, text)
    return TokenIs(f"{asked.parameter.index}:identifier", system, normal.code(code) if code else None)


def _reference(asked: Asked) -> Criterion | RefersToPerson:
    values = alternatives(asked)
    if asked.modifier == "identifier":
        criterion = any_of([_identifier_of(asked, value) for value in values])
        return RefersToPerson(asked.parameter.index, (), identified=criterion) if asked.parameter.person else criterion
    targets = tuple(dict.fromkeys(target for value in values for target in reference_targets(asked, value)))
    if not asked.parameter.person:
        return RefersTo(asked.parameter.index, targets)
    patients = tuple(target.removeprefix("Patient/") for target in targets if target.startswith("Patient/"))
    return RefersToPerson(asked.parameter.index, patients, tuple(t for t in targets if not t.startswith("Patient/")))


_FORMS: dict[str, Callable[[Asked, str], Criterion]] = {DATE: _date, STRING: _string, TOKEN: _token, URI: _uri}


def modifiers(parameter: Parameter) -> tuple[str, ...]:
    """The modifiers that this parameter takes."""
    offered = ("not",) if parameter.name == "_id" else MODIFIERS[parameter.type]
    if parameter.type == REFERENCE:
        return (*offered, *parameter.targets) if parameter.targets else (*offered, *SERVED)
    if parameter.type == TOKEN and not any(rule.datatype == "Identifier" for rule in parameter.rules):
        return tuple(m for m in offered if m != "of-type")
    return offered


def criterion(asked: Asked) -> Criterion | RefersToPerson:
    """The criterion of one parameter as asked. Raises NotSupported or InvalidValue, naming what is valid."""
    parameter, modifier = asked.parameter, asked.modifier
    if modifier and modifier not in modifiers(parameter):
        offered = ", ".join(f":{m}" for m in modifiers(parameter))
        raise NotSupported(f"Parameter {asked.name} has an unknown modifier; valid are {offered}.", expression=asked.name)
    if modifier == "missing":
        return _missing(asked)
    if parameter.type == REFERENCE:
        return _reference(asked)
    form = _id if parameter.name == "_id" else _FORMS[parameter.type]
    if modifier == "not":
        plain = replace(asked, modifier="")
        return Not(_together([form(plain, value) for value in alternatives(plain)]))
    return _together([form(asked, value) for value in alternatives(asked)])


def _together(criteria: list[Criterion]) -> Criterion:
    ids = [c for c in criteria if isinstance(c, HasId)]
    return HasId(tuple(id_ for c in ids for id_ in c.ids)) if ids else any_of(criteria)


def _missing(asked: Asked) -> Criterion:
    if asked.value not in ("true", "false"):
        raise _bad(asked, "true or false")
    return Missing(asked.parameter.index, asked.value == "true")
