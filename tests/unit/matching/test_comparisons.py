"""Comparison levels, each constant pinned (matching.md 4)."""

from __future__ import annotations

import pytest
from hypothesis import given

from matching.comparisons import FIELDS, LEVEL_COUNTS, LEVEL_NAMES, Vector, compare, level_count, level_name
from matching.demographics import RawAddress, RawIdentifier, RawName
from matching.normalise import passes_check
from tests.unit.matching.cast import ALICE_NUMBER, ANNA_NUMBER, alice, anna, record
from tests.unit.matching.test_normalise import demographics


def levels(a, b):
    vector = compare(a, b)
    assert vector == compare(b, a)
    return {name: level for name, level in zip(FIELDS, vector.levels, strict=True) if level} | dict(vector.extra)


def named(given="", family="", middle=""):
    return record(given, family, middle=middle, addresses=())


@pytest.mark.parametrize(
    ("x", "y", "level"),
    [
        ("alice", "alice", 1),
        ("marhta", "martha", 2),  # JW .961
        ("katherine", "katherina", 2),
        ("kate", "catherine", 3),
        ("jon", "john", 2),
        ("phillip", "filip", 3),
        ("a", "alice", 4),
        ("a", "b", 6),
        ("alice", "b", 6),
        ("alice", "alfred", 5),  # JW .775
        ("alice", "anna", 6),
        ("", "anna", 0),
    ],
)
def test_given_name_levels(x, y, level):
    assert levels(named(x, "Archer"), named(y, "Archer")).get("given", 0) == level


@pytest.mark.parametrize(
    ("x", "y", "level"),
    [
        ("archer", "archer", 1),
        ("archer", "archar", 2),
        ("smith jones", "jones", 3),
        ("smith-jones", "brown jones", 3),
        ("kate", "catherine", 6),  # nicknames are of given names only
        ("a", "archer", 4),
        ("baker", "barker", 3),
        ("archer", "baker", 6),
    ],
)
def test_family_name_levels(x, y, level):
    assert levels(named("Alice", x), named("Alice", y)).get("family", 0) == level


@pytest.mark.parametrize(("x", "y", "level"), [
    ("albourne", "caldbourne", 2),  # .9333
    ("burnton", "burton", 3),  # .9278
    ("ali", "ayling", 3),  # .85
    ("albrook", "brooks", 5),  # .8492
    ("adamczyk", "krawczyk", 5),  # .75
    ("agate", "langstead", 6),  # .7481
])  # fmt: skip
def test_jaro_winkler_bounds(x, y, level):
    assert levels(named("Alice", x), named("Alice", y))["family"] == level


@pytest.mark.parametrize(
    ("x", "y", "level"),
    [("mary", "mary", 1), ("m", "mary", 2), ("mary", "marie", 4), ("albrook", "ashbrook", 3), ("albrook", "claybrook", 4), ("mary", "jane", 4), ("", "mary", 0), ("m", "j", 4)],
)
def test_middle_name_levels(x, y, level):
    assert levels(named("Alice", "Archer", x), named("Alice", "Archer", y)).get("middle", 0) == level


@pytest.mark.parametrize(("x", "y", "level"), [("Edith", "Edith", 1), ("Edith", "Edyth", 3), ("Edith", "Zoe", 6), ("", "Zoe", 0), ("Edith", "", 0)])
def test_guardian_levels(x, y, level):
    assert levels(record("A", "B", guardian=x), record("A", "B", guardian=y)).get("guardian", 0) == level


