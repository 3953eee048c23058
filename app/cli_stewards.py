"""The commands of stewards: ``weald review`` and ``explain``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from app.ingest import stewardship
from app.ingest.daily import fill
from app.ingest.judging import Explanation
from app.ingest.judging import explain as explain_pair
from app.ingest.learned import all_known
from app.ingest.lists import current_lists
from app.ingest.reviews import AUDIT
from app.principal import SYSTEM
from app.services import Services, services_from_settings
from app.settings import load_settings
from matching.records import NUMBER
from matching.waterfall import spelled

PRINTED = 120
"""Columns of a table that does not go to a terminal."""


def _services(config: Path | None) -> Services:
    return services_from_settings(load_settings(config))


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else PRINTED)


@click.group()
def review() -> None:
    """Settle doubtful links, and undo wrong ones."""


@review.command("list")
@click.pass_obj
def list_items(config: Path | None) -> None:
    """List the open review items, oldest first."""
    with _services(config).store.snapshot(SYSTEM) as snapshot:
        items = stewardship.open_items(snapshot)
    table = Table("item", "question", "weight", title=f"{len(items)} open review items")
    table.add_column("records", overflow="fold")
    for item in items:
        weight = item["evidence"].get("weight")
        table.add_row(item["key"][:12], item["kind"], "" if weight is None else f"{weight:+.1f}", "\n".join(item["records"]))
    _console().print(table)


@review.command("fill")
@click.pass_obj
def fill_items(config: Path | None) -> None:
    """Ask today's questions now: the best possible links within the budget, and the blind audit."""
    filled = fill(_services(config), SYSTEM)
    click.echo(f"Asked today: {filled.possible:,} possible links and {filled.audits:,} audits.")


@review.command("show")
@click.argument("item")
@click.pass_obj
def show_item(config: Path | None, item: str) -> None:
    """Show one review item, and the explanation of its pair."""
    services = _services(config)
    with services.store.snapshot(SYSTEM) as snapshot:
        found = stewardship.open_item(snapshot, item)
    click.echo(f"{found['kind']}: {found['reason']}\nopened {found['opened']} by {found['cause']}\nrecords {', '.join(found['records'])}")
    pair = found["evidence"].get("pair", found["records"])
    if found["kind"] == AUDIT:
        click.echo("An audit: look at the records in their sources, and at nothing that the matcher says of them.")
    elif len(pair) == 2:
        click.echo(f"Of {pair[0]} and {pair[1]}:")
        _print(explain_pair(services, SYSTEM, *pair))


