"""All blocks of many records at once, and the pairs in them, each once (relink; matching.md 9)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from matching.blocking import BLOCK_CAP, is_no_key
from matching.learning import MOST_RECORDS_OF_A_VALUE

Places = npt.NDArray[np.int64]

PAIRS_AT_ONCE = 1_000_000


class Blocks:
    """The blocks that records' keys make; ``keys[starts[i]:starts[i + 1]]`` are those of row i. Blocks over ``cap`` hold no pair.

    ``sizes``: the size of each block, by ``keys``: its key.
    """

    def __init__(self, keys: Places, starts: Places, cap: int = BLOCK_CAP) -> None:
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(keys) else np.empty(0, dtype=np.int64)
        self.keys, self.sizes = ordered[begins], np.diff(np.append(begins, len(keys)))
        del ordered
        width = np.int32 if len(keys) < np.iinfo(np.int32).max else np.int64
        order = order.astype(width)
        self._rows = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))[order]
        searched = self.sizes <= cap
        doubtful = np.flatnonzero(searched & (self.sizes > MOST_RECORDS_OF_A_VALUE)).tolist()
        searched[[place for place in doubtful if is_no_key(int(self.keys[place]), int(self.sizes[place]))]] = False
        self._begins = np.empty(len(keys), dtype=width)
        self._begins[order] = np.arange(1, len(keys) + 1, dtype=width)
        left = np.repeat(np.where(searched, begins + self.sizes, 0).astype(width), self.sizes) - np.arange(1, len(keys) + 1, dtype=width)
        self._counts = np.empty(len(keys), dtype=width)
        self._counts[order] = np.maximum(left, 0)
        self._starts = starts

    def chunks(self, most: int = PAIRS_AT_ONCE) -> Iterator[tuple[int, int]]:
        """Runs of rows (first, past the last), each of about ``most`` pairs before what they share twice is taken out."""
        behind = np.append(0, np.cumsum(self._counts, dtype=np.int64))[self._starts]
        first, rows = 0, len(self._starts) - 1
        while first < rows:
            past = max(int(np.searchsorted(behind, behind[first] + most, side="right")) - 1, first + 1)
            yield first, past
            first = past

    def pairs(self, first: int, past: int, more: Places | None = None) -> tuple[Places, Places]:
        """The pairs (i, j) of those rows i with all rows j > i that share a block, and ``more`` codes i * rows + j, each once, in order."""
        rows = len(self._starts) - 1
        held = slice(int(self._starts[first]), int(self._starts[past]))
        counts = self._counts[held].astype(np.int64)
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        within = np.arange(total) - np.repeat(ends - counts, counts)
        i = np.repeat(np.repeat(np.arange(first, past), np.diff(self._starts[first : past + 1])), counts)
        codes = i * rows + self._rows[np.repeat(self._begins[held], counts) + within]
        every = distinct(codes if more is None else np.concatenate([codes, more]))
        return np.divmod(every, max(rows, 1))


def distinct(codes: Places) -> Places:
    """Each code once, in order; by sorting alone, which for millions is several times faster than ``np.unique``, a hash table first."""
    ordered = np.sort(codes)
    first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return ordered[first]


def connected_rows(rows: int, a: Places, b: Places) -> Places:
    """Of each row the smallest row that the pairs (a, b) connect it with."""
    labels = np.arange(rows)
    while True:
        low = np.minimum(labels[a], labels[b])
        found = labels.copy()
        np.minimum.at(found, a, low)
        np.minimum.at(found, b, low)
        found = np.minimum(found, found[found])
        if np.array_equal(found, labels):
            return labels
        labels = found
