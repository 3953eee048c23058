"""The first start of the sample region: loaded through the front doors, then shown."""

from __future__ import annotations

import csv
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import click

from app.ingest.firstload import FirstLoad, end_first_load
from app.ingest.load import Loader, Report
from app.mllp.client import send
from app.principal import SYSTEM
from app.services import Services, services_from_settings
from app.settings import Listener, Settings, masked_store
from mappers.hl7v2.er7 import split_batch

SHOWN = "alice"
"""The person of the sample region whom the printed lines show."""

NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"


def welcome(settings: Settings, due: FirstLoad, region: Path | None) -> None:
    """Load the region, if that is due, and print where to go from here."""
    if region is not None and due is not FirstLoad.NONE:
        _load(settings, region, due)
    click.echo(f"\nWeald listens. Store: {masked_store(settings.store)}")
    listeners = settings.listeners
    if listeners.http:
        base = f"{'https' if settings.http_has_tls else 'http'}://{listeners.http}"
        click.echo(f"  FHIR     {base}/fhir   ({base}/fhir/metadata)\n  health   {base}/health/ready\n  metrics  {base}/metrics")
    if listeners.mllp:
        click.echo(f"  HL7 v2   MLLP on {listeners.mllp}")
    if region is not None and listeners.http:
        _show(region, f"http://{listeners.http}/fhir")
    click.echo("Stop with Ctrl-C.")
    sys.stdout.flush()


def _load(settings: Settings, region: Path, due: FirstLoad) -> None:
    """Each trust's feed over its own MLLP connection, all at once; then each archive by the loader; then the store is told that all is in it.

    After a load that was broken off, all is sent again: what is known is answered AA and changes nothing.
    """
    began = time.monotonic()
    services = services_from_settings(settings)
    feeds = sorted(region.glob("*/adt*.hl7"))
    if due is FirstLoad.AGAIN:
        click.echo("The first load was broken off; it is made again from the beginning.")
    if settings.listeners.mllp:
        click.echo(f"First start: sending {len(feeds)} trusts' ADT feeds over MLLP ...")
        with ThreadPoolExecutor(len(feeds) or 1) as pool:
            counts = list(pool.map(lambda path: _send(settings.listeners.mllp, path), feeds))
        click.echo(f"  {sum(sent for sent, _ in counts):,} messages, {sum(taken for _, taken in counts):,} acknowledged AA")
    else:
        click.echo("First start: loading the trusts' ADT feeds from their files, since MLLP is off ...")
        Loader(services, SYSTEM).load(feeds)
    click.echo("Loading the trusts' archives ...")
    reports = [_load_archive(services, path) for path in sorted(region.glob("*/dicom*"))]
    end_first_load(services.store)
    services.store.close()
    taken, studies = sum(report.accepted + report.unchanged for report in reports), len(set().union(*(report.studies for report in reports)))
    click.echo(f"  {taken:,} instances of {studies:,} studies, {sum(len(report.rejected) for report in reports)} rejected")
    click.echo(f"The sample region is loaded ({time.monotonic() - began:.0f} s).")


def _load_archive(services: Services, path: Path) -> Report:
    return Loader(services, SYSTEM, f"{path.parent.name}-PACS").load([path])


def _send(listener: Listener | None, path: Path) -> tuple[int, int]:
    assert listener is not None  # noqa: S101  (called only where the listener is on)
    messages = split_batch(path.read_bytes())
    answers = send(listener.host, listener.port, messages)
    return len(messages), sum(b"MSA|AA" in answer.acknowledgement for answer in answers)


def _show(region: Path, base: str) -> None:
    """Three questions about one person, asked in three trusts' words."""
    with (region / "truth.csv").open(encoding="utf-8", newline="") as stream:
        keys = [row["id"] for row in csv.DictReader(stream) if row["cluster"] == SHOWN]
    with (region / "records.csv").open(encoding="utf-8", newline="") as stream:
        numbers = {row["id"]: row["nhs_number"] for row in csv.DictReader(stream) if row["id"] in keys}
    if not keys:
        return
    number = next(value for value in numbers.values() if value)
    without = next(key for key, value in numbers.items() if not value)
    click.echo("\nAlice has been imaged at four trusts, each with its own number for her; the record of one has no NHS number.\nAll her studies, newest first, by the first trust's number:")
    click.echo(f"  curl -s '{base}/ImagingStudy?patient.identifier={quote(keys[0], safe=':/|')}&_summary=true&_pretty=true'")
    click.echo("by her NHS number (each hit that came over a link says which):")
    click.echo(f"  curl -s '{base}/ImagingStudy?patient.identifier={NHS_NUMBER}|{number}&_summary=true&_pretty=true'")
    click.echo("and by the number of the trust that has no NHS number for her, with where to retrieve each study:")
    click.echo(f"  curl -s '{base}/ImagingStudy?patient.identifier={quote(without, safe=':/|')}&_include=ImagingStudy:endpoint&_summary=true&_pretty=true'\n")
