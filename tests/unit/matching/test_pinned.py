"""Every constant of the matcher, pinned: to change one is to change this file, on purpose (matching.md 13).

Numbers with names are compared by name; thresholds inside comparators by pairs that lie just above and just below them.
"""

from __future__ import annotations

import pytest

from matching import blocking, caps, clustering, comparisons, grouping, learning, model, normalise, scoring, training
from matching.comparisons import FIELDS, compare
from matching.demographics import Demographics, Name
from matching.normalise import sound

PINNED = {
    blocking: {"KEYS_KEPT": 48, "BLOCK_CAP": 200, "SLOW_LANE_CAP": 1000, "CANDIDATES_KEPT": 64, "CANDIDATES_KEPT_THIN": 128},
    caps: {"GENERATION": 12, "_NAMESAKES": {"given", "family", "birth_date", "sex", "city"}, "_PERSONAL": ("given", "middle", "family", "guardian", "phone", "email"),
           "_NUMBERS": ("nhs_number", "nhs_weak", "same_authority")},
    clustering: {"LARGEST_COMPONENT": 200, "SPLIT_STEP": 3.0},
    grouping: {"LARGEST_PERSON": 25, "MARGIN": 3.0, "VETO_MARGIN": 6.0},
    learning: {"MOST_PEOPLE_OF_A_NUMBER": 3, "MOST_RECORDS_OF_A_VALUE": 50, "OVERUSE": 5.0, "LEAST_FAIR_SHARE": 10.0},
    model: {
        "KAPPA": 1000.0, "LEAST_COUNT": 5, "TERM_FIELDS": ("given", "family", "city", "postcode"), "SHARED_FIELDS": ("phone", "email", "street"),
        "GRADES": ("certain", "probable", "possible", "certainly-not"),
    },
    normalise: {"NORMALISER_VERSION": 2, "NAMES_KEPT": 4, "ADDRESSES_KEPT": 6, "TELECOMS_KEPT": 6, "NEWBORN_DAYS": 42, "OLDEST_AGE": 120},
    comparisons: {"COMPARATOR_VERSION": 2},
    scoring: {"LEAST_WEIGHT": -30.0, "GREATEST_WEIGHT": 60.0, "WEIGHT_DIGITS": 6},
    training: {
        "RANDOM_PAIRS": 1_000_000, "U_SMOOTHING": 0.5, "M_SMOOTHING": 0.02, "START_MATCH": 0.3, "START_STRANGER": 0.4, "START_RIVALS": 0.3, "START_LEVEL_1": 0.8,
        "ROUNDS": 60, "SIZE_ROUNDS": 500, "LEAST_PAIRS": 30, "LEAST_SHARE": 0.02, "LEAST_MATCHES": 20.0, "FILLED": 0.05, "LEAST_M": 0.5,
        "LARGEST_LAMBDA_CHANGE": 0.2, "MOST_DROPPED": 3, "MOST_MATCHES": 25, "SURE_WEIGHT": 10.0, "SURE_P": 0.999, "REGRESSION_BOUND": 0.95,
        "LARGEST_REGRESSION_CHANGE": 0.002,
    },
}  # fmt: skip


@pytest.mark.parametrize("module", PINNED, ids=lambda module: module.__name__)
def test_the_constants_are_those_of_the_specification_and_of_the_decision_records(module):
    assert {name: getattr(module, name) for name in PINNED[module]} == PINNED[module]


def test_costs_are_those_of_the_specification():
    assert model.Costs() == (100.0, 1.0, 0.1)


def level(field, a, b):
    found = compare(a, b)
    assert found == compare(b, a)
    return found.levels[FIELDS.index(field)]


def named(given="", middle="", family=""):
    return Demographics(names=(Name(given, middle, family, "", sound(given), sound(family)),))


@pytest.mark.parametrize("part", ["given", "family"])
@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ("dozsz", "ozsz", 2), ("nurzihkzikb", "nurziszkinkb", 3), ("balb", "bnab", 3), ("dvmudsr", "kvudsr", 5), ("kaos", "lavosk", 5), ("gzhktni", "ogkrni", 6),
        ("anna", "anna", 1), ("a", "anna", 4), ("a", "bea", 6), ("anna maria", "maria luz", 3),
    ],
)  # fmt: skip
def test_likeness_of_names_has_these_bounds(part, x, y, expected):
    assert level(part, named(**{part: x}), named(**{part: y})) == expected


@pytest.mark.parametrize(("x", "y", "expected"), [("umozagdduz", "umozundduzh", 3), ("ebzzo", "ibezzo", 4), ("rose", "rose", 1), ("r", "r", 2), ("r", "rose", 2), ("r", "jane", 4)])
def test_likeness_of_middle_names_has_this_bound(x, y, expected):
    assert level("middle", named("ann", x), named("ann", y)) == expected


@pytest.mark.parametrize(("other", "expected"), [("eglonsl", 3), ("egonsal", 6)])
def test_names_are_taken_as_exchanged_from_this_likeness_on(other, expected):
    a, b = named("egdlvnosl", family="mumti"), named("mumti", family=other)
    assert (level("given", a, b), level("family", a, b)) == (expected, expected)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ("abcdefghijklmn", "abcxefghxjklmn", 2), ("abcdefghijklmnopqrs", "abcxefghxjklmnopxrs", 3),
        ("mhnz bdithlm obdatbl", "nmnuz bdithm obdatbl", 2), ("beiuslntk onvvl aszzdrol", "onvvl aszszdrol beisunltk", 3),
        ("hrntbn loli", "htbn lois", 3), ("lmkoolrahr nhkmblsizol", "nhkmblsizol lmrorlugr", 4),
    ],
)  # fmt: skip
def test_likeness_of_streets_has_these_bounds(x, y, expected):
    assert level("street", Demographics(streets=(x,)), Demographics(streets=(y,))) == expected


@pytest.mark.parametrize(("x", "y", "expected"), [("dozsz", "ozsz", 2), ("nurzihkzikb", "nurziszkinkb", 4)])
def test_likeness_of_e_mail_addresses_has_this_bound(x, y, expected):
    assert level("email", Demographics(emails=(x,)), Demographics(emails=(y,))) == expected


@pytest.mark.parametrize(
    ("field", "attribute", "x", "others"),
    [
        ("birth_date", "birth_date", "19840523", {"19840523": 1, "19842305": 2, "19840524": 2, "19840534": 3, "19860524": 3, "19720523": 3, "19290523": 3, "20010523": 4, "19840699": 5, "19731106": 6}),
        ("phone", "phones", ("01293412345",), {("01293412345",): 1, ("01293412346",): 2, ("01293412366",): 3, ("01293412666",): 4}),
        ("postcode", "postcodes", ("rh101aa",), {("rh101aa",): 1, ("rh101ab",): 2, ("rh109zz",): 3, ("rh119zz",): 4}),
    ],
)  # fmt: skip
def test_slips_have_these_levels(field, attribute, x, others):
    found = {other: level(field, Demographics(**{attribute: x}), Demographics(**{attribute: other})) for other in others}
    assert found == others
