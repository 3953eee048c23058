"""Random walks of stewards' decisions and withdrawals return to the start (matching.md 13)."""

from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import count
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import WealdError
from app.ingest.adt import receive_group
from app.ingest.evidence import demographics_of
from app.ingest.records import record_from_body
from app.ingest.stewardship import act
from app.ingest.work import Cause, Work
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings
from app.store.contract import DO_NOT_LINK, PERSON, RECORD, REVIEW
from matching.caps import vetoes
from tests.flow.messages import ALICE, ANNA, BEA, CHARLIE, NUMBERS, adt, cx, pid

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
SAMPLE = Path(str(resources.files("app").joinpath("sample.toml")))
RECORDS = 7


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    """Seven records of the cast at three trusts, some linked, some in doubt; and a clock that goes on."""
    seconds = count()
    env = {"WEALD_STORE": f"sqlite:///{tmp_path_factory.mktemp('walk') / 'weald.db'}", "WEALD_MODE": "sample"}
    services = services_from_settings(load_settings(SAMPLE, env=env), clock=lambda: START + timedelta(seconds=next(seconds)))
    old = {"at": "20250101090000"}
    messages = [
        adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **old),
        adt("A28", pid(cx("A2"), who=ALICE), **old),
        adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC", **old),
        adt("A28", pid(cx("N1"), number=NUMBERS["anna"], who=ANNA), **old),
        adt("A28", pid(cx("B1"), who=BEA), **old),
        adt("A28", pid(cx("X2", "RXC"), who=BEA), trust="RXC", **old),
        adt("A28", pid(cx("P1", "RPC"), who=CHARLIE), trust="RPC", **old),
    ]
    answers = receive_group(services, messages, SYSTEM)
    assert all(b"MSA|AA" in answer for (answer,) in answers)
    yield services
    services.store.close()


def records(snapshot):
    found = [record_from_body(body) for _, body in snapshot.scan(RECORD)]
    return sorted(found, key=lambda record: record.number)


def state(services):
    """Who is together, under which ids, near whom, shown how, and what stewards are asked."""
    with services.store.snapshot(SYSTEM) as snapshot:
        persons = {key: orjson.loads(body) for key, body in snapshot.scan(PERSON)}
        golden = {id: orjson.loads(one.body) for id, one in snapshot.resources("Patient", [id for id, one in persons.items() if one["members"]]).items()}
        for one in golden.values():
            one["meta"] = {key: value for key, value in one["meta"].items() if key not in ("versionId", "lastUpdated")}
        return {
            "records": {record.id: record.person for record in records(snapshot)},
            "persons": {id: (one["members"], one["near"], one["decided"]) for id, one in persons.items() if one["members"]},
            "golden": golden,
            "lists": sorted(key for key, _ in snapshot.find(DO_NOT_LINK, "status", ["current"])),
            "asked": sorted(key for key, _ in snapshot.find(REVIEW, "state", ["open"])),
        }


def check(services):
    """No person holds a vetoed pair, nor two records of a List that is current."""
    with services.store.snapshot(SYSTEM) as snapshot:
        work = Work(snapshot, services, Cause("test", "", "", ""))
        together = {}
        for record in records(snapshot):
            together.setdefault(record.person, []).append(demographics_of(work, record))
        person = {record.id: record.person for record in records(snapshot)}
        listed = [orjson.loads(body) for _, body in snapshot.find(DO_NOT_LINK, "status", ["current"])]
    assert all(len({person[id] for id in one["records"]}) == len(one["records"]) for one in listed)
    assert not [1 for members in together.values() for a in members for b in members if vetoes(a, b)]


RECORD_PLACE = st.integers(0, RECORDS - 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["link", "unlink", "merge"]), RECORD_PLACE, RECORD_PLACE),
        st.tuples(st.just("split"), RECORD_PLACE, RECORD_PLACE),
        st.tuples(st.just("do-not-link"), RECORD_PLACE, RECORD_PLACE),
        st.tuples(st.just("retire"), st.integers(0, 20), st.just(0)),
        st.tuples(st.just("undo"), st.integers(0, 20), st.just(0)),
    ),
    max_size=10,
)


def act_or_refusal(services, action, *arguments):
    """What the decision came to, or why it was refused."""
    try:
        return act(services, SYSTEM, "jo", "A walk.", action, *arguments)
    except WealdError as refusal:
        return refusal


def step(services, done, action, first, second):
    """Take one step of a walk; one that is refused is none."""
    with services.store.snapshot(SYSTEM) as snapshot:
        held, lists = records(snapshot), [key for key, _ in snapshot.scan(DO_NOT_LINK)]
    a, b = held[first % RECORDS], held[second]
    arguments = {
        "link": (a.id, b.id), "unlink": (a.id, b.id), "merge": (a.person, b.person), "split": (a.person, [a.id]),
        "do-not-link": (a.id, b.id, held[(first + second) % RECORDS].id),
        "undo": (done[first % len(done)],) if done else (),
        "retire": (lists[first % len(lists)],) if lists else (),
    }[action]  # fmt: skip
    if not arguments:
        return
    decided = act_or_refusal(services, action, *arguments)
    if isinstance(decided, WealdError):
        assert decided.issue_code in ("business-rule", "not-found"), decided
    else:
        done.append(decided.provenance)


def walk(services, steps):
    before = state(services)
    done = []
    for one in steps:
        step(services, done, *one)
        check(services)
    for provenance in reversed(done):
        taken_back = act_or_refusal(services, "undo", provenance)
        assert not isinstance(taken_back, WealdError) or "undone already" in taken_back.text
    assert state(services) == before


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_decisions_taken_back_in_turn_leave_all_as_it_was(region, steps):
    walk(region, steps)


@pytest.mark.long
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_many_decisions_taken_back_in_turn_leave_all_as_it_was(region, steps):
    walk(region, steps)
