"""What the matcher knows of itself: counts of links, doubts and blocks, by source and subgroup, and how far its model has drifted. No values."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import log2, sqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from app.ingest.edges import ASSERTED, Edge, edge_from_body
from app.ingest.indexed import STEP, indexed_records
from app.ingest.linking import find_candidates, unpacked_record
from app.ingest.records import record_from_body
from app.principal import SYSTEM
from app.services import Services
from app.store.contract import EDGE, RECORD, REVIEW, Snapshot
from app.store.walking import documents
from matching.blocking import BLOCK_CAP, FAMILIES, blocking_keys, family_of
from matching.blocks import Blocks
from matching.caps import vetoes
from matching.comparisons import FIELDS
from matching.model import GRADES, Model

Progress = Callable[[str, int, int], None]
Ints = npt.NDArray[np.int64]

SAMPLED = 2_000
LEAST_GROUP = 10
"""Records of a subgroup below which it is not shown by itself."""
OTHERS = "others"
UNKNOWN = "not known"
AGES = ((1, "under 1"), (18, "1 to 17"), (40, "18 to 39"), (65, "40 to 64"), (85, "65 to 84"), (200, "85 and over"))
MANY_RECORDS = 10
DRIFTED = 1.0
"""Bits of drift at which a field is named."""
LEAST_PAIRS = 100
"""Links that fill a field, below which its drift says nothing."""
EXAMPLES = 10
Z = 1.959964


class Share(NamedTuple):
    """Of a group's records, how many are linked to another and how many are asked about; the interval (95 %) of the share linked."""

    kind: str
    group: str
    records: int
    linked: int
    asked: int
    low: float
    high: float


class Drift(NamedTuple):
    """A field among the links that the matcher made: how often it agrees, how often the model says it should, and the log2 of their ratio."""

    field: str
    pairs: int
    agreeing: float
    m: float
    bits: float


class BlockSizes(NamedTuple):
    """The blocks of a key family: how many, of how many records on the mean, the largest, and those over the cap."""

    family: str
    blocks: int
    mean: float
    largest: int
    over_cap: int


class Suspicion(NamedTuple):
    """Persons that may be two: why, how many, some of their ids."""

    reason: str
    persons: int
    examples: tuple[str, ...]


@dataclass(frozen=True)
class MatchingReport:
    """The report. ``sampled`` and ``stored``: pairs by whole bits of weight, of a sample's candidates and of the open edges."""

    at: str
    model: str
    records: int
    persons: int
    linked: int
    pending: int
    edges: Mapping[tuple[str, str], int]
    other_models: int
    reviews: Mapping[tuple[str, str], int]
    sample: int
    sampled: Mapping[int, int]
    vetoed: Mapping[str, int]
    stored: Mapping[int, int]
    bounds: tuple[float, ...]
    shares: tuple[Share, ...]
    drifts: tuple[Drift, ...]
    blocks: tuple[BlockSizes, ...]
    suspicions: tuple[Suspicion, ...]


