"""What the matcher said of a pair stays readable when it says something else (matching.md 1: closed, never deleted)."""

import json

import pytest
from click.testing import CliRunner

from app.cli import weald as command
from app.ingest import edges
from app.principal import Principal
from app.store.contract import STATEMENT
from tests.flow.doors import mrn
from tests.flow.messages import ALICE, BEA, NUMBERS, adt, cx, pid

B1, X1 = mrn("B1"), mrn("X1", "RXC")


def told(weald, month, number, who=BEA):
    """RTK says in that month of 2025 who its patient is, and which NHS number she has: Anna's is a veto."""
    weald.accept(adt("A31", pid(cx("B1"), number=number, who=who), at=f"2025{month:02}01090000"))


def unlinked_and_linked(weald, month):
    told(weald, month, NUMBERS["anna"])
    told(weald, month + 1, NUMBERS["bea"])


@pytest.fixture
def linked(weald):
    """Bea at two trusts, linked by score in January."""
    weald.accept(adt("A28", pid(cx("B1"), who=BEA), at="20250101090000"), adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["bea"], who=BEA), trust="RXC", at="20250101100000"))
    return weald


def explained(weald, name):
    """The parts of that name of the pair's explanation, each as name -> value."""
    pair = [weald.patient(number)["id"] for number in (B1, X1)]
    found = weald.get(f"Patient/{pair[0]}/$explain?other={pair[1]}")["parameter"]
    return [{part["name"]: next((value for key, value in part.items() if key != "name"), None) for part in one["part"]} for one in found if one["name"] == name]


def test_an_edge_that_ended_and_is_scored_again_leaves_what_it_said(linked):
    [first] = explained(linked, "edge")
    assert explained(linked, "earlier") == []
    told(linked, 3, NUMBERS["anna"])
    assert explained(linked, "edge") == []
    [ended] = explained(linked, "earlier")
    told(linked, 4, NUMBERS["bea"])
    [again] = explained(linked, "edge")
    assert (again["kind"], first["kind"]) == ("number", "match")
    assert again["cause"] != first["cause"]
    [earlier] = explained(linked, "earlier")
    assert earlier == ended
    assert {name: earlier[name] for name in first} == first
    assert (earlier["from"][:7], earlier["to"][:7]) == ("2025-01", "2025-03")
    assert earlier["ended-by"].startswith("RTK-PAS#")
    names = [one["name"] for one in earlier["why"]]
    assert {"start", "field", "weight", "grade", "model"} <= set(names)
    assert "MARSH" not in str(earlier).upper()


def test_an_edge_that_is_scored_anew_while_it_stands_leaves_what_it_said(linked):
    [first] = explained(linked, "edge")
    told(linked, 3, "", ALICE)
    [now] = explained(linked, "edge")
    assert now["weight"] != first["weight"]
    [earlier] = explained(linked, "earlier")
    assert (earlier["weight"], earlier["cause"], earlier["to"][:7]) == (first["weight"], first["cause"], "2025-03")


def test_the_last_ones_are_kept_alone_in_the_order_in_which_they_were_said(linked, monkeypatch):
    monkeypatch.setattr(edges, "EARLIER_KEPT", 2)
    for month in (3, 5, 7, 9):
        unlinked_and_linked(linked, month)
    assert [(one["from"][:7], one["to"][:7]) for one in explained(linked, "earlier")] == [("2025-06", "2025-07"), ("2025-08", "2025-09")]
    assert len(linked.kept(STATEMENT)) == 2


def test_nothing_is_kept_of_what_is_said_for_the_first_time_or_said_again(linked):
    told(linked, 3, "", {**BEA, 16: "S"})
    assert linked.kept(STATEMENT) == []


def test_the_command_line_shows_what_was_said(linked, settings_file, monkeypatch):
    unlinked_and_linked(linked, 3)
    monkeypatch.setenv("WEALD_STORE", linked.services.settings.store)
    runs = [CliRunner().invoke(command, ["--config", str(settings_file), "explain", B1, X1, *more]) for more in ((), ("--json",))]
    assert [one.exit_code for one in runs] == [0, 0]
    assert "earlier: match, " in runs[0].output
    [earlier] = json.loads(runs[1].output)["earlier"]
    assert earlier["why"]["weight"] == pytest.approx(earlier["weight"], abs=1e-4)
    assert (earlier["from"][:7], earlier["to"][:7]) == ("2025-01", "2025-03")


def test_who_may_not_see_every_trust_is_not_told_what_ended_it(linked, monkeypatch):
    unlinked_and_linked(linked, 3)
    assert explained(linked, "earlier")
    sees = Principal("both", frozenset({"RTK", "RXC"}), frozenset({"sample"}))
    monkeypatch.setattr("app.web.application.principal_for", lambda *_: sees)
    assert explained(linked, "edge")
    assert explained(linked, "earlier") == []


def test_a_new_record_and_one_that_keeps_its_edges_read_no_ended_ones(linked, monkeypatch):
    """What every message pays for is not paid for the past."""
    read = []
    monkeypatch.setattr("app.ingest.linking.edges_by_id", lambda tx, ids: read.extend(ids) or edges.edges_by_id(tx, ids))
    linked.accept(adt("A28", pid(cx("P1", "RPC"), who=BEA), trust="RPC", at="20250102090000"))
    told(linked, 3, "", {**BEA, 16: "S"})
    told(linked, 4, "", ALICE)
    assert read == []
    told(linked, 5, NUMBERS["anna"])
    told(linked, 6, NUMBERS["bea"])
    assert len(read) > 0
