"""A record's life: its contacts in order, the messages and studies each brings forth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from app.simulate import messages
from app.simulate.clerk import Clerk, View
from app.simulate.draw import Draw
from app.simulate.messages import Visit
from app.simulate.moments import DAY
from app.simulate.records import Contact, Record

HOUR = 3600


@dataclass(frozen=True, slots=True)
class Message:
    """One ADT message without its MSH."""

    record: Record
    event: str
    moment: int
    body: bytes


@dataclass(frozen=True, slots=True)
class StudyTaken:
    """Images made of a record's person, with what the record said then."""

    record: Record
    moment: int
    view: View
    number: int


Happening = Message | StudyTaken


class Life:
    """Walks one record through its contacts."""

    def __init__(self, record: Record, draw: Draw) -> None:
        self.record = record
        self.draw = draw
        self.clerk = Clerk(record.person, record.habits, draw, record.entered)
        self.remembers = record.trust.version == "2.5"
        self.visits = 0
        self.studies = 0

    def happenings(self) -> Iterator[Happening]:
        """Every message and study of the record; ``record.held`` is set at the end."""
        for contact in self.record.contacts:
            if contact.kind == "study":
                self.studies += 1
                yield StudyTaken(self.record, contact.moment, self.clerk.held, self.studies)
            elif not self.record.silent:
                yield from KINDS[contact.kind](self, contact)
        self.record.held = self.clerk.held
        self.record.slips = self.clerk.slipped()

    def _meet(self, moment: int) -> None:
        """A contact; the newer systems keep a family name that is given up."""
        before = self.clerk.told.name
        self.clerk.meet(moment // DAY)
        if self.remembers and self.clerk.told.name.family != before.family and "newborn" not in self.record.person.classes:
            self.record.former = before

    def _message(self, event: str, moment: int, visit: Visit | None = None, extra: str = "") -> Message:
        record, view = self.record, self.clerk.held
        segments = [messages.patient(record, view, visit), messages.practice(record)]
        if event in {"A28", "A31"} and (kin := messages.kin(record)):
            segments.append(kin)
        segments += [extra] if extra else [messages.stay(record, visit)]
        return Message(record, event, moment, messages.body(record, event, moment, segments))

    def _visit(self, patient_class: str, start: int, end: int | None = None) -> Visit:
        number = f"{self.record.trust.ods}{self.record.mrn}-{self.visits}"
        return Visit(patient_class, number, start, end)

    def load(self, contact: Contact) -> Iterator[Message]:
        """The first word of a record older than the feed: as it was last kept."""
        yield self._message("A28", contact.moment)

    def enrol(self, contact: Contact) -> Iterator[Message]:
        """A new record."""
        self._meet(contact.moment)
        yield self._message("A28", contact.moment)

    def clerical(self, contact: Contact) -> Iterator[Message]:
        """The person, or a letter, tells the trust how things stand."""
        self._meet(contact.moment)
        yield self._message("A31", contact.moment)

    def outpatient(self, contact: Contact) -> Iterator[Message]:
        """A clinic: A04, and A08 where the desk corrects something."""
        self._meet(contact.moment)
        self.visits += 1
        visit = self._visit("O", contact.moment)
        yield self._message("A04", contact.moment, visit)
        if self.draw.chance(0.3):
            self._meet(contact.moment)
            yield self._message("A08", contact.moment + self.draw.between(5, 90) * 60, visit)

    def emergency(self, contact: Contact) -> Iterator[Message]:
        """An emergency attendance: A04 class E, A03 some hours later."""
        self._meet(contact.moment)
        self.visits += 1
        yield self._message("A04", contact.moment, self._visit("E", contact.moment))
        end = contact.moment + self.draw.between(60, 400) * 60
        yield self._message("A03", end, self._visit("E", contact.moment, end))

    def planned(self, contact: Contact) -> Iterator[Message]:
        """A pre-admission, then the admission."""
        self._meet(contact.moment)
        self.visits += 1
        yield self._message("A05", contact.moment, self._visit("P", contact.moment))
        yield from self._stay(contact.moment + self.draw.between(1, 3) * DAY)

    def admission(self, contact: Contact) -> Iterator[Message]:
        """An admission through the emergency department."""
        self._meet(contact.moment)
        self.visits += 1
        yield from self._stay(contact.moment)

    def _stay(self, start: int) -> Iterator[Message]:
        visit = self._visit("I", start)
        yield self._message("A01", start, visit)
        if self.draw.chance(0.4):
            self._meet(start)
            yield self._message("A08", start + self.draw.between(1, 10) * HOUR, visit)
        end = start + self.draw.between(12, 150) * HOUR
        yield self._message("A03", end, self._visit("I", start, end))

    def merge(self, contact: Contact) -> Iterator[Message]:
        """Two numbers found to be one person's: A40, then an A31 with the survivor's demographics."""
        loser, view = _other(contact)
        self._meet(contact.moment)
        yield self._message("A40", contact.moment, extra=messages.merged(loser, view))
        yield self._message("A31", contact.moment + 60)

    def link(self, contact: Contact) -> Iterator[Message]:
        """Two records of one trust linked (A24), or the link taken back (A37)."""
        other, view = _other(contact)
        event = "A24" if contact.kind == "link" else "A37"
        segments = [messages.patient(self.record, self.clerk.held), messages.patient(other, view)]
        yield Message(self.record, event, contact.moment, messages.body(self.record, event, contact.moment, segments))

    def death(self, contact: Contact) -> Iterator[Message]:
        """A death in hospital: the discharge says so."""
        self._meet(contact.moment)
        self.visits += 1
        start = contact.moment - self.draw.between(6, 60) * HOUR
        yield self._message("A01", start, self._visit("I", start))
        self.record.dead = True
        yield self._message("A03", contact.moment, self._visit("I", start, contact.moment))

    def notified(self, contact: Contact) -> Iterator[Message]:
        """A death heard of from elsewhere."""
        self.record.dead = True
        yield self._message("A31", contact.moment)


KINDS = {
    "load": Life.load, "enrol": Life.enrol, "clerical": Life.clerical, "outpatient": Life.outpatient,
    "emergency": Life.emergency, "planned": Life.planned, "admission": Life.admission, "merge": Life.merge,
    "link": Life.link, "unlink": Life.link, "death": Life.death, "notified": Life.notified,
}  # fmt: skip


def _other(contact: Contact) -> tuple[Record, View]:
    if contact.other is None or contact.other.held is None:
        message = "a merge or link is walked after the record it names"
        raise ValueError(message)
    return contact.other, contact.other.held


def lives(records: list[Record], draw: Draw) -> Iterator[Happening]:
    """The happenings of a household's records, last record first: a merge or link names a later one."""
    for record in reversed(records):
        yield from Life(record, draw).happenings()
