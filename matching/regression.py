"""The pinned regression set: judged pairs of a simulated region that no training sees (matching.md 5, Collapse)."""

from __future__ import annotations

import csv
import gzip
from functools import cache
from importlib import resources

from matching.demographics import RawAddress, RawIdentifier, RawName, RecordFacts
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
