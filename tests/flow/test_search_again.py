"""The slow lane and the sweep: what a search on arrival could not find is found later (matching.md 3)."""

import pytest

from app.errors import BusinessRule, InvalidOutcome
from app.ingest import again
from app.ingest.again import finish_pending, last_sweep, pending, sweep
from app.principal import SYSTEM
from app.store.contract import DECISION, EDGE, EVENT
from tests.flow.doors import mrn
from tests.flow.images import image
from tests.flow.messages import ALICE, BEA, CHARLIE, NUMBERS, adt, cx, pid

OLD = {"at": "20250101090000"}
AT_RXC = mrn("X1", "RXC")


def golden(weald, number):
    return weald.golden(weald.patient(number))["id"]


def waiting(weald):
    with weald.services.store.snapshot(SYSTEM) as snapshot:
        return pending(snapshot)


@pytest.fixture
def crowded(weald, monkeypatch):
    """A store whose every block of a second record is over the cap."""
    monkeypatch.setattr("app.ingest.linking.BLOCK_CAP", 1)
    weald.accept(adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD), adt("A28", pid(cx("B1"), who=BEA), **OLD))
    weald.accept(adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC", **OLD))
    return weald


def test_a_record_whose_every_block_is_too_large_stands_alone_and_waits(crowded):
    assert waiting(crowded) == [crowded.patient(AT_RXC)["id"]]
    assert golden(crowded, AT_RXC) != golden(crowded, mrn("A1"))


def test_the_slow_lane_finds_it_where_two_of_its_blocks_meet(crowded):
    assert finish_pending(crowded.services, SYSTEM) == 1
    assert golden(crowded, AT_RXC) == golden(crowded, mrn("A1"))
    assert waiting(crowded) == []
    assert finish_pending(crowded.services, SYSTEM) == 0


def test_a_waiting_record_that_is_merged_meanwhile_waits_no_more(crowded):
    crowded.accept(adt("A28", pid(cx("X2", "RXC"), who=CHARLIE), trust="RXC", **OLD))
    crowded.accept(adt("A40", pid(cx("X2", "RXC")), f"MRG|{cx('X1', 'RXC')}", trust="RXC", at="20250201090000"))
    finish_pending(crowded.services, SYSTEM)
    assert waiting(crowded) == []


def test_a_batch_that_is_refused_is_tried_record_by_record(crowded, monkeypatch):
    crowded.accept(adt("A28", pid(cx("X2", "RXC"), number=NUMBERS["bea"], who=BEA), trust="RXC", **OLD))
    whole = again.finish

    def refuses_several(work):
        if len(work.again) > 1:
            raise BusinessRule("One at a time.")
        whole(work)

    monkeypatch.setattr(again, "finish", refuses_several)
    assert finish_pending(crowded.services, SYSTEM) == len(["X1", "X2"])
    assert waiting(crowded) == []
    assert golden(crowded, AT_RXC) == golden(crowded, mrn("A1"))


def test_what_is_refused_even_alone_keeps_no_other(crowded, monkeypatch):
    crowded.accept(adt("A28", pid(cx("X2", "RXC"), number=NUMBERS["bea"], who=BEA), trust="RXC", **OLD))
    refused, whole = crowded.patient(AT_RXC)["id"], again.finish

    def refuses_one(work):
        if refused in work.again:
            raise InvalidOutcome("Never.")
        whole(work)

    monkeypatch.setattr(again, "finish", refuses_one)
    with pytest.raises(InvalidOutcome, match="Never"):
        finish_pending(crowded.services, SYSTEM)
    assert waiting(crowded) == [refused]
    assert golden(crowded, mrn("X2", "RXC")) == golden(crowded, mrn("B1"))


def test_a_load_reports_though_a_record_that_waits_cannot_be_matched(crowded, monkeypatch, tmp_path):
    def refuses(work):
        if work.again:
            raise InvalidOutcome("Never.")
        whole(work)

    whole = again.finish
    monkeypatch.setattr(again, "finish", refuses)
    assert crowded.load(image(tmp_path), source="RTK-PACS").accepted == 1
    assert waiting(crowded) != []


def test_what_is_refused_even_alone_is_raised_and_still_waits(crowded, monkeypatch):
    def refuses(work):
        raise BusinessRule("Never.")

    monkeypatch.setattr(again, "finish", refuses)
    with pytest.raises(BusinessRule, match="Never"):
        finish_pending(crowded.services, SYSTEM)
    assert waiting(crowded) != []


def test_an_intersection_that_is_too_large_finds_nobody(crowded, monkeypatch):
    monkeypatch.setattr("app.ingest.linking.LARGEST_BLOCK", 1)
    finish_pending(crowded.services, SYSTEM)
    assert golden(crowded, AT_RXC) != golden(crowded, mrn("A1"))
    assert waiting(crowded) == []


@pytest.fixture
def missed(weald, monkeypatch):
    """Alice twice, the second time when only the best candidate was looked at, and that was not she."""
    weald.accept(adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD))
    with monkeypatch.context() as patch:
        patch.setattr("matching.blocking.CANDIDATES_KEPT", 0)
        weald.accept(adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC", **OLD))
    assert golden(weald, AT_RXC) != golden(weald, mrn("A1"))
    return weald


def test_a_sweep_finds_what_arrival_missed_and_counts_it(missed):
    swept = sweep(missed.services, SYSTEM)
    assert (swept.searched, swept.added, swept.records) == (2, 1, 2)
    assert swept.alarm
    assert golden(missed, AT_RXC) == golden(missed, mrn("A1"))


def test_the_next_sweep_looks_at_what_changed_since_and_adds_nothing_twice(missed):
    sweep(missed.services, SYSTEM)
    again = sweep(missed.services, SYSTEM)
    assert (again.searched, again.added, again.alarm) == (0, 0, False)
    missed.accept(adt("A31", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE, f16="S"), at="20250601090000"))
    third = sweep(missed.services, SYSTEM)
    assert (third.searched, third.added) == (1, 0)
    with missed.services.store.snapshot(SYSTEM) as snapshot:
        assert last_sweep(snapshot) == third


