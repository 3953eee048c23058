"""How commands show themselves: tables on standard output, progress of long work on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

PRINTED = 120
"""Columns of a table that does not go to a terminal."""

Told = Callable[[str, int, int], None]
"""What is told of progress: the stage, how much of it is done, and of how much."""


def console() -> Console:
    """The console of standard output."""
    return Console(width=None if sys.stdout.isatty() else PRINTED)


def show_table(title: str, headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table under its title."""
    table = Table(*headers)
    for row in rows:
        table.add_row(*row)
    console().print(title, table, sep="\n", highlight=False)


@contextmanager
def progress() -> Iterator[Told]:
    """A function that shows how far each stage is; on a terminal only, and gone at the end."""
    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    error = Console(stderr=True)
    with Progress(*columns, console=error, transient=True, disable=not error.is_terminal) as bars:
        stages: dict[str, TaskID] = {}

        def told(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage.capitalize(), total=total)
            bars.update(stages[stage], completed=done, total=total)

        yield told
