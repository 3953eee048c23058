"""Normal forms of values: the same code serves the index and the question (fhir.md 2)."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.search import normal
from app.search.criteria import MAX_TIME


def micros(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("O'Neill", "oneill"),
        ("O\u2019Neill", "oneill"),
        ("Smith-Jones", "smith jones"),
        ("Smith \u2013  Jones", "smith jones"),
        ("St. John", "st john"),
        ("Łukasz", "lukasz"),
        ("Søren", "soren"),
        ("Þór", "thor"),
        ("ÆGIR", "aegir"),
        ("Œuvre", "oeuvre"),
        ("Đorđe", "dorde"),
        ("Zoë", "zoe"),
        ("Zoe\u0308", "zoe"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("  Alice ", "alice"),
        ("I\u0307nci", "inci"),
        ("\u0131rmak", "irmak"),
        ("ﬁona", "fiona"),
    ],
)
def test_a_string_is_compared_without_case_accents_apostrophes_and_stops(text, form):
    assert normal.folded(text) == form


@given(st.text())
def test_folding_twice_is_folding_once(text):
    assert normal.folded(normal.folded(text)) == normal.folded(text)


def test_exact_keeps_case_and_accents_in_composed_form():
    assert normal.exact("Zoe\u0308") == "Zoë"
    assert normal.exact("ZOE") == "ZOE"


def test_a_postcode_loses_all_spaces():
    assert normal.postcode("RH16 4EX") == normal.postcode("rh1 64ex") == "rh164ex"


@pytest.mark.parametrize("text", ["020 7946 0018", "+44 20 7946 0018", "+44 (0)20 7946 0018", "0044 20 79460018", "(020) 7946-0018", "+442079460018"])
def test_one_british_telephone_number_has_one_form(text):
    assert normal.contact(text) == "02079460018"


def test_the_country_code_counts_at_the_start_only():
    assert normal.contact("0700441234") == "0700441234"


def test_a_foreign_number_keeps_its_country_and_other_contacts_their_text():
    assert normal.contact("+33 1 23 45 67 89") == normal.contact("0033 123456789") == "+33123456789"
    assert normal.contact(" Alice@Example.NHS.uk ") == "alice@example.nhs.uk"
    assert normal.contact("https://example.nhs.uk/x") == "https://example.nhs.uk/x"


def test_a_dicom_uid_is_found_with_and_without_its_prefix():
    assert normal.code("urn:oid:1.2.840.1") == normal.code("1.2.840.1") == "1.2.840.1"


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2024", "2024-01-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"),
        ("2024-02", "2024-02-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00"),
        ("2024-12", "2024-12-01T00:00:00+00:00", "2025-01-01T00:00:00+00:00"),
        ("2024-07-15", "2024-07-15T00:00:00+01:00", "2024-07-16T00:00:00+01:00"),
        ("2024-07-15T10:30", "2024-07-15T10:30:00+01:00", "2024-07-15T10:31:00+01:00"),
        ("2024-07-15T10:30Z", "2024-07-15T10:30:00+00:00", "2024-07-15T10:31:00+00:00"),
        ("2024-07-15T10:30:05-05:00", "2024-07-15T10:30:05-05:00", "2024-07-15T10:30:06-05:00"),
        ("2024-07-15T10:30:05.5Z", "2024-07-15T10:30:05.500+00:00", "2024-07-15T10:30:05.600+00:00"),
        ("2024-07-15T10:30:05.123456789Z", "2024-07-15T10:30:05.123456+00:00", "2024-07-15T10:30:05.123457+00:00"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00", "2017-01-01T00:00:01+00:00"),
        ("1970-06-01", "1970-06-01T00:00:00+01:00", "1970-06-02T00:00:00+01:00"),
        ("1970-01-15", "1970-01-15T00:00:00+01:00", "1970-01-16T00:00:00+01:00"),
    ],
)
def test_a_date_is_the_range_of_its_precision(text, low, high):
    assert normal.date_range(text) == (micros(low), micros(high))


def hours(text: str) -> float:
    low, high = normal.date_range(text) or (0, 0)
    return (high - low) / 3_600_000_000


def test_days_of_clock_changes_have_23_and_25_hours():
    assert hours("2024-03-31") == 23
    assert hours("2024-10-27") == 25
    assert hours("2024-10-28") == 24


def test_an_ambiguous_time_covers_both_its_instants():
    assert normal.date_range("2024-10-27T01:30") == (micros("2024-10-27T01:30:00+01:00"), micros("2024-10-27T01:31:00+00:00"))


def test_a_skipped_time_is_still_a_range():
    low, high = normal.date_range("2024-03-31T01:30") or (0, 0)
    assert high - low == 60_000_000


def test_the_last_year_is_open_ended():
    assert normal.date_range("9999")[1] == normal.date_range("9999-12")[1] == normal.date_range("9999-12-31")[1] == MAX_TIME
    assert normal.date_range("0001") is not None


@pytest.mark.parametrize("text", ["9999-12-31T23:59", "9999-12-31T23:59:59", "9999-12-31T23:59:60", "9999-12-31T23:59:59.999999"])
@pytest.mark.parametrize("offset", ["", "Z", "-14:00", "+14:00"])
def test_the_last_moments_of_all_are_ranges(text, offset):
    low, high = normal.date_range(text + offset) or (0, 0)
    assert 0 < low < high < MAX_TIME
    first, end = normal.date_range(f"0001-01-01T00:00:00{offset}") or (0, 0)
    assert end - first == 1_000_000


@pytest.mark.parametrize(
    "text",
    ["", "24", "2024-13", "2024-02-30", "2024-1-1", "2024-01-01T10", "2024-01-01T25:00", "2024-01-01T10:00:61Z", "2024-01-01T10:00+15:00",
     "2024-01-01T10:00+01:60", "2024/01/01", "0000", "٢٠٢٤", "today"],
)  # fmt: skip
def test_what_is_no_date_has_no_range(text):
    assert normal.date_range(text) is None


def test_an_instant_is_written_as_the_store_writes_it():
    assert normal.instant(micros("2024-07-15T10:30:05.250+01:00")) == "2024-07-15T09:30:05.250Z"
    assert normal.instant(-1_000) == "1969-12-31T23:59:59.999Z"
