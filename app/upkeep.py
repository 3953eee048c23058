"""What runs beside the listeners: the slow lane within a minute, the sweep each night (matching.md 3), and the purge.

Index entries that ended are kept while a page link may still ask for them, then dropped.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import structlog

from app.errors import WealdError
from app.ingest.again import finish_pending, last_sweep, sweep
from app.principal import SYSTEM
from app.services import Services

SLOW_LANE_SECONDS = 20.0
PURGE_SECONDS = 600.0
PAGE_LINKS = timedelta(minutes=65)
"""How long ended index entries are kept: longer than a page link lives (fhir.md 2, Paging)."""
SWEEP_HOUR = 2
"""The hour (UTC) from which the night's sweep begins."""

_log = structlog.get_logger("weald.upkeep")


class Upkeep(threading.Thread):
    """A thread that finishes what waits, at once when it starts and then again and again, until ``stop``."""

    def __init__(self, services: Services, *, seconds: float = SLOW_LANE_SECONDS) -> None:
        super().__init__(name="upkeep", daemon=True)
        self._services = services
        self._seconds = seconds
        self._stopping = threading.Event()
        self._purged = time.monotonic()

    def run(self) -> None:
        """Take turns until told to stop."""
        self.turn()
        while not self._stopping.wait(self._seconds):
            self.turn()

    def stop(self) -> None:
        """End after the turn that is under way."""
        self._stopping.set()

    def turn(self) -> None:
        """One turn. A refusal, as where the store cannot commit now, is told and left to the next turn."""
        try:
            done = finish_pending(self._services, SYSTEM)
            if done:
                _log.info("slow-lane", searched=done)
            if time.monotonic() - self._purged >= PURGE_SECONDS:
                self._purge()
            if self._is_night():
                swept = sweep(self._services, SYSTEM)
                (_log.warning if swept.alarm else _log.info)("sweep", searched=swept.searched, added=swept.added, records=swept.records)
        except WealdError as refusal:
            _log.warning("upkeep", refused=type(refusal).__name__)

    def _purge(self) -> None:
        """Drop the index entries that no page link can ask for any more."""
        self._purged = time.monotonic()
        before = (self._services.clock() - PAGE_LINKS).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        dropped = self._services.store.purge(before)
        if dropped:
            _log.info("purge", dropped=dropped)

    def _is_night(self) -> bool:
        """Whether this night's sweep is still to be made."""
        now = self._services.clock()
        if now.hour != SWEEP_HOUR:
            return False
        with self._services.store.snapshot(SYSTEM) as snapshot:
            last = last_sweep(snapshot)
        return last is None or now - datetime.fromisoformat(last.at) > timedelta(hours=12)
