"""Patient/[id]/$explain: why two records are, or are not, one person (matching.md 10): names and levels, no values."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.errors import NotSupported, ParameterMissing
from app.ingest.judging import Explanation
from app.ingest.judging import explain as explain_pair
from app.web.answers import fhir_response
from app.web.door import Exchange
from app.web.negotiation import pairs_from_query
from app.web.parameters import parameters, part
from matching.model import GRADES

_ALLOWED = ("other", "_format", "_pretty")


def explain(exchange: Exchange, id: str | None) -> Response:
    """GET Patient/[id]/$explain?other=: the waterfall of the pair, whose bars sum to the weight."""
    asked = dict(pairs_from_query(exchange.environ.get("QUERY_STRING", "")))
    if any(name not in _ALLOWED for name in asked):
        raise NotSupported("The operation takes other: the id of a Patient, or system|value.")
    other = asked.get("other", "").removeprefix(f"{exchange.base}/")
    if not other:
        raise ParameterMissing("Give the parameter other.", expression="other")
    found = explain_pair(exchange.services, exchange.principal, id or "", other)
    return fhir_response(parameters(*_summary(exchange, found), *_bars(found), *_rules(found), *_edges(found), *_blocks(found)))


def _summary(exchange: Exchange, found: Explanation) -> list[dict[str, Any]]:
    scored = found.scored
    bounds = zip(GRADES, exchange.services.scorer.weight_bounds, strict=False)
    return [
        *(part("record", valueReference={"reference": f"Patient/{one.id}"}) for one in (found.a, found.b)),
        part("together", valueBoolean=found.together), part("weight", valueDecimal=scored.weight), part("p", valueDecimal=round(scored.p, 9)),
        part("grade", valueCode=scored.grade),
        part("model", valueString=exchange.services.scorer.model.id),
        *(part("bound", part=[part("grade", valueCode=grade), part("weight", valueDecimal=round(weight, 6))]) for grade, weight in bounds),
    ]  # fmt: skip


def _bar(name: str, what: str, weight: float, *more: dict[str, Any]) -> dict[str, Any]:
    return part(name, part=[part("name", valueString=what), *more, part("weight", valueDecimal=round(weight, 6))])


def _bars(found: Explanation) -> list[dict[str, Any]]:
    scored = found.scored
    return [
        _bar("start", "expected matches", scored.start),
        *(
            _bar("field", one.field, one.weight, part("level", valueInteger=one.level), part("frequency", valueDecimal=round(one.frequency, 6)))
            for one in scored.contributions
        ),
        *(_bar("rival", one.rival, one.weight) for one in scored.rivals),
        *([_bar("cut", "at the bounds", scored.bound)] if abs(scored.bound) > 1e-5 else []),
    ]


def _rules(found: Explanation) -> list[dict[str, Any]]:
    scored = found.scored
    return [
        *(part("cap", part=[part("rule", valueCode=cap.rule), part("grade", valueCode=cap.grade)]) for cap in scored.caps),
        *(part("veto", valueCode=veto) for veto in scored.vetoes),
        *([part("confusion", valueBoolean=True)] if scored.confusion else []),
    ]


def _edges(found: Explanation) -> list[dict[str, Any]]:
    return [
        part("edge", part=[
            part("kind", valueCode=edge.kind), part("by", valueString=edge.agent), part("cause", valueString=edge.cause),
            *([part("grade", valueCode=edge.grade)] if edge.grade else []), *([part("weight", valueDecimal=edge.weight)] if edge.weight is not None else []),
        ])
        for edge in found.edges
    ]  # fmt: skip


def _blocks(found: Explanation) -> list[dict[str, Any]]:
    return [
        *(part("shared-key-family", valueCode=family) for family in found.shared),
        *(part("family-over-cap", valueCode=family) for family in found.over_cap),
        *([part("rank", valueInteger=found.rank)] if found.rank is not None else []),
    ]
