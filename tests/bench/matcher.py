"""The matcher against large stores: one arriving record matched, its memory, what a pair costs, and whether the person is found.

What arrives was held back when the store was made, so its duplicates are there with all their errors. Each size runs in a
process of its own. Warm: what the machine remembers of the file after a first round; cold: the file dropped from memory
before each record.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from population import Held
from region_store import Truth, built, forget_cached

from app.ingest.linking import Candidates, find_candidates
from app.principal import SYSTEM
from app.store.sqlite.store import open_store
from matching.comparisons import compare
from matching.demographics import unpack
from matching.linking import decide
from matching.model import default_model
from matching.records import Candidate
from matching.scoring import Scorer

RECORDS, THIN, COLD = 2_000, 1_000, 100
PAIRS = 20_000


@dataclass(frozen=True, slots=True)
class Matched:
    """Milliseconds a record, sorted, by the clock and of the processor alone; of the persons with records in the store, the share found and linked.

    ``wrong``: certain edges to a record of another person.
    """

    times: list[float]
    cpu: list[float]
    found: float
    linked: float
    wrong: int

    def at(self, share: float, *, cpu: bool = False) -> float:
        times = self.cpu if cpu else self.times
        return times[min(len(times) - 1, int(share * len(times)))]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one store gave. ``memory``: MB that the process holds of its own once it has matched; ``before``: when it had opened the store."""

    records: int
    full: Matched
    thin: Matched
    cold: Matched
    microseconds: dict[str, float]
    before: float
    memory: float
    load: float


def match(snapshot, scorer: Scorer, arriving: Candidate) -> tuple[Candidates, list]:
    """One record matched as linking does it: look up, rank, fetch, decide."""
    near = find_candidates(snapshot, arriving.demographics, scorer.model.population)
    return near, decide(arriving, [candidate for _, candidate in near.found.values()], scorer)


def candidate(held: Held) -> Candidate:
    return Candidate(held.key, 0, unpack(held.packed))


def matched(store, scorer: Scorer, arriving: Sequence[Held], truth: Truth, drop: Path | None = None) -> Matched:
    times, cpu, found, linked, known, wrong = [], [], 0, 0, 0, 0
    for held in arriving:
        record, own = candidate(held), truth.get(held.cluster, set())
        if drop is not None:
            forget_cached(drop)
        with store.snapshot(SYSTEM) as snapshot:
            began, used = time.perf_counter(), time.thread_time()
            near, proposals = match(snapshot, scorer, record)
            cpu.append(1000 * (time.thread_time() - used))
            times.append(1000 * (time.perf_counter() - began))
        keys = {one.key for _, one in near.found.values()}
        certain = {one.a if one.b == record.key else one.b for one in proposals if one.grade == "certain"}
        known += bool(own)
        found += bool(own & keys)
        linked += bool(own & certain)
        wrong += len(certain - own)
    return Matched(sorted(times), sorted(cpu), found / max(known, 1), linked / max(known, 1), wrong)


def pair_costs(store, scorer: Scorer, arriving: Sequence[Held]) -> dict[str, float]:
    """Microseconds of the processor a pair: finding (look-up, fetch, unpack), comparing, weighing with rivals (comparing is part of it)."""
    pairs, fetched, seconds = [], 0, 0.0
    with store.snapshot(SYSTEM) as snapshot:
        for held in arriving:
            record = candidate(held)
            began = time.thread_time()
            near = find_candidates(snapshot, record.demographics, scorer.model.population)
            seconds += time.thread_time() - began
            fetched += len(near.found)
            pairs += [(record.demographics, other.demographics) for _, other in near.found.values()]
            if len(pairs) >= PAIRS:
                break
    costs = {"find": 1e6 * seconds / max(fetched, 1)}
    for name, work in (("compare", compare), ("weigh", scorer.weigh)):
        began = time.thread_time()
        for a, b in pairs:
            work(a, b)
        costs[name] = 1e6 * (time.thread_time() - began) / max(len(pairs), 1)
    return costs


def measure(records: int, share: float = 1.0) -> Figures:
    """The figures of a store of that size; ``share`` of the usual number of records are matched."""
    path, arrivals, truth = built(records)
    full = [one for one in arrivals if not one.thin][-int(RECORDS * share) :]
    thin = [one for one in arrivals if one.thin][-int(THIN * share) :]
    del arrivals
    store, scorer = open_store(path), Scorer(default_model())
    before = memory()
    cold = matched(store, scorer, full[: int(COLD * share)], truth, path)
    matched(store, scorer, [*full, *thin], truth)
    warm = [matched(store, scorer, some, truth) for some in (full, thin)]
    held = memory()
    costs = pair_costs(store, scorer, full)
    store.close()
    return Figures(records, warm[0], warm[1], cold, costs, before, held, os.getloadavg()[0])


def memory() -> float:
    return psutil.Process().memory_full_info().uss / 1e6


def in_own_process(records: int, share: float = 1.0) -> Figures:
    built(records)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (records, share))
