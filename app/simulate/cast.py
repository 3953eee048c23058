"""The people every region begins with: Alice, her twin Anna, and Bea, who changed her surname.

Their records are kept with care, so that the matcher can be certain of them (fixtures/region/README.md).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from app.simulate import people
from app.simulate.clerk import Habits
from app.simulate.draw import Draw
from app.simulate.households import change_name
from app.simulate.moments import DAY, FEED_START
from app.simulate.people import Household, Name, Person
from app.simulate.places import Home, Town, postcode
from app.simulate.records import Contact, Record, Registry
from app.simulate.trusts import BRIGHTON, TRUSTS, Scheme

PEOPLE = 3
HOUR = 3600
CAREFUL = Habits(careful=True)
WITHOUT_NUMBER = Habits(careful=True, number=False)
HAYWARDS_HEATH = Town("Haywards Heath", "West Sussex", "RH16", ("RYR", "RPC", "RXC", "RA2"))
GODALMING = Town("Godalming", "Surrey", "GU7", ("RA2", "RTK", "RPC", "RYR"))


def _day(year: int, month: int, day: int) -> int:
    return date(year, month, day).toordinal()


TWINS_BORN = _day(1984, 5, 23)
BEA_BORN = _day(1991, 9, 8)
BEA_MARRIED = _day(2024, 6, 15)
LOADED = Contact(FEED_START * DAY + 9 * HOUR, "load")


def _home(town: Town, house: str, street: str, phone: str) -> tuple[Town, Home]:
    return town, Home(f"{house} {street}", town.name, town.county, postcode(town.outward, street), phone)


TWINS_HOME = _home(HAYWARDS_HEATH, "14", "Oakfield Road", "01632 960144")
BEAS_HOME = _home(GODALMING, "3", "Tillingbourne Close", "01632 960207")


def _person(cluster: str, name: Name, born: int, home: tuple[Town, Home], reach: tuple[str, str]) -> Person:
    town, dwelling = home
    nhs_number, mobile = reach
    return Person(
        cluster, "F", born, [(born, name)], [(1, dwelling)], town, nhs_number, born, mobile=mobile, ethnic="A",
        email=f"{name.given}.{name.family}@example.org".lower(), classes={"cast"},
    )  # fmt: skip


def cast(nhs_number: Callable[[], str]) -> list[Person]:
    """Alice, Anna and Bea."""
    alice = _person("alice", Name("Marchant", "Alice", "Rose", "Ms"), TWINS_BORN, TWINS_HOME, (nhs_number(), "07100 900101"))
    anna = _person("anna", Name("Marchant", "Anna", "Jane", "Ms"), TWINS_BORN, TWINS_HOME, (nhs_number(), "07100 900102"))
    for twin in (alice, anna):
        twin.classes.add("twin")
    bea = _person("bea", Name("Fielding", "Beatrice", "Mary", "Miss"), BEA_BORN, BEAS_HOME, (nhs_number(), "07100 900103"))
    change_name(bea, BEA_MARRIED, Name("Holland", "Beatrice", "Mary", "Mrs"))
    return [alice, anna, bea]


def _at(year: int, month: int, day: int, kind: str, hour: int = 10) -> Contact:
    return Contact(_day(year, month, day) * DAY + hour * HOUR, kind)


Plan = tuple[int, Scheme, Habits, tuple[Contact, ...]]
ENTERED_LONG_AGO = _day(2016, 2, 1)
PLANS: tuple[Plan, ...] = (
    (0, TRUSTS["RTK"].schemes[0], CAREFUL, (LOADED, _at(2019, 3, 14, "study"), _at(2024, 5, 2, "outpatient"))),
    (0, TRUSTS["RA2"].schemes[0], CAREFUL, (LOADED, _at(2022, 11, 8, "study"))),
    (0, TRUSTS["RXC"].schemes[0], WITHOUT_NUMBER, (LOADED, _at(2024, 2, 20, "emergency"), _at(2024, 2, 20, "study", 11))),
    (0, BRIGHTON, CAREFUL, (LOADED, _at(2021, 7, 5, "study"), _at(2025, 4, 16, "outpatient"), _at(2025, 4, 16, "study", 15))),
    (1, BRIGHTON, CAREFUL, (LOADED, _at(2020, 10, 21, "study"))),
    (1, TRUSTS["RTK"].schemes[0], CAREFUL, (LOADED, _at(2023, 1, 17, "study"), _at(2025, 1, 9, "clerical"))),
    (2, TRUSTS["RA2"].schemes[0], CAREFUL, (LOADED, _at(2018, 6, 1, "study"), _at(2024, 8, 1, "clerical"))),
    (2, TRUSTS["RTK"].schemes[0], CAREFUL, (_at(2024, 9, 10, "enrol"), _at(2024, 9, 10, "study", 14))),
    (2, TRUSTS["RPC"].schemes[0], CAREFUL, (LOADED, _at(2017, 4, 26, "study"))),
)  # fmt: skip
STUDIES = sum(contact.kind == "study" for plan in PLANS for contact in plan[3])


def household(seed: int, nhs_number: Callable[[], str], registry: Registry) -> tuple[Household, list[Record]]:
    """The cast with their records, as one household to be written."""
    persons = cast(nhs_number)
    records = [_record(persons[place], scheme, habits, contacts, registry) for place, scheme, habits, contacts in PLANS]
    return people.Household(Draw(seed, "cast"), persons), records


def _record(person: Person, scheme: Scheme, habits: Habits, contacts: tuple[Contact, ...], registry: Registry) -> Record:
    trust = next(trust for trust in TRUSTS.values() if scheme in trust.schemes)
    ordered = sorted(contacts, key=lambda contact: contact.moment)
    entered = min(ENTERED_LONG_AGO, ordered[0].moment // DAY) if LOADED in contacts else ordered[0].moment // DAY
    record = Record(trust, scheme, registry.mrn(scheme), person, entered, habits, ordered)
    record.studies = sum(contact.kind == "study" for contact in ordered)
    return record
