"""The thread beside the listeners: it takes its turn at the start, sweeps once a night, and outlives a store that is away."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from app import upkeep
from app.errors import StoreUnavailable
from app.ingest.again import Swept
from app.upkeep import Upkeep

NIGHT = datetime(2026, 1, 2, 2, 30, tzinfo=UTC)


class Snapshot:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


@pytest.fixture
def turns(monkeypatch):
    """What a turn did, and the sweep that the store remembers."""
    seen = SimpleNamespace(done=[], last=None, fault=None)

    def finish(*_):
        if seen.fault:
            raise seen.fault
        seen.done.append("slow-lane")
        return 0

    def sweep(*_):
        seen.done.append("sweep")
        seen.last = Swept(1, 0, 1, "2026-01-02T02:30:00.000Z")
        return seen.last

    monkeypatch.setattr(upkeep, "finish_pending", finish)
    monkeypatch.setattr(upkeep, "sweep", sweep)
    monkeypatch.setattr(upkeep, "last_sweep", lambda _: seen.last)
    return seen


def services(now):
    return SimpleNamespace(clock=lambda: now, store=SimpleNamespace(snapshot=lambda _: Snapshot()))


def test_a_turn_by_day_serves_the_slow_lane_alone(turns):
    Upkeep(services(NIGHT.replace(hour=12))).turn()
    assert turns.done == ["slow-lane"]


def test_the_sweep_is_made_once_a_night(turns):
    for _ in range(3):
        Upkeep(services(NIGHT)).turn()
    assert turns.done == ["slow-lane", "sweep", "slow-lane", "slow-lane"]
    Upkeep(services(NIGHT.replace(day=3))).turn()
    assert turns.done[-2:] == ["slow-lane", "sweep"]


def test_a_store_that_is_away_is_left_to_the_next_turn(turns):
    turns.fault = StoreUnavailable("Not now.")
    thread = Upkeep(services(NIGHT))
    thread.turn()
    turns.fault = None
    thread.turn()
    assert turns.done == ["slow-lane", "sweep"]


def test_the_thread_takes_its_first_turn_at_once_and_ends_when_told(turns):
    thread = Upkeep(services(NIGHT.replace(hour=12)), seconds=0.01)
    thread.start()
    end = time.monotonic() + 5
    while len(turns.done) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(turns.done) >= 3
    thread.stop()
    thread.join(5)
    assert not thread.is_alive()


def test_index_entries_that_no_page_link_can_ask_for_are_dropped_in_time(turns, monkeypatch):
    asked = []
    given = services(NIGHT.replace(hour=12))
    given.store.purge = lambda before: asked.append(before) or 3
    beside = Upkeep(given)
    beside.turn()
    assert asked == []
    monkeypatch.setattr(upkeep, "PURGE_SECONDS", 0.0)
    beside.turn()
    assert asked == ["2026-01-02T11:25:00.000Z"]
