"""The command ``weald``."""

from __future__ import annotations

import os
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.errors import WealdError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from app.ingest.load import Report
    from app.services import Services
    from app.settings import Settings

REJECTED = 3
"""Exit code where some of what was given was rejected."""


ELSEWHERE = {
    "review": "app.cli_stewards", "explain": "app.cli_stewards", "dead-letters": "app.cli_letters", "replay": "app.cli_letters",
    "link": "app.cli_matching", "evaluate": "app.cli_matching", "train": "app.cli_matching",
    "relink": "app.cli_relink", "report": "app.cli_relink", "sweep": "app.cli_upkeep",
}  # fmt: skip
"""Commands by the module that has them, imported when asked for, so that the others start fast."""


class Commands(click.Group):
    """The commands of this module and those that are elsewhere."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in order."""
        return sorted([*super().list_commands(ctx), *ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        found: click.Command = getattr(import_module(ELSEWHERE[cmd_name]), cmd_name.replace("-", "_"))
        return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=click.Path(path_type=Path), envvar="WEALD_CONFIG", help="The settings file (WEALD_CONFIG).")
@click.version_option(package_name="weald")
@click.pass_context
def weald(context: click.Context, config: Path | None) -> None:
    """Weald: a regional imaging index and patient linker."""
    context.obj = config


def _settings(config: Path | None) -> Settings:
    from app.settings import load_settings

    return load_settings(config)


def _services(config: Path | None) -> Services:
    from app.ingest.configured import save_configured
    from app.services import services_from_settings

    services = services_from_settings(_settings(config))
    save_configured(services)
    return services


@weald.command()
@click.option("--sample-region", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Load this region through the front doors at the first start; again where that was broken off.")
@click.pass_obj
def serve(config: Path | None, sample_region: Path | None) -> None:
    """Start the listeners: HTTP and MLLP."""
    from app.serve import serve as run

    sys.exit(run(_settings(config), config, partial(begin, config, sample_region)))


def begin(config: Path | None, sample_region: Path | None, parent: Connection) -> None:
    """The first steps of ``serve``, as ``app.serve.serve`` has them: the store is prepared, the region loaded where that is due, and a welcome said."""
    from app.ingest.firstload import FirstLoad, begin_first_load
    from app.sample import welcome

    try:
        services = _services(config)
        due = begin_first_load(services.store) if sample_region else FirstLoad.NONE
        services.store.close()
    except WealdError as error:
        parent.send(error)
        return
    parent.send(None)
    if _listens(parent):
        welcome(services.settings, due, sample_region)


def _listens(parent: Connection) -> bool:
    """Whether it is said that all listen; False where the start came to nothing."""
    try:
        return bool(parent.recv())
    except EOFError:
        return False


@weald.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--source", help="The archive (its code in the settings) that the DICOM files belong to.")
@click.pass_obj
def load(config: Path | None, paths: tuple[Path, ...], source: str | None) -> None:
    """Load DICOM, DICOM JSON and HL7 v2 from files, folders and zips."""
    from app.ingest.load import Loader, count
    from app.principal import SYSTEM

    loader = Loader(_services(config), SYSTEM, source)
    with click.progressbar(length=count(paths), label="Loading", file=sys.stderr) as bar:
        report = loader.load(paths, lambda: bar.update(1))
    _show(report)
    sys.exit(REJECTED if report.rejected else 0)


def _show(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    for one in report.rejected:
        click.echo(f"rejected: {one.name}: {one.reason}")
    table = Table("", "count", title="Load")
    for name, number in (
        ("accepted", report.accepted), ("unchanged", report.unchanged), ("rejected", len(report.rejected)), ("studies touched", len(report.studies)),
    ):  # fmt: skip
        table.add_row(name, f"{number:,}")
    Console().print(table)


@weald.command()
@click.option("--people", type=click.IntRange(1), default=300, show_default=True)
@click.option("--studies", type=click.IntRange(0), default=700, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--dicom", type=click.Choice(["files", "zip", "json", "none"]), default="files", show_default=True)
@click.option("--instances", type=click.Choice(["full", "small"]), default="full", show_default=True)
def simulate(people: int, studies: int, seed: int, out: Path, dicom: str, instances: str) -> None:
    """Write a synthetic region: ADT feeds, archives, and the truth behind them."""
    from app.simulate import run

    with click.progressbar(length=people, label="Simulating", file=sys.stderr) as bar:
        run(people, studies, seed, out, dicom=dicom, instances=instances, progress=lambda done, _: bar.update(done - bar.pos))
    click.echo(f"Written to {out}.")


@weald.group()
def config() -> None:
    """Explain the settings."""


@config.command()
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def check(default: Path | None, path: Path | None) -> None:
    """Say whether a settings file is right, and what it means."""
    settings = _settings(path or default)
    click.echo(f"The settings are right: {settings.mode} mode, store {settings.store.partition('://')[0]}.")
    for name, listener in (("HTTP", settings.listeners.http), ("MLLP", settings.listeners.mllp)):
        click.echo(f"  {name} {f'listens on {listener}' if listener else 'is off'}")
    click.echo(f"  DICOM {'is not served by this version; images come by weald load' if settings.listeners.dicom else 'is off'}")
    for ods, trust in settings.organisations.items():
        click.echo(f"  {ods} {trust.name}")
        for code, feed in settings.sources.items():
            if feed.organisation == ods:
                click.echo(f"    feed {code}: MSH-3 {feed.msh3}, MSH-4 {feed.msh4}; identifiers without authority are {feed.default_authority or 'refused'}")
        for code, archive in settings.archives.items():
            if archive.organisation == ods:
                titles = ", ".join(archive.ae_titles) or "none"
                click.echo(f"    archive {code}: AE titles {titles}; {archive.dicomweb_base or 'no DICOMweb'}; PatientIDs without issuer are {archive.default_authority or 'its own'}")


@config.command()
@click.pass_obj
def show(default: Path | None) -> None:
    """Print every setting in force, secrets masked."""
    from app.settings import explain

    click.echo(explain(_settings(default)))


def main() -> None:
    """Run the command; a refusal is a sentence on standard error and exit code 2."""
    _open_standard_streams()
    try:
        weald()
    except WealdError as error:
        click.echo(f"weald: {error.text}", err=True)
        sys.exit(2)


def _open_standard_streams() -> None:
    """Give a command that was started without standard input, output or error the null device there.

    Else the next file or socket that is opened would take that place, and be written what is printed.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free number, which is this one
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - as long as the process lives
