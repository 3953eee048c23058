"""Twins whose names are alike are never linked by themselves (docs/adr/0013): generated pairs under the shipped model."""

from __future__ import annotations

from itertools import product

import pytest

from matching.comparisons import GIVEN, compare
from matching.demographics import RawAddress, RawIdentifier, RawName, RecordFacts
from matching.model import default_model
from matching.normalise import normalise
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
