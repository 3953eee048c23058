"""Training recovers what it must and refuses what it must (matching.md 5)."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from matching import training
from matching.comparisons import FIELDS, LEVEL_COUNTS, Vector
from matching.demographics import Demographics
from matching.model import SIZE_BOUNDS, Level, default_model, load
from matching.pairs import sample
from matching.scoring import Scorer
from matching.training import (
    active_rivals,
    bounded,
    count_values,
    excluded_fields,
    fit,
    fit_sizes,
    level_matrix,
    model_fields,
    pooled,
    sorted_sample,
    train,
    u_probabilities,
)
from tests.unit.matching.cast import ALICE_NUMBER, alice, bea, record
from tests.unit.matching.population import population

NAMES = ("given", "family", "birth_date", "postcode", "sex")
M = {
    "given": np.array([0.85, 0.05, 0.04, 0.02, 0.02, 0.02]),
    "family": np.array([0.9, 0.03, 0.02, 0.01, 0.02, 0.02]),
    "birth_date": np.array([0.93, 0.03, 0.01, 0.01, 0.01, 0.01]),
    "postcode": np.array([0.75, 0.05, 0.1, 0.1]),
    "sex": np.array([0.99, 0.01]),
}
U = {
    "given": np.array([0.01, 0.005, 0.02, 0.005, 0.06, 0.9]),
    "family": np.array([0.004, 0.003, 0.01, 0.003, 0.04, 0.94]),
    "birth_date": np.array([0.0001, 0.0015, 0.005, 0.02, 0.0134, 0.96]),
    "postcode": np.array([0.0005, 0.0015, 0.03, 0.968]),
    "sex": np.array([0.5, 0.5]),
}


def drawn(tables, count, rng):
    return np.stack([rng.choice(len(tables[n]), size=count, p=tables[n] / tables[n].sum()) + 1 for n in NAMES], axis=1)


def distinct(rows):
    return np.unique(rows, axis=0, return_counts=True)


def mixed(matches, strangers, seed=1, rival=None, rivals=0):
    rng = np.random.default_rng(seed)
    parts = [drawn(M, matches, rng), drawn(U, strangers, rng)]
    if rivals:
        parts.append(drawn(training._rival_tables(rival, NAMES, M, U), rivals, rng))
    rows, counts = distinct(np.concatenate(parts))
    return rows, counts.astype(float)


def test_em_recovers_known_m_and_share():
    rows, counts = mixed(20_000, 60_000)
    found = fit(rows, counts, NAMES, U, (), files=True)
    assert abs(found.share - 0.25) < 0.003
    for name in NAMES:
        assert np.abs(found.m[name] - M[name]).max() < 0.01


def test_em_with_households_recovers_m_and_does_not_take_them_for_matches():
    rows, counts = mixed(10_000, 60_000, rival="housemate", rivals=15_000)
    found = fit(rows, counts, NAMES, U, ("housemate", "twin", "namesake"), files=True)
    assert abs(found.matches - 10_000) < 500
    assert np.abs(found.m["given"] - M["given"]).max() < 0.03


def test_em_keeps_rare_matches():
    rows, counts = mixed(300, 200_000)
    found = fit(rows, counts, NAMES, U, (), files=True)
    assert abs(found.matches - 300) < 30
    assert found.m["family"][0] > 0.8


def ratios_of(rows, rivals):
    levels = {name: M[name] / U[name] for name in NAMES}
    match = np.prod([levels[n][rows[:, place] - 1] for place, n in enumerate(NAMES)], axis=0)
    tables = [training._rival_tables(rival, NAMES, M, U) for rival in rivals]
    others = [np.prod([(t[n] / U[n])[rows[:, place] - 1] for place, n in enumerate(NAMES)], axis=0) for t in tables]
    return np.stack([match, *others], axis=1)


@pytest.mark.parametrize("one_in", [100, 10_000])
def test_the_size_of_match_is_recovered_however_rare(one_in):
    rng = np.random.default_rng(2)
    total = 2_000_000
    matches = total // one_in
    rows = np.concatenate([drawn(M, matches, rng), drawn(U, 200_000, rng)])
    match, sizes = fit_sizes(ratios_of(rows, ("housemate",)), ("housemate",), float(total), files=True)
    assert abs(match * total / matches - 1) < 0.1
    assert sizes["housemate"] < match


def test_the_size_of_housemates_is_recovered_beside_that_of_match():
    rng = np.random.default_rng(3)
    rows = np.concatenate(
        [drawn(M, 2000, rng), drawn(training._rival_tables("housemate", NAMES, M, U), 3000, rng), drawn(U, 300_000, rng)]
    )
    match, sizes = fit_sizes(ratios_of(rows, ("housemate",)), ("housemate",), float(len(rows)), files=True)
    assert abs(match * len(rows) / 2000 - 1) < 0.05
    assert abs(sizes["housemate"] * len(rows) / 3000 - 1) < 0.15


def test_sizes_stay_within_their_bounds():
    assert bounded(1.0, {"housemate": 9.0, "twin": 9.0, "namesake": 9.0, "borrowed": 9.0}, files=True) == {
        "housemate": 3.0, "twin": 0.09, "namesake": 0.03, "borrowed": pytest.approx(1.2),
    }  # fmt: skip
    assert bounded(1.0, dict.fromkeys(SIZE_BOUNDS, 0.0), files=False) == {
        "housemate": 0.02, "twin": pytest.approx(0.00006), "namesake": pytest.approx(0.00002), "borrowed": pytest.approx(0.0008),
    }  # fmt: skip
    assert bounded(1.0, dict.fromkeys(SIZE_BOUNDS, 0.0), files=True) == dict.fromkeys(SIZE_BOUNDS, 0.0)
    assert bounded(1.0, {"housemate": 2.0, "twin": 0.0, "namesake": 0.0, "borrowed": 0.0}, files=True) == {
        "housemate": 2.0, "twin": pytest.approx(0.006), "namesake": pytest.approx(0.002), "borrowed": pytest.approx(0.08),
    }  # fmt: skip


def test_u_counts_half_a_pair_more_on_each_level():
    levels = np.array([[1], [2], [0]])
    assert u_probabilities(levels, np.array([1.0, 3.0, 9.0]), ["sex"])["sex"].tolist() == [0.3, 0.7]


def test_pooling_makes_weights_fall_and_tells_of_level_1():
    m, u = np.array([0.5, 0.1, 0.3, 0.1]), np.array([0.01, 0.2, 0.1, 0.69])
    found, chance, first = pooled(m, u)
    ratios = found / chance
    assert not first
    assert all(a >= b - 1e-12 for a, b in pairwise(ratios))
    assert ratios[1] == pytest.approx(ratios[2]) == pytest.approx(0.4 / 0.3)
    assert found.sum() == pytest.approx(m.sum())
    assert pooled(np.array([0.1, 0.6, 0.3]), np.array([0.1, 0.1, 0.8]))[2]
    assert (pooled(np.array([0.2, 0.1, 0.7]), np.array([0.5, 0.3, 0.2]))[0] / np.array([0.5, 0.3, 0.2])).tolist() == pytest.approx([1, 1, 1])


def test_levels_are_read_by_field():
    levels = [0] * len(FIELDS)
    levels[0], levels[4] = 2, 3
    vectors = [Vector(tuple(levels), (("id:x", 4),)), Vector(tuple(levels))]
    assert level_matrix(vectors, ["given", "birth_date", "id:x"]).tolist() == [[2, 3, 4], [2, 3, 0]]
    assert level_matrix(vectors, ["birth_date"]).tolist() == [[3], [3]]


def test_a_files_fields_are_those_that_some_pair_fills():
    levels = [0] * len(FIELDS)
    levels[0] = levels[FIELDS.index("same_authority")] = 1
    vector = Vector(tuple(levels), (("cat:c", 1), ("id:x", 1)))
    assert model_fields([vector], files=True) == ("given", "cat:c", "id:x")
    assert model_fields([vector], files=False) == ("given", "same_authority", "cat:c")


@pytest.mark.parametrize(
    ("made", "rivals"),
    [
        (alice(addresses=()), ()),
        (alice(), ("housemate", "twin", "namesake")),
        (record("Alice", "Archer", phones=("01483 571122",), addresses=()), ("housemate", "namesake")),
        (record("Alice", "Archer", guardian="Edith", addresses=()), ("housemate", "namesake")),
        (alice(nhs_number=ALICE_NUMBER, nhs_status="01"), ("housemate", "twin", "namesake", "borrowed")),
    ],
)
def test_a_rival_is_active_where_its_fields_are_filled(made, rivals):
    assert active_rivals([made]) == rivals


def test_fields_filled_in_at_most_5_per_cent_wake_no_rival():
    assert active_rivals([alice(), *[alice(addresses=())] * 19]) == ()
    assert active_rivals([alice(), *[alice(addresses=())] * 18]) != ()
    assert active_rivals([]) == ()


def test_a_family_leaves_out_the_fields_it_agrees_in():
    assert excluded_fields("db") == ("birth_date",)
    assert excluded_fields("id:ssn") == ("id:ssn",)


def test_values_are_counted_once_a_record():
    totals, counts = count_values([alice(), alice(), bea(), Demographics(), record("Alice", "")])
    assert counts["family"] == {"archer": 2, "baker": 1}
    assert totals["family"] == 3
    assert "phone" not in totals
    assert set(counts) == set(totals)


RECORDS, PERSONS = population(700, 5)


@pytest.fixture(scope="module")
def trained():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "RANDOM_PAIRS", 60_000)
        return train(sorted_sample(RECORDS), files=True, population=len(RECORDS), defaults=default_model(), facts={"data": "made"})


def true_pairs():
    sizes = {person: PERSONS.count(person) for person in set(PERSONS)}
    return sum(n * (n - 1) // 2 for n in sizes.values())


def test_training_on_a_population_finds_about_as_many_matches_as_there_are(trained):
    expected = json.loads(trained.document)["training"]["expected_matches"]
    assert abs(expected / true_pairs() - 1) < 0.03


def test_a_trained_model_finds_the_people(trained):
    scorer = Scorer(trained.model())
    found = sample(RECORDS)
    right = wrong = 0
    for i, j in zip(found.first.tolist(), found.second.tolist(), strict=True):
        if scorer.probability(scorer.weigh(RECORDS[i], RECORDS[j])) >= 0.95:
            right += PERSONS[i] == PERSONS[j]
            wrong += PERSONS[i] != PERSONS[j]
    assert wrong / right < 0.005
    assert right / true_pairs() > 0.97


def test_a_trained_model_says_what_it_was_trained_on(trained):
    facts = json.loads(trained.document)["training"]
    assert (facts["data"], facts["seed"], facts["records"]) == ("made", 0, len(RECORDS))
    assert facts["candidate_pairs"] > 0
    assert trained.facts["data"] == "made"
    assert set(facts["families"]) <= set(facts["families"]) | {"db"}
    assert trained.model().id == load(trained.document, trained.frequencies).id


def test_weights_never_rise_with_the_level(trained):
    for levels in trained.model().fields.values():
        assert all(a.weight >= b.weight - 1e-9 for a, b in pairwise(levels))


def test_the_same_seed_gives_the_same_bytes_whatever_the_order(monkeypatch):
    monkeypatch.setattr(training, "RANDOM_PAIRS", 5_000)
    records, _ = population(80, 9)
    shuffled = random.Random(1).sample(records, len(records))
    one, other = (train(sorted_sample(found), files=True, population=99) for found in (records, shuffled))
    assert (one.document, one.frequencies) == (other.document, other.frequencies)
    assert train(sorted_sample(records), files=True, population=99, seed=1).document != one.document


def test_a_field_that_no_family_saw_keeps_a_default(monkeypatch):
    monkeypatch.setattr(training, "LEAST_PAIRS", 10**9)
    records, _ = population(30, 9)
    found = train(sorted_sample(records), files=True, population=99, defaults=default_model())
    assert set(found.defaulted) == set(found.model().fields)
    assert found.model().fields["sex"][0].m == pytest.approx(default_model().fields["sex"][0].m)
    bare = train(sorted_sample(records), files=True, population=99)
    assert bare.model().fields["sex"][0].m == 0.8


def test_a_family_with_few_matches_is_dropped(monkeypatch):
    monkeypatch.setattr(training, "LEAST_SHARE", 1.1)
    records, _ = population(60, 9)
    found = train(sorted_sample(records), files=True, population=99, defaults=default_model())
    assert set(found.dropped) >= {"db", "gy"}
    assert any("key families were dropped" in why for why in found.refusals)


def test_a_table_of_names_alone_trains():
    records = [record(given, family, addresses=()) for given in ("Alice", "Anna", "Bea", "Zoe") for family in ("Archer", "Baker", "Quill")] * 3
    found = train(sorted_sample(records), files=True, population=36, defaults=default_model())
    assert set(found.model().fields) == {"given", "family"}
    assert dict(found.model().rivals) == {}


def test_a_table_without_pairs_trains_and_says_it_found_nothing():
    found = train(sorted_sample([alice(), bea()]), files=True, population=2, defaults=default_model())
    assert "the share of matches is at its bound" in found.refusals
    assert train(sorted_sample([]), files=True, population=1).model().fields == {}


def test_training_that_differs_much_from_the_model_before_is_refused(trained):
    before = trained.model()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "RANDOM_PAIRS", 60_000)
        again = train(sorted_sample(RECORDS), files=True, population=len(RECORDS), previous=before)
        assert not any("20 %" in why for why in again.refusals)
        other = train(sorted_sample(RECORDS), files=True, population=len(RECORDS), previous=replace(before, lambda_match=before.lambda_match * 2))
    assert any("20 %" in why for why in other.refusals)
    assert again.model().costs == before.costs


def test_training_that_moves_the_regression_set_is_refused(trained):
    judged = [training.Judged(alice(), alice(), same=True), training.Judged(alice(), bea(), same=False)]
    model = trained.model()
    assert training.regression_f1(model, judged) == 1.0
    assert training.regression_f1(model, []) == 1.0
    assert training._regression_refusals(model, None, judged) == []
    assert training._regression_refusals(model, model, judged) == []
    blind = replace(model, lambda_match=1e-30)
    assert training.regression_f1(blind, judged) == 0.0
    assert training._regression_refusals(model, blind, judged) == ["F1 on the regression set moves by more than .2 points"]


def test_overused_birth_dates_are_listed_in_the_model():
    found = train(sorted_sample([alice(), bea()]), files=True, population=2, defaults=default_model(), overused_birth_dates=frozenset({"19800701"}))
    assert found.model().overused_birth_dates == {"19800701"}


def test_collapses_of_levels_are_told():
    poor = {name: (Level(0.4, 0.1),) for name in ("given", "family", "birth_date")}
    assert training._level_refusals(poor, ["city"], ["a"] * 4) == [
        "pooling merged level 1 of city", "m of level 1 of given is below 0.5", "m of level 1 of family is below 0.5",
        "m of level 1 of birth_date is below 0.5", "4 key families were dropped, more than 3",
    ]  # fmt: skip
    assert training._level_refusals({}, [], ["a"] * 3) == []
    assert training._level_refusals({"sex": (Level(0.9, 0.5),), "city": (Level(0.9, 0.1),)}, [], []) == []
    assert [one[:15] for one in training._level_refusals({"email": (Level(0.9, 0.1),)}, [], [])] == ["one field alone"]


def test_pairs_that_look_sure_must_be():
    assert training._sure_refusals(np.array([[1e6, 1.0]])) == []
    assert training._sure_refusals(np.array([[10.0, 1.0]])) == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "SURE_P", 1.0)
        assert training._sure_refusals(np.array([[1e4, 1.0]])) != []


def test_the_numbers_of_training_are_those_of_the_specification():
    assert (training.RANDOM_PAIRS, training.ROUNDS, training.LEAST_PAIRS) == (1_000_000, 60, 30)
    assert (training.START_MATCH, training.START_STRANGER, training.START_RIVALS, training.START_LEVEL_1) == (0.3, 0.4, 0.3, 0.8)
    assert (training.U_SMOOTHING, training.M_SMOOTHING, training.LEAST_SHARE, training.LEAST_MATCHES) == (0.5, 0.02, 0.02, 20.0)
    assert set(LEVEL_COUNTS) == set(default_model().fields)


def test_a_weak_number_never_weighs_more_than_an_evidential_one():
    evidential = (Level(0.9, 0.001), Level(0.05, 0.1), Level(0.03, 0.2), Level(0.02, 0.699))
    weak = (Level(0.9, 0.0001), Level(0.05, 0.00001), Level(0.03, 0.2), Level(0.02, 0.7))
    found = training.below_evidential(weak, evidential)
    assert [round(level.weight, 6) for level in found] == [round(level.weight, 6) for level in (evidential[0], evidential[0], *weak[2:])]
    assert [level.m for level in found] == [level.m for level in weak]


def test_what_a_sample_was_taken_from_gives_chance_and_frequencies():
    sampled = sorted_sample(RECORDS[:300])
    among = training.Among(RECORDS[300:600], {"family": 5_000}, {"family": {"archer": 77}})
    found = train(sampled, files=False, population=5_000, defaults=default_model(), among=among)
    model = found.model()
    assert (model.totals, model.frequencies) == ({"family": 5_000}, {"family": {"archer": 77}})
    assert (found.facts["records"], found.facts["random_pairs"]) == (5_000, 300 * 299 // 2)
    assert model.fields["email"] == default_model().fields["email"]
    assert "email" in found.defaulted


def test_the_size_of_match_is_compared_at_the_same_number_of_records_and_not_with_the_shipped_model(trained):
    sampled, match = sorted_sample(RECORDS), trained.model().lambda_match
    own = replace(trained.model(), population=1_000, lambda_match=match * 3)
    assert training._size_refusals(match, sampled, 3_000, own) == []
    assert len(training._size_refusals(match, sampled, 1_000, own)) == 1
    assert training._size_refusals(match, sampled, 1_000, default_model()) == []
    assert training._size_refusals(match, sampled, int(25 / match) + 1_000, None) == ["the share of matches says that a record has more than 25 others of its person"]


def test_values_are_counted_by_field_and_identifiers_where_asked():
    records = [Demographics(cities=("lewes",), identifiers=(("ssn", "1"), ("mrn", "2"))), Demographics(cities=("lewes", "hove"))]
    assert count_values(records) == ({"city": 3}, {"city": {"lewes": 2, "hove": 1}})
    assert count_values(records, ["id:ssn"])[1]["id:ssn"] == {"1": 1}
