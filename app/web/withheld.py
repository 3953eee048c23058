"""What an earlier version of a patient may still show: nothing that is withheld of that patient now (nhs.md 6, S-flag).

The version that a search page or a history has pinned may be from before a trust flagged the patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from app.store.contract import Snapshot, StoredResource
from mappers.source_patient import CONFIDENTIALITY, WITHHELD

_RESTRICTED = "R"


def as_now(snapshot: Snapshot, versions: Sequence[StoredResource]) -> list[StoredResource]:
    """The versions; those of patients that are restricted now, or hidden from the caller now, without what is withheld, and labelled."""
    labels = _labels_now(snapshot, versions)
    return [_without(one, labels[one.id]) if one.type == "Patient" and labels.get(one.id) else one for one in versions]


def still_shown(snapshot: Snapshot, versions: Sequence[StoredResource]) -> list[StoredResource]:
    """The versions without those from before their patient was restricted: what found them may be what is withheld now."""
    labels = _labels_now(snapshot, versions)
    return [one for one in versions if one.type != "Patient" or not labels.get(one.id) or _security(one.body)]


def _labels_now(snapshot: Snapshot, versions: Sequence[StoredResource]) -> dict[str, list[Any]]:
    """Of each patient among the versions the security labels that restrict it now; of one that the caller sees no more the plain one."""
    ids = sorted({one.id for one in versions if one.type == "Patient" and not one.deleted})
    current = snapshot.resources("Patient", ids) if ids else {}
    hidden = [{"system": CONFIDENTIALITY, "code": _RESTRICTED}]
    return {id: _security(current[id].body) if id in current else hidden for id in ids}


def _security(body: bytes) -> list[Any]:
    """The security labels of a Patient, none where it is not restricted."""
    if b'"security"' not in body:
        return []
    labels: list[Any] = orjson.loads(body).get("meta", {}).get("security", [])
    return labels if any(one.get("code") == _RESTRICTED for one in labels) else []


def _without(stored: StoredResource, labels: list[Any]) -> StoredResource:
    if stored.deleted or _security(stored.body):
        return stored
    patient = orjson.loads(stored.body)
    shown = {name: value for name, value in patient.items() if name not in WITHHELD}
    shown["meta"] = {**patient.get("meta", {}), "security": labels}
    return replace(stored, body=orjson.dumps(shown), summary=None)
