"""Do-not-link Lists: records that a steward says are never one person, whatever the matcher finds (fhir.md 3, matching.md 1)."""

import re
from datetime import timedelta
from itertools import count

import pytest
from click.testing import CliRunner

from app.cli import weald as command
from app.errors import WealdError
from app.ingest import relinking, shadowing
from app.ingest.edges import edge_from_body
from app.principal import SYSTEM, Principal
from app.services import services_from_settings
from app.settings import load_settings
from app.store.contract import EDGE
from tests.contract.mongo_server import database_uri
from tests.flow.conftest import NOW
from tests.flow.doors import Doors, Listener, W, mrn
from tests.flow.messages import ALICE, BEA, CHARLIE, NUMBERS, adt, cx, mrg, pid
from tests.flow.stewarding import Steward, deciding, everything, named

OLD = {"at": "20250101090000"}
A1, X1, P1, C1 = mrn("A1"), mrn("X1", "RXC"), mrn("P1", "RPC"), mrn("C1")
THREE = (A1, X1, P1)


@pytest.fixture
def store_uri(tmp_path):
    return f"sqlite:///{tmp_path / 'weald.db'}"


@pytest.fixture
def services(settings_file, store_uri):
    """A clock that goes on, a second each time it is looked at."""
    seconds = count()
    services = services_from_settings(load_settings(settings_file, env={"WEALD_STORE": store_uri}), clock=lambda: NOW + timedelta(seconds=next(seconds)))
    yield services
    services.store.close()


class Lister(Steward):
    """A steward who makes Lists and ends them."""

    def bar(self, *records):
        """The id of the List of these."""
        status, body = self.post("List/$do-not-link", deciding(*(named("record", one) for one in records)))
        assert status == 200, body
        return next(one["valueReference"]["reference"] for one in body["parameter"] if one["name"] == "list").removeprefix("List/")

    def retire(self, id):
        return self.done(f"List/{id}/$retire")


@pytest.fixture
def jo(weald):
    return Lister(weald)


@pytest.fixture
def region(weald):
    """Alice at three trusts, linked by her number; Charlie."""
    fill(weald)
    return weald


def fill(weald):
    weald.accept(
        adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD),
        adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC", **OLD),
        adt("A28", pid(cx("P1", "RPC"), number=NUMBERS["alice"], who=ALICE), trust="RPC", **OLD),
        adt("A28", pid(cx("C1"), who=CHARLIE), **OLD),
    )


def ids(weald, *numbers):
    return [weald.patient(number)["id"] for number in numbers]


def persons(weald, *numbers):
    """How many persons these records are."""
    return len({weald.golden(weald.patient(number))["id"] for number in numbers})


def barred(weald):
    """The pairs that open edges forbid, with the cause of each."""
    with weald.services.store.snapshot(SYSTEM) as snapshot:
        edges = [edge_from_body(body) for _, body in snapshot.scan(EDGE)]
    return {(edge.a, edge.b): edge.cause for edge in edges if edge.kind == "not-same" and not edge.closed}


def test_a_list_parts_its_records_at_once_and_ended_it_gives_back_what_was(region, jo):
    records = ids(region, *THREE)
    before = everything(region, records)
    made = jo.bar(*THREE)
    assert persons(region, *THREE) == 3
    assert set(barred(region).values()) == {f"List/{made}"}
    assert len(barred(region)) == 3
    jo.retire(made)
    assert everything(region, records) == before
    assert barred(region) == {}


def test_a_list_says_who_made_it_why_and_of_which_records(region, jo):
    made = jo.bar(A1, X1)
    found = region.get(f"List/{made}")
    assert (found["status"], found["mode"], found["source"]) == ("current", "working", {"display": "jo"})
    assert found["code"]["coding"] == [{"system": f"{W}/CodeSystem/list", "code": "do-not-link"}]
    assert [one["item"]["reference"] for one in found["entry"]] == sorted(f"Patient/{id}" for id in ids(region, A1, X1))
    assert [(one["authorString"], one["text"]) for one in found["note"]] == [("jo", "They said so.")]
    for query in (f"code={W}/CodeSystem/list|do-not-link", f"item=Patient/{ids(region, A1)[0]}", "status=current", "title=do+not", "date=ge2020"):
        assert [one["id"] for one in region.found(f"List?{query}")] == [made], query
    decision = jo.retire(made)
    assert region.get(f"List/{made}")["status"] == "retired"
    assert region.get(f"List/{made}/_history/1")["status"] == "current"
    assert region.found("List?status=current") == []
    ending = region.get(f"Provenance/{decision}")
    assert ending["activity"]["coding"][0]["code"] == "retired"
    assert f"List/{made}/_history/2" in [one["reference"] for one in ending["target"]]
    [making] = region.found("Provenance?_tag=barred")
    assert ending["entity"] == [{"role": "removal", "what": {"reference": f"Provenance/{making['id']}"}}]


