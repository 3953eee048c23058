"""The matching of one message is bounded: what takes longer is finished by the slow lane, and comes to the same (matching.md 11)."""

from dataclasses import replace
from itertools import count

import pytest

from app.ingest import limits
from app.ingest.adt import receive_group
from app.ingest.again import finish_pending, pending
from app.ingest.stewardship import act
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings
from app.store.contract import EDGE, PERSON, RECORD, REVIEW
from tests.flow.messages import ALICE, ANNA, BEA, BEA_MARRIED, CHARLIE, NUMBERS, adt, cx, pid
from tests.flow.test_crowds import of_the_crowd
from tests.properties.arrival import CLOCK, partition

OLD = {"at": "20250101090000"}
LATER = {"at": "20250601090000"}


class Stopwatch:
    """A timer that goes on by a step each time it is read."""

    def __init__(self, step):
        self.step = step
        self._turns = count()

    def __call__(self):
        return next(self._turns) * self.step


@pytest.fixture(autouse=True)
def real_limit(monkeypatch):
    monkeypatch.setattr("app.ingest.linking.limit", limits.limit)


@pytest.fixture
def region(settings_file, tmp_path):
    """Makes stores of their own, with a timer that goes on by so many milliseconds a look."""
    opened = []

    def make(step):
        settings = load_settings(settings_file, env={"WEALD_STORE": f"sqlite:///{tmp_path / f'{len(opened)}.db'}"})
        services = replace(services_from_settings(settings, clock=lambda: CLOCK), timer=Stopwatch(step / 1000))
        opened.append(services)
        return services

    yield make
    for services in opened:
        services.store.close()


def accept(services, *messages):
    for message in messages:
        [(answer,)] = receive_group(services, [message], SYSTEM)
        assert b"MSA|AA" in answer


def waiting(services):
    with services.store.snapshot(SYSTEM) as snapshot:
        return pending(snapshot)


def kept(services, *kinds):
    with services.store.snapshot(SYSTEM) as snapshot:
        return {kind.name: dict(snapshot.scan(kind, limit=10_000)) for kind in kinds}


def open_state(services):
    """All that links say: edges but for the cause they name, records, persons, and what stewards are asked."""
    with services.store.snapshot(SYSTEM) as snapshot:
        asked = [key for key, _ in snapshot.find(REVIEW, "state", ["open"])]
    found = kept(services, EDGE, RECORD)
    return partition(services), asked, sorted(found["edge"]), sorted(found["record"])


MESSAGES = [
    adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD),
    adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC", **OLD),
    adt("A28", pid(cx("N1"), number=NUMBERS["anna"], who=ANNA), **OLD),
    adt("A28", pid(cx("B1"), who=BEA), **OLD),
    adt("A28", pid(cx("X2", "RXC"), who=BEA), trust="RXC", **OLD),
    adt("A31", pid(cx("B1"), who=BEA_MARRIED), **LATER),
    adt("A28", pid(cx("P1", "RPC"), who=CHARLIE), trust="RPC", **OLD),
    *of_the_crowd(*(f"C{number:02}" for number in range(9))),
]


@pytest.mark.parametrize("step", [4, 7, 13, 26])
def test_matching_that_stopped_early_comes_to_the_same_once_the_slow_lane_has_run(region, step):
    """With a clock that lets it take so many looks, from some to none."""
    unbounded, bounded = region(0), region(step)
    accept(unbounded, *MESSAGES)
    accept(bounded, *MESSAGES)
    assert waiting(unbounded) == []
    assert waiting(bounded) != []
    finish_pending(bounded, SYSTEM)
    assert waiting(bounded) == []
    assert open_state(bounded) == open_state(unbounded)


def test_a_message_whose_matching_stops_is_acknowledged_and_its_record_stands_alone_and_waits(region):
    services = region(26)
    accept(services, *MESSAGES[:2])
    assert len(partition(services)) == 2
    assert len(waiting(services)) == 2
    assert finish_pending(services, SYSTEM) == 2
    assert len(partition(services)) == 1


def test_a_limit_that_is_not_reached_leaves_nobody_waiting(region):
    services = region(0.1)
    accept(services, *MESSAGES[:2])
    assert waiting(services) == []
    assert len(partition(services)) == 1


def test_the_limit_is_a_setting(settings_file):
    assert load_settings(settings_file, env={}).matching.limit_ms == 25
    assert load_settings(settings_file, env={"WEALD_MATCHING__LIMIT_MS": "5"}).matching.limit_ms == 5


def test_what_a_steward_or_a_feed_states_never_waits(region):
    services = region(26)
    accept(services, *MESSAGES[:2])
    with services.store.snapshot(SYSTEM) as snapshot:
        a, b = (key for key, _ in snapshot.scan(RECORD))
    act(services, SYSTEM, "jo", "Seen in both systems.", "link", a, b)
    assert len(partition(services)) == 1
    accept(services, adt("A28", pid(cx("A2"), who=CHARLIE), **OLD), adt("A40", pid(cx("A1")), f"MRG|{cx('A2')}", at="20250201090000"))
    finish_pending(services, SYSTEM)
    act(services, SYSTEM, "jo", "Two cousins.", "unlink", a, b)
    assert len(partition(services)) == 2


def test_a_veto_within_a_person_never_waits(region):
    """Alice's record at RXC turns out to be Anna's: she is parted at once, however long it takes."""
    quick, slow = region(0), region(0)
    for services in (quick, slow):
        accept(services, *MESSAGES[:2])
    slow.timer.step = 1.0
    for services in (quick, slow):
        accept(services, adt("A31", pid(cx("X1", "RXC"), number=NUMBERS["anna"], who=ALICE), trust="RXC", **LATER))
        assert waiting(services) == []
        assert len(partition(services)) == 2
    assert kept(quick, PERSON).keys() == kept(slow, PERSON).keys()


def test_a_record_merged_away_while_it_waits_waits_no_more(region):
    services = region(26)
    accept(services, *MESSAGES[:2], adt("A28", pid(cx("A2"), who=CHARLIE), **OLD))
    accept(services, adt("A40", pid(cx("A1")), f"MRG|{cx('A2')}", at="20250201090000"))
    finish_pending(services, SYSTEM)
    assert waiting(services) == []
    assert len(partition(services)) == 1


def test_who_is_no_longer_a_rival_leaves_the_contest_to_the_others_at_once(region):
    """Charlie's record fits two persons; one of them turns out to be somebody else, and the other gets him."""
    services = region(0)
    accept(services,
        adt("A28", pid(cx("C1"), number=NUMBERS["charlie"], who=CHARLIE), **OLD),
        adt("A28", pid(cx("P1", "RPC"), number=NUMBERS["bea"], who=CHARLIE), trust="RPC", **OLD),
        adt("A28", pid(cx("X1", "RXC"), who=CHARLIE), trust="RXC", **OLD),
    )  # fmt: skip
    assert len(partition(services)) == 3
    accept(services, adt("A31", pid(cx("P1", "RPC"), number=NUMBERS["bea"], who=BEA), trust="RPC", **LATER))
    assert len(partition(services)) == 2
