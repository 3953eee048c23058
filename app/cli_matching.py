"""The matcher's commands: ``weald link`` and ``evaluate`` on plain tables, ``train`` on the store."""

from __future__ import annotations

from collections import Counter
from math import isnan
from pathlib import Path
from typing import Any

import click

from app.comparing import Measured, evaluate_files
from app.errors import BusinessRule, InvalidValue
from app.ingest.judging import StoreQuality, evaluate_store
from app.ingest.labels import calibrate_on_store
from app.ingest.training import SEARCHED, train_on_store
from app.models import read_file, read_model, write_model
from app.outputs import check_apart
from app.principal import SYSTEM
from app.services import Services, matching_model, services_from_settings
from app.settings import load_settings
from app.tables import Table, check_date_format, check_given, column, columns_map, columns_of, read_table, rows_of, unquoted, write_rows
from app.terminal import progress, show_table
from matching.evaluation import BOUND, ClusterQuality, Evaluation, Quality
from matching.linkage import THRESHOLD, Linked, compared_fields, row_of_pair, source_pair
from matching.linkage import link as link_rows
from matching.model import GRADES, Model, UnusableModel, default_model
from matching.regression import hard_set, regression_set
from matching.splink import import_splink
from matching.tables import Columns, Row, read_dates

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
NEW_FILE = click.Path(path_type=Path, dir_okay=False)


class _Probability(click.FloatRange):
    """A number above 0, up to 1. The range alone takes NaN, which is neither below nor above it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found: float = super().convert(value, param, ctx)
        return self.fail("it is not a number.", param, ctx) if isnan(found) else found


PROBABILITY = _Probability(0, 1, min_open=True)


def _services(config: Path | None) -> Services:
    return services_from_settings(load_settings(config))


def _shown(table: Table, columns: Columns, date_format: str) -> None:
    """Say how a table's columns are taken, and of how many rows the birth date is not."""
    unused = sorted(set(table.headers) - {name for _, name in columns})
    click.echo(f"{table.path}: {len(table.lines):,} rows; " + ",".join(f"{role}={name}" for role, name in columns))
    if unused:
        click.echo(f"  not used: {', '.join(unused)}")
    dates = read_dates(table.lines, columns, date_format)
    if dates.unread:
        click.echo(f"{table.path}: {dates.unread:,} of {dates.given:,} birth dates cannot be read and count as missing; say --date-format.", err=True)
    if dates.placeholder:
        click.echo(f"{table.path}: {dates.placeholder:,} of {dates.given:,} birth dates are placeholders, such as 1900-01-01, and count as missing.", err=True)
    if dates.month_first:
        click.echo(f"{table.path}: {dates.month_first:,} of {dates.given:,} birth dates have a month above 12; perhaps --date-format %m/%d/%Y.", err=True)


def _asked_pairs(path: Path, left: list[Row], right: list[Row] | None) -> list[tuple[str, str]]:
    """The pairs of a file left_id,right_id. InvalidValue where an id is in no table."""
    lefts, rights = {row.id for row in left}, {row.id for row in (left if right is None else right)}
    found = []
    for number, (x, y) in enumerate(column(read_table(path), "left_id", "right_id"), 1):
        asked = x if x in lefts else unquoted(x), y if y in rights else unquoted(y)
        if asked[0] not in lefts or asked[1] not in rights:
            raise InvalidValue(f"{path}: pair {number:,} has an id that its table has not.")
        if right is None and asked[0] == asked[1]:
            raise InvalidValue(f"{path}: pair {number:,} is of a row and itself.")
        found.append(asked)
    return found


