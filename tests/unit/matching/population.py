"""A small seeded population for tests: households with couples and children, each person on up to three records with slips."""

from __future__ import annotations

import random

from matching.demographics import Demographics, RawAddress, RawName, RecordFacts
from matching.normalise import normalise

GIVENS = tuple(f"{a}{b}{c}" for a in ("al", "be", "co", "di", "el", "fo", "gu", "ha") for b in ("ri", "no", "ta", "su") for c in ("ck", "na", "th", "m"))
FAMILIES = tuple(f"{a}{b}{c}" for a in ("ar", "bro", "ca", "du", "ed", "fi") for b in ("ch", "wn", "rt", "ll", "st") for c in ("er", "ley", "ton", "wood", "sey"))
STREETS = tuple(f"{word} {kind}" for word in ("Mill", "Elm", "High", "Park", "Church", "Station", "Victoria") for kind in ("Lane", "Road", "Street", "Close"))


def _slipped(draw: random.Random, text: str) -> str:
    place = draw.randrange(len(text))
    return text[:place] + draw.choice("abcdefghijklmnopqrstuvwxyz" if text[place].isalpha() else "0123456789") + text[place + 1 :]


def _record(draw: random.Random, person: dict[str, str]) -> Demographics:
    said = {field: _slipped(draw, value) if draw.random() < 0.06 else value for field, value in person.items()}
    return normalise(
        RecordFacts(
            names=(RawName(said["family"], said["given"]),),
            birth_date=said["birth_date"],
            sex=person["sex"],
            addresses=(RawAddress((said["street"],), person["city"], said["postcode"]),),
            phones=(said["phone"],) if draw.random() < 0.7 else (),
        )
    )


def population(households: int, seed: int) -> tuple[list[Demographics], list[str]]:
    """Records and the person each is of."""
    draw = random.Random(seed)
    records, persons = [], []
    for household in range(households):
        family, city = draw.choice(FAMILIES), draw.choice(("Lewes", "Hove", "Crawley"))
        home = {
            "street": f"{draw.randrange(1, 99)} {draw.choice(STREETS)}", "postcode": f"BN{draw.randrange(1, 30)} {draw.randrange(1, 9)}{draw.choice('ABDEF')}{draw.choice('GHJL')}",
            "city": city, "phone": f"0127{draw.randrange(10**7):07}",
        }  # fmt: skip
        for member in range(draw.choice((1, 2, 2, 3, 4))):
            year = draw.randrange(1935, 1985) if member < 2 else draw.randrange(1995, 2015)
            person = home | {
                "family": family, "given": draw.choice(GIVENS), "sex": draw.choice(("male", "female")),
                "birth_date": f"{year}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}",
            }  # fmt: skip
            for _ in range(draw.choice((1, 1, 2, 2, 3))):
                records.append(_record(draw, person))
                persons.append(f"{household}.{member}")
    return records, persons
