"""The day's questions: possible links within the stewards' budget, and the blind audit (matching.md 7)."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from app.errors import BusinessRule
from app.ingest import daily
from app.ingest.auditing import ONE_IN
from app.ingest.daily import expected_gain, fill, last_filled
from app.ingest.stewardship import act, open_items
from app.principal import SYSTEM
from app.store.contract import EDGE
from tests.flow.doors import mrn
from tests.flow.messages import ALICE, BEA, CHARLIE, NUMBERS, adt, cx, pid
from tests.properties.arrival import partition

OLD = {"at": "20250101090000"}
LATER = {"at": "20250601090000"}


PEOPLE = [
    ("ABBOTT", "JOYCE", "19310402"), ("DUVAL", "PRIYA", "19880519"), ("KOWALSKI", "MEG", "20010923"), ("OYELARAN", "TESS", "19560711"),
    ("STERN", "HILDA", "19441230"), ("VICKERS", "NORA", "19790208"),
]  # fmt: skip


def like(who, day, **more):
    """Somebody who differs from another in the birth date by one slip, and lives elsewhere."""
    return {**who, 7: day, 11: "", 13: "", **more}


@pytest.fixture
def doubtful(weald):
    """Three pairs of records that are possible, of different weight, and nothing that is asked about."""
    weald.accept(
        adt("A28", pid(cx("A1"), who=ALICE), **OLD), adt("A28", pid(cx("X1", "RXC"), who=like(ALICE, "19700116")), trust="RXC", **OLD),
        adt("A28", pid(cx("B1"), who=BEA), **OLD), adt("A28", pid(cx("X2", "RXC"), who=like(BEA, "19850631"[:6] + "03")), trust="RXC", **OLD),
        adt("A28", pid(cx("C1"), who=CHARLIE), **OLD), adt("A28", pid(cx("X3", "RXC"), who=like(CHARLIE, "19520228")), trust="RXC", **OLD),
    )  # fmt: skip
    assert asked(weald.services) == []
    return weald


def asked(services, kind=None):
    with services.store.snapshot(SYSTEM) as snapshot:
        return [item for item in open_items(snapshot) if kind in (None, item["kind"])]


def with_budget(services, budget, days=0):
    now = services.clock() + timedelta(days=days)
    matching = services.settings.matching.model_copy(update={"review_budget": budget})
    return replace(services, settings=services.settings.model_copy(update={"matching": matching}), clock=lambda: now)


def settled(services, *arguments):
    return act(services, SYSTEM, "jo", "They said so.", *arguments)


def test_possible_links_are_asked_about_best_first_within_the_budget_of_the_day(doubtful):
    services = doubtful.services
    assert fill(with_budget(services, 0), SYSTEM).possible == 0
    assert fill(with_budget(services, 1), SYSTEM).possible == 1
    [first] = asked(services)
    assert first["kind"] == "possible-match"
    assert fill(with_budget(services, 1), SYSTEM).possible == 1
    assert asked(services) == [first]
    fill(with_budget(services, 50, days=1), SYSTEM)
    every = asked(services)
    assert len(every) > 1
    assert max(item["evidence"]["weight"] for item in every) == first["evidence"]["weight"]


def test_the_gain_of_a_question_is_what_would_be_missed_less_what_it_costs(services):
    scorer = services.scorer
    assert expected_gain(scorer, 0.0) == pytest.approx(0.5 - 0.1)
    assert expected_gain(scorer, 5.0) > expected_gain(scorer, 0.0)
    assert expected_gain(scorer, 40.0) == pytest.approx(100 / 101 - 0.1)


def test_a_pair_that_was_settled_is_never_asked_again(doubtful):
    services = doubtful.services
    fill(services, SYSTEM)
    items = asked(services)
    answers = ["different", "cannot-tell", "bad-data"]
    for item, answer in zip(items, answers, strict=False):
        settled(services, "settle", item["key"], answer)
    fill(with_budget(services, 50, days=1), SYSTEM)
    assert asked(services) == []


def test_a_question_that_answered_itself_closes(doubtful):
    services = doubtful.services
    fill(services, SYSTEM)
    before = asked(services)
    doubtful.accept(adt("A31", pid(cx("X1", "RXC"), who=ALICE), trust="RXC", **LATER), adt("A31", pid(cx("X3", "RXC"), who=BEA), trust="RXC", **LATER))
    after = asked(services, "possible-match")
    assert len(after) < len(before)
    assert len(partition(services)) < 6


def test_nobody_is_asked_across_a_veto_or_what_somebody_said(doubtful):
    services = doubtful.services
    fill(services, SYSTEM)
    items = asked(services)
    assert items
    for item in items:
        settled(services, "unlink", *item["records"])
    assert asked(services) == []
    fill(with_budget(services, 50, days=1), SYSTEM)
    assert asked(services) == []


def test_a_person_has_one_such_question_at_a_time(doubtful):
    services = doubtful.services
    doubtful.accept(adt("A28", pid(cx("Y1", "RPC"), who=like(ALICE, "19700151")), trust="RPC", **OLD))
    fill(services, SYSTEM)
    named = [record for item in asked(services, "possible-match") for record in item["records"]]
    assert len(named) == len(set(named))


def test_a_link_that_changed_since_it_was_chosen_is_not_asked_about(doubtful):
    services = doubtful.services
    chosen, _ = daily._chosen(services, SYSTEM, 50, lambda _: None)
    doubtful.accept(adt("A31", pid(cx("X3", "RXC"), who=CHARLIE), trust="RXC", **LATER))
    results = services.store.apply(SYSTEM, [daily._possible(services, one, "2026-01-01T00:00:00Z") for one in chosen])
    assert len([one for one in results if one]) == len(chosen) - 1


def test_nobody_is_asked_where_other_records_of_the_two_persons_have_different_verified_numbers(doubtful):
    """Her number at a third trust, and the other's at a fourth: the two that are alike cannot be one person."""
    services = doubtful.services
    moved = {**like(CHARLIE, "19520228"), 11: "3 ABBEY CLOSE^^RYE^EAST SUSSEX^TN31 7AA^826^H"}
    doubtful.accept(
        adt("A28", pid(cx("P1", "RPC"), number=NUMBERS["charlie"], who=CHARLIE), trust="RPC", **OLD),
        adt("A31", pid(cx("X3", "RXC"), who=moved), trust="RXC", **LATER),
        adt("A28", pid(cx("Q1", "RA2"), number=NUMBERS["bea"], who=moved), trust="RA2", **OLD),
    )  # fmt: skip
    both = {doubtful.patient(mrn(name, trust))["id"] for name, trust in (("C1", "RTK"), ("X3", "RXC"))}
    fill(services, SYSTEM)
    assert len(partition(services)) == 6
    assert not [item for item in asked(services, "possible-match") if set(item["records"]) == both]


