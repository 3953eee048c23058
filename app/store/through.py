"""A store that another stands in front of: all goes through to it, and who stands there changes what he means to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from app.counting import Histogram, Numbers
from app.principal import Principal
from app.store.contract import Change, Failed, Snapshot, Store, StoreFacts, Transaction

T = TypeVar("T")


class Through:
    """The store behind, call for call."""

    def __init__(self, behind: Store) -> None:
        self.engine = behind.engine
        self._behind = behind

    def snapshot(self, principal: Principal) -> AbstractContextManager[Snapshot]:
        return self._behind.snapshot(principal)

    def apply(self, principal: Principal, changes: Sequence[Change[T]]) -> list[T | Failed]:
        return self._behind.apply(principal, changes)

    def facts(self) -> StoreFacts:
        return self._behind.facts()

    def check(self) -> None:
        self._behind.check()

    def purge(self, before: str) -> int:
        return self._behind.purge(before)

    def dump(self) -> Iterator[tuple[str, str, bytes]]:
        return self._behind.dump()

    def close(self) -> None:
        self._behind.close()


class Guarded(Through):
    """Each change is made only after ``guard`` has passed in the same transaction; where that raises, nothing is changed."""

    def __init__(self, behind: Store, guard: Callable[[Transaction], None]) -> None:
        super().__init__(behind)
        self._guard = guard

    def apply(self, principal: Principal, changes: Sequence[Change[T]]) -> list[T | Failed]:
        def guarded(change: Change[T]) -> Change[T]:
            def both(tx: Transaction) -> T:
                self._guard(tx)
                return change(tx)

            return both

        return self._behind.apply(principal, [guarded(change) for change in changes])


class Timed(Through):
    """Each ``apply`` is timed, the wait for others' commits included."""

    def __init__(self, behind: Store) -> None:
        super().__init__(behind)
        self._seconds = Histogram()

    def apply(self, principal: Principal, changes: Sequence[Change[T]]) -> list[T | Failed]:
        began = time.perf_counter()
        try:
            return self._behind.apply(principal, changes)
        finally:
            self._seconds.observe(time.perf_counter() - began)

    def numbers(self, process: str) -> Numbers:
        """How long commits took, under the name of the process that made them."""
        return Numbers(totals=self._seconds.totals("weald_commit_seconds", process=process))
