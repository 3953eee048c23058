"""What a trust's clerk has on record of a person: taken down, with slips, at each contact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from app.simulate import slips
from app.simulate.draw import Draw, Weighted
from app.simulate.moments import date_text
from app.simulate.people import Name, Person
from app.simulate.places import ABBREVIATIONS, Home

CORRECTED = 0.3
HANDS = 7
UNKNOWN_HOME = Home("Unknown", "", "", "ZZ99 3WZ")
NO_ABODE = Home("No Fixed Abode", "", "", "ZZ99 3VZ")
PLACEHOLDERS = frozenset({UNKNOWN_HOME, NO_ABODE})


@dataclass(frozen=True, slots=True)
class Birth:
    """A birth date as recorded; ``quality`` is "", UD (default) or ED (estimated), as PID-32 has it."""

    date: str
    quality: str = ""


@dataclass(frozen=True, slots=True)
class NhsNumber:
    """An NHS number as recorded, with its NSTS status, "" where the feed sends none."""

    value: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One record's demographics at one moment; each field is taken down, kept and corrected as one."""

    name: Name
    birth: Birth
    sex: str
    home: Home
    phone: str
    mobile: str
    email: str
    number: NhsNumber


FIELDS = tuple(field.name for field in fields(View))


@dataclass(frozen=True, slots=True)
class Habits:
    """How one record is kept: ``careful`` without any slip, ``thin`` without number, phone or postcode.

    ``careless``: names, dates and addresses went through several hands. ``number`` false: this trust never learns the
    NHS number; ``borrowed`` is someone else's number taken down.
    """

    careful: bool = False
    careless: bool = False
    thin: bool = False
    number: bool = True
    borrowed: NhsNumber | None = None


def truth(person: Person, day: int) -> View:
    """The person as they are on a day."""
    home = person.home_on(day)
    number = person.nhs_number_on(day)
    return View(
        person.name_on(day), Birth(date_text(person.born)), person.sex, home, home.phone, person.mobile, person.email,
        NhsNumber(number, "01" if number else ""),
    )  # fmt: skip


class Clerk:
    """Keeps one record: ``held`` is what it says now, ``told`` what the person last said."""

    __slots__ = ("draw", "habits", "held", "person", "told")

    def __init__(self, person: Person, habits: Habits, draw: Draw, day: int) -> None:
        self.person = person
        self.habits = habits
        self.draw = draw
        self.told = truth(person, day)
        self.held = View(**{name: self._taken(name, getattr(self.told, name)) for name in FIELDS})

    def meet(self, day: int) -> View:
        """The record after a contact: what changed is taken down anew, an old slip may be set right."""
        told = truth(self.person, day)
        changes = {}
        for name in FIELDS:
            now = getattr(told, name)
            if now != getattr(self.told, name) or self._set_right(name, now):
                changes[name] = self._taken(name, now)
        self.told = told
        if changes:
            self.held = replace(self.held, **changes)
        return self.held

    def _set_right(self, name: str, now: Any) -> bool:
        return getattr(self.held, name) != now and not self.habits.thin and self.draw.chance(CORRECTED)

    def slipped(self) -> tuple[str, ...]:
        """The fields that say something untrue; silence is no slip."""
        held, told = self.held, self.told
        wrong = {
            "name": (held.name.family, held.name.given) != (told.name.family, told.name.given),
            "birth": held.birth != told.birth,
            "sex": held.sex not in ("U", told.sex),
            "phone": held.phone not in ("", told.phone) or held.mobile not in ("", told.mobile),
            "home": held.home.postcode not in ("", told.home.postcode),
            "number": held.number.value not in ("", told.number.value),
        }
        return tuple(name for name, found in wrong.items() if found)

    def _taken(self, name: str, value: Any) -> Any:
        if self.habits.careful and name != "number":
            return value
        for _ in range(HANDS if self.habits.careless and name in ("name", "birth", "sex", "home") else 1):
            value = TAKERS[name](self.draw, self.habits, value)
        return value


def take_name(draw: Draw, _habits: Habits, name: Name) -> Name:
    """A name as taken down: mostly right, the middle name often left out."""
    if draw.chance(0.35):
        name = replace(name, middle=name.middle[:1] if draw.chance(0.3) else "")
    kind = draw.unit()
    for share, slip in NAME_SLIPS:
        if kind < share:
            return slip(draw, name)
        kind -= share
    return name


def _family_mistyped(draw: Draw, name: Name) -> Name:
    return replace(name, family=slips.mistyped(draw, name.family))


def _given_mistyped(draw: Draw, name: Name) -> Name:
    return replace(name, given=slips.mistyped(draw, name.given))


def _both_mistyped(draw: Draw, name: Name) -> Name:
    return _family_mistyped(draw, _given_mistyped(draw, name))


