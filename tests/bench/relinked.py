"""`weald relink --dry-run` over a large store: seconds of each step, pairs a second, memory; and what that comes to at 3 million records.

The first run finds the store without an edge; its edges and persons are put into the store, and the second run, the one that
counts, finds them there.
"""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import time
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from region_store import add_documents, built

from app.ingest import shadowing
from app.ingest.edges import Edge
from app.ingest.identity import digest_key
from app.ingest.relinking import Deriver, difference, read_region
from app.ingest.shadowing import KINDS, shadow_edges, standing_edges
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings
from matching.model import GRADES
from matching.screening import Screen

EVIDENCE = {"model": "0" * 64, "vector": [1] * 17, "why": {"fields": [[f"field-{n}", 1, 12.345678, 0.123456] for n in range(10)], "rivals": [["twin", -0.123456]] * 4}, "families": ["db", "fy", "nn"]}
"""About what the evidence of an edge takes."""


@dataclass(frozen=True, slots=True)
class Relinked:
    """Seconds by step, by the clock and of the processor; pairs that share a block, edges, persons changed; peak memory in MB."""

    records: int
    seconds: dict[str, float]
    cpu: dict[str, float]
    pairs: int
    edges: int
    changed: int
    peak: float

    @property
    def total(self) -> float:
        return sum(self.seconds.values())


class _Steps:
    """Takes the progress that relink tells, and how long each step took."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, float, float]] = []

    def __call__(self, stage: str, done: int = 0, total: int = 0) -> None:
        if not self.marks or self.marks[-1][0] != stage:
            self.marks.append((stage, time.perf_counter(), time.process_time()))

    def lasted(self, place: int) -> dict[str, float]:
        return {one[0]: after[place] - one[place] for one, after in zip(self.marks, self.marks[1:], strict=False)}


def _counted(counts: list[int]):
    """Screen, counting the pairs that it is shown."""

    class Counting(Screen):
        def possible(self, i, j):
            counts.append(len(i))
            return super().possible(i, j)

    return Counting


def dry_run(services, steps: _Steps):
    with services.store.snapshot(SYSTEM) as snapshot:
        region, standing = read_region(snapshot, steps), standing_edges(snapshot, steps)
    shadow = shadow_edges(services, services.scorer, standing.scored, steps)
    steps("components")
    deriver = Deriver(services, services.scorer, region, shadow, standing.asserted)
    groups = deriver.groups(steps)
    steps("difference")
    found = difference(region, deriver, standing, shadow, groups)
    steps("end")
    return region, shadow, groups, found


def opened(path: Path):
    return services_from_settings(load_settings(env={"WEALD_MODE": "sample", "WEALD_STORE": f"sqlite:///{path}"}))


def linked_store(records: int) -> Path:
    """A copy of the store with the documents of its records, and the edges and persons that the shipped model makes."""
    path = built(records)[0]
    copy = path.with_name(f"relink-{path.name}")
    done = copy.with_suffix(".linked")
    if not done.exists():
        shutil.copy(path, copy)
        add_documents(copy, None, [])
        services = opened(copy)
        region, shadow, groups, _ = dry_run(services, _Steps())
        with services.store.snapshot(SYSTEM) as snapshot:
            ids = dict(_ids(snapshot, region.numbers.tolist()))
        services.store.close()
        persons = {ids[number]: int(group) for number, group in zip(region.numbers.tolist(), groups.tolist(), strict=True)}
        add_documents(copy, persons, [_edge(shadow, place, ids) for place in range(len(shadow))])
        done.touch()
    return copy


def _ids(snapshot, numbers):
    for start in range(0, len(numbers), 5_000):
        for number, packed in snapshot.demographics(numbers[start : start + 5_000]).items():
            yield number, packed.split(b"\x00", 1)[0].decode()


def _edge(shadow, place, ids):
    a, b = (int(column[place]) for column in (shadow.a, shadow.b))
    id = digest_key("scored", ids[a], ids[b])
    edge = Edge(id, KINDS[shadow.kind[place]], ids[a], ids[b], a, b, "matcher:bench", "bench", "2026-01-01T00:00:00Z", float(shadow.weight[place]), GRADES[shadow.grade[place]], evidence=EVIDENCE)  # fmt: skip
    return {one.name: getattr(edge, one.name) for one in fields(edge)}


def measure(path: Path, records: int) -> Relinked:
    counts: list[int] = []
    shadowing.Screen = _counted(counts)
    services, steps = opened(path), _Steps()
    steps("start")
    _, shadow, _, found = dry_run(services, steps)
    services.store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Relinked(records, steps.lasted(1), steps.lasted(2), int(np.sum(counts)), len(shadow), found.changed, peak)


def in_own_process(records: int) -> Relinked:
    built(records)  # here, for a process of a pool may have none of its own
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        path = pool.apply(linked_store, (records,))
    with context.Pool(1) as pool:
        return pool.apply(measure, (path, records))
