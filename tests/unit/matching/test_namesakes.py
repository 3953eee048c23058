"""Who may be somebody else is never certain: namesakes, father and son, senior and junior, newborns (docs/adr/0019)."""

from __future__ import annotations

from dataclasses import replace
from math import log2

import pytest

from matching.caps import is_number_edge
from matching.demographics import RawAddress, RawName
from matching.model import default_model
from matching.normalise import normal_birth_date
from matching.scoring import Scorer
from tests.unit.matching.cast import ALICE_NUMBER, record
from tests.unit.matching.test_scoring import SCORER, grade, rules, small_model


def test_a_name_that_a_table_of_other_peoples_records_lacks_is_not_rare():
    table = {"counts": {"family": {"smith": 3_000, "archer": 5}}, "totals": {"family": 100_000}}
    own, other = (Scorer(small_model(**table, own_frequencies=own)) for own in (True, False))
    for name in ("smith", "archer"):
        assert other.agreement("family", name) == own.agreement("family", name)
    assert (other.agreement("family", "quillfeather"), own.agreement("family", "quillfeather") > 9) == (log2(80), True)


@pytest.mark.parametrize(
    ("given", "family"), [("Mohammed", "Khan"), ("Fatima", "Begum"), ("Harpreet", "Kaur"), ("Maria", "Silva"), ("Thi", "Nguyen"), ("Zebedee", "Quillfeather")]
)
def test_names_birth_date_and_sex_alone_are_not_certain_under_the_shipped_model(given, family):
    a, b = (record(given, family, "1985-05-12", sex="female", addresses=homes) for homes in ((RawAddress(city="Crawley"),), (RawAddress((), "Crawley"),)))
    assert grade(a, b) == "probable"
    assert "names-birth-date-sex-alone" in rules(a, b)
    own = Scorer(replace(default_model(), own_frequencies=True)).score(a, b)
    assert "names-birth-date-sex-alone" not in {cap.rule for cap in own.caps}


@pytest.mark.parametrize("more", [{"middle": "Noor"}, {"phones": ("01483 571122",)}, {"addresses": (RawAddress(postcode="RH10 1AA"),)}])
def test_a_namesake_with_one_more_thing_in_common_may_be_certain(more):
    assert grade(*(record("Fatima", "Begum", "1985-05-12", sex="female", **({"addresses": ()} | more)) for _ in "ab")) == "certain"


@pytest.mark.parametrize("alone", [True, False])
def test_a_namesake_in_full_who_lives_elsewhere_is_asked_about(alone):
    here, there = RawAddress(("84 Victoria Street",), "Worthing"), RawAddress(("49 Redhill Way",), "East Grinstead", "RH19 4TE")
    carol, namesake = (record("Carol", "Butler", "1972-09-06", sex="female", middle="Julie", addresses=(home,), phones=() if alone else ("01483 571122",)) for home in (here, there))
    assert ("names-birth-date-sex-alone" in rules(carol, namesake)) is alone
    assert grade(carol, namesake) == ("probable" if alone else "certain")


def test_a_namesake_in_full_in_one_town_or_without_an_address_may_be_certain():
    one, moved, unknown = (record("Carol", "Butler", "1972-09-06", sex="female", middle="Julie", addresses=homes) for homes in (
        (RawAddress(("84 Victoria Street",), "Worthing"),), (RawAddress(("49 Redhill Way",), "Worthing"),), (),
    ))  # fmt: skip
    assert (grade(one, moved), grade(one, unknown)) == ("certain", "certain")


def home(given="John", born="1960-05-12", **known: object):
    return record(given, "Archer", born, sex="male", phones=("01483 571122",), emails=("a@example.org",), **known)


@pytest.mark.parametrize("middle", ["", "Paul"])
@pytest.mark.parametrize("born", ["1990-05-12", "1980-05-12", "1990-05-22", "1988-07-30"])
@pytest.mark.parametrize("number", ["", "01", "02"])
def test_a_father_and_a_son_of_one_name_in_one_home_are_never_certain(middle, born, number):
    said = {"middle": middle} | ({"nhs_number": ALICE_NUMBER, "nhs_status": number} if number else {})
    one_slip = number == "01" and born.endswith("05-12")
    assert (grade(home(**said), home(born=born, **said)) == "certain") is one_slip, "whose verified number it is has been traced by birth date"