def test_neither_score_nor_number_links_the_listed_again(region, jo):
    jo.bar(*THREE)
    for number, trust in (("A1", "RTK"), ("X1", "RXC"), ("P1", "RPC")):
        region.accept(adt("A31", pid(cx(number, trust), number=NUMBERS["alice"], who=ALICE, f16="S"), trust=trust, at="20250601090000"))
    assert persons(region, *THREE) == 3
    region.accept(adt("A28", pid(cx("Y1", "RYR-west"), number=NUMBERS["alice"], who=ALICE), trust="RYR", **OLD))
    assert persons(region, *THREE) == 3


def test_no_feed_links_or_merges_the_listed(region, jo):
    region.accept(adt("A28", pid(cx("A2"), who=BEA), **OLD))
    jo.bar(A1, mrn("A2"))
    region.accept(adt("A24", pid(cx("A1")), pid(cx("A2")), at="20270101090000"), adt("A40", pid(cx("A1")), mrg(cx("A2")), at="20270102090000"))
    assert region.patient(mrn("A2"))["active"]
    assert persons(region, A1, mrn("A2")) == 2


def test_records_that_their_trust_merged_are_parted_by_a_list_and_merged_again_at_its_end(region, jo):
    region.accept(adt("A28", pid(cx("A2"), who=BEA), **OLD))
    lost = region.patient(mrn("A2"))
    region.accept(adt("A40", pid(cx("A1")), mrg(cx("A2")), at="20250301090000"))
    made = jo.bar(region.patient(A1), lost, region.patient(X1))
    assert region.get(f"Patient/{lost['id']}")["active"]
    assert len(barred(region)) == 3
    jo.retire(made)
    assert not region.get(f"Patient/{lost['id']}")["active"]


def test_no_steward_links_the_listed_until_the_list_is_retired(region, jo):
    made = jo.bar(A1, X1)
    pair = [named("record", A1), named("record", X1)]
    golden = [named("person", region.golden(region.patient(number))) for number in (A1, X1)]
    assert jo.refused("Patient/$link", *pair) == (422, "business-rule")
    assert jo.refused("Patient/$merge", *golden) == (422, "business-rule")
    again = jo.unlink(A1, X1)
    assert jo.refused("Patient/$link", *pair) == (422, "business-rule")
    jo.retire(made)
    assert persons(region, A1, X1) == 2
    jo.undo(again)
    assert persons(region, A1, X1) == 1


def test_of_two_lists_of_one_pair_each_ends_for_itself(region, jo):
    first, second = jo.bar(A1, X1), jo.bar(A1, X1, C1)
    jo.retire(first)
    assert persons(region, A1, X1) == 2
    jo.retire(second)
    assert persons(region, A1, X1) == 1


def test_a_list_is_undone_and_its_undo_too(region, jo):
    records = ids(region, *THREE)
    before = everything(region, records)
    made = jo.bar(*THREE)
    parted = everything(region, records)
    [decision] = [one["id"] for one in region.found("Provenance?_tag=barred")]
    withdrawal = jo.undo(decision)
    assert everything(region, records) == before
    assert region.get(f"List/{made}")["status"] == "retired"
    revival = jo.undo(withdrawal)
    assert everything(region, records) == parted
    assert region.get(f"List/{made}")["status"] == "current"
    jo.undo(revival)
    assert everything(region, records) == before
    part = {"name": "provenance", "valueReference": {"reference": f"Provenance/{decision}"}}
    assert jo.refused("Patient/$undo", part) == (422, "business-rule")
    assert jo.refused(f"List/{made}/$retire") == (422, "business-rule")


def test_a_list_does_not_come_back_over_a_later_link(region, jo):
    made = jo.bar(A1, C1)
    withdrawal = jo.retire(made)
    link = jo.link(A1, C1)
    back = {"name": "provenance", "valueReference": {"reference": f"Provenance/{withdrawal}"}}
    assert jo.refused("Patient/$undo", back) == (422, "business-rule")
    jo.undo(link)
    jo.undo(withdrawal)
    assert region.get(f"List/{made}")["status"] == "current"
    assert jo.refused("Patient/$link", named("record", A1), named("record", C1)) == (422, "business-rule")


