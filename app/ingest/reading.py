"""Reading a message and mapping it to its event, outside the store (hl7v2.md 6, Reader)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from app.errors import MessageRejected, SenderNotAllowed, TooLarge, UnsupportedProcessing, WealdError
from app.ingest.frame import Frame
from app.ingest.resolve import local_identifiers
from app.services import Services
from app.sources import SourceRegistry
from mappers.context import NHS_NUMBER, Source
from mappers.facts import PatientFacts, Stamp
from mappers.hl7v2 import er7
from mappers.hl7v2.errors import Er7Error
from mappers.hl7v2.messages import AdtEvent, adt_event

_LONGEST_PLAIN = 64
_SHORT = 4096
Heard = tuple[Stamp, Mapping[str, PatientFacts]]


@dataclass(frozen=True, slots=True)
class Received:
    """One message on its way: its bytes, the head that its acknowledgement echoes, and what it says or why it cannot."""

    raw: bytes
    head: er7.Head
    source: Source | None = None
    event: AdtEvent | None = None
    error: WealdError | Er7Error | None = None

    @property
    def duplicate_keys(self) -> tuple[str, str]:
        """(MSH-3, MSH-4, MSH-10) with the content's digest and without it (hl7v2.md 4).

        A sender's keys follow each other as its control ids do, and so the index grows at one place for each sender.
        """
        head = self.head
        sender = hashlib.sha256(f"{head.sending_application}\x00{head.sending_facility}".encode()).hexdigest()[:16]
        plain = len(head.control_id) <= _LONGEST_PLAIN and head.control_id.isascii() and head.control_id.isprintable()
        control = head.control_id if plain else f"\x1f{hashlib.sha256(head.control_id.encode()).hexdigest()}"
        named = f"{sender}\x1f{control}"
        return f"{named}\x1f{hashlib.sha256(self.raw).hexdigest()[:32]}", named


def read(services: Services, raw: bytes, *, on_host: bool = False) -> Received:
    """Read and map one message; what is wrong with it is kept with it. ``on_host`` as in ``SourceRegistry.feed``."""
    head = er7.head(raw)
    source: Source | None = None
    frame = raw if isinstance(raw, Frame) else Frame(raw)
    try:
        source = services.sources.feed(head.sending_application, head.sending_facility, frame.certificate, on_host=on_host)
        if frame.over_size:
            raise TooLarge("The message is larger than this feed may send.")
        if source is None and head.present:
            er7.delimiters(head.field_separator, head.separators, "latin-1")  # where they are none, nothing says who sends
            raise SenderNotAllowed("No feed of that name may send here.", location="MSH^1^3")
        if services.settings.mode == "production" and head.processing_id != "P":
            raise UnsupportedProcessing("Only processing id P is accepted.", location="MSH^1^11")
        message = _message(services.sources, raw, source)
        if source is None:
            raise SenderNotAllowed("No feed of that name may send here.", location="MSH^1^3")
        event = adt_event(message, services.sources.context(source, services.now()))
    except (Er7Error, MessageRejected, TooLarge) as error:
        return Received(raw, head, source, error=error)
    return Received(raw, head, source, event)


def heard(sources: SourceRegistry, raw: bytes, source: Source, received: str) -> Heard:
    """When and by what a message spoke that was accepted from ``source`` at that instant, and what it says of each patient by role.

    Raises Er7Error where the settings since refuse it. Records that a feed merges again and again are told the same messages each time: short ones are kept.
    """
    return (_heard_before if len(raw) <= _SHORT else _heard)(sources, raw, source.code, received)


def _heard(sources: SourceRegistry, raw: bytes, code: str, received: str) -> Heard:
    source = sources.by_code(code)
    assert source is not None  # noqa: S101  (it is the code of a source of theirs)
    event = adt_event(_message(sources, raw, source), sources.context(source, received))
    return event.stamp, statements(event)


_heard_before = lru_cache(maxsize=2048)(_heard)


def _message(sources: SourceRegistry, raw: bytes, source: Source | None) -> er7.Message:
    """The message read by its source's character set and limits; bytes that are none raise before anyone asks for a source."""
    if source is None:
        return er7.read(raw)
    return er7.read(raw, source.charset, limits=sources.limits(source.code), tolerate_utf8=source.tolerate_utf8)


def statements(event: AdtEvent) -> dict[str, PatientFacts]:
    """What the event says of each patient it names, by role: ``subject``, ``first`` and ``second`` of a link, ``survivor<n>`` and ``loser<n>`` of a merge.

    The identifiers of a loser are as its own feed gave them: that they are old is shown by the survivor, so that an undone merge leaves
    no trace. ``number`` has the NHS numbers of a second PID that names nothing else; they are of the first one's record (hl7v2.md 1, Link).
    """
    if event.subject is None or event.action in ("none", "cancel"):
        return {}
    if event.merges:
        found = {f"survivor{place}": one.survivor for place, one in enumerate(event.merges)}
        losers = {f"loser{place}": [replace(fact, use=None, end=None) for fact in one.loser.identifiers] for place, one in enumerate(event.merges)}
        return found | {role: PatientFacts(tuple(facts)) for role, facts in losers.items()}
    if event.linked is None:
        return {"subject": event.subject}
    if local_identifiers(event.linked.identifiers):
        return {"first": event.subject, "second": event.linked}
    ends = event.action == "unlink"
    numbers = [replace(fact, ended=True) if ends else fact for fact in event.linked.identifiers if fact.system == NHS_NUMBER]
    return {"first": event.subject, "number": PatientFacts(tuple(numbers))}
