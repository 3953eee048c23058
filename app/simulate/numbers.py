"""Identifiers that nobody bears: NHS numbers of the test range, telephone numbers nobody is given, test UIDs."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

from app.simulate.draw import Draw


def check_digit(first_nine: str) -> int:
    """The NHS number's tenth digit, 10 where the nine digits have none (nhs.md 2)."""
    return (11 - sum(int(digit) * weight for digit, weight in zip(first_nine, range(10, 1, -1), strict=True)) % 11) % 11


def nhs_numbers(seed: int) -> Iterator[str]:
    """Every valid number from 999 0000000 up in a scattered order, then those of 998 and so down to 900."""
    offset = Draw(seed, "nhs").below(1_000_000)
    for prefix in range(999, 899, -1):
        for step in range(1_000_000):
            body = f"{prefix}{(step * 387_163 + offset) % 1_000_000:06d}"
            check = check_digit(body)
            if check < 10 and body != "9" * 9:
                yield f"{body}{check}"


def landline(draw: Draw) -> str:
    """A number of code 01632, which no exchange uses."""
    return f"01632 {draw.below(1_000_000):06d}"


def mobile(draw: Draw) -> str:
    """A number of block 071, which no network has."""
    return f"071{draw.below(100):02d} {draw.below(1_000_000):06d}"


def uid(*key: object) -> str:
    """A DICOM UID under 2.25, made from ``key`` (PS3.5 B.2)."""
    digest = blake2b("/".join(map(str, key)).encode(), digest_size=16).digest()
    return f"2.25.{int.from_bytes(digest, 'big')}"
