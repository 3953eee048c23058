"""Upkeep is one process's at a time: a lease in the store, taken for a turn, renewed while it lasts, given back at its end.

A process that dies keeps it for ``SECONDS`` at most. One that was held up for longer may find that another has it: no change of its
own is made then, since each is made only where the lease still stands, in the same transaction (docs/adr/0014).
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson

from app.errors import Conflict, StoreUnavailable
from app.principal import SYSTEM
from app.services import Services
from app.store.contract import SETTING, Change, Failed, Snapshot, Transaction
from app.store.through import Guarded

SECONDS = 30.0
_KEY = "upkeep-lease"


class Held(Conflict):
    """Another process does the upkeep now."""


class Lease:
    """The lease as its holder has it; ``services`` change the store only while it stands."""

    def __init__(self, services: Services) -> None:
        self.services = replace(services, store=Guarded(services.store, self._check))
        self._store = services.store
        self._holder = uuid.uuid4().hex
        self._renewed = time.monotonic()

    def _apply(self, change: Change[None]) -> None:
        [done] = self._store.apply(SYSTEM, [change])
        if isinstance(done, Failed):
            raise done.error
        self._renewed = time.monotonic()

    def take(self) -> None:
        """Take it; Held where it is another's."""

        def change(tx: Transaction) -> None:
            kept = _kept(tx)
            if kept is not None and kept["holder"] != self._holder and kept["until"] > tx.now:
                raise Held("Upkeep is under way in another process; try again when it is done.")
            tx.put(SETTING, _KEY, orjson.dumps({"holder": self._holder, "until": _later(tx.now)}))

        self._apply(change)

    def keep(self) -> None:
        """Renew it where a third of it has passed: to be called again and again in what lasts long. Held where it is another's by now."""
        if time.monotonic() - self._renewed > SECONDS / 3:
            self.take()

    def give_back(self) -> None:
        """Let others have it."""

        def change(tx: Transaction) -> None:
            kept = _kept(tx)
            if kept is not None and kept["holder"] == self._holder:
                tx.remove(SETTING, _KEY)

        self._apply(change)

    def _check(self, tx: Transaction) -> None:
        kept = _kept(tx)
        if kept is None or kept["holder"] != self._holder:
            raise Held("Upkeep was taken over by another process.")


def _kept(snapshot: Snapshot) -> dict[str, Any] | None:
    body = snapshot.get(SETTING, _KEY)
    return orjson.loads(body) if body else None


def _later(now: str) -> str:
    """The instant at which a lease taken now ends, in the store's own form."""
    return (datetime.fromisoformat(now) + timedelta(seconds=SECONDS)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def held(services: Services) -> Iterator[Lease]:
    """The lease, for a block. Held where it is another's; it is given back however the block ends, at the latest by time."""
    lease = Lease(services)
    lease.take()
    try:
        yield lease
    finally:
        with suppress(StoreUnavailable):
            lease.give_back()
