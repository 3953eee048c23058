"""Visits as the feeds tell of them: one document a visit of a patient key, whichever order its events come in.

Of each element the event with the greatest stamp stands (hl7v2.md 1, Visit; 4, field winner), so that a cancel before its
event leaves a tombstone. Nothing serves visits yet: they are kept for the orders and moves that name them.
"""

from __future__ import annotations

from typing import Any

import orjson

from app.ingest.identity import digest_key
from app.ingest.work import Work
from app.store.contract import VISIT
from mappers.facts import Stamp
from mappers.hl7v2.segments import VisitFacts

_ELEMENTS = ("status", "patient_class", "admitted", "discharged", "disposition")


def tell_visit(work: Work, patient: str, visit: VisitFacts, stamp: Stamp) -> None:
    """Fold what one event says into its visit, named by its patient's key and its number, PV1-19; where that is missing, by its account, PID-18.

    One with neither cannot be named again: its message is kept with a flag, so that it is counted and found.
    """
    named = visit.number or visit.account
    if named is None:
        work.flags.append("visit-without-number")
        return
    kind = "visit" if visit.number else "account"
    key = digest_key(kind, patient, named.key)
    body = work.tx.get(VISIT, key)
    before: dict[str, Any] = orjson.loads(body) if body else {"patient": patient, "number" if visit.number else "by_account": named.key, "said": {}}
    said = dict(before["said"])
    for element in _ELEMENTS:
        value = getattr(visit, element)
        if value is not None:
            said[element] = max(said.get(element, [[], None]), [[visit.event_time, *stamp[1:]], value])
    if visit.account is not None:
        said["account"] = max(said.get("account", [[], None]), [[visit.event_time, *stamp[1:]], visit.account.key])
    if said != before["said"]:
        work.tx.put(VISIT, key, orjson.dumps({**before, "said": said}), {"patient": [patient]})
