"""The stewards' commands on a store: what they print, what they do, what they refuse."""

import json
import re

import pytest
from click.testing import CliRunner

from app.cli import weald as command
from app.errors import WealdError
from tests.flow.doors import NHS_NUMBER, mrn
from tests.flow.messages import ALICE, ANNA, BEA, NUMBERS, adt, cx, pid

OLD = {"at": "20250101090000"}


@pytest.fixture
def region(weald):
    weald.accept(
        adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD),
        adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["anna"], who=ALICE), trust="RXC", **OLD),
        adt("A28", pid(cx("B1"), who=BEA), **OLD),
        adt("A28", pid(cx("B2"), who=BEA), **OLD),
        adt("A28", pid(cx("N1"), who=ANNA), trust="RTK", **OLD),
    )
    return weald


@pytest.fixture
def run(region, settings_file, monkeypatch):
    monkeypatch.setenv("WEALD_STORE", region.services.settings.store)
    monkeypatch.setenv("COLUMNS", "200")

    def ask(*words, why=None, code=0):
        reasons = ["--why", why, "--who", "jo"] if why else []
        result = CliRunner().invoke(command, ["--config", str(settings_file), *words, *reasons])
        assert result.exit_code == code, (result.output, result.exception)
        return result.exception if code else result.output

    return ask


def together(weald, *numbers):
    return len({weald.golden(weald.patient(number))["id"] for number in numbers}) == 1


def test_a_question_is_listed_shown_and_answered(region, run):
    listed = run("review", "list")
    key = next(line.split("│")[1].strip() for line in listed.splitlines() if "probable-match" in line and region.patient(mrn("B1"))["id"][:8] in listed)
    shown = run("review", "show", key)
    assert "cap: same-authority: at most probable" in shown
    assert "MARSH" not in shown.upper()
    assert "Done." in run("review", "confirm", key, why="Seen in both systems")
    assert together(region, mrn("B1"), mrn("B2"))


def test_a_decision_names_what_takes_it_back(region, run):
    done = run("review", "link", mrn("B1"), mrn("N1"), why="They said so")
    assert together(region, mrn("B1"), mrn("N1"))
    provenance = re.search(r"weald review undo (\S+)", done)[1]
    run("review", "undo", provenance, why="They did not")
    assert not together(region, mrn("B1"), mrn("N1"))
    run("review", "unlink", mrn("B1"), mrn("N1"), why="Two people")
    run("review", "undo", mrn("B1"), mrn("N1"), why="Not known")


def test_a_superseded_number_opens_the_way_and_is_listed(region, run):
    refused = run("review", "link", mrn("A1"), mrn("X1", "RXC"), why="One person", code=1)
    assert isinstance(refused, WealdError)
    run("review", "link", mrn("A1"), mrn("X1", "RXC"), "--superseded", f"{NHS_NUMBER}|{NUMBERS['anna']}", why="A new number")
    assert together(region, mrn("A1"), mrn("X1", "RXC"))
    listed = run("review", "numbers")
    assert NUMBERS["anna"] in listed
    assert "superseded" in listed
    assert isinstance(run("review", "lift", NUMBERS["anna"], why="It is good", code=1), WealdError)


def test_persons_are_merged_and_split(region, run):
    persons = [region.golden(region.patient(mrn(number)))["id"] for number in ("B1", "N1")]
    run("review", "merge", *persons, why="One person")
    assert together(region, mrn("B1"), mrn("N1"))
    run("review", "split", region.golden(region.patient(mrn("B1")))["id"], mrn("N1"), why="Two people")
    assert not together(region, mrn("B1"), mrn("N1"))


def test_an_explanation_as_a_table_and_as_json(region, run):
    assert "veto: two-evidential-numbers" in run("explain", mrn("A1"), mrn("X1", "RXC"))
    found = json.loads(run("explain", mrn("B1"), mrn("B2"), "--json"))
    bars = found["start"] + sum(one["weight"] for one in (*found["fields"], *found["rivals"])) + found["cut"]
    assert bars == pytest.approx(found["weight"], abs=1e-5)


def test_a_sweep_by_hand_says_what_it_did(region, run):
    assert "5 records searched again, 0 edges added, of 5 records." in run("sweep")
    assert run("sweep", "--pending").strip().endswith("0 waiting records searched.")


def test_a_sweep_that_finds_what_arrival_missed_ends_with_the_alarm(weald, run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("matching.blocking.CANDIDATES_KEPT", 0)
        weald.accept(adt("A28", pid(cx("P1", "RPC"), number=NUMBERS["alice"], who=ALICE), trust="RPC", **OLD))
    run("sweep", code=4)
    assert together(weald, mrn("A1"), mrn("P1", "RPC"))


def test_fill_asks_the_questions_of_the_day_and_an_audit_is_shown_blind(run, region, monkeypatch):
    monkeypatch.setattr("app.ingest.auditing.ONE_IN", 1)
    region.accept(adt("A28", pid(cx("X9", "RXC"), who=BEA), trust="RXC", **OLD))
    assert "audits" in run("review", "fill")
    listed = run("review", "list")
    keys = re.findall(r"([0-9a-f]{12}) . audit", listed)
    assert keys
    shown = run("review", "show", keys[0])
    assert "An audit" in shown
    assert not re.search(r"weight|certain|one person now", shown)
