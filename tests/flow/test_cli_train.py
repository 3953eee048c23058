"""``weald train``: a model from the store's own records, or from Splink, and what is refused (matching.md 5)."""

from __future__ import annotations

import json
import random

import pytest

from app.ingest import training as on_store
from app.ingest.training import PackedRecords, train_on_store
from app.models import read_model
from app.services import matching_model, services_from_settings
from app.settings import load_settings
from matching import training
from matching.demographics import pack
from matching.model import default_model
from tests.flow.command import run
from tests.flow.holding import hold
from tests.unit.matching.population import population

RECORDS, PERSONS = population(700, 5)


@pytest.fixture(autouse=True)
def _few_random_pairs(monkeypatch):
    monkeypatch.setattr(training, "RANDOM_PAIRS", 100_000)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The environment of a store of these records."""
    return {"WEALD_MODE": "sample", "WEALD_STORE": f"sqlite:///{tmp_path_factory.mktemp('store') / 'weald.db'}"}


@pytest.fixture(scope="module")
def held(environment):
    services = services_from_settings(load_settings(env=environment))
    hold(services, RECORDS)
    yield services
    services.store.close()


@pytest.fixture
def command(held, environment, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def lenient(monkeypatch):
    """No pinned regression set: these made-up names are not those of the simulated region."""
    monkeypatch.setattr(on_store, "regression_set", tuple)


@pytest.mark.usefixtures("command", "lenient")
def test_a_model_is_learned_from_the_store_and_the_setting_uses_it(tmp_path, capsys):
    path = tmp_path / "model.json"
    ran = run(capsys, "train", "--out", path)
    assert ran.code == 0, ran.err
    assert all(text in ran.out for text in (f"written to {path}", "pairs of one person among them", "rival housemate", "given", "Fields that keep the shipped weights: "))
    settings = load_settings(env={"WEALD_MODE": "sample", "WEALD_MATCHING__MODEL": str(path), "WEALD_STORE": f"sqlite:///{tmp_path / 'w.db'}"})
    model = matching_model(settings)
    assert model.population == len(RECORDS)
    assert model.totals["family"] == sum(len(one.names) for one in RECORDS)
    assert model.training["searched"] == len(RECORDS)
    assert set(model.fields) == set(default_model().fields)
    assert model.fields["email"] == default_model().fields["email"]
    assert model.fields["family"] != default_model().fields["family"]


@pytest.mark.usefixtures("command")
def test_a_model_that_moves_the_regression_set_is_not_written(tmp_path, capsys):
    ran = run(capsys, "train", "--out", tmp_path / "model.json")
    assert ran.code == 2
    assert "The training is refused, the model in force stays: F1 on the regression set moves" in ran.err
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("lenient")
def test_the_model_learned_is_the_same_whatever_the_order_of_arrival(held, tmp_path):
    names = [str(place) for place in range(len(RECORDS))]
    order = random.Random(4).sample(range(len(RECORDS)), len(RECORDS))
    services = services_from_settings(load_settings(env={"WEALD_MODE": "sample", "WEALD_STORE": f"sqlite:///{tmp_path / 'other.db'}"}))
    hold(services, [RECORDS[place] for place in order], [names[place] for place in order])
    again = train_on_store(services, searched=500)
    services.store.close()
    first = train_on_store(held, searched=500)
    assert {key: value for key, value in json.loads(first.document).items() if key != "training"} == {
        key: value for key, value in json.loads(again.document).items() if key != "training"
    }
    assert train_on_store(held, searched=500).document == first.document
    assert train_on_store(held, searched=500, seed=1).document != first.document


@pytest.mark.usefixtures("lenient")
def test_pairs_are_learned_in_the_proportion_that_there_are(held):
    found = train_on_store(held, searched=1_000)
    true = sum(PERSONS.count(person) * (PERSONS.count(person) - 1) / 2 for person in set(PERSONS))
    total = len(RECORDS) * (len(RECORDS) - 1) / 2
    assert found.model().lambda_match == pytest.approx(true / total, rel=0.1)


def test_an_empty_store_teaches_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WEALD_MODE", "sample")
    monkeypatch.setenv("WEALD_STORE", f"sqlite:///{tmp_path / 'empty.db'}")
    ran = run(capsys, "train", "--out", tmp_path / "model.json")
    assert (ran.code, ran.err) == (2, "weald: The store holds no records to learn from.\n")


def splink(path):
    levels = [
        {"sql_condition": '"surname_l" IS NULL OR "surname_r" IS NULL', "is_null_level": True},
        {"sql_condition": '"surname_l" = "surname_r"', "m_probability": 0.9, "u_probability": 0.001},
        {"sql_condition": "ELSE", "m_probability": 0.1, "u_probability": 0.999},
    ]
    odd = [{"sql_condition": "f(x)", "m_probability": 0.5, "u_probability": 0.5}]
    path.write_text(json.dumps({
        "probability_two_random_records_match": 1e-6,
        "comparisons": [{"output_column_name": "surname", "comparison_levels": levels}, {"output_column_name": "shoe_size", "comparison_levels": odd}],
    }))  # fmt: skip
    return path


@pytest.mark.usefixtures("command")
def test_a_splink_model_is_taken_over_where_it_maps(tmp_path, capsys):
    path = tmp_path / "model.json"
    ran = run(capsys, "train", "--import", splink(tmp_path / "splink.json"), "--out", path)
    assert ran.code == 0, ran.err
    assert "Taken over: family." in ran.out
    assert "Not mapped, ours stays: shoe_size." in ran.out
    model = read_model(path)
    assert model.lambda_match == 1e-6
    assert model.fields["given"] == default_model().fields["given"]


@pytest.mark.usefixtures("command")
def test_what_is_no_splink_model_is_refused(tmp_path, capsys):
    (tmp_path / "splink.json").write_text("{}")
    ran = run(capsys, "train", "--import", tmp_path / "splink.json", "--out", tmp_path / "model.json")
    assert (ran.code, "weald: --import: " in ran.err) == (2, True)
    assert not (tmp_path / "model.json").exists()


def test_packed_records_read_as_the_records_do():
    packed = PackedRecords([pack(one) for one in RECORDS[:5]])
    assert len(packed) == 5
    assert list(packed) == RECORDS[:5]
    assert packed[2] is packed[2]
    assert list(packed[1:3]) == RECORDS[1:3]
