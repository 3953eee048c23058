"""SQLite's second way of answering, kept for many matches, put to few: it must find the same."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from app.principal import SYSTEM, Principal
from app.search.criteria import EVERYTHING, DateIs, Entries, Missing, Not, Query, SortKey, StringStarts, TokenIs
from app.store.sqlite import search, view, walk
from tests.contract import drawing, oracle
from tests.contract.conftest import Clock
from tests.contract.engines import open_sqlite
from tests.contract.test_search import World

DAY = 86_400_000_000


@pytest.fixture(params=[-1, 1_000], ids=["all-broad", "none-broad"])
def walking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is few, three rows are a batch, and two of one value are very many; criteria are put late or early."""
    monkeypatch.setattr(search, "BROAD", request.param)
    monkeypatch.setattr(search, "FEW", -1)
    monkeypatch.setattr(search, "SOME", -1)
    monkeypatch.setattr(walk, "_BATCH", 3)
    monkeypatch.setattr(walk, "_MANY_EQUAL", 2)
    monkeypatch.setattr(view, "_COMPOUND_LIMIT", 2)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(drawing.searches, drawing.crowd)
def test_a_walk_of_the_index_finds_what_reading_every_resource_finds(walking, tmp_path_factory, asked, saves) -> None:
    world = World(open_sqlite(tmp_path_factory.mktemp("walk"), Clock()))
    for id, entries, custodian in saves:
        world.write(id, entries, custodian)
    for criterion, sort, count, principal, back in asked:
        at = sorted(world.past)[back] if back < len(world.past) else None
        query = Query("Patient", criterion, sort, count, None, at)
        held = world.as_of(at, principal)
        assert world.walk(query, principal) == oracle.answer(query, held, principal)
    world.store.close()


SORTS = [(), *[(SortKey(param, descending=down),) for param in ("family", "gender", "birthdate", "_lastUpdated", "_id", "_commit") for down in (False, True)],
         (SortKey("gender"), SortKey("birthdate", descending=True)), (SortKey("birthdate"), SortKey("family"), SortKey("gender"))]  # fmt: skip
CRITERIA = [EVERYTHING, StringStarts("family", "f"), Not(TokenIs("gender", None, "male")), DateIs("birthdate", "ge", DAY, 2 * DAY), Missing("family", missing=True)]


@pytest.mark.parametrize("sort", SORTS, ids=str)
def test_groups_of_equal_value_are_walked_whole(walking, tmp_path, sort) -> None:
    world = World(open_sqlite(tmp_path, Clock()))
    for n in range(30):
        entries = Entries(
            tokens=(("gender", "", ("female", "male")[n % 2]),) if n % 5 else (), strings=(("family", f"f{n % 3}", f"F{n % 3}"),) if n % 4 else (),
            dates=(("birthdate", n % 3 * DAY, (n % 3 + 1) * DAY),) if n % 7 else (),
        )  # fmt: skip
        world.write(f"p{n * 7 % 30:02d}", entries, ("RTK", "RXC")[n % 2])
    for principal in (SYSTEM, Principal("rtk", organisations=frozenset({"RTK"}))):
        for at in (None, 29, 20):
            for criterion in CRITERIA:
                for size in (1, 4, 50):
                    query, held = Query("Patient", criterion, sort, size, None, at), world.as_of(at, principal)
                    assert world.walk(query, principal) == oracle.answer(query, held, principal)
    world.store.close()
