"""Which trusts hold a record of whom, under which number, and when each is in touch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from app.simulate.clerk import Habits, NhsNumber, View
from app.simulate.draw import Draw, Weighted
from app.simulate.moments import ARCHIVE_START, DAY, FEED_END, FEED_START
from app.simulate.people import Household, Name, Person
from app.simulate.trusts import BRIGHTON, TRUSTS, WEST, Scheme, Trust

GAP = 12  # days between two contacts of one record, longer than any stay
VISITS = Weighted([("outpatient", 44), ("emergency", 14), ("planned", 10), ("admission", 12), ("clerical", 20)])
TRUST_COUNT = Weighted([(1, 30), (2, 33), (3, 25), (4, 12)])
TRUST_RANK = Weighted([(0, 62), (1, 20), (2, 11), (3, 7)])
BRIGHTON_TOWNS = frozenset({"BN1", "BN2", "BN3", "BN41", "BN7", "BN9", "BN10", "BN25", "RH15", "RH16"})


@dataclass(slots=True)
class Contact:
    """A moment at which something happens to a record; ``other`` is the record a merge or link names."""

    moment: int
    kind: str
    other: Record | None = None


@dataclass(slots=True)
class Record:
    """One trust's record of a person: what identifies it, how it is kept, when the trust is in touch.

    ``entered`` is the day it was made; ``silent`` is true where no feed ever speaks of it, only image headers;
    ``held`` what it says at the end, ``slips`` the fields in which it errs; ``gone`` once merged into another; ``order_known`` where
    the trust knows which twin this is; ``former`` the family name it remembers.
    """

    trust: Trust
    scheme: Scheme
    mrn: str
    person: Person
    entered: int
    habits: Habits
    contacts: list[Contact] = field(default_factory=list)
    silent: bool = False
    mother_mrn: str = ""
    classes: set[str] = field(default_factory=set)
    held: View | None = None
    slips: tuple[str, ...] = ()
    dead: bool = False
    gone: bool = False
    order_known: bool = True
    former: Name | None = None
    studies: int = 0

    @property
    def key(self) -> str:
        """The record's id in truth.csv."""
        return f"{self.scheme.system}|{self.mrn}"

    @property
    def last(self) -> int:
        """The day of the last contact planned."""
        return max((contact.moment // DAY for contact in self.contacts), default=self.entered)


class Registry:
    """Gives out the trusts' numbers and plans the records of one household after another."""

    def __init__(self) -> None:
        self.given: dict[str, int] = {}
        self.lent: str = ""

    def mrn(self, scheme: Scheme) -> str:
        """The next number of a scheme."""
        self.given[scheme.namespace] = self.given.get(scheme.namespace, 0) + 1
        return scheme.number(self.given[scheme.namespace])

    def records(self, household: Household) -> list[Record]:
        """The records of a household's people, with every contact planned."""
        planned = []
        for person in household.people:
            planned += self._of_person(household.draw, person)
        _name_mothers(planned)
        _mislink(household.draw, planned)
        for record in planned:
            record.contacts.sort(key=lambda contact: contact.moment)
        if household.draw.chance(0.05):
            self.lent = household.people[0].nhs_number
        return planned

    def _of_person(self, draw: Draw, person: Person) -> list[Record]:
        records = []
        for ods in _trusts(draw, person):
            schemes = _schemes(draw, ods, person)
            records += [self._record(draw, TRUSTS[ods], scheme, person) for scheme in schemes]
            if len(schemes) > 1:
                _join(draw, records[-2], records[-1])
        _spread_studies(draw, person, records)
        if person.died is not None:
            _die(draw, person.died, records)
        return records

    def _record(self, draw: Draw, trust: Trust, scheme: Scheme, person: Person) -> Record:
        entered = _entered(draw, person)
        record = Record(trust, scheme, self.mrn(scheme), person, entered, self._habits(draw, person))
        record.silent = draw.chance(0.01)
        record.order_known = draw.chance(0.75 if person.age < 16 else 0.25)
        if record.habits.borrowed:
            record.classes.add("shared-number")
        record.contacts += _contacts(draw, person, entered)
        return record

    def _habits(self, draw: Draw, person: Person) -> Habits:
        kind = draw.unit()
        if kind < 0.009:
            return Habits(thin=True)
        if kind < 0.039:
            return Habits(number=False)
        return Habits(careless=kind > 0.98, borrowed=self._borrowed(draw, person))

    def _borrowed(self, draw: Draw, person: Person) -> NhsNumber | None:
        """Someone else's number, rarely: a stranger's, or the mother's on her newborn; both may look traced."""
        kind = draw.unit()
        if kind < 0.0006 and self.lent:
            return NhsNumber(self.lent, draw.pick(("01", "02")))
        if person.mother is not None and "newborn" in person.classes and kind < 0.02:
            return NhsNumber(person.mother.nhs_number, draw.pick(("01", "02")))
        return None


def _trusts(draw: Draw, person: Person) -> list[str]:
    """One to four trusts, the near ones likelier."""
    left = list(person.town.trusts)
    return [left.pop(min(draw.weighted(TRUST_RANK), len(left) - 1)) for _ in range(draw.weighted(TRUST_COUNT))]


def _schemes(draw: Draw, ods: str, person: Person) -> list[Scheme]:
    if ods != "RYR":
        scheme = TRUSTS[ods].schemes[0]
        return [scheme, scheme] if draw.chance(0.02) else [scheme]
    own, other = (BRIGHTON, WEST) if person.town.outward in BRIGHTON_TOWNS else (WEST, BRIGHTON)
    kind = draw.unit()
    return [own, other] if kind < 0.15 else [own, own] if kind < 0.165 else [own]


def _latest(person: Person) -> int:
    return min(person.died - 20 if person.died else FEED_END, FEED_END - 45)


def _entered(draw: Draw, person: Person) -> int:
    latest = _latest(person)
    if person.born < FEED_START - 30 and draw.chance(0.78):
        return draw.between(max(person.born, ARCHIVE_START), FEED_START - 1)
    first = max(person.born, FEED_START)
    if "newborn" in person.classes and draw.chance(0.7):
        return min(first + draw.below(3), latest)
    return draw.between(min(first, latest), latest)


def _contacts(draw: Draw, person: Person, entered: int) -> list[Contact]:
    """The first word of a record, then visits, each at least GAP days after the last."""
    latest = _latest(person)
    if entered < FEED_START:
        first = Contact((FEED_START + draw.below(8)) * DAY + draw.below(DAY), "load")
    else:
        first = Contact(entered * DAY + _hour(draw), draw.pick(("enrol", "enrol", "outpatient", "emergency", "admission")))
    contacts = [first]
    day = first.moment // DAY
    while draw.chance(0.55):
        day += GAP + int(draw.unit() * draw.unit() * 530)
        if day > latest:
            break
        contacts.append(Contact(day * DAY + _hour(draw), draw.weighted(VISITS)))
    if "newborn" in person.classes and first.moment // DAY < person.names[1][0] <= latest:
        _name_newborn(draw, person, contacts)
    return contacts


def _name_newborn(draw: Draw, person: Person, contacts: list[Contact]) -> None:
    """Most trusts hear a baby's name a few weeks after they have registered the baby."""
    if draw.chance(0.85):
        contacts.append(Contact((person.names[1][0] + draw.below(20)) * DAY + _hour(draw), "clerical"))


def _hour(draw: Draw) -> int:
    return 7 * 3600 + int((draw.unit() + draw.unit()) * 6 * 3600)


def _join(draw: Draw, kept: Record, other: Record) -> None:
    """Two records of one trust: the second is merged into the first, linked with it, or left standing."""
    kept.classes.add("two-records")
    other.classes.add("two-records")
    kept.silent = other.silent = False
    merged = kept.scheme is other.scheme
    first = max(kept.entered, other.last, FEED_START + 12) + GAP
    if first >= FEED_END or not draw.chance(0.75 if merged else 0.5):
        return
    moment = draw.between(first, FEED_END - 1) * DAY + _hour(draw)
    kept.contacts.append(Contact(moment, "merge" if merged else "link", other))
    other.gone = merged


def _mislink(draw: Draw, records: list[Record]) -> None:
    """Now and then a trust links twins, or others of one household, and takes the link back weeks later (A24, A37)."""
    for first, second in combinations([record for record in records if not (record.silent or record.gone)], 2):
        if first.trust is not second.trust or first.person is second.person:
            continue
        day = max(first.last, second.last, FEED_START + 12) + 1
        if day + 40 < FEED_END and draw.chance(0.08 if _alike(first.person, second.person) else 0.002):
            first.contacts += [Contact(day * DAY + _hour(draw), "link", second), Contact((day + 30) * DAY, "unlink", second)]
            first.classes.add("mislinked")
            second.classes.add("mislinked")


def _alike(first: Person, second: Person) -> bool:
    return first.born == second.born or first.name.given == second.name.given


def _name_mothers(records: list[Record]) -> None:
    held = {(id(record.person), record.scheme.namespace): record.mrn for record in records}
    for record in records:
        if record.person.mother is not None:
            record.mother_mrn = held.get((id(record.person.mother), record.scheme.namespace), "")


def _spread_studies(draw: Draw, person: Person, records: list[Record]) -> None:
    for _ in range(person.studies):
        record = draw.pick(records)
        last = min(person.died or FEED_END, FEED_END)
        first = min(max(record.entered, ARCHIVE_START), last)
        moment = draw.between(first, last) * DAY + _hour(draw)
        record.contacts.append(Contact(moment, "study"))
        record.studies += 1


def _die(draw: Draw, died: int, records: list[Record]) -> None:
    heard = [record for record in records if not (record.silent or record.gone)]
    for rank, record in enumerate(heard):
        if rank == 0 and draw.chance(0.6):
            record.contacts.append(Contact(died * DAY + draw.below(DAY // 2), "death"))
        elif draw.chance(0.6):
            record.contacts.append(Contact((died + draw.between(3, 25)) * DAY + _hour(draw), "notified"))


def spoken(records: list[Record]) -> Iterator[Record]:
    """The records that exist for anyone to see: those a feed speaks of or an image header names."""
    return (record for record in records if record.studies or not record.silent)
