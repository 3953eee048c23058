"""Merges of one trust as a pure fold (hl7v2.md 1, Merge 3 to 5 and 7)."""

import random

from hypothesis import given
from hypothesis import strategies as st

from matching.records import NOT_SAME, REPLACED_BY
from matching.succession import Told, chain, succession


def free(first, second, parents):
    return ""


def merge(loser, survivor, at, owner="RTK-PAS"):
    return Told(f"{loser}>{survivor}@{at}{owner}", REPLACED_BY, loser, survivor, owner, (at,))


def unlink(a, b, at, owner="RTK-PAS"):
    return Told(f"{a}|{b}@{at}{owner}", NOT_SAME, a, b, owner, (at,))


def survivors(*told, bars=free):
    return {loser: held.b for loser, held in succession(told, bars).parents.items()}


def test_a_merge_is_of_the_records_named():
    assert survivors(merge("b", "c", 1), merge("a", "b", 2)) == {"a": "b", "b": "c"}


def test_a_link_of_a_chain_that_is_undone_leaves_the_rest_of_it():
    assert survivors(merge("b", "c", 1), merge("a", "b", 2), unlink("b", "c", 3)) == {"a": "b"}


def test_an_unlink_before_its_merge_or_of_another_feed_ends_nothing():
    assert survivors(unlink("a", "b", 1), merge("a", "b", 2)) == {"a": "b"}
    assert survivors(merge("a", "b", 1), unlink("a", "b", 2, owner="RTK-RIS")) == {"a": "b"}


def test_an_undone_merge_is_told_of():
    assert [one.id for one in succession([merge("a", "b", 1), unlink("b", "a", 2)], free).undone] == [merge("a", "b", 1).id]


def test_the_inverse_turns_a_merge_round():
    found = succession([merge("a", "b", 1), merge("b", "a", 2)], free)
    assert {loser: held.b for loser, held in found.parents.items()} == {"b": "a"}
    assert [one.a for one in found.inverse] == ["b"]
    assert found.second == []


def test_a_ring_is_cut_where_the_new_survivor_hung():
    assert survivors(merge("a", "b", 1), merge("b", "c", 2), merge("c", "a", 3)) == {"b": "c", "c": "a"}


def test_a_record_in_the_middle_of_a_chain_takes_its_own_along():
    assert survivors(merge("a", "b", 1), merge("b", "c", 2), merge("b", "a", 3)) == {"b": "a"}


def test_the_later_of_two_survivors_stands_and_is_told_of():
    found = succession([merge("a", "b", 1), merge("a", "c", 2)], free)
    assert {loser: held.b for loser, held in found.parents.items()} == {"a": "c"}
    assert [one.b for one in found.second] == ["c"]


def test_a_merge_into_the_end_of_ones_own_chain_is_no_second_one():
    found = succession([merge("a", "b", 1), merge("b", "c", 2), merge("a", "c", 3)], free)
    assert {loser: held.b for loser, held in found.parents.items()} == {"a": "c", "b": "c"}
    assert found.second == []


def test_a_merge_told_again_keeps_its_first_time():
    assert succession([merge("a", "b", 1), merge("a", "b", 2)], free).parents["a"].order == (1,)


def test_a_barred_merge_has_no_effect_and_its_reason_is_told():
    def bars(first, second, parents):
        return "numbers" if {"a", "c"} <= first | second else ""

    found = succession([merge("a", "b", 1), merge("b", "c", 2), merge("d", "c", 3)], bars)
    assert {loser: held.b for loser, held in found.parents.items()} == {"a": "b", "d": "c"}
    assert found.barred == [(merge("b", "c", 2), "numbers")]


def test_a_bar_is_between_all_of_both_sides():
    seen = []

    def bars(first, second, parents):
        seen.append((set(first), set(second)))
        return ""

    succession([merge("a", "b", 1), merge("c", "d", 2), merge("b", "d", 3), merge("a", "c", 4)], bars)
    assert seen[2:] == [({"a", "b"}, {"c", "d"}), ({"a"}, {"b", "c", "d"})]


NAMES = st.sampled_from("abcde")
TOLD = st.builds(lambda kind, two, at, owner: kind(two[0], two[1], at, owner), st.sampled_from([merge, merge, unlink]), st.lists(NAMES, min_size=2, max_size=2, unique=True), st.integers(0, 20), st.sampled_from(["RTK-PAS", "RTK-RIS"]))


@given(st.lists(TOLD, max_size=12), st.randoms())
def test_the_order_in_which_it_is_told_says_nothing_and_there_is_never_a_ring(told, chance):
    found = succession(told, free)
    again = succession(chance.sample(told, len(told)), free)
    assert again == found
    for one in "abcde":
        seen = chain(found.parents, one)
        assert len(seen) == len(set(seen))


@given(st.lists(TOLD, max_size=12), st.sets(st.tuples(NAMES, NAMES)))
def test_no_two_that_are_barred_are_ever_joined(told, pairs):
    def bars(first, second, parents):
        return "barred" if any((x in first and y in second) or (y in first and x in second) for x, y in pairs if x != y) else ""

    found = succession(random.Random(1).sample(told, len(told)), bars)
    roots = {one: chain(found.parents, one)[-1] for one in "abcde"}
    assert not any(roots[x] == roots[y] for x, y in pairs if x != y)
