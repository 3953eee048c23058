"""The waterfall of a pair's score (``matching.waterfall``) in FHIR: as extensions of what shows it, and as parts of Parameters; the names are the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Waterfall = Mapping[str, Any]
Item = tuple[str, "dict[str, Any] | Sequence[Item]"]
"""A name and what stands under it: a FHIR value, or items."""

_CODE = str.maketrans({"_": "-", ":": ".", "/": ".", " ": "-"})
_LONGEST = 64


def _code(name: str) -> dict[str, Any]:
    return {"valueCode": name.translate(_CODE)[:_LONGEST]}


def _bits(weight: float) -> dict[str, Any]:
    return {"valueDecimal": weight}


def items(why: Waterfall) -> list[Item]:
    """The bars first, which sum to the weight, then the rules, then model and bounds."""
    return [
        ("start", _bits(why["start"])),
        *(
            ("field", [
                ("name", _code(one["field"])), ("level", {"valueInteger": one["level"]}), ("level-name", {"valueString": one["name"]}),
                ("weight", _bits(one["weight"])), ("frequency", _bits(one["frequency"])),
            ])
            for one in why["fields"]
        ),
        *(("rival", [("name", _code(one["rival"])), ("weight", _bits(one["weight"]))]) for one in why["rivals"]),
        *([("cut", _bits(why["cut"]))] if why["cut"] else []),
        ("weight", _bits(why["weight"])), ("p", _bits(why["p"])), ("calibrated", {"valueBoolean": why["calibrated"]}), ("grade", _code(why["grade"])),
        *(("cap", [("rule", _code(one["rule"])), ("grade", _code(one["grade"]))]) for one in why["caps"]),
        *(("veto", _code(one)) for one in why["vetoes"]),
        *([("confusion", {"valueBoolean": True})] if why["confusion"] else []),
        *(("bound", [("grade", _code(one["grade"])), ("weight", _bits(one["weight"]))]) for one in why["bounds"]),
        ("model", {"valueString": why["model"]}),
    ]  # fmt: skip


def as_extension(why: Waterfall, url: str) -> dict[str, Any]:
    """The waterfall as one extension."""
    return {"url": url, "extension": _extensions(items(why))}


def _extensions(found: Iterable[Item]) -> list[dict[str, Any]]:
    return [{"url": name, "extension": _extensions(under)} if not isinstance(under, dict) else {"url": name, **under} for name, under in found]


def as_parameters(why: Waterfall) -> list[dict[str, Any]]:
    """The waterfall as parts of Parameters."""
    return _parts(items(why))


def _parts(found: Iterable[Item]) -> list[dict[str, Any]]:
    return [{"name": name, "part": _parts(under)} if not isinstance(under, dict) else {"name": name, **under} for name, under in found]
