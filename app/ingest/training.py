"""Training on the store: which records are drawn, and which pairs they make (matching.md 5, Training)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import overload

import numpy as np

from app.errors import BusinessRule
from app.ingest.indexed import STEP, indexed_records
from app.ingest.linking import unpacked_record
from app.principal import SYSTEM
from app.services import Services
from app.store.contract import RECORD, Snapshot
from matching.blocking import BLOCK_CAP, blocking_keys, family_of
from matching.demographics import Demographics, unpack
from matching.learning import overused_birth_dates
from matching.model import default_model
from matching.pairs import Indices, Progress, no_progress, sample_of_rows
from matching.regression import hard_set, regression_set
from matching.training import Among, Trained, count_values, train

SEARCHED = 20_000
TOLD = 100
"""Look-ups between two reports of progress."""


class PackedRecords(Sequence[Demographics]):
    """Demographics kept packed, each made when it is asked for: many more fit. The first of a run of pairs is made once."""

    def __init__(self, packed: Sequence[bytes]) -> None:
        self._packed = packed
        self._last: tuple[int, Demographics] | None = None

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, place: int) -> Demographics: ...
    @overload
    def __getitem__(self, place: slice) -> PackedRecords: ...
    def __getitem__(self, place: int | slice) -> Demographics | PackedRecords:
        if isinstance(place, slice):
            return PackedRecords(self._packed[place])
        if self._last is not None and self._last[0] == place:
            return self._last[1]
        made = unpack(self._packed[place])
        self._last = (place, made)
        return made


class _Walk:
    """One walk over all records: which of them a seed draws, whatever their numbers, and the birth dates of each trust."""

    def __init__(self, seed: int) -> None:
        self._seed = seed.to_bytes(8, signed=True)
        self._draws, self._numbers = array("Q"), array("q")
        self._birth_dates: dict[str, list[str]] = {}

    def records(self, snapshot: Snapshot, progress: Progress) -> Iterator[Demographics]:
        """Each record's demographics, for who counts their values."""
        total = snapshot.count(RECORD)
        for done, (number, packed) in enumerate(indexed_records(snapshot)):
            if done % STEP == 0:
                progress("reading", done, total)
            _, (key, _, demographics) = unpacked_record(number, packed)
            self._draws.append(int.from_bytes(blake2b(key.encode(), digest_size=8, key=self._seed).digest()))
            self._numbers.append(number)
            self._birth_dates.setdefault(key.partition("|")[0], []).append(demographics.birth_date)
            yield demographics
        progress("reading", total, total)

    def __len__(self) -> int:
        return len(self._numbers)

    def drawn(self, count: int) -> list[int]:
        """The numbers of ``count`` records drawn at random, in order."""
        order = np.argsort(np.array(self._draws, dtype=np.uint64), kind="stable")[:count]
        return sorted(np.array(self._numbers, dtype=np.int64)[order].tolist())

    def overused(self) -> frozenset[str]:
        """The birth dates that some trust uses for "not known"."""
        return frozenset().union(*map(overused_birth_dates, self._birth_dates.values()))


class _Pairs:
    """The pairs that look-ups found, by the family that found them, as record numbers."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[array[int], array[int]]] = {}

    def add(self, snapshot: Snapshot, number: int, demographics: Demographics) -> None:
        """Look one record up: all members of its blocks within the cap."""
        for key, block in snapshot.candidates(blocking_keys(demographics), BLOCK_CAP).items():
            others = [member for member in block.members if member != number]
            first, second = self._found.setdefault(family_of(key), (array("q"), array("q")))
            first.extend([number] * len(others))
            second.extend(others)

    def numbers(self) -> dict[str, Indices]:
        """2 x n record numbers by family."""
        return {family: np.array([first, second], dtype=np.int64) for family, (first, second) in self._found.items() if first}


def _fetched(snapshot: Snapshot, numbers: Sequence[int]) -> Iterator[tuple[str, int, bytes]]:
    """(key, number, packed demographics) of these records."""
    for start in range(0, len(numbers), STEP):
        for number, packed in snapshot.demographics(numbers[start : start + STEP]).items():
            _, key, demographics = packed.split(b"\x00", 2)
            yield key.decode(), number, demographics


def _rows(pairs: Iterable[tuple[str, Indices]], numbers: Sequence[int]) -> dict[str, Indices]:
    """The pairs as rows of the records whose numbers stand in that order."""
    order = np.argsort(np.array(numbers, dtype=np.int64), kind="stable")
    held = np.array(numbers, dtype=np.int64)[order]
    return {family: order[np.searchsorted(held, found)] for family, found in pairs}


def train_on_store(services: Services, *, seed: int = 0, searched: int = SEARCHED, progress: Progress = no_progress) -> Trained:
    """The model that the store's records teach: ``searched`` of them drawn at random, with all their candidates. BusinessRule where there are none.

    Its ``refusals`` say why it must not take the place of the model in force.
    """
    walk, pairs = _Walk(seed), _Pairs()
    with services.store.snapshot(SYSTEM) as snapshot:
        totals, counts = count_values(walk.records(snapshot, progress))
        if not len(walk):
            raise BusinessRule("The store holds no records to learn from.")
        among = sorted(_fetched(snapshot, walk.drawn(searched)))
        drawn = [unpack(packed) for _, _, packed in among]
        for done, ((_, number, _), demographics) in enumerate(zip(among, drawn, strict=True)):
            if done % TOLD == 0:
                progress("looking up", done, len(drawn))
            pairs.add(snapshot, number, demographics)
        progress("looking up", len(drawn), len(drawn))
        found = pairs.numbers()
        near = np.unique(np.concatenate([np.array([number for _, number, _ in among], dtype=np.int64), *(one.ravel() for one in found.values())]))
        records = sorted(_fetched(snapshot, near.tolist()))
    n, population = len(drawn), len(walk)
    sampled = sample_of_rows(
        PackedRecords([packed for _, _, packed in records]), _rows(found.items(), [number for _, number, _ in records]),
        n * (population - 1) - n * (n - 1) / 2, progress=progress,
    )  # fmt: skip
    previous = services.scorer.model
    return train(
        sampled, files=False, population=population, seed=seed, previous=previous, defaults=default_model(), regression=regression_set(), hard=hard_set(),
        overused_birth_dates=walk.overused() | previous.overused_birth_dates, among=Among(drawn, totals, counts),
        facts={"data": "the store's records", "searched": n}, progress=progress,
    )  # fmt: skip