def test_a_link_that_is_parted_before_its_audit_is_asked_is_not_asked_about(linked):
    services = linked.services
    _, audits = daily._chosen(services, SYSTEM, 50, lambda _: None)
    settled(services, "unlink", *audits[0].records)
    results = services.store.apply(SYSTEM, [daily._audit(services, one, "2026-01-01T00:00:00Z") for one in audits])
    assert [bool(one) for one in results] == [False, *[True] * (len(audits) - 1)]


@pytest.fixture
def linked(weald, monkeypatch):
    """Six people, each with two records that the matcher links; every second link is audited."""
    monkeypatch.setattr("app.ingest.auditing.ONE_IN", 2)
    for number, (family, given, born) in enumerate(PEOPLE):
        who = {5: f"{family}^{given}^^^^^L", 7: born, 8: "F", 11: f"{number} {family} STREET^^CRAWLEY^WEST SUSSEX^RH1{number} 1AA^826^H"}
        weald.accept(adt("A28", pid(cx(f"A{number}"), who=who), **OLD), adt("A28", pid(cx(f"X{number}", "RXC"), who=who), trust="RXC", **OLD))
    assert len(partition(weald.services)) == 6
    return weald


def test_one_link_in_so_many_is_audited_and_the_same_ones_each_time(linked):
    services = linked.services
    assert fill(services, SYSTEM).audits in (2, 3, 4)
    first = asked(services, "audit")
    fill(with_budget(services, 50, days=1), SYSTEM)
    assert asked(services, "audit") == first
    assert ONE_IN == 500


def test_an_audit_shows_neither_weight_nor_grade_nor_that_it_is_linked(linked):
    services = linked.services
    fill(services, SYSTEM)
    item = asked(services, "audit")[0]
    assert item["evidence"] == {}
    assert item["audit"]["weight"] > 9.96
    tasks = [one for one in linked.tasks() if one["code"]["coding"][0]["code"] == "audit"]
    assert tasks
    for task in tasks:
        said = orjson.dumps(task)
        assert "extension" not in task
        assert not any(word in said for word in (b"weight", b"certain", b"linked", b"grade"))


def test_the_answer_same_to_an_audit_changes_nothing_of_the_person(linked):
    services = linked.services
    fill(services, SYSTEM)
    item = asked(services, "audit")[0]
    before, edges = partition(services), linked.kept(EDGE)
    settled(services, "settle", item["key"], "same")
    assert partition(services) == before
    assert linked.kept(EDGE) == edges
    fill(with_budget(services, 50, days=1), SYSTEM)
    assert item["key"] not in [one["key"] for one in asked(services)]


def test_the_answer_different_to_an_audit_parts_the_records_and_can_be_undone(linked):
    services = linked.services
    fill(services, SYSTEM)
    item = asked(services, "audit")[0]
    decision = settled(services, "settle", item["key"], "different")
    assert len(partition(services)) == 7
    settled(services, "undo", decision.provenance)
    assert len(partition(services)) == 6
    assert item["key"] in [one["key"] for one in asked(services, "audit")]


def test_an_audit_of_records_that_are_parted_meanwhile_closes(linked):
    services = linked.services
    fill(services, SYSTEM)
    item = asked(services, "audit")[0]
    settled(services, "unlink", *item["records"])
    assert item["key"] not in [one["key"] for one in asked(services)]


def test_the_pass_remembers_what_it_asked_and_when(doubtful):
    services = doubtful.services
    with services.store.snapshot(SYSTEM) as snapshot:
        assert last_filled(snapshot) is None
    filled = fill(services, SYSTEM)
    with services.store.snapshot(SYSTEM) as snapshot:
        assert last_filled(snapshot) == filled


def test_a_question_that_cannot_be_asked_is_raised(doubtful):
    def refuses(tx):
        raise BusinessRule("Not now.")

    with pytest.raises(BusinessRule):
        daily._ask_all(doubtful.services, SYSTEM, [refuses], 1)
