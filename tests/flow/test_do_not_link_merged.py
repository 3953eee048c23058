"""Do-not-link Lists and what trusts merge and unmerge: a List is of the records it names, whatever becomes of them and whenever (fhir.md 3, matching.md 8)."""

from itertools import permutations

import orjson
import pytest

from app.ingest.edges import edge_from_body
from app.principal import SYSTEM, Principal
from app.services import services_from_settings
from app.settings import load_settings
from app.store.contract import EDGE
from tests.flow.conftest import NOW
from tests.flow.doors import Doors, Listener, mrn
from tests.flow.messages import ALICE, BEA, NUMBERS, adt, cx, mrg, pid
from tests.flow.stewarding import deciding, everything, named
from tests.flow.test_do_not_link import A1, C1, OLD, P1, X1, Lister, fill, ids, jo, persons, services, store_uri

__all__ = ["jo", "services", "store_uri"]

A2, A3 = mrn("A2"), mrn("A3")


@pytest.fixture
def region(weald):
    """Alice at three trusts, linked by her number; Charlie; A2 and A3, whom nobody takes for either."""
    fill(weald)
    weald.accept(*(adt("A28", pid(cx(number), who={**BEA, 13: ""}), **OLD) for number in ("A2", "A3")))
    return weald


def merge(weald, survivor, loser, at="20250301090000"):
    weald.accept(adt("A40", pid(cx(survivor)), mrg(cx(loser)), at=at))


def unmerge(weald, survivor, loser, at="20250401090000"):
    weald.accept(adt("A37", pid(cx(survivor)), pid(cx(loser)), at=at))


def together(weald, *records):
    """Whether records (ids) are one person, whoever answers for them."""
    return len({weald.golden({"id": id})["id"] for id in records}) == 1


def asked(weald):
    """The records of each question that a refused link asks of stewards."""
    tasks = [one for one in weald.tasks() if one["code"]["coding"][0]["code"] == "refused-assertion"]
    return [sorted(said["valueReference"]["reference"].removeprefix("Patient/") for said in one["input"] if "valueReference" in said) for one in tasks]


def refusal(jo, path, *parts):
    """The text of a refusal."""
    status, body = jo.post(path, deciding(*parts))
    assert status == 422, body
    return body["issue"][0]["details"]["text"]


def test_a_merge_that_brings_a_later_link_onto_a_listed_pair_links_nothing_and_is_asked_about(region, jo):
    made = jo.bar(A1, X1)
    jo.link(A2, X1)
    assert persons(region, A2, X1) == 1
    a1, a2, x1 = ids(region, A1, A2, X1)
    assert sorted((a1, x1)) not in asked(region)
    merge(region, "A1", "A2")
    assert together(region, a1, a2)
    assert not together(region, a1, x1)
    assert region.get(f"List/{made}")["status"] == "current"
    assert sorted((a1, x1)) in asked(region)
    jo.retire(made)
    assert together(region, a1, a2, x1)
    assert region.tasks() == []


@pytest.mark.parametrize("listed", [A2, A3])
def test_no_steward_links_across_a_list_of_a_record_that_was_merged_since(region, jo, listed):
    made = jo.bar(listed, C1)
    merge(region, "A2", "A3")
    merge(region, "A1", "A2", at="20250302090000")
    pair = [named("record", one) for one in (A1, C1)]
    golden = [named("person", region.golden(region.patient(one))) for one in (A1, C1)]
    assert f"List/{made}" in refusal(jo, "Patient/$link", *pair)
    assert f"List/{made}" in refusal(jo, "Patient/$merge", *golden)
    assert f"List/{made}" in refusal(jo, "Patient/$link", named("record", C1), named("record", P1))
    jo.retire(made)
    jo.link(A1, C1)
    assert persons(region, A1, C1) == 1


def test_a_list_of_a_merged_record_does_not_come_back_over_a_later_link_of_its_survivor(region, jo):
    withdrawal = jo.retire(jo.bar(A2, C1))
    merge(region, "A1", "A2")
    link = jo.link(A1, C1)
    assert jo.refused("Patient/$undo", {"name": "provenance", "valueReference": {"reference": f"Provenance/{withdrawal}"}}) == (422, "business-rule")
    jo.undo(link)
    jo.undo(withdrawal)
    assert jo.refused("Patient/$link", named("record", A1), named("record", C1)) == (422, "business-rule")


