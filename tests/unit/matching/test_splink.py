"""A Splink model taken over where it maps (matching.md 5, Document)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from matching.model import UnusableModel, default_model, load
from matching.regression import hard_set
from matching.splink import import_splink


def level(condition, m=None, u=None):
    return {"sql_condition": condition, "m_probability": m, "u_probability": u}


def comparison(column, *levels: dict):
    return {"output_column_name": column, "comparison_levels": list(levels)}


def null(column):
    return level(f'"{column}_l" IS NULL OR "{column}_r" IS NULL')


def equal(column, m=0.9, u=0.01):
    return level(f'"{column}_l" = "{column}_r"', m, u)


OTHER = level("ELSE", 0.05, 0.9)
SURNAME = comparison("surname", null("surname"), equal("surname"), OTHER)


def imported(*comparisons: dict, prior=0.000001):
    return import_splink(json.dumps({"probability_two_random_records_match": prior, "comparisons": list(comparisons)}).encode(), default_model())


def test_levels_go_to_the_nearest_of_ours_and_are_summed():
    found = imported(
        comparison(
            "first_name", null("first_name"), equal("first_name", 0.8, 0.01),
            level('jaro_winkler_similarity("first_name_l", "first_name_r") >= 0.92', 0.06, 0.005),
            level('jaro_winkler_similarity("first_name_l", "first_name_r") >= 0.95', 0.04, 0.005),
            level('levenshtein("first_name_l", "first_name_r") <= 2', 0.05, 0.01), level("ELSE", 0.05, 0.97),
        )
    )  # fmt: skip
    assert (found.mapped, found.unmapped) == (("given",), ())
    levels = load(found.document).fields["given"]
    assert levels[0].m / levels[0].u == pytest.approx(80, rel=0.01)
    assert levels[1].m / levels[1].u == pytest.approx(10, rel=0.01)
    assert sum(x.m for x in levels) == pytest.approx(1)


@pytest.mark.parametrize(
    ("column", "field", "condition"),
    [
        ("dob", "birth_date", 'damerau_levenshtein("dob_l", "dob_r") <= 1'),
        ("postcode", "postcode", 'levenshtein("postcode_l", "postcode_r") <= 2'),
        ("surname", "family", 'jaro_winkler_similarity("surname_l", "surname_r") >= 0.88'),
        ("city", "city", 'jaro_winkler_similarity("city_l", "city_r") >= 0.9'),
        ("email", "email", "jaro_winkler(email_l, email_r) >= 0.9"),
    ],
)
def test_each_field_has_its_own_nearest_level(column, field, condition):
    found = imported(comparison(column, null(column), equal(column), level(condition, 0.05, 0.02), OTHER))
    assert found.mapped == (field,)
    assert load(found.document).fields[field][0].m != default_model().fields[field][0].m


@pytest.mark.parametrize(
    ("column", "levels"),
    [
        ("colour", [equal("colour"), OTHER]),
        ("surname", [equal("surname"), level("soundex(surname_l) = soundex(surname_r)", 0.1, 0.1), OTHER]),
        ("surname", [level('"surname_l" = "other_r"', 0.9, 0.1), OTHER]),
        ("surname", [equal("surname"), level('levenshtein("surname_l", "other_r") <= 1', 0.1, 0.1), OTHER]),
        ("sex", [equal("sex"), level('levenshtein("sex_l", "sex_r") <= 1', 0.1, 0.1), OTHER]),
        ("surname", [equal("surname", None, None), OTHER]),
        ("address", [OTHER]),
        ("ssn", [equal("ssn"), OTHER]),
        ("surname", [equal("surname", m=-1), OTHER]),
        ("surname", [equal("surname", u=float("nan")), OTHER]),
        ("surname", [equal("surname"), level("ELSE", float("inf"), 0.9)]),
        ("surname", [equal("surname"), level("ELSE", 0.1, 1.5)]),
    ],
)
def test_what_does_not_map_is_listed_and_keeps_ours(column, levels):
    found = imported(comparison(column, *levels))
    assert (found.mapped, found.unmapped) == ((), (column,))
    assert load(found.document).fields == default_model().fields


def test_where_no_comparison_maps_nothing_changes():
    found, ours = imported(comparison("colour", equal("colour"), OTHER), prior=0.000002), default_model()
    assert (found.mapped, found.unmapped) == ((), ("colour",))
    assert load(found.document, found.frequencies).id == ours.id
    assert load(imported(prior=0.000002).document, found.frequencies).lambda_match == ours.lambda_match


def test_columns_quoted_as_spark_does_map_as_others():
    levels = [
        null("surname"), equal("surname"), level('jaro_winkler_similarity("surname_l", "surname_r") >= 0.88', 0.05, 0.02),
        level('levenshtein("surname_l", "surname_r") <= 2', 0.05, 0.01), OTHER,
    ]  # fmt: skip
    quoted = [{**one, "sql_condition": one["sql_condition"].replace('"', "`")} for one in levels]
    assert imported(comparison("surname", *quoted)) == imported(comparison("surname", *levels))
    assert imported(comparison("surname", *quoted)).mapped == ("family",)


def test_a_comparison_without_a_column_is_told_by_its_place():
    assert imported(SURNAME, comparison(None, equal("surname"), OTHER)).unmapped == ("comparison 2 (without output_column_name)",)


def test_the_prior_becomes_lambda_and_the_rivals_keep_their_proportion():
    model, ours = load(imported(SURNAME, prior=0.000002).document), default_model()
    assert model.lambda_match == 0.000002
    assert {name: size / model.lambda_match for name, size in model.rivals.items()} == pytest.approx(
        {name: size / ours.lambda_match for name, size in ours.rivals.items()}
    )
    assert model.training["from"] == ours.id


@pytest.mark.parametrize("settings", [b"", b"[]", b"{}", b'{"probability_two_random_records_match": 0.1, "comparisons": [{}]}', b'{"probability_two_random_records_match": 1' + b"0" * 400 + b', "comparisons": []}'])
def test_what_is_no_splink_model_is_refused(settings):
    with pytest.raises(UnusableModel, match="Splink"):
        import_splink(settings, default_model())


def test_a_prior_outside_0_and_1_is_refused():
    with pytest.raises(UnusableModel, match="between 0 and 1"):
        imported(prior=1.5)


def test_our_own_frequencies_stay_and_are_named():
    found, ours = imported(comparison("surname", null("surname"), equal("surname"), OTHER)), default_model()
    model = load(found.document, found.frequencies)
    assert (model.totals, model.frequencies, model.own_frequencies) == (ours.totals, ours.frequencies, False)
    bare = import_splink(json.dumps({"probability_two_random_records_match": 0.000001, "comparisons": [SURNAME]}).encode(), replace(ours, totals={}))
    assert bare.frequencies is None


def test_a_prior_that_gives_every_record_a_crowd_is_refused():
    with pytest.raises(UnusableModel, match="more than 25"):
        imported(SURNAME, prior=0.00001)


def test_probabilities_that_no_records_can_show_are_refused():
    assert imported(comparison("surname", null("surname"), equal("surname"), OTHER)).refusals == ()
    assert imported(comparison("surname", null("surname"), equal("surname", u=1e-12), OTHER)).refusals == ("u of a level of family is below 1e-08",)
    assert imported(comparison("surname", null("surname"), equal("surname", m=0.3), level("ELSE", 0.7, 0.9))).refusals == ("m of level 1 of family is below 0.5",)


def test_the_judged_pairs_are_asked_of_the_model_made():
    found = import_splink(json.dumps({"probability_two_random_records_match": 0.000001, "comparisons": [SURNAME]}).encode(), default_model(), hard_set())
    assert found.refusals == ()