def _nickname(draw: Draw, name: Name) -> Name:
    return replace(name, given=slips.nickname(draw, name.given))


def _initial(_draw: Draw, name: Name) -> Name:
    return replace(name, given=name.given[:1], middle=name.middle[:1])


def _exchanged(_draw: Draw, name: Name) -> Name:
    return replace(name, family=name.given, given=name.family)


def _middle_as_given(_draw: Draw, name: Name) -> Name:
    return replace(name, given=name.middle, middle="") if name.middle else name


def _half_of_compound(_draw: Draw, name: Name) -> Name:
    return replace(name, family=name.family.split("-")[-1])


NAME_SLIPS = (
    (0.014, _family_mistyped), (0.016, _given_mistyped), (0.002, _both_mistyped), (0.04, _nickname), (0.005, _initial),
    (0.004, _exchanged), (0.005, _middle_as_given), (0.1, _half_of_compound),
)  # fmt: skip


def take_birth(draw: Draw, _habits: Habits, birth: Birth) -> Birth:
    """A birth date as taken down: exchanged, slipped or the default at times."""
    kind = draw.unit()
    if birth.quality:
        return birth
    if kind < 0.004:
        return Birth(slips.day_and_month_swapped(birth.date))
    if kind < 0.010:
        return Birth(slips.date_slip(draw, birth.date))
    if kind < 0.014:
        return Birth(birth.date[:4] + "0101", "UD" if draw.chance(0.7) else "")
    if kind < 0.015:
        return Birth(birth.date[:4], "ED")
    return birth


def take_sex(draw: Draw, _habits: Habits, sex: str) -> str:
    """A sex as taken down."""
    kind = draw.unit()
    if kind < 0.002:
        return "F" if sex == "M" else "M"
    return "U" if kind < 0.006 else sex


def take_home(draw: Draw, habits: Habits, home: Home) -> Home:
    """An address as taken down: abbreviated, mistyped, without postcode or unknown at times."""
    if home in PLACEHOLDERS:
        return home
    if habits.thin:
        return Home(home.line, home.town) if draw.chance(0.6) else Home()
    kind = draw.unit()
    if kind < 0.003:
        return UNKNOWN_HOME if draw.chance(0.7) else NO_ABODE
    if kind < 0.012:
        return replace(home, postcode="")
    if kind < 0.022:
        return replace(home, postcode=home.postcode[:-3] + slips.mistyped(draw, home.postcode[-3:]).upper())
    if kind < 0.045:
        return replace(home, line=slips.mistyped(draw, home.line))
    return _abbreviated(home) if kind < 0.2 else home


def _abbreviated(home: Home) -> Home:
    words = home.line.split(" ")
    return replace(home, line=" ".join([*words[:-1], ABBREVIATIONS.get(words[-1], words[-1])]))


def take_phone(draw: Draw, habits: Habits, phone: str) -> str:
    """A telephone number as taken down: left out, slipped (never in its code) or the default at times."""
    kind = draw.unit()
    if not phone or habits.thin or kind < 0.18:
        return "07000000000" if kind < 0.002 else ""
    code, _, subscriber = phone.partition(" ")
    return f"{code} {slips.digit_slip(draw, subscriber)}" if kind < 0.19 else phone


def take_email(draw: Draw, habits: Habits, email: str) -> str:
    """An e-mail address as taken down, half the time."""
    if not email or habits.thin or draw.chance(0.45):
        return ""
    return slips.mistyped(draw, email.partition("@")[0]) + "@example.org" if draw.chance(0.01) else email


def take_number(draw: Draw, habits: Habits, number: NhsNumber) -> NhsNumber:
    """An NHS number as taken down: mostly traced (01), some untraced, some missing, a few with a slip."""
    if not number.value or not habits.number or habits.thin:
        return NhsNumber()
    if habits.borrowed:
        return habits.borrowed
    if habits.careful:
        return number
    kind = draw.unit()
    if kind < 0.06:
        return NhsNumber("", draw.weighted(NO_NUMBER_STATUS))
    if kind < 0.064:
        return NhsNumber(slips.digit_slip(draw, number.value), "" if draw.chance(0.5) else "02")
    return replace(number, status=draw.weighted(NUMBER_STATUS))


NO_NUMBER_STATUS = Weighted([("07", 3), ("04", 2), ("03", 1), ("", 4)])
NUMBER_STATUS = Weighted([("01", 93), ("02", 4), ("03", 1), ("06", 0.5), ("", 1.5)])
TAKERS: dict[str, Callable[[Draw, Habits, Any], Any]] = {
    "name": take_name, "birth": take_birth, "sex": take_sex, "home": take_home, "phone": take_phone, "mobile": take_phone,
    "email": take_email, "number": take_number,
}  # fmt: skip