@pytest.mark.parametrize(
    ("x", "y", "level"),
    [
        ("1980-03-14", "1980-03-14", 1),
        ("1980-03-11", "1980-11-03", 2),  # day and month exchanged
        ("1980-03-14", "1980-03-15", 2),  # one slip
        ("1980-03-14", "1980-03-41", 2),  # neighbours exchanged
        ("1980-03-14", "1981-03-15", 3),
        ("1980-03-14", "1957-03-14", 3),
        ("1988-03-14", "1970-03-14", 3),
        ("1980-03-14", "2123-03-14", 4),  # same month and day
        ("1980-03-14", "1980-03-27", 3),
        ("1980-03-14", "1980-11-29", 5),
        ("1980-03-14", "1992-11-29", 6),
        ("1980-03", "1980-03-14", 4),
        ("1980-03", "1980-04", 5),
        ("1980-03", "1981-03", 6),
        ("1980", "1980-03-14", 5),
        ("1980", "1980", 5),
        ("1980", "1981-03", 6),
        ("", "1980-03-14", 0),
    ],
)
def test_birth_date_levels(x, y, level):
    assert levels(record("A", "B", x), record("A", "B", y)).get("birth_date", 0) == level


def test_a_birth_date_whose_month_alone_agrees_is_level_4():
    assert levels(record("A", "B", "1980-03-14"), record("A", "B", "2123-03-14"))["birth_date"] == 4


@pytest.mark.parametrize(("x", "y", "level"), [("male", "male", 1), ("male", "female", 2), ("", "male", 0), ("unknown", "male", 0)])
def test_sex_levels(x, y, level):
    assert levels(record("A", "B", sex=x), record("A", "B", sex=y)).get("sex", 0) == level


@pytest.mark.parametrize(("x", "y", "level"), [("1", "1", 1), ("1", "2", 2), ("", "2", 0)])
def test_birth_order_levels(x, y, level):
    assert levels(record("A", "B", birth_order=x), record("A", "B", birth_order=y)).get("birth_order", 0) == level


def numbered(number, status="01"):
    return record("A", "B", nhs_number=number, nhs_status=status)


def test_two_evidential_numbers_agree_or_differ_and_are_never_one_slip_apart():
    assert levels(numbered(ALICE_NUMBER), numbered(ALICE_NUMBER))["nhs_number"] == 1
    assert levels(numbered(ALICE_NUMBER), numbered(ANNA_NUMBER))["nhs_number"] == 4


@pytest.mark.parametrize(
    ("x", "y", "level"),
    [
        (ALICE_NUMBER, ALICE_NUMBER, 1),
        (ALICE_NUMBER, "4010232138", 2),  # fails its check
        (ALICE_NUMBER, "4010232119", 3),
        (ALICE_NUMBER, "4099999918", 4),
        (ALICE_NUMBER, "4010232145", 4),  # both pass: never compared fuzzily
    ],
)
def test_weak_number_levels(x, y, level):
    found = levels(numbered(x), numbered(y, "02"))
    assert found["nhs_weak"] == level
    assert "nhs_number" not in found


def test_a_weak_number_two_slips_away_that_passes_is_different():


    near = next(
        number for place in range(9) for digit in "0123456789" for last in "0123456789"
        if passes_check(number := ALICE_NUMBER[:place] + digit + ALICE_NUMBER[place + 1 : 9] + last) and number != ALICE_NUMBER and number[0] == "4"
    )  # fmt: skip
    assert levels(numbered(ALICE_NUMBER), numbered(near, "02"))["nhs_weak"] == 4


def identified(*pairs: tuple[str, str]):
    return record("A", "B", identifiers=tuple(RawIdentifier(*pair) for pair in pairs))


@pytest.mark.parametrize(
    ("x", "y", "found"),
    [
        ([("s", "1234")], [("s", "1234")], {"same_authority": 1, "id:s": 1}),
        ([("s", "1234")], [("s", "1235")], {"same_authority": 2, "id:s": 2}),
        ([("s", "1234")], [("s", "1256")], {"same_authority": 2, "id:s": 3}),
        ([("s", "1234")], [("s", "9876")], {"same_authority": 2, "id:s": 4}),
        ([("s", "1234")], [("t", "1234")], {}),
        ([("s", "1"), ("t", "12345")], [("s", "9"), ("t", "12345")], {"same_authority": 1, "id:s": 2, "id:t": 1}),
        ([("s", "1234"), ("s", "77777")], [("s", "77777"), ("s", "1")], {"same_authority": 1, "id:s": 1}),
        ([], [("s", "1")], {}),
    ],
)
def test_identifiers_compare_within_one_system(x, y, found):
    assert {k: v for k, v in levels(identified(*x), identified(*y)).items() if ":" in k or k == "same_authority"} == found


