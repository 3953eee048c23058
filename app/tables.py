"""Plain tables as files: read with every fault named by its line, written so that no spreadsheet runs a cell (matching.md 12)."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from app.errors import InvalidValue
from app.outputs import written
from matching.tables import Columns, Row, UnusableColumns, check_columns, columns_from_text, date_from_text, guess_columns, row_from_values

DELIMITERS = (",", ";", "\t", "|")
FORMULA = "=+-@\t\r"
"""How a cell begins that a spreadsheet takes for a formula (security.md, CSV formulas)."""
QUOTE = "'"
_LARGEST_CELL = 1 << 20
_LISTED = 12
_SHOWN = 40
"""Characters of an id that an error shows."""
_ONE_DAY = date(1987, 3, 21)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as read: its file, its headers, its lines by header, and where in the file each of these ends."""

    path: Path
    headers: tuple[str, ...]
    lines: tuple[Mapping[str, str], ...]
    numbers: tuple[int, ...]


def _delimiter(header: str) -> str:
    """The one of comma, semicolon, tab and bar that the header line has most of."""
    counts = Counter(header)
    return max(DELIMITERS, key=lambda one: (counts[one], -DELIMITERS.index(one)))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise InvalidValue(f"{path} is not UTF-8 at byte {error.start:,}; save it as CSV in UTF-8.") from None


def _checked_headers(path: Path, headers: Sequence[str]) -> tuple[str, ...]:
    names = tuple(header.strip() for header in headers)
    doubled = sorted(name for name, count in Counter(names).items() if count > 1 and name)
    if not any(names):
        raise InvalidValue(f"{path} has no header line.")
    if doubled:
        raise InvalidValue(f"{path}: two columns are called {doubled[0]}.")
    return names


def _lines(path: Path, headers: Sequence[str], rows: Iterable[tuple[int, list[str]]]) -> Iterator[tuple[int, dict[str, str]]]:
    for number, cells in rows:
        if not any(cells):
            continue
        if len(cells) != len(headers):
            raise InvalidValue(f"{path}, line {number:,}: {len(cells)} cells where the header has {len(headers)}.")
        yield number, dict(zip(headers, cells, strict=True))


def check_date_format(date_format: str) -> None:
    """InvalidValue where ``--date-format`` does not tell a day from another."""
    try:
        told = not date_format or date_from_text(_ONE_DAY.strftime(date_format), date_format) == _ONE_DAY.isoformat()
    except ValueError:
        told = False
    if not told:
        raise InvalidValue("--date-format: it must have day, month and year as strptime has them, such as %d/%m/%Y, %m/%d/%Y or %Y%m%d.")


def read_table(path: Path) -> Table:
    """The table of a CSV file (comma, semicolon, tab or bar; UTF-8). InvalidValue, with the line, where it is none."""
    text = _text(path)
    if "\0" in text:
        raise InvalidValue(f"{path}, line {text.count(chr(10), 0, text.index(chr(0))) + 1:,}: it has a NUL character.")
    head, _, _ = text.partition("\n")
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(head), strict=True)
    try:
        headers = _checked_headers(path, next(reader, ()))
        lines = tuple(_lines(path, headers, ((reader.line_num, cells) for cells in reader)))
    except csv.Error as error:
        raise InvalidValue(f"{path}, line {reader.line_num:,}: it is not CSV ({error}).") from None
    return Table(path, headers, tuple(line for _, line in lines), tuple(number for number, _ in lines))


def columns_of(table: Table, given: str | None) -> Columns:
    """The roles of the table's columns: of those given the ones that it has, else guessed. InvalidValue where they cannot be used.

    A role may be given several columns, so that one map serves two tables whose headers differ.
    """
    try:
        columns = tuple(one for one in columns_from_text(given) if one[1] in table.headers) if given is not None else guess_columns(table.headers)
        check_columns(columns, table.headers)
    except UnusableColumns as error:
        listed = ", ".join(table.headers[:_LISTED])
        raise InvalidValue(f"{table.path}: {error}. Its columns are {listed}{', ...' if len(table.headers) > _LISTED else ''}; say --columns role=column,...") from None
    return columns


def check_given(given: str | None, tables: Iterable[Table]) -> None:
    """InvalidValue where a column of ``--columns`` is in none of the tables, or the text is no column map."""
    if given is None:
        return
    headers = {header for table in tables for header in table.headers}
    try:
        missing = sorted({column for _, column in columns_from_text(given)} - headers)
    except UnusableColumns as error:
        raise InvalidValue(f"--columns: {error}.") from None
    if missing:
        raise InvalidValue(f"--columns: no table has a column {', '.join(missing)}.")


def rows_of(table: Table, columns: Columns, date_format: str) -> list[Row]:
    """The rows as the matcher takes them. InvalidValue where one has no id, or two have the same."""
    rows = [row_from_values(line, columns, date_format=date_format) for line in table.lines]
    for row, number in zip(rows, table.numbers, strict=True):
        if not row.id:
            raise InvalidValue(f"{table.path}, line {number:,}: a row has no id.")
    _check_apart(table, "id", [row.id for row in rows])
    return rows


def _check_apart(table: Table, name: str, keys: Sequence[str]) -> None:
    """InvalidValue, with the lines, where two rows have the same key."""
    first: dict[str, int] = {}
    for key, number in zip(keys, table.numbers, strict=True):
        if first.setdefault(key, number) != number:
            shown = key if len(key) <= _SHOWN else f"{key[:_SHOWN]}..."
            raise InvalidValue(f"{table.path}, line {number:,}: two rows have the same {name}, {shown!r}; the other is on line {first[key]:,}.")


def column(table: Table, *names: str) -> list[tuple[str, ...]]:
    """The cells of these columns, row by row. InvalidValue where the table lacks one."""
    missing = [name for name in names if name not in table.headers]
    if missing:
        raise InvalidValue(f"{table.path} has no column {', '.join(missing)}.")
    return [tuple(line[name].strip() for name in names) for line in table.lines]


def columns_map(table: Table, key: str, value: str) -> dict[str, str]:
    """The cells of one column by those of another. InvalidValue where the table lacks one, or two rows have one key."""
    keys, values = column(table, key), column(table, value)
    _check_apart(table, key, [one for (one,) in keys])
    return {one: other for (one,), (other,) in zip(keys, values, strict=True)}


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def quoted(cell: str) -> str:
    """The cell with a quote before what a spreadsheet would take for a formula; numbers as they are."""
    begins = cell.lstrip(QUOTE)
    return QUOTE + cell if begins and begins[0] in FORMULA and not _is_number(cell) else cell


def unquoted(cell: str) -> str:
    """The cell that ``quoted`` made this of."""
    return cell[1:] if cell[:1] == QUOTE and quoted(cell[1:]) == cell else cell


def write_rows(path: Path, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    """Write a CSV file of these rows; returns how many there were."""
    count = 0
    with written(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(headers)
        for count, row in enumerate(rows, 1):  # noqa: B007 - the last count is the answer
            writer.writerow([quoted(cell) for cell in row])
    return count
