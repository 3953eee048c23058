"""Frames of all connections made into groups, each handed to ingest for one durable commit (hl7v2.md 6, Durability).

Ingest runs in one thread. While it commits, frames gather; what has gathered is the next group. A group
waits a little for more only where that pays: for the connections that the last group answered, whose next
message is on its way, and never longer than a commit takes.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import structlog

from app.ingest.frame import Acknowledgements, Frame

T = TypeVar("T")
Answers = Sequence[Acknowledgements | None]
Receive = Callable[[Sequence[Frame]], Answers]
"""An answer a frame, in order: ``None`` withholds it and closes the connection."""

Failed = Callable[[Frame, Exception], Acknowledgements | None]
"""The answer to a frame on which ``receive`` raised, e.g. after keeping it as a dead letter."""

_log = structlog.get_logger("weald.mllp")


class Waiting(NamedTuple, Generic[T]):
    """A frame that waits for its answer: where the answer goes, when the frame was complete, and which feed it says it is of."""

    owner: T
    frame: Frame
    since: float
    source: str = ""


class Grouper(Generic[T]):
    """The queue of waiting frames and the thread that hands them to ingest, group by group.

    ``deliver`` is called in that thread with each group and its answers, ``ended`` when the thread ends.
    """

    def __init__(
        self, receive: Receive, deliver: Callable[[Sequence[Waiting[T]], Answers], None], *, ended: Callable[[], None],
        group_max: int, window: float, failed: Failed | None = None,
    ) -> None:  # fmt: skip
        self._receive, self._deliver, self._ended, self._failed = receive, deliver, ended, failed
        self._group_max, self._window = group_max, window
        self._waiting: deque[Waiting[T]] = deque()
        self._condition = threading.Condition()
        self._wake_at = 1
        self._stopping = False
        self._refused: set[T] = set()
        self._expected = 0
        self._took = 0.0
        self._thread = threading.Thread(target=self._run, name="mllp-ingest", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, frames: Iterable[Waiting[T]]) -> None:
        """Queue frames; never waits."""
        self._waiting.extend(frames)
        if len(self._waiting) >= self._wake_at:
            with self._condition:
                self._condition.notify()

    def stop(self) -> None:
        """Begin no further group; the one under way is finished and delivered."""
        with self._condition:
            self._stopping = True
            self._condition.notify()

    def forget(self, owner: T) -> None:
        """An owner is gone for good: nothing more will come of it."""
        self._refused.discard(owner)

    def _run(self) -> None:
        try:
            while group := self._next():
                began = time.monotonic()
                answers = self._answered(group)
                self._took = time.monotonic() - began
                self._expected = min(len({id(one.owner) for one in group}), self._group_max)
                self._deliver(group, answers)
        finally:
            self._ended()

    def _answered(self, group: Sequence[Waiting[T]]) -> Answers:
        """The answers of a group. What comes behind a withheld answer is withheld too, and not begun: the sender sends it again after it."""
        if not self._refused:
            answers = self._answers([one.frame for one in group])
        else:
            begun = [one.frame for one in group if one.owner not in self._refused]
            found = iter(self._answers(begun) if begun else ())
            answers = [None if one.owner in self._refused else next(found) for one in group]
        if None in answers:
            self._refused.update(one.owner for one, answer in zip(group, answers, strict=True) if answer is None)
        return answers

    def _next(self) -> list[Waiting[T]]:
        """The next group; empty when stopping."""
        with self._condition:
            self._wait(1, None)
            if len(self._waiting) < self._expected:
                self._wait(self._expected, min(self._window, self._took))
            if self._stopping:
                return []
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._group_max))]

    def _wait(self, count: int, seconds: float | None) -> None:
        self._wake_at = count
        self._condition.wait_for(lambda: self._stopping or len(self._waiting) >= count, seconds)
        self._wake_at = 1

    def _answers(self, frames: Sequence[Frame]) -> Answers:
        """The answers of ingest; where it raises, of each frame by itself, so that one message cannot stop the others."""
        try:
            return self._receive(frames)
        except Exception as error:  # noqa: BLE001  (a defect met by one message must not end the feeds of the region)
            if len(frames) == 1:
                return [self._after_failure(frames[0], error)]
        return [answer for frame in frames for answer in self._answers([frame])]

    def _after_failure(self, frame: Frame, error: Exception) -> Acknowledgements | None:
        place = traceback.extract_tb(error.__traceback__)[-1]
        _log.error("mllp.receive_failed", error=type(error).__name__, place=f"{place.name}, {Path(place.filename).name}:{place.lineno}", bytes=frame.size)
        try:
            return self._failed(frame, error) if self._failed else None
        except Exception as another:  # noqa: BLE001  (what cannot even be refused is withheld: the feeds of the region go on)
            _log.error("mllp.failed_twice", error=type(another).__name__, bytes=frame.size)
            return None
