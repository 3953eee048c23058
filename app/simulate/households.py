"""Households as they come: singles, couples, families with twins and namesakes, shared houses, care homes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from app.simulate import numbers, places
from app.simulate.draw import Draw, Weighted
from app.simulate.moments import ARCHIVE_START, FEED_END, FEED_START, YEAR, year_of
from app.simulate.names import ORIGINS, SIMILAR_TWINS, Origin, family_name, given_name
from app.simulate.people import Household, Name, Person
from app.simulate.places import Home

ETHNIC = {
    "english": "A", "welsh": "A", "scottish": "A", "irish": "B", "polish": "C", "south-asian": "J", "west-african": "N",
    "arabic": "S", "chinese": "R", "filipino": "L",
}  # fmt: skip
DEATHS_A_YEAR = ((90, 0.17), (80, 0.06), (70, 0.02), (60, 0.007), (0, 0.0008))
SINGLE_AGES = Weighted([((19, 34), 28), ((35, 54), 27), ((55, 74), 25), ((75, 98), 20)])
COUPLE_AGES = Weighted([((21, 34), 22), ((50, 64), 36), ((65, 79), 30), ((80, 94), 12)])
CHILDREN = Weighted([(1, 42), (2, 41), (3, 13), (4, 4)])
BABIES = ("Baby", "Baby Boy", "Baby Girl", "Baby Of {mother}", "Infant")


class Builder:
    """Makes the people of one household from its draw; the origin is shared, unless they merely share a house."""

    def __init__(self, draw: Draw, key: str, nhs_number: Callable[[], str]) -> None:
        self.draw = draw
        self.key = key
        self.nhs_number = nhs_number
        self.people: list[Person] = []
        self.town = draw.weighted(places.TOWNS)
        self.homes = self._homes()
        self.origin = draw.weighted(ORIGINS)

    def _homes(self) -> list[tuple[int, Home]]:
        phone = numbers.landline(self.draw) if self.draw.chance(0.6) else ""
        homes = [(1, places.home(self.draw, self.town, phone))]
        if self.draw.chance(0.4):
            homes.append(self._moved(phone))
        return homes

    def _moved(self, phone: str) -> tuple[int, Home]:
        if self.draw.chance(0.35):
            self.town = self.draw.weighted(places.TOWNS)
            phone = numbers.landline(self.draw) if phone else ""
        day = self.draw.between(ARCHIVE_START if self.draw.chance(0.6) else FEED_START, FEED_END)
        return day, places.home(self.draw, self.town, phone)

    def born(self, ages: tuple[int, int]) -> int:
        """A birthday for an age in a range, both ends included."""
        return FEED_END - int(self.draw.between(*ages) * YEAR) - self.draw.below(365)

    def person(self, sex: str, born: int, family: str, *, given: str = "", origin: Origin | None = None) -> Person:
        """A person added to the household."""
        origin = origin or self.origin
        given = given or given_name(self.draw, origin, sex, year_of(born))
        name = Name(family, given, self._middle(origin, sex, born), self._title(sex, born))
        person = Person(f"{self.key}-{len(self.people) + 1}", sex, born, [(born, name)], self.homes, self.town)
        person.nhs_number = self.nhs_number()
        person.numbered = born
        person.ethnic = ETHNIC[origin.code] if self.draw.chance(0.85) else "Z"
        self._reach(person)
        self.people.append(person)
        return person

    def adult(self, sex: str, ages: tuple[int, int], *, origin: Origin | None = None) -> Person:
        """A grown person with a family name of their own."""
        adult = self.person(sex, self.born(ages), family_name(self.draw, origin or self.origin), origin=origin)
        self._mortal(adult)
        if self.draw.chance(0.02):
            self._foreign(adult)
        elif self.draw.chance(0.0015):
            self._renumber(adult)
        return adult

    def _middle(self, origin: Origin, sex: str, born: int) -> str:
        share = 0.7 if len(origin.men) > 1 else 0.15
        return given_name(self.draw, origin, sex, year_of(born)) if self.draw.chance(share) else ""

    def _title(self, sex: str, born: int) -> str:
        if self.draw.chance(0.02):
            return "Dr"
        if FEED_END - born < 16 * YEAR:
            return "Master" if sex == "M" else "Miss"
        return "Mr" if sex == "M" else self.draw.pick(("Mrs", "Miss", "Ms"))

    def _reach(self, person: Person) -> None:
        if person.age < 16:
            return
        if self.draw.chance(0.88 if person.age < 75 else 0.5):
            person.mobile = numbers.mobile(self.draw)
        if self.draw.chance(0.55 if person.age < 75 else 0.2):
            person.email = _email(person.name, self.draw.between(1, 999))

    def _mortal(self, person: Person) -> None:
        yearly = next(rate for age, rate in DEATHS_A_YEAR if person.age >= age)
        if self.draw.chance(2 * yearly):
            person.died = self.draw.between(FEED_START + 20, FEED_END - 40)

    def _foreign(self, person: Person) -> None:
        person.nhs_number = ""
        person.classes.add("foreign")

    def _renumber(self, person: Person) -> None:
        person.former_number = self.nhs_number()
        person.numbered = self.draw.between(ARCHIVE_START, FEED_END)
        person.classes.add("superseded-number")

    def couple(self, ages: tuple[int, int]) -> tuple[Person, Person]:
        """A man and a woman of like age, who may have taken one family name, perhaps lately."""
        man = self.adult("M", ages)
        woman = self.adult("F", (max(19, ages[0] - 2), ages[1]))
        kind = self.draw.unit()
        if kind < 0.62:
            woman.names = [(woman.born, replace(woman.name, family=man.name.family, title="Mrs"))]
        elif kind < 0.80:
            self.marry(woman, man)
        return man, woman

    def marry(self, woman: Person, man: Person) -> None:
        """A wedding in the archive's years, after which one of them bears another family name."""
        of_age = max(woman.born, man.born) + int(20 * YEAR)
        day = self.draw.between(min(max(ARCHIVE_START, of_age), FEED_END - 61), FEED_END - 60)
        kind = self.draw.unit()
        if kind < 0.06:
            change_name(man, day, replace(man.name, family=woman.name.family))
        elif kind < 0.14:
            change_name(woman, day, replace(woman.name, family=f"{woman.name.family}-{man.name.family}", title="Mrs"))
        else:
            change_name(woman, day, replace(woman.name, family=man.name.family, title="Mrs"))

    def children(self, mother: Person, father: Person | None) -> None:
        """The children of a family: years apart, at times twins, at times a son named after his father."""
        ages = max(0, min(22, mother.age - 18))
        for _ in range(self.draw.weighted(CHILDREN)):
            born = self.born((0 if self.draw.chance(0.5) else min(2, ages), ages))
            family = self._family_of_child(mother, father)
            if self.draw.chance(0.02):
                self.twins(mother, born, family)
            elif father is not None and self.draw.chance(0.025):
                self._junior(mother, father, born)
            else:
                self.child(mother, self.draw.pick("MF"), born, family)

    def _family_of_child(self, mother: Person, father: Person | None) -> str:
        if father is None:
            return mother.name.family
        return father.name.family if self.draw.chance(0.93) else mother.name.family

    def child(self, mother: Person, sex: str, born: int, family: str, *, given: str = "", order: int = 0) -> Person:
        """A child; one born while the feeds run is registered as a baby first and numbered and named later."""
        child = self.person(sex, born, family, given=given)
        child.mother, child.birth_order = mother, order
        child.mobile = child.mobile or (mother.mobile if child.age < 16 else "")
        if born > FEED_START:
            self._newborn(child, mother)
        return child

    def _newborn(self, child: Person, mother: Person) -> None:
        called = f"Twin {child.birth_order}" if child.birth_order else self.draw.pick(BABIES).format(mother=mother.name.given)
        child.names.insert(0, (child.born, Name(mother.name_on(child.born).family, called)))
        child.names[1] = (child.born + self.draw.between(4, 40), child.names[1][1])
        child.numbered = child.born + self.draw.between(0, 30)
        child.classes.add("newborn")

    def _junior(self, mother: Person, father: Person, born: int) -> None:
        son = self.child(mother, "M", born, father.name.family, given=father.name.given)
        son.classes.add("junior")
        father.classes.add("junior")

    def twins(self, mother: Person, born: int, family: str) -> None:
        """Two children of one birth, some of them with names that are easily confused."""
        sex = self.draw.pick("MF")
        other = sex if self.draw.chance(0.6) else self.draw.pick("MF")
        names = self.draw.pick(SIMILAR_TWINS[sex]) if sex == other and self.draw.chance(0.25) else ("", "")
        first = self.child(mother, sex, born, family, given=names[0], order=1)
        second = self.child(mother, other, born, family, given=names[1], order=2)
        if second.name.given == first.name.given:
            self._rename(second, first)
        first.classes.add("twin")
        second.classes.add("twin")

    def _rename(self, person: Person, other: Person) -> None:
        given = next(name for name in SIMILAR_TWINS[person.sex][0] if name != other.name.given)
        start, name = person.names[-1]
        person.names[-1] = (start, replace(name, given=given))


