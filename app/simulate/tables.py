"""The truth behind a region, as tables: whose each record is, how hard it is, and what it says at the end."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from app.simulate.records import Record

SEVERAL = 2


class Rows(Protocol):
    """A csv writer, as far as it is used here."""

    def writerow(self, row: Iterable[str], /) -> object: ...

    def writerows(self, rows: Iterable[Iterable[str]], /) -> None: ...


SLIP_CLASSES = {"name": "name-error", "birth": "birth-date-error", "home": "address-error", "number": "number-error"}
COLUMNS = (
    "id", "nhs_number", "nhs_status", "family", "given", "middle", "birth_date", "sex", "street", "city", "postcode", "phone",
    "email", "birth_order",
)  # fmt: skip


def classes(record: Record) -> list[str]:
    """The difficulties of a record, sorted: the person's, the record's own and those of what it says."""
    found = record.person.classes | record.classes
    if len(record.person.homes) > 1:
        found = found | {"moved"}
    if record.silent:
        return sorted(found | {"header-only"})
    found = found | _silences(record) | {SLIP_CLASSES[slip] for slip in record.slips if slip in SLIP_CLASSES}
    return sorted(found | {"several-errors"} if len(record.slips) >= SEVERAL else found)


def _silences(record: Record) -> set[str]:
    view = record.held
    if view is None or view.number.value:
        return set()
    reachable = view.phone or view.mobile or view.home.postcode
    return {"no-nhs-number"} if reachable else {"no-nhs-number", "thin"}


def row(record: Record) -> tuple[str, ...]:
    """A record's row in records.csv: the roles of ``weald link``."""
    view = record.held
    if view is None or record.silent:
        return (record.key, *[""] * (len(COLUMNS) - 1))
    birth = view.birth.date if not view.birth.quality else ""
    return (
        record.key, view.number.value, view.number.status, view.name.family, view.name.given, view.name.middle, birth, view.sex,
        view.home.line, view.home.town, view.home.postcode, view.phone or view.mobile, view.email,
        str(record.person.birth_order or "") if record.order_known else "",
    )  # fmt: skip


class Tables:
    """Writes truth.csv (id,cluster), classes.csv (id,class) and records.csv into a folder."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        self.truth = self._open("truth.csv", ("id", "cluster"))
        self.classes = self._open("classes.csv", ("id", "class"))
        self.records = self._open("records.csv", COLUMNS)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stack.close()

    def _open(self, name: str, columns: tuple[str, ...]) -> Rows:
        file = self.stack.enter_context((self.out / name).open("w", encoding="utf-8", newline=""))
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        return writer

    def write(self, record: Record) -> None:
        """A record's rows in all three."""
        self.truth.writerow((record.key, record.person.cluster))
        self.classes.writerows((record.key, found) for found in classes(record))
        self.records.writerow(row(record))
