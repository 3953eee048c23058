"""What runs beside the listeners: the slow lane within a minute, the sweep each night (matching.md 3), and the purge.

Index entries that ended are kept while a page link may still ask for them, then dropped. It is a process of its own under
``weald serve``, and one process's at a time (docs/adr/0014).
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from app.counting import Numbers, series
from app.errors import WealdError
from app.ingest.again import Swept, finish_pending, last_sweep, pending, sweep
from app.ingest.daily import Filled, fill, last_filled
from app.ingest.lease import Held, Lease, held
from app.principal import SYSTEM
from app.services import Services
from app.store.contract import Snapshot

SLOW_LANE_SECONDS = 20.0
PURGE_SECONDS = 600.0
MOST_SECONDS = 600.0
"""The longest wait for the next turn, after turn upon turn has failed."""
PAGE_LINKS = timedelta(minutes=65)
"""How long ended index entries are kept: longer than a page link lives (fhir.md 2, Paging)."""
SWEEP_HOUR, SWEEP_END = 2, 8
"""The hours (UTC) from and before which the sweep and the questions of a night begin: the one may take longer than an hour."""

TASKS = ("slow-lane", "purge", "sweep", "questions")

_log = structlog.get_logger("weald.upkeep")


class _Stopped(Exception):
    """Told to stop in the midst of a task; what is committed stands, the rest is for the next start."""


class Upkeep:
    """Finishes what waits, at once when it runs and then again and again, until ``stop``."""

    def __init__(self, services: Services, *, seconds: float = SLOW_LANE_SECONDS) -> None:
        self.done: Counter[str] = Counter(dict.fromkeys(TASKS, 0))
        self.failed: Counter[str] = Counter(dict.fromkeys(TASKS, 0))
        self._services = services
        self._seconds = seconds
        self._stopping = threading.Event()
        self._purged = time.monotonic()
        self._failures = 0

    def run(self) -> None:
        """Take turns until told to stop; after one that failed wait twice as long for the next, and so on."""
        self.turn()
        while not self._stopping.wait(self.pause):
            self.turn()

    def stop(self, *_: object) -> None:
        """End, between two commits of the task that is under way."""
        self._stopping.set()

    @property
    def pause(self) -> float:
        """Seconds until the next turn."""
        return min(self._seconds * (1 << min(self._failures, 16)), MOST_SECONDS)

    def numbers(self) -> Numbers:
        """How often each task was done, and how often it failed."""
        totals = {"weald_upkeep_done_total": self.done.copy(), "weald_upkeep_failed_total": self.failed.copy()}
        return Numbers({series(name, task=task): number for name, counts in totals.items() for task, number in counts.items()})

    def turn(self) -> None:
        """One turn: each task that is due. One that fails takes nothing from the others."""
        tasks = ((self._waits, self._slow_lane), (self._purge_is_due, self._purge), (self._is_night, self._sweep), (self._is_to_ask, self._ask))
        survived = [self._survives(name, *of_it) for name, of_it in zip(TASKS, tasks, strict=True)]
        self._failures = 0 if all(survived) else self._failures + 1

    def _survives(self, name: str, due: Callable[[], bool], task: Callable[[Lease], None]) -> bool:
        """Do a task if it is due; False where it failed. The boundary of this process, beyond which no fault goes.

        A refusal, as where the store cannot commit now, is told and left to the next turn. So is a fault of Weald's own, with its kind
        and place and none of its words, which may hold a value: a defect met by one record must not end the upkeep of the region.
        """
        try:
            if due():
                with held(self._services) as lease:
                    if due():
                        task(lease)
                        self.done[name] += 1
        except _Stopped:
            _log.info("upkeep.stopped", task=name)
        except Held:
            _log.info("upkeep.elsewhere", task=name)
        except WealdError as refusal:
            self.failed[name] += 1
            _log.warning("upkeep.refused", task=name, refused=type(refusal).__name__)
            return False
        except Exception as fault:  # noqa: BLE001  (as in app.mllp.grouping: told, counted, and the next turn comes)
            place = traceback.extract_tb(fault.__traceback__)[-1]
            self.failed[name] += 1
            _log.error("upkeep.failed", task=name, error=type(fault).__name__, place=f"{place.name}, {Path(place.filename).name}:{place.lineno}")
            return False
        return True

    def _going_on(self, lease: Lease) -> Callable[[int], None]:
        """What a long task calls as it goes on."""

        def progress(_: int) -> None:
            if self._stopping.is_set():
                raise _Stopped
            lease.keep()

        return progress

    def _waits(self) -> bool:
        """Whether a record waits for the slow lane."""
        with self._services.store.snapshot(SYSTEM) as snapshot:
            return bool(pending(snapshot, 1))

    def _slow_lane(self, lease: Lease) -> None:
        _log.info("slow-lane", searched=finish_pending(lease.services, SYSTEM, self._going_on(lease)))

    def _sweep(self, lease: Lease) -> None:
        swept = sweep(lease.services, SYSTEM, self._going_on(lease))
        (_log.warning if swept.alarm else _log.info)("sweep", searched=swept.searched, added=swept.added, records=swept.records)

    def _purge_is_due(self) -> bool:
        return time.monotonic() - self._purged >= PURGE_SECONDS

    def _purge(self, lease: Lease) -> None:
        """Drop the index entries that no page link can ask for any more."""
        self._purged = time.monotonic()
        before = (self._services.clock() - PAGE_LINKS).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        dropped = lease.services.store.purge(before)
        if dropped:
            _log.info("purge", dropped=dropped)

    def _is_night(self) -> bool:
        """Whether this night's sweep is still to be made."""
        return self._is_due(last_sweep)

    def _is_to_ask(self) -> bool:
        """Whether the questions of the day are still to be asked."""
        return self._is_due(last_filled)

    def _is_due(self, last_made: Callable[[Snapshot], Swept | Filled | None]) -> bool:
        """Whether what is made once a night was not made this night."""
        now = self._services.clock()
        if not SWEEP_HOUR <= now.hour < SWEEP_END:
            return False
        with self._services.store.snapshot(SYSTEM) as snapshot:
            last = last_made(snapshot)
        return last is None or now - datetime.fromisoformat(last.at) > timedelta(hours=12)

    def _ask(self, lease: Lease) -> None:
        filled = fill(lease.services, SYSTEM, self._going_on(lease))
        _log.info("questions", possible=filled.possible, audits=filled.audits)
