"""What a change finds among its own writes, against the plain meaning of a search."""

from __future__ import annotations

from functools import cmp_to_key

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.search.criteria import AllOf, AnyOf, DateIs, Entries, HasId, Missing, Not, SortKey, StringHas, TokenIs
from app.store.contract import StoredResource
from app.store.mongo.entries import indexed
from app.store.mongo.values import microseconds
from app.store.mongo.weighing import Standing, meets, place_of
from tests.contract import drawing, oracle

NOON = "2026-01-01T12:00:00.000Z"
UPDATED = (microseconds(NOON), microseconds(NOON) + 1000)


def both(id: str, commit: int, entries: Entries, type: str = "Patient"):
    resource = StoredResource(type, id, 1, NOON, False, None, commit, b"")
    return indexed(resource, entries, commit), oracle.Held(id, commit, None, entries, UPDATED)


@settings(max_examples=400)
@given(drawing.entries, drawing.criterion)
def test_a_version_is_weighed_as_the_criterion_means(entries, criterion) -> None:
    found, held = both("a0", 1, entries)
    assert meets(found, criterion) == oracle.meets(criterion, held)


@settings(max_examples=400)
@given(drawing.entries, drawing.leaf)
def test_each_kind_of_criterion_is_weighed_alone(entries, leaf) -> None:
    found, held = both("a0", 1, entries)
    assert meets(found, leaf) == oracle.meets(leaf, held)


@given(st.lists(st.tuples(st.sampled_from(drawing.IDS), drawing.entries), unique_by=lambda pair: pair[0], max_size=6), drawing.sort)
def test_hits_stand_in_the_order_asked_for(pairs, sort) -> None:
    made = [both(id, commit, entries) for commit, (id, entries) in enumerate(pairs, 1)]
    wanted = [held.id for held in sorted((held for _, held in made), key=cmp_to_key(lambda a, b: oracle.compare(sort, a, b)))]
    places = [place_of(found.document, sort) for found, _ in made]
    assert [place[-1] for place in sorted(places, key=lambda place: Standing(place, sort))] == wanted


SPREAD = Entries(tokens=(("instance", "", "1.2"), ("instance", "urn:b", "1.20")))


@pytest.mark.parametrize(
    "asked",
    [
        *(TokenIs("instance", system, code) for system in (None, "", "urn:b", "urn") for code in (None, "1.2", "1.20", "1")),
        Missing("instance", True), Missing("instance", False), Not(TokenIs("instance", None, "1.2")), AnyOf(()), AllOf(()), HasId(("a0",)),
    ],
)  # fmt: skip
def test_spread_values_are_weighed_like_any(asked) -> None:
    found, held = both("a0", 1, SPREAD, "ImagingStudy")
    assert meets(found, asked) == oracle.meets(asked, held)


@pytest.mark.parametrize("prefix", ["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "overlaps"])
@pytest.mark.parametrize("asked", [(0, 10), (5, 15), (10, 20), (9, 21), (12, 15), (15, 30), (20, 30), (25, 30)])
def test_dates_compare_as_the_table_says(prefix: str, asked: tuple[int, int]) -> None:
    found, held = both("a0", 1, Entries(dates=(("started", 10, 20),)))
    criterion = DateIs("started", prefix, *asked)
    assert meets(found, criterion) == oracle.meets(criterion, held)


def test_a_part_of_a_word_is_found_behind_its_parameter_only() -> None:
    found, _ = both("a0", 1, Entries(strings=(("family", "smith", "Smith"),)))
    assert meets(found, StringHas("family", "mit"))
    assert not meets(found, StringHas("family", "family"))
    assert not meets(found, StringHas("given", "mit"))


def test_what_lacks_the_value_comes_last_both_ways() -> None:
    for descending in (False, True):
        sort = (SortKey("birthdate", descending),)
        assert Standing((5, "b"), sort) < Standing((None, "a"), sort)
        assert not Standing((None, "a"), sort) < Standing((5, "b"), sort)
        assert Standing((None, "a"), sort) < Standing((None, "b"), sort)
