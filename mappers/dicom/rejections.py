"""What rejection notes hide, and what an instance that is sent again restores (imaging.md 3.5; IHE RAD IOCM).

When a fact was received is a fact of its own, so that the answer hangs on those times and never on the order of the facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mappers.context import MappingContext
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.tables import REJECTION_TITLES
from mappers.dicom.times import instant_from_da_tm

Place = tuple[str, str]
"""A source and a SOP Instance UID."""

QUALITY, RETENTION = "113001", "113039"


class Received(NamedTuple):
    """When a SOP instance first and last came from its source, ISO 8601 UTC; "" where that was not kept."""

    first: str
    last: str


def rejection_title(fact: InstanceFacts) -> str:
    """The title of a rejection note, "" of any other instance."""
    title: str = fact.instance.values.get("RejectionTitle", "")
    return title if title in REJECTION_TITLES else ""


def gives_way(fact: InstanceFacts, context: MappingContext) -> bool:
    """Whether this is a note whose instances return when they are sent again."""
    title = rejection_title(fact)
    return title == RETENTION or (title == QUALITY and context.source.restores_quality)


def repeats_matter(facts: Iterable[InstanceFacts], contexts: Mapping[str, MappingContext]) -> set[Place]:
    """The SOP instances of which it matters when they come again: notes that may give way, and what those list."""
    found = set()
    for fact in facts:
        if gives_way(fact, contexts[fact.source]):
            listed = fact.instance.values["RejectedSOPInstanceUIDs"]
            found |= {(fact.source, uid) for uid in (fact.sop_uid, *listed)}
    return found


def first_and_last(facts: Iterable[InstanceFacts]) -> list[InstanceFacts]:
    """The facts in order of receipt, without the receipts of a content between its first and its last."""
    held: dict[tuple[str, str], list[InstanceFacts]] = {}
    for fact in sorted(facts, key=lambda one: one.received):
        held.setdefault((fact.source, fact.digest), []).append(fact)
    return [one for same in held.values() for one in ([same[0], same[-1]] if same[0].received < same[-1].received else same[:1])]


class Rejections:
    """What the notes among the ``winners`` hide; ``facts`` are all that came of them, each time it came."""

    def __init__(self, winners: Iterable[InstanceFacts], facts: Iterable[InstanceFacts], contexts: Mapping[str, MappingContext]) -> None:
        self._contexts = contexts
        self._notes: dict[Place, list[InstanceFacts]] = {}
        for note in winners:
            if rejection_title(note):
                for uid in note.instance.values["RejectedSOPInstanceUIDs"]:
                    self._notes.setdefault((note.source, uid), []).append(note)
        places = repeats_matter([note for notes in self._notes.values() for note in notes], contexts)
        self._received = _received(facts, places) if places else {}

    def titles(self, fact: InstanceFacts) -> frozenset[str]:
        """The titles of the notes that hide an instance."""
        notes = self._notes.get((fact.source, fact.sop_uid), ())
        return frozenset([rejection_title(note) for note in notes if not self._restored(fact, note)])

    def _restored(self, fact: InstanceFacts, note: InstanceFacts) -> bool:
        """Whether the instance was known before the note was made and came, and came again after the note last did."""
        context = self._contexts[note.source]
        if not gives_way(note, context):
            return False
        told, came = self._received[note.source, note.sop_uid], self._received[fact.source, fact.sop_uid]
        return came.first < min(_made(note, context) or told.first, told.first) and came.last > told.last


def _made(note: InstanceFacts, context: MappingContext) -> str:
    values, offset = note.instance.values, note.study.values.get("TimezoneOffsetFromUTC")
    return instant_from_da_tm(values.get("InstanceCreationDate"), values.get("InstanceCreationTime"), offset, context.source.time_zone)


def _received(facts: Iterable[InstanceFacts], places: set[Place]) -> dict[Place, Received]:
    times: dict[Place, list[str]] = {}
    for fact in facts:
        place = fact.source, fact.sop_uid
        if place in places:
            times.setdefault(place, []).append(fact.received)
    return {place: Received(min(came), max(came)) for place, came in times.items()}
