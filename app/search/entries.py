"""A resource's search entries, extracted once when it is written, as the table of ``params`` says.

The rules of a type are laid out as a tree of element names, so that a resource is walked once whatever
the number of parameters. Costs: about 40 µs a Patient; a study is linear in its instances, one
``instance`` entry each (a 2,000-instance study has 2,000 such rows).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.search import normal
from app.search.criteria import MAX_TIME, MIN_TIME, NO_ENTRIES, Entries
from app.search.params import BY_REPLACEMENT, PARAMETERS, Rule

IDENTIFIER_OF = ":identifier"
"""A reference's own identifier is held as tokens under the parameter's name with this suffix."""


class Found:
    """The entries found so far, unordered."""

    __slots__ = ("dates", "references", "strings", "texts", "tokens", "typed")

    def __init__(self) -> None:
        self.tokens: list[tuple[str, str, str]] = []
        self.strings: list[tuple[str, str, str]] = []
        self.dates: list[tuple[str, int, int]] = []
        self.references: list[tuple[str, str]] = []
        self.typed: list[tuple[str, str, str, str]] = []
        self.texts: list[tuple[str, str]] = []

    def entries(self) -> Entries:
        """All of them, each once, sorted."""
        return Entries(
            tuple(sorted(set(self.tokens))), tuple(sorted(set(self.strings))), tuple(sorted(set(self.dates))),
            tuple(sorted(set(self.references))), tuple(sorted(set(self.typed))), tuple(sorted(set(self.texts))),
        )  # fmt: skip


Emit = Callable[[Found, str, Any, str | None], None]


def _coding(found: Found, param: str, coding: dict[str, Any], _where: str | None) -> None:
    if code := coding.get("code"):
        found.tokens.append((param, coding.get("system", ""), normal.code(code)))
    if display := coding.get("display"):
        found.texts.append((param, normal.folded(display)))


def _codeable_concept(found: Found, param: str, concept: dict[str, Any], _where: str | None) -> None:
    for coding in concept.get("coding", ()):
        _coding(found, param, coding, None)
    if text := concept.get("text"):
        found.texts.append((param, normal.folded(text)))


def _identifier(found: Found, param: str, identifier: dict[str, Any], _where: str | None) -> None:
    value = identifier.get("value")
    if not value:
        return
    code = normal.code(value)
    found.tokens.append((param, identifier.get("system", ""), code))
    if type_ := identifier.get("type"):
        if text := type_.get("text"):
            found.texts.append((param, normal.folded(text)))
        for coding in type_.get("coding", ()):
            if type_code := coding.get("code"):
                found.typed.append((param, coding.get("system", ""), normal.code(type_code), code))


def _code(found: Found, param: str, code: str, _where: str | None) -> None:
    found.tokens.append((param, "", normal.code(code)))


def _boolean(found: Found, param: str, value: bool, _where: str | None) -> None:
    found.tokens.append((param, "", "true" if value else "false"))


def _present(found: Found, param: str, _value: object, _where: str | None) -> None:
    found.tokens.append((param, "", "true"))


def _contact_point(found: Found, param: str, point: dict[str, Any], where: str | None) -> None:
    system, value = point.get("system", ""), point.get("value")
    if value and (where is None or system == where):
        found.tokens.append((param, system, normal.contact(value)))


def _string(found: Found, param: str, text: str, _where: str | None) -> None:
    found.strings.append((param, normal.folded(text), normal.exact(text)))


def _postcode(found: Found, param: str, text: str, _where: str | None) -> None:
    found.strings.append((param, normal.postcode(text), normal.exact(text)))


def _human_name(found: Found, param: str, name: dict[str, Any], _where: str | None) -> None:
    for part in ("family", "text"):
        if text := name.get(part):
            _string(found, param, text, None)
    for part in ("given", "prefix", "suffix"):
        for text in name.get(part, ()):
            if text:
                _string(found, param, text, None)


def _address(found: Found, param: str, address: dict[str, Any], _where: str | None) -> None:
    for line in address.get("line", ()):
        if line:
            _string(found, param, line, None)
    for part in ("text", "city", "district", "state", "country"):
        if text := address.get(part):
            _string(found, param, text, None)
    if code := address.get("postalCode"):
        _string(found, param, code, None)
        _postcode(found, param, code, None)


def _extension(found: Found, param: str, extension: dict[str, Any], where: str | None) -> None:
    if extension.get("url") == where and (text := extension.get("valueString")):
        _string(found, param, text, None)


def _date(found: Found, param: str, text: str, _where: str | None) -> None:
    if range_ := normal.date_range(text):
        found.dates.append((param, *range_))


def _period(found: Found, param: str, period: dict[str, Any], _where: str | None) -> None:
    start, end = normal.date_range(period.get("start", "")), normal.date_range(period.get("end", ""))
    if start or end:
        found.dates.append((param, start[0] if start else MIN_TIME, end[1] if end else MAX_TIME))


def _uri(found: Found, param: str, uri: str, _where: str | None) -> None:
    found.strings.append((param, uri, uri))


def _reference(found: Found, param: str, reference: dict[str, Any], _where: str | None) -> None:
    if (target := reference.get("reference")) and not target.startswith("#"):
        found.references.append((param, target.partition("/_history/")[0]))
    if (identifier := reference.get("identifier")) and (value := identifier.get("value")):
        found.tokens.append((param + IDENTIFIER_OF, identifier.get("system", ""), normal.code(value)))


def _patient_reference(found: Found, param: str, reference: dict[str, Any], _where: str | None) -> None:
    if reference.get("reference", "").startswith("Patient/") or reference.get("type") == "Patient":
        _reference(found, param, reference, None)


def _replacement(found: Found, param: str, link: dict[str, Any], _where: str | None) -> None:
    if link.get("type") == "replaced-by":
        _reference(found, param, link.get("other", {}), None)


_EMIT: dict[str, Emit] = {
    "Address": _address, "CodeableConcept": _codeable_concept, "Coding": _coding, "ContactPoint": _contact_point,
    "Extension": _extension, "HumanName": _human_name, "Identifier": _identifier, "Period": _period, "Reference": _reference,
    "boolean": _boolean, "code": _code, "date": _date, "dateTime": _date, "id": _code, "instant": _date,
    "postcode": _postcode, "present": _present, "string": _string, "uri": _uri,
}  # fmt: skip


class Node:
    """An element of a type: what it emits, and the elements in it that emit."""

    __slots__ = ("children", "emits")

    def __init__(self) -> None:
        self.emits: list[tuple[Emit, str, str | None]] = []
        self.children: dict[str, Node] = {}

    def add(self, path: tuple[str, ...], emit: Emit, param: str, where: str | None) -> None:
        """Emit ``param`` at ``path`` below this element."""
        node = self
        for name in path:
            node = node.children.setdefault(name, Node())
        node.emits.append((emit, param, where))


def _tree(type_: str) -> Node:
    root = Node()
    for name, parameter in PARAMETERS[type_].items():
        only_patients = parameter.targets == ("Patient",)
        for rule in parameter.rules:
            root.add(rule.path, _patient_reference if only_patients else _EMIT[rule.datatype], name, rule.where)
    if type_ == "Patient":
        root.add(("link",), _replacement, BY_REPLACEMENT, None)
    return root


_TREES = {type_: _tree(type_) for type_ in PARAMETERS}
_ABSENT = {type_: tuple((p.name, p.absent) for p in own.values() if p.absent is not None) for type_, own in PARAMETERS.items()}


def _walk(found: Found, node: Node, element: dict[str, Any]) -> None:
    children = node.children
    for name, value in element.items():
        child = children.get(name)
        if child is None or value is None:
            continue
        for each in value if type(value) is list else (value,):
            if each is None or each == "":
                continue
            for emit, param, where in child.emits:
                emit(found, param, each, where)
            if child.children:
                _walk(found, child, each)


def entries(resource: dict[str, Any]) -> Entries:
    """The search entries of a resource; none of a type that is not served."""
    type_ = resource["resourceType"]
    tree = _TREES.get(type_)
    if tree is None:
        return NO_ENTRIES
    found = Found()
    _walk(found, tree, resource)
    for param, absent in _ABSENT[type_]:
        if not any(token[0] == param for token in found.tokens):
            found.tokens.append((param, "", absent))
    return found.entries()


__all__ = ["IDENTIFIER_OF", "Found", "Rule", "entries"]
