"""A do-not-link List holds whatever trusts and stewards do before and after it, in any order (matching.md 8, 13)."""

from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import count
from pathlib import Path

import orjson
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from app.errors import WealdError
from app.ingest.adt import receive_group
from app.ingest.lists import current_lists
from app.ingest.records import record_from_body
from app.ingest.stewardship import act
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings
from app.store.contract import DECISION, RECORD
from tests.flow.messages import ALICE, ANNA, BEA, CHARLIE, NUMBERS, adt, cx, mrg, pid

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
SAMPLE = Path(str(resources.files("app").joinpath("sample.toml")))
CAST = (
    ("A1", "RTK", "alice", ALICE), ("A2", "RTK", None, ALICE), ("B1", "RTK", None, BEA), ("N1", "RTK", "anna", ANNA),
    ("X1", "RXC", "alice", ALICE), ("X2", "RXC", None, BEA), ("P1", "RPC", None, CHARLIE),
)  # fmt: skip
"""Seven records at three trusts, four of them at one: some are one person by their number or their score, some resemble."""
OWN = 4


class Region:
    """A store of its own, with the cast, and a clock that goes on."""

    def __init__(self, folder):
        seconds = count()
        env = {"WEALD_STORE": f"sqlite:///{folder / 'weald.db'}", "WEALD_MODE": "sample"}
        self.services = services_from_settings(load_settings(SAMPLE, env=env), clock=lambda: START + timedelta(seconds=next(seconds)))
        self.tell(*(
            adt("A28", pid(cx(id, trust), number=NUMBERS.get(number or ""), who=who), trust=trust, at="20250101090000") for id, trust, number, who in CAST
        ))  # fmt: skip
        self.ids = [record.id for record in self.records()]

    def records(self):
        with self.services.store.snapshot(SYSTEM) as snapshot:
            return sorted((record_from_body(body) for _, body in snapshot.scan(RECORD)), key=lambda record: record.number)

    def tell(self, *messages):
        assert all(b"MSA|AA" in answer for (answer,) in receive_group(self.services, list(messages), SYSTEM))

    def decide(self, action, *arguments):
        try:
            return act(self.services, SYSTEM, "jo", "A walk.", action, *arguments)
        except WealdError as refusal:
            if refusal.issue_code not in ("business-rule", "not-found"):
                raise
            event(f"{action} refused")
            return None

    def lists(self):
        with self.services.store.snapshot(SYSTEM) as snapshot:
            return current_lists(snapshot)

    def check(self):
        """No two records of a List that is current are one person, whether they answer for themselves or others answer for them."""
        person = {record.id: record.person for record in self.records()}
        for one in self.lists():
            assert len({person[id] for id in one["records"]}) == len(one["records"])

    def persons(self):
        """The records of each person, by their place in the cast."""
        found = {}
        for record in self.records():
            found.setdefault(record.person, set()).add(self.ids.index(record.id))
        return sorted(map(sorted, found.values()))

    def feed(self, action, first, second, day):
        """The trust of four records merges, links or parts two of them."""
        a, b, at = CAST[first % OWN][0], CAST[second % OWN][0], f"202503{day:02d}090000"
        if a != b:
            self.tell(adt(action, pid(cx(a)), mrg(cx(b)), at=at) if action == "A40" else adt(action, pid(cx(a)), pid(cx(b)), at=at))

    def steward(self, action, first, second, more):
        records = self.records()
        a, b, c = (records[place % len(CAST)] for place in (first, second, more))
        with self.services.store.snapshot(SYSTEM) as snapshot:
            made = [orjson.loads(body)["provenance"] for _, body in sorted(snapshot.scan(DECISION))]
        arguments = {
            "link": (a.id, b.id), "unlink": (a.id, b.id), "merge": (a.person, b.person), "split": (a.person, [b.id]), "do-not-link": (a.id, b.id),
            "do-not-link-three": (a.id, b.id, c.id), "undo": (made[more % len(made)],) if made else None,
            "retire": (self.lists()[first % len(self.lists())]["id"],) if self.lists() else None,
        }[action]  # fmt: skip
        if arguments:
            self.decide(action.removesuffix("-three"), *arguments)


PLACE = st.integers(0, len(CAST) - 1)
DAY = st.integers(1, 28)
"""Of which day an event tells: feeds tell late too, so that it is not when it comes."""
FED = st.tuples(st.sampled_from(["A40", "A40", "A24", "A37"]), st.integers(0, OWN - 1), st.integers(0, OWN - 1), DAY)
STEWARDED = st.tuples(st.sampled_from(["link", "link", "merge", "unlink", "split", "do-not-link", "do-not-link", "do-not-link-three", "retire", "undo"]), PLACE, PLACE, st.integers(0, 20))


def safe(folder, steps):
    region = Region(folder)
    for step in steps:
        (region.feed if step[0].startswith("A") else region.steward)(*step)
        region.check()
    region.services.store.close()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.one_of(FED, STEWARDED), min_size=3, max_size=12))
@example([("do-not-link", 0, 4, 0), ("link", 2, 4, 0), ("A40", 0, 2, 3)])
@example([("do-not-link", 2, 6, 0), ("A40", 0, 2, 3), ("merge", 0, 6, 0)])
@example([("A40", 0, 1, 3), ("do-not-link", 1, 4, 0), ("A37", 0, 1, 5)])
def test_no_two_records_of_a_current_list_are_ever_one_person(tmp_path_factory, steps):
    safe(tmp_path_factory.mktemp("listed"), steps)


@pytest.mark.long
@settings(max_examples=1500, deadline=None)
@given(st.lists(st.one_of(FED, STEWARDED), min_size=3, max_size=16))
def test_no_two_records_of_a_current_list_are_one_person_on_long_walks(tmp_path_factory, steps):
    safe(tmp_path_factory.mktemp("listed"), steps)


def alike(folder, feed, listed, links):
    """The persons that come of what a trust tells, wherever among it the List is made; stewards had linked some records before."""
    found = []
    for place in sorted({0, len(feed) // 2, len(feed)}):
        (folder / str(place)).mkdir()
        region = Region(folder / str(place))
        for a, b in links:
            region.steward("link", a, b, 0)
        for step in feed[:place]:
            region.feed(*step)
        region.decide("do-not-link", *(region.ids[one] for one in sorted(listed)))
        for step in feed[place:]:
            region.feed(*step)
        region.check()
        found.append(region.persons())
        region.services.store.close()
    assert found == [found[0]] * len(found)


ALIKE = {
    "feed": st.lists(FED, min_size=1, max_size=6), "listed": st.sets(PLACE, min_size=2, max_size=3), "links": st.lists(st.tuples(PLACE, PLACE), max_size=2),
}  # fmt: skip


@settings(max_examples=8, deadline=None)
@given(**ALIKE)
@example(feed=[("A40", 0, 1, 3), ("A37", 0, 1, 5)], listed={1, 4}, links=[])
def test_it_is_all_the_same_when_a_list_is_made(tmp_path_factory, feed, listed, links):
    alike(tmp_path_factory.mktemp("alike"), feed, listed, links)


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@given(**ALIKE)
def test_it_is_all_the_same_when_a_list_is_made_in_many_stories(tmp_path_factory, feed, listed, links):
    alike(tmp_path_factory.mktemp("alike"), feed, listed, links)
