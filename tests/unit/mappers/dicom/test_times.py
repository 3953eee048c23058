"""Dates and times with their offset (imaging.md 1.4)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.dicom.times import instant_from_da_tm, instant_from_dt, moment_from_da_tm

LONDON = "Europe/London"


@pytest.mark.parametrize(
    ("date", "time", "offset", "text", "flag"),
    [
        ("2025-01-10", None, None, "2025-01-10", None),
        ("2025-01-10", None, "+0100", "2025-01-10", None),
        ("2025-01-10", "10:11:12", None, "2025-01-10T10:11:12+00:00", None),
        ("2025-07-10", "10:11:12.25", None, "2025-07-10T10:11:12.25+01:00", None),
        ("2025-07-10", "10:11:12", "-0500", "2025-07-10T10:11:12-05:00", None),
        ("2025-07-10", "10:11:12", "+05:30", "2025-07-10T10:11:12+05:30", None),
        ("2025-07-10", "10:11:12", "0100", "2025-07-10T10:11:12+01:00", None),
        ("2025-07-10", "10:11:12", "+2500", "2025-07-10T10:11:12+01:00", None),
        ("2025-07-10", "10:11:12", "+0199", "2025-07-10T10:11:12+01:00", None),
        ("2025-10-26", "01:30:00", None, "2025-10-26T01:30:00+01:00", "time-ambiguous"),
        ("2025-03-30", "01:30:00", None, "2025-03-30T01:30:00+00:00", "time-missing"),
        ("1970-01-10", "10:00:00", None, "1970-01-10T10:00:00+01:00", None),
        ("1840-01-10", "10:00:00", None, "1840-01-10T10:00:15-00:01", None),
        ("1840-01-10", "10:00:00.25", None, "1840-01-10T10:00:15.25-00:01", None),
        ("1840-12-31", "23:59:50", None, "1841-01-01T00:00:05-00:01", None),
    ],
)
def test_a_time_has_the_offset_sent_or_that_of_the_zone(
    date: str, time: str | None, offset: str | None, text: str, flag: str | None
) -> None:
    assert moment_from_da_tm(date, time, offset, LONDON) == (text, flag)


@pytest.mark.parametrize("zone", [LONDON, "Europe/Paris", "Europe/Dublin", "Africa/Monrovia", "America/New_York"])
@given(moment=st.datetimes(datetime.fromisoformat("1700-01-01"), datetime.fromisoformat("2060-01-01")))
def test_the_moment_shown_is_the_instant_itself(zone: str, moment: datetime) -> None:
    date, time = f"{moment:%Y-%m-%d}", f"{moment:%H:%M:%S}"
    shown = datetime.fromisoformat(moment_from_da_tm(date, time, None, zone).text).astimezone(UTC)
    assert f"{shown:%Y-%m-%dT%H:%M:%S}.000000Z" == instant_from_da_tm(date, time, None, zone)


def test_the_first_second_of_all_has_no_earlier_one() -> None:
    assert moment_from_da_tm("0001-01-01", "00:00:21", None, "Europe/Paris").text == "0001-01-01T00:00:00+00:09"
    assert moment_from_da_tm("0001-01-01", "00:00:20", None, "Europe/Paris").text == "0001-01-01T00:00:20+00:09"


def test_an_instant_is_utc_with_microseconds() -> None:
    assert instant_from_da_tm("2025-07-10", "10:11:12.5", None, LONDON) == "2025-07-10T09:11:12.500000Z"
    assert instant_from_da_tm("2025-07-10", None, None, LONDON) == "2025-07-09T23:00:00.000000Z"
    assert instant_from_da_tm("2025-07-10", "10:11:12", "-0500", LONDON) == "2025-07-10T15:11:12.000000Z"
    assert instant_from_da_tm(None, "10:11:12", None, LONDON) == ""
    assert instant_from_da_tm("0001-01-01", "00:00:00", "+0100", LONDON) == ""


def test_a_date_time_value_is_completed() -> None:
    assert instant_from_dt("20250710101112.5+0100", LONDON) == "2025-07-10T09:11:12.500000Z"
    assert instant_from_dt("20250710", LONDON) == "2025-07-09T23:00:00.000000Z"
    assert instant_from_dt("2025071010", LONDON) == "2025-07-10T09:00:00.000000Z"
    assert instant_from_dt("20250710101160", LONDON) == "2025-07-10T09:11:59.000000Z"
    assert instant_from_dt(None, LONDON) == ""


@given(st.datetimes(), st.sampled_from([None, "+0000", "-0730", "+1400"]))
def test_instants_of_one_zone_keep_their_order_as_text(moment: object, offset: str | None) -> None:
    first = instant_from_da_tm(f"{moment:%Y-%m-%d}".rjust(10, "0"), f"{moment:%H:%M:%S}", offset, "UTC")
    assert first == "" or (len(first) == 27 and first.endswith(".000000Z"))
