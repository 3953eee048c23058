"""Which merges wait for NHS numbers that differ is what the plain computation says, at a cost that grows with what was said, not with the merges too."""

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ingest import numbers, retelling, succession
from app.ingest.adt import receive_group
from app.ingest.numbers import MergedNumbers
from app.ingest.records import get_records, save_record
from app.principal import SYSTEM
from app.store.contract import RECORD
from mappers.patient import PatientState
from tests.flow.messages import BEA, CHARLIE, NUMBERS, adt, cx, mrg, pid
from tests.properties.arrival import deliver, fresh
from tests.properties.plain_merges import PlainNumbers

LOCAL = ("M1", "M2", "M3", "M4")


def at(minute):
    return f"202506{1 + minute // 1440:02d}{minute // 60 % 24:02d}{minute % 60:02d}00"


def update(local, minute, who=BEA, trigger="A31", **more):
    return adt(trigger, pid(cx(local), who=who, **more), at=at(minute), control_id=f"U{local}{minute}")


def merge(survivor, loser, minute, **more):
    return adt("A40", pid(cx(survivor), **more), mrg(cx(loser)), at=at(minute), control_id=f"M{survivor}{loser}{minute}")


def unlink(first, second, minute):
    return adt("A37", pid(cx(first)), pid(cx(second)), at=at(minute), control_id=f"X{first}{second}{minute}")


def both(seen):
    """MergedNumbers beside the plain computation, which it must agree with; ``seen`` counts the answers."""

    class Both:
        def __init__(self, *given):
            self.plain, self.quick = PlainNumbers(*given), MergedNumbers(*given)

        def differ(self, first, second, parents):
            found = self.plain.differ(first, second, parents)
            seen[found] += 1
            assert self.quick.differ(first, second, parents) is found
            return found

    return Both


STATUS = st.sampled_from(["01", "01", "01", "02", None])
NUMBER = st.sampled_from([None, None, NUMBERS["bea"], NUMBERS["bea"], NUMBERS["anna"], "1234567890"])
UPDATE = st.tuples(st.just("update"), st.sampled_from(LOCAL), st.sampled_from([BEA, BEA, CHARLIE]), NUMBER, STATUS, st.sampled_from(["A31", "A03"]))
TWO = st.lists(st.sampled_from(LOCAL), min_size=2, max_size=2, unique=True)
EVENT = st.one_of(UPDATE, UPDATE, UPDATE, TWO.map(lambda two: ("merge", *two)), TWO.map(lambda two: ("merge", *two)), TWO.map(lambda two: ("unlink", *two)))


def told(event, minute):
    if event[0] == "update":
        _, local, who, number, status, trigger = event
        return update(local, minute, who, trigger, number=number, status=status)
    return (merge if event[0] == "merge" else unlink)(*event[1:], minute)


