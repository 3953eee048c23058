"""The process beside the listeners: it takes its turn at the start, sweeps once a night, outlives faults, and is never two at once."""

import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from app import upkeep
from app.errors import StoreUnavailable
from app.ingest import lease as leases
from app.ingest.again import Swept
from app.ingest.daily import last_filled
from app.ingest.lease import Held, held
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings
from app.store.contract import EVENT, Failed
from app.upkeep import Upkeep

NIGHT = datetime(2026, 1, 2, 2, 30, tzinfo=UTC)
DAY = NIGHT.replace(hour=12)


@pytest.fixture
def services(tmp_path):
    made = services_from_settings(load_settings(env={"WEALD_MODE": "sample", "WEALD_STORE": f"sqlite:///{tmp_path / 'weald.db'}"}))
    yield made
    made.store.close()


@pytest.fixture
def beside(services):
    """An upkeep whose clock stands at a given moment."""
    return lambda now, **more: Upkeep(upkeep.Services(services.store, services.settings, services.scorer, services.sources, services.id_secret, clock=lambda: now), **more)


@pytest.fixture
def turns(monkeypatch):
    """What a turn did, how many records wait, the fault that the slow lane meets, and the sweep that the store remembers."""
    seen = SimpleNamespace(done=[], last=None, fault=None, meanwhile=lambda: None)

    def finish(services, principal, progress):
        if seen.fault:
            raise seen.fault
        seen.meanwhile()
        progress(1)
        seen.done.append("slow-lane")
        return 1

    def sweep(services, principal, progress):
        progress(1)
        seen.done.append("sweep")
        seen.last = Swept(1, 0, 1, "2026-01-02T02:30:00.000Z")
        return seen.last

    monkeypatch.setattr(upkeep, "pending", lambda *_: ["one"])
    monkeypatch.setattr(upkeep, "finish_pending", finish)
    monkeypatch.setattr(upkeep, "sweep", sweep)
    monkeypatch.setattr(upkeep, "last_sweep", lambda _: seen.last)
    monkeypatch.setattr(upkeep, "last_filled", lambda _: seen.last)
    return seen


def commits(services):
    with services.store.snapshot(SYSTEM) as snapshot:
        return snapshot.commit


def test_a_turn_by_day_serves_the_slow_lane_alone(turns, beside):
    beside(DAY).turn()
    assert turns.done == ["slow-lane"]


def test_the_questions_of_the_day_are_asked_once_a_night(services, beside):
    with services.store.snapshot(SYSTEM) as snapshot:
        assert last_filled(snapshot) is None
    nights = [NIGHT, NIGHT, NIGHT.replace(day=3)]
    filled = []
    for now in nights:
        one = beside(now)
        one.turn()
        filled.append(one.done["questions"])
    assert filled == [1, 0, 1]


@pytest.mark.parametrize(("hour", "due"), [(1, False), (2, True), (7, True), (8, False)])
def test_the_night_is_long_enough_for_a_sweep_before_the_questions(services, beside, hour, due):
    one = beside(NIGHT.replace(hour=hour))
    one.turn()
    assert (one.done["questions"] == 1) is due


def test_a_turn_with_nothing_to_do_is_no_commit(services, beside):
    beside(DAY).turn()
    assert commits(services) == 0


def test_the_sweep_is_made_once_a_night(turns, beside):
    for _ in range(3):
        beside(NIGHT).turn()
    assert turns.done == ["slow-lane", "sweep", "slow-lane", "slow-lane"]
    beside(NIGHT.replace(day=3)).turn()
    assert turns.done[-2:] == ["slow-lane", "sweep"]


@pytest.mark.parametrize("fault", [StoreUnavailable("Not now."), RuntimeError("Marchant, Alice"), KeyError("Marchant")])
def test_a_fault_ends_one_task_of_one_turn_and_is_told_without_its_words(turns, beside, fault):
    turns.fault, one = fault, beside(NIGHT)
    with capture_logs() as logs:
        one.turn()
    assert turns.done == ["sweep"]
    assert +one.failed == {"slow-lane": 1}
    assert type(fault).__name__ in str(logs)
    assert "Marchant" not in str(logs)
    turns.fault = None
    one.turn()
    assert turns.done == ["sweep", "slow-lane"]