@pytest.fixture
def told(settings_file, tmp_path):
    """What comes of a List of A2 and X1, and the trust's merge and unmerge of A2, told in the order given: who is together, and what the List names."""

    def tell(order, *, linked):
        env = {"WEALD_STORE": f"sqlite:///{tmp_path}/{'-'.join(order)}.db"}
        services = services_from_settings(load_settings(settings_file, env=env), clock=lambda: NOW)
        with Listener(services) as listener:
            weald = Doors(services, listener.port)
            fill(weald)
            weald.accept(adt("A28", pid(cx("A2"), number=NUMBERS["alice"], who=ALICE), **OLD))
            jo, (a1, a2, x1) = Lister(weald), ids(weald, A1, A2, X1)
            if linked:
                jo.link(A1, X1)
            steps = {"A40": lambda: merge(weald, "A1", "A2"), "A37": lambda: unmerge(weald, "A1", "A2"), "list": lambda: jo.bar({"id": a2}, {"id": x1})}
            for step in order:
                steps[step]()
            [made] = weald.found(f"List?item=Patient/{a2}")
            found = together(weald, a2, x1), together(weald, a1, x1), [one["item"]["reference"] for one in made["entry"]]
            weald.close()
        services.store.close()
        return found

    return tell


@pytest.mark.parametrize("linked", [True, False])
def test_a_list_made_before_a_merge_after_it_or_after_its_undoing_bars_the_same(told, linked):
    """A2 has Alice's number too, so that it is one with X1 unless something bars them."""
    found = [told(order, linked=linked) for order in (("list", "A40", "A37"), ("A40", "list", "A37"), ("A40", "A37", "list"))]
    assert found[0][:2] == (False, True)
    assert found == [found[0]] * 3


def test_a_list_is_of_the_merged_record_it_names_and_bars_its_survivor_while_that_answers_for_it(region, jo):
    a1, a2, c1 = ids(region, A1, A2, C1)
    merge(region, "A1", "A2")
    before = everything(region, [a1, c1])
    made = jo.bar({"id": a2}, C1)
    assert [one["id"] for one in region.found(f"List?item=Patient/{a2}")] == [made]
    assert region.found(f"List?item=Patient/{a1}") == []
    assert jo.refused("Patient/$link", named("record", A1), named("record", C1)) == (422, "business-rule")
    unmerge(region, "A1", "A2")
    jo.link(A1, C1)
    assert jo.refused("Patient/$link", named("record", {"id": a2}), named("record", C1)) == (422, "business-rule")
    merge(region, "A1", "A2", at="20250501090000")
    assert together(region, a1, a2)
    assert not together(region, a1, c1)
    assert before[2][a1] != before[2][c1]


def test_the_last_decision_about_two_records_is_found_by_the_merged_one_too(region, jo):
    a2 = region.patient(A2)
    jo.bar(a2, C1)
    merge(region, "A1", "A2")
    jo.done("Patient/$undo", named("record", a2), named("record", C1))
    assert region.found("List?status=current") == []


@pytest.mark.parametrize("order", list(permutations(("link", "list", "unlink"))))
def test_a_list_ends_nothing_that_stewards_said_of_its_records(region, jo, order):
    steps = {"link": lambda: jo.post("Patient/$link", deciding(named("record", A1), named("record", C1)))[0], "list": lambda: jo.bar(A1, C1), "unlink": lambda: jo.unlink(A1, C1)}
    did = {step: steps[step]() for step in order}
    assert persons(region, A1, C1) == 2
    jo.retire(did["list"])
    last = [step for step in order if step != "list" and did[step] != 422][-1]
    assert persons(region, A1, C1) == (1 if last == "link" else 2)


def test_a_refusal_names_a_list_to_those_alone_who_may_see_it(region, jo, monkeypatch):
    made = jo.bar(A1, X1, P1)
    across = [named("record", one) for one in (A1, X1)]
    assert refusal(jo, "Patient/$link", *across).startswith(f"List/{made} (do-not-link) names a record of each of the two persons")
    with monkeypatch.context() as patch:
        charlie = Principal("charlie", frozenset({"RTK", "RXC"}), frozenset({"sample"}))
        patch.setattr("app.web.application.principal_for", lambda *_: charlie)
        assert region.ask(f"List/{made}")[0] == 404
        assert "List" not in refusal(jo, "Patient/$link", *across)
        a1, x1 = ids(region, A1, X1)
        explained = region.get(f"Patient/{a1}/$explain?other={x1}")
        assert "List/" not in orjson.dumps(explained).decode()
    causes = [part["valueString"] for one in region.get(f"Patient/{a1}/$explain?other={x1}")["parameter"] if one["name"] == "edge" for part in one["part"] if part["name"] == "cause"]
    assert f"List/{made}" in causes


def test_a_refusal_across_other_records_of_the_persons_does_not_speak_of_those_named(region, jo):
    jo.bar(A1, C1)
    said = refusal(jo, "Patient/$link", named("record", X1), named("record", C1))
    assert "both records" not in said
    assert "a record of each of the two persons" in said


def test_the_edges_of_a_list_are_of_the_records_named(region, jo):
    a2, c1 = ids(region, A2, C1)
    merge(region, "A1", "A2")
    made = jo.bar({"id": a2}, C1)
    with region.services.store.snapshot(SYSTEM) as snapshot:
        edges = [edge_from_body(body) for _, body in snapshot.scan(EDGE)]
    assert [sorted((one.a, one.b)) for one in edges if one.cause == f"List/{made}"] == [sorted((a2, c1))]
