"""Choices that are the same for the same seed on every machine and Python version."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


class Weighted(Generic[T]):
    """Values with their frequencies, for ``Draw.weighted``."""

    __slots__ = ("bounds", "values")

    def __init__(self, pairs: Iterable[tuple[T, float]]) -> None:
        kept = list(pairs)
        *bounds, total = accumulate(weight for _, weight in kept)  # not sum(): its rounding changed with Python 3.12
        self.values = [value for value, _ in kept]
        self.bounds = [bound / total for bound in bounds]


def skewed(values: Sequence[T], *, flat: float = 6.0) -> Weighted[T]:
    """``values`` in falling frequency, as names fall in a population: 1 / (rank + ``flat``)."""
    return Weighted((value, 1 / (rank + flat)) for rank, value in enumerate(values))


class Draw:
    """A stream of choices keyed by ``key``.

    Only ``random.Random.random`` is used: of the generator's methods its sequence alone is promised
    to stay the same between Python versions.
    """

    __slots__ = ("unit",)

    def __init__(self, *key: object) -> None:
        self.unit = random.Random("/".join(map(str, key))).random  # noqa: S311 - a simulation, no secret

    def chance(self, share: float) -> bool:
        """True in ``share`` of the cases."""
        return self.unit() < share

    def below(self, bound: int) -> int:
        """A whole number from 0 up to, not including, ``bound``."""
        return int(self.unit() * bound)

    def between(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, values: Sequence[T]) -> T:
        """One of ``values``, each as likely."""
        return values[int(self.unit() * len(values))]

    def weighted(self, table: Weighted[T]) -> T:
        """One of the table's values by its frequency."""
        return table.values[bisect(table.bounds, self.unit())]
