"""Days and moments of the simulated years: whole days since year 1, whole seconds since then."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

DAY = 86_400
FEED_START = date(2024, 1, 1).toordinal()
FEED_END = date(2025, 12, 31).toordinal()
ARCHIVE_START = date(2016, 1, 1).toordinal()
YEAR = 365.25


@lru_cache(maxsize=1 << 16)
def date_text(day: int) -> str:
    """A day as YYYYMMDD."""
    found = date.fromordinal(day)
    return f"{found.year:04d}{found.month:02d}{found.day:02d}"


def moment_text(moment: int) -> str:
    """A moment as YYYYMMDDHHMMSS."""
    day, second = divmod(moment, DAY)
    return f"{date_text(day)}{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"


def year_of(day: int) -> int:
    """The year a day lies in."""
    return date.fromordinal(day).year
