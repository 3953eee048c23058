"""A whole region written to a folder: feeds, archives, the truth and the difficulties, household by household."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from app.errors import InvalidValue
from app.simulate import cast
from app.simulate.archive import Archive, archive
from app.simulate.draw import Draw
from app.simulate.households import households
from app.simulate.numbers import nhs_numbers
from app.simulate.people import Household
from app.simulate.records import Record, Registry, spoken
from app.simulate.spool import Spool
from app.simulate.studies import Department
from app.simulate.tables import Tables
from app.simulate.timeline import Message, lives
from app.simulate.trusts import TRUSTS

MOST_PEOPLE = 5_000_000
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Summary:
    """What was written."""

    people: int
    records: int
    messages: int
    studies: int
    instances: int


def run(
    people: int,
    studies: int,
    seed: int,
    out: Path,
    *,
    dicom: str = "files",
    instances: str = "full",
    progress: Progress | None = None,
) -> Summary:
    """Write a region of ``people`` persons and ``studies`` studies to the folder ``out``; the same seed, the same bytes.

    ``dicom`` is files, zip, json or none; ``instances`` full or small; ``progress`` is told (people done, people).
    Raises InvalidValue where an argument is out of range or ``out`` holds something already.
    """
    _check(people, studies, instances, out)
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out, prefix=".spool-") as folder, ExitStack() as stack:
        spool = Spool(Path(folder), people * 7)
        tables = stack.enter_context(Tables(out))
        archives = {ods: stack.enter_context(closing(archive(dicom, out / ods))) for ods in TRUSTS}
        writer = _Writer(spool, tables, archives, Department(seed, small=instances == "small"))
        done = 0
        for household, records in _population(people, studies, seed):
            writer.write(household, records)
            done += len(household.people)
            if progress:
                progress(done, people)
        messages = spool.write(out)
    return Summary(people, writer.records, messages, writer.studies, writer.instances)


def _check(people: int, studies: int, instances: str, out: Path) -> None:
    if not 1 <= people <= MOST_PEOPLE:
        raise InvalidValue(f"--people takes a number from 1 to {MOST_PEOPLE}")
    if studies < 0:
        raise InvalidValue("--studies takes a number from 0")
    if instances not in ("full", "small"):
        raise InvalidValue("--instances takes full or small")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidValue("--out takes a new or empty folder")


class _Writer:
    """Carries one household after another to the files."""

    def __init__(self, spool: Spool, tables: Tables, archives: dict[str, Archive], department: Department) -> None:
        self.spool = spool
        self.tables = tables
        self.archives = archives
        self.department = department
        self.records = self.studies = self.instances = 0

    def write(self, household: Household, records: list[Record]) -> None:
        """Write what the records of a household bring forth."""
        for happening in lives(records, household.draw):
            if isinstance(happening, Message):
                self.spool.add(happening)
            else:
                study = self.department.study(happening, household.draw)
                self.instances += self.archives[happening.record.trust.ods].save(study)
                self.studies += 1
        for record in spoken(records):
            self.tables.write(record)
            self.records += 1


def _population(people: int, studies: int, seed: int) -> Iterator[tuple[Household, list[Record]]]:
    """Each household with its records, the cast first where there is room for it."""
    number = nhs_numbers(seed).__next__
    registry = Registry()
    if people >= cast.PEOPLE and studies >= cast.STUDIES:
        household, records = cast.household(seed, number, registry)
        people -= cast.PEOPLE
        studies -= cast.STUDIES
        yield household, records
    shares = _shares(people, studies, seed)
    first = 0
    for household in households(seed, people, number):
        _allot(household, sum(shares[first : first + len(household.people)]))
        first += len(household.people)
        yield household, registry.records(household)


def _shares(people: int, studies: int, seed: int) -> array[int]:
    """How many studies fall to each place in the population; a third of the places draw most of them."""
    draw = Draw(seed, "studies")
    shares = array("I", bytes(4 * people))
    for _ in range(studies if people else 0):
        place = draw.below(people)
        shares[place - place % 3 if draw.chance(0.5) else place] += 1
    return shares


def _allot(household: Household, studies: int) -> None:
    """Share a household's studies among its people, the old getting more."""
    for _ in range(studies):
        ages = [5 + min(person.age, 80) for person in household.people]
        place = household.draw.below(sum(ages))
        for person, age in zip(household.people, ages, strict=True):
            place -= age
            if place < 0:
                person.studies += 1
                break
