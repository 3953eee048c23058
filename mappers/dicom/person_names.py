"""PN values (PS3.5 6.2.1) as FHIR HumanName and as the text shown for a person."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

EN_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"
_REPRESENTATIONS = ("ABC", "IDE", "SYL")


def human_names_from_pn(text: str, use: str) -> list[dict[str, Any]]:
    """A HumanName a component group: alphabetic, ideographic (IDE), phonetic (SYL); only the first carries ``use``."""
    names: list[dict[str, Any]] = []
    for representation, group in zip(_REPRESENTATIONS, text.split("="), strict=False):
        name = _human_name(group)
        if name:
            lead = {} if names else {"use": use}
            names.append({**_extension(representation), **lead, **name})
    return names


def _extension(representation: str) -> dict[str, Any]:
    return {} if representation == "ABC" else {"extension": [{"url": EN_REPRESENTATION, "valueCode": representation}]}


def _human_name(group: str) -> dict[str, Any]:
    """Family, given and middle names split at spaces, prefix, suffix; without a caret the text only."""
    if "^" not in group:
        return {"text": group} if group else {}
    family, given, middle, prefix, suffix = (part.strip() for part in [*group.split("^"), "", "", "", ""][:5])
    parts = {
        "family": family,
        "given": [*given.split(), *middle.split()],
        "prefix": [prefix] if prefix else [],
        "suffix": [suffix] if suffix else [],
    }
    return {key: value for key, value in parts.items() if value}


@lru_cache(maxsize=256)
def display_from_pn(text: str) -> str:
    """The name as read aloud, of the first group that holds one: prefix, given, middle, family, suffix."""
    for group in text.split("="):
        if "^" not in group and group:
            return group
        family, given, middle, prefix, suffix = (part.strip() for part in [*group.split("^"), "", "", "", ""][:5])
        words = [part for part in (prefix, given, middle, family, suffix) if part]
        if words:
            return " ".join(words)
    return text
