"""``weald relink``: nothing changes unasked, what is applied is what was told, and it is what arrival would have made (matching.md 9)."""

from __future__ import annotations

import json
import re
import shutil
from importlib import resources

import orjson
import pytest

from app import shadows
from app.errors import StoreUnavailable
from app.ingest import relinking, stewardship
from app.ingest.edges import edge_from_body
from app.ingest.load import Loader
from app.ingest.records import record_from_body
from app.models import read_model, write_model
from app.principal import SYSTEM
from app.store.contract import EDGE, PERSON, RECORD
from matching.model import canonical_bytes, default_model
from matching.scoring import Scorer
from tests.flow.command import run
from tests.flow.holding import REGION, loaded, opened

BITS = 8
"""How many bits more the cautious model asks for."""


@pytest.fixture(scope="module")
def cautious(tmp_path_factory):
    """The file of a model that holds a match for 256 times less likely."""
    document = json.loads(default_model().document)
    document["lambda"] /= 2**BITS
    path = tmp_path_factory.mktemp("model") / "cautious.json"
    write_model(path, canonical_bytes(document), (resources.files("matching") / "data" / "default-frequencies.json").read_bytes())
    return path


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("origin")
    loaded(folder).store.close()
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory, cautious):
    """What the cautious model makes of the same messages as they arrive: persons as sets of record keys."""
    services = loaded(tmp_path_factory.mktemp("other"), Scorer(read_model(cautious)))
    found = persons(services), grades(services)
    services.store.close()
    return found


@pytest.fixture
def store(origin, tmp_path, monkeypatch):
    """A copy of the store, the command's environment, and its services."""
    for path in origin.iterdir():
        shutil.copy(path, tmp_path / path.name)
    monkeypatch.setenv("WEALD_MODE", "sample")
    monkeypatch.setenv("WEALD_STORE", f"sqlite:///{tmp_path / 'weald.db'}")
    services = opened(tmp_path)
    yield services
    services.store.close()


def scan(services, kind):
    with services.store.snapshot(SYSTEM) as snapshot:
        return snapshot.scan(kind, limit=100_000)


def records(services):
    return [record_from_body(body) for _, body in scan(services, RECORD)]


def persons(services):
    found = {}
    for record in records(services):
        found.setdefault(record.person, set()).add(record.first_key)
    return {frozenset(keys) for keys in found.values()}


def grades(services):
    """Kind, weight and grade of each open scored edge, by the keys of its records."""
    keys = {record.id: record.first_key for record in records(services)}
    edges = [edge_from_body(body) for _, body in scan(services, EDGE)]
    return {frozenset((keys[one.a], keys[one.b])): (one.kind, one.weight, one.grade) for one in edges if one.weight is not None and not one.closed}


def dump(services):
    return list(services.store.dump())


def count(out, name):
    return int(re.search(rf"│ {name}\s+│ ([\d,]+)", out)[1].replace(",", ""))


def test_under_the_model_in_force_nothing_would_change(store, tmp_path, capsys):
    before = dump(store)
    ran = run(capsys, "relink", "--work", tmp_path)
    assert ran.code == 0, ran.err
    assert [count(ran.out, name) for name in ("persons changed", "links won", "links lost", "components to bring up to date")] == [0, 0, 0, 0]
    assert count(ran.out, "persons now") == count(ran.out, "persons then")
    moves = re.findall(r"│ ([\w-]+)\s+│ ([\w-]+)\s+│ [\d,]+\s+│", ran.out.split("Pairs by grade")[1])
    assert moves
    assert all(now == then for now, then in moves)
    assert dump(store) == before
    assert run(capsys, "relink", "--apply", "--work", tmp_path).code == 0
    assert dump(store) == before


def test_a_dry_run_tells_the_difference_and_changes_nothing(store, cautious, tmp_path, capsys):
    before = dump(store)
    ran = run(capsys, "relink", "--model", cautious, "--work", tmp_path)
    assert ran.code == 0, ran.err
    assert dump(store) == before
    assert count(ran.out, "persons split") == count(ran.out, "persons changed") > 0
    assert count(ran.out, "links lost") > 0 == count(ran.out, "links won")
    example = re.search(r"Persons split, for example: ([\w-]+)", ran.out)[1]
    with store.store.snapshot(SYSTEM) as snapshot:
        assert len(orjson.loads(snapshot.get(PERSON, example))["members"]) > 1


def test_many_changes_are_refused_unless_asked_for(store, cautious, tmp_path, capsys):
    before = dump(store)
    ran = run(capsys, "relink", "--model", cautious, "--apply", "--work", tmp_path)
    assert ran.code == 2
    asked = int(re.search(r"say --max-changes (\d+)", ran.err)[1])
    assert dump(store) == before
    assert run(capsys, "relink", "--model", cautious, "--apply", "--max-changes", asked - 1, "--work", tmp_path).code == 2
    assert dump(store) == before