@click.command()
@click.option("--left", type=FILE, required=True, help="A CSV file with a header line, in UTF-8.")
@click.option("--right", type=FILE, help="Another; without it LEFT is de-duplicated.")
@click.option("--columns", help="role=column,... of both tables; guessed from the headers without it.")
@click.option("--out", type=NEW_FILE, required=True, help="The pairs found, as CSV.")
@click.option("--clusters", type=NEW_FILE, help="The persons found, as CSV id,cluster.")
@click.option("--threshold", type=PROBABILITY, default=THRESHOLD, show_default=True, help="The least probability that joins rows of a cluster.")
@click.option("--one-to-one", "one_to_one", is_flag=True, help="Use each row once, best pairs first.")
@click.option("--date-format", default="", help="As strptime has it, such as %m/%d/%Y; day first without it.")
@click.option("--model", "model_file", type=FILE, help="Score under this model; without it one is trained on the tables.")
@click.option("--shipped-model", is_flag=True, help="Score under the model that ships with Weald: for tables too small to learn from.")
@click.option("--save-model", type=NEW_FILE, help="Keep the model that was trained.")
@click.option("--all-pairs", is_flag=True, help="Write all pairs that were compared, whatever their grade, so that `weald evaluate` sees them.")
@click.option("--pairs", "pairs_file", type=FILE, help="Score exactly these pairs, a CSV file left_id,right_id.")
@click.option("--seed", type=int, default=0, show_default=True)
def link(
    left: Path, right: Path | None, columns: str | None, out: Path, clusters: Path | None, threshold: float, one_to_one: bool, date_format: str,
    model_file: Path | None, shipped_model: bool, save_model: Path | None, all_pairs: bool, pairs_file: Path | None, seed: int,
) -> None:  # fmt: skip
    """Link the rows of plain tables, without a server and without labels."""
    if model_file and shipped_model:
        raise click.UsageError("--model and --shipped-model are two models; give one.")
    check_apart(read=(left, right, model_file, pairs_file), written={"--out": out, "--clusters": clusters, "--save-model": save_model})
    check_date_format(date_format)
    tables = [read_table(path) for path in (left, right) if path is not None]
    check_given(columns, tables)
    roles = [columns_of(table, columns) for table in tables]
    for table, found in zip(tables, roles, strict=True):
        _shown(table, found, date_format)
    rows = [rows_of(table, found, date_format) for table, found in zip(tables, roles, strict=True)]
    second = rows[1] if right is not None else None
    asked = _asked_pairs(pairs_file, rows[0], second) if pairs_file else None
    model = read_model(model_file) if model_file else default_model() if shipped_model else None
    with progress() as told:
        linked = link_rows(rows[0], second, model=model, pairs=asked, threshold=threshold, one_to_one_only=one_to_one, whole=all_pairs, seed=seed, progress=told)
    _write(linked, out, clusters)
    if save_model:
        write_model(save_model, linked.model.document, linked.model.table())
    _say(linked, [len(one) for one in rows], out)


def _write(linked: Linked, out: Path, clusters: Path | None) -> None:
    fields = compared_fields(linked.model)
    headers = ["left_id", "right_id", "p", "weight", "grade", *(f"{name}_{part}" for name in fields for part in ("level", "weight"))]
    write_rows(out, headers, (list(row_of_pair(pair, fields).values()) for pair in linked.pairs))
    if clusters:
        write_rows(clusters, ["id", "cluster"], ((key, str(number)) for number, keys in enumerate(linked.clusters, 1) for key in keys))


def _by_sources(linked: Linked) -> list[tuple[str, str]]:
    """How many of the pairs written are of each two sources, where the tables name them."""
    if not any(linked.sources):
        return []
    found = Counter(" and ".join(sorted(one or "no source" for one in source_pair(pair, linked.sources))) for pair in linked.pairs)
    return [(f"pairs of {names}", f"{count:,}") for names, count in sorted(found.items())]


def _say(linked: Linked, sizes: list[int], out: Path) -> None:
    grades = Counter(pair.scored.grade for pair in linked.pairs)
    several = [keys for keys in linked.clusters if len(keys) > 1]
    rows = [("rows", " and ".join(f"{size:,}" for size in sizes)), ("candidate pairs compared", f"{linked.candidates:,}")]
    if linked.trained:
        rows.append(("pairs of one person expected", f"{linked.model.training['expected_matches']:,.0f}"))
    rows += [(f"pairs {grade}", f"{grades[grade]:,}") for grade in GRADES if grades[grade] or grade != GRADES[-1]]
    rows += _by_sources(linked)
    rows += [("clusters of several rows", f"{len(several):,}"), ("largest cluster", f"{max(map(len, several), default=1):,}"), ("model", linked.model.id[:12])]
    show_table(f"{len(linked.pairs):,} pairs written to {out}", ("", "count"), rows)
    if linked.apart:
        click.echo(
            "The two tables have equal ids: clusters call them left:… and right:…, and `weald evaluate` tells the tables apart with --apart.", err=True
        )
    if linked.trained and linked.trained.refusals:
        click.echo(f"The training is doubtful: {'; '.join(linked.trained.refusals)}. Look at the pairs before you use them.", err=True)
    if linked.trained and linked.trained.defaulted:
        click.echo(f"Too little to learn from, so taken from the shipped model: {', '.join(linked.trained.defaulted)}.", err=True)


