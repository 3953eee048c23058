from __future__ import annotations

import pytest

from mappers import nhs_number


@pytest.mark.parametrize("number", ["9434765919", "9434765870", "4010232137", "1000000028"])
def test_numbers_that_pass(number):
    assert nhs_number.passes(number)
    assert nhs_number.findings(number) == []


@pytest.mark.parametrize("number", ["9434765918", "9912003890", "4123456879", "9912003814", "1000000029", "943476591", "94347659190", "943476591X", ""])
def test_numbers_that_fail_are_flagged(number):
    assert not nhs_number.passes(number)
    assert nhs_number.findings(number) == ["nhs-number-check-failed"]


def test_a_check_of_ten_is_invalid():
    assert not any(nhs_number.passes(f"100000001{digit}") for digit in range(10))


@pytest.mark.parametrize("number", [*(str(d) * 10 for d in range(10)), "0123456789", "9876543210"])
def test_dummies_pass_the_check_and_are_stopped(number):
    assert nhs_number.passes(number)
    assert nhs_number.stopped(number)
    assert nhs_number.findings(number) == ["nhs-number-dummy"]


def test_spaces_and_hyphens_are_no_part_of_a_number():
    assert nhs_number.plain("943 476-5919") == "9434765919"


def test_every_single_digit_error_and_adjacent_swap_fails():
    number = "9434765919"
    for place in range(10):
        for digit in "0123456789":
            changed = number[:place] + digit + number[place + 1 :]
            assert nhs_number.passes(changed) == (changed == number)
    for place in range(9):
        swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
        assert nhs_number.passes(swapped) == (swapped == number)


def test_ranges():
    assert nhs_number.in_range("4010232137")
    assert not nhs_number.in_range("9434765919")
    assert nhs_number.in_range("9434765919", admit_test=True)
    assert not nhs_number.in_range("0101701234", admit_test=True)


@pytest.mark.parametrize(
    ("number", "status", "admit", "evidential"),
    [
        ("4010232137", "01", False, True),
        ("4010232137", "02", False, False),
        ("4010232137", None, False, False),
        ("4010232138", "01", False, False),
        ("9434765919", "01", False, False),
        ("9434765919", "01", True, True),
        ("4444444444", "01", False, False),
    ],
)
def test_a_number_is_evidence_only_if_verified_passing_in_range_and_no_dummy(number, status, admit, evidential):
    assert nhs_number.evidential(number, status, admit_test=admit) == evidential