def test_categories_compare_by_name():
    a = record("A", "B", categories=(("ethnicity", "A"), ("area", "x"), ("area", "y")))
    b = record("A", "B", categories=(("ethnicity", "C"), ("area", "y")))
    assert {k: v for k, v in levels(a, b).items() if k.startswith("cat:")} == {"cat:ethnicity": 2, "cat:area": 1}


def housed(street="", city="", postcode=""):
    return record("A", "B", addresses=(RawAddress((street,), city, postcode),))


@pytest.mark.parametrize(
    ("x", "y", "level"),
    [
        ("GU1 3AA", "gu13aa", 1), ("GU1 3AA", "GU1 3AB", 2), ("GU1 3AA", "GU1 3BC", 3), ("GU1 3AA", "GU2 7BC", 4), ("GU1 3AA", "GU13 3AA", 2),
        ("2905", "2908", 2), ("29051", "29067", 3), ("2905", "3117", 4), ("", "GU1 3AA", 0),
    ],
)  # fmt: skip
def test_postcode_levels(x, y, level):
    assert levels(housed(postcode=x), housed(postcode=y)).get("postcode", 0) == level


@pytest.mark.parametrize(
    ("x", "y", "level"),
    [
        ("7 Mill Lane", "7 mill ln", 1),
        ("7 Mill Lane", "7 Mill Lame", 2),
        ("12 Mill Lane", "7 Mill Lane", 3),  # OSA .833, token sort 87, token set 90
        ("Mill Lane", "7 Mill Land", 3),  # token sort 80, token set 80
        ("Mill Lane", "Lane Mill 7", 2),  # token sort 90
        ("7 Mills Lane East", "7 Mill Lane", 4),  # token set 78.6
        ("Mill Lane 7", "7 Mill Lane", 2),
        ("Flat 2, 7 Mill Lane", "7 Mill Lane", 3),
        ("7 Mill Lane", "52 Acacia Avenue", 4),
        ("", "7 Mill Lane", 0),
    ],
)
def test_street_levels(x, y, level):
    assert levels(housed(x), housed(y)).get("street", 0) == level


@pytest.mark.parametrize(("x", "y", "level"), [("Lewes", "LEWES", 1), ("Eastbourne", "Eastborne", 2), ("Brighton and Hove", "Hove", 3), ("Lewes", "Hastings", 4)])
def test_city_levels(x, y, level):
    assert levels(housed(city=x), housed(city=y))["city"] == level


@pytest.mark.parametrize(
    ("x", "y", "level"),
    [
        ("01483 571122", "+44 1483 571122", 1), ("01483 571122", "01483 571123", 2), ("01483 571122", "01483 571144", 3),
        ("01483 571122", "01273 960188", 4), ("", "01483 571122", 0),
    ],
)  # fmt: skip
def test_phone_levels(x, y, level):
    assert levels(record("A", "B", phones=(x,)), record("A", "B", phones=(y,))).get("phone", 0) == level


@pytest.mark.parametrize(
    ("x", "y", "level"), [("a.archer@example.org", "A.Archer@example.org", 1), ("a.archer@example.org", "a.archr@example.org", 2), ("a@example.org", "zoe@there.net", 4)]
)
def test_email_levels(x, y, level):
    assert levels(record("A", "B", emails=(x,)), record("A", "B", emails=(y,)))["email"] == level


def test_swapped_names_become_level_3():
    found = levels(named("Alice", "Archer"), named("Archer", "Alice"))
    assert (found["given"], found["family"]) == (3, 3)
    found = levels(named("Zoe", "Albrook"), named("Hazelbrook", "Zoe"))  # .90
    assert (found["given"], found["family"]) == (3, 3)
    found = levels(named("Zoe", "Hatherton"), named("Hatherworth", "Zoe"))  # .8982
    assert found["given"] >= 5


