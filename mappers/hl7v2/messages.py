"""ADT messages as events: what happened to whom, when, and what was said of them (hl7v2.md 1, 3, 4).

``SUPPORTED`` lists the triggers that have a true effect. Every other trigger is refused, never ignored.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from typing import NamedTuple

from mappers.context import MappingContext
from mappers.facts import CLASS_RANK, Assertion, IdentifierFact, PatientFacts, Stamp
from mappers.hl7v2 import datatypes
from mappers.hl7v2.er7 import DELETED, Message, Segment
from mappers.hl7v2.errors import (
    MissingField,
    SegmentSequence,
    UnsupportedEvent,
    UnsupportedMessage,
    UnsupportedVersion,
)
from mappers.hl7v2.merges import Merge, merge_from_segments
from mappers.hl7v2.segments import PatientSegments, VisitFacts, patient_facts, visit_facts


class Trigger(NamedTuple):
    """What a trigger does.

    ``action``: "update" the record and its visit, "cancel" a visit, "merge", "link", "unlink" or "none".
    ``rank``: class of its assertions, "" where it asserts nothing. ``visit``: Encounter status it gives, "" where it
    leaves it as it is, None where the event is about no visit.
    """

    action: str
    rank: str
    visit: str | None = None


SUPPORTED = {
    "A01": Trigger("update", "D", "in-progress"),
    "A03": Trigger("update", "V", "finished"),
    "A04": Trigger("update", "D", "in-progress"),
    "A05": Trigger("update", "D", "planned"),
    "A08": Trigger("update", "D", ""),
    "A11": Trigger("cancel", "", "cancelled"),
    "A13": Trigger("update", "V", "in-progress"),
    "A14": Trigger("update", "D", "planned"),
    "A18": Trigger("merge", "P"),
    "A20": Trigger("none", ""),
    "A24": Trigger("link", "P"),
    "A27": Trigger("cancel", "", "cancelled"),
    "A28": Trigger("update", "D"),
    "A30": Trigger("merge", "P"),
    "A31": Trigger("update", "D"),
    "A34": Trigger("merge", "P"),
    "A37": Trigger("unlink", "P"),
    "A38": Trigger("cancel", "", "cancelled"),
    "A40": Trigger("merge", "P"),
    "A60": Trigger("none", ""),
}
"""A20 and A60 have no effect by definition (hl7v2.md 1, closed list)."""

_NEEDS_VISIT = frozenset({"A11", "A13", "A27", "A38"})
_VERSION = re.compile(r"2(\.\d){0,2}", re.ASCII)
_BACK_ENTERED = timedelta(hours=24)
_TOO_EARLY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class AdtEvent:
    """One ADT message understood.

    ``stamp`` orders what it asserts (rank of the trigger's class); ``subject`` is None only where ``action`` is
    "none". ``applies`` says whether the subject's identifiers and assertions belong to the record: a cancelled
    visit names its patient and asserts nothing. ``linked`` is the second PID of A24 and A37. ``patient_keys`` are the keys
    of all identifiers named. ``reason`` says why there is no effect. Times ISO 8601 UTC.
    """

    trigger: str
    action: str
    control_id: str
    event_time: str
    stamp: Stamp
    subject: PatientFacts | None
    visit: VisitFacts | None = None
    merges: tuple[Merge, ...] = ()
    linked: PatientFacts | None = None
    applies: bool = True
    reason: str = ""
    flags: tuple[str, ...] = ()
    patient_keys: tuple[str, ...] = ()


class _Times(NamedTuple):
    demographic: str
    visit: str
    message: str


def adt_event(message: Message, context: MappingContext) -> AdtEvent:
    """The event of an ADT message.

    Raises an Er7Error: AR for a message type, trigger or version that is not taken, AE for what is missing.
    """
    trigger = _trigger(message)
    flags = list(message.flags)
    segments = message.segments()
    kind = _kind(message, segments, trigger)
    times = _times(segments, message, context, flags)
    if kind.action == "none" or trigger in context.source.store_only:
        reason = "no-effect-trigger" if kind.action == "none" else "store"
        return _event(message, context, trigger=trigger, times=times, flags=flags, action="none", reason=reason)
    groups = _groups(segments)
    _check_structure(kind, groups)
    day = times.demographic[:10]
    if kind.action == "merge":
        merges = tuple(merge_from_segments(g.patient, _only(g, "MRG"), context, at=times.demographic) for g in groups)
        return _event(message, context, trigger=trigger, times=times, flags=flags, subject=merges[0].survivor, merges=merges)
    subject = _patient(groups[0], context, day)
    linked = _patient(groups[1], context, day) if kind.action in {"link", "unlink"} else None
    visit = _visit(groups[0], context, trigger, times)
    if visit is not None and trigger in {"A03", "A13"}:
        subject = _with_discharge_death(subject, visit, trigger, context)
    return _event(message, context, trigger=trigger, times=times, flags=flags, subject=subject, linked=linked, visit=visit)


def _trigger(message: Message) -> str:
    """MSH-9.2 of an ADT message; version, type, event and control id checked in the order of what refuses harder."""
    head = message.header
    if head.version and not _VERSION.fullmatch(head.version):
        raise UnsupportedVersion("MSH-12 is not a version of HL7 2", location="MSH^1^12")
    if head.message_code != "ADT":
        raise UnsupportedMessage("MSH-9.1 is not ADT", location="MSH^1^9^1^1")
    if head.trigger not in SUPPORTED:
        raise UnsupportedEvent("MSH-9.2 is not a trigger event taken here", location="MSH^1^9^1^2")
    if not head.control_id.strip():
        raise MissingField("MSH-10, the message control id, is empty", location="MSH^1^10")
    return head.trigger


def _kind(message: Message, segments: Sequence[Segment], trigger: str) -> Trigger:
    """The trigger's effect; a message that is continued elsewhere is refused."""
    if message.header.field(14) or any(s.name in {"DSC", "ADD"} for s in segments):
        raise SegmentSequence("a message continued in another is not taken", location="MSH^1^14")
    return SUPPORTED[trigger]


@dataclass(slots=True)
class _Group:
    """A PID and the segments up to the next PID."""

    patient: PatientSegments
    others: dict[str, list[Segment]]


def _groups(segments: Sequence[Segment]) -> list[_Group]:
    places = [n for n, s in enumerate(segments) if s.name == "PID"]
    return [_group(segments[a:b]) for a, b in pairwise([*places, len(segments)])]


def _group(segments: Sequence[Segment]) -> _Group:
    others: dict[str, list[Segment]] = {}
    for segment in segments[1:]:
        others.setdefault(segment.name, []).append(segment)
    pd1, zu8 = others.get("PD1"), others.get("ZU8")
    nk1 = tuple(others.get("NK1", ()))
    return _Group(PatientSegments(segments[0], pd1[0] if pd1 else None, nk1, zu8[0] if zu8 else None), others)


def _check_structure(kind: Trigger, groups: Sequence[_Group]) -> None:
    """As many PIDs as the event needs, and a MRG for each of a merge."""
    if not groups:
        raise SegmentSequence("the message has no PID segment", location="PID^1")
    if kind.action in {"link", "unlink"} and len(groups) != 2:
        raise SegmentSequence("the event takes two PID segments", location="PID^2")
    if kind.action in {"update", "cancel"} and len(groups) != 1:
        raise SegmentSequence("the event takes one PID segment", location="PID^2")


def _only(group: _Group, name: str) -> Segment:
    found = group.others.get(name, [])
    if len(found) != 1:
        raise SegmentSequence(f"the event takes one {name} segment after each PID", location=f"{name}^1")
    return found[0]


def _patient(group: _Group, context: MappingContext, day: str) -> PatientFacts:
    facts = patient_facts(group.patient, context, day=day)
    if not any(f.value and not f.ended and f.use != "temp" for f in facts.identifiers):
        raise MissingField("PID-3 holds no identifier in force", location="PID^1^3")
    return facts


def _visit(group: _Group, context: MappingContext, trigger: str, times: _Times) -> VisitFacts | None:
    status = SUPPORTED[trigger].visit
    if status is None:
        return None
    pv1 = next(iter(group.others.get("PV1", ())), None)
    visit = visit_facts(pv1, group.patient.pid, context, event_time=times.visit, status=status or None)
    if trigger in _NEEDS_VISIT and (visit is None or visit.number is None):
        raise MissingField("PV1-19, the visit number, is needed to cancel an event of it", location="PV1^1^19")
    return visit


def _with_discharge_death(facts: PatientFacts, visit: VisitFacts, trigger: str, context: MappingContext) -> PatientFacts:
    """PV1-36 of a discharge may say that the patient died; A13 withdraws exactly that (hl7v2.md 1, Death)."""
    field = f"deceased.{visit.number.key}" if visit.number else "deceased.visit"
    source = context.source
    if trigger == "A13":
        death = Assertion(field, None)
    elif (visit.disposition or "").upper() not in {code.upper() for code in source.death_dispositions}:
        return facts
    elif source.death_time_from_discharge and visit.discharged:
        death = Assertion(field, {"dateTime": visit.discharged})
    else:
        death = Assertion(field, {"boolean": True})
    return PatientFacts(facts.identifiers, (*facts.assertions, death), facts.flags)


def _event(
    message: Message, context: MappingContext, *, trigger: str, times: _Times, flags: list[str], action: str = "", reason: str = "",
    subject: PatientFacts | None = None, linked: PatientFacts | None = None, merges: tuple[Merge, ...] = (), visit: VisitFacts | None = None,
) -> AdtEvent:  # fmt: skip
    kind = SUPPORTED[trigger]
    named = [*(subject.identifiers if subject else ()), *(linked.identifiers if linked else ())]
    for merge in merges:
        named += [*merge.survivor.identifiers, *merge.loser.identifiers]
        flags += merge.flags
    return AdtEvent(
        trigger=trigger,
        action=action or kind.action,
        control_id=message.header.control_id,
        event_time=times.demographic,
        stamp=_stamp(message, context, times, kind.rank or "P"),
        subject=subject,
        visit=visit,
        merges=merges,
        linked=linked,
        applies=bool(kind.rank) and subject is not None,
        reason=reason,
        flags=tuple(sorted({*flags, *(subject.flags if subject else ()), *(linked.flags if linked else ())})),
        patient_keys=_keys(named),
    )


def _keys(identifiers: Sequence[IdentifierFact]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f.key for f in identifiers if f.value))