def test_turns_that_fail_come_later_and_later_but_no_later_than_ten_minutes(turns, beside):
    one = beside(DAY)
    pauses = []
    turns.fault = RuntimeError("x")
    for _ in range(8):
        one.turn()
        pauses.append(one.pause)
    assert pauses == [40, 80, 160, 320, 600, 600, 600, 600]
    turns.fault = None
    one.turn()
    assert one.pause == upkeep.SLOW_LANE_SECONDS


def test_it_takes_its_first_turn_at_once_goes_on_after_a_fault_and_ends_when_told(turns, beside):
    turns.fault, one = RuntimeError("x"), beside(DAY, seconds=0.001)
    thread = threading.Thread(target=one.run)
    thread.start()
    end = time.monotonic() + 10
    while one.failed["slow-lane"] < 2 and time.monotonic() < end:
        time.sleep(0.001)
    turns.fault = None
    while len(turns.done) < 3 and time.monotonic() < end:
        time.sleep(0.001)
    one.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert len(turns.done) >= 3


def test_it_stops_in_the_midst_of_a_task_and_lets_others_begin(turns, beside, services):
    one = beside(DAY)
    turns.meanwhile = one.stop
    one.run()
    assert turns.done == []
    with held(services):
        pass


def test_two_are_never_at_it_at_the_same_time(turns, beside):
    other = beside(DAY)
    turns.meanwhile = other.turn
    with capture_logs() as logs:
        beside(DAY).turn()
    assert turns.done == ["slow-lane"]
    assert +other.done == {}
    assert [one["event"] for one in logs] == ["upkeep.elsewhere", "slow-lane"]


def test_what_another_has_just_done_is_not_done_again(turns, beside, monkeypatch):
    answers = iter([["one"], []])
    monkeypatch.setattr(upkeep, "pending", lambda *_: next(answers))
    beside(DAY).turn()
    assert turns.done == []


def test_a_lease_is_free_again_when_its_holder_died(services, monkeypatch):
    dead = leases.Lease(services)
    dead.take()
    with pytest.raises(Held), held(services):
        pass
    monkeypatch.setattr(leases, "_later", lambda now: now)
    dead.take()
    with held(services):
        pass


def test_a_holder_that_was_held_up_changes_nothing_once_another_has_begun(services, monkeypatch):
    slow = leases.Lease(services)
    with monkeypatch.context() as short:
        short.setattr(leases, "_later", lambda now: now)
        slow.take()
    monkeypatch.setattr(slow, "_renewed", time.monotonic() - leases.SECONDS)
    with held(services) as lease:
        [refused] = slow.services.store.apply(SYSTEM, [lambda tx: tx.put(EVENT, "late", b"")])
        assert isinstance(refused, Failed)
        assert isinstance(refused.error, Held)
        with pytest.raises(Held):
            slow.keep()
        slow.give_back()
        assert lease.services.store.apply(SYSTEM, [lambda tx: tx.get(EVENT, "late")]) == [None]


def test_a_long_task_renews_its_lease(services, monkeypatch):
    with held(services) as lease:
        before = commits(services)
        lease.keep()
        assert commits(services) == before
        monkeypatch.setattr(lease, "_renewed", time.monotonic() - leases.SECONDS / 2)
        lease.keep()
        assert commits(services) == before + 1


def test_index_entries_that_no_page_link_can_ask_for_are_dropped_in_time(turns, beside, services, monkeypatch):
    asked = []
    monkeypatch.setattr(type(services.store), "purge", lambda self, before: asked.append(before) or 3)
    one = beside(DAY)
    one.turn()
    assert asked == []
    monkeypatch.setattr(upkeep, "PURGE_SECONDS", 0.0)
    one.turn()
    assert asked == ["2026-01-02T11:25:00.000Z"]
