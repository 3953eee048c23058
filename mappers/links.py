"""Links shown as FHIR R4: Linkage, Provenance, Task and List (fhir.md 3, Link history).

A person of two records or more has one Linkage (``source`` the golden patient, ``alternate`` its members,
``historical`` the former ones). A doubtful pair has its own, ``active`` false, and a Task whose ``focus`` it is.
Each decision makes one Provenance. Records that must never be one person are a List.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mappers.waterfall import Waterfall, as_extension

AGENT_TYPE = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
MATCH_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"


def _patient(id: str) -> dict[str, Any]:
    return {"reference": f"Patient/{id}", "type": "Patient"}


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision about links: ``action`` linked, unlinked, merged, split, undone, lifted, barred, retired, unmerged, review, confirmed or rejected.

    ``agent`` names who decided: the matcher with its model, a feed with its message, or a steward. ``edge`` is the id
    of the edge; ``grade`` and ``weight`` are the matcher's, in bits, where it scored the pair, and ``why`` the waterfall of
    that score, which names fields and levels, never a value.
    """

    action: str
    recorded: str
    agent: str
    reason: str
    edge: str = ""
    grade: str | None = None
    weight: float | None = None
    why: Waterfall | None = None
    occurred: str | None = None


def linkage(id: str, base: str, *, golden: str | None, members: Sequence[str], former: Sequence[str] = (), active: bool = True) -> dict[str, Any]:
    """The Linkage of a person, or of a doubtful pair where ``golden`` is None (invariant lnk-1: two items at least)."""
    items: list[dict[str, Any]] = []
    if golden is not None:
        items.append({"type": "source", "resource": _patient(golden)})
    items += [{"type": "alternate", "resource": _patient(member)} for member in sorted(members)]
    items += [{"type": "historical", "resource": _patient(member)} for member in sorted(former)]
    return {
        "resourceType": "Linkage",
        "id": id,
        "meta": {"tag": [{"system": f"{base}/CodeSystem/linkage-class", "code": "person" if golden else "doubtful-pair"}]},
        "active": active,
        "author": {"display": "Weald"},
        "item": items,
    }


def evidence(decision: Decision, base: str) -> list[dict[str, Any]]:
    """The extensions that show why: grade, weight, edge, and the waterfall of the score."""
    extensions: list[dict[str, Any]] = []
    if decision.grade is not None:
        extensions.append({"url": MATCH_GRADE, "valueCode": decision.grade})
    if decision.weight is not None:
        extensions.append({"url": f"{base}/StructureDefinition/match-weight", "valueDecimal": round(decision.weight, 3)})
    if decision.edge:
        extensions.append({"url": f"{base}/StructureDefinition/edge", "valueId": decision.edge})
    if decision.why is not None:
        extensions.append(as_extension(decision.why, f"{base}/StructureDefinition/match-waterfall"))
    return extensions


def provenance(id: str, base: str, decision: Decision, *, targets: Sequence[str]) -> dict[str, Any]:
    """The Provenance of one decision over ``targets`` (references, versioned where the caller has versions)."""
    resource: dict[str, Any] = {
        "resourceType": "Provenance",
        "id": id,
        "meta": {"tag": [{"system": f"{base}/CodeSystem/link-action", "code": decision.action}]},
    }
    extensions = evidence(decision, base)
    if extensions:
        resource["extension"] = extensions
    resource["target"] = [{"reference": target} for target in targets]
    if decision.occurred:
        resource["occurredDateTime"] = decision.occurred
    resource["recorded"] = decision.recorded
    resource["reason"] = [{"text": decision.reason}]
    resource["activity"] = {"coding": [{"system": f"{base}/CodeSystem/link-action", "code": decision.action}]}
    resource["agent"] = [
        {"type": {"coding": [{"system": AGENT_TYPE, "code": "author"}]}, "who": {"display": decision.agent}}
    ]
    return resource


def review_task(
    id: str, base: str, decision: Decision, *, linkage_id: str | None, records: Sequence[str], kind: str, status: str, modified: str, outcome: str | None = None
) -> dict[str, Any]:
    """The Task that asks a steward about a pair: ``kind`` names the question, ``outcome`` how it ended."""
    resource: dict[str, Any] = {
        "resourceType": "Task",
        "id": id,
        "status": status,
        "intent": "proposal",
        "code": {"coding": [{"system": f"{base}/CodeSystem/review", "code": kind}]},
        "description": decision.reason,
        **({"focus": {"reference": f"Linkage/{linkage_id}", "type": "Linkage"}} if linkage_id else {}),
        "for": _patient(records[0]),
        "authoredOn": decision.recorded,
        "lastModified": modified,
        "input": [
            {"type": {"coding": [{"system": f"{base}/CodeSystem/review-input", "code": "record"}]}, "valueReference": _patient(record)}
            for record in records
        ],
    }
    extensions = evidence(decision, base)
    if extensions:
        resource["extension"] = extensions
    if outcome is not None:
        resource["output"] = [
            {"type": {"coding": [{"system": f"{base}/CodeSystem/review-input", "code": "outcome"}]}, "valueCode": outcome}
        ]
    return resource


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody said of a List: who, when, and the text."""

    author: str
    time: str
    text: str


def do_not_link_list(id: str, base: str, *, records: Sequence[str], status: str, notes: Sequence[Note]) -> dict[str, Any]:
    """The List of records that must never be one person: ``status`` current or retired; its ``notes`` begin with why it was made."""
    return {
        "resourceType": "List",
        "id": id,
        "status": status,
        "mode": "working",
        "title": "Do not link",
        "code": {"coding": [{"system": f"{base}/CodeSystem/list", "code": "do-not-link"}]},
        "date": notes[0].time,
        "source": {"display": notes[0].author},
        "note": [{"authorString": note.author, "time": note.time, "text": note.text} for note in notes],
        "entry": [{"item": _patient(record)} for record in sorted(records)],
    }
