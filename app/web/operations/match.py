"""Patient/$match (FHIR R4 patient-operation-match.html): who a person may be. It stores and links nothing."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response

from app.errors import BadRequest, ParameterMissing
from app.ingest.evidence import facts_from_patient, is_enough
from app.ingest.finding import Found, Search, find_persons
from app.store.contract import Snapshot
from app.web import bundles
from app.web.answers import fhir_response
from app.web.bodies import check_resource, json_body
from app.web.door import Exchange
from app.web.outcomes import issue, outcome
from app.web.parameters import Given, check_query, given_from_body
from mappers.links import Decision, evidence
from matching.waterfall import spelled, waterfall

_TAKES = {"resource": "resource", "onlyCertainMatches": "boolean", "count": "count"}


def match(exchange: Exchange, id: str | None) -> Response:  # noqa: ARG001  (of the type, not of an instance)
    """POST Patient/$match with a Patient, bare or as ``resource`` of Parameters: the persons it may be, best first."""
    check_query(exchange)
    patient, asked = _asked(exchange, json_body())
    check_resource(patient, may_lack=True)
    facts = facts_from_patient(patient)
    if not is_enough(facts):
        raise ParameterMissing("Give an identifier, or a name with a birth date, a postcode or a telecom.", expression="Patient")
    with exchange.services.store.snapshot(exchange.principal) as snapshot:
        search = find_persons(snapshot, exchange.services, facts)
        found = search.certain_alone() if asked.flag("onlyCertainMatches") else search.found
        shown = found[: asked.optional("count")]
        entries = _entries(exchange, snapshot, shown)
    issues = _issues(search, len(found) - len(shown))
    entries += [bundles.outcome_entry(outcome(*issues))] if issues else []
    return fhir_response(bundles.bundle("searchset", [("self", f"{exchange.base}/Patient/$match")], entries, len(found)))


def _asked(exchange: Exchange, body: dict[str, Any]) -> tuple[dict[str, Any], Given]:
    if body["resourceType"] == "Patient":
        return body, Given(exchange.base, {})
    asked = given_from_body(exchange, body, _TAKES)
    patient = asked.optional("resource")
    if patient is None:
        raise ParameterMissing("Give the Patient as the parameter resource.", expression="resource")
    if patient.get("resourceType") != "Patient":
        raise BadRequest("The parameter resource is a Patient.", expression="resource")
    return patient, asked


def _entries(exchange: Exchange, snapshot: Snapshot, found: tuple[Found, ...]) -> list[bytes]:
    """An entry a person: the golden patient, or where some of it is hidden from the caller, the record that fits best."""
    resources = snapshot.resources("Patient", [id for one in found for id in (one.person, one.record)])
    base = exchange.base.encode()
    shown = [(one, resources.get(one.person) or resources[one.record]) for one in found]
    return [bundles.search_entry(base, stored, stored.body, _search(exchange, one)) for one, stored in shown]


def _search(exchange: Exchange, found: Found) -> bytes:
    """Bundle.entry.search: score, grade, and the waterfall of the record that fits best; a grade below the waterfall's has the reason among the issues."""
    why = spelled(waterfall(found.scored, exchange.services.scorer))
    decision = Decision("match", "", "", "", grade=found.grade, weight=found.scored.weight, why=why)
    extensions = evidence(decision, exchange.services.settings.canonical_base)
    return orjson.dumps({"extension": extensions, "mode": "match", "score": round(found.score, 6)})


def _issues(search: Search, cut: int) -> list[dict[str, Any]]:
    issues = []
    if search.limited:
        text = "More records share this much than can be looked at, so that none is called certain. Give more of the person."
        issues.append(issue("warning", "incomplete", text))
    if cut:
        issues.append(issue("information", "informational", f"{cut} more person(s) were found than count asks."))
    return issues
