"""ADT messages: received, applied and answered (hl7v2.md 1, 4 and 6).

``receive_group`` is what every HL7 door calls: the MLLP listener, the loader, the replay. It reads and
maps outside the store, applies the group in one commit with a savepoint a message, keeps what failed as a
dead letter, and only then makes the acknowledgements.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
import structlog

from app.errors import InvalidOutcome, StoreUnavailable, WealdError
from app.ingest import merges
from app.ingest.evidence import contradicts, header_demographics
from app.ingest.frame import Acknowledgements, Frame
from app.ingest.letters import keep
from app.ingest.publish import finish
from app.ingest.reading import Received, read, statements
from app.ingest.records import index_key
from app.ingest.resolve import first_key, resolve_or_create
from app.ingest.retelling import ask_of_stranger
from app.ingest.succession import tell_late
from app.ingest.visits import tell_visit
from app.ingest.work import Cause, Work
from app.principal import Principal
from app.services import Services
from app.store.contract import MESSAGE, Change, Failed, Transaction
from mappers.context import Source
from mappers.facts import PatientFacts
from mappers.hl7v2 import er7
from mappers.hl7v2.errors import Er7Error
from mappers.hl7v2.messages import AdtEvent

_log = structlog.get_logger("weald.ingest")


@dataclass(frozen=True, slots=True)
class Answer:
    """How a message ended: the acknowledgement code, and for a refusal its cause."""

    code: str
    error: WealdError | Er7Error | None = None
    repeated: bool = False


def receive_group(services: Services, frames: Sequence[bytes], principal: Principal) -> list[Acknowledgements | None]:
    """The acknowledgements of each frame in order; None where it must be withheld because the store cannot commit."""
    received = [read(services, raw) for raw in frames]
    try:
        answers = apply_group(services, received, principal)
    except StoreUnavailable:
        return [None] * len(frames)
    return [_acknowledgements(services, one, answer) for one, answer in zip(received, answers, strict=True)]


def receive_failed(services: Services, raw: bytes, error: Exception, *, principal: Principal) -> Acknowledgements | None:
    """The answer to a message that met a fault of Weald's own: AE and a dead letter, so that the feed goes on behind it.

    None where not even that can be kept.
    """
    head = er7.head(raw)
    one = Received(raw, head, services.sources.feed(head.sending_application, head.sending_facility, raw.certificate if isinstance(raw, Frame) else None))
    answer = Answer("AE", WealdError(f"Weald failed on this message ({type(error).__name__}); it is kept as a dead letter."))
    try:
        services.store.apply(principal, [_dead_letter(services, one, answer)])
    except StoreUnavailable:
        return None
    return _acknowledgements(services, one, answer)


def apply_group(services: Services, received: Sequence[Received], principal: Principal) -> list[Answer]:
    """Apply the messages in order, durably: those that can be in one commit, then the dead letters of the others."""
    answers = apply_only(services, received, principal)
    failed = [_dead_letter(services, one, answer) for one, answer in zip(received, answers, strict=True) if answer.error is not None]
    if failed:
        services.store.apply(principal, failed)
    return answers


def apply_only(services: Services, received: Sequence[Received], principal: Principal) -> list[Answer]:
    """Apply the messages in order, durably, those that can be in one commit; what is refused is kept by the caller."""
    places = [place for place, one in enumerate(received) if one.error is None]
    results = services.store.apply(principal, [_change(services, received[place]) for place in places])
    answers: dict[int, Answer] = {}
    for place, result in zip(places, results, strict=True):
        if isinstance(result, Failed) and isinstance(result.error, InvalidOutcome):
            _log.error("message.failed", reason=result.error.text)
        answers[place] = Answer(result.error.acknowledgement, result.error) if isinstance(result, Failed) else result
    for place, one in enumerate(received):
        if one.error is not None:
            answers[place] = Answer(one.error.acknowledgement, one.error)
    return [answers[place] for place in range(len(received))]


def _change(services: Services, one: Received) -> Change[Answer]:
    """The change that applies one message, keeps its raw bytes and remembers its answer."""
    assert one.source is not None  # noqa: S101  (only messages that were mapped come here)
    assert one.event is not None  # noqa: S101
    source, event, keys = one.source, one.event, one.duplicate_keys
    received = services.now()

    def change(tx: Transaction) -> Answer:
        known = tx.find(MESSAGE, "duplicate", keys[1:], limit=1)
        if known and tx.find(MESSAGE, "duplicate", keys[:1], limit=1):
            return Answer("AA", repeated=True)
        work = Work(tx, services, Cause(source.code, event.control_id, event.event_time, received))
        work.flags.extend(["control-id-reused"] if known else [])
        apply_event(work, source, event)
        number = tx.next_number("message")
        head = {"number": number, "source": source.code, "received": received, "trigger": event.trigger, "flags": [*event.flags, *work.flags], "named": work.named}
        tx.put(MESSAGE, f"{number:016d}", orjson.dumps(head) + b"\n" + one.raw, {"duplicate": keys, "record": sorted(set(work.named.values()))})
        finish(work)
        return Answer("AA")

    return change


def apply_event(work: Work, source: Source, event: AdtEvent) -> None:
    """The effect of one ADT event on records and edges (hl7v2.md 1, Triggers)."""
    if event.action == "none" or event.subject is None:
        return
    if event.visit is not None:
        tell_visit(work, index_key(source.organisation, first_key(event.subject.identifiers, source)), event.visit, event.stamp)
    if event.action == "cancel":
        return
    said = statements(event)
    for place in range(len(event.merges)):
        work.flags.extend(event.merges[place].flags)
        merges.merge(work, source, said, event.stamp, place)
    if event.linked is not None:
        (merges.unlink if event.action == "unlink" else merges.link)(work, source, said, event.stamp)
    if "subject" in said:
        _tell_subject(work, source, event, said["subject"])


def _tell_subject(work: Work, source: Source, event: AdtEvent, facts: PatientFacts) -> None:
    """Tell the record that answers for the one named, at the time of the event, what the message says of it."""
    spoken = resolve_or_create(work, source, facts, event.event_time)
    work.name("subject", spoken.named, facts)
    if event.event_time > spoken.named.last_event:
        spoken.named.last_event = event.event_time
        work.change(spoken.named)
    if spoken.named.merges:
        tell_late(work, spoken.named, event.event_time)
    if spoken.record.id != spoken.named.id and contradicts(work, header_demographics(work, spoken.facts, event.stamp), spoken.record):
        ask_of_stranger(work, spoken.record, work.cause.reference)
        return
    work.tell(spoken.record, spoken.facts, event.stamp)


def _dead_letter(services: Services, one: Received, answer: Answer) -> Change[None]:
    """The change that keeps a refused message: its bytes, why, and from where; it is never lost, nor kept again each time it is sent again."""
    error = answer.error
    assert error is not None  # noqa: S101  (only refused messages come here)
    source = one.source.code if one.source else ""
    size = one.raw.size if isinstance(one.raw, Frame) else len(one.raw)
    digest = hashlib.sha256(f"{source}\x1f{answer.code}\x1f{error.text}\x1f{size}\x1f".encode() + one.raw).hexdigest()

    def change(tx: Transaction) -> None:
        keep(tx, one.raw, {
            "source": source, "received": services.now(), "answer": answer.code, "reason": error.text, "code": error.hl7_code,
            "location": error.location, "size": size, "whole": size == len(one.raw), "digest": [digest],
        })  # fmt: skip

    return change


def _acknowledgements(services: Services, one: Received, answer: Answer) -> Acknowledgements:
    """The answer to one message, as MSH-15 and MSH-16 ask for it; what is accepted first and refused then tells of the fault then."""
    mapped = services.sources.answer(one.source.code, answer.code) if one.source else answer.code
    at, digest = services.now(), hashlib.sha256(one.raw).hexdigest()[:18]
    errors = [] if answer.error is None else [answer.error]
    return tuple(
        er7.acknowledgement(one.head, code, control_id=f"W{digest}{'A' * place}", now=at, errors=[] if code == "CA" else errors)
        for place, code in enumerate(er7.answer_codes(one.head, mapped))
    )
