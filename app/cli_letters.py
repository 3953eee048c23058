"""The commands of what was refused: ``weald dead-letters`` and ``weald replay``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from app.ingest import letters
from app.ingest.letters import Letter
from app.ingest.replaying import Replayed
from app.ingest.replaying import replay as replay_letters
from app.principal import SYSTEM
from app.services import Services, services_from_settings
from app.settings import load_settings
from app.terminal import show_table
from mappers.hl7v2.conformance import report

REFUSED_AGAIN = 3
"""Exit code where some were not replayed."""

_NUMBER = click.IntRange(1)
_WHO = click.option("--who", required=True, envvar="USER", help="The operator; default: the user of this host.")


def _services(config: Path | None) -> Services:
    return services_from_settings(load_settings(config))


@click.group("dead-letters")
def dead_letters() -> None:
    """Look after what was refused and kept."""


@dead_letters.command("list")
@click.option("--state", type=click.Choice([*letters.STATES, "all"]), default=letters.OPEN, show_default=True)
@click.option("--source", help="Only those of this feed.")
@click.pass_obj
def list_letters(config: Path | None, state: str, source: str | None) -> None:
    """List what was refused, oldest first."""
    with _services(config).store.snapshot(SYSTEM) as snapshot:
        found = letters.letters(snapshot, letters.STATES if state == "all" else (state,), source)
    rows = [(str(one.number), one.head["source"], _answer(one.head), f"{one.head['received'][:19]}Z", *_states(one, state), _reason(one)) for one in found]
    headers = ("number", "source", "answer", "received", *(("state",) if state == "all" else ()), "reason")
    show_table(f"{len(found)} dead letters" if state == "all" else f"{len(found)} {state} dead letters", headers, rows)


def _states(letter: Letter, state: str) -> tuple[str, ...]:
    return (letter.head["state"],) if state == "all" else ()


def _answer(head: Mapping[str, Any]) -> str:
    return f"{head['answer']} {head['code']}" if "answer" in head else "file"


def _reason(letter: Letter) -> str:
    return f"{letter.head['name']}: {letter.head['reason']}" if letter.is_file else str(letter.head["reason"])


@dead_letters.command("show")
@click.argument("number", type=_NUMBER)
@click.option("--bytes", "as_bytes", is_flag=True, help="Print its bytes and nothing else: they hold patient data.")
@click.option("--out", type=click.Path(path_type=Path, exists=False, dir_okay=False), help="Write its bytes to this new file, for your eyes alone.")
@click.pass_obj
def show(config: Path | None, number: int, as_bytes: bool, out: Path | None) -> None:
    """Explain one, with hl7apy's conformance report."""
    with _services(config).store.snapshot(SYSTEM) as snapshot:
        letter = letters.letter(snapshot, number)
    if as_bytes:
        sys.stdout.buffer.write(letter.raw)
        return
    _explain(letter)
    if out is not None:
        _write(out, letter.raw)
        click.echo(f"{len(letter.raw):,} bytes written to {out}")


def _explain(letter: Letter) -> None:
    head = letter.head
    where = f" at {head['location']}" if head.get("location") else ""
    click.echo(f"{_answer(head)}{where}: {_reason(letter)}")
    kept = "all kept" if letter.is_whole else f"{len(letter.raw):,} kept"
    click.echo(f"{head['source'] or 'no source'}, {head['received']}, {head.get('size', len(letter.raw)):,} bytes, {kept}, {head['state']}")
    if "last_attempt" in head:
        tried = head["last_attempt"]
        click.echo(f"replayed {head['attempts']} times; last at {tried['at']} by {tried['by']}: {tried['reason']}")
    if "settled" in head:
        settled = head["settled"]
        click.echo(f"{head['state']} at {settled['at']} by {settled['by']}{': ' + settled['why'] if 'why' in settled else ''}")
    for line in report(letter.raw) if letter.raw.startswith(b"MSH") else ():
        click.echo(f"  {line}")


def _write(out: Path, raw: bytes) -> None:
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.FileError(str(out), error.strerror) from None
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(raw)


@dead_letters.command("close")
@click.argument("numbers", nargs=-1, required=True, type=_NUMBER)
@click.option("--why", required=True, help="The reason, kept with each of them.")
@_WHO
@click.pass_obj
def close(config: Path | None, numbers: tuple[int, ...], who: str, why: str) -> None:
    """Take NUMBERS off the list: they are put right elsewhere. They stay in the store."""
    letters.settle(_services(config), SYSTEM, numbers, letters.CLOSED, by=who, why=why)
    click.echo(f"{len(numbers)} closed.")


def _replayed(config: Path | None, who: str, numbers: Sequence[int], source: str | None) -> None:
    services = _services(config)
    with services.store.snapshot(SYSTEM) as snapshot:
        waiting = len(numbers) or len(letters.letters(snapshot, source=source))
    with click.progressbar(length=waiting, label="Replaying", file=sys.stderr) as bar:
        found = replay_letters(services, SYSTEM, who, numbers, source, bar.update)
    _told(found, click.echo)
    sys.exit(0 if all(one.outcome == "replayed" for one in found) else REFUSED_AGAIN)


def _told(found: Sequence[Replayed], tell: Callable[[str], None]) -> None:
    for one in found:
        if one.outcome != "replayed":
            tell(f"{one.number} {one.outcome}: {one.reason}")
    tell(f"{sum(one.outcome == 'replayed' for one in found):,} of {len(found):,} replayed.")


@dead_letters.command("replay")
@click.argument("numbers", nargs=-1, required=True, type=_NUMBER)
@_WHO
@click.pass_obj
def replay_numbers(config: Path | None, numbers: tuple[int, ...], who: str) -> None:
    """Send NUMBERS through their own door again."""
    _replayed(config, who, numbers, None)


@click.command()
@click.option("--source", help="Only those of this feed.")
@_WHO
@click.pass_obj
def replay(config: Path | None, source: str | None, who: str) -> None:
    """Send all open dead letters through their own door again, in the order in which they came."""
    _replayed(config, who, (), source)
