"""``weald train --calibrate``: stewards' answers, kept as they were given, say how probable each weight is (matching.md 7)."""

import random

import orjson
import pytest

from app.ingest.labels import labels
from app.ingest.stewardship import act
from app.models import read_model
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings
from app.store.contract import REVIEW
from matching.scoring import Scorer
from tests.flow.command import run
from tests.flow.messages import ALICE, adt, cx, pid


@pytest.fixture
def held(tmp_path, monkeypatch):
    environment = {"WEALD_MODE": "sample", "WEALD_STORE": f"sqlite:///{tmp_path / 'weald.db'}"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    services = services_from_settings(load_settings(env=environment))
    yield services
    services.store.close()


def item(number, weight, outcome, model, *, audit=False, kind="probable-match"):
    said = {"weight": weight, "grade": "probable", "fields": {}}
    body = {"key": f"k{number}", "kind": "audit" if audit else kind, "records": [f"a{number}", f"b{number}"], "state": "settled", "outcome": outcome, "evidence": {} if audit else said}
    return body | ({"audit": {"weight": weight, "model": model, "chosen": 1 / 500}} if audit else {"model": model})


def keep(services, items):
    services.store.apply(SYSTEM, [lambda tx: [tx.put(REVIEW, one["key"], orjson.dumps(one), {"record": one["records"], "state": ["settled"]}) for one in items]])


def simulated(model, doubtful=600, audits=300, seed=1):
    """Answers that are as often right as the weights say; audited links are all right."""
    draw = random.Random(seed)
    weights = [draw.uniform(-3, 9.9) for _ in range(doubtful)]
    asked = [item(number, w, "same" if draw.random() < 1 / (1 + 2**-w) else "different", model) for number, w in enumerate(weights)]
    return asked + [item(doubtful + number, draw.uniform(10, 30), "same", model, audit=True) for number in range(audits)]


def test_answers_make_a_model_that_says_how_probable_each_weight_is(held, tmp_path, capsys):
    keep(held, simulated(held.scorer.model.id))
    ran = run(capsys, "train", "--calibrate", "--out", tmp_path / "model.json")
    assert ran.code == 0, ran.err
    assert "900 answers" in ran.out
    assert "300 links, 0 wrong" in ran.out
    model = read_model(tmp_path / "model.json")
    assert model.frequencies == held.scorer.model.frequencies
    scorer = Scorer(model)
    assert scorer.probability(0.0) == pytest.approx(0.5, abs=0.2)
    assert scorer.grade(12.0) == "certain"
    assert scorer.grade(9.0) != "certain"
    assert scorer.grade(-20.0) == "certainly-not"


def test_too_few_answers_make_no_model(held, tmp_path, capsys):
    keep(held, simulated(held.scorer.model.id)[:399])
    ran = run(capsys, "train", "--calibrate", "--out", tmp_path / "model.json")
    assert ran.code != 0
    assert "needs 400 answers" in ran.err
    assert not (tmp_path / "model.json").exists()


def test_the_certain_bound_falls_only_after_some_three_thousand_answers_without_an_error(held, tmp_path, capsys):
    ours = held.scorer.model.id
    wrong = [item(number, -2.0 + number / 100, "different", ours) for number in range(100)]
    right = [item(100 + number, 8.0 + number / 1000, "same", ours, audit=number > 1900) for number in range(3100)]
    keep(held, [*wrong, *right])
    run(capsys, "train", "--calibrate", "--out", tmp_path / "lower.json")
    assert Scorer(read_model(tmp_path / "lower.json")).grade(9.0) == "certain"
    keep(held, [{**right[-1], "outcome": "different"}])
    run(capsys, "train", "--calibrate", "--out", tmp_path / "stays.json")
    assert Scorer(read_model(tmp_path / "stays.json")).grade(9.0) != "certain"


def test_two_ways_to_make_a_model_are_not_taken_at_once(held, tmp_path, capsys):
    (tmp_path / "splink.json").write_text("{}")
    ran = run(capsys, "train", "--calibrate", "--import", tmp_path / "splink.json", "--out", tmp_path / "model.json")
    assert ran.code == 2


def test_labels_are_the_answers_that_stand_about_two_records(held):
    ours = held.scorer.model.id
    items = [
        item(1, 7.0, "same", ours), item(2, 12.0, "different", ours, audit=True), item(3, 7.0, "cannot-tell", ours), item(4, 7.0, "same", ours, kind="confusion"),
        item(5, 7.0, "same", "another"),
    ]  # fmt: skip
    keep(held, items)
    with held.store.snapshot(SYSTEM) as snapshot:
        found = labels(snapshot, held)
    assert sorted((kind, label.weight, label.same, round(1 / label.chosen)) for kind, label in found) == [("audit", 12.0, False, 500), ("probable-match", 7.0, True, 1)]


def test_a_real_answer_is_a_label_until_it_is_undone_and_another_models_is_weighed_again(weald):
    weald.accept(*(adt("A28", pid(cx(name), who=ALICE), at="20250101090000") for name in ("A", "B")))
    services = weald.services
    with services.store.snapshot(SYSTEM) as snapshot:
        [asked] = [orjson.loads(body) for _, body in snapshot.find(REVIEW, "state", ["open"])]
    decision = act(services, SYSTEM, "jo", "One chart.", "settle", asked["key"], "same")

    def found():
        with services.store.snapshot(SYSTEM) as snapshot:
            return labels(snapshot, services)

    [(kind, label)] = found()
    assert (kind, label.weight, label.same) == ("probable-match", asked["evidence"]["weight"], True)
    with services.store.snapshot(SYSTEM) as snapshot:
        settled = orjson.loads(snapshot.get(REVIEW, asked["key"]))
    services.store.apply(SYSTEM, [lambda tx: tx.put(REVIEW, asked["key"], orjson.dumps({**settled, "model": "another"}), {"record": settled["records"], "state": ["settled"]})])
    assert found()[0][1].weight == pytest.approx(label.weight, abs=1e-5)
    act(services, SYSTEM, "jo", "Not after all.", "undo", decision.provenance)
    assert found() == []
