"""NHS numbers: check digit, ranges, stop-list, and whether one is evidence of identity (nhs.md 2)."""

from __future__ import annotations

import re

_FORM = re.compile(r"[0-9]{10}")
_STOPPED = frozenset({"0123456789", "9876543210", *(str(d) * 10 for d in range(10))})
_ISSUED = "467"
_TEST = "9"


def plain(text: str) -> str:
    """The number without spaces and hyphens."""
    return text.replace(" ", "").replace("-", "")


def passes(number: str) -> bool:
    """Whether it is ten digits whose last is the modulus 11 check digit."""
    if not _FORM.fullmatch(number):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), number[:9], strict=True))
    return (11 - total % 11) % 11 == int(number[9])


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
