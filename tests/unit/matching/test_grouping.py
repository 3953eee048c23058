"""What lies between growing groups, and that a crowd of like records costs little (matching.md 8)."""

from __future__ import annotations

import time
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matching import grouping
from matching.clustering import Component, derive
from matching.grouping import Groups
from matching.model import default_model
from matching.records import MATCH, Edge
from matching.scoring import Scorer
from tests.unit.matching.cast import ALICE_NUMBER, ANNA_NUMBER, alice, anna, bea

SCORER = Scorer(default_model())


def crowd(count, *of):
    """Records of these contents in turn, and the edges among them; most of the time that a test of it takes."""
    records = {f"r{number:03}": of[number % len(of)] for number in range(count)}
    edges = []
    for a, b in combinations(records, 2):
        scored = SCORER.score(records[a], records[b])
        if scored.grade != "certainly-not":
            edges.append(Edge(MATCH, a, b, weight=scored.weight, grade=scored.grade))
    return Component(records, tuple(edges))


like_records = pytest.mark.parametrize(
    "of",
    [
        (alice(),),
        (alice(nhs_number=ALICE_NUMBER, nhs_status="01"),),
        (alice(), anna()),
        (alice(nhs_number=ALICE_NUMBER, nhs_status="01"), alice(nhs_number=ANNA_NUMBER, nhs_status="01"), alice()),
        tuple(alice(birth_date=f"198{year}-03-1{day}") for year in range(3) for day in range(4)),
    ],
    ids=["identical", "one-number", "twins", "two-numbers", "many-dates"],
)


def cpu_seconds(count, of):
    """The least CPU time of three runs; the last result."""
    times, component = [], crowd(count, *of)
    for _ in range(3):
        began = time.process_time()
        found = derive(component, Scorer(default_model()))
        times.append(time.process_time() - began)
    return min(times), found


@like_records
def test_a_crowd_of_like_records_costs_no_more_than_its_pairs(of):
    """Twice the records are four times the pairs; a ratio holds under coverage and load, where a time would not."""
    (few, _), (many, found) = cpu_seconds(75, of), cpu_seconds(150, of)
    assert many < 8 * few
    assert max(map(len, found.possible)) <= grouping.LARGEST_PERSON


@pytest.mark.bench
@like_records
def test_a_crowd_of_150_like_records_takes_less_than_half_a_second(of):
    assert cpu_seconds(150, of)[0] < 0.5


def test_nobody_of_a_crowd_of_identical_records_is_left_out_for_its_order():
    found = derive(crowd(60, alice()), SCORER)
    assert [len(group) for group in found.possible] == [25, 25, 10]
    assert sum(map(len, found.certain)) == 60


contents = st.sampled_from([
    alice(), anna(), bea(), alice(nhs_number=ALICE_NUMBER, nhs_status="01"), anna(nhs_number=ANNA_NUMBER, nhs_status="01"), alice(pseudo=True),
])  # fmt: skip


@given(st.lists(contents, min_size=4, max_size=10), st.randoms(), st.booleans())
def test_what_is_known_of_parts_is_what_the_whole_says(records, random, warm):
    keyed = {f"r{number}": one for number, one in enumerate(records)}
    edges = tuple(Edge(MATCH, a, b, weight=random.choice((-2.0, 4.0, 12.0))) for a, b in combinations(keyed, 2) if random.random() < 0.5)
    forbidden = frozenset({("r0", "r3")})
    grown = Groups(keyed, edges, forbidden, SCORER)
    between = grown.between
    while len(set(grown.of.values())) > 2:
        group, other = random.sample(sorted(set(grown.of.values()), key=lambda one: one.number), 2)
        for third in set(grown.of.values()) if warm else ():
            between.are_vetoed(group, third)
            between.is_against(other, third)
        grown.join(group, other)
    fresh = Groups(keyed, edges, forbidden, SCORER).between
    one, two = set(grown.of.values())
    assert between.are_vetoed(one, two) == any(fresh.is_vetoed(x, y) for x in one.members for y in two.members)
    assert between._sum(one, two) == sum(fresh._weight(x, y) for x in one.members for y in two.members)
    assert between._sum(one, two) == between._sum(two, one)
    best = max((edge.weight for edge in edges if (edge.a in one.members) != (edge.b in one.members)), default=None)
    assert one.near.get(two) == two.near.get(one) == best


def test_records_of_equal_content_may_still_be_forbidden_one_by_one():
    between = Groups({"a": alice(), "b": alice(), "c": alice()}, (), frozenset({("a", "c")}), SCORER).between
    assert [between.is_vetoed(*two) for two in (("a", "b"), ("c", "a"), ("b", "c"))] == [False, True, False]
