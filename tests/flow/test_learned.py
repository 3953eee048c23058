"""What the store learns of values, and unlearns: numbers on too many people, superseded numbers, shared values (matching.md 2)."""

import pytest

from app.errors import BusinessRule
from app.ingest.again import sweep
from app.ingest.learned import MANY, all_known
from app.ingest.stewardship import act
from app.principal import SYSTEM
from matching.scoring import Scorer
from tests.flow.doors import NHS_NUMBER, mrn
from tests.flow.messages import ALICE, ANNA, BEA, CHARLIE, NUMBERS, adt, cx, pid
from tests.flow.stewarding import Steward, everything, named

OLD = {"at": "20250101090000"}
LATER = {"at": "20250601090000"}
N = NUMBERS["alice"]
CAST = {"A1": ALICE, "B1": BEA, "C1": CHARLIE, "D1": {5: "NWOSU^DAYO", 7: "19600606", 8: "M"}}


def known(weald):
    """What is known of numbers as a whole: which records confuse one is in test_false_links."""
    with weald.services.store.snapshot(SYSTEM) as snapshot:
        return [(said["number"], said["state"]) for said in all_known(snapshot) if said["state"] != "doubted"]


def golden(weald, number):
    return weald.golden(weald.patient(number))["id"]


def enrol(weald, number, who, nhs=N, trust="RTK", **at):
    weald.accept(adt("A28", pid(cx(number, trust), number=nhs, who=who), trust=trust, **(at or OLD)))


@pytest.fixture
def shared(weald):
    """Alice at two trusts, and three other people under her number."""
    enrol(weald, "A1", ALICE)
    enrol(weald, "X1", ALICE, trust="RXC")
    assert golden(weald, mrn("A1")) == golden(weald, mrn("X1", "RXC"))
    for number, who in list(CAST.items())[1:]:
        enrol(weald, number, who)
    return weald


def test_a_number_on_more_than_three_people_is_no_evidence_any_more(shared):
    assert known(shared) == [(N, "stopped")]
    edges = shared.get(f"Patient/{shared.patient(mrn('A1'))['id']}/$explain?other={mrn('X1', 'RXC')}")
    fields = {one["part"][0]["valueCode"] for one in edges["parameter"] if one["name"] == "field"}
    assert "given" in fields
    assert "nhs-number" not in fields
    assert len({golden(shared, mrn(number)) for number in CAST}) == 4


def test_three_people_on_a_number_do_not_stop_it(weald):
    for number, who in list(CAST.items())[:3]:
        enrol(weald, number, who)
    enrol(weald, "X1", ALICE, trust="RXC")
    assert known(weald) == []


def test_a_stopped_number_is_evidence_again_when_its_records_are_put_right(shared):
    shared.accept(adt("A31", pid(cx("B1"), number=NUMBERS["bea"], who=BEA), **LATER))
    shared.accept(adt("A31", pid(cx("C1"), number=NUMBERS["charlie"], who=CHARLIE), **LATER))
    assert known(shared) == [(N, "stopped")], "nobody who carries it has said anything since"
    enrol(shared, "A1", {**ALICE, 13: "01632 960077^PRN^PH"}, at="20250602090000")
    assert known(shared) == []
    assert golden(shared, mrn("A1")) == golden(shared, mrn("X1", "RXC"))


def test_the_sweep_lifts_a_stop_too(shared):
    shared.accept(adt("A31", pid(cx("B1"), number=NUMBERS["bea"], who=BEA), **LATER))
    sweep(shared.services, SYSTEM)
    assert known(shared) == []
    assert golden(shared, mrn("A1")) == golden(shared, mrn("X1", "RXC"))


def test_a_steward_may_lift_a_stop_and_take_that_back(shared):
    lifted = act(shared.services, SYSTEM, "jo", "The others are slips.", "lift", N)
    assert known(shared) == [(N, "lifted")]
    assert golden(shared, mrn("A1")) == golden(shared, mrn("X1", "RXC"))
    enrol(shared, "E1", {5: "QUILL^EVE", 7: "19550505", 8: "F"})
    assert known(shared) == [(N, "lifted")]
    act(shared.services, SYSTEM, "jo", "They are not.", "undo", lifted.provenance)
    assert known(shared) == [(N, "stopped")]


def test_only_a_stopped_number_is_lifted(shared):
    with pytest.raises(BusinessRule):
        act(shared.services, SYSTEM, "jo", "Why not.", "lift", NUMBERS["bea"])


# A superseded number.


