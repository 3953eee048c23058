"""What the matcher doubts becomes a question to a steward: asked once, closed when it is moot, never answered by a guess (matching.md 7 to 9)."""

import pytest

from tests.flow.doors import W, mrn
from tests.flow.messages import ALICE, ANNA, NUMBERS, adt, cx, pid

OLD = {"at": "20250101090000"}


def all_tasks(weald):
    return {(task["id"], task["meta"]["versionId"], task["status"]) for task in weald.found("Task?_count=1000")}


@pytest.fixture
def doubled(weald):
    """Alice twice at one trust, alike in all but the number: its own duplicate, for a steward to see."""
    weald.accept(adt("A28", pid(cx("A1"), who=ALICE), **OLD), adt("A28", pid(cx("A2"), who=ALICE), **OLD))
    return weald


def persons(weald, *keys):
    return [weald.golden(weald.patient(mrn(*key.split("@"))))["id"] for key in keys]


def test_two_numbers_of_one_trust_for_one_person_are_asked_about_not_linked(doubled):
    first, second = persons(doubled, "A1", "A2")
    assert first != second
    [task] = doubled.tasks("probable-match")
    assert {one["valueReference"]["reference"] for one in task["input"]} == {f"Patient/{doubled.patient(mrn(key))['id']}" for key in ("A1", "A2")}
    assert doubled.get(task["focus"]["reference"])["active"] is False


def test_a_question_is_asked_once_however_many_messages_touch_its_records(doubled):
    before = all_tasks(doubled)
    for day in range(2, 6):
        doubled.accept(adt("A31", pid(cx("A1"), who=ALICE, f16="SMWD"[day - 2]), at=f"2025010{day}090000"))
    assert all_tasks(doubled) == before


def test_a_third_record_adds_its_own_questions_and_leaves_the_others_as_they_are(doubled):
    before = all_tasks(doubled)
    doubled.accept(adt("A28", pid(cx("A3"), who=ALICE), **OLD))
    assert before <= all_tasks(doubled)
    assert len(doubled.tasks("probable-match")) == 3


def test_a_question_that_evidence_answers_closes_itself(doubled):
    [task] = doubled.tasks("probable-match")
    doubled.accept(adt("A31", pid(cx("A2"), who=ANNA, number=NUMBERS["anna"]), at="20250601090000"))
    doubled.accept(adt("A31", pid(cx("A1"), who=ALICE, number=NUMBERS["alice"]), at="20250601090000"))
    assert doubled.tasks("probable-match") == []
    closed = doubled.get(f"Task/{task['id']}")
    assert (closed["status"], closed["output"][0]["valueCode"]) == ("cancelled", "moot")


def test_a_question_that_a_merge_answers_closes_itself(doubled):
    doubled.accept(adt("A40", pid(cx("A1")), "MRG|" + cx("A2"), at="20250601090000"))
    assert doubled.tasks("probable-match") == []


def test_an_unlink_keeps_two_records_apart_even_where_a_third_would_join_them(weald):
    for key, trust in (("A1", "RTK"), ("A2", "RTK"), ("X1", "RXC")):
        weald.accept(adt("A28", pid(cx(key, trust), number=NUMBERS["alice"], who=ALICE), trust=trust, **OLD))
    assert len(set(persons(weald, "A1", "A2", "X1@RXC"))) == 1
    weald.accept(adt("A37", pid(cx("A1")), pid(cx("A2")), at="20250601090000"))
    first, second, third = persons(weald, "A1", "A2", "X1@RXC")
    assert first != second
    assert third in {first, second}


def test_a_link_below_certain_is_found_only_where_the_floor_is_lowered(doubled):
    first, second = persons(doubled, "A1", "A2")
    members = [one["other"]["reference"] for one in doubled.get(f"Patient/{first}")["link"]]
    assert members == [f"Patient/{doubled.patient(mrn('A1'))['id']}"]
    assert second != first
    assert W in doubled.tasks()[0]["code"]["coding"][0]["system"]