@pytest.mark.parametrize(("years", "capped"), [(11, False), (12, True)])
def test_twelve_years_are_a_generation(years, capped):
    assert ("two-generations" in rules(home(born="1960-05-12"), home(born=f"{1960 + years}-05-12"))) is capped
    assert "two-generations" not in rules(home(born=""), home(born=f"{1960 + years}-05-12"))


def test_a_verified_number_of_another_birth_date_is_asked_about():
    numbered = {"nhs_number": ALICE_NUMBER, "nhs_status": "01", "middle": "Paul"}
    assert "number-of-another-birth-date" in rules(home(**numbered), home(born="1966-07-30", **numbered))
    assert grade(home(**numbered), home(born="1966-07-30", **numbered)) != "certain"


@pytest.mark.parametrize(
    ("one", "other", "born", "capped"),
    [("JR", "SR", "1960-05-12", True), ("II", "", "1960-05-12", False), ("JR", "JR", "1961-05-12", False), ("JR", "", "1961-05-12", True), ("JR", "", "", True)],
)
def test_a_senior_and_a_junior_are_never_certain(one, other, born, capped):
    a, b = (home(names=(RawName("Archer", "John", "Paul", suffix),), born=date) for suffix, date in ((one, "1960-05-12"), (other, born)))
    assert ("other-suffix" in rules(a, b)) is capped
    assert (grade(a, b) == "certain") is not capped


@pytest.mark.parametrize("name", ["BABYGIRL", "Babyboy", "BABE", "BG", "BB", "MAT", "Unborn", "B/O Alice", "F/INF", "m/inf", "TWIN1", "Baby-B", "BABYA", "BABYGIRLA", "BABYBOYB", "Baby of Alice"])
def test_newborns_without_a_name_are_not_certain(name):
    baby = record(name, "Quillfeather", "2024-05-12", sex="male", first_seen="2024-05-12", phones=("01483 571122",))
    assert baby.names[0].given == ""
    assert grade(baby, baby) in ("probable", "possible")


@pytest.mark.parametrize(("one", "other"), [("TWIN1", "TWIN2"), ("BABYA", "BABYB"), ("BABYGIRLA", "BABYGIRLB"), ("Baby Girl 1", "Baby Girl 2"), ("Boy One", "Boy Two")])
def test_an_ordinal_in_a_newborns_name_is_its_birth_order(one, other):
    a, b = (record(name, "Quill", "2024-05-12", sex="male", first_seen="2024-05-12") for name in (one, other))
    assert (a.birth_order, b.birth_order) == ("1", "2")
    assert "multiple-birth" in rules(a, b)


def test_real_names_that_begin_like_a_newborns_are_names():
    assert [record(name, "Quill").names[0].given for name in ("Boyd", "Malea", "Matthew", "Babette", "Girlie", "Bob", "Infanta")] == [
        "boyd", "malea", "matthew", "babette", "girlie", "bob", "infanta",
    ]  # fmt: skip


def test_one_of_several_born_together_is_known_by_the_indicator_alone():
    a, b = (record("Baby", "Quill", "2024-05-12", first_seen="2024-05-12", multiple=multiple) for multiple in (True, False))
    assert "multiple-birth" in rules(a, b)


def test_twins_of_nearly_equal_names_are_asked_about_where_one_is_said_to_be_of_a_multiple_birth():
    daniel, daniell = (record(name, "Archer", "1990-05-12", sex="male", phones=("01483 571122",), multiple=multiple) for name, multiple in (("Daniel", True), ("Daniell", False)))
    assert "twin-pattern" in rules(daniel, daniell)
    assert grade(daniel, daniell) == "probable"