@settings(max_examples=60, deadline=None)
@given(events=st.lists(EVENT, min_size=3, max_size=16), data=st.data())
def test_the_merges_that_wait_are_those_that_the_plain_computation_has_wait(tmp_path_factory, events, data):
    story = [told(event, minute) for minute, event in enumerate(events)]
    arrivals = data.draw(st.one_of(st.just(story), st.permutations(story)))
    services = fresh(tmp_path_factory.mktemp("story"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(succession, "MergedNumbers", both(Counter()))
        deliver(services, [("adt", message) for message in arrivals], group=1)
    services.store.close()


BEAS, ANNAS = {"number": NUMBERS["bea"]}, {"number": NUMBERS["anna"]}
ANOTHER_ONCE_MERGED = [update("M1", 1, **BEAS), update("M2", 1), update("M3", 1, **BEAS), merge("M2", "M1", 3), update("M3", 5, trigger="A03", **ANNAS), merge("M2", "M3", 4)]
"""Of M3 a registration says Bea's number and a later discharge Anna's: alone it holds Bea's, but M2, told the discharge, would hold Anna's beside M1."""


@pytest.mark.parametrize("order", list(itertools.permutations(range(3, 6))))
def test_a_merge_that_gives_the_survivor_another_number_waits_in_any_order(tmp_path, monkeypatch, order):
    seen = Counter()
    monkeypatch.setattr(succession, "MergedNumbers", both(seen))
    services = fresh(tmp_path)
    deliver(services, [("adt", ANOTHER_ONCE_MERGED[place]) for place in (0, 1, 2, *order)], group=1)
    assert seen[True]
    services.store.close()


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_numbers_of_a_record_of_an_earlier_release_are_noted_when_they_are_read(tmp_path, monkeypatch, order):
    """Its verified number is a stranger's, and so in no record's state; the release before noted none."""
    seen = Counter()
    monkeypatch.setattr(succession, "MergedNumbers", both(seen))
    services = fresh(tmp_path)
    story = [update("M1", 1, **BEAS), update("M2", 2), merge("M2", "M1", 3), update("M1", 4, CHARLIE, **ANNAS)]
    for place in order:
        deliver(services, [("adt", story[place])])
        forget(services)
    deliver(services, [("adt", update("M2", 5, f16="M"))])
    assert sorted(told for told in noted(services) if told) == [sorted([NUMBERS["anna"], NUMBERS["bea"]])]
    services.store.close()


def test_nothing_is_noted_of_records_with_messages_that_cannot_be_read_any_more(tmp_path, monkeypatch):
    monkeypatch.setattr(succession, "MergedNumbers", both(Counter()))
    services = fresh(tmp_path)
    deliver(services, [("adt", update("M1", 1, **BEAS)), ("adt", update("M2", 1))])
    forget(services)
    with monkeypatch.context() as patch:
        patch.setattr(numbers, "statements_of", lambda work, records: None)
        deliver(services, [("adt", merge("M2", "M1", 3))])
    assert noted(services) == [None, None]
    services.store.close()


def forget(services):
    """Leave the records as a release did that noted no numbers."""

    def change(tx):
        for record in get_records(tx, [key for key, _ in tx.scan(RECORD, limit=100)]).values():
            record.numbers = None
            save_record(tx, record)

    services.store.apply(SYSTEM, [change])


def noted(services):
    with services.store.snapshot(SYSTEM) as snapshot:
        return [one.numbers for one in get_records(snapshot, [key for key, _ in snapshot.scan(RECORD, limit=100)]).values()]


def looping(count, said):
    """The messages of an engine that merges six records round and round: every fifth a merge, the others updates with what is ``said``."""
    for number in range(count):
        local = f"K{number % 6}"
        yield merge(local, f"K{(number + 1) % 6}", number) if number % 5 == 4 else update(local, number, **{"f16": "MSDW"[number % 4], **said(number)})


class Work:
    """How often messages were read, compared and folded anew to take the last of some messages in."""

    def __init__(self, monkeypatch):
        self.done = Counter()
        for module, name in ((retelling, "heard"), (retelling, "contradicts"), (numbers, "verified_number"), (PatientState, "apply")):
            monkeypatch.setattr(module, name, self.counted(name, getattr(module, name)))

    def counted(self, name, function):
        def counting(*given, **named):
            self.done[name] += 1
            return function(*given, **named)

        return counting

    def of_last(self, services, messages):
        """The work of the last updates and merges."""
        for place, message in enumerate(messages):
            if place == len(messages) - 12:
                self.done.clear()
            [(answer,)] = receive_group(services, [message], SYSTEM)
            assert b"MSA|AA" in answer
        return self.done.total()


def test_an_update_of_records_that_are_merged_round_and_round_reads_nothing_again(tmp_path, monkeypatch):
    services, work = fresh(tmp_path), Work(monkeypatch)
    deliver(services, [("adt", message) for message in looping(60, lambda number: BEAS)])
    work.done.clear()
    deliver(services, [("adt", update("K2", 61, f16="W", **BEAS))])
    assert work.done["heard"] == work.done["contradicts"] == 0
    services.store.close()


SAID = {
    "no number": lambda number: {},
    "one number": lambda number: BEAS,
    "several people": lambda number: {"who": (BEA, CHARLIE)[number % 6 % 2]},
    "a number that was corrected": lambda number: BEAS if number > 6 else ANNAS,
    "two numbers by turns": lambda number: (BEAS, ANNAS)[number // 6 % 2],
    "two numbers, by class": lambda number: {**(BEAS, ANNAS)[number % 2], "trigger": ("A31", "A03")[number % 2]},
}


@pytest.mark.parametrize("said", SAID.values(), ids=SAID)
def test_the_work_of_a_message_grows_no_faster_than_what_was_said_of_its_records(tmp_path, monkeypatch, said):
    """Of merges round and round: twice as many messages are twice the work at most, though they are twice as many merges too."""
    work, found = Work(monkeypatch), {}
    for count in (60, 120):
        services = fresh(tmp_path / str(count))
        found[count] = work.of_last(services, list(looping(count, said)))
        services.store.close()
    assert found[120] <= 2.3 * found[60], found
