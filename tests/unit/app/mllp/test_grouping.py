"""Groups: what is handed to ingest together, and what becomes of a frame on which it fails."""

from __future__ import annotations

import threading
import time

import pytest

from app.ingest.frame import Frame
from app.mllp.grouping import Grouper, Waiting


class Ingest:
    """A receive that records its groups and can be held back."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        self.groups: list[list[bytes]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.seconds = seconds

    def __call__(self, frames) -> list[bytes | None]:
        self.groups.append(list(frames))
        assert self.gate.wait(10)
        time.sleep(self.seconds)
        if any(frame == b"poison" for frame in frames):
            raise ValueError("a value of a patient")
        return [b"ack " + frame for frame in frames]


class Harness:
    def __init__(self, ingest: Ingest, *, group_max: int = 100, window: float = 0.0, failed=None) -> None:
        self.answers: list[tuple[object, bytes | None]] = []
        self.ended = threading.Event()
        self.grouper: Grouper[object] = Grouper(
            ingest, self.deliver, ended=self.ended.set, group_max=group_max, window=window, failed=failed
        )
        self.grouper.start()

    def deliver(self, group, answers) -> None:
        self.answers += [(one.owner, answer) for one, answer in zip(group, answers, strict=True)]

    def put(self, owner: object, *frames: bytes) -> None:
        self.grouper.put([Waiting(owner, Frame(frame), time.monotonic()) for frame in frames])

    def wait(self, count: int) -> list[bytes | None]:
        end = time.monotonic() + 10
        while len(self.answers) < count and time.monotonic() < end:
            time.sleep(0.002)
        assert len(self.answers) == count
        return [answer for _, answer in self.answers]


@pytest.fixture
def ingest():
    return Ingest()


def test_frames_that_gather_during_a_commit_are_the_next_group(ingest):
    ingest.gate.clear()
    harness = Harness(ingest)
    harness.put("a", b"1")
    while not ingest.groups:
        time.sleep(0.001)
    for owner in "bcd":
        harness.put(owner, owner.encode())
    ingest.gate.set()
    assert harness.wait(4) == [b"ack 1", b"ack b", b"ack c", b"ack d"]
    assert ingest.groups == [[b"1"], [b"b", b"c", b"d"]]


def test_a_group_is_no_larger_than_allowed(ingest):
    harness = Harness(ingest, group_max=2)
    harness.put("a", b"1", b"2", b"3", b"4", b"5")
    harness.wait(5)
    assert ingest.groups == [[b"1", b"2"], [b"3", b"4"], [b"5"]]


def test_a_group_waits_for_the_connections_that_the_last_one_answered():
    ingest = Ingest(seconds=0.3)
    harness = Harness(ingest, window=5.0)
    harness.put("a", b"1", b"2")
    harness.put("b", b"3")
    harness.wait(3)
    before = len(ingest.groups)
    harness.put("a", b"4")
    time.sleep(0.02)
    harness.put("b", b"5")
    harness.wait(5)
    assert ingest.groups[before:] in ([[b"4", b"5"]], [[b"4"], [b"5"]])


def test_a_group_never_waits_longer_than_a_commit_takes(ingest):
    harness = Harness(ingest, window=30.0)
    harness.put("a", b"1")
    harness.put("b", b"2")
    harness.wait(2)
    began = time.monotonic()
    harness.put("a", b"3")
    harness.wait(3)
    assert time.monotonic() - began < 5


def test_one_connection_never_waits(ingest):
    harness = Harness(ingest, window=30.0)
    for number in range(1, 20):
        harness.put("a", b"x")
        harness.wait(number)


def test_a_frame_on_which_ingest_fails_does_not_stop_the_others(ingest):
    harness = Harness(ingest)
    harness.put("a", b"1", b"poison")
    harness.put("b", b"2")
    assert harness.wait(3) == [b"ack 1", None, b"ack 2"]
    harness.put("b", b"3")
    assert harness.wait(4)[-1] == b"ack 3"


def test_a_frame_on_which_ingest_fails_gets_the_answer_of_the_one_who_knows(ingest):
    seen: list[tuple[bytes, str]] = []

    def failed(frame, error):
        seen.append((bytes(frame), type(error).__name__))
        return b"AE"

    harness = Harness(ingest, failed=failed)
    harness.put("a", b"poison")
    assert harness.wait(1) == [b"AE"]
    assert seen == [(b"poison", "ValueError")]


def test_a_frame_that_cannot_even_be_refused_is_withheld_and_the_thread_goes_on(ingest):
    def broken(frame, error):
        raise ValueError(error)

    harness = Harness(ingest, failed=broken)
    harness.put("a", b"poison")
    assert harness.wait(1) == [None]
    harness.put("b", b"2")
    assert harness.wait(2)[-1] == b"ack 2"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ends_of_itself_is_told(ingest):
    harness = Harness(ingest)
    harness.grouper._deliver = lambda *_: 1 / 0
    harness.put("a", b"1")
    harness.grouper._thread.join(10)
    assert harness.ended.is_set()


def test_a_failure_is_logged_without_its_text(ingest, capsys):
    harness = Harness(ingest)
    harness.put("a", b"poison")
    harness.wait(1)
    out = capsys.readouterr().out
    assert "mllp.receive_failed" in out
    assert "ValueError" in out
    assert "__call__, test_grouping.py:" in out
    assert "patient" not in out


def test_stopping_finishes_the_group_under_way_and_begins_none(ingest):
    ingest.gate.clear()
    harness = Harness(ingest)
    harness.put("a", b"1")
    while not ingest.groups:
        time.sleep(0.001)
    harness.put("a", b"2")
    harness.grouper.stop()
    ingest.gate.set()
    harness.grouper._thread.join(10)
    assert harness.ended.is_set()
    assert harness.answers == [("a", b"ack 1")]


def test_what_comes_behind_a_withheld_answer_is_withheld_and_not_begun(ingest):
    harness = Harness(ingest, group_max=1)
    harness.put("a", b"poison", b"2", b"3")
    harness.put("b", b"4")
    assert harness.wait(4) == [None, None, None, b"ack 4"]
    assert ingest.groups == [[b"poison"], [b"4"]]
    harness.grouper.forget("a")
    harness.put("a", b"5")
    assert harness.wait(5)[-1] == b"ack 5"


def test_the_rest_of_a_group_with_a_refused_owner_is_begun(ingest):
    harness = Harness(ingest)
    harness.put("a", b"poison")
    harness.wait(1)
    ingest.gate.clear()
    harness.put("b", b"1")
    while ingest.groups[-1] != [b"1"]:
        time.sleep(0.001)
    harness.put("b", b"2")
    harness.put("a", b"3")
    harness.put("b", b"4")
    ingest.gate.set()
    assert harness.wait(5) == [None, b"ack 1", b"ack 2", None, b"ack 4"]
    assert ingest.groups[-1] == [b"2", b"4"]
