"""What callers of some trusts see of persons and studies that hidden trusts have a part in (security.md 1, docs/adr/0017)."""

from contextlib import contextmanager
from unittest import mock

import pytest

from app.ingest.evidence import facts_from_patient
from app.ingest.finding import find_persons
from app.principal import Principal
from app.search.reach import Reach
from app.web import application
from tests.flow.doors import W, mrn
from tests.flow.images import image, study_uid
from tests.flow.messages import ALICE, BEA, CHARLIE, NUMBERS, adt, cx, pid
from tests.flow.stewarding import Steward

OLD = {"at": "20250101090000"}
A, X, P = mrn("A1"), mrn("X1", "RXC"), mrn("P1", "RPC")


@contextmanager
def asking_as(*trusts):
    """Every request of the block is a caller's who sees these trusts."""
    with mock.patch.object(application, "principal_for", return_value=Principal("someone", organisations=frozenset(trusts))):
        yield


@pytest.fixture
def region(weald, tmp_path):
    """Three records that nothing likens, each with a study."""
    weald.accept(
        adt("A28", pid(cx("A1"), who=ALICE), **OLD),
        adt("A28", pid(cx("X1", "RXC"), who=BEA), trust="RXC", **OLD),
        adt("A28", pid(cx("P1", "RPC"), who=CHARLIE), trust="RPC", **OLD),
    )
    for number, (patient, archive) in enumerate((("A1", "RTK"), ("X1", "RXC"), ("P1", "RPC")), 1):
        weald.load(image(tmp_path, patient=patient, study=number, PatientName=None, PatientBirthDate=None), source=f"{archive}-PACS")
    return weald


@pytest.fixture
def jo(region):
    return Steward(region)


def explained(weald, first, second):
    found = weald.get(f"Patient/{first['id']}/$explain?other={second['id']}")["parameter"]
    return {part["name"]: part for part in found}


def test_two_records_that_a_hidden_one_holds_together_are_not_linked_for_who_may_not_see_it(region, jo):
    first, second, between = (region.patient(number) for number in (A, X, P))
    jo.link(A, P)
    jo.link(P, X)
    assert len(region.studies(A)) == 3
    assert explained(region, first, second)["together"]["valueBoolean"]
    with asking_as("RTK", "RXC"):
        assert len(region.studies(A)) == len(region.studies(X)) == 1
        told = explained(region, first, second)
        assert not told["together"]["valueBoolean"]
        assert "rank" not in told
    with asking_as("RTK", "RPC"):
        assert len(region.studies(A)) == 2
        assert explained(region, first, between)["together"]["valueBoolean"]


def test_the_link_of_two_visible_records_holds_whatever_is_hidden_and_says_who_decided_it(region, jo):
    jo.link(A, X)
    golden = region.golden(region.patient(A))
    jo.link(A, P)
    with asking_as("RTK", "RXC"):
        bundle = region.get(f"ImagingStudy?patient.identifier={A}")
        [via] = [entry["search"]["extension"][0]["extension"] for entry in bundle["entry"] if "extension" in entry["search"]]
        assert {part["url"]: part for part in via}["decided-by"]["valueString"].startswith("steward:jo ")
        assert region.ask(f"Patient/{golden['id']}")[0] == 404
        assert region.found(f"ImagingStudy?patient={golden['id']}") == []
    assert len(region.found(f"ImagingStudy?patient={golden['id']}")) == 3


def test_a_golden_patient_shows_each_caller_the_versions_of_records_it_may_see(region, jo):
    golden = region.golden(region.patient(A))["id"]
    jo.undo(jo.link(A, X))
    whole = region.get(f"Patient/{golden}/_history")["entry"]
    assert any(X.partition("|")[2] in str(entry) for entry in whole)
    with asking_as("RTK"):
        seen = region.get(f"Patient/{golden}/_history")["entry"]
        assert 0 < len(seen) < len(whole)
        assert not any(X.partition("|")[2] in str(entry) for entry in seen)
        assert region.get(f"Patient/{golden}")["id"] == golden
    with asking_as("RXC"):
        assert region.ask(f"Patient/{golden}/_history")[0] == region.ask(f"Patient/{golden}")[0] == 404


def test_a_hidden_record_that_is_named_reaches_as_much_as_an_unknown_one(region, jo, services):
    jo.link(A, X)
    hidden, golden = region.patient(A)["id"], region.golden(region.patient(A))["id"]
    with services.store.snapshot(Principal("someone", organisations=frozenset({"RXC"}))) as snapshot:
        for named in (hidden, golden, "unknown"):
            assert services.person_members(snapshot, [named], "possible") == Reach()


def studies_of(weald, number):
    return weald.found(f"ImagingStudy?identifier=urn:dicom:uid|urn:oid:{study_uid(number)}")


def test_a_study_at_two_trusts_is_found_once_by_each_caller_as_what_it_may_see(weald, tmp_path):
    weald.accept(adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD))
    weald.accept(adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC", **OLD))
    weald.load(image(tmp_path, patient="A1", study=7, series=1, AccessionNumber="OURS"), source="RTK-PACS")
    [alone] = studies_of(weald, 7)
    weald.load(image(tmp_path, patient="X1", study=7, series=2, AccessionNumber="THEIRS"), source="RXC-PACS")
    [whole] = studies_of(weald, 7)
    assert whole["id"] == alone["id"]
    assert whole["numberOfSeries"] == 2
    for trust, number, series, own, other in (("RTK", A, 1, "OURS", "THEIRS"), ("RXC", X, 2, "THEIRS", "OURS")):
        with asking_as(trust):
            [part] = studies_of(weald, 7)
            assert [one["uid"] for one in part["series"]] == [f"{study_uid(7)}.{series}"]
            assert own in str(part)
            assert other not in str(part)
            assert weald.found(f"ImagingStudy?patient.identifier={number}") == [part]
            assert weald.ask(f"ImagingStudy/{whole['id']}")[0] == 404
    with asking_as("RPC"):
        assert studies_of(weald, 7) == []
    with asking_as("RTK", "RXC", "RPC"):
        assert studies_of(weald, 7) == [whole]
        included = [e["resource"] for e in weald.get(f"Patient?identifier={A}&_revinclude=ImagingStudy:patient")["entry"] if e["search"]["mode"] == "include"]
        assert included == [whole]


def test_a_match_weighs_only_records_that_the_caller_may_see(region, services):
    facts = facts_from_patient({"resourceType": "Patient", "name": [{"family": "Hollis", "given": ["Alice"]}], "birthDate": "1970-01-15"})
    for trusts, found in ((frozenset({"RTK"}), 1), (frozenset({"RXC"}), 0), (None, 1)):
        with services.store.snapshot(Principal("someone", organisations=trusts)) as snapshot:
            assert len([one for one in find_persons(snapshot, services, facts).found if one.grade != "certainly-not"]) == found


def test_a_decision_that_concerns_a_hidden_record_is_unknown_to_who_may_not_see_it(region, jo):
    decision = jo.link(A, X)
    assert region.get(f"Provenance/{decision}")
    assert region.get(f"Linkage?item=Patient/{region.patient(A)['id']}")["total"] == 1
    with asking_as("RTK", "RPC"):
        assert region.ask(f"Provenance/{decision}")[0] == 404
        for type in ("Linkage", "Provenance", "Task"):
            assert region.get(type)["total"] == 0
    with asking_as("RTK", "RXC"):
        assert region.get(f"Provenance/{decision}")
        assert region.found(f"Patient?_tag={W}/CodeSystem/record-class|golden&link=Patient/{region.patient(A)['id']}")
