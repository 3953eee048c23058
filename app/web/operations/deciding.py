"""What the stewards' operations share: who decides and why, and the answer of a decision (matching.md 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response

from app.errors import Forbidden
from app.ingest.stewardship import act
from app.web.answers import fhir_response
from app.web.bodies import json_body
from app.web.door import Exchange
from app.web.parameters import Given, check_query, given_from_body, parameters, part

ROLE = "steward"
EVERY = {"reason": "text", "steward": "text"}
"""Parameters that every decision takes: why, and in sample mode who."""


def given(exchange: Exchange, takes: Mapping[str, str]) -> Given:
    """The parameters of a decision."""
    check_query(exchange)
    return given_from_body(exchange, json_body(), {**takes, **EVERY})


def steward(exchange: Exchange, asked: Given) -> str:
    """Who decides: the caller, who must be a steward; in sample mode, where nobody logs in, whom ``steward`` names."""
    if exchange.services.settings.mode == "sample":
        return asked.text("steward")
    if ROLE not in exchange.principal.roles:
        raise Forbidden("Decisions on links are for stewards.")
    return exchange.principal.id


def decide(exchange: Exchange, asked: Given, action: str, *arguments: Any) -> Response:
    """Carry out the decision; the answer names its Provenance, the persons that its records belong to now, and its List, if any."""
    who, why = steward(exchange, asked), asked.text("reason")
    decided = act(exchange.services, exchange.principal, who, why, action, *arguments)
    persons = [part("person", valueReference={"reference": f"Patient/{person}"}) for person in decided.persons]
    lists = [part("list", valueReference={"reference": f"List/{decided.list_id}"})] if decided.list_id else []
    return fhir_response(parameters(part("provenance", valueReference={"reference": f"Provenance/{decided.provenance}"}), *persons, *lists))
