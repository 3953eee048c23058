"""Which assertions are in force (matching.md 8, 9)."""

from __future__ import annotations

from itertools import permutations

from matching.records import FEED, LINK, NOT_SAME, REPLACED_BY, STEWARD, Assertion, standing


def said(kind, owner="RTK", role=FEED, time="1", **known: object):
    return Assertion(kind, known.pop("a", "x"), known.pop("b", "y"), owner, role, time, **known)


def stands(*assertions: Assertion):
    found = [standing(order) for order in permutations(assertions)]
    assert all(one == found[0] for one in found)
    return found[0]


def test_a_link_stands_until_its_owner_says_otherwise():
    assert [e.kind for e in stands(said(LINK)).edges] == [LINK]
    assert stands(said(LINK), said(LINK, time="2", withdrawn=True)).edges == ()
    found = stands(said(LINK), said(NOT_SAME, time="2", a="y", b="x"))
    assert (found.edges, found.not_same, found.disputed) == ((), {("x", "y")}, ())
    assert stands(said(NOT_SAME), said(LINK, time="2")).not_same == frozenset()


def test_a_replacement_keeps_its_direction():
    edge = stands(said(REPLACED_BY, a="y", b="x")).edges[0]
    assert (edge.a, edge.b, edge.pair) == ("y", "x", ("x", "y"))


def test_a_feed_ends_another_feeds_not_same_only_between_records_it_owns():
    assert stands(said(NOT_SAME, "RA2"), said(LINK, "RTK", time="2")).not_same == frozenset()
    disputed = stands(said(NOT_SAME, "RA2"), said(LINK, "RTK", time="2", owns_both=False))
    assert (disputed.not_same, disputed.disputed) == ({("x", "y")}, (("x", "y"),))
    assert stands(said(NOT_SAME, "RA2", time="3"), said(LINK, "RTK", time="2")).not_same == {("x", "y")}


def test_a_feed_never_ends_a_stewards_not_same():
    found = stands(said(NOT_SAME, "sam", STEWARD), said(LINK, time="2"))
    assert (found.not_same, found.disputed) == ({("x", "y")}, (("x", "y"),))


def test_a_steward_ends_anyones_not_same():
    assert stands(said(NOT_SAME), said(LINK, "sam", STEWARD, time="2")).not_same == frozenset()
    assert stands(said(NOT_SAME, "kim", STEWARD), said(LINK, "sam", STEWARD, time="2")).not_same == frozenset()


def test_withdrawing_a_not_same_gives_the_link_back():
    before = stands(said(LINK))
    after = stands(said(LINK), said(NOT_SAME, "sam", STEWARD, time="2"), said(NOT_SAME, "sam", STEWARD, time="3", withdrawn=True))
    assert after == before
