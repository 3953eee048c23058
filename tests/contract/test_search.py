"""Searches, against reading every resource; page walks; answers as of an earlier commit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from app.principal import SYSTEM, Principal
from app.search.criteria import (
    Entries,
    Query,
)  # fmt: skip
from app.store.contract import Hits, Store, Transaction
from tests.contract import drawing, oracle
from tests.contract.conftest import NOON, NewStore
from tests.contract.making import applied, content

STRATEGY = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


class World:
    """A store, and what the oracle knows of it after each commit.

    One write in three gives a resource other entries and another custodian, but the content it has: that makes no version.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.held: dict[str, oracle.Held] = {}
        self.past: dict[int, list[oracle.Held]] = {}
        self.contents: dict[str, int] = {}

    def write(self, id: str, entries: Entries | None, custodian: str | None) -> None:
        number = len(self.past)

        def change(tx: Transaction) -> None:
            self.commit, now = tx.commit, NOON + tx.commit - 1
            if entries is None:
                tx.delete("Patient", id)
                self.held.pop(id, None)
            elif id in self.held and number % 3 == 0:
                tx.save("Patient", id, content("Patient", id, n=self.contents[id]), entries, custodian=custodian)
                self.held[id] = replace(self.held[id], custodian=custodian, entries=entries)
                self._given_to(custodian, self.held[id])
            else:
                tx.save("Patient", id, content("Patient", id, n=number), entries, custodian=custodian)
                self.contents[id] = number
                self.held[id] = oracle.Held(id, tx.commit, custodian, entries, (now * 1000, now * 1000 + 1000))

        applied(self.store, change, lambda tx: tx.next_number("tick"))
        self.past[self.commit] = list(self.held.values())

    def _given_to(self, custodian: str | None, version: oracle.Held) -> None:
        """A version that changes hands has been its new custodian's all along."""
        for commit, held in self.past.items():
            self.past[commit] = [replace(one, custodian=custodian) if (one.id, one.commit) == (version.id, version.commit) else one for one in held]

    def as_of(self, at: int | None, principal: Principal) -> list[oracle.Held]:
        """What was live then and still is, and may be seen now; who may see what it was then is the oracle's to say."""
        held = self.past[at] if at else list(self.held.values())
        return [one for one in held if one.id in self.held and principal.sees(self.held[one.id].custodian)]

    def search(self, query: Query, principal: Principal = SYSTEM) -> Hits:
        with self.store.snapshot(principal) as snapshot:
            return snapshot.search(query)

    def walk(self, query: Query, principal: Principal) -> tuple[list[str], int | None]:
        """Ids of all pages, and the total that each of them told."""
        ids: list[str] = []
        hits = self.search(query, principal)
        while True:
            assert len(hits.matches) <= query.count
            ids += [match.id for match in hits.matches]
            if hits.after is None:
                return ids, hits.total
            assert len(hits.matches) == query.count
            query = Query(query.type, query.criterion, query.sort, query.count, hits.after, hits.commit)
            total, hits = hits.total, self.search(query, principal)
            assert hits.total == total


@pytest.fixture
def world_of(new_store: NewStore):
    return lambda: World(new_store())


@STRATEGY
@given(drawing.searches, drawing.saves)
def test_a_search_finds_what_reading_every_resource_finds(world_of, asked, saves) -> None:
    world = world_of()
    for id, entries, custodian in saves:
        world.write(id, entries, custodian)
    for criterion, sort, count, principal, back in asked:
        at = sorted(world.past)[back] if back < len(world.past) else None
        query = Query("Patient", criterion, sort, count, None, at)
        held = world.as_of(at, principal)
        assert world.walk(query, principal) == oracle.answer(query, held, principal)
