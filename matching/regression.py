"""The pinned regression sets, which no training sees (matching.md 5, Collapse): judged pairs of a simulated region, and people easily taken for one."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from functools import cache
from importlib import resources
from itertools import product

from matching.demographics import Demographics, RawAddress, RawIdentifier, RawName, RecordFacts
from matching.normalise import normalise
from matching.training import Judged

SEXES = {"M": "male", "F": "female"}


def _facts(row: dict[str, str], side: str) -> RecordFacts:
    """The facts of one side of a line, its columns ``a_...`` or ``b_...``."""
    said = {name.removeprefix(side): value for name, value in row.items() if name.startswith(side)}
    system, _, value = said["id"].partition("|")
    return RecordFacts(
        names=(RawName(said["family"], said["given"], said["middle"]),),
        birth_date=said["birth_date"],
        sex=SEXES.get(said["sex"], ""),
        addresses=(RawAddress((said["street"],), said["city"], said["postcode"]),),
        phones=(said["phone"],),
        emails=(said["email"],),
        identifiers=(RawIdentifier(system, value),),
        nhs_number=said["nhs_number"],
        nhs_status=said["nhs_status"] or None,
        birth_order=said["birth_order"],
    )


@cache
def regression_set() -> tuple[Judged, ...]:
    """The judged pairs. ``tests/bench/make_regression.py`` makes the file."""
    packed = (resources.files("matching") / "data" / "regression.csv.gz").read_bytes()
    rows = csv.DictReader(gzip.decompress(packed).decode().splitlines())
    return tuple(_judged(row) for row in rows)


def _judged(row: dict[str, str]) -> Judged:
    a, b = (normalise(_facts(row, side), admit_test_numbers=True) for side in ("a_", "b_"))
    return Judged(a, b, same=row["same"] == "1")


_HOME = RecordFacts(
    birth_date="1984-05-23", sex="female", addresses=(RawAddress(("14 Oakfield Road",), "Crawley", "RH10 1AA"),), phones=("01293 412345",),
    emails=("home@example.org",), first_seen="2024-06-01",
)  # fmt: skip
_NUMBER = "4010232137"
_FAMILIES = ("Smith", "Khan", "Begum", "Nguyen", "Quillfeather")
_VERIFIED: dict[str, object] = {"nhs_number": _NUMBER, "nhs_status": "01"}
_WEAK: dict[str, object] = {"nhs_number": _NUMBER, "nhs_status": "02"}
_AWAY: dict[str, object] = {"addresses": (), "phones": (), "emails": ()}
_ELSEWHERE: dict[str, object] = {"addresses": (RawAddress(("9 Low Road",), "Hove", "BN3 1AA"),), "phones": ("01273 560777",), "emails": ()}

_HARD: tuple[tuple[tuple[str, ...], dict[str, object], tuple[str, ...], dict[str, object]], ...] = (
    (("Alice",), {}, ("Anna",), {}),
    (("Luke",), _WEAK, ("Luca",), _WEAK),
    (("Daniel",), {"sex": ""}, ("Danielle",), {"sex": ""}),
    (("Max",), {**_VERIFIED, "sex": "male"}, ("Zoe",), _VERIFIED),
    (("Zoe",), {**_VERIFIED, "birth_date": "2014-12-20"}, ("Max",), {**_VERIFIED, "birth_date": "2016-12-20", "sex": "male"}),
    (("Alice",), {**_VERIFIED, "birth_date": "2001-05-12"}, ("Zoe",), {**_VERIFIED, "birth_date": "2021-05-12", "first_seen": "2021-06-01"}),
    (("Alice",), _VERIFIED, ("Zoe",), {**_VERIFIED, "birth_date": "1951-09-27"}),
    (("",), _WEAK, ("",), _WEAK),
    (("BABYGIRL",), {"birth_date": "2024-05-12"}, ("BABYGIRL",), {"birth_date": "2024-05-12"}),
    (("TWIN1",), {"birth_date": "2024-05-12"}, ("TWIN2",), {"birth_date": "2024-05-12"}),
    (("John", "Paul"), {}, ("John", "Paul"), {"birth_date": "1954-05-23"}),
    (("John", "Paul"), {}, ("John", "Paul"), {"birth_date": "1956-11-02"}),
    (("John", "Paul"), _VERIFIED, ("John", "Paul"), {**_VERIFIED, "birth_date": "1956-11-02"}),
    (("John", "Paul", "SR"), {}, ("John", "Paul", "JR"), {"birth_date": ""}),
    (("John",), {}, ("John",), {"birth_date": "1991-11-02"}),
    (("Mary",), {}, ("Maria",), {"birth_date": "1986-02-14"}),
    (("Mary",), _AWAY, ("Mary",), {"birth_date": "1984-11-02"}),
    (("Mary",), {}, ("Mary",), _ELSEWHERE),
    (("Mary", "Ann"), {}, ("Mary", "Ann"), {**_ELSEWHERE, "birth_date": "1984-05-28"}),
)
"""Given name, middle name, suffix and what else differs from one home's, of two people: twins, siblings, mothers, fathers, babies and namesakes."""


def _person(family: str, name: tuple[str, ...], known: dict[str, object]) -> Demographics:
    given, middle, suffix = (*name, "", "")[:3]
    return normalise(replace(_HOME, names=(RawName(family, given, middle, suffix),), **known))  # type: ignore[arg-type]


@cache
def hard_set() -> tuple[Judged, ...]:
    """Pairs of two people each, alike in what has led to wrong links: a model under which one of these is certain is refused."""
    return tuple(
        Judged(_person(family, one, known), _person(family, other, more), same=False) for family, (one, known, other, more) in product(_FAMILIES, _HARD)
    )
