"""Twins whose names are alike are never linked by themselves (docs/adr/0013): generated pairs under the shipped model."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from matching.caps import is_number_edge
from matching.comparisons import GIVEN, are_two_names, compare
from matching.demographics import RawAddress, RawIdentifier, RawName, RecordFacts
from matching.model import default_model
from matching.normalise import normal_name, normalise, twin_order
from matching.scoring import Scorer
from tests.unit.matching.cast import ALICE_NUMBER, ANNA_NUMBER

SCORER = Scorer(default_model())
ALIKE = (
    ("Anna", "Hannah"), ("Joan", "Jean"), ("Luke", "Lucas"), ("Harry", "Henry"), ("Amelia", "Emilia"), ("Ella", "Ellie"), ("Kate", "Katherine"),
    ("Jayden", "Kayden"), ("Michael", "Michelle"), ("Eva", "Eve"), ("Louis", "Lewis"), ("Emma", "Emily"), ("Jack", "Jake"), ("Oliver", "Olivia"),
)  # fmt: skip
SEXES = (("female", "female"), ("male", "female"), ("", ""))
PHONES = (("", ""), ("01444 412345", "01444 412345"), ("01444 412345", "07700 900123"))
EMAILS = ("", "parent@example.org")
MIDDLES = (("", ""), ("Rose", "Jane"), ("Rose", ""), ("R", "R"), ("Rose", "R"))


def twin(given, family, sex="", phone="", email="", middle="", number="", status=None, system="one", order=""):
    return normalise(
        RecordFacts(
            names=(RawName(family, given, middle),), birth_date="2001-03-14", sex=sex, addresses=(RawAddress(("14 Oakfield Road",), "Haywards Heath", "RH16 9ZE"),),
            phones=(phone,), emails=(email,), identifiers=(RawIdentifier(system, "1"),), nhs_number=number, nhs_status=status, birth_order=order,
        )
    )  # fmt: skip


@pytest.mark.parametrize(("one", "other"), ALIKE)
@pytest.mark.parametrize("status", [None, "01", "02"], ids=["no-number", "one-verified", "one-unverified"])
def test_no_such_twins_are_certain_whatever_else_they_share(one, other, status):
    number = ALICE_NUMBER if status else ""
    for sexes, phones, email, middles, family in product(SEXES, PHONES, EMAILS, MIDDLES, ("Smith", "Quill")):
        a = twin(one, family, sexes[0], phones[0], email, middles[0], number, status)
        b = twin(other, family, sexes[1], phones[1], email, middles[1], system="two")
        assert compare(a, b).levels[GIVEN] >= 2
        if compare(a, b).levels[GIVEN] >= 3:
            assert SCORER.score(a, b).grade != "certain", (one, other, sexes, phones, email, middles)


def test_an_email_of_the_household_speaks_for_nobody_in_it():
    without = SCORER.score(twin("Anna", "Quill"), twin("Hannah", "Quill", system="two")).weight
    shared = SCORER.score(twin("Anna", "Quill", email="p@example.org"), twin("Hannah", "Quill", email="p@example.org", system="two")).weight
    assert without < shared < without + 1


@pytest.mark.parametrize("sexes", SEXES)
def test_two_who_are_known_by_one_letter_may_be_twins(sexes):
    """Alice and Anna, each written A: the letter is rarer than either name, and says less."""
    a, b = (twin("A", "Quill", sex, "01444 412345", "parent@example.org", system=system) for sex, system in zip(sexes, ("one", "two"), strict=True))
    scored = SCORER.score(a, b)
    assert (scored.vector.level("given"), scored.grade) != (1, "certain")
    assert "twin-pattern" in {cap.rule for cap in scored.caps}


def newborn(given, **known):
    return normalise(replace(FACTS, names=(RawName("Okafor", given),), birth_date="2024-02-25", first_seen="2024-03-01", **known))


FACTS = RecordFacts(sex="female", addresses=(RawAddress(("14 Oakfield Road",), "Haywards Heath", "RH16 9ZE"),), phones=("01444 412345",))


@pytest.mark.parametrize(
    "word", ["New born", "To be named", "Not yet named", "TBN", "Nameless", "Fetus", "Stillborn", "Prem", "Preterm", "Quad", "Quad1", "Son", "Bubba", "Inf", "X", "Wxyz"]
)
def test_a_word_that_no_list_of_names_has_names_no_newborn(word):
    assert SCORER.score(newborn(word), newborn(word)).grade != "certain"


def test_a_newborn_whose_name_people_have_is_known_by_it():
    assert SCORER.score(newborn("Florence"), newborn("Florence")).grade == "certain"


def named(*names, street="14 Oakfield Road", phone="01444 412345"):
    return normalise(
        RecordFacts(
            names=tuple(RawName(family, given) for given, family in names), birth_date="2010-03-05", sex="female",
            addresses=(RawAddress((street,), "Haywards Heath", "RH16 9ZE"),), phones=(phone,),
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((("Alice", "Vosper"), ("Anna", "Vosper")), (("Anna", "Vosper"),)),
        ((("Robert", "Mayne"), ("Peter", "Nisbet")), (("Robert", "Nisbet"),)),
        ((("Joyce", "Vosper"), ("Irene", "Quenby")), (("Irene", "Quenby"),)),
    ],
    ids=["a twin's name, corrected", "a given name and a family name that were never one name", "another patient's name, taken back"],
)
def test_who_agrees_only_by_a_name_that_was_corrected_is_asked_about(a, b):
    scored = SCORER.score(named(*a), named(*b))
    assert "past-names" in {cap.rule for cap in scored.caps}
    assert scored.grade == "probable"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((("Anna", "Mayne"), ("Anna", "Vosper")), (("Anna", "Vosper"),)),
        ((("Vosper", "Anna"), ("Anna", "Quill")), (("Anna", "Vosper"),)),
        ((("Annie", "Vosper"), ("Anna", "Vosper")), (("Anna", "Vosper"),)),
    ],
    ids=["married", "names exchanged", "called by a short form"],
)
def test_who_married_or_is_called_by_a_short_form_is_still_known_by_the_earlier_name(a, b):
    assert "past-names" not in {cap.rule for cap in SCORER.score(named(*a), named(*b)).caps}


def test_one_middle_initial_is_no_middle_name():
    full, letters = (SCORER.score(twin("Anna", "Quill", middle=m), twin("Anna", "Quill", middle=m, system="two")) for m in ("Rose", "R"))
    assert [one.vector.level("middle") for one in (full, letters)] == [1, 2]
    assert full.weight > letters.weight + 2


@pytest.mark.parametrize("more", [{"middle": "Rose"}, {"number": ALICE_NUMBER, "status": "01"}])
def test_a_full_middle_name_or_a_verified_number_still_links_a_nickname(more):
    scored = SCORER.score(twin("Kate", "Quill", **more), twin("Catherine", "Quill", system="two", **more))
    assert "twin-pattern" not in {cap.rule for cap in scored.caps}
    assert scored.grade == "certain"


def test_a_nickname_alone_is_asked_about_and_a_slip_is_not():
    assert SCORER.score(twin("Kate", "Quill"), twin("Catherine", "Quill", system="two")).grade == "probable"
    assert "twin-pattern" not in {cap.rule for cap in SCORER.score(twin("Sara", "Quill", "female"), twin("Sarah", "Quill", "female", system="two")).caps}


def test_numbers_of_their_own_and_birth_orders_part_them_further():
    a, b = twin("Anna", "Quill", order="1"), twin("Hannah", "Quill", order="2", system="two")
    assert SCORER.weigh(a, b) < SCORER.weigh(twin("Anna", "Quill"), twin("Hannah", "Quill", system="two")) - 3
    assert SCORER.score(twin("Anna", "Quill", number=ALICE_NUMBER, status="01"), twin("Hannah", "Quill", number=ANNA_NUMBER, status="01")).grade == "certainly-not"


@pytest.mark.parametrize(("one", "other"), [("Luke", "Luca"), ("", ""), ("", "Luke"), ("Daniel", "Danielle")])
def test_an_unverified_number_proves_nothing_where_given_names_are_alike_or_unknown(one, other):
    a, b = (twin(given, "Quill", number=ALICE_NUMBER, status="02", phone="01444 412345", system=system) for given, system in ((one, "one"), (other, "two")))
    assert SCORER.score(a, b).grade == "probable"
    assert "twin-pattern" in {cap.rule for cap in SCORER.score(a, b).caps}


def test_nearly_equal_names_of_one_sex_are_one_name():
    assert "twin-pattern" in {cap.rule for cap in SCORER.score(twin("Daniel", "Quill", "male"), twin("Danielle", "Quill", "female", system="two")).caps}
    assert "twin-pattern" not in {cap.rule for cap in SCORER.score(twin("Daniel", "Quill", "male"), twin("Danielle", "Quill", "male", system="two")).caps}


@pytest.mark.parametrize(("one", "other"), [("Muhammad", "Muhammad"), ("Tom James", "Tom James"), ("Tom", "Tim"), ("Isla", "Isabella")])
@pytest.mark.parametrize("number", ["", ALICE_NUMBER], ids=["no-number", "one-verified-number"])
def test_the_first_and_the_second_of_twins_are_asked_about_whatever_they_are_called_and_share(one, other, number):
    a, b = (twin(name, "Sarker", "male", "01444 412345", number=number, status="01" if number else None, order=order) for name, order in ((one, "1"), (other, "2")))
    scored = SCORER.score(a, b)
    assert "other-birth-order" in {cap.rule for cap in scored.caps}
    assert scored.grade in ("probable", "possible")
    assert not is_number_edge(scored.vector, scored.grade, scored.caps)


@pytest.mark.parametrize(("one", "other", "asked"), [("Hassan", "Hussain", True), ("Rahman", "Rahim", True), ("Hassan", "Hasan", False), ("Hassan", "", False), ("Hassan", "H", False)])
def test_twins_of_one_first_name_are_told_apart_by_the_next(one, other, asked):
    a, b = (twin("Muhammad", "Sheikh", "male", "01444 412345", middle=middle, system=middle) for middle in (one, other))
    assert ("twin-pattern" in {cap.rule for cap in SCORER.score(a, b).caps}) is asked


@pytest.mark.parametrize(("one", "other", "two"), [("Ella", "Bella", True), ("Maria", "Mariam", True), ("Sara", "Sarah", False), ("Maria", "Mariax", False), ("Louis", "Louise", False)])
def test_two_names_that_are_nearly_equal_are_not_one_name_spelt_in_two_ways(one, other, two):
    scored = SCORER.score(twin(one, "Sarker", "female"), twin(other, "Sarker", "female", system="two"))
    assert scored.vector.levels[GIVEN] == 2
    assert (scored.grade == "probable") is two


def test_of_several_names_one_that_is_spelt_in_two_ways_is_enough():
    """Ella, known as Sara before, and Bella, known as Sarah: the pair of names that made level 2 may be either."""
    def known(*given):
        return normalise(RecordFacts(tuple(RawName("Sarker", name) for name in given), "2001-03-14", sex="female"))

    assert are_two_names(known("Ella"), known("Bella"), ())
    assert not are_two_names(known("Ella", "Sara"), known("Bella", "Sarah"), ())
    assert not are_two_names(known("Maria"), known("Mariax"), ())
    assert are_two_names(known("Zanira"), known("Zanirah"), ()) is are_two_names(known("Zanira"), known("Zanirah"), ("zanira", "zanirah")) is False
    assert are_two_names(known("Zebina"), known("Zebinar"), ("zebina", "zebinar"))


@pytest.mark.parametrize(("one", "other"), [("Tom", "Tim"), ("Isla", "Isabella"), ("Lily", "Lila")])
def test_a_verified_number_of_newborns_may_be_their_mothers(one, other):
    def newborn(given):
        home = RawAddress(("14 Oakfield Road",), "Haywards Heath", "RH16 9ZE")
        return normalise(RecordFacts((RawName("Sarker", given),), "2026-06-20", addresses=(home,), phones=("01444 412345",), nhs_number=ALICE_NUMBER, nhs_status="01", first_seen="2026-06-21"))

    scored = SCORER.score(newborn(one), newborn(other))
    assert scored.grade == "probable"
    assert not is_number_edge(scored.vector, scored.grade, scored.caps)


@pytest.mark.parametrize(
    "given",
    [
        "Daughter", "Bby", "Son Of Kelly", "Dau of Kelly", "Kelly-Baby", "Nb Kelly", "I/O Kelly", "Live Female Infant", "Live born", "B1 Kelly", "Kelly Twin1", "Kelly Twin 2",
        "Infant of Kelly",
    ],
)  # fmt: skip
def test_what_stands_for_a_newborns_name_is_no_name(given):
    assert (normal_name(RawName("Zogby", given)).given, normal_name(RawName("Zogby", given)).middle) == ("", "")


@pytest.mark.parametrize("given", ["Son", "John Boy", "Live", "Kelly Infanta", "Nbeki", "Bettina", "Ben"])
def test_a_name_that_looks_like_one_of_these_is_a_name(given):
    assert normal_name(RawName("Zogby", given)).given


def test_the_order_of_a_newborn_is_read_from_its_names():
    assert [twin_order(RawName("Zogby", given)) for given in ("B1 Kelly", "Kelly Twin2", "Kelly Twin 2", "Bby", "Ben")] == ["1", "2", "2", None, None]
