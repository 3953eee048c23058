"""Persons from edges (matching.md 8), against a plain oracle, networkx and any order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations, permutations

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matching.clustering import LARGEST_PERSON, Component, Partition, connected, derive, ordered
from matching.demographics import EVIDENTIAL, Demographics
from matching.model import GRADES, default_model
from matching.records import LINK, MATCH, NUMBER, REPLACED_BY, STEWARD, Edge, pair
from matching.scoring import Scorer

BOUNDS = Scorer(default_model()).weight_bounds


@dataclass
class Told:
    """A scorer that knows each pair's weight, so that a test can say what it likes; a demographics' sex is its key."""

    weights: dict = field(default_factory=dict)
    hopeless: frozenset = frozenset()
    default: float = 0.0
    weight_bounds: tuple = BOUNDS

    def weigh(self, a, b):
        return self.weights.get(pair(a.sex, b.sex), self.default)

    def potential(self, a, b):
        return -9.0 if pair(a.sex, b.sex) in self.hopeless else 50.0

    def grade(self, weight):
        return next((grade for grade, bound in zip(GRADES, self.weight_bounds, strict=False) if weight >= bound), GRADES[-1])


def people(keys, numbers=None):
    numbers = numbers or {}
    return {key: Demographics(sex=key, nhs_number=numbers.get(key, ""), nhs_state=EVIDENTIAL if key in numbers else "") for key in keys}


def match(a, b, weight, grade=None):
    return Edge(MATCH, *pair(a, b), weight=weight, grade=grade or Told().grade(weight))


def link(a, b, role="feed", time="1"):
    return Edge(LINK, a, b, role=role, time=time)


def component(keys, *edges: Edge, numbers=None, not_same=()):
    return Component(people(keys, numbers), edges, frozenset(pair(*p) for p in not_same))


def certain(keys, *edges: Edge, scorer=None, **known: object):
    return ["".join(group) for group in derive(component(keys, *edges, **known), scorer or Told()).certain]


def test_records_without_edges_stand_alone():
    assert certain("ab") == ["a", "b"]


def test_a_certain_match_joins_and_a_probable_one_only_in_the_wider_groups():
    found = derive(component("abcd", match("a", "b", 12), match("b", "c", 8), match("c", "d", 0)), Told())
    assert found.groups("certain") == (("a", "b"), ("c",), ("d",))
    assert found.groups("probable") == (("a", "b", "c"), ("d",))
    assert found.groups("possible") == (("a", "b", "c", "d"),)


def test_a_grade_that_was_capped_counts_not_the_weight():
    assert certain("ab", match("a", "b", 20, "probable")) == ["a", "b"]


def test_a_chain_whose_ends_are_unlike_does_not_join():
    assert certain("abc", match("a", "b", 20), match("b", "c", 11), scorer=Told({("a", "c"): -11.1})) == ["ab", "c"]
    assert certain("abc", match("a", "b", 20), match("b", "c", 11), scorer=Told({("a", "c"): -10.9})) == ["abc"]


def test_a_cross_pair_that_could_never_be_a_match_is_left_out_of_the_mean():
    told = Told({("a", "c"): -30.0}, hopeless=frozenset({("a", "c")}))
    assert certain("abc", match("a", "b", 12), match("b", "c", 11), scorer=told) == ["abc"]


def test_a_hard_veto_drops_the_weakest_edge_of_a_chain():
    edges = match("a", "b", 20), match("b", "c", 12)
    assert certain("abc", *edges, numbers={"a": "1", "c": "2"}) == ["ab", "c"]
    assert certain("abc", match("a", "b", 12), match("b", "c", 20), numbers={"a": "1", "c": "2"}) == ["a", "bc"]
    assert certain("abc", *edges, not_same=["ac"]) == ["ab", "c"]


def test_a_record_that_fits_two_vetoed_ones_equally_joins_neither():
    edges = match("a", "b", 15), match("b", "c", 14)
    found = derive(component("abc", *edges, numbers={"a": "1", "c": "2"}), Told())
    assert found.certain == (("a",), ("b",), ("c",))
    assert {e.pair for e in found.contested} == {("a", "b"), ("b", "c")}
    assert found.probable == (("a", "b"), ("c",))


@pytest.mark.parametrize(("margin", "joined"), [(5.9, False), (6.0, False), (6.1, True)])
def test_a_veto_contests_within_6_bits(margin, joined):
    found = certain("abc", match("a", "b", 20), match("b", "c", 20 - margin), numbers={"a": "1", "c": "2"})
    assert ("ab" in found) is joined


@pytest.mark.parametrize(("margin", "joined"), [(2.9, False), (3.0, False), (3.1, True)])
def test_another_reason_contests_within_3_bits(margin, joined):
    found = certain("abc", match("a", "b", 20), match("b", "c", 20 - margin), scorer=Told({("a", "c"): -60.0}))
    assert ("ab" in found) is joined


def test_a_rival_that_could_join_the_other_side_contests_nothing():
    assert certain("abc", match("a", "b", 20), match("b", "c", 19)) == ["abc"]


def test_a_person_holds_at_most_25_records():
    keys = [f"{i:02}" for i in range(LARGEST_PERSON + 1)]
    edges = [match(keys[0], key, 30 - place / 100) for place, key in enumerate(keys[1:])]
    found = derive(Component(people(keys), tuple(edges)), Told(default=20))
    assert max(map(len, found.certain)) == LARGEST_PERSON


def test_a_full_group_contests_a_rival_that_cannot_join_it():
    keys = [f"{i:02}" for i in range(LARGEST_PERSON)]
    full = [Edge(LINK, keys[0], key, role=STEWARD, time="1") for key in keys[1:]]
    edges = (*full, match("x", "y", 20), match("x", "00", 19))
    assert ("x",) in derive(Component(people([*keys, "x", "y"]), edges), Told(default=20)).certain


def test_assertions_join_whatever_the_weight():
    unlike = Told(default=-30.0)
    assert certain("ab", link("a", "b"), scorer=unlike) == ["ab"]
    assert certain("ab", Edge(NUMBER, "a", "b", time="1"), scorer=unlike) == ["ab"]


def test_an_assertion_gives_way_to_a_veto_and_is_reported():
    found = derive(component("ab", link("a", "b"), numbers={"a": "1", "b": "2"}), Told())
    assert found.certain == (("a",), ("b",))
    assert [e.pair for e in found.refused] == [("a", "b")]


def test_a_stewards_link_goes_before_a_feeds_and_a_number_and_those_before_a_match():
    vetoed = {"numbers": {"a": "1", "c": "2"}}
    assert certain("abc", link("a", "b"), link("b", "c", STEWARD), **vetoed) == ["a", "bc"]
    assert certain("abc", Edge(NUMBER, "a", "b", time="9"), link("b", "c"), **vetoed) == ["a", "bc"]
    assert certain("abc", match("a", "b", 50), Edge(NUMBER, "b", "c", time="1"), **vetoed) == ["a", "bc"]


def test_of_two_assertions_the_newer_goes_first_then_the_smaller_pair():
    vetoed = {"numbers": {"a": "1", "c": "2"}}
    assert certain("abc", link("a", "b", time="1"), link("b", "c", time="2"), **vetoed) == ["a", "bc"]
    assert certain("abc", link("a", "b", time="2"), link("b", "c", time="2"), **vetoed) == ["ab", "c"]
    assert [e.pair for e in ordered([match("b", "c", 9.0000001), match("a", "b", 9.0)])] == [("a", "b"), ("b", "c")]


def replaced(a, b, time="1"):
    return Edge(REPLACED_BY, a, b, time=time)


def test_replaced_records_collapse_into_their_root():
    assert certain("abc", replaced("a", "b"), replaced("b", "c")) == ["abc"]


def test_only_the_root_of_a_chain_counts_in_the_mean():
    told = Told({("a", "c"): -30.0})
    assert certain("abc", replaced("a", "b"), match("b", "c", 12), scorer=told) == ["abc"]
    assert certain("abc", replaced("b", "a"), match("b", "c", 12), scorer=told) == ["ab", "c"]


def test_a_replacement_gives_way_to_a_veto_and_a_ring_of_them_ends():
    found = derive(component("ab", replaced("a", "b"), numbers={"a": "1", "b": "2"}), Told())
    assert found.certain == (("a",), ("b",))
    assert [e.kind for e in found.refused] == [REPLACED_BY]
    assert certain("abc", replaced("a", "b"), replaced("b", "a", "2"), replaced("b", "c", "0")) == ["abc"]
    assert certain("ab", replaced("a", "b"), replaced("a", "b", "2")) == ["ab"]


def test_a_component_over_200_records_is_split_by_its_weakest_bridges():
    left, right = [f"a{i:03}" for i in range(120)], [f"b{i:03}" for i in range(120)]
    edges = [match(side[0], key, 20) for side in (left, right) for key in side[1:]]
    bridge = match("a000", "b000", 12)
    found = derive(Component(people(left + right), (*edges, bridge)), Told(default=20))
    assert found.bridges == (bridge,)
    assert not any(key[0] == "a" and other[0] == "b" for group in found.possible for key, other in combinations(group, 2))


def test_a_component_of_assertions_is_not_split():
    keys = [f"{i:03}" for i in range(201)]
    found = derive(Component(people(keys), tuple(Edge(LINK, keys[0], key, role=STEWARD) for key in keys[1:])), Told())
    assert found.bridges == ()


def test_connected_agrees_with_networkx():
    graph = nx.gnm_random_graph(60, 40, seed=4)
    edges = [Edge(MATCH, f"{a:02}", f"{b:02}") for a, b in graph.edges]
    expected = sorted(tuple(sorted(f"{n:02}" for n in found)) for found in nx.connected_components(graph))
    assert connected([f"{n:02}" for n in graph.nodes], edges) == expected


# The oracle: section 8 as plainly as it can be written, for match edges, links and vetoes.


def oracle(c: Component, told: Told) -> list[set[str]]:
    groups = [{key} for key in c.records]

    def of(key):
        return next(group for group in groups if key in group)

    def vetoed(x, y):
        a, b = c.records[x], c.records[y]
        return pair(x, y) in c.not_same or (a.nhs_number and b.nhs_number and a.nhs_number != b.nhs_number)

    def blocked(one, other):
        return any(vetoed(x, y) for x in one for y in other)

    stored = {e.pair: e.weight for e in c.edges if e.kind == MATCH}

    def mean_below_zero(one, other):
        pairs = [pair(x, y) for x in one for y in other]
        weights = [stored.get(p, told.weigh(c.records[p[0]], c.records[p[1]])) for p in pairs if p not in told.hopeless]
        return bool(weights) and sum(weights) / len(weights) < 0

    def contested(e):
        for side, other in ((of(e.a), of(e.b)), (of(e.b), of(e.a))):
            for rival in (r for r in c.edges if r.kind == MATCH and not side.isdisjoint(r.pair)):
                for end in set(rival.pair) - side:
                    third = of(end)
                    if third in (side, other):
                        continue
                    if blocked(third, other) and rival.weight >= e.weight - 6:
                        return True
                    if rival.weight >= e.weight - 3 and mean_below_zero(third, other):
                        return True
        return False

    links = sorted((e for e in c.edges if e.kind == LINK), key=lambda e: e.pair)
    links.sort(key=lambda e: e.time, reverse=True)
    links.sort(key=lambda e: e.role != STEWARD)
    matches = sorted((e for e in c.edges if e.kind == MATCH and e.grade == "certain"), key=lambda e: (-e.weight, e.pair))
    for e in links + matches:
        one, other = of(e.a), of(e.b)
        if one is other or blocked(one, other):
            continue
        if e.kind == MATCH and (contested(e) or mean_below_zero(one, other)):
            continue
        groups.remove(one)
        groups.remove(other)
        groups.append(one | other)
    return groups


KEYS = "abcdef"
pairs = st.sampled_from(list(combinations(KEYS, 2)))
weights = st.sampled_from([-20.0, -8.0, -1.0, 2.0, 7.0, 10.0, 12.0, 13.0, 16.0, 25.0])
components = st.builds(
    lambda found, links, numbers, not_same: component(
        KEYS, *(match(*p, w) for p, w in found.items() if w >= BOUNDS[2]), *(link(*p, role, time) for p, (role, time) in links.items()),
        numbers=numbers, not_same=not_same,
    ),
    st.dictionaries(pairs, weights, max_size=9),
    st.dictionaries(pairs, st.tuples(st.sampled_from(["feed", STEWARD]), st.sampled_from("123")), max_size=2),
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from("12"), max_size=3),
    st.lists(pairs, max_size=2),
)  # fmt: skip
scorers = st.builds(Told, st.dictionaries(pairs, weights), st.frozensets(pairs, max_size=2), st.sampled_from([-12.0, 0.0, 12.0]))


@settings(max_examples=400)
@given(components, scorers)
def test_derive_agrees_with_the_oracle(c, told):
    assert sorted(derive(c, told).certain) == sorted(tuple(sorted(group)) for group in oracle(c, told))


@settings(max_examples=200)
@given(components, scorers)
def test_groups_are_nested_and_hold_each_record_once(c, told):
    found = derive(c, told)
    for groups in (found.certain, found.probable, found.possible):
        assert sorted(key for group in groups for key in group) == sorted(c.records)
    for narrow, wide in ((found.certain, found.probable), (found.probable, found.possible)):
        assert all(any(set(group) <= set(other) for other in wide) for group in narrow)


@settings(max_examples=200)
@given(components, scorers)
def test_vetoed_records_never_share_a_person_at_any_grade(c, told):
    found = derive(c, told)
    for group in found.certain + found.probable + found.possible:
        for x, y in combinations(group, 2):
            assert pair(x, y) not in c.not_same
            numbers = {c.records[key].nhs_number for key in (x, y)} - {""}
            assert len(numbers) < 2


@settings(max_examples=60)
@given(components, scorers, st.randoms())
def test_the_order_of_edges_and_records_does_not_matter(c, told, random):
    edges, keys = list(c.edges), list(c.records)
    random.shuffle(edges)
    random.shuffle(keys)
    shuffled = Component({key: c.records[key] for key in keys}, tuple(edges), c.not_same)
    assert derive(shuffled, replace(told)) == derive(c, told)


@given(components, scorers)
def test_deriving_piece_by_piece_gives_the_same_groups(c, told):
    whole = derive(c, told)
    parts = [
        derive(Component({key: c.records[key] for key in piece}, tuple(e for e in c.edges if e.a in piece), c.not_same), told)
        for piece in connected(c.records, c.edges)
    ]
    assert sorted(group for part in parts for group in part.certain) == sorted(whole.certain)


@given(components, scorers, pairs)
def test_withdrawing_a_not_same_restores_the_groups(c, told, about):
    forbidden = Component(c.records, c.edges, c.not_same | {about})
    derive(forbidden, told)
    assert derive(Component(forbidden.records, forbidden.edges, c.not_same), told) == derive(c, told)


def test_a_partition_names_its_groups_by_grade():
    found = Partition((("a",),), (("a", "b"),), (("a", "b", "c"),))
    assert [len(found.groups(grade)[0]) for grade in GRADES[:3]] == [1, 2, 3]


def test_all_orders_of_a_small_stream_agree():
    edges = (match("a", "b", 15), match("b", "c", 13), match("c", "d", 11), link("a", "d"))
    found = {derive(Component(people("abcd", {"a": "1", "c": "2"}), order), Told()).certain for order in permutations(edges)}
    assert len(found) == 1