def test_a_sweep_of_a_settled_store_changes_nothing_but_its_own_mark(weald):
    weald.accept(adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD), adt("A28", pid(cx("X1", "RXC"), who=ALICE), trust="RXC", **OLD))
    before = (weald.versions(), weald.kept(EVENT), weald.kept(EDGE), weald.kept(DECISION))
    assert sweep(weald.services, SYSTEM).added == 0
    assert (weald.versions(), weald.kept(EVENT), weald.kept(EDGE), weald.kept(DECISION)) == before


def test_an_edge_stays_when_its_block_outgrew_the_cap(weald, monkeypatch):
    weald.accept(adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD))
    weald.accept(adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC", **OLD))
    monkeypatch.setattr("app.ingest.linking.BLOCK_CAP", 1)
    weald.accept(adt("A31", pid(cx("X1", "RXC"), number=NUMBERS["alice"], who={**ALICE, 13: "01632 960099^PRN^PH"}), trust="RXC", at="20250601090000"))
    assert golden(weald, AT_RXC) == golden(weald, mrn("A1"))


def test_the_metrics_say_what_waits_and_what_the_last_sweep_found(crowded):
    def gauges():
        lines = crowded._http.get("/metrics").data.decode().splitlines()
        return {name: float(value) for name, _, value in (line.partition(" ") for line in lines) if name.startswith("weald_")}

    before = gauges()
    assert before["weald_records_waiting"] == 1
    assert "weald_sweep_added" not in before
    finish_pending(crowded.services, SYSTEM)
    sweep(crowded.services, SYSTEM)
    after = gauges()
    assert (after["weald_records_waiting"], after["weald_sweep_records"], after["weald_sweep_added"]) == (0, 3, 0)