def change_name(person: Person, day: int, name: Name) -> None:
    """A name taken on a day, the one before it kept in the person's history."""
    person.names.append((day, name))
    person.classes.add("name-change")


def _email(name: Name, number: int) -> str:
    local = f"{name.given}.{name.family}".lower().replace("'", "").replace(" ", "")
    return f"{local.encode('ascii', 'ignore').decode()}{number}@example.org"


def _single(build: Builder) -> None:
    build.adult(build.draw.pick("MF"), build.draw.weighted(SINGLE_AGES))


def _couple(build: Builder) -> None:
    build.couple(build.draw.weighted(COUPLE_AGES))


def _family(build: Builder) -> None:
    father, mother = build.couple((25, 50))
    build.children(mother, father)


def _lone_parent(build: Builder) -> None:
    build.children(build.adult("F", (22, 48)), None)


def _shared_house(build: Builder) -> None:
    for _ in range(build.draw.between(3, 5)):
        build.adult(build.draw.pick("MF"), (19, 32), origin=build.draw.weighted(ORIGINS))


def _care_home(build: Builder) -> None:
    called = build.draw.pick(places.HOUSE_NAMES)
    settled = build.homes[-1][1]
    home = replace(settled, line=f"{called} Nursing Home, {places.street(build.draw)}", phone=numbers.landline(build.draw))
    for _ in range(build.draw.between(5, 12)):
        before = places.home(build.draw, build.town, "")
        build.homes = [(1, before), (build.draw.between(ARCHIVE_START, FEED_END), home)]
        resident = build.adult(build.draw.pick("MFF"), (78, 99), origin=build.draw.weighted(ORIGINS))
        resident.mobile = resident.email = ""
        resident.classes.add("care-home")


KINDS: Weighted[Callable[[Builder], None]] = Weighted(
    [(_single, 31), (_couple, 29), (_family, 29), (_lone_parent, 7), (_shared_house, 3.5), (_care_home, 0.5)]
)


def household(seed: int, index: int, nhs_number: Callable[[], str]) -> Household:
    """The ``index``-th household of a seed's region; ``nhs_number`` gives out the next number."""
    draw = Draw(seed, "household", index)
    build = Builder(draw, f"H{index:07d}", nhs_number)
    draw.weighted(KINDS)(build)
    return Household(draw, build.people)


def households(seed: int, people: int, nhs_number: Callable[[], str]) -> Iterator[Household]:
    """Households that hold exactly ``people`` persons; the last may be cut short."""
    index, left = 0, people
    while left > 0:
        found = household(seed, index, nhs_number)
        del found.people[left:]
        left -= len(found.people)
        index += 1
        yield found
