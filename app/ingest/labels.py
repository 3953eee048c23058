"""Stewards' answers as labels: pairs judged, what they weighed, and how likely they were to be asked about (matching.md 7, Calibration).

A label is the settled item itself, so an answer that is taken back is a label no more. Doubtful pairs were all asked about; an audited link
stands for the 500 among which it was chosen.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from app.errors import BusinessRule
from app.ingest.linking import unpacked_record
from app.ingest.records import get_records
from app.ingest.reviews import AUDIT, is_crowd
from app.principal import SYSTEM
from app.services import Services
from app.store.contract import REVIEW, Snapshot
from matching.calibration import LEAST_LABELS, LEAST_OF_EACH, Label, calibrate, calibrated_document, upper_limit

LABELLED = frozenset({"probable-match", "possible-match", "contested-match", "bridging-match", AUDIT})
ANSWERS = {"same": True, "different": False}


class Calibrated(NamedTuple):
    """A model document that carries a calibration, what it was made from, and the weight from which links are certain under it."""

    document: bytes
    labels: int
    same: int
    audits: int
    wrong: int
    wrong_limit: float
    certain_from: float | None


def _labelled(item: dict[str, Any]) -> bool:
    return item["kind"] in LABELLED and item.get("outcome") in ANSWERS and len(item["records"]) == 2 and not is_crowd(item)


def labels(snapshot: Snapshot, services: Services) -> list[tuple[str, Label]]:
    """(kind of question, label) of each pair that was judged. One that another model weighed is weighed again, if its records still answer for themselves."""
    items = [item for _, body in snapshot.find(REVIEW, "state", ["settled"]) if _labelled(item := orjson.loads(body))]
    found = []
    for item in items:
        said = item["audit"] if item["kind"] == AUDIT else {**item["evidence"], "model": item.get("model")}
        weight = said.get("weight") if said["model"] == services.scorer.model.id else _weighed(snapshot, services, item["records"])
        if weight is not None:
            found.append((item["kind"], Label(weight, ANSWERS[item["outcome"]], said.get("chosen", 1.0))))
    return found


def _weighed(snapshot: Snapshot, services: Services, ids: Iterable[str]) -> float | None:
    records = get_records(snapshot, ids).values()
    packed = snapshot.demographics([record.number for record in records if record.active])
    pair = [unpacked_record(number, one)[1].demographics for number, one in sorted(packed.items())]
    return services.scorer.score(pair[0], pair[1]).weight if len(pair) == 2 else None


def calibrate_on_store(services: Services) -> Calibrated:
    """The model in force with the calibration that the stewards' answers teach. BusinessRule where there are too few."""
    with services.store.snapshot(SYSTEM) as snapshot:
        found = labels(snapshot, services)
    every = [label for _, label in found]
    scorer, same = services.scorer, sum(label.same for label in every)
    knots = calibrate(every, scorer.model.costs, scorer.weight_bounds[0])
    if not knots:
        raise BusinessRule(
            f"A calibration needs {LEAST_LABELS} answers, {LEAST_OF_EACH} of them same and {LEAST_OF_EACH} different; there are {len(every)}, {same} of them same."
        )
    audited = [label for kind, label in found if kind == AUDIT]
    wrong = sum(not label.same for label in audited)
    certain = next((weight for weight, p in knots if p >= scorer.bounds[0]), None)
    document = calibrated_document(scorer.model, knots, {"labels": len(every), "same": same, "audits": len(audited)})
    return Calibrated(document, len(every), same, len(audited), wrong, upper_limit(wrong, len(audited)), certain)
