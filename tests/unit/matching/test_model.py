"""The model document: canonical, checked, known by its hash (matching.md 5)."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from matching.model import (
    Costs,
    Level,
    UnusableModel,
    canonical_bytes,
    default_model,
    frequency_bytes,
    load,
    model_document,
)

FIELDS = {"sex": (Level(0.99, 0.5), Level(0.01, 0.5))}


def document(**known: object):
    return model_document(**{"population": 100, "lambda_match": 0.01, "rivals": {"twin": 0.0001}, "fields": FIELDS} | known)


def changed(**known: object):
    return canonical_bytes(json.loads(document()) | known)


def test_a_model_is_known_by_the_hash_of_its_canonical_bytes():
    model = load(document())
    assert model.id == sha256(document()).hexdigest()
    assert load(json.dumps(json.loads(document()), indent=2).encode()).id == model.id
    assert load(document(population=101)).id != model.id


def test_a_model_holds_what_its_document_says():
    table = frequency_bytes({"family": 20}, {"family": {"archer": 5, "quill": 4}})
    model = load(
        document(
            frequencies=table, costs=Costs(50, 1, 0.2), calibration=((1.0, 0.6), (2.0, 0.7)), overused_birth_dates=frozenset({"19800701"}),
            training={"data": "made"},
        ),
        table,
    )  # fmt: skip
    assert (model.population, model.lambda_match, dict(model.rivals)) == (100, 0.01, {"twin": 0.0001})
    assert model.fields == FIELDS
    assert model.alpha["twin"]["birth_date"] == 0.98
    assert (model.totals, model.frequencies) == ({"family": 20}, {"family": {"archer": 5}})
    assert (model.costs, model.kappa) == (Costs(50, 1, 0.2), 1000.0)
    assert model.calibration == ((1.0, 0.6), (2.0, 0.7))
    assert model.overused_birth_dates == {"19800701"}
    assert model.training == {"data": "made"}


def test_a_level_weighs_its_log_odds():
    assert Level(0.8, 0.1).weight == 3.0


def test_counts_under_five_are_not_kept():
    assert json.loads(frequency_bytes({"city": 9}, {"city": {"lewes": 5, "hove": 4}}))["counts"] == {"city": {"lewes": 5}}


def test_a_frequency_table_is_left_out_where_none_is_given_and_refused_where_it_is_another():
    table = frequency_bytes({"family": 20}, {"family": {"archer": 5}})
    assert load(document(frequencies=table)).totals == {}
    with pytest.raises(UnusableModel, match="frequency table"):
        load(document(frequencies=table), frequency_bytes({}, {}))
    assert load(document(), table).totals == {}


@pytest.mark.parametrize("name", ["format", "normaliser", "comparator"])
def test_a_model_of_another_version_is_refused(name):
    with pytest.raises(UnusableModel, match=name):
        load(changed(**{name: 0}))


@pytest.mark.parametrize(
    ("levels", "why"),
    [
        ([{"m": 0.9, "u": 0.5}], "levels"),
        ([{"m": 0.9, "u": 0.0}, {"m": 0.1, "u": 1.0}], "probability"),
        ([{"m": 0.1, "u": 0.5}, {"m": 0.9, "u": 0.5}], "rises"),
    ],
)
def test_a_field_with_wrong_levels_is_refused(levels, why):
    with pytest.raises(UnusableModel, match=why):
        load(changed(fields={"sex": levels}))


@pytest.mark.parametrize("broken", [b"", b"[]", b"{", b"null"])
def test_what_is_no_model_is_refused(broken):
    with pytest.raises(UnusableModel):
        load(broken)


def test_a_document_that_lacks_a_part_is_refused():
    raw = json.loads(document())
    del raw["rivals"]
    with pytest.raises(UnusableModel, match="lacks a part"):
        load(canonical_bytes(raw))


def test_the_default_model_is_loaded_once():
    assert default_model() is default_model()
    assert default_model().totals["family"] > 0
