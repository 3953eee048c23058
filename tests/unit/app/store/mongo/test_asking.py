"""Filters hold user values only as operands; terms are injective; prefixes are exact ranges."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.principal import SYSTEM
from app.search.criteria import (
    AllOf,
    AnyOf,
    DateIs,
    Entries,
    HasId,
    Missing,
    Not,
    Query,
    RefersTo,
    SortKey,
    StringHas,
    StringIs,
    StringStarts,
    TextStarts,
    TokenIs,
    TypedIdentifier,
)
from app.store.contract import StoredResource
from app.store.mongo import MongoStore
from app.store.mongo.asking import Asker, combined, driving_index, narrows_to_type, next_beyond
from app.store.mongo.entries import entries_of, indexed, spread_term, term
from tests.contract import drawing
from tests.contract.making import applied, content

OPERATORS = {"$and", "$or", "$nor", "$not", "$in", "$ne", "$elemMatch", "$gte", "$gt", "$lte", "$lt", "$regex", "$options"}
FIELDS = {"tokens", "references", "words", "dates", "key", "p", "low", "high"}
HOSTILE = (
    "$ne",
    "$where",
    "{$gt: ''}",
    "a.b",
    ".*",
    "(a+)+$",
    "\x1f",
    "\x1e1",
    "\x1e",
    "a\x1fb",
    "^",
    "\\Q",
    "%",
    "é",
    "\U0010ffff",
    "\ud7ff",
    "x" * 500,
)

text = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
param = st.sampled_from(("name", "identifier", "instance", "started"))
leaf = st.one_of(
    st.builds(TokenIs, param, st.none() | text, st.none() | text),
    st.builds(TypedIdentifier, param, text, text, text),
    st.builds(StringStarts, param, text), st.builds(StringHas, param, text), st.builds(StringIs, param, text), st.builds(TextStarts, param, text),
    st.builds(DateIs, param, st.sampled_from(("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "overlaps")), st.integers(0, 9), st.integers(9, 20)),
    st.builds(RefersTo, param, st.lists(text, max_size=2).map(tuple)), st.builds(HasId, st.lists(text, max_size=2).map(tuple)),
    st.builds(Missing, param, st.booleans()),
)  # fmt: skip
criterion = st.recursive(
    leaf, lambda inner: st.one_of(st.builds(Not, inner), *(st.builds(of, st.lists(inner, max_size=3).map(tuple)) for of in (AnyOf, AllOf))), max_leaves=5
)  # fmt: skip


def names(filter: Any) -> set[str]:
    if isinstance(filter, dict):
        return set(filter) | {name for value in filter.values() for name in names(value)}
    if isinstance(filter, list):
        return {name for value in filter for name in names(value)}
    assert type(filter) in (str, int)
    return set()


@given(criterion)
def test_a_filter_has_none_but_the_allowed_operators_and_fields(criterion) -> None:
    asked: list[Any] = []
    for type in ("Patient", "ImagingStudy"):
        asked.append(Asker(type, lambda condition: asked.append(condition) or ["ImagingStudy/1"]).clause(criterion))
    assert set().union(*map(names, asked)) <= OPERATORS | FIELDS | {"token"}


@given(st.lists(text, min_size=2, max_size=4), st.lists(text, min_size=2, max_size=4))
def test_no_two_paths_make_one_term(one: list[str], other: list[str]) -> None:
    assert (term("Patient", "name", "s", *one) == term("Patient", "name", "s", *other)) == (one == other)


@given(text.filter(bool), text)
def test_the_range_of_a_prefix_holds_what_starts_with_it_and_nothing_else(prefix: str, value: str) -> None:
    for each in (value, prefix + value, prefix[:-1] + value):
        if set(prefix) != {"\U0010ffff"}:
            assert (prefix <= each < next_beyond(prefix)) == each.startswith(prefix)


@given(drawing.entries)
def test_entries_are_read_back_as_they_were_written(entries: Entries) -> None:
    resource = StoredResource("Patient", "1", 1, "2026-01-01T00:00:00.000Z", False, None, 1, b"")
    found = entries_of(indexed(resource, entries, 1).document, ())
    assert found.pop("exact", set()) == {(name, exact) for name, _, exact in entries.strings}
    assert found.pop("strings", set()) == {(name, word) for name, word, _ in entries.strings}
    for kind in ("tokens", "typed", "texts", "references", "dates"):
        assert found.pop(kind, set()) == set(getattr(entries, kind))
    assert not found


def test_a_spread_value_is_read_back_too() -> None:
    assert entries_of(
        {"tokens": [], "words": [], "references": [], "dates": []}, [spread_term("ImagingStudy", "instance", "1.2", "urn:s")]
    ) == {"tokens": {("instance", "urn:s", "1.2")}}


def test_clauses_of_one_field_are_joined_not_overwritten() -> None:
    assert combined([{"a": 1}, {"b": 2}, {"a": 3}, {"$or": []}]) == {"a": 1, "b": 2, "$or": [], "$and": [{"a": 3}]}
    assert combined([{"$and": [{"a": 1}]}, {"$and": [{"a": 2}]}, {"b": 1}]) == {"b": 1, "$and": [{"a": 1}, {"$and": [{"a": 2}]}]}


@pytest.mark.parametrize(
    ("asked", "index", "typed"),
    [
        (AllOf(()), "type", False),
        (Not(TokenIs("gender", None, "male")), "type", False),
        (Missing("gender", True), "type", False),
        (StringStarts("name", "smi"), "words", True),
        (AllOf((StringStarts("name", "smi"), StringStarts("name", "al"))), None, True),
        (AllOf((StringStarts("name", "smi"), TokenIs("gender", None, "male"))), None, True),
        (TokenIs("identifier", "urn:a", None), "tokens", True),
        (DateIs("birthdate", "gt", 1, 2), "dates_high", True),
        (DateIs("birthdate", "eq", 1, 2), "dates_low", True),
        (AnyOf((StringStarts("name", "a"), Not(HasId(("1",))))), None, False),
    ],
)
def test_a_lone_range_names_its_index_and_nothing_narrow_that_of_the_type(asked, index, typed) -> None:
    assert driving_index(asked, (SortKey("_commit", True),)) == index
    assert narrows_to_type(asked) is typed


def test_studies_newest_first_are_read_in_that_order() -> None:
    assert driving_index(AllOf(()), (SortKey("started", True),)) == "type_started"


def test_hostile_values_are_found_as_what_they_are(store: MongoStore) -> None:
    def saving(at: int, value: str):
        entries = Entries(
            tokens=(("identifier", value, value),),
            strings=(("name", value, value),),
            references=(("link", value),),
            texts=(("gender", value),),
        )
        return lambda tx: tx.save("Patient", str(at), content("Patient", str(at)), entries, custodian=None)

    applied(store, *(saving(at, value) for at, value in enumerate(HOSTILE)))
    with store.snapshot(SYSTEM) as view:
        for at, value in enumerate(HOSTILE):
            for asked in (
                TokenIs("identifier", value, value), TokenIs("identifier", None, value), TokenIs("identifier", value, None), StringIs("name", value),
                RefersTo("link", (value,)),
            ):  # fmt: skip
                assert [hit.id for hit in view.search(Query("Patient", asked)).matches] == [str(at)]
            starts = {str(n) for n, other in enumerate(HOSTILE) if other.startswith(value)}
            has = {str(n) for n, other in enumerate(HOSTILE) if value in other}
            assert {hit.id for hit in view.search(Query("Patient", StringStarts("name", value))).matches} == starts
            assert {hit.id for hit in view.search(Query("Patient", TextStarts("gender", value))).matches} == starts
            assert {hit.id for hit in view.search(Query("Patient", StringHas("name", value))).matches} == has
        assert view.search(Query("Patient", StringHas("name", "\0"))).total == 0


def test_the_values_of_a_large_study_are_found_and_only_changes_are_written(store: MongoStore) -> None:
    def study(*instances: str, reason: str = "a"):
        entries = Entries(tokens=tuple(("instance", "", uid) for uid in sorted(instances)))
        return lambda tx: tx.save("ImagingStudy", "s", content("ImagingStudy", "s", n=list(instances), r=reason), entries, custodian=None)

    def found(view, system, code, at=None):
        return [hit.version for hit in view.search(Query("ImagingStudy", TokenIs("instance", system, code), at=at)).matches]

    applied(store, study("1.2", "1.3"))
    applied(store, study("1.2", "1.4"))
    spread = store._collections.spread
    assert sorted((row["start"], row["stop"] < 2**60) for row in spread.find()) == [(1, False), (1, True), (2, False)]
    with store.snapshot(SYSTEM) as view:
        assert [found(view, None, uid) for uid in ("1.2", "1.3", "1.4")] == [[2], [], [2]]
        assert [found(view, "", uid, 1) for uid in ("1.2", "1.3", "1.4")] == [[1], [1], []]
        assert found(view, "", None) == found(view, None, None) == [2]
        assert found(view, "urn:x", None) == []
    applied(store, lambda tx: tx.delete("ImagingStudy", "s"))
    with store.snapshot(SYSTEM) as view:
        assert found(view, None, "1.2") == []
    assert store.purge("2100-01-01T00:00:00Z") == 2 + 3
    assert spread.count_documents({}) == 0
