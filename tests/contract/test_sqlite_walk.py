"""SQLite's second way of answering, kept for many matches, put to few: it must find the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from app.search.criteria import Query
from app.store.sqlite import search, view, walk
from tests.contract import drawing, oracle
from tests.contract.conftest import Clock
from tests.contract.engines import open_sqlite
from tests.contract.test_search import World


@pytest.fixture(params=[-1, 1_000], ids=["all-broad", "none-broad"])
def walking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is few, three rows are a batch, and two of one value are very many; criteria are put late or early."""
    monkeypatch.setattr(search, "BROAD", request.param)
    monkeypatch.setattr(search, "FEW", -1)
    monkeypatch.setattr(search, "SOME", -1)
    monkeypatch.setattr(walk, "_BATCH", 3)
    monkeypatch.setattr(walk, "_MANY_EQUAL", 2)
    monkeypatch.setattr(view, "_COMPOUND_LIMIT", 2)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(drawing.searches, drawing.saves)
def test_a_walk_of_the_index_finds_what_reading_every_resource_finds(walking, tmp_path_factory, asked, saves) -> None:
    world = World(open_sqlite(tmp_path_factory.mktemp("walk"), Clock()))
    for id, entries, custodian in saves:
        world.write(id, entries, custodian)
    for criterion, sort, count, principal, back in asked:
        at = sorted(world.past)[back] if back < len(world.past) else None
        query = Query("Patient", criterion, sort, count, None, at)
        held = world.as_of(at)
        assert world.walk(query, principal) == oracle.answer(query, held, principal)
    world.store.close()
