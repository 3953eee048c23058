"""What rejection notes hide, and what an instance that is sent again restores (imaging.md 3.5; IHE RAD IOCM).

When a fact was received is a fact of its own, so that the answer hangs on those times and never on the order of the facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from mappers.context import MappingContext
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.tables import REJECTION_TITLES
from mappers.dicom.times import instant_from_da_tm

Place = tuple[str, str]
"""A source and a SOP Instance UID."""

Content = tuple[str, str]
"""A source and the digest of what it sent."""

QUALITY, RETENTION = "113001", "113039"
_END_OF_DAY = "23:59:59.999999"


class Received(NamedTuple):
    """When a SOP instance first and last came from its source, ISO 8601 UTC; "" where that was not kept. ``known``: the first of the times that were."""

    first: str
    known: str
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


def receipts(facts: Iterable[InstanceFacts]) -> dict[Content, list[InstanceFacts]]:
    """The facts by their content, each content's in order of receipt."""
    held: dict[Content, list[InstanceFacts]] = {}
    for fact in sorted(facts, key=lambda one: one.received):
        held.setdefault((fact.source, fact.digest), []).append(fact)
    return held


def says_more(same: Sequence[InstanceFacts], came: str, *, matters: bool) -> bool:
    """Whether it says more that a content came at that time too: it is earlier than any time known, or, where that ``matters``, the last.

    ``same`` is what is held of the content, in order of receipt.
    """
    return came < _received_of(same).known or (matters and came > same[-1].received)


def first_and_last(facts: Iterable[InstanceFacts]) -> list[InstanceFacts]:
    """The facts in order of receipt, of each content its first, the first whose time is known, and its last."""
    kept = []
    for same in receipts(facts).values():
        by_time = {one.received: one for one in same}
        kept += [by_time[time] for time in sorted(set(_received_of(same)) & by_time.keys())]
    return kept


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
        """Whether the instance was known before the note was made and came, and came again after the note last did.

        Where the first receipt of the note is not known, that of the instance must be as old.
        """
        context = self._contexts[note.source]
        if not gives_way(note, context):
            return False
        told, came = self._received[note.source, note.sop_uid], self._received[fact.source, fact.sop_uid]
        by = min(filter(None, (_made(note, context), told.known)), default="")
        return came.first < by and (not came.first or bool(told.first)) and came.last > told.last


def _made(note: InstanceFacts, context: MappingContext) -> str:
    """When the note was made at the latest: of a date alone its end; "" where that is not told."""
    values, offset = note.instance.values, note.study.values.get("TimezoneOffsetFromUTC")
    time = values.get("InstanceCreationTime") or _END_OF_DAY
    return instant_from_da_tm(values.get("InstanceCreationDate"), time, offset, context.source.time_zone)


def _received(facts: Iterable[InstanceFacts], places: set[Place]) -> dict[Place, Received]:
    found: dict[Place, list[InstanceFacts]] = {}
    for fact in facts:
        place = fact.source, fact.sop_uid
        if place in places:
            found.setdefault(place, []).append(fact)
    return {place: _received_of(same) for place, same in found.items()}


def _received_of(same: Iterable[InstanceFacts]) -> Received:
    times = sorted({one.received for one in same})
    return Received(times[0], next(filter(None, times), ""), times[-1])
