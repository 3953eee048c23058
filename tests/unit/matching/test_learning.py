"""What a store learns of its values (matching.md 2)."""

from __future__ import annotations

from matching.learning import is_overshared, is_stopped_number, overused_birth_dates, people_of_number
from tests.unit.matching.cast import alice, anna, bea, record


def test_a_number_on_more_than_three_people_is_stopped():
    people = [alice(), bea(), record("Zoe", "Quill", "1951-09-27")]
    assert people_of_number(people) == 3
    assert not is_stopped_number(people)
    assert is_stopped_number([*people, record("", "", "1999-02-03")])


def test_twins_and_repeated_records_count_once():
    assert people_of_number([alice(), alice(), anna(), alice(family="Archar")]) == 1


def test_a_value_on_more_than_50_records_is_over_shared():
    assert not is_overshared(50)
    assert is_overshared(51)


def test_a_day_over_five_times_its_fair_share_is_overused():
    ordinary = [f"{year}03{day:02}" for year in range(1950, 1960) for day in range(1, 29)]
    assert overused_birth_dates(ordinary + ["19700701"] * 51) == {"19700701"}
    assert overused_birth_dates(ordinary + ["19700701"] * 50) == frozenset()
    assert overused_birth_dates(ordinary * 20 + ["19700701"] * 110) == frozenset({"19700701"})
    assert overused_birth_dates(ordinary * 20 + ["19700701"] * 99) == frozenset()


def test_partial_dates_are_not_counted():
    assert overused_birth_dates(["1970"] * 900 + [""] * 900) == frozenset()
