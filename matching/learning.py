"""What a store learns of its values (matching.md 2, Learned): all of it reversible, nothing of it certain."""

from __future__ import annotations

from collections.abc import Iterable

from matching.demographics import Demographics

MOST_PEOPLE_OF_A_NUMBER = 3
MOST_RECORDS_OF_A_VALUE = 50
OVERUSE = 5.0
LEAST_FAIR_SHARE = 10.0


def people_of_number(records: Iterable[Demographics]) -> int:
    """How many distinct (family sound, birth date) the records of one NHS number have, by their newest name."""
    return len({(record.names[0].family_sound if record.names else "", record.birth_date) for record in records})


def is_stopped_number(records: Iterable[Demographics]) -> bool:
    """Whether the NHS number that all these records carry is no evidence: it is on more than 3 people."""
    return people_of_number(records) > MOST_PEOPLE_OF_A_NUMBER


def is_overshared(count: int) -> bool:
    """Whether a phone, e-mail, street or identifier on that many records makes no key."""
    return count > MOST_RECORDS_OF_A_VALUE


def overused_birth_dates(birth_dates: Iterable[str]) -> frozenset[str]:
    """The full birth dates (8 digits) of one feed that stand for "not known": over 5 times the fair share of a day.

    A fair share is the mean over the days that occur, and never under 10, so that small feeds have none.
    """
    counts: dict[str, int] = {}
    for day in birth_dates:
        if len(day) == 8:
            counts[day] = counts.get(day, 0) + 1
    fair = max(sum(counts.values()) / max(len(counts), 1), LEAST_FAIR_SHARE)
    return frozenset(day for day, count in counts.items() if count > OVERUSE * fair)
