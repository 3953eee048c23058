"""Patient/[id]/$explain: why two records are, or are not, one person (matching.md 10): names and levels, no values."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.errors import NotSupported, ParameterMissing
from app.ingest.edges import Edge
from app.ingest.judging import Explanation
from app.ingest.judging import explain as explain_pair
from app.web.answers import fhir_response
from app.web.door import Exchange
from app.web.negotiation import pairs_from_query
from app.web.parameters import parameters, part
from mappers.waterfall import as_parameters
from matching.waterfall import spelled

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
    return fhir_response(parameters(*_summary(found), *as_parameters(spelled(found.why)), *_edges(found), *_earlier(found), *_blocks(found)))


def _summary(found: Explanation) -> list[dict[str, Any]]:
    return [*(part("record", valueReference={"reference": f"Patient/{one.id}"}) for one in (found.a, found.b)), part("together", valueBoolean=found.together)]


def _edges(found: Explanation) -> list[dict[str, Any]]:
    return [part("edge", part=_said(edge)) for edge in found.edges]


def _said(edge: Edge) -> list[dict[str, Any]]:
    return [
        part("kind", valueCode=edge.kind), part("by", valueString=edge.agent), part("cause", valueString=edge.cause),
        *([part("grade", valueCode=edge.grade)] if edge.grade else []), *([part("weight", valueDecimal=edge.weight)] if edge.weight is not None else []),
    ]  # fmt: skip


def _earlier(found: Explanation) -> list[dict[str, Any]]:
    """What the matcher said of the pair before: from when to when, what ended it, and the waterfall of that score."""
    return [
        part("earlier", part=[
            *_said(edge), part("from", valueDateTime=edge.occurred), part("to", valueDateTime=edge.closed), part("ended-by", valueString=edge.ended_by),
            part("why", part=as_parameters(spelled(edge.evidence["why"]))),
        ])
        for edge in found.earlier
    ]  # fmt: skip


def _blocks(found: Explanation) -> list[dict[str, Any]]:
    return [
        *(part("shared-key-family", valueCode=family) for family in found.shared),
        *(part("family-over-cap", valueCode=family) for family in found.over_cap),
        *([part("rank", valueInteger=found.rank)] if found.rank is not None else []),
    ]
