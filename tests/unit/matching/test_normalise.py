"""Normalisation: what is folded, what is no evidence, and what state an NHS number is in (matching.md 2, nhs.md 2-3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching.demographics import (
    ALIAS,
    EVIDENTIAL,
    HEADER_ONLY,
    MULTIPLE,
    NEWBORN,
    NO_IDENTIFIER,
    NONE,
    PSEUDO,
    WEAK,
    Demographics,
    Name,
    RawAddress,
    RawIdentifier,
    RawName,
    RecordFacts,
    pack,
    unpack,
)
from matching.normalise import (
    Learned,
    fold,
    is_communal,
    is_nickname,
    normal_birth_date,
    normal_city,
    normal_email,
    normal_name,
    normal_phone,
    normal_postcode,
    normal_street,
    normalise,
    passes_check,
    sound,
    twin_order,
)
from tests.unit.matching.cast import ALICE_NUMBER, ANNA_NUMBER, alice, facts


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Alice   ARCHER ", "alice archer"),
        ("O'Neill", "oneill"),
        ("O’Neill", "oneill"),  # noqa: RUF001
        ("St. John", "st john"),
        ("Smith-Jones", "smith jones"),
        ("ATTSÖN", "attson"),
        ("PÀULINÉ", "pauline"),
        ("Søren", "soren"),
        ("Łukasz", "lukasz"),
        ("Đặng", "dang"),
        ("Æthel", "aethel"),
        ("Œuvre", "oeuvre"),
        ("Þór", "thor"),
        ("Işık", "isik"),  # noqa: RUF001
        ("İnci", "inci"),
        ("Straße", "strasse"),
        ("Смирнов", "смирнов"),
    ],
)
def test_text_is_folded_as_it_is_for_search(text, folded):
    assert fold(text) == folded


@given(st.text(max_size=30))
def test_folding_twice_changes_nothing(text):
    assert fold(fold(text)) == fold(text)


@pytest.mark.parametrize(
    ("raw", "given", "middle", "family", "suffix"),
    [
        (RawName("Archer", "Alice"), "alice", "", "archer", ""),
        (RawName("Archer", "Alice Mary"), "alice", "mary", "archer", ""),
        (RawName("Archer", "Alice", "Mary Jane"), "alice", "mary jane", "archer", ""),
        (RawName("Archer", "Mrs. Alice"), "alice", "", "archer", ""),
        (RawName("Dr Archer", "Dr"), "dr", "", "archer", ""),
        (RawName("Archer Jr", "Adam"), "adam", "", "archer", "jr"),
        (RawName("Archer", "Adam Snr"), "adam", "", "archer", "sr"),
        (RawName("Archer", "Adam", "", "II"), "adam", "", "archer", "ii"),
        (RawName("Mac Donald", "Ian"), "ian", "", "mcdonald", ""),
        (RawName("Mc Donald", "Ian"), "ian", "", "mcdonald", ""),
        (RawName("O Neill", "Ian"), "ian", "", "oneill", ""),
        (RawName("de la Mare", "Ana"), "ana", "", "de la mare", ""),
        (RawName("Smith-Jones", "Ana"), "ana", "", "smith jones", ""),
        (RawName("Archer", "Baby of Alice"), "", "", "archer", ""),
        (RawName("Archer", "Twin 1"), "", "", "archer", ""),
        (RawName("Archer", "Infant"), "", "", "archer", ""),
        (RawName("Baby Archer", "A"), "a", "", "archer", ""),
        (RawName("Baby of Archer", ""), "", "", "archer", ""),
        (RawName("Twin 2 Archer", ""), "", "", "archer", ""),
        (RawName("Unknown", "Unknown Male"), "", "", "", ""),
        (RawName("ZZTest", "N/K"), "", "", "", ""),
        (RawName("Archer", "Xxx"), "", "", "archer", ""),
        (RawName("Archer", "123"), "", "", "archer", ""),
        (RawName("Do Not Use", "Trauma Alpha"), "", "", "", ""),
        (RawName("Archer", "Unknown", "Mary"), "", "", "archer", ""),
        (RawName("Archer", "Alice", "Unknown"), "alice", "", "archer", ""),
        (RawName("Archer (Dup)", "Alice/Ali"), "alice", "ali", "archer dup", ""),
        (RawName("", ""), "", "", "", ""),
    ],
)
def test_a_name_is_split_and_its_placeholders_are_no_evidence(raw, given, middle, family, suffix):
    name = normal_name(raw)
    assert (name.given, name.middle, name.family, name.suffix) == (given, middle, family, suffix)


def test_a_name_carries_its_sounds():
    assert normal_name(RawName("Smyth", "Jon"))[4:] == (sound("jon"), sound("smith"))


@pytest.mark.parametrize(
    ("x", "y", "same"),
    [("smith", "smyth", True), ("De La Mare", "delamare", True), ("смирнов", "смир", True), ("smith", "jones", False), ("", "", True)],
)
def test_the_sound_is_of_the_value_without_spaces(x, y, same):
    assert (sound(x) == sound(y)) is same


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ("kate", "catherine"), ("dai", "david"), ("dafydd", "david"), ("bill", "william"), ("peggy", "margaret"), ("peggy", "meg"),
        ("mohamed", "muhammad"), ("joe", "joseph"), ("sasha", "aleksandr"), ("bob", "rob"),
    ],
)  # fmt: skip
def test_nicknames_are_equivalent_to_their_canonical_form_and_to_each_other(x, y):
    assert is_nickname(x, y)
    assert is_nickname(y, x)


@pytest.mark.parametrize(("x", "y"), [("alice", "anna"), ("kate", "david"), ("qwerty", "asdf"), ("catherine", "margaret")])
def test_other_names_are_not_and_there_is_no_closure(x, y):
    assert not is_nickname(x, y)


@pytest.mark.parametrize(
    ("text", "quality", "digits"),
    [
        ("1980-03-14", "", "19800314"),
        ("1980-03-14T10:00:00Z", "", "19800314"),
        ("1980-03", "", "198003"),
        ("1980", "", "1980"),
        ("19800314", "", "19800314"),
        ("1980-01-01", "", "1980"),
        ("1980-03-14", "estimated", "1980"),
        ("1980-03-14", "default", ""),
        ("1900-01-01", "", ""),
        ("1753-01-01", "", ""),
        ("00000000", "", ""),
        ("", "", ""),
        ("80", "", ""),
    ],
)
def test_a_birth_date_keeps_the_precision_that_it_is_evidence_to(text, quality, digits):
    assert normal_birth_date(text, quality) == digits


def test_a_birth_date_in_the_future_or_over_120_years_back_is_no_evidence():
    assert normal_birth_date("2024-05-02", first_seen="2024-05-01") == ""
    assert normal_birth_date("1903-05-02", first_seen="2024-05-01") == ""
    assert normal_birth_date("1905-05-02", first_seen="2024-05-01") == "19050502"


def test_an_overused_birth_date_is_compared_by_year():
    assert normalise(facts("Alice", "Archer", "1980-07-01"), overused_birth_dates=("19800701",)).birth_date == "1980"


@pytest.mark.parametrize(
    ("text", "postcode"),
    [
        ("GU1 3AA", "gu13aa"), ("gu13aa", "gu13aa"), ("ZZ99 3VZ", ""), ("zz993wz", ""), ("KT16 0PZ", ""), ("TN37 7PT", ""), ("RH19 3DZ", ""),
        ("GU2 7XX", ""), ("BN11 2DH", ""), ("2905", "2905"), ("00000", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_postcode_has_no_space_and_placeholders_are_none(text, postcode):
    assert normal_postcode(text) == postcode


@pytest.mark.parametrize(
    ("lines", "street"),
    [
        (("1 High St",), "1 high street"),
        (("Flat 2", "7 Mill Ln."), "flat 2 7 mill lane"),
        (("St Mary's Rd",), "st marys road"),
        (("Apt 2, 5 Acacia Ave",), "flat 2 5 acacia avenue"),
        (("No fixed abode",), ""),
        (("ZZZ",), ""),
        (("xx",), ""),
        ((), ""),
    ],
)
def test_a_street_has_its_abbreviations_expanded(lines, street):
    assert normal_street(lines) == street


@pytest.mark.parametrize(
    "line",
    ["No fixed address", "Of no fixed abode", "No Fixed Abode, c/o First Base", "Traveller", "Rough sleeper", "Street homeless", "Address not known", "Unknown address",
     "Address not provided", "Refused", "Not given", "Visitor", "c/o Hospital"],
)  # fmt: skip
def test_what_says_that_there_is_no_home_is_no_street(line):
    assert normal_street((line,)) == normal_city(line) == ""


def test_what_stands_for_a_street_beside_a_postcode_of_no_fixed_abode_is_none():
    homes = (RawAddress(("First Base", "Montague Place"), "Brighton", "ZZ99 3VZ"), RawAddress(("14 Oak Road",), "Lewes", "BN7 2AB"))
    assert normalise(RecordFacts(addresses=homes)).streets == ("14 oak road",)


@pytest.mark.parametrize(
    ("street", "communal"),
    [("St Annes Care Home", True), ("HMP Lewes, Brighton Road", True), ("Falmer Hall", True), ("Room 4, Norwich House, University of Sussex", True), ("Travellers Site", True),
     ("The Grand Hotel", True), ("12 Hospital Road", False), ("3 College Lane", False), ("2 Hall Close", False), ("The Old Surgery Close", False), ("7 High Street", False)],
)  # fmt: skip
def test_where_people_live_who_are_no_family_is_told_from_homes(street, communal):
    assert is_communal(normal_street((street,))) is communal


def test_a_town_is_folded_and_placeholders_are_none():
    assert normal_city("Bexhill-on-Sea") == "bexhill on sea"
    assert normal_city("Not Known") == normal_city("ZZ") == ""


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("01483 571122", "01483571122"), ("+44 1483 571122", "01483571122"), ("0044 (0)1483 571122", "01483571122"),
        ("+44 (0) 1483 571122", "01483571122"), ("01483 571122 ext 5", "01483571122"), ("01483571122x5", "01483571122"),
        ("07000000000", ""), ("00000000000", ""), ("1111", ""), ("", ""), ("+33 1 42 68 53 00", "33142685300"),
        ("01234567890", ""), ("07123 456789", ""), ("+44 7987 654321", ""), ("01632 960123", "01632960123"),
        ("01273 000000", ""), ("07000 111111", ""), ("000 000 0001", ""), ("01622 123456", ""), ("07123 123123", ""), ("012345", ""), ("07700 900900", "07700900900"),
    ],
)  # fmt: skip
def test_a_phone_is_its_national_digits(text, digits):
    assert normal_phone(text) == digits


@pytest.mark.parametrize(
    ("text", "email"),
    [(" Alice@Example.org ", "alice@example.org"), ("none@none.com", ""), ("alice", ""), ("a@a.com", ""), ("no.email@nhs.net", ""), ("Do-not-contact@x.org", ""), ("@example.org", ""), ("alice@", ""), ("", "")],
)
def test_an_email_is_case_folded(text, email):
    assert normal_email(text) == email


def test_the_check_digit_of_an_nhs_number():
    assert passes_check(ALICE_NUMBER)
    assert passes_check(ANNA_NUMBER)
    assert not passes_check(ALICE_NUMBER[:9] + str((int(ALICE_NUMBER[9]) + 1) % 10))
    assert not passes_check("401023213")
    assert not passes_check("401023213x")


@given(st.integers(0, 9), st.integers(1, 9))
def test_every_single_digit_slip_fails_the_check(place, step):
    slipped = ALICE_NUMBER[:place] + str((int(ALICE_NUMBER[place]) + step) % 10) + ALICE_NUMBER[place + 1 :]
    assert not passes_check(slipped)


def state(number, status="01", **known: object):
    learned = known.pop("learned", Learned())
    admit = known.pop("admit", False)
    d = normalise(RecordFacts(nhs_number=number, nhs_status=status, **known), learned=learned, admit_test_numbers=admit)
    return d.nhs_number, d.nhs_state


def test_a_verified_number_that_passes_and_is_in_range_is_evidential():
    assert state(f"{ALICE_NUMBER[:3]} {ALICE_NUMBER[3:6]}-{ALICE_NUMBER[6:]}") == (ALICE_NUMBER, EVIDENTIAL)


@pytest.mark.parametrize("status", ["02", "03", "04", "06", "08", None])
def test_a_number_not_verified_is_weak(status):
    assert state(ALICE_NUMBER, status) == (ALICE_NUMBER, WEAK)


def test_an_unlabelled_number_or_one_that_fails_its_check_is_weak():
    assert state(ALICE_NUMBER, nhs_labelled=False)[1] == WEAK
    assert state("4010232138")[1] == WEAK


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (ALICE_NUMBER, "05"), (ALICE_NUMBER, "07"), ("4444444444", "01"), ("6666666666", "01"), ("0123456789", "01"), ("9876543210", "01"),
        ("9990000018", "01"), ("5000000000", "01"), ("3200000000", "01"), ("123", "01"), ("", "01"), ("unknown999", None),
    ],
)  # fmt: skip
def test_a_number_in_conflict_absent_stopped_or_out_of_range_is_none(number, status):
    assert state(number, status) == ("", NONE)


def test_the_test_range_counts_only_where_it_is_admitted():
    assert state("9990000018", admit=True) == ("9990000018", EVIDENTIAL)


def test_a_number_learned_to_be_shared_is_no_number():
    assert state(ALICE_NUMBER, learned=Learned(stopped=frozenset({ALICE_NUMBER}))) == ("", NONE)
    stopped = normalise(facts("Alice", "Archer", nhs_number=ALICE_NUMBER, nhs_status="01"), learned=Learned(stopped=frozenset({ALICE_NUMBER})))
    assert stopped == normalise(facts("Alice", "Archer"))


def test_a_superseded_number_is_replaced_by_its_successor_and_a_ring_of_them_ends():
    assert state(ALICE_NUMBER, learned=Learned(superseded={ALICE_NUMBER: ANNA_NUMBER})) == (ANNA_NUMBER, EVIDENTIAL)
    ring = Learned(superseded={ALICE_NUMBER: ANNA_NUMBER, ANNA_NUMBER: ALICE_NUMBER})
    assert state(ALICE_NUMBER, learned=ring)[1] == EVIDENTIAL


def test_flags_say_what_the_rules_need():
    flags = normalise(
        RecordFacts(
            names=(RawName("Archer", "Twin 2"),), birth_date="2024-05-01", first_seen="2024-05-20", alias=True, pseudo=True, header_only=True,
            usable_identifier=False,
        )
    ).flags  # fmt: skip
    assert flags == ALIAS | PSEUDO | HEADER_ONLY | NO_IDENTIFIER | NEWBORN | MULTIPLE


@pytest.mark.parametrize(("born", "seen"), [("2024-05-01", "2024-07-01"), ("2024-05", "2024-05-02"), ("2024-05-01", ""), ("1980-05-01", "2024-05-01")])
def test_a_record_first_seen_over_42_days_after_birth_is_no_newborn(born, seen):
    assert not normalise(facts("Alice", "Archer", born, first_seen=seen)).flags & NEWBORN


@pytest.mark.parametrize(
    ("given", "order"), [("Twin 1", "1"), ("Twin Two", "2"), ("Triplet C", "3"), ("Twin", ""), ("Twin of Alice", ""), ("Alice", None), ("", None)]
)
def test_a_twins_placeholder_name_gives_its_birth_order(given, order):
    assert twin_order(RawName("Archer" if given else "", given)) == order


def test_a_stated_birth_order_goes_before_that_of_the_name():
    assert normalise(facts("Twin 1", "Archer", birth_order="2")).birth_order == "2"
    assert normalise(facts("Twin 1", "Archer")).birth_order == "1"


def test_history_counts_newest_first_within_limits():
    d = normalise(
        RecordFacts(
            names=tuple(RawName(f"Archer{'abcdefg'[i]}", "Alice") for i in range(7)),
            addresses=tuple(RawAddress((f"{i} High St",), "Guildford", f"GU{i} 1AA") for i in range(1, 9)),
            phones=tuple(f"0148357112{i}" for i in range(9)),
            emails=tuple(f"a{i}@example.org" for i in range(9)),
        )
    )
    assert [name.family for name in d.names] == ["archera", "archerb", "archerc", "archerd"]
    assert (len(d.postcodes), len(d.streets), d.cities) == (6, 6, ("guildford",))
    assert (len(d.phones), len(d.emails)) == (6, 6)


def test_a_default_address_is_no_evidence():
    assert alice(address_default=True).postcodes == ()


def test_over_shared_values_are_marked_as_no_key_but_stay_evidence():
    learned = Learned(
        identifiers=frozenset({"urn:x|1"}), phones=frozenset({"01483571122"}), emails=frozenset({"a@example.org"}),
        streets=frozenset({"1 high street"}),
    )  # fmt: skip
    d = normalise(
        facts("Alice", "Archer", phones=("01483 571122",), emails=("A@example.org",), identifiers=(RawIdentifier("urn:x", "1"),)), learned=learned
    )
    assert set(d.unkeyed) == {"urn:x|1", "01483571122", "a@example.org", "1 high street"}
    assert d.phones == ("01483571122",)


def test_sex_compares_as_male_or_female_only():
    assert [normalise(RecordFacts(sex=sex)).sex for sex in ("male", "F", "1", "2", "other", "unknown", "9", "")] == ["m", "f", "m", "f", "", "", "", ""]


def test_guardian_and_categories_are_folded():
    d = normalise(RecordFacts(guardian="Mrs Édith Archer", categories=(("ethnicity", "A"), ("ethnicity", ""), ("area", "E1"))))
    assert (d.guardian, d.guardian_sound) == ("edith archer", sound("editharcher"))
    assert d.categories == (("area", "e1"), ("ethnicity", "a"))


def test_a_record_that_says_nothing_is_empty_but_for_its_flags():
    assert normalise(RecordFacts()) == Demographics()
    assert pack(Demographics()) == b"[]"


text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
pairs_of_text = st.tuples(text, text)
demographics = st.builds(
    Demographics,
    names=st.lists(st.builds(Name, text, text, text, text, text, text), max_size=3).map(tuple),
    birth_date=text,
    sex=st.sampled_from(["", "m", "f"]),
    nhs_number=text,
    nhs_state=st.sampled_from([NONE, WEAK, EVIDENTIAL]),
    streets=st.lists(text, max_size=3).map(tuple),
    cities=st.lists(text, max_size=3).map(tuple),
    postcodes=st.lists(text, max_size=3).map(tuple),
    phones=st.lists(text, max_size=3).map(tuple),
    emails=st.lists(text, max_size=3).map(tuple),
    identifiers=st.lists(pairs_of_text, max_size=3).map(tuple),
    guardian=text,
    guardian_sound=text,
    birth_order=text,
    categories=st.lists(pairs_of_text, max_size=2).map(tuple),
    flags=st.integers(0, 63),
    unkeyed=st.lists(text, max_size=2).map(tuple),
)


@given(demographics)
def test_what_is_packed_is_unpacked_unchanged(d):
    assert unpack(pack(d)) == d


def test_a_packed_record_is_small():
    assert len(pack(replace(alice(), nhs_number=ALICE_NUMBER, nhs_state=EVIDENTIAL))) < 200
