"""Pairs of a table that share a blocking key, found in memory: for training and plain tables (matching.md 3, 5)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matching.blocking import blocking_texts
from matching.comparisons import Vector, compare
from matching.demographics import Demographics

Indices = npt.NDArray[np.int64]
Progress = Callable[[str, int, int], None]

FILE_CAP = 250
LARGE_FILE = 20_000
LARGE_FILE_CAP = 50
STEP = 20_000


def no_progress(stage: str, done: int, total: int) -> None:
    """A Progress that nobody watches."""


@dataclass(frozen=True)
class Sample:
    """Records and the candidate pairs among them: rows ``first`` < ``second``, ``families``: places of each family's pairs.

    ``total``: how many pairs the candidates were found among. ``left``: how many records stand first and are paired with
    the others only; 0 where all are paired with all. ``vectors`` are the distinct ones, ``vector`` the place of each pair's.
    """

    records: Sequence[Demographics]
    first: Indices
    second: Indices
    families: Mapping[str, Indices]
    total: float
    left: int
    vectors: tuple[Vector, ...]
    vector: Indices


def file_cap(count: int) -> int:
    """The greatest block of a file of that many records that is searched."""
    return FILE_CAP if count <= LARGE_FILE else LARGE_FILE_CAP


def _block_pairs(members: list[int], left: int) -> Indices:
    """Row codes (2 x n) of the pairs in one block."""
    if left:
        low, high = [i for i in members if i < left], [i for i in members if i >= left]
        return np.array([np.repeat(low, len(high)), np.tile(high, len(low))], dtype=np.int64)
    rows = np.array(members, dtype=np.int64)
    upper = np.triu_indices(len(rows), 1)
    return np.array([rows[upper[0]], rows[upper[1]]])


def _family_codes(blocks: Mapping[str, list[int]], count: int, cap: int, left: int) -> Indices:
    """The distinct pairs of one family's blocks within the cap, as first * count + second."""
    found = [_block_pairs(members, left) for members in blocks.values() if 1 < len(members) <= cap]
    if not found:
        return np.empty(0, dtype=np.int64)
    first, second = np.concatenate(found, axis=1)
    return np.unique(first * count + second)


def _blocks(records: Sequence[Demographics]) -> dict[str, dict[str, list[int]]]:
    """Record places by family (each identifier system one of its own) and text."""
    blocks: dict[str, dict[str, list[int]]] = {}
    for place, record in enumerate(records):
        for family, text in dict.fromkeys(blocking_texts(record, files=True)):
            name = "id:" + text.split("|", 1)[0] if family == "id" else family
            blocks.setdefault(name, {}).setdefault(text, []).append(place)
    return blocks


def compared(
    records: Sequence[Demographics], first: Indices, second: Indices, progress: Progress = no_progress, stage: str = "comparing"
) -> tuple[tuple[Vector, ...], Indices]:
    """The distinct vectors of the pairs, and the place of each pair's vector among them."""
    known: dict[Vector, int] = {}
    places = np.empty(len(first), dtype=np.int64)
    for done, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        if done % STEP == 0:
            progress(stage, done, len(first))
        vector = compare(records[i], records[j])
        places[done] = known.setdefault(vector, len(known))
    progress(stage, len(first), len(first))
    return tuple(known), places


def sample(records: Sequence[Demographics], *, left: int = 0, cap: int | None = None, progress: Progress = no_progress) -> Sample:
    """The candidate pairs of a table, by blocks of at most ``cap`` records, compared."""
    count = len(records)
    codes = {
        family: _family_codes(blocks, count, cap or file_cap(count), left) for family, blocks in sorted(_blocks(records).items())
    }
    every = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *codes.values()]))
    first, second = np.divmod(every, max(count, 1))
    vectors, vector = compared(records, first, second, progress)
    return Sample(
        records=records,
        first=first,
        second=second,
        families={family: np.searchsorted(every, found) for family, found in codes.items()},
        total=float(left * (count - left) if left else count * (count - 1) // 2),
        left=left,
        vectors=vectors,
        vector=vector,
    )


def sample_of_pairs(
    records: Sequence[Demographics], pairs: Mapping[tuple[int, int], Collection[str]], total: float, *, progress: Progress = no_progress
) -> Sample:
    """The Sample of pairs found elsewhere: the key families that found each; ``total`` pairs they were found among."""
    rows: dict[str, list[tuple[int, int]]] = {}
    for pair in sorted(pairs):
        for family in pairs[pair]:
            rows.setdefault(family, []).append(pair)
    return sample_of_rows(records, {family: np.array(found, dtype=np.int64).T for family, found in rows.items()}, total, progress=progress)


def sample_of_rows(records: Sequence[Demographics], rows: Mapping[str, Indices], total: float, *, progress: Progress = no_progress) -> Sample:
    """The Sample of pairs found in a live store: by family the rows (2 x n) of the pairs that it found, in any order, any number of times."""
    count = len(records)
    codes = {family: np.unique(found.min(axis=0) * count + found.max(axis=0)) for family, found in sorted(rows.items())}
    every = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *codes.values()]))
    first, second = np.divmod(every, max(count, 1))
    vectors, vector = compared(records, first, second, progress)
    return Sample(
        records=records,
        first=first,
        second=second,
        families={family: np.searchsorted(every, found) for family, found in codes.items()},
        total=total,
        left=0,
        vectors=vectors,
        vector=vector,
    )


def random_pairs(count: int, left: int, wanted: int, seed: int) -> tuple[Indices, Indices]:
    """Rows of ``wanted`` random pairs, all pairs where there are no more; the same for the same seed."""
    total = left * (count - left) if left else count * (count - 1) // 2
    if total <= wanted:
        if left:
            return np.repeat(np.arange(left), count - left), np.tile(np.arange(left, count), left)
        first, second = np.triu_indices(count, 1)
        return first.astype(np.int64), second.astype(np.int64)
    draw = np.random.default_rng(seed)
    if left:
        return draw.integers(0, left, wanted), draw.integers(left, count, wanted)
    first, second = draw.integers(0, count, wanted), draw.integers(0, count - 1, wanted)
    return first, second + (second >= first)
