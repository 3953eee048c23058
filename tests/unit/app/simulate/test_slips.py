"""How values go wrong, and the choices behind them."""

from collections import Counter
from datetime import date

import pytest

from app.simulate import numbers, slips
from app.simulate.draw import Draw, Weighted, skewed
from app.simulate.moments import moment_text
from app.simulate.people import in_force


def osa(a, b):
    """Optimal string alignment distance, the plain way."""
    rows = [[i + j if i * j == 0 else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]


def test_the_stream_of_choices_is_pinned():
    draw = Draw("weald", 1)
    assert [draw.below(1000) for _ in range(6)] == [809, 378, 161, 155, 433, 301]


def test_weights_are_kept():
    draw = Draw("w")
    table = Weighted([("a", 3), ("b", 1)])
    counts = Counter(draw.weighted(table) for _ in range(4000))
    assert 0.72 < counts["a"] / 4000 < 0.78
    assert skewed("abc").bounds == pytest.approx([28 / 73, 52 / 73])


def test_bounds_are_included():
    draw = Draw("b")
    assert {draw.between(1, 3) for _ in range(100)} == {1, 2, 3}


def test_a_typing_error_is_small_and_keeps_the_first_letter():
    draw = Draw("typing")
    for _ in range(2000):
        slipped = slips.mistyped(draw, "Fielding")
        assert osa("Fielding", slipped) <= 2
        assert slipped[0] == "F" or slipped[1] == "F"


@pytest.mark.parametrize("text", ["", "A", "Li"])
def test_a_very_short_name_is_not_mistyped(text):
    assert slips.mistyped(Draw("short"), text) == text


def test_every_kind_of_typing_error_occurs():
    draw = Draw("kinds")
    found = {slips.mistyped(draw, "Phillips") for _ in range(500)}
    assert {"Fillips", "Philips", "Phillps", "Phillipps"} & found
    assert len(found) > 25


def test_a_slip_in_ten_digits_never_passes_the_check():
    draw = Draw("digits")
    numbers_given = numbers.nhs_numbers(1)
    for _ in range(500):
        slipped = slips.digit_slip(draw, next(numbers_given))
        assert numbers.check_digit(slipped[:9]) != int(slipped[9])


def test_text_without_digits_has_no_digit_slip():
    assert slips.digit_slip(Draw("none"), "abc") == "abc"


def test_day_and_month_change_places_only_where_that_is_a_date():
    assert slips.day_and_month_swapped("19840305") == "19840503"
    assert slips.day_and_month_swapped("19840323") == "19840323"


def test_a_slipped_date_is_a_date_of_the_past():
    draw = Draw("dates")
    for _ in range(500):
        slipped = slips.date_slip(draw, "20200229")
        assert date(1905, 1, 1) <= date(int(slipped[:4]), int(slipped[4:6]), int(slipped[6:])) <= date(2020, 12, 31)


def test_a_name_nobody_shortens_stays():
    assert slips.nickname(Draw("n"), "Xanthe") == "Xanthe"
    assert slips.nickname(Draw("n"), "Thomas") == "Tom"


def test_nhs_numbers_do_not_repeat_and_leave_the_block_only_when_it_is_spent():
    source = numbers.nhs_numbers(5)
    given = [next(source) for _ in range(20_000)]
    assert len(set(given)) == len(given)
    assert all(number.startswith("999") and number != "9999999999" for number in given)


@pytest.mark.parametrize(("nine", "check"), [("943476591", 9), ("987654321", 0), ("999999999", 9), ("012345678", 9)])
def test_check_digits(nine, check):
    assert numbers.check_digit(nine) == check


def test_uids_are_pinned_to_their_key():
    assert numbers.uid(1, "a") == numbers.uid(1, "a")
    assert numbers.uid(1, "a") != numbers.uid(1, "b")
    assert len(numbers.uid(1, "a")) <= 44


def test_moments_are_written_to_the_second():
    assert moment_text(date(2024, 2, 29).toordinal() * 86_400 + 3 * 3600 + 4 * 60 + 5) == "20240229030405"


def test_the_first_period_serves_days_before_it():
    periods = [(10, "a"), (20, "b")]
    assert [in_force(periods, day) for day in (1, 10, 19, 20, 99)] == ["a", "a", "a", "b", "b"]
