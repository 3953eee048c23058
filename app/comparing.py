"""Scored pairs in files against a truth in a file (matching.md 12): which rows of which file say what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

from app.errors import InvalidValue
from app.tables import Table, column, columns_map, read_table, unquoted
from matching.clustering import connected
from matching.evaluation import Evaluation, PairScore, Truth, evaluate, truth_from_clusters, truth_from_pairs
from matching.records import MATCH, Edge
from matching.tables import guess_columns

LEFT, RIGHT = "left:", "right:"
"""How ids of two tables are told apart where some are equal, as ``weald link`` does in its clusters."""


@dataclass(frozen=True, slots=True)
class Measured:
    """An evaluation, and what it was of."""

    found: Evaluation
    bound: float
    scored: int
    records: int


def _number(table: Table, cell: str, name: str) -> float:
    try:
        found = float(cell)
    except ValueError:
        found = nan
    if not isfinite(found):
        raise InvalidValue(f"{table.path}: column {name} must hold numbers.")
    return found


def _named(x: str, y: str, apart: bool) -> tuple[str, str]:
    return (LEFT + x, RIGHT + y) if apart else (x, y)


def _scores(table: Table, apart: bool) -> list[PairScore]:
    found = []
    for x, y, weight, p, grade in column(table, "left_id", "right_id", "weight", "p", "grade"):
        left, right = _named(unquoted(x), unquoted(y), apart)
        found.append(PairScore(left, right, _number(table, weight, "weight"), _number(table, p, "p"), grade))
    return found


def _truth(table: Table, apart: bool, said: Callable[[str], str]) -> Truth:
    """The truth of a file left_id,right_id or id,cluster, ids as they are ``said`` by the pairs. InvalidValue where it is neither."""
    if {"left_id", "right_id"} <= set(table.headers):
        return truth_from_pairs(_named(said(x), said(y), apart) for x, y in column(table, "left_id", "right_id"))
    if {"id", "cluster"} <= set(table.headers):
        return truth_from_clusters({said(key): name for key, name in columns_map(table, "id", "cluster").items()})
    raise InvalidValue(f"{table.path}: the truth has the columns left_id and right_id, or id and cluster.")


def _check_distinct(pairs: Sequence[PairScore], truth: Truth) -> None:
    """InvalidValue where an id is paired with itself: then left and right are two tables."""
    if any(one.left == one.right for one in pairs) or any(x == y for x, y in truth.pairs):
        raise InvalidValue("A pair has the same id twice; if left and right are two tables of which some ids are equal, say --apart.")


def _groups(table: Table, said: Callable[[str], str]) -> Mapping[str, str]:
    roles = dict(guess_columns(table.headers))
    if not {"id", "group"} <= roles.keys():
        raise InvalidValue(f"{table.path}: it needs a column for the id and one called group.")
    return {said(key): group for key, group in columns_map(table, roles["id"], roles["group"]).items()}


def _clusters(path: Path | None, pairs: Sequence[PairScore], bound: float, keys: set[str]) -> list[tuple[str, ...]]:
    """The clusters of a file, else those that the pairs at the bound connect."""
    if path is None:
        edges = [Edge(MATCH, one.left, one.right) for one in pairs if one.p >= bound]
        return connected(keys, edges)
    members: dict[str, list[str]] = {}
    for key, cluster in column(read_table(path), "id", "cluster"):
        members.setdefault(cluster, []).append(unquoted(key))
    if any(key.startswith((LEFT, RIGHT)) for found in members.values() for key in found) and not any(key.startswith((LEFT, RIGHT)) for key in keys):
        raise InvalidValue(f"{path}: its ids say {LEFT} and {RIGHT}, those of the pairs do not; left and right are two tables of which some ids are equal, so say --apart.")
    return [tuple(found) for found in members.values()]


def evaluate_files(pairs: Path, truth: Path, *, clusters: Path | None, groups: Path | None, bound: float, apart: bool) -> Measured:
    """All measures of section 12 of these files. ``apart``: left and right ids are of two tables."""
    given = read_table(pairs)
    ids = {unquoted(cell) for cells in column(given, "left_id", "right_id") for cell in cells}

    def said(cell: str) -> str:
        """The id of a cell of another file: as it is where the pairs have it, else without the quote that keeps a spreadsheet from running it."""
        return cell if cell in ids else unquoted(cell)

    scored, known = _scores(given, apart), _truth(read_table(truth), apart, said)
    _check_distinct(scored, known)
    keys = {key for one in scored for key in (one.left, one.right)} | set(known.clusters)
    joined = _clusters(clusters, scored, bound, keys)
    records = max(len(keys), sum(map(len, joined)))
    of_group = _groups(read_table(groups), said) if groups else {}
    if apart:
        of_group = {side + key: group for key, group in of_group.items() for side in (LEFT, RIGHT)}
    return Measured(evaluate(scored, known, bound=bound, records=records, clusters=joined, groups=of_group), bound, len(scored), records)