def _decided(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that every decision needs."""
    for option in (
        click.option("--why", required=True, help="The reason, kept with the decision."),
        click.option("--who", required=True, envvar="USER", help="The steward; default: the user of this host."),
    ):
        command = option(command)
    return command


def _act(config: Path | None, who: str, why: str, action: str, *arguments: Any) -> None:
    decided = stewardship.act(_services(config), SYSTEM, who, why, action, *arguments)
    if decided.list_id:
        click.echo(f"The List is {decided.list_id}.")
    click.echo(f"Done. The persons are {', '.join(decided.persons)}.\nTo take it back: weald review undo {decided.provenance} --why ...")


_SUPERSEDED = click.option("--superseded", help="Of two verified NHS numbers, the one whose place the other has taken.")


@review.command()
@click.argument("first")
@click.argument("second")
@_SUPERSEDED
@_decided
@click.pass_obj
def link(config: Path | None, first: str, second: str, superseded: str | None, who: str, why: str) -> None:
    """State that two records (Patient id, or system|value) are one person."""
    _act(config, who, why, "link", first, second, superseded)


def _pair_command(name: str, help: str) -> None:
    @review.command(name, help=help)
    @click.argument("first")
    @click.argument("second")
    @_decided
    @click.pass_obj
    def command(config: Path | None, first: str, second: str, who: str, why: str) -> None:
        _act(config, who, why, name, first, second)


_pair_command("unlink", "State that two records are not one person.")
_pair_command("merge", "Join two persons (golden Patient ids).")


@review.command()
@click.argument("decision")
@click.argument("other", required=False)
@_decided
@click.pass_obj
def undo(config: Path | None, decision: str, other: str | None, who: str, why: str) -> None:
    """Take back a steward's DECISION (its Provenance id); of two records, the last decision about them."""
    _act(config, who, why, "undo", decision, *((other,) if other else ()))


@review.command()
@click.argument("person")
@click.argument("records", nargs=-1, required=True)
@_decided
@click.pass_obj
def split(config: Path | None, person: str, records: tuple[str, ...], who: str, why: str) -> None:
    """Part RECORDS from the rest of PERSON."""
    _act(config, who, why, "split", person, records)


@review.command("do-not-link")
@click.argument("records", nargs=-1, required=True)
@_decided
@click.pass_obj
def bar(config: Path | None, records: tuple[str, ...], who: str, why: str) -> None:
    """State that no two of RECORDS are ever one person: a List that the matcher obeys."""
    _act(config, who, why, "do-not-link", *records)


@review.command()
@click.argument("list_id", metavar="LIST")
@_decided
@click.pass_obj
def retire(config: Path | None, list_id: str, who: str, why: str) -> None:
    """End a do-not-link LIST (its id)."""
    _act(config, who, why, "retire", list_id)


@review.command("lists")
@click.pass_obj
def list_lists(config: Path | None) -> None:
    """List the do-not-link Lists in force, oldest first."""
    with _services(config).store.snapshot(SYSTEM) as snapshot:
        found = current_lists(snapshot)
    table = Table("list", "by", "since", title=f"{len(found)} do-not-link Lists")
    table.add_column("records", overflow="fold")
    for one in found:
        by, since, _ = one["notes"][0]
        table.add_row(one["id"], by, since[:10], "\n".join(one["records"]))
    _console().print(table)


def _settle_command(name: str, outcome: str, help: str) -> None:
    @review.command(name, help=help)
    @click.argument("item")
    @_decided
    @click.pass_obj
    def command(config: Path | None, item: str, who: str, why: str) -> None:
        _act(config, who, why, "settle", item, outcome)


@review.command()
@click.argument("item")
@_SUPERSEDED
@_decided
@click.pass_obj
def confirm(config: Path | None, item: str, superseded: str | None, who: str, why: str) -> None:
    """Answer a review item: the records are one person."""
    _act(config, who, why, "settle", item, "same", superseded)


_settle_command("reject", "different", "Answer a review item: the records are not one person.")
_settle_command("cannot-tell", "cannot-tell", "Close a review item until there is new evidence.")
_settle_command("bad-data", "bad-data", "Close a review item: the data are wrong.")


@review.command()
@click.pass_obj
def numbers(config: Path | None) -> None:
    """List the NHS numbers that are stopped, superseded, lifted or in doubt, for stewards' eyes."""
    with _services(config).store.snapshot(SYSTEM) as snapshot:
        found = all_known(snapshot)
    table = Table("NHS number", "is", "successor", "since", "by", title=f"{len(found)} NHS numbers")
    for said in found:
        table.add_row(said["number"], said["state"], said.get("successor", ""), said["at"], said["cause"])
    Console().print(table)


@review.command()
@click.argument("number")
@_decided
@click.pass_obj
def lift(config: Path | None, number: str, who: str, why: str) -> None:
    """State that a stopped NHS number is good after all."""
    _act(config, who, why, "lift", number)


@click.command()
@click.argument("first")
@click.argument("second")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.pass_obj
def explain(config: Path | None, first: str, second: str, as_json: bool) -> None:
    """Explain why two records (Patient id, or system|value) are linked or not: levels and weights, no values."""
    found = explain_pair(_services(config), SYSTEM, first, second)
    if as_json:
        click.echo(orjson.dumps(_as_json(found), option=orjson.OPT_INDENT_2).decode())
    else:
        _print(found)


def _as_json(found: Explanation) -> dict[str, Any]:
    return {
        "records": [found.a.id, found.b.id], "together": found.together, **spelled(found.why),
        "shared_keys": list(found.shared), "over_cap": list(found.over_cap), "rank": found.rank,
        "edges": [{"kind": edge.kind, "by": edge.agent, "cause": edge.cause, "grade": edge.grade, "weight": edge.weight} for edge in found.edges],
        "earlier": [
            {"kind": edge.kind, "by": edge.agent, "cause": edge.cause, "grade": edge.grade, "weight": edge.weight, "from": edge.occurred, "to": edge.closed,
             "ended_by": edge.ended_by, "why": spelled(edge.evidence["why"])}
            for edge in found.earlier
        ],
    }  # fmt: skip


def _print(found: Explanation) -> None:
    why = spelled(found.why)
    table = Table("", "level", "weight (bits)", "of that by frequency", title=f"weight {why['weight']:+.2f}, p {why['p']:.6f}: {why['grade']}")
    table.add_row("start", "", f"{why['start']:+.2f}")
    for one in why["fields"]:
        table.add_row(one["field"], f"{one['level']} {one['name']}", f"{one['weight']:+.2f}", f"{one['frequency']:+.2f}" if one["frequency"] else "")
    for rival in why["rivals"]:
        table.add_row(f"rival: {rival['rival']}", "", f"{rival['weight']:+.2f}")
    if why["cut"]:
        table.add_row("cut at the bounds", "", f"{why['cut']:+.2f}")
    _console().print(table)
    for cap in why["caps"]:
        click.echo(f"cap: {cap['rule']}: at most {cap['grade']}")
    for veto in why["vetoes"]:
        click.echo(f"veto: {veto}")
    click.echo("bounds: " + ", ".join(f"{one['grade']} from {one['weight']:+.2f}" for one in why["bounds"]) + (", calibrated" if why["calibrated"] else ""))
    for edge in found.edges:
        grade = "" if edge.weight is None else f", {edge.grade} at {edge.weight:+.2f},"
        reason = ": one verified NHS number links by itself, whatever the other fields weigh" if edge.kind == NUMBER else ""
        click.echo(f"edge: {edge.kind}{grade} by {edge.agent} ({edge.cause}){reason}")
    for edge in found.earlier:
        click.echo(f"earlier: {edge.kind}, {edge.grade} at {edge.weight:+.2f}, by {edge.agent} ({edge.cause}), from {edge.occurred} to {edge.closed} ({edge.ended_by})")
    click.echo(f"blocking keys shared: {', '.join(found.shared) or 'none'}")
    if found.over_cap:
        click.echo(f"of these in blocks too large to look at: {', '.join(found.over_cap)}")
    click.echo(f"place of the second among the candidates of the first: {found.rank or 'none'}")
    click.echo(f"They are {'one person' if found.together else 'not linked'} now.")
