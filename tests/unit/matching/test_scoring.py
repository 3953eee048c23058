"""The weight, its rivals and frequencies, and the cast's grades (matching.md 5-7)."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from math import isclose, log2

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from matching.comparisons import FIELDS, LEVEL_COUNTS, Vector, compare
from matching.demographics import RawAddress, RawName
from matching.model import (
    ALPHA,
    GRADES,
    RIVALS,
    SIZE_BOUNDS,
    Costs,
    Level,
    alpha,
    default_model,
    frequency_bytes,
    load,
    model_document,
)
from matching.normalise import Learned, normalise
from matching.scoring import Scorer
from tests.unit.matching.cast import ALICE_NUMBER, ANNA_NUMBER, ASP, RSC, alice, anna, bea, facts, mrn, record
from tests.unit.matching.test_normalise import demographics

SCORER = Scorer(default_model())

SMALL_FIELDS = {
    "given": (Level(0.8, 0.01), Level(0.06, 0.01), Level(0.05, 0.01), Level(0.04, 0.01), Level(0.03, 0.1), Level(0.02, 0.86)),
    "family": (Level(0.8, 0.01), Level(0.06, 0.01), Level(0.05, 0.01), Level(0.04, 0.01), Level(0.03, 0.1), Level(0.02, 0.86)),
    "postcode": (Level(0.7, 0.001), Level(0.1, 0.009), Level(0.1, 0.09), Level(0.1, 0.9)),
    "phone": (Level(0.7, 0.001), Level(0.1, 0.009), Level(0.1, 0.09), Level(0.1, 0.9)),
    "id:x": (Level(0.9, 0.001), Level(0.05, 0.009), Level(0.03, 0.09), Level(0.02, 0.9)),
}


def small_model(counts=None, totals=None, rivals=None, **known: object):
    table = frequency_bytes(totals or {}, counts or {})
    return load(
        model_document(population=1000, lambda_match=0.001, rivals=rivals or {}, fields=SMALL_FIELDS, frequencies=table, **({"own_frequencies": True} | known)), table
    )


def test_without_rivals_the_weight_is_lambda_and_the_fields():
    scorer = Scorer(small_model())
    a = record("Alice", "Archer", addresses=(RawAddress(postcode="GU1 3AA"),))
    b = record("Zoe", "Archer", addresses=(RawAddress(postcode="GU1 3AB"),))
    expected = log2(0.001) + log2(0.02 / 0.86) + log2(0.8 / 0.01) + log2(0.1 / 0.009)
    assert isclose(scorer.weigh(a, b), expected, abs_tol=1e-9)


def test_rivals_are_inside_the_weight_as_the_formula_says():
    rivals = {"housemate": 0.0006, "twin": 0.00001}
    scorer = Scorer(small_model(rivals=rivals))
    a = record("Alice", "Archer", addresses=(RawAddress(postcode="GU1 3AA"),))
    b = record("Anna", "Archer", addresses=(RawAddress(postcode="GU1 3AA"),))
    weights = {"given": log2(0.02 / 0.86), "family": log2(80), "postcode": log2(700)}
    total = sum(weights.values()) + log2(0.001)
    for name, size in rivals.items():
        weights[name] = size
        for field in ("given", "family", "postcode"):
            share = ALPHA[name].get(field, 0.0)
            weights[name] *= share * 2 ** weights[field] + 1 - share
    expected = total - log2(1 + weights["housemate"] + weights["twin"])
    assert isclose(scorer.weigh(a, b), expected, abs_tol=1e-9)


def test_a_common_name_weighs_less_and_never_less_than_the_next_level():
    model = small_model(counts={"family": {"archer": 500, "smith": 90_000}}, totals={"family": 100_000})
    scorer = Scorer(model)

    def family(name):
        return next(c for c in scorer.score(record("", name), record("", name)).contributions if c.field == "family")

    kappa, u = 1000.0, 0.01
    assert isclose(family("archer").weight, log2(0.8 / ((500 + kappa * u) / (100_000 + kappa))), abs_tol=1e-9)
    assert isclose(family("quill").weight, log2(0.8 / ((5 + kappa * u) / (100_000 + kappa))), abs_tol=1e-9)
    assert family("smith").weight == log2(0.06 / 0.01)
    assert isclose(family("archer").frequency, family("archer").weight - log2(80), abs_tol=1e-9)


def test_of_several_agreed_values_the_rarest_counts():
    scorer = Scorer(small_model(counts={"family": {"archer": 5000}, "postcode": {"gu13aa": 9000}}, totals={"family": 10_000, "postcode": 10_000}))
    both = record(names=(RawName("Archer", ""), RawName("Quill", "")))
    assert scorer.weigh(both, both) > scorer.weigh(record("", "Archer"), both)
    homes = record("A", "", addresses=(RawAddress(postcode="GU1 3AA"), RawAddress(postcode="BN7 2AB")))
    assert scorer.weigh(homes, homes) > scorer.weigh(record("A", "", addresses=(RawAddress(postcode="GU1 3AA"),)), homes)


def test_sharing_a_phone_only_lowers():
    shared = {"phone": {"01483571122": 50}}
    scorer = Scorer(small_model(counts=shared, totals={"phone": 1000}))

    def phone(number):
        a = record("A", "", addresses=(), phones=(number,))
        return next(c.weight for c in scorer.score(a, a).contributions if c.field == "phone")

    assert isclose(phone("01483 571122"), log2(0.7 / 0.05), abs_tol=1e-9)
    assert isclose(phone("01483 571199"), log2(700), abs_tol=1e-9)


def test_identifiers_that_the_model_knows_each_by_itself_leave_same_authority_out():
    scorer = Scorer(small_model())
    a = record("", "Archer", addresses=(), identifiers=mrn("x", "1"))
    fields = [c.field for c in scorer.score(a, a).contributions]
    assert fields == ["family", "id:x"]
    assert isclose(scorer.weigh(a, a), log2(0.001) + log2(80) + log2(900), abs_tol=1e-9)
    assert scorer.potential(a, a) == scorer.weigh(a, a)


def test_the_weight_stays_within_minus_30_and_60():
    same = alice(nhs_number=ALICE_NUMBER, nhs_status="01", phones=("01483 571122",), emails=("alice@example.org",), middle="Mary")
    assert SCORER.weigh(same, same) <= 60.0
    assert Scorer(replace(default_model(), rivals={})).weigh(same, same) == 60.0
    assert SCORER.weigh(alice(), record("Zoe", "Quill", "1950-09-27", sex="male", addresses=(RawAddress(("9 Elm Rd",), "Hove", "BN3 1ZZ"),))) == -30.0


def test_the_waterfall_sums_to_the_weight():
    for a, b in ((alice(), anna()), (alice(), alice()), (alice(), bea()), (alice(middle="M"), alice(middle="Mary"))):
        scored = SCORER.explain(a, b)
        total = scored.start + sum(c.weight for c in scored.contributions) + sum(r.weight for r in scored.rivals) + scored.bound
        assert isclose(total, scored.weight, abs_tol=1e-9)
        assert scored.weight == round(SCORER.weigh(a, b), 6)
        assert all(r.weight <= 0 for r in scored.rivals)


def test_the_hot_path_and_the_compared_path_give_the_same_weight():
    for a, b in product((alice(), anna(), bea()), repeat=2):
        assert SCORER.weigh(a, b) == SCORER.weigh_compared(compare(a, b), a, b)


def test_caches_stay_bounded(monkeypatch):
    monkeypatch.setattr("matching.scoring._VECTORS_KEPT", 2)
    monkeypatch.setattr("matching.scoring._TERMS_KEPT", 2)
    scorer = Scorer(default_model())
    people = [record(given, family, born) for given in ("Alice", "Zoe") for family in ("Archer", "Quill", "Baker") for born in ("1980-03-14", "")]
    weights = [scorer.weigh(a, b) for a, b in product(people, repeat=2)]
    assert weights == [SCORER.weigh(a, b) for a, b in product(people, repeat=2)]
    assert len(scorer._bases) <= 2
    assert all(len(known) <= 2 for known in scorer._terms.values())


def test_a_partial_birth_date_that_agrees_is_never_evidence_against():
    year, month, full = (record("Alice", "Archer", born) for born in ("1980", "1980-03", "1980-03-14"))
    unknown = record("Alice", "Archer")
    for a, b in ((year, full), (month, full), (year, year), (year, month)):
        assert SCORER.weigh(a, b) == SCORER.weigh(unknown, full)
    assert SCORER.weigh(year, record("Alice", "Archer", "1992-03-14")) < SCORER.weigh(unknown, full)
    assert SCORER.weigh(month, record("Alice", "Archer", "1980-04")) < SCORER.weigh(unknown, full)
    assert SCORER.weigh(full, record("Alice", "Archer", "1980-11-29")) < SCORER.weigh(unknown, full)


def test_grade_bounds_follow_from_the_costs():
    assert Costs().bounds == (0.999, 100 / 101, 0.1)
    assert [round(w, 2) for w in SCORER.weight_bounds] == [9.96, 6.64, -3.17]
    assert [SCORER.grade(w) for w in (9.97, 9.96, 6.65, 6.64, -3.16, -3.17, -3.18)] == [
        "certain", "probable", "probable", "possible", "possible", "certainly-not", "certainly-not",
    ]  # fmt: skip


def test_probability_is_that_of_the_odds_unless_calibrated():
    assert SCORER.probability(0.0) == 0.5
    assert isclose(SCORER.probability(3.0), 8 / 9)
    scorer = Scorer(small_model(calibration=((0.0, 0.25), (4.0, 0.75), (8.0, 1.0))))
    assert [scorer.probability(w) for w in (-5.0, 0.0, 2.0, 4.0, 8.0, 20.0)] == [0.25, 0.25, 0.5, 0.75, 1.0, 1.0]


# The cast


def grade(a, b, **known: object):
    assert SCORER.score(a, b, **known) == SCORER.score(b, a, **known)
    return SCORER.score(a, b, **known).grade


def rules(a, b):
    return {cap.rule for cap in SCORER.score(a, b).caps}


def test_alice_is_found_at_her_second_trust():
    assert grade(alice(identifiers=mrn(ASP, "1")), alice(identifiers=mrn(RSC, "77"))) == "certain"


def test_alice_and_anna_the_twins_are_never_linked():
    scored = SCORER.score(alice(), anna())
    assert scored.grade in ("possible", "certainly-not")
    assert "twin-pattern" in {cap.rule for cap in scored.caps}
    assert min(scored.rivals, key=lambda rival: rival.weight).rival == "twin"


@pytest.mark.parametrize(("one", "other"), [("Alina", "Alice"), ("Mia", "Mya"), ("Ella", "Ellie"), ("Jayden", "Kayden")])
def test_twins_of_similar_names_are_not_linked_for_sure(one, other):
    assert grade(alice(given=one), alice(given=other)) != "certain"


def test_the_twins_with_numbers_of_their_own_are_vetoed():
    scored = SCORER.score(alice(nhs_number=ALICE_NUMBER, nhs_status="01"), anna(nhs_number=ANNA_NUMBER, nhs_status="01"))
    assert scored.vetoes == ("two-evidential-numbers",)
    assert scored.grade == "certainly-not"


def test_father_and_son_of_one_name_are_not_linked():
    father = record("John", "Archer", "1950-06-11", sex="male")
    son = record("John", "Archer", "1978-10-23", sex="male")
    assert grade(father, son) in ("possible", "certainly-not")


def test_bea_is_found_under_her_new_surname():
    before = bea(phones=("07700 900123",))
    after = bea(family="Carter", phones=("07700 900123",))
    assert GRADES.index(grade(before, after)) <= GRADES.index("probable")
    with_history = bea(names=(RawName("Carter", "Bea"), RawName("Baker", "Bea")), phones=("07700 900123",))
    assert grade(before, with_history) == "certain"


def test_swapped_names_link():
    assert grade(alice(), alice(given="Archer", family="Alice")) == "probable"
    numbered = {"nhs_number": ALICE_NUMBER, "nhs_status": "01"}
    assert grade(alice(**numbered), alice(given="Archer", family="Alice", **numbered)) == "certain"


def test_day_and_month_exchanged_link():
    assert grade(alice(birth_date="1980-03-11"), alice(birth_date="1980-11-03")) == "certain"


def test_a_superseded_number_does_not_part_its_records():
    learned = Learned(superseded={ANNA_NUMBER: ALICE_NUMBER})
    old, new = (
        normalise(facts("Alice", "Archer", "1980-03-14", nhs_number=number, nhs_status="01"), learned=learned) for number in (ANNA_NUMBER, ALICE_NUMBER)
    )
    assert grade(old, new) == "certain"


def test_two_people_on_one_number_are_a_confusion():
    a = alice(nhs_number=ALICE_NUMBER, nhs_status="01")
    b = record("Zoe", "Quill", "1951-09-27", sex="female", nhs_number=ALICE_NUMBER, nhs_status="01")
    scored = SCORER.score(a, b)
    assert scored.confusion
    assert scored.vector.level("nhs_number") == 0
    assert scored.grade != "certain"
    assert scored.weight == round(SCORER.weigh(a, b), 6) == round(SCORER.weigh_compared(compare(a, b), a, b), 6)


def test_a_mothers_number_on_her_baby_is_a_confusion():
    mother = alice(nhs_number=ALICE_NUMBER, nhs_status="01")
    baby = record("Baby of Alice", "Archer", "2024-05-01", first_seen="2024-05-01", sex="female", nhs_number=ALICE_NUMBER, nhs_status="01")
    scored = SCORER.score(mother, baby)
    assert scored.confusion
    assert scored.grade == "certainly-not"


def test_neighbours_in_a_care_home_are_not_linked():
    home = (RawAddress(("The Firs Care Home",), "Hove", "BN3 1AA"),)
    one = record("Edith", "Quill", "1934-02-17", sex="female", addresses=home, phones=("01273 570000",))
    other = record("Ethel", "Quince", "1936-08-30", sex="female", addresses=home, phones=("01273 570000",))
    assert grade(one, other) == "certainly-not"


def test_a_shared_phone_links_nobody():
    a, b = alice(phones=("07700 900123",)), record("Adam", "Archer", "1978-01-30", sex="male", phones=("07700 900123",))
    assert grade(a, b) == "certainly-not"


def test_one_person_with_two_numbers_of_one_trust_is_certain_only_by_the_nhs_number():
    a, b = alice(identifiers=mrn(ASP, "1")), alice(identifiers=mrn(ASP, "987654"))
    assert grade(a, b) == "probable"
    assert rules(a, b) == {"same-authority"}
    a, b = (alice(identifiers=mrn(ASP, n), nhs_number=ALICE_NUMBER, nhs_status="01") for n in ("1", "987654"))
    assert grade(a, b) == "certain"
    assert rules(a, b) == set()


# Caps and vetoes


def test_a_newborn_without_a_name_is_at_most_probable():
    def baby(**known: object):
        return record("Baby", "Archer", "2024-05-02", first_seen="2024-05-02", sex="female", phones=("07700 900123",), **known)

    assert rules(baby(), baby()) == {"newborn-without-name", "twin-pattern"}
    numbered = baby(nhs_number=ALICE_NUMBER, nhs_status="01")
    assert grade(numbered, numbered) == "probable"


def test_a_nameless_newborn_of_a_multiple_birth_is_at_most_possible_without_its_order():
    def twin(order):
        return record("Baby", "Archer", "2024-05-02", first_seen="2024-05-02", sex="female", birth_order=order, phones=("07700 900123",))

    assert rules(twin("1"), twin("")) == {"multiple-birth", "twin-pattern"}
    assert rules(twin("1"), twin("2")) == {"multiple-birth", "twin-pattern", "other-birth-order"}
    assert rules(twin("1"), twin("1")) == {"newborn-without-name", "twin-pattern"}
    assert grade(twin("1"), twin("")) in ("possible", "certainly-not")


def test_a_newborn_once_named_is_capped_no_more():
    def baby():
        return record("Alice", "Archer", "2024-05-02", first_seen="2024-05-02", sex="female")

    assert rules(baby(), baby()) == set()


def test_a_weak_number_alone_is_at_most_probable():
    a = record("", "Archer", "1980-03-14", addresses=(), nhs_number=ALICE_NUMBER, nhs_status="02")
    b = record("", "Quill", "1980-03-14", addresses=(), nhs_number=ALICE_NUMBER, nhs_status="02")
    assert "weak-number-alone" in rules(a, b)
    assert "weak-number-alone" not in rules(alice(nhs_number=ALICE_NUMBER), alice(nhs_number=ALICE_NUMBER))


def test_sex_postcode_and_birth_date_alone_are_at_most_possible():
    a = record("", "", "1980-03-14", sex="female")
    assert rules(a, a) >= {"sex-postcode-birth-date-alone"}
    assert grade(a, a) in ("possible", "certainly-not")


def test_certain_needs_given_or_birth_date_and_two_of_the_strong_fields():
    a = record("", "Archer", nhs_number=ALICE_NUMBER, nhs_status="01", phones=("01483 571122",), emails=("a@example.org",))
    assert "too-few-fields" in rules(a, a)
    b = record("Alice", "", phones=("01483 571122",), emails=("a@example.org",))
    assert "too-few-fields" in rules(b, b)
    c = record("Alice", "", nhs_number=ALICE_NUMBER, nhs_status="01")
    assert "too-few-fields" not in rules(c, c)


def test_a_record_known_from_headers_alone_is_at_most_probable():
    header = alice(header_only=True, usable_identifier=False)
    assert grade(header, alice()) == "probable"
    assert grade(alice(header_only=True), alice()) == "certain"
    assert grade(alice(usable_identifier=False), alice()) == "certain"


def test_a_pseudo_person_matches_exact_identifiers_only():
    pseudo = alice(pseudo=True, identifiers=mrn(ASP, "1"))
    assert SCORER.score(pseudo, alice(identifiers=mrn(RSC, "2"))).vetoes == ("pseudo-person",)
    assert SCORER.score(pseudo, alice(identifiers=mrn(ASP, "1"))).vetoes == ()


def test_an_assertion_vetoes():
    assert SCORER.score(alice(), alice(), not_same=True).vetoes == ("not-same",)
    assert grade(alice(), alice(), not_same=True) == "certainly-not"


def test_the_twin_pattern_gives_way_to_equal_evidential_numbers():
    a, b = (x(nhs_number=ALICE_NUMBER, nhs_status="01") for x in (alice, anna))
    assert "twin-pattern" not in rules(a, b)


# Properties (section 13)


@given(demographics, demographics)
def test_scoring_is_symmetric(a, b):
    assert SCORER.weigh(a, b) == SCORER.weigh(b, a)
    assert SCORER.score(a, b) == SCORER.score(b, a)
    assert SCORER.potential(a, b) == SCORER.potential(b, a)


names = st.sampled_from(["", "Alice", "Alicia", "Anna", "A", "Zoe"])
families = st.sampled_from(["", "Archer", "Archer Quill", "Baker", "Barker"])
people = st.builds(
    record, names, families, st.sampled_from(["", "1980-03-14", "1980-04-13", "1980", "1991-11-05"]), sex=st.sampled_from(["", "male", "female"]),
    nhs_number=st.sampled_from(["", ALICE_NUMBER, ANNA_NUMBER, "4010232138"]), nhs_status=st.sampled_from(["01", "02"]),
    phones=st.sampled_from([(), ("01483 571122",), ("01483 571123",)]),
    addresses=st.sampled_from([(), (RawAddress(("1 High St",), "Lewes", "BN7 1AA"),), (RawAddress(("9 Low Rd",), "Hove", "BN3 1AA"),)]),
)  # fmt: skip


def test_no_weak_nhs_number_outweighs_an_equal_verified_one_in_the_shipped_model():
    fields = default_model().fields
    assert all(level.weight <= fields["nhs_number"][0].weight + 1e-9 for level in fields["nhs_weak"])


@given(people, people)
def test_nobody_is_more_like_a_record_than_itself(a, b):
    assert SCORER.weigh(a, a) >= SCORER.weigh(a, b) - 1e-9


vectors = st.tuples(*(st.integers(0, LEVEL_COUNTS[name]) for name in FIELDS)).map(Vector)


@settings(max_examples=300)
@given(vectors, st.integers(0, len(FIELDS) - 1))
def test_more_agreement_never_lowers_a_weight(vector, place):
    assume(vector.levels[place] > 1)
    closer = Vector((*vector.levels[:place], vector.levels[place] - 1, *vector.levels[place + 1 :]))
    scorer = Scorer(replace(default_model(), totals={}))
    assert scorer._weight(closer, alice(), alice()) >= scorer._weight(vector, alice(), alice()) - 1e-9


@given(people, people)
def test_a_field_at_level_nothing_removes_exactly_its_evidence(a, b):
    scorer = Scorer(replace(default_model(), rivals={}))
    scored = scorer.score(a, b)
    assume(-30 < scored.weight < 60)
    for contribution in scored.contributions:
        without = scorer._weight(scored.vector.without(contribution.field), a, b)
        assume(-30 < without < 60)
        assert isclose(without, scored.weight - contribution.weight, abs_tol=1e-5)


# Constants


def test_alpha_and_bounds_are_those_of_the_specification_and_of_decision_records_13_and_18():
    household = {"family": 0.85, "street": 0.97, "city": 0.97, "postcode": 0.97, "phone": 0.80, "email": 0.80, "guardian": 0.80}
    assert dict(ALPHA["housemate"]) == household
    assert dict(ALPHA["twin"]) == household | {"family": 0.95, "birth_date": 0.98}
    assert dict(ALPHA["namesake"]) == household | {"family": 0.97, "given": 0.95, "middle": 0.90, "sex": 0.98}
    assert dict(ALPHA["borrowed"]) == household | {"nhs_number": 0.98, "nhs_weak": 0.98, "same_authority": 0.98, "id:*": 0.98}
    assert dict(SIZE_BOUNDS) == {
        "housemate": ("match", 0.02, 3.0), "twin": ("housemate", 0.003, 0.03), "namesake": ("housemate", 0.001, 0.01),
        "borrowed": ("housemate", 0.04, 0.4),
    }  # fmt: skip
    assert alpha("borrowed", "id:anything") == 0.98
    assert alpha("twin", "given") == 0.0
    assert RIVALS == ("housemate", "twin", "namesake", "borrowed")


def test_the_default_model_has_every_field_and_rival():
    model = default_model()
    assert set(model.fields) == set(FIELDS)
    assert set(model.rivals) == set(RIVALS)
    assert model.population == 3_000_000
    assert json.loads(model.document)["training"]["data"]
