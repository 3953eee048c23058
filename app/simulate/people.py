"""A person of the region: names, homes and numbers through the years."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from app.simulate.draw import Draw
from app.simulate.moments import FEED_END
from app.simulate.places import Home, Town

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Name:
    """A person's name at one time."""

    family: str
    given: str
    middle: str = ""
    title: str = ""


@dataclass(slots=True)
class Person:
    """One person as they are: ``names`` and ``homes`` with the day each began, oldest first.

    ``numbered`` is the day the NHS number was given; ``former_number`` one it replaced; ``classes`` the
    difficulties that are the person's own.
    """

    cluster: str
    sex: str
    born: int
    names: list[tuple[int, Name]]
    homes: list[tuple[int, Home]]
    town: Town
    nhs_number: str = ""
    numbered: int = 0
    former_number: str = ""
    mobile: str = ""
    email: str = ""
    ethnic: str = "Z"
    died: int | None = None
    birth_order: int = 0
    mother: Person | None = None
    studies: int = 0
    classes: set[str] = field(default_factory=set)

    @property
    def name(self) -> Name:
        """The name borne now."""
        return self.names[-1][1]

    @property
    def age(self) -> int:
        """Whole years at the end of the simulated time."""
        return (FEED_END - self.born) * 4 // 1461

    def name_on(self, day: int) -> Name:
        """The name borne on a day."""
        return in_force(self.names, day)

    def home_on(self, day: int) -> Home:
        """The home lived in on a day."""
        return in_force(self.homes, day)

    def nhs_number_on(self, day: int) -> str:
        """The NHS number held on a day."""
        return self.nhs_number if day >= self.numbered else self.former_number


@dataclass(slots=True)
class Household:
    """People under one roof; ``draw`` is the household's own stream of choices."""

    draw: Draw
    people: list[Person]


def in_force(periods: list[tuple[int, T]], day: int) -> T:
    """The value of the last period begun by ``day``, else of the first."""
    found = periods[0][1]
    for start, value in periods:
        if start > day:
            break
        found = value
    return found
