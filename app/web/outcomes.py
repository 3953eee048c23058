"""Every refusal as an OperationOutcome, made in this one place (fhir.md 5)."""

from __future__ import annotations

import re
from typing import Any

import orjson

from app.errors import InvalidContent, WealdError

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


def refusal_code(cause: type[WealdError]) -> str:
    """The stable code of a cause: its class name in lower case with hyphens."""
    return _HUMP.sub("-", cause.__name__).lower()


def issue(severity: str, code: str, text: str, **more: Any) -> dict[str, Any]:
    """One issue of an OperationOutcome."""
    return {"severity": severity, "code": code, "details": {"text": text}, **more}


def outcome(*issues: dict[str, Any]) -> bytes:
    """An OperationOutcome of these issues."""
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": issues})


def refusal(error: WealdError, request_id: str, canonical_base: str) -> bytes:
    """The OperationOutcome of a refusal: its code, its sentence, where, and the request's id."""
    coding = [{"system": f"{canonical_base}/CodeSystem/refusal", "code": refusal_code(type(error))}]
    if isinstance(error, InvalidContent):
        return outcome(*(_fault(one, coding, request_id) for one in error.issues))
    found = issue("error", error.issue_code, error.text, diagnostics=f"Request {request_id}")
    found["details"] = {"coding": coding, "text": error.text}
    if error.expression:
        inside = error.expression[0].isupper() and error.expression.replace("[", ".").count(".")
        found["expression"] = [error.expression if inside else f"http.{error.expression}"]
    return outcome(found)


def _fault(one: tuple[str, str, str], coding: list[dict[str, str]], request_id: str) -> dict[str, Any]:
    code, expression, text = one
    return {"severity": "error", "code": code, "details": {"coding": coding, "text": text}, "diagnostics": f"Request {request_id}", "expression": [expression]}


def fault(request_id: str) -> bytes:
    """The OperationOutcome of a fault of ours: nothing but the request's id."""
    return outcome(issue("fatal", "exception", "Something failed here; report the request id.", diagnostics=f"Request {request_id}"))