@click.command()
@click.option("--truth", type=FILE, required=True, help="CSV left_id,right_id or id,cluster; with the store: id = system|value.")
@click.option("--pairs", type=FILE, help="The pairs that `weald link` wrote; without it the persons in the store are judged.")
@click.option("--clusters", type=FILE, help="The clusters that `weald link` wrote; without it the pairs at the threshold make them.")
@click.option("--groups", type=FILE, help="A table with columns for id and group, to compare the recall of groups.")
@click.option("--threshold", type=PROBABILITY, default=BOUND, show_default=True)
@click.option("--apart", is_flag=True, help="Left and right are two tables of which some ids are equal.")
@click.pass_obj
def evaluate(config: Path | None, truth: Path, pairs: Path | None, clusters: Path | None, groups: Path | None, threshold: float, apart: bool) -> None:
    """Compare pairs, or the persons in the store, with a known truth."""
    if pairs is not None:
        _show_evaluation(evaluate_files(pairs, truth, clusters=clusters, groups=groups, bound=threshold, apart=apart))
        return
    if clusters is not None or groups is not None or apart:
        raise InvalidValue("--clusters, --groups and --apart go with --pairs.")
    known = columns_map(read_table(truth), "id", "cluster")
    _show_store_quality(evaluate_store(_services(config), SYSTEM, known), len(known))


def _quality(name: str, found: Quality) -> list[tuple[str, str]]:
    return [(f"{name}: precision", f"{found.precision:.6f}"), (f"{name}: recall", f"{found.recall:.6f}"), (f"{name}: F1", f"{found.f1:.6f}")]


def _clusters(found: ClusterQuality, name: str, prefix: str = "") -> list[tuple[str, str]]:
    return [
        *_quality(f"{prefix}pairs", found.pairs), *_quality(f"{prefix}B-cubed", found.b_cubed),
        (f"{name}s that join several", f"{found.over_merged:,}"), (f"largest {name} (truth)", f"{found.largest:,} ({found.true_largest:,})"),
    ]  # fmt: skip


def _show_store_quality(found: StoreQuality, known: int) -> None:
    title = f"{found.records:,} records of {known:,} ({found.absent:,} not in the store)"
    show_table(title, ("measure", "value"), _clusters(found.quality, "person"))


def _show_evaluation(measured: Measured) -> None:
    found, bound = measured.found, measured.bound
    rows = [
        *_quality(f"pairs at p {bound:g}", found.at_bound), *_quality(f"pairs at their best weight {found.best_weight:+.2f}", found.best),
        ("true pairs among those given (block recall)", f"{found.block_recall:.6f}"),
        *((f"recall at precision {precision:g}", f"{recall:.6f}") for precision, recall in found.recall_at.items()),
        ("true pairs above 99.9 % of the others given (auto-link share)", f"{found.auto_share:.6f}"),
        ("pairs to review per record", f"{found.review_per_record:.6f}"),
        *(_clusters(found.clusters, "cluster", "clusters: ") if found.clusters else ()),
    ]  # fmt: skip
    show_table(f"{measured.scored:,} pairs; {found.true_pairs:,} true pairs; {measured.records:,} records", ("measure", "value"), rows)
    _show_calibration(found)
    if found.groups:
        show_table(
            "Recall by group of the true pairs that touch it, and its gap to that of all others, each with its 95 % interval",
            ("group", "true pairs", "recall", "from", "to", "gap", "from", "to"),
            [
                (one.group, f"{one.pairs:,}", f"{one.recall:.4f}", f"{one.low:.4f}", f"{one.high:.4f}", f"{one.gap:+.4f}", f"{one.gap_low:+.4f}", f"{one.gap_high:+.4f}")
                for one in found.groups
            ],
        )  # fmt: skip


