"""Parameters: the input of an operation, read strictly, and its output (FHIR R4 parameters.html, operations.html)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.errors import BadRequest, InvalidContent, InvalidValue, NotSupported, ParameterMissing
from app.web.door import Exchange
from app.web.negotiation import pairs_from_query
from mappers.fhir import faults

_URL_ALLOWED = ("_format", "_pretty")
_NAME = re.compile(r"[A-Za-z0-9.\-]{1,64}|\S+\|.+")
_VALUES: Mapping[str, tuple[str, ...]] = {
    "text": ("valueString", "valueCode", "valueMarkdown"),
    "boolean": ("valueBoolean",),
    "count": ("valueInteger", "valuePositiveInt", "valueUnsignedInt"),
    "named": ("valueReference", "valueIdentifier", "valueString", "valueId", "valueUri", "valueUrl"),
    "resource": ("resource",),
}


@dataclass(frozen=True, slots=True)
class Given:
    """What an operation was given, by parameter: texts, numbers, names (``Type/id`` or ``system|value``) and resources in their order."""

    base: str
    values: Mapping[str, Sequence[Any]]

    def text(self, name: str) -> str:
        """The one text of a required parameter. ParameterMissing without it."""
        found = self.optional(name)
        if not isinstance(found, str) or not found.strip():
            raise ParameterMissing(f"Give the parameter {name}.", expression=name)
        return found.strip()

    def optional(self, name: str) -> Any:
        """The one value of a parameter, None where it is not given."""
        found = self.values.get(name, ())
        if len(found) > 1:
            raise InvalidValue(f"Give {name} once.", expression=name)
        return found[0] if found else None

    def flag(self, name: str) -> bool:
        """Whether a boolean parameter is true."""
        return self.optional(name) is True

    def names(self, name: str, least: int, most: int | None = None) -> list[str]:
        """The patients that a parameter names, ``Patient/id`` or ``system|value`` each, as many as must be."""
        found = [self._name(name, value) for value in self.values.get(name, ())]
        if len(found) < least:
            raise ParameterMissing(f"Give {name} {'at least ' if most is None else ''}{least} time(s).", expression=name)
        if most is not None and len(found) > most:
            raise InvalidValue(f"Give {name} {most} time(s).", expression=name)
        return found

    def _name(self, name: str, value: str) -> str:
        text = value.removeprefix(f"{self.base}/").partition("/_history/")[0].removeprefix("Patient/")
        if not _NAME.fullmatch(text):
            raise InvalidValue(f"{name} is a reference to a Patient, or an identifier with its system.", expression=name)
        return text


def check_query(exchange: Exchange) -> None:
    """Raise NotSupported where an operation's URL carries what belongs into its body."""
    asked = [name for name, _ in pairs_from_query(exchange.environ.get("QUERY_STRING", ""))]
    if any(name not in _URL_ALLOWED for name in asked):
        raise NotSupported("The parameters of this operation go into its body.")


def given_from_body(exchange: Exchange, body: Mapping[str, Any], takes: Mapping[str, str]) -> Given:
    """What a Parameters resource gives; ``takes``: name -> text, boolean, count, named or resource. What is not among them is refused."""
    if body.get("resourceType") != "Parameters":
        raise BadRequest("The body is a Parameters resource.")
    shallow = {**body, "parameter": [{**one, "resource": {}} if "resource" in one else one for one in _parts(body)]}
    found = [one for one in faults(shallow, structure=False) if not one.expression.endswith(".resource")]
    if found:
        raise InvalidContent([(one.code, one.expression, one.text) for one in found])
    values: dict[str, list[Any]] = {}
    for place, part in enumerate(_parts(body)):
        name = part.get("name")
        if not isinstance(name, str) or name not in takes:
            raise NotSupported(f"The operation takes {', '.join(takes)}.", expression=f"Parameters.parameter[{place}].name")
        values.setdefault(name, []).append(_value(part, takes[name], place))
    return Given(exchange.base, values)


def _parts(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = body.get("parameter", [])
    if not isinstance(parts, list) or not all(isinstance(one, dict) for one in parts):
        raise BadRequest("Parameters.parameter is a list of objects.", expression="Parameters.parameter")
    return parts


def _value(part: Mapping[str, Any], kind: str, place: int) -> Any:
    keys = part.keys() - {"name", "id", "extension"}
    wanted = next((key for key in _VALUES[kind] if key in part), "")
    read: Callable[[Any], Any] = _READ.get(wanted, _text)
    value = read(part[wanted]) if keys == {wanted} else None
    if value is None:
        raise InvalidValue(f"The parameter takes one of {', '.join(_VALUES[kind])}.", expression=f"Parameters.parameter[{place}]")
    return value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


def _resource(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _identifier(value: Any) -> str | None:
    """``system|value`` of an Identifier."""
    if not isinstance(value, dict):
        return None
    system, number = value.get("system", ""), value.get("value", "")
    return f"{system}|{number}" if isinstance(system, str) and isinstance(number, str) else None


def _reference(value: Any) -> str | None:
    """What a Reference names: its literal reference, else its identifier."""
    if not isinstance(value, dict):
        return None
    return _text(value["reference"]) if "reference" in value else _identifier(value.get("identifier"))


_READ: Mapping[str, Callable[[Any], Any]] = {
    "valueBoolean": _boolean, "valueInteger": _count, "valuePositiveInt": _count, "valueUnsignedInt": _count,
    "valueReference": _reference, "valueIdentifier": _identifier, "resource": _resource,
}  # fmt: skip
"""How each element is read, None where it has another type than FHIR gives it; the others are texts."""


def part(name: str, **value: Any) -> dict[str, Any]:
    """One parameter of an answer: ``valueX=...``, or ``part=[...]``."""
    return {"name": name, **value}


def parameters(*parts: dict[str, Any]) -> bytes:
    """A Parameters resource of these parts."""
    return orjson.dumps({"resourceType": "Parameters", "parameter": parts})
