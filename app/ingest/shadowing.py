"""Shadow edges: what the scored edges of the whole store would be under a model, each pair scored once, nothing changed (matching.md 9)."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from app.ingest.edges import ASSERTED, Edge, edge_from_body
from app.ingest.indexed import STEP, indexed_records
from app.ingest.linking import unpacked_record
from app.principal import SYSTEM
from app.services import Services
from app.store.contract import EDGE, RECORD, Snapshot
from app.store.walking import documents
from matching.blocking import blocking_keys
from matching.blocks import Blocks, Places
from matching.columns import Coder
from matching.linking import CONFUSION, kind_of
from matching.model import GRADES
from matching.records import MATCH, NUMBER, Candidate
from matching.scoring import Scorer
from matching.screening import Screen

KINDS = (MATCH, NUMBER)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ScoredEdges:
    """Scored edges by column: the numbers of the two records, the smaller first, in order; the place of kind and grade; the weight."""

    a: Places
    b: Places
    kind: npt.NDArray[np.int8]
    grade: npt.NDArray[np.int8]
    weight: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.a)


class _Collected:
    """Scored edges while they are collected."""

    def __init__(self) -> None:
        self._a, self._b, self._kind, self._grade, self._weight = array("q"), array("q"), array("b"), array("b"), array("d")

    def add(self, a: int, b: int, kind: str, grade: str, weight: float) -> None:
        self._a.append(min(a, b))
        self._b.append(max(a, b))
        self._kind.append(KINDS.index(kind))
        self._grade.append(GRADES.index(grade))
        self._weight.append(weight)

    def edges(self) -> ScoredEdges:
        a, b = np.array(self._a, dtype=np.int64), np.array(self._b, dtype=np.int64)
        order = np.lexsort((b, a))
        kind, grade, weight = np.array(self._kind, dtype=np.int8), np.array(self._grade, dtype=np.int8), np.array(self._weight, dtype=np.float64)
        return ScoredEdges(a[order], b[order], kind[order], grade[order], weight[order])


@dataclass(frozen=True, slots=True)
class Standing:
    """The open edges of the store: those scored, and what feeds and stewards state."""

    scored: ScoredEdges
    asserted: tuple[Edge, ...]


def standing_edges(snapshot: Snapshot, progress: Progress) -> Standing:
    """The open edges of the store."""
    scored, asserted = _Collected(), []
    for _, body in documents(snapshot, EDGE, partial(progress, "edges")):
        edge = edge_from_body(body)
        if edge.closed:
            continue
        if edge.kind in ASSERTED:
            asserted.append(edge)
        else:
            scored.add(edge.a_number, edge.b_number, edge.kind, edge.grade or GRADES[-1], edge.weight or 0.0)
    return Standing(scored.edges(), tuple(asserted))


class _Region:
    """The records of the store as the screen sees them: coded, and their keys."""

    def __init__(self) -> None:
        self._coder, self._keys, self._starts, self._numbers = Coder(), array("q"), array("q", [0]), array("q")

    def read(self, snapshot: Snapshot, progress: Progress) -> None:
        """Code all records."""
        total = snapshot.count(RECORD)
        for done, (number, packed) in enumerate(indexed_records(snapshot)):
            if done % STEP == 0:
                progress("records", done, total)
            demographics = unpacked_record(number, packed)[1].demographics
            self._coder.add(demographics)
            self._keys.extend(blocking_keys(demographics))
            self._starts.append(len(self._keys))
            self._numbers.append(number)
        progress("records", total, total)

    def screened(self, scorer: Scorer) -> tuple[Screen, Blocks, Places]:
        """The screen, the blocks and the number of each row; what they were made of is given up as they are made."""
        columns, self._coder = self._coder.columns(), Coder()
        keys, self._keys = np.array(self._keys, dtype=np.int64), array("q")
        return Screen(columns, scorer), Blocks(keys, np.array(self._starts, dtype=np.int64)), np.array(self._numbers, dtype=np.int64)


def _codes(edges: ScoredEdges, numbers: Places) -> Places:
    """The pairs of standing edges as codes of rows, in order; those of records that are no longer indexed left out."""
    i, j = (np.searchsorted(numbers, one) for one in (edges.a, edges.b))
    rows = len(numbers)
    known = (i < rows) & (j < rows)
    i, j, a, b = i[known], j[known], edges.a[known], edges.b[known]
    held = (numbers[i] == a) & (numbers[j] == b) if rows else np.zeros(0, dtype=np.bool_)
    return np.unique(i[held] * rows + j[held])


def fetched(snapshot: Snapshot, numbers: Sequence[int]) -> Iterator[tuple[str, Candidate]]:
    """(record id, Candidate) of these records."""
    for start in range(0, len(numbers), STEP):
        for number, packed in snapshot.demographics(numbers[start : start + STEP]).items():
            yield unpacked_record(number, packed)


def shadow_edges(services: Services, scorer: Scorer, standing: ScoredEdges, progress: Progress) -> ScoredEdges:
    """The scored edges that the store's records would have under ``scorer``: of all pairs in a block within the cap, and of those with an edge now."""
    region, found = _Region(), _Collected()
    with services.store.snapshot(SYSTEM) as snapshot:
        region.read(snapshot, progress)
    screen, blocks, numbers = region.screened(scorer)
    del region
    codes, rows = _codes(standing, numbers), len(numbers)
    for first, past in blocks.chunks():
        progress("pairs", first, rows)
        more = codes[np.searchsorted(codes, first * rows) : np.searchsorted(codes, past * rows)]
        i, j = blocks.pairs(first, past, more)
        kept = screen.possible(i, j)
        _score(services, scorer, numbers[i[kept]], numbers[j[kept]], found)
    progress("pairs", rows, rows)
    return found.edges()


def _score(services: Services, scorer: Scorer, a: Places, b: Places, found: _Collected) -> None:
    """Score these pairs of records and collect the edges that they make."""
    with services.store.snapshot(SYSTEM) as snapshot:
        records = {candidate.number: candidate for _, candidate in fetched(snapshot, np.unique(np.concatenate([a, b])).tolist())}
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        one, other = records.get(x), records.get(y)
        if one is None or other is None:
            continue
        scored = scorer.score(one.demographics, other.demographics)
        kind = kind_of(scored)
        if kind is not None and kind != CONFUSION:
            found.add(x, y, kind, GRADES[0] if kind == NUMBER else scored.grade, scored.weight)