def _show_calibration(found: Evaluation) -> None:
    show_table(
        "Calibration: of the pairs of a probability, how many are true", ("p from", "to", "pairs", "mean p", "true"),
        [(f"{one.least:g}", f"{one.most:g}", f"{one.pairs:,}", f"{one.mean_p:.4f}", f"{one.true_share:.4f}") for one in found.calibration],
    )  # fmt: skip


@click.command()
@click.option("--out", type=NEW_FILE, required=True, help="The model file; the setting matching.model names it.")
@click.option("--import", "splink", type=FILE, help="Take a Splink settings file over instead of learning from the store.")
@click.option("--calibrate", "calibrating", is_flag=True, help="Keep the weights in force, and learn from stewards' answers how probable each weight is.")
@click.option("--records", type=click.IntRange(1), default=SEARCHED, show_default=True, help="Records drawn at random, with all their candidates.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.pass_obj
def train(config: Path | None, out: Path, splink: Path | None, calibrating: bool, records: int, seed: int) -> None:
    """Learn a model from the store's records, without labels."""
    if splink is not None and calibrating:
        raise click.UsageError("--import and --calibrate are two ways to make a model; give one.")
    if calibrating:
        _calibrate(_services(config), out)
        return
    if splink is not None:
        _import(read_file(splink), matching_model(load_settings(config)), out)
        return
    with progress() as told:
        trained = train_on_store(_services(config), seed=seed, searched=records, progress=told)
    if trained.refusals:
        raise BusinessRule(f"The training is refused, the model in force stays: {'; '.join(trained.refusals)}.")
    write_model(out, trained.document, trained.frequencies)
    _show_model(trained.model(), out)
    for said, names in (("Key families without enough matches", trained.dropped), ("Fields that keep the shipped weights", trained.defaulted)):
        if names:
            click.echo(f"{said}: {', '.join(names)}.")


def _calibrate(services: Services, out: Path) -> None:
    """Write the model in force with what stewards' answers say of its weights."""
    found, model = calibrate_on_store(services), services.scorer.model
    write_model(out, found.document, model.table())
    click.echo(f"Written to {out}, from {found.labels:,} answers of stewards: {found.same:,} same, {found.labels - found.same:,} different.")
    click.echo(f"Audits: {found.audits:,} links, {found.wrong:,} wrong; the share of wrong links is at most {found.wrong_limit:.2%} (95 %).")
    certain = "at no weight" if found.certain_from is None else f"from a weight of {found.certain_from:+.2f}"
    click.echo(f"Links are certain {certain}; it was {services.scorer.weight_bounds[0]:+.2f} by the formula. `weald relink --model {out}` tells what would change.")


def _import(settings: bytes, ours: Model, out: Path) -> None:
    """Write the model of a Splink settings file, and say what of it was taken."""
    try:
        imported = import_splink(settings, ours, (*regression_set(), *hard_set()))
    except UnusableModel as error:
        raise InvalidValue(f"--import: {error}.") from None
    if imported.refusals:
        raise BusinessRule(f"The import is refused, the model in force stays: {'; '.join(imported.refusals)}.")
    write_model(out, imported.document, imported.frequencies)
    click.echo(f"Written to {out}.")
    click.echo(f"Taken over: {', '.join(imported.mapped) or 'nothing'}.")
    click.echo(f"Not mapped, ours stays: {', '.join(imported.unmapped) or 'nothing'}.")


def _show_model(model: Model, out: Path) -> None:
    """Print what was learned: sizes, and m, u and weight of agreement of each field."""
    facts = model.training
    sizes = [("records", f"{model.population:,}"), ("candidate pairs", f"{facts['candidate_pairs']:,}"), ("pairs of one person among them, expected", f"{facts['expected_matches']:,.0f}")]
    sizes += [(f"rival {name}, times a match", f"{size / model.lambda_match:.4f}") for name, size in model.rivals.items()]
    show_table(f"Model {model.id[:12]} written to {out}", ("", ""), sizes)
    show_table(
        "Agreement", ("field", "m", "u", "weight (bits)"),
        [(name, f"{levels[0].m:.4f}", f"{levels[0].u:.3g}", f"{levels[0].weight:+.2f}") for name, levels in model.fields.items()],
    )  # fmt: skip
