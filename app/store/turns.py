"""Group commit among the threads of a process: one of those that wait commits for all of them (both engines)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

from app.principal import Principal
from app.store.contract import Change

_MOST_IN_A_COMMIT = 512


@dataclass(slots=True, eq=False)
class Call:
    """One caller's changes waiting for a commit, and what became of them."""

    principal: Principal
    changes: Sequence[Change[Any]]
    results: list[Any] = field(default_factory=list)
    error: BaseException | None = None
    done: bool = False


class Turns:
    """Who waits, and whether somebody commits."""

    def __init__(self) -> None:
        self._turn = Condition()
        self._committing = False
        self._waiting: deque[Call] = deque()

    def take(self, call: Call, commit: Callable[[list[Call]], None]) -> list[Any]:
        """The results of the call once it is committed, by this thread or by another; its error is raised.

        ``commit`` commits some calls or gives each of them an error: none may take silence for success.
        """
        self._waiting.append(call)
        while not call.done:
            with self._turn:
                self._turn.wait_for(lambda: call.done or not self._committing)
                lead = not call.done
                self._committing = self._committing or lead
            if lead:
                self._lead(commit)
        if call.error is not None:
            raise call.error
        return call.results

    def _lead(self, commit: Callable[[list[Call]], None]) -> None:
        """Commit what all threads have waiting, for all of them, in one transaction."""
        calls: list[Call] = []
        with self._turn:
            while self._waiting and sum(len(call.changes) for call in calls) < _MOST_IN_A_COMMIT:
                calls.append(self._waiting.popleft())
        try:
            commit(calls)
        finally:
            with self._turn:
                for call in calls:
                    call.done = True
                self._committing = False
                self._turn.notify_all()