def test_a_list_that_ended_a_link_brings_it_back(region, jo):
    jo.link(A1, C1)
    made = jo.bar(A1, C1)
    assert persons(region, A1, C1) == 2
    jo.retire(made)
    assert persons(region, A1, C1) == 1


def test_what_is_no_list_is_refused(region, jo):
    one = named("record", A1)
    assert jo.refused("List/$do-not-link", one) == (400, "required")
    assert jo.refused("List/$do-not-link", one, one) == (422, "business-rule")
    assert jo.refused("List/$do-not-link", one, {"name": "record", "valueString": "none"}) == (422, "not-found")
    assert jo.refused("List/$do-not-link", *[one] * 21) == (400, "too-costly")
    assert jo.refused("List/$do-not-link", one, named("record", X1), why="") == (400, "required")
    assert jo.refused("List/none/$retire") == (404, "not-found")
    assert region.found("List") == []


def test_a_list_is_seen_and_ended_by_those_alone_who_see_all_its_records(region, jo, monkeypatch):
    made = jo.bar(A1, X1)
    with monkeypatch.context() as patch:
        charlie = Principal("charlie", frozenset({"RTK"}), frozenset({"sample"}))
        patch.setattr("app.web.application.principal_for", lambda *_: charlie)
        assert region.ask(f"List/{made}")[0] == 404
        assert region.found("List") == []
        assert jo.refused(f"List/{made}/$retire") == (404, "not-found")
        assert jo.refused("List/$do-not-link", named("record", A1), named("record", X1)) == (422, "not-found")
    assert region.get(f"List/{made}")["status"] == "current"


def test_the_capability_statement_tells_of_lists(region):
    [told] = [one for one in region.get("metadata")["rest"][0]["resource"] if one["type"] == "List"]
    assert {one["name"] for one in told["operation"]} == {"do-not-link", "retire"}
    assert {"code", "item", "status", "source"} <= {one["name"] for one in told["searchParam"]}


def test_a_message_that_comes_twice_leaves_a_list_in_force(region, jo):
    jo.bar(*THREE)
    told = adt("A31", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), at="20250601090000")
    region.accept(told, told)
    assert persons(region, *THREE) == 3
    assert len(barred(region)) == 3


def test_relinking_keeps_what_a_list_bars(region, jo):
    jo.bar(*THREE)

    def quiet(*_):
        return None

    with region.services.store.snapshot(SYSTEM) as snapshot:
        standing, rows = shadowing.standing_edges(snapshot, quiet), relinking.read_region(snapshot, quiet)
    shadow = shadowing.shadow_edges(region.services, region.services.scorer, standing.scored, quiet)
    deriver = relinking.Deriver(region.services, region.services.scorer, rows, shadow, standing.asserted)
    found = relinking.difference(rows, deriver, standing, shadow, deriver.groups(quiet))
    assert found.changed == 0


def test_a_steward_lists_records_at_the_command_line(region, settings_file, monkeypatch):
    monkeypatch.setenv("WEALD_STORE", region.services.settings.store)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words, why=None, code=0):
        reasons = ["--why", why, "--who", "jo"] if why else []
        result = CliRunner().invoke(command, ["--config", str(settings_file), "review", *words, *reasons])
        assert result.exit_code == code, (result.output, result.exception)
        return result.exception if code else result.output

    done = run("do-not-link", *THREE, why="Three cousins")
    made = re.search(r"The List is (\S+)\.", done)[1]
    assert persons(region, *THREE) == 3
    listed = run("lists")
    assert made in listed
    assert all(id in listed for id in ids(region, *THREE))
    run("retire", made, why="One woman")
    assert persons(region, *THREE) == 1
    assert "0 do-not-link Lists" in run("lists")
    assert isinstance(run("retire", made, why="Again", code=1), WealdError)
    assert isinstance(run("retire", "none", why="None", code=1), WealdError)
    assert isinstance(run("do-not-link", A1, why="One alone", code=1), WealdError)


class TestPastOneMachine:
    """The same on MongoDB."""

    @pytest.fixture
    def store_uri(self, tmp_path):
        return database_uri(tmp_path)

    def test_a_list_parts_and_gives_back(self, services):
        with Listener(services) as listener:
            weald = Doors(services, listener.port)
            fill(weald)
            jo, records = Lister(weald), ids(weald, *THREE)
            before = everything(weald, records)
            made = jo.bar(*THREE)
            assert persons(weald, *THREE) == 3
            assert [one["id"] for one in weald.found("List?status=current")] == [made]
            jo.retire(made)
            assert everything(weald, records) == before
            weald.close()