@pytest.fixture
def two_numbers(weald):
    """Alice had another NHS number before; her records at two trusts hold one each."""
    enrol(weald, "A1", ALICE)
    enrol(weald, "X1", ALICE, nhs=NUMBERS["anna"], trust="RXC")
    assert golden(weald, mrn("A1")) != golden(weald, mrn("X1", "RXC"))
    return weald


def test_a_steward_may_link_across_two_verified_numbers_by_saying_which_is_superseded(two_numbers):
    jo, weald = Steward(two_numbers), two_numbers
    before = everything(weald, [weald.patient(number)["id"] for number in (mrn("A1"), mrn("X1", "RXC"))])
    two = [named("record", mrn("A1")), named("record", mrn("X1", "RXC"))]
    assert jo.refused("Patient/$link", *two) == (422, "business-rule")
    assert jo.refused("Patient/$link", *two, named("superseded", f"{NHS_NUMBER}|{NUMBERS['bea']}")) == (422, "business-rule")
    decision = jo.done("Patient/$link", *two, named("superseded", f"{NHS_NUMBER}|{NUMBERS['anna']}"))
    assert known(weald) == [(NUMBERS["anna"], "superseded")]
    assert golden(weald, mrn("A1")) == golden(weald, mrn("X1", "RXC"))
    withdrawal = jo.undo(decision)
    assert known(weald) == []
    assert everything(weald, list(before[2])) == before
    jo.undo(withdrawal)
    assert known(weald) == [(NUMBERS["anna"], "superseded")]
    assert golden(weald, mrn("A1")) == golden(weald, mrn("X1", "RXC"))


def test_a_record_that_comes_later_with_the_superseded_number_is_known_by_its_successor(two_numbers):
    jo = Steward(two_numbers)
    jo.done("Patient/$link", named("record", mrn("A1")), named("record", mrn("X1", "RXC")), {"name": "superseded", "valueString": NUMBERS["anna"]})
    enrol(two_numbers, "P1", ALICE, nhs=NUMBERS["anna"], trust="RPC")
    assert golden(two_numbers, mrn("P1", "RPC")) == golden(two_numbers, mrn("A1"))


def test_a_merge_that_waits_across_two_numbers_can_be_settled_by_saying_which_is_superseded(weald):
    jo = Steward(weald)
    enrol(weald, "A1", ALICE)
    enrol(weald, "A2", ANNA, nhs=NUMBERS["anna"])
    weald.accept(adt("A24", pid(cx("A1")), pid(cx("A2")), **LATER))
    [task] = weald.tasks("link-across-nhs-numbers")
    same = {"name": "outcome", "valueCode": "same"}
    assert jo.refused(f"Task/{task['id']}/$settle", same) == (422, "business-rule")
    jo.done(f"Task/{task['id']}/$settle", same, named("superseded", f"{NHS_NUMBER}|{NUMBERS['anna']}"))
    assert golden(weald, mrn("A1")) == golden(weald, mrn("A2"))


# A value on many records.


def test_a_phone_on_more_than_fifty_records_brings_no_candidates(weald, monkeypatch):
    phone = {13: "01632 960018^PRN^PH"}
    people = [(f"R{n}", {5: f"SURNAME{chr(65 + n)}{chr(70 + n)}^GIVEN{chr(75 + n)}", 7: f"19{40 + n}0{n + 1}1{n}", 8: "M", **phone}) for n in range(4)]
    for number, who in people:
        enrol(weald, number, who, nhs=None)
    asked = {"name": [{"family": "Unheard"}], "telecom": [{"system": "phone", "value": "01632 960018"}]}
    looked = []
    monkeypatch.setattr("app.ingest.finding.matcher.decide", lambda _, candidates, *__: looked.append(len(candidates)) or [])
    jo = Steward(weald)
    jo.match(asked)
    monkeypatch.setattr("matching.learning.MOST_RECORDS_OF_A_VALUE", 3)
    jo.match(asked)
    assert looked == [4, 0]


def test_a_number_on_very_many_records_costs_an_arrival_no_more_than_its_candidates(weald, monkeypatch):
    scored = []
    score = Scorer.score
    monkeypatch.setattr(Scorer, "score", lambda *given, **more: scored.append(given) or score(*given, **more))
    for number in range(MANY + 15):
        scored.clear()
        letters = "".join(chr(ord("A") + int(digit)) for digit in f"{number * 7919:06d}")
        who = {5: f"{letters}^{letters[::-1]}^^^^^L", 7: f"19{20 + number}0{1 + number % 9}1{number % 10}", 8: "F"}
        weald.accept(adt("A28", pid(cx(f"Z{number}"), number=NUMBERS["alice"], who=who)))
    assert len(scored) < 30, "each pair of holders would be thousands"
    assert known(weald) == [(N, "stopped")]
