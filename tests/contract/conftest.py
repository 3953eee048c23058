"""Stores for the contract suite: each test runs once an engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.store.contract import Store
from tests.contract.engines import ENGINES, Opener

NOON = 1_767_268_800_000
"""2026-01-01T12:00:00Z in milliseconds."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.milliseconds = NOON

    def __call__(self) -> int:
        return self.milliseconds

    def forward(self, milliseconds: int) -> None:
        self.milliseconds += milliseconds


NewStore = Callable[[], Store]


@pytest.fixture(params=sorted(ENGINES))
def engines(request: pytest.FixtureRequest) -> tuple[str, Opener]:
    """One engine's name and opener; every test of the suite runs with each."""
    return request.param, ENGINES[request.param]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def new_store(engines: tuple[str, Opener], clock: Clock, tmp_path: Path) -> Iterator[NewStore]:
    """Makes empty stores, as many as a test asks for."""
    opened: list[Store] = []
    numbers = itertools.count()

    def make() -> Store:
        folder = tmp_path / f"store-{next(numbers)}"
        folder.mkdir()
        opened.append(engines[1](folder, clock))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(new_store: NewStore) -> Store:
    return new_store()