def _stamp(message: Message, context: MappingContext, times: _Times, rank: str) -> Stamp:
    head = message.header
    sequence = head.field(13).strip()
    return Stamp(
        CLASS_RANK[rank],
        times.demographic,
        times.message,
        int(sequence) if sequence.isascii() and sequence.isdigit() and len(sequence) < 16 else 0,
        head.control_id,
        blake2b(message.raw, digest_size=12).hexdigest(),
        context.source.code,
    )


def _times(segments: Sequence[Segment], message: Message, context: MappingContext, flags: list[str]) -> _Times:
    """Event times (hl7v2.md 4): EVN-6, else EVN-2, else MSH-7, else receipt; what lies in the future is passed over."""
    zone = context.source.time_zone
    evn = next((s for s in segments if s.name == "EVN"), None)
    if evn is not None and evn.field(1) not in {"", message.header.trigger}:
        flags.append("event-type-mismatch")
    received = context.received_at
    message_time = _time(message.header.component(7), zone, received, flags)
    occurred = _time(evn.component(6), zone, received, flags) if evn else None
    recorded = _time(evn.component(2), zone, received, flags) if evn else None
    if occurred is None and recorded is None and message_time is None:
        flags.append("event-time-assumed")
    fallback = recorded or message_time or context.received_at
    visit = demographic = occurred or fallback
    if occurred and recorded and _instant(recorded) - _instant(occurred) > _BACK_ENTERED:
        flags.append("back-entered")
        demographic = recorded
    return _Times(demographic, visit, message_time or "")


def _time(text: str, zone: str, received: str, flags: list[str]) -> str | None:
    if text in {"", DELETED}:
        return None
    time = datatypes.instant_from_ts(text, zone, flags)
    if time is None:
        flags.append("event-time-invalid")
    elif time > received and _instant(time) > _instant(received) + _TOO_EARLY:
        flags.append("event-time-in-future")
        return None
    return time


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