@pytest.mark.parametrize("known", [{}, {"names": (RawName("Archer"),)}, {"sex": "female"}])
def test_a_record_of_little_but_a_verified_number_is_not_in_doubt_with_itself(known):
    few = record(**{"nhs_number": ALICE_NUMBER, "nhs_status": "01", "addresses": (), "names": ()} | known)
    assert not SCORER.score(few, few).confusion
    slip = record(**{"nhs_number": "9434765910", "nhs_status": "01", "addresses": (), "names": ()} | known)
    assert SCORER.weigh(few, few) >= SCORER.weigh(few, slip)


@pytest.mark.parametrize("digit", ["²", "٣"])
def test_a_digit_of_another_script_is_none_of_a_birth_date(digit):
    assert normal_birth_date(f"198{digit}0512", first_seen="2025-01-01") in ("", "1980", "198")


@pytest.mark.parametrize(("here", "there"), [("2 High Street", "7 High Street"), ("48 London Road", "48 London Road"), ("Flat 1, The Lodge", "Flat 1, The Lodge")])
@pytest.mark.parametrize("middle", ["", "William"])
def test_a_street_of_one_name_in_another_town_is_no_home_in_common(here, there, middle):
    crawley, hastings = RawAddress((here,), "Crawley", "RH10 1AA"), RawAddress((there,), "Hastings", "TN34 1AA")
    one, other = (record("John", "Smith", "1953-04-14", sex="male", middle=middle, addresses=(home,)) for home in (crawley, hastings))
    assert "names-birth-date-sex-alone" in rules(one, other)
    assert grade(one, other) != "certain"
    assert grade(one, record("John", "Smith", "1953-04-14", sex="male", middle=middle, addresses=(crawley,))) == "certain"


@pytest.mark.parametrize("middle", ["N/K", "NK", "Not known", "No middle name", "NMN", "Not given"])
def test_a_middle_name_that_is_none_speaks_for_nobody(middle):
    one, other = (record("Zebedee", "Quillfeather", "1985-05-12", sex="male", middle=middle, addresses=()) for _ in "ab")
    assert one.names[0].middle == ""
    assert grade(one, other) == "probable"


def test_one_verified_number_joins_nobody_whose_given_name_and_birth_date_are_both_only_near():
    number = {"nhs_number": ALICE_NUMBER, "nhs_status": "01", "sex": "male"}
    tom = record("Tom", "Larwood", "1950-06-02", addresses=(RawAddress(("4 Mill Lane",), "Rye", "TN31 7AA"),), **number)
    tim = record("Tim", "Lancing", "1950-06-03", addresses=(RawAddress(("9 Alder Walk",), "Hove", "BN3 1AA"),), **number)
    scored = SCORER.score(tom, tim)
    assert scored.confusion
    assert not is_number_edge(scored.vector, scored.grade, scored.caps)


def test_a_fathers_unverified_number_on_a_record_without_a_birth_date_is_asked_about():
    """Without the number the pair is asked about; a number that nobody verified must not settle that."""
    home = {"addresses": (RawAddress(("14 Oakfield Road",), "Haywards Heath", "RH16 9ZE"),), "phones": ("01444 412345",), "sex": "male"}
    father, unknown = (record("John", "Ordish", born, nhs_number=ALICE_NUMBER, nhs_status="02", **home) for born in ("1950-03-05", ""))
    assert "weak-number-alone" in rules(father, unknown)
    assert grade(father, unknown) == "probable"


@pytest.mark.parametrize("phone", ["01323 960111", ""])
@pytest.mark.parametrize("day", ["1932-03-11", "1933-03-11", "1932-11-03"])
def test_namesakes_in_a_care_home_are_asked_about(day, phone):
    home = {"addresses": (RawAddress(("St Annes Care Home",), "Seaford", "BN25 1AA"),), "sex": "female", "phones": (phone,)}
    assert grade(record("Mary", "Jones", "1932-03-11", **home), record("Mary", "Jones", day, **home)) == "probable"


def test_a_resident_with_a_mobile_phone_of_her_own_may_be_certain():
    home = {"addresses": (RawAddress(("St Annes Care Home",), "Seaford", "BN25 1AA"),), "sex": "female", "phones": ("07700 900123",)}
    assert grade(*(record("Mary", "Jones", "1932-03-11", **home) for _ in "ab")) == "certain"
