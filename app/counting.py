"""What a process counts, and how the counts of all processes of a service come together for ``/metrics`` (security.md 7; docs/adr/0016).

Each process writes its numbers, by the name of their series, into a file of its own once a second where they have changed; whoever is asked
for the metrics reads all files. No number, name or label says anything of a patient.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson

Series = Mapping[str, float]
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds; a last bucket has no bound."""
SECONDS = 1.0


def series(name: str, **labels: str) -> str:
    """The name of a series as Prometheus writes it."""
    if not labels:
        return name
    shown = ",".join(f"{label}={orjson.dumps(value).decode()}" for label, value in labels.items())
    return f"{name}{{{shown}}}"


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers of one or more processes: ``totals`` only grow, ``gauges`` are of now, of ``latest`` the greatest counts."""

    totals: Series = field(default_factory=dict)
    gauges: Series = field(default_factory=dict)
    latest: Series = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Prometheus text, each family under its type."""
        families: dict[str, list[str]] = defaultdict(list)
        for kind, found in (("counter", self.totals), ("gauge", self.gauges), ("gauge", self.latest)):
            for name, value in sorted(found.items()):
                family, kept = _family(name, kind)
                families[f"# TYPE {family} {kept}"].append(f"{name} {_shown(value)}")
        return [line for head, of_it in families.items() for line in (head, *of_it)]


def _shown(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}"


def _family(name: str, kind: str) -> tuple[str, str]:
    """Family and type of a series: the parts of a histogram share one."""
    bare = name.partition("{")[0]
    for part in ("_bucket", "_sum", "_count"):
        if kind == "counter" and bare.endswith(part):
            return bare.removesuffix(part), "histogram"
    return bare, kind


def together(found: Iterable[Numbers]) -> Numbers:
    """The numbers of several as one."""
    totals: dict[str, float] = defaultdict(float)
    gauges: dict[str, float] = defaultdict(float)
    latest: dict[str, float] = {}
    for one in found:
        for name, value in one.totals.items():
            totals[name] += value
        for name, value in one.gauges.items():
            gauges[name] += value
        for name, value in one.latest.items():
            latest[name] = max(value, latest.get(name, value))
    return Numbers(totals, gauges, latest)


class Histogram:
    """How long things took. Threads may share it."""

    def __init__(self, bounds: Sequence[float] = BOUNDS) -> None:
        self._bounds = bounds
        self._lock = threading.Lock()
        self._buckets = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        with self._lock:
            self._buckets[bisect_left(self._bounds, seconds)] += 1
            self._sum += seconds

    def totals(self, name: str, **labels: str) -> dict[str, float]:
        """Its series."""
        with self._lock:
            buckets, total = list(self._buckets), self._sum
        found: dict[str, float] = {}
        count = 0
        for bound, number in zip((*(f"{each:g}" for each in self._bounds), "+Inf"), buckets, strict=True):
            count += number
            found[series(f"{name}_bucket", **labels, le=bound)] = count
        return {**found, series(f"{name}_sum", **labels): round(total, 6), series(f"{name}_count", **labels): count}


def clear(folder: Path) -> None:
    """Begin anew: a service that starts counts from nothing. The folder is its owner's alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.glob("*.json*"):
        path.unlink(missing_ok=True)


class Publisher(threading.Thread):
    """Writes this process's numbers where the others find them, once a second where they have changed, until the process ends."""

    def __init__(self, folder: Path, collect: Callable[[], Numbers]) -> None:
        super().__init__(name="counting", daemon=True)
        self._path = _file(folder, os.getpid())
        self._collect = collect
        self._written = b""
        self._ended = threading.Event()

    def run(self) -> None:
        """Write again and again."""
        while not self._ended.wait(SECONDS):
            self.write()

    def end(self) -> None:
        """Write once more, and no more."""
        self._ended.set()
        self.write()

    def write(self) -> None:
        """Write what has changed; a disk that is full costs numbers, not the service."""
        now = self._collect()
        content = orjson.dumps([now.totals, now.gauges, now.latest])
        if content == self._written:
            return
        with suppress(OSError):
            made = self._path.with_suffix(".json.new")
            made.write_bytes(content)
            made.replace(self._path)
            self._written = content


def _file(folder: Path, pid: int) -> Path:
    return folder / f"{pid}.json"


def published(folder: Path) -> Iterator[Numbers]:
    """The numbers of the other processes; those that have ended have no gauges any more."""
    for path in sorted(folder.glob("*.json")):
        pid = int(path.stem)
        if pid == os.getpid():
            continue
        with suppress(FileNotFoundError):
            totals, gauges, latest = orjson.loads(path.read_bytes())
            yield Numbers(totals, gauges if _lives(pid) else {}, latest)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
