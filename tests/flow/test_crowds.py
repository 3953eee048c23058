"""A crowd of records that ask the same of each other is one question to stewards, not one a pair (matching.md 7 and 9)."""

import random

import orjson
import pytest

from app.errors import BusinessRule
from app.ingest.adt import receive_group
from app.ingest.questions import CROWD, LISTED
from app.ingest.stewardship import act, open_items
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings
from app.store.contract import REVIEW
from tests.flow.messages import ALICE, BEA, adt, cx, pid

OLD = {"at": "20250101090000"}


def of_the_crowd(*names):
    """A28s of one trust that differ in nothing but the trust's own number: the trust's duplicates, or its people."""
    return [adt("A28", pid(cx(name), who=ALICE), **OLD) for name in names]


def named(count, prefix="C"):
    return [f"{prefix}{number:03}" for number in range(count)]


def asked(services):
    with services.store.snapshot(SYSTEM) as snapshot:
        return open_items(snapshot)


def records(services):
    return sorted({record for item in asked(services) for record in item["records"]})


def settled(services, action, *arguments):
    return act(services, SYSTEM, "jo", "They said so.", action, *arguments)


def persons(weald, names):
    return {weald.golden(weald.patient(f"https://weald.example/fhir/Id/RTK/mrn|{name}"))["id"] for name in names}


def test_three_records_in_doubt_are_asked_about_pair_by_pair(weald):
    weald.accept(*of_the_crowd(*named(CROWD - 1)))
    items = asked(weald.services)
    assert [(item["kind"], len(item["records"])) for item in items] == [("probable-match", 2)] * 3


def test_four_records_in_doubt_are_one_item_that_names_them_and_shows_the_strongest_pair(weald):
    weald.accept(*of_the_crowd(*named(CROWD)))
    [item] = asked(weald.services)
    assert (item["kind"], len(item["records"]), item["evidence"]["records"]) == ("probable-match", CROWD, CROWD)
    assert set(item["evidence"]["pair"]) <= set(item["records"])
    assert item["evidence"]["weight"] > 6
    [task] = [one for one in weald.tasks() if one["status"] == "requested"]
    assert len(task["input"]) == CROWD
    assert str(CROWD) in task["description"]
    with weald.services.store.snapshot(SYSTEM) as snapshot:
        kept = [orjson.loads(body) for _, body in snapshot.scan(REVIEW)]
    assert sorted(one["state"] for one in kept) == ["moot", "moot", "moot", "open"]


def test_a_crowd_that_grows_stays_one_item_and_names_no_more_than_fifty(weald):
    weald.accept(*of_the_crowd(*named(LISTED + 3)))
    [item] = asked(weald.services)
    assert (len(item["records"]), item["evidence"]["records"]) == (LISTED, LISTED + 3)
    with weald.services.store.snapshot(SYSTEM) as snapshot:
        assert snapshot.count(REVIEW) < 20


def test_whatever_the_order_of_arrival_the_same_is_asked(settings_file, tmp_path):
    found = []
    messages = [*of_the_crowd(*named(7)), *(adt("A28", pid(cx(name), who=BEA), **OLD) for name in named(3, "B"))]
    for seed in range(4):
        settings = load_settings(settings_file, env={"WEALD_STORE": f"sqlite:///{tmp_path / f'{seed}.db'}"})
        services = services_from_settings(settings)
        for message in random.Random(seed).sample(messages, len(messages)):
            [(answer,)] = receive_group(services, [message], SYSTEM)
            assert b"MSA|AA" in answer
        found.append([(one["key"], one["kind"], one["records"], one["evidence"]) for one in sorted(asked(services), key=lambda one: one["key"])])
        services.store.close()
    assert len(found[0]) == 4
    assert all(one == found[0] for one in found)


def test_two_persons_of_two_records_are_one_question(weald):
    """Two records of a person and two of another, all alike: the strongest of four pairs is asked."""
    weald.accept(*of_the_crowd("A", "B", "C"))
    a, b, *rest = records(weald.services)
    settled(weald.services, "link", a, b)
    [item] = asked(weald.services)
    assert rest[0] in item["records"]
    assert len(item["records"]) == 2


def test_a_crowd_answered_same_becomes_one_person_and_undone_is_asked_again(weald):
    weald.accept(*of_the_crowd(*named(5)))
    [item] = before = asked(weald.services)
    decision = settled(weald.services, "settle", item["key"], "same")
    assert len(persons(weald, named(5))) == 1
    assert asked(weald.services) == []
    settled(weald.services, "undo", decision.provenance)
    assert len(persons(weald, named(5))) == 5
    assert asked(weald.services) == before


def test_a_crowd_answered_different_is_not_asked_again_until_somebody_joins_it(weald):
    weald.accept(*of_the_crowd(*named(5)))
    [item] = asked(weald.services)
    settled(weald.services, "settle", item["key"], "different")
    assert len(persons(weald, named(5))) == 5
    assert asked(weald.services) == []
    weald.accept(*of_the_crowd("LATE"))
    [again] = asked(weald.services)
    assert len(again["records"]) == 6


def test_a_crowd_that_nobody_can_tell_is_asked_again_when_it_has_grown(weald):
    weald.accept(*of_the_crowd(*named(5)))
    settled(weald.services, "settle", asked(weald.services)[0]["key"], "cannot-tell")
    weald.accept(adt("A31", pid(cx("C001"), who=ALICE, f16="S"), at="20250601090000"))
    assert asked(weald.services) == []
    weald.accept(*of_the_crowd("LATE"))
    assert len(asked(weald.services)) == 1


def test_what_a_steward_takes_out_of_a_crowd_leaves_the_question_of_the_rest(weald):
    weald.accept(*of_the_crowd(*named(6)))
    first, second, third, *_ = records(weald.services)
    settled(weald.services, "link", first, second)
    settled(weald.services, "link", second, third)
    [item] = asked(weald.services)
    assert item["evidence"]["records"] >= CROWD
    weald.accept(adt("A40", pid(cx("C000")), f"MRG|{cx('C001')}", at="20250201090000"))
    assert len(persons(weald, ["C000", "C002", "C003", "C004", "C005"])) <= 4


def test_a_crowd_larger_than_a_person_may_be_is_answered_piece_by_piece(weald):
    weald.accept(*of_the_crowd(*named(27)))
    [item] = asked(weald.services)
    with pytest.raises(BusinessRule, match="27 records"):
        settled(weald.services, "settle", item["key"], "same")
    with pytest.raises(BusinessRule, match="27 records"):
        settled(weald.services, "settle", item["key"], "different")
    settled(weald.services, "settle", item["key"], "bad-data")
    assert asked(weald.services) == []


def test_a_pair_that_somebody_parted_is_not_asked_through_other_records_of_the_two_persons(weald):
    weald.accept(*of_the_crowd("A", "B", "C"))
    a, b, c = records(weald.services)
    settled(weald.services, "link", a, b)
    [item] = asked(weald.services)
    settled(weald.services, "settle", item["key"], "different")
    assert c in item["records"]
    assert asked(weald.services) == []