class _Codes:
    """Texts of a column by number."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}
        self._codes = array("i")

    def add(self, text: str) -> None:
        self._codes.append(self.texts.setdefault(text, len(self.texts)))

    def codes(self) -> Ints:
        return np.array(self._codes, dtype=np.int64)


@dataclass
class _People:
    """The active records by column."""

    columns: dict[str, _Codes] = field(default_factory=lambda: {name: _Codes() for name in ("person", "source", "sex", "age", "ethnic category")})
    years: array[int] = field(default_factory=lambda: array("i"))
    ids: list[str] = field(default_factory=list)
    pending: int = 0

    def read(self, snapshot: Snapshot, year: int, progress: Progress) -> None:
        """Read all records."""
        for _, body in documents(snapshot, RECORD, partial(progress, "records")):
            record = record_from_body(body)
            if record.active:
                self._add(record.id, record.person, record.organisation, record.state.value, year)
                self.pending += record.pending

    def _add(self, id: str, person: str, organisation: str, value: Callable[[str], Any], year: int) -> None:
        born = str((value("birthDate") or {}).get("value", ""))[:4]
        coding = ((value("ethnicCategory") or {}).get("coding") or [{}])[0]
        said = {
            "person": person, "source": organisation, "sex": (value("gender") or {}).get("value", "") or UNKNOWN, "age": age_band(born, year),
            "ethnic category": coding.get("display") or coding.get("code") or UNKNOWN,
        }  # fmt: skip
        for name, text in said.items():
            self.columns[name].add(text)
        self.years.append(int(born) if born.isdigit() else 0)
        self.ids.append(id)


def age_band(born: str, year: int) -> str:
    """The age band of a year of birth in that year."""
    if not born.isdigit():
        return UNKNOWN
    age = year - int(born)
    return next((name for bound, name in AGES if age < bound), AGES[-1][1])


def wilson(count: int, total: int) -> tuple[float, float]:
    """The 95 % interval (Wilson) of a share."""
    if not total:
        return 0.0, 1.0
    share, square = count / total, Z * Z / total
    middle, half = share + square / 2, Z * sqrt(share * (1 - share) / total + square / (4 * total))
    return (middle - half) / (1 + square), (middle + half) / (1 + square)


def _shares(people: _People, linked: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> Iterable[Share]:
    """Shares by source and by subgroup; groups of few records together."""
    yield _share("all", "all", linked, asked)
    for kind in ("source", "age", "sex", "ethnic category"):
        column = people.columns[kind]
        codes = column.codes()
        sizes = np.bincount(codes, minlength=len(column.texts))
        small = np.isin(codes, np.flatnonzero(sizes < LEAST_GROUP))
        for name, code in sorted(column.texts.items()):
            if sizes[code] >= LEAST_GROUP:
                inside = codes == code
                yield _share(kind, name, linked[inside], asked[inside])
        if small.any():
            yield _share(kind, OTHERS, linked[small], asked[small])


def _share(kind: str, name: str, linked: npt.NDArray[np.bool_], asked: npt.NDArray[np.bool_]) -> Share:
    low, high = wilson(int(linked.sum()), len(linked))
    return Share(kind, name, len(linked), int(linked.sum()), int(asked.sum()), low, high)


def _suspicions(people: _People) -> tuple[Suspicion, ...]:
    """Why persons may be two people: what their records disagree in."""
    persons, names = people.columns["person"].codes(), list(people.columns["person"].texts)
    count = len(names)
    sexes = {text: code for text, code in people.columns["sex"].texts.items() if text in ("male", "female")}
    sex, years, source = people.columns["sex"].codes(), np.array(people.years, dtype=np.int64), people.columns["source"].codes()
    both = [np.bincount(persons[sex == code], minlength=count) > 0 for code in sexes.values()]
    low, high = np.full(count, 9999), np.zeros(count, dtype=np.int64)
    known = years > 0
    np.minimum.at(low, persons[known], years[known])
    np.maximum.at(high, persons[known], years[known])
    _, first, sizes = np.unique(np.stack([persons, source]), axis=1, return_index=True, return_counts=True)
    twice = np.zeros(count, dtype=np.bool_)
    twice[persons[first[sizes > 1]]] = True
    found = (
        ("two records of one source", twice),
        ("both sexes", both[0] & both[1] if len(both) > 1 else np.zeros(count, dtype=np.bool_)),
        ("birth years more than one apart", high - low > 1),
        (f"more than {MANY_RECORDS} records", np.bincount(persons, minlength=count) > MANY_RECORDS),
    )
    return tuple(Suspicion(reason, int(which.sum()), tuple(names[place] for place in np.flatnonzero(which)[:EXAMPLES].tolist())) for reason, which in found)


class _Edges:
    """The open edges, counted."""

    def __init__(self, model: str) -> None:
        self._model = model
        self.counts: Counter[tuple[str, str]] = Counter()
        self.weights: Counter[int] = Counter()
        self.levels: dict[str, Counter[int]] = {name: Counter() for name in FIELDS}
        self.other_models = 0

    def read(self, snapshot: Snapshot, progress: Progress) -> None:
        """Count all open edges."""
        for _, body in documents(snapshot, EDGE, partial(progress, "edges")):
            edge = edge_from_body(body)
            if not edge.closed:
                self._add(edge)

    def _add(self, edge: Edge) -> None:
        self.counts[edge.kind, edge.grade or ""] += 1
        if edge.kind in ASSERTED:
            return
        self.weights[int(np.floor(edge.weight or 0.0))] += 1
        if edge.evidence.get("model") != self._model:
            self.other_models += 1
        elif edge.grade == GRADES[0]:
            for name, level in zip(FIELDS, edge.evidence.get("vector", ()), strict=False):
                if level:
                    self.levels[name][level] += 1


def drifts(levels: Mapping[str, Mapping[int, int]], model: Model) -> tuple[Drift, ...]:
    """How far agreement among the links lies from the model's m, field by field."""
    found = []
    for name, known in model.fields.items():
        seen = levels.get(name, {})
        pairs = sum(seen.values())
        if pairs >= LEAST_PAIRS:
            agreeing = max(seen.get(1, 0), 0.5) / pairs
            found.append(Drift(name, pairs, agreeing, known[0].m, log2(agreeing / known[0].m)))
    return tuple(found)


