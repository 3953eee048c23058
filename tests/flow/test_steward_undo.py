"""Decisions of stewards that overlap: what an undo must not overwrite, and what it must not ask again (matching.md 9)."""

from datetime import timedelta
from itertools import count

import pytest

from app.services import services_from_settings
from app.settings import load_settings
from tests.flow.conftest import NOW
from tests.flow.doors import mrn
from tests.flow.messages import ALICE, BEA, NUMBERS, adt, cx, pid
from tests.flow.stewarding import Steward, named

OLD = {"at": "20250101090000"}


@pytest.fixture
def services(settings_file, tmp_path):
    """A clock that goes on, a second each time it is looked at."""
    seconds = count()
    settings = load_settings(settings_file, env={"WEALD_STORE": f"sqlite:///{tmp_path / 'weald.db'}"})
    services = services_from_settings(settings, clock=lambda: NOW + timedelta(seconds=next(seconds)))
    yield services
    services.store.close()


@pytest.fixture
def jo(weald):
    return Steward(weald)


@pytest.fixture
def three(weald):
    """Alice thrice at one trust, under three verified NHS numbers."""
    weald.accept(*(adt("A28", pid(cx(local), number=NUMBERS[name], who=ALICE), **OLD) for local, name in (("A1", "alice"), ("A2", "anna"), ("A3", "bea"))))
    return weald


def person(weald, number):
    return weald.golden(weald.patient(number))["id"]


def supersede(jo, other):
    """A link of A1 with another record, that says that the number of A1 is superseded."""
    return jo.done("Patient/$link", named("record", mrn("A1")), named("record", mrn(other)), {"name": "superseded", "valueString": NUMBERS["alice"]})


def undoing(provenance):
    return {"name": "provenance", "valueReference": {"reference": f"Provenance/{provenance}"}}


def test_an_undo_does_not_overwrite_what_a_later_decision_says_of_a_number(three, jo):
    undo = jo.undo(supersede(jo, "A2"))
    later = supersede(jo, "A3")
    assert jo.refused("Patient/$undo", undoing(undo)) == (422, "business-rule")
    assert person(three, mrn("A1")) == person(three, mrn("A3")) != person(three, mrn("A2"))
    jo.undo(later)
    jo.undo(undo)
    assert person(three, mrn("A1")) == person(three, mrn("A2")) != person(three, mrn("A3"))


def test_what_a_decision_says_of_a_number_ends_and_returns_with_it_however_often(three, jo):
    last = supersede(jo, "A2")
    for together in (False, True, False, True):
        last = jo.undo(last)
        assert (person(three, mrn("A1")) == person(three, mrn("A2"))) == together


def test_an_undo_does_not_ask_again_what_has_answered_itself(weald, jo):
    weald.accept(adt("A28", pid(cx("B1"), who=BEA), **OLD), adt("A28", pid(cx("B2"), who=BEA), **OLD))
    [task] = weald.tasks("probable-match")
    unsure = jo.settle(task, "cannot-tell")
    linked = jo.link(mrn("B1"), mrn("B2"))
    jo.undo(unsure)
    assert weald.tasks() == []
    assert weald.get(f"Task/{task['id']}")["status"] == "cancelled"
    jo.undo(linked)
    assert [one["id"] for one in weald.tasks("probable-match")] == [task["id"]]


def test_an_undo_asks_again_what_is_still_a_question(weald, jo):
    weald.accept(adt("A28", pid(cx("B1"), who=BEA), **OLD), adt("A28", pid(cx("B2"), who=BEA), **OLD))
    [task] = weald.tasks("probable-match")
    jo.undo(jo.settle(task, "cannot-tell"))
    assert [one["id"] for one in weald.tasks("probable-match")] == [task["id"]]