@pytest.mark.parametrize(("x", "y"), [(("Alice", "Archer"), ("Zoe", "Alice")), (("Alice", "B"), ("B", "Alice")), (("Alice", "Archer"), ("Archer", "Zoe"))])
def test_names_are_not_swapped_where_one_does_not_fit_or_is_an_initial(x, y):
    assert levels(named(*x), named(*y)).get("given") != 3


def test_an_alias_reaches_at_most_the_sound_level():
    found = levels(alice(alias=True), alice())
    assert (found["given"], found["family"]) == (3, 3)
    assert "given" not in levels(record("", "Archer", alias=True), alice())


def test_a_pair_takes_the_best_level_over_history():
    a = record(names=(RawName("Baker", "Bea"), RawName("Archer", "Bea")), phones=("01483571122", "07700900123"), addresses=(
        RawAddress(("1 High St",), "Lewes", "BN7 1AA"), RawAddress(("9 Low Rd",), "Hove", "BN3 1AA")))  # fmt: skip
    b = record(names=(RawName("Archer", "Bea"),), phones=("07700900123", "01273111222"), addresses=(
        RawAddress(("4 Elm Rd",), "Hove", "BN3 9ZZ"), RawAddress(("9 Low Road",), "Hove", "BN3 1AA")))  # fmt: skip
    found = levels(a, b)
    assert {name: found[name] for name in ("given", "family", "street", "city", "postcode", "phone")} == dict.fromkeys(
        ("given", "family", "street", "city", "postcode", "phone"), 1
    )
    c = record(names=(RawName("Bakker", "Bee"),), phones=("07700900124", "01483571199"))
    assert levels(a, c)["family"] == 2
    assert levels(a, c)["phone"] == 2


def test_a_name_of_the_history_may_lack_a_part():
    a = record(names=(RawName("Baker", ""), RawName("", "Bea")))
    assert levels(a, record("Bea", "Baker"))["given"] == 1
    assert levels(record("", "Baker"), record("Bea", "Baker")).get("given", 0) == 0


def test_a_letter_fits_a_letter_and_does_not_equal_it():
    assert levels(record("J", "K"), record("J", "K")) | {"given": 4, "family": 4} == levels(record("J", "K"), record("J", "K"))
    both = record(names=(RawName("Baker", "J"), RawName("Baker", "Jill")))
    assert levels(both, both)["given"] == 1


def test_a_vector_names_its_levels():
    vector = compare(record("Bea", "Baker", identifiers=(RawIdentifier("s", "1"),)), record("Bea", "Baker", identifiers=(RawIdentifier("s", "1"),)))
    assert vector.level("given") == vector.level("family") == 1
    assert vector.level("id:s") == 1
    assert vector.level("id:t") == 0
    assert vector.without("family").level("family") == 0
    assert vector.without("id:s").extra == ()


def test_every_field_has_a_number_of_levels():
    assert set(LEVEL_COUNTS) == set(FIELDS)
    assert (level_count("id:x"), level_count("cat:x"), level_count("given")) == (4, 2, 6)


def test_every_level_of_every_field_has_a_name():
    assert {field: len(names) for field, names in LEVEL_NAMES.items()} == LEVEL_COUNTS
    assert level_name("given", 4) == "initial fits"
    assert [level_name("id:ssn", level) for level in (1, 2, 3, 4)] == ["equal", "one slip", "two slips", "different"]
    assert [level_name("cat:trust", level) for level in (1, 2)] == ["equal", "different"]


@given(demographics, demographics)
def test_comparing_is_symmetric(a, b):
    assert compare(a, b) == compare(b, a)


@given(demographics)
def test_levels_stay_within_their_field(a):
    vector = compare(a, a)
    assert all(0 <= level <= LEVEL_COUNTS[name] for name, level in zip(FIELDS, vector.levels, strict=True))
    assert isinstance(vector, Vector)


def test_the_twins_differ_in_their_given_name_only():
    assert {name for name, level in levels(alice(), anna()).items() if level > 1} == {"given"}
