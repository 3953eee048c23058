"""Persons are a function of the records, not of the order they came in (matching.md 8, 13), over an index in memory."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

from matching.blocking import blocking_keys, is_thin, rank
from matching.clustering import Component, connected, derive
from matching.demographics import Demographics
from matching.linking import CONFUSION, decide
from matching.model import default_model
from matching.persons import assign_person_ids
from matching.records import Candidate, Edge, pair
from matching.scoring import Scorer
from tests.unit.matching.population import population

SCORER = Scorer(default_model())


class Block:
    def __init__(self, members) -> None:
        self.members = members
        self.size = len(members)


class Index:
    """The least that section 8, Arrival, needs: blocks, edges, persons."""

    def __init__(self) -> None:
        self.records: dict[str, Demographics] = {}
        self.blocks = defaultdict(list)
        self.edges: dict[tuple[str, str], Edge] = {}
        self.groups: dict[str, tuple[str, ...]] = {}
        self.ids: dict[str, str] = {}

    def candidates(self, key: str, d: Demographics) -> list[Candidate]:
        blocks = {k: Block([int(m) for m in self.blocks[k]]) for k in blocking_keys(d) if k in self.blocks}
        numbers = rank(blocks, SCORER.model.population, is_thin(d))
        return [Candidate(str(n), n, self.records[str(n)]) for n in numbers if str(n) != key]

    def forget(self, key: str) -> set[str]:
        """Drop the record's keys and scored edges; returns whom they touched."""
        touched = {key}
        for k in blocking_keys(self.records[key]):
            self.blocks[k].remove(key)
        for about in [about for about in self.edges if key in about]:
            touched |= set(about)
            del self.edges[about]
        return touched

    def arrive(self, key: str, d: Demographics) -> None:
        touched = {key} | (self.forget(key) if key in self.records else set())
        self.records[key] = d
        for proposal in decide(Candidate(key, int(key), d), self.candidates(key, d), SCORER):
            if proposal.kind != CONFUSION:
                self.edges[pair(proposal.a, proposal.b)] = proposal.edge()
                touched |= {proposal.a, proposal.b}
        for k in blocking_keys(d):
            self.blocks[k].append(key)
        self.regroup(touched | {other for key in touched for other in self.groups.get(key, ())})

    def regroup(self, touched: set[str]) -> None:
        reached, ahead, near = set(touched), list(touched), self.near()
        while ahead:
            new = near[ahead.pop()] - reached
            reached |= new
            ahead.extend(new)
        inside = tuple(e for e in self.edges.values() if e.a in reached)
        found = derive(Component({k: self.records[k] for k in reached}, inside), SCORER).certain
        held = {k: self.ids[k] for k in reached if k in self.ids}
        self.ids |= assign_person_ids(found, held, {k: "p" + k for k in reached}).by_record()
        self.groups |= {k: group for group in found for k in group}

    def near(self) -> dict[str, set[str]]:
        found = defaultdict(set)
        for a, b in self.edges:
            found[a].add(b)
            found[b].add(a)
        return found

    def persons(self) -> set[tuple[str, ...]]:
        return set(self.groups.values())


def stream(count, seed):
    records, _ = population(count, seed)
    return [(str(number), record) for number, record in enumerate(records)]


def arrived(arrivals):
    index = Index()
    for key, record in arrivals:
        index.arrive(key, record)
    return index


def check(households, permutations):
    arrivals = stream(households, 8)
    expected = arrived(arrivals)
    assert any(len(group) > 1 for group in expected.persons())
    for seed in range(permutations):
        shuffled = random.Random(seed).sample(arrivals, len(arrivals))
        index = arrived(shuffled)
        assert index.persons() == expected.persons()
        assert set(index.edges.values()) == set(expected.edges.values())
        assert len(set(index.ids.values())) == len(index.persons())


def test_any_order_of_arrival_gives_the_same_persons():
    check(households=30, permutations=6)


@pytest.mark.long
def test_a_hundred_orders_of_a_long_stream_give_the_same_persons():
    check(households=400, permutations=100)


def test_one_by_one_gives_what_all_at_once_gives():
    arrivals = stream(30, 8)
    index = arrived(arrivals)
    records = dict(arrivals)
    groups = {
        group
        for piece in connected(records, index.edges.values())
        for group in derive(Component({k: records[k] for k in piece}, tuple(e for e in index.edges.values() if e.a in piece)), SCORER).certain
    }
    assert index.persons() == groups


def test_a_replayed_stream_changes_nothing():
    arrivals = stream(15, 8)
    once, twice = arrived(arrivals), arrived(arrivals + arrivals)
    assert twice.persons() == once.persons()
    assert twice.ids == once.ids


def test_a_record_changed_and_changed_back_leaves_all_as_it_was():
    arrivals = stream(15, 8)
    before = arrived(arrivals)
    after = arrived(arrivals)
    key, record = next((k, d) for k, d in arrivals if len(before.groups[k]) > 1)
    after.arrive(key, Demographics(birth_date="19010203"))
    assert after.groups[key] == (key,)
    after.arrive(key, record)
    assert after.persons() == before.persons()
    assert after.ids == before.ids