def _reviews(snapshot: Snapshot) -> tuple[dict[tuple[str, str], int], set[str]]:
    """Review items by kind and state, and the records that open ones are about."""
    counts: Counter[tuple[str, str]] = Counter()
    asked: set[str] = set()
    for _, body in documents(snapshot, REVIEW):
        item = orjson.loads(body)
        counts[item["kind"], item["state"]] += 1
        if item["state"] == "open":
            asked.update(item["records"])
    return dict(counts), asked


def block_sizes(keys: Sequence[int], starts: Sequence[int]) -> tuple[BlockSizes, ...]:
    """The sizes of the blocks of each family; ``keys`` of all records, those of record i from ``starts[i]``."""
    blocks = Blocks(np.array(keys, dtype=np.int64), np.array(starts, dtype=np.int64))
    families = np.array([FAMILIES.index(family_of(key)) for key in blocks.keys.tolist()], dtype=np.int64)
    found = []
    for place, family in enumerate(FAMILIES):
        sizes = blocks.sizes[families == place]
        if len(sizes):
            found.append(BlockSizes(family, len(sizes), float(sizes.mean()), int(sizes.max()), int((sizes > BLOCK_CAP).sum())))
    return tuple(found)


def _all_blocks(snapshot: Snapshot, progress: Progress) -> tuple[tuple[BlockSizes, ...], Ints]:
    """The sizes of all blocks, and the numbers of the records in them."""
    keys, starts, numbers = array("q"), array("q", [0]), array("q")
    total = snapshot.count(RECORD)
    for done, (number, packed) in enumerate(indexed_records(snapshot)):
        if done % STEP == 0:
            progress("blocks", done, total)
        keys.extend(blocking_keys(unpacked_record(number, packed)[1].demographics))
        starts.append(len(keys))
        numbers.append(number)
    progress("blocks", total, total)
    return block_sizes(keys, starts), np.array(numbers, dtype=np.int64)


def _sample(snapshot: Snapshot, services: Services, numbers: Ints, count: int, progress: Progress) -> tuple[Counter[int], Counter[str]]:
    """Weights of the candidate pairs of records drawn at random, in whole bits, and the vetoes on pairs that would be certain."""
    scorer, drawn = services.scorer, np.random.default_rng(0).permutation(numbers)[:count].tolist()
    weights: Counter[int] = Counter()
    vetoed: Counter[str] = Counter()
    for done, (number, packed) in enumerate(sorted(snapshot.demographics(drawn).items())):
        progress("sampling", done, len(drawn))
        _, record = unpacked_record(number, packed)
        near = find_candidates(snapshot, record.demographics, scorer.model.population, number).found
        for other, (_, candidate) in near.items():
            if other != number:
                weight = scorer.weigh(record.demographics, candidate.demographics)
                weights[int(np.floor(weight))] += 1
                if scorer.grade(weight) == GRADES[0]:
                    vetoed.update(vetoes(record.demographics, candidate.demographics))
    return weights, vetoed


def matching_report(services: Services, *, sample: int = SAMPLED, progress: Progress) -> MatchingReport:
    """The report of the store as it is now."""
    at = services.clock()
    people, model = _People(), services.scorer.model
    edges = _Edges(model.id)
    with services.store.snapshot(SYSTEM) as snapshot:
        people.read(snapshot, at.year, progress)
        edges.read(snapshot, progress)
        reviews, asked_ids = _reviews(snapshot)
        blocks, numbers = _all_blocks(snapshot, progress)
        sampled, vetoed = _sample(snapshot, services, numbers, sample, progress)
    persons = people.columns["person"].codes()
    linked = np.bincount(persons)[persons] > 1 if len(persons) else np.zeros(0, dtype=np.bool_)
    asked = np.array([id in asked_ids for id in people.ids], dtype=np.bool_)
    return MatchingReport(
        at=at.isoformat(timespec="seconds"), model=model.id, records=len(people.ids), persons=len(people.columns["person"].texts), linked=int(linked.sum()), pending=people.pending,
        edges=dict(edges.counts), other_models=edges.other_models, reviews=reviews, sample=min(sample, len(numbers)), sampled=dict(sampled), vetoed=dict(vetoed),
        stored=dict(edges.weights), bounds=services.scorer.weight_bounds, shares=tuple(_shares(people, linked, asked)), drifts=drifts(edges.levels, model),
        blocks=blocks, suspicions=_suspicions(people),
    )  # fmt: skip
