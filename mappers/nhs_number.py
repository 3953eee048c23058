"""NHS numbers: check digit, ranges, stop-list, and whether one is evidence of identity (nhs.md 2)."""

from __future__ import annotations

import re
from functools import lru_cache

_FORM = re.compile(r"[0-9]{10}")
_STOPPED = frozenset({"0123456789", "9876543210", *(str(d) * 10 for d in range(10))})
_WEIGHTS = (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)
_ZEROS = sum(_WEIGHTS) * ord("0") % 11
_ISSUED = "467"
_TEST = "9"


def plain(text: str) -> str:
    """The number without spaces and hyphens."""
    return text.replace(" ", "").replace("-", "")


@lru_cache(maxsize=1024)  # a message asks this of its number four times
def passes(number: str) -> bool:
    """Whether it is ten digits whose last is the modulus 11 check digit."""
    if not _FORM.fullmatch(number):
        return False
    total = sum([weight * digit for weight, digit in zip(_WEIGHTS, number.encode(), strict=True)])
    return total % 11 == _ZEROS


def stopped(number: str) -> bool:
    """Whether it is a dummy: a repeated digit or a run that passes the check."""
    return number in _STOPPED


def in_range(number: str, *, admit_test: bool = False) -> bool:
    """Whether such numbers are issued in England, Wales and the Isle of Man (or, admitted, are test numbers)."""
    return number[:1] in (_ISSUED + _TEST if admit_test else _ISSUED)


def evidential(number: str, status: str | None, *, admit_test: bool = False) -> bool:
    """Whether the number is evidence of who the person is: verified (01), passing, in range, no dummy."""
    return status == "01" and in_range(number, admit_test=admit_test) and not stopped(number) and passes(number)


def findings(number: str) -> list[str]:
    """Flags of a number that must be kept all the same: not ten digits or failing the check, or a dummy."""
    if stopped(number):
        return ["nhs-number-dummy"]
    return [] if passes(number) else ["nhs-number-check-failed"]
