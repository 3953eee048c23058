"""The command of nightly upkeep: ``weald sweep``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from app.ingest.again import finish_pending, pending
from app.ingest.again import sweep as sweep_store
from app.ingest.lease import Lease, held
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings

ALARMED = 4
"""Exit code of a sweep that raised the alarm."""


@click.command()
@click.option("--pending", "only_pending", is_flag=True, help="Only finish the records whose search waits.")
@click.pass_obj
def sweep(config: Path | None, only_pending: bool) -> None:
    """Search again for the records that changed since the last sweep, and add the links that were missed."""
    with held(services_from_settings(load_settings(config))) as lease:
        _finish_pending(lease)
        if only_pending:
            return
        swept = sweep_store(lease.services, SYSTEM, lambda _: lease.keep())
    click.echo(f"{swept.searched:,} records searched again, {swept.added:,} edges added, of {swept.records:,} records.")
    if swept.alarm:
        click.echo("More than 1 in 10,000: the search on arrival misses too much.", err=True)
        sys.exit(ALARMED)


def _finish_pending(lease: Lease) -> None:
    with lease.services.store.snapshot(SYSTEM) as snapshot:
        waiting = len(pending(snapshot))
    with click.progressbar(length=waiting, label="Waiting records", file=sys.stderr) as bar:

        def progress(number: int) -> None:
            lease.keep()
            bar.update(number)

        done = finish_pending(lease.services, SYSTEM, progress)
    click.echo(f"{done:,} waiting records searched.")
