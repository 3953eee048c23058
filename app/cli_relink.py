"""The matcher's commands over the whole store: ``weald relink`` and ``weald report``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from app.ingest.relinking import Deriver, Difference, apply_shadow, check_changes, difference, read_region
from app.ingest.reporting import DRIFTED, SAMPLED, matching_report
from app.ingest.shadowing import ScoredEdges, Standing, shadow_edges, standing_edges
from app.models import read_model
from app.principal import SYSTEM
from app.reports import write_report
from app.services import Services, services_from_settings
from app.settings import load_settings
from app.shadows import read_shadow, shadow_path, write_shadow
from app.terminal import Told, progress, show_table
from matching.scoring import Scorer

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--model", "model_file", type=FILE, help="The model to relink under; without it the one in force.")
@click.option("--dry-run/--apply", default=True, show_default=True, help="Only tell the difference, or make it so.")
@click.option("--max-changes", type=click.IntRange(0), help="How many persons may change; without it one in a thousand.")
@click.option("--work", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Where the scores are kept until they are applied; default: beside the store.")
@click.pass_obj
def relink(config: Path | None, model_file: Path | None, dry_run: bool, max_changes: int | None, work: Path | None) -> None:
    """Derive every link again, and tell what would change before anything does."""
    services = services_from_settings(load_settings(config))
    in_force = services.scorer.model.id
    if model_file:
        services = replace(services, scorer=Scorer(read_model(model_file)))
    path = shadow_path(work or services.settings.beside_store, services.scorer.model.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with progress() as told:
        with services.store.snapshot(SYSTEM) as snapshot:
            region, standing = read_region(snapshot, told), standing_edges(snapshot, told)
        shadow = _shadow(services, standing, path, told, anew=dry_run)
        deriver = Deriver(services, services.scorer, region, shadow, standing.asserted)
        found = difference(region, deriver, standing, shadow, deriver.groups(told))
    _show_difference(found, services.scorer.model.id)
    if dry_run:
        return
    check_changes(found, max_changes)
    with progress() as told:
        done = apply_shadow(services, found, shadow, told)
    path.unlink(missing_ok=True)
    click.echo(f"{done:,} components brought up to date.")
    if services.scorer.model.id != in_force:
        click.echo("The setting matching.model names another model: set it to this one and start the listeners again.")


def _shadow(services: Services, standing: Standing, path: Path, told: Told, *, anew: bool) -> ScoredEdges:
    """The shadow edges: those of the last dry run under this model where they are to be applied, else made anew and kept."""
    kept = None if anew else read_shadow(path, services.scorer.model.id)
    if kept is not None:
        click.echo(f"The scores are those of {kept[0]}.")
        return kept[1]
    made = shadow_edges(services, services.scorer, standing.scored, told)
    write_shadow(path, services.scorer.model.id, services.now(), made)
    return made


def _show_difference(found: Difference, model: str) -> None:
    rows = [
        ("records", found.records), ("persons now", found.persons), ("persons then", found.persons_then), ("persons changed", found.changed),
        ("persons split", found.split), ("persons joined", found.joined), ("links won", found.links_won), ("links lost", found.links_lost),
        ("components to bring up to date", found.components),
    ]  # fmt: skip
    show_table(f"Relink under model {model[:12]}", ("", "count"), [(name, f"{count:,}") for name, count in rows])
    show_table("Pairs by grade", ("now", "then", "pairs"), [(*move, f"{count:,}") for move, count in sorted(found.moves.items())])
    for said, examples in (("split", found.examples_split), ("joined", found.examples_joined)):
        if examples:
            click.echo(f"Persons {said}, for example: {', '.join(examples)}")


@click.group()
def report() -> None:
    """Write what Weald knows of itself."""


@report.command("matching")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="The folder of the report.")
@click.option("--sample", type=click.IntRange(1), default=SAMPLED, show_default=True, help="Records drawn at random, whose candidates are weighed.")
@click.pass_obj
def matching(config: Path | None, out: Path, sample: int) -> None:
    """Report links, doubts, blocks, drift and subgroups: a page, drawings, JSON and metrics lines."""
    services = services_from_settings(load_settings(config))
    with progress() as told:
        found = matching_report(services, sample=sample, progress=told)
    written = write_report(out, found)
    rows = [("records", f"{found.records:,}"), ("persons", f"{found.persons:,}"), ("records linked", f"{found.linked:,}")]
    rows += [(f"suspect: {one.reason}", f"{one.persons:,}") for one in found.suspicions]
    rows += [(f"drift of {one.field}", f"{one.bits:+.2f} bits") for one in found.drifts if abs(one.bits) >= DRIFTED]
    show_table("Matching", ("", ""), rows)
    click.echo(f"Written to {written[0]} and {len(written) - 1} files beside it.")