def test_what_is_applied_is_what_arrival_under_that_model_makes_and_the_way_back_leads_to_the_same_persons(store, other, cautious, tmp_path, capsys):
    before, ids = (persons(store), grades(store)), {record.first_key: record.person for record in records(store)}
    ran = run(capsys, "relink", "--model", cautious, "--apply", "--max-changes", 1_000, "--work", tmp_path)
    assert ran.code == 0, ran.err
    assert "components brought up to date" in ran.out
    assert "The setting matching.model names another model" in ran.out
    assert (persons(store), grades(store)) == other
    again = run(capsys, "relink", "--model", cautious, "--work", tmp_path)
    assert count(again.out, "components to bring up to date") == 0
    assert run(capsys, "relink", "--apply", "--max-changes", 1_000, "--work", tmp_path).code == 0
    assert (persons(store), grades(store)) == before
    assert {record.first_key: record.person for record in records(store)} == ids


def steward(services, action, *names):
    stewardship.act(services, SYSTEM, "Steward", "seen", action, *names)


def test_what_stewards_said_stands(store, cautious, tmp_path, capsys):
    of = {}
    for record in records(store):
        of.setdefault(record.person, []).append(record)
    several = [members for members in of.values() if len(members) > 1 and all(one.active for one in members)]
    alone = [members[0] for members in of.values() if len(members) == 1 and members[0].active and not members[0].state.nhs_number()]
    parted, joined, listed = several[0], alone[:2], several[1]
    steward(store, "unlink", parted[0].id, parted[1].id)
    steward(store, "link", joined[0].id, joined[1].id)
    steward(store, "do-not-link", *(one.id for one in listed))
    dry = run(capsys, "relink", "--work", tmp_path)
    assert count(dry.out, "persons changed") == 0
    for model in (["--model", cautious], []):
        assert run(capsys, "relink", *model, "--apply", "--max-changes", 1_000, "--work", tmp_path).code == 0
        person = {record.id: record.person for record in records(store)}
        assert person[parted[0].id] != person[parted[1].id]
        assert person[joined[0].id] == person[joined[1].id]
        assert len({person[one.id] for one in listed}) == len(listed)


def test_a_relink_that_was_broken_off_goes_on_without_scoring_again(store, other, cautious, tmp_path, capsys, monkeypatch):
    command = ["relink", "--model", cautious, "--apply", "--max-changes", 1_000, "--work", tmp_path]
    real, turns = type(store.store).apply, iter(range(3))

    def failing(self, principal, changes):
        if next(turns, None) is None:
            raise StoreUnavailable("The disk is full.")
        return real(self, principal, changes)

    monkeypatch.setattr(relinking, "COMPONENTS_AT_ONCE", 5)
    monkeypatch.setattr(type(store.store), "apply", failing)
    broken = run(capsys, *command)
    assert (broken.code, broken.err) == (2, "weald: The disk is full.\n")
    monkeypatch.setattr(type(store.store), "apply", real)
    half = persons(store)
    assert half != other[0]
    on = run(capsys, *command)
    assert on.code == 0, on.err
    assert "The scores are those of 20" in on.out
    assert (persons(store), grades(store)) == other
    assert not list(tmp_path.glob("relink-*"))


def test_what_arrived_after_the_scores_counts_too(store, other, cautious, tmp_path, capsys):
    assert run(capsys, "relink", "--model", cautious, "--work", tmp_path).code == 0
    changed = (REGION / "RTK" / "adt.hl7").read_bytes().split(b"\nMSH|")[0]
    message = re.sub(rb"\|20\d{12}", b"|20260601120000", changed).replace(b"|RTK000", b"|NEW000")
    (tmp_path / "new.hl7").write_bytes(message)
    assert Loader(store, SYSTEM).load([tmp_path / "new.hl7"]).rejected == []
    assert run(capsys, "relink", "--model", cautious, "--apply", "--max-changes", 1_000, "--work", tmp_path).code == 0
    again = run(capsys, "relink", "--model", cautious, "--work", tmp_path)
    assert count(again.out, "persons changed") == 0


def test_an_empty_store_has_nothing_to_relink(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WEALD_MODE", "sample")
    monkeypatch.setenv("WEALD_STORE", f"sqlite:///{tmp_path / 'empty.db'}")
    for more in ([], ["--apply"]):
        ran = run(capsys, "relink", "--work", tmp_path, *more)
        assert ran.code == 0, ran.err
        assert count(ran.out, "records") == 0


def test_a_file_that_holds_no_scores_of_the_model_is_passed_over(tmp_path):
    path = shadows.shadow_path(tmp_path, "a" * 64)
    assert shadows.read_shadow(path, "a") is None
    path.write_bytes(b"PK\x03\x04")
    assert shadows.read_shadow(path, "a") is None


def test_the_scores_are_kept_beside_the_store_and_not_where_the_command_is_typed(store, tmp_path, capsys, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run(capsys, "relink").code == 0
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert len(list(tmp_path.glob("relink-*.npz"))) == 1
