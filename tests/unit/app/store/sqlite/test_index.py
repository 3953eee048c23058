"""What the index holds: rows opened and closed by commit, plans without scans, and the bounds of a walk by date."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.principal import SYSTEM, Principal
from app.search.criteria import (
    EVERYTHING,
    MAX_TIME,
    MIN_TIME,
    AllOf,
    AnyOf,
    Criterion,
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
)  # fmt: skip
from app.store.contract import Transaction
from app.store.sqlite import SqliteStore, open_store, search
from app.store.sqlite.residual import _DATE_TESTS
from app.store.sqlite.walk import _bounds_on_high, _bounds_on_low
from tests.contract.making import applied, content, deleting, saving, token


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = open_store(tmp_path / "weald.db")
    yield store
    store.close()


def rows(store: SqliteStore) -> list[tuple[str, int, int | None]]:
    """Value, start and stop of all rows of values."""
    return store._open().writer.execute("SELECT value, start, stop FROM entry ORDER BY value, start").fetchall()


# rows


def test_an_update_closes_and_opens_only_what_changed(store: SqliteStore) -> None:
    applied(store, saving("Patient", "alice", token("identifier", "urn:a", "1", "2"), n=1))
    applied(store, saving("Patient", "alice", token("identifier", "urn:a", "2", "3"), n=2))
    # the lowest and highest value change their row's mark, so that "2" is the highest first and the lowest then
    assert rows(store) == [("1", 1, 2), ("2", 1, 2), ("2", 2, None), ("3", 2, None)]
    applied(store, saving("Patient", "alice", token("identifier", "urn:a", "2", "3"), n=3))
    assert len(rows(store)) == 4
    applied(store, deleting("Patient", "alice"))
    assert [stop for _, _, stop in rows(store)] == [2, 2, 4, 4]


def test_rows_written_twice_in_one_commit_leave_no_trace_of_the_first(store: SqliteStore) -> None:
    applied(store, saving("Patient", "alice", token("gender", "", "a")))

    def change(tx: Transaction) -> None:
        for code in ("b", "c", "a", "d"):
            saving("Patient", "alice", token("gender", "", code), n=code)(tx)

    applied(store, change)
    assert rows(store) == [("a", 1, 2), ("d", 2, None)]


def test_entries_changed_without_a_version_and_then_with_one_in_one_commit(store: SqliteStore) -> None:
    applied(store, saving("Patient", "alice", token("gender", "", "a")))
    applied(
        store, saving("Patient", "alice", token("gender", "", "b")), saving("Patient", "alice", token("gender", "", "c"), n=1),
        saving("Patient", "bea"),
    )  # fmt: skip
    assert rows(store) == [("a", 1, 2), ("c", 2, None)]
    applied(store, saving("Patient", "alice", token("gender", "", "b"), n=1))
    assert rows(store)[-1] == ("c", 2, 3)


def test_a_string_shares_its_row_with_an_exact_form_that_lower_case_leads_to(store: SqliteStore) -> None:
    strings = (("name", "smith", "SMITH"), ("name", "smith", "Smith"), ("name", "oneill", "O'Neill"), ("uri", "urn:X", "urn:X"))
    applied(store, saving("Patient", "alice", Entries(strings=tuple(sorted(strings)))))
    held = store._open().writer.execute("SELECT value, exact FROM entry ORDER BY value").fetchall()
    assert held == [("O'Neill", None), ("Smith", None), ("oneill", None), ("smith", "SMITH"), ("urn:X", "urn:X")]


INSTANCES = tuple(f"1.2.840.{n:04d}" for n in range(500))


def test_a_study_of_many_instances_is_changed_and_found_by_each(store: SqliteStore) -> None:
    def study(instances: tuple[str, ...], **elements: object):
        entries = Entries(tokens=tuple(sorted([("instance", "", uid) for uid in instances] + [("status", "", "available")])), texts=(("reason", "fall"),))
        return saving("ImagingStudy", "ct", entries, **elements)

    applied(store, study(INSTANCES))
    applied(store, study((*INSTANCES[:-1], "9.9"), n=2))
    sizes = store._open().writer.execute("SELECT length(rows), length(more_rows) FROM resource").fetchone()
    assert sizes[0] < 300
    assert sizes[1] < 6000
    with store.snapshot(SYSTEM) as snapshot:
        for code, total in ((INSTANCES[250], 1), (INSTANCES[-1], 0), ("9.9", 1)):
            asked = TokenIs("instance", None, code)
            assert snapshot.search(Query("ImagingStudy", asked)).total == total
            late = AnyOf((asked, StringStarts("nothing", "x")))
            assert snapshot.search(Query("ImagingStudy", AllOf((TokenIs("status", "", "available"), late)))).total == total
            assert snapshot.search(Query("ImagingStudy", AllOf((TextStarts("reason", "f"), Not(Not(late)))), at=1)).total == (code in INSTANCES)
        ordered = Query("ImagingStudy", EVERYTHING, (SortKey("instance", descending=True),))
        assert snapshot.search(ordered).matches[0].version == 2
    assert len([1 for _, start, stop in rows(store) if (start, stop) == (1, None)]) == 499 + 2


def test_purging_is_led_by_an_index_of_what_ended(store: SqliteStore) -> None:
    for n in range(4):
        applied(store, saving("Patient", "alice", Entries(tokens=(("gender", "", str(n)),), dates=(("birthdate", n, n + 1),)), n=n))
    assert store.purge("2999-01-01T00:00:00Z") == 3 + 3 + 3
    assert rows(store) == [("3", 4, None)]
    statement = "SELECT slot FROM entry INDEXED BY entry_ended WHERE stop IS NOT NULL AND stop <= 3"
    assert "entry_ended" in store._open().writer.execute(f"EXPLAIN QUERY PLAN {statement}").fetchone()[3]


# plans

SCAN = re.compile(r"^SCAN (?!k\b|x$|\(subquery|json_each|CONSTANT)")
CRITERIA: dict[str, Criterion] = {
    "token": TokenIs("gender", "", "female"),
    "token of any system": TokenIs("gender", None, "female"),
    "system": TokenIs("gender", "", None),
    "any token": TokenIs("gender", None, None),
    "typed": TypedIdentifier("identifier", "urn:v2", "mr", "1"),
    "text": TextStarts("gender", "f"),
    "string": StringStarts("family", "s"),
    "exact": StringIs("family", "Smith"),
    "contains": StringHas("family", "mit"),
    **{f"date {prefix}": DateIs("birthdate", prefix, 0, 10) for prefix in ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "overlaps")},
    "last updated": DateIs("_lastUpdated", "ge", 0, 10),
    "reference": RefersTo("organization", ("Organization/1", "Organization/2")),
    "id": HasId(("a", "b")),
    "missing": Missing("gender", missing=True),
    "has": Missing("gender", missing=False),
    "not": Not(TokenIs("gender", None, "female")),
    "any": AnyOf((StringStarts("family", "s"), DateIs("birthdate", "gt", 0, 10))),
    "all": AllOf((StringStarts("family", "s"), StringIs("family", "Smith"), DateIs("birthdate", "ge", 0, 10), Not(TextStarts("gender", "x")))),
    "everything": EVERYTHING,
}
SORTS = {
    "commit": SortKey("_commit", descending=True), "id": SortKey("_id"), "date": SortKey("birthdate"), "date down": SortKey("birthdate", descending=True),
    "token": SortKey("gender"), "string": SortKey("family", descending=True), "reference": SortKey("organization"), "updated": SortKey("_lastUpdated"),
}  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    store = open_store(tmp_path_factory.mktemp("plans") / "weald.db")
    entries = Entries(
        tokens=(("gender", "", "female"), ("identifier", "urn:a", "1")), strings=(("family", "smith", "Smith"),), dates=(("birthdate", 0, 10),),
        references=(("organization", "Organization/1"),), typed=(("identifier", "urn:v2", "mr", "1"),), texts=(("gender", "f"),),
    )  # fmt: skip
    applied(store, *[saving("Patient", f"p{n}", entries) for n in range(20)])
    yield store
    store.close()


@pytest.mark.parametrize("principal", [SYSTEM, Principal("p", organisations=frozenset({"RTK", "RXC"}))], ids=["all", "some"])
@pytest.mark.parametrize("at", [None, 1], ids=["now", "then"])
@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("name", CRITERIA)
def test_no_table_is_read_whole(filled: SqliteStore, name: str, sort: str, at: int | None, principal: Principal) -> None:
    if at:
        applied(filled, saving("Patient", "later", n=filled.facts().commit))
    with filled.snapshot(principal) as snapshot:
        plan = snapshot.explain(Query("Patient", CRITERIA[name], (SORTS[sort],), at=at))
    assert plan
    assert [line for line in plan if SCAN.match(line)] == []


def test_the_scan_pattern_knows_a_scan() -> None:
    assert SCAN.match("SCAN e")
    assert SCAN.match("SCAN resource USING INDEX x")
    assert not SCAN.match("SEARCH e USING PRIMARY KEY (slot=?)")


# walks by date

times = st.integers(-50, 50)
ranges = st.lists(st.tuples(times, st.integers(1, 30)).map(lambda pair: (pair[0], pair[0] + pair[1])), min_size=1, max_size=12)


@given(st.sampled_from(sorted(_DATE_TESTS)), times, st.integers(1, 40), ranges)
def test_every_range_that_meets_a_criterion_is_within_the_bounds_of_its_walk(prefix, low, width, held) -> None:
    asked, longest = DateIs("started", prefix, low, low + width), max(d - c for c, d in held)
    compare = {"<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__}
    for c, d in held:
        if _DATE_TESTS[prefix](low, low + width, c, d):
            assert all(compare[sign](d, at) for sign, at in _bounds_on_high(asked, longest))
            assert all(compare[sign](c, at) for sign, at in _bounds_on_low(asked, longest))


@pytest.mark.parametrize("prefix", sorted(_DATE_TESTS))
def test_a_range_without_end_sets_no_bound_that_could_lose_it(prefix: str) -> None:
    asked = DateIs("started", prefix, 10, 20)
    for bounds in (_bounds_on_high(asked, MAX_TIME), _bounds_on_low(asked, MAX_TIME)):
        assert all(abs(at) >= MAX_TIME or at in (10, 20) for _, at in bounds)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(times, st.integers(1, 30)), min_size=1, max_size=10), st.lists(st.tuples(times, st.integers(1, 40)), min_size=1, max_size=3))
def test_a_walk_bounded_by_the_dates_it_walks_finds_all(tmp_path_factory, held, asked) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "FEW", -1)
        patch.setattr(search, "SOME", -1)
        store = open_store(tmp_path_factory.mktemp("bound") / "weald.db")
        applied(store, *[saving("ImagingStudy", f"s{n}", Entries(dates=(("started", c, c + width),))) for n, (c, width) in enumerate(held)])
        with store.snapshot(SYSTEM) as snapshot:
            for low, width in asked:
                for prefix, test in _DATE_TESTS.items():
                    expected = sorted(f"s{n}" for n, (c, wide) in enumerate(held) if test(low, low + width, c, c + wide))
                    for descending in (False, True):
                        query = Query("ImagingStudy", DateIs("started", prefix, low, low + width), (SortKey("started", descending=descending),))
                        assert sorted(match.id for match in snapshot.search(query).matches) == expected
        store.close()


def test_a_slot_of_dates_tells_its_longest_range_and_whether_a_resource_has_several(store: SqliteStore) -> None:
    def spans() -> list[tuple[int, int]]:
        return store._open().writer.execute("SELECT longest, several FROM slot WHERE kind = 7 ORDER BY id").fetchall()

    applied(store, saving("Patient", "a", Entries(dates=(("birthdate", 0, 10),))))
    applied(store, saving("Patient", "b", Entries(dates=(("birthdate", 0, 5),))))
    assert spans() == [(10, 0), (1000, 0)]
    applied(store, saving("Patient", "c", Entries(dates=(("birthdate", 0, 20), ("birthdate", 1, 3)))))
    applied(store, saving("Patient", "d", Entries(dates=(("birthdate", MIN_TIME, MAX_TIME),))))
    assert spans() == [(MAX_TIME, 1), (1000, 0)]


# counts


def test_counting_all_but_some_takes_the_some_from_all(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    applied(store, *[saving("Patient", f"p{n}", token("_tag", "urn:class", "golden" if n % 3 else "source")) for n in range(9)], deleting("Patient", "p0"))
    query = Query("Patient", Not(TokenIs("_tag", "urn:class", "golden")), count=1)
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.search(query).total == 2
        assert not any("lifetime" in line for line in snapshot.explain(query)[:3])


def test_a_summary_is_read_without_the_body(store: SqliteStore) -> None:
    full, short = content("ImagingStudy", "ct", series=["x" * 5000]), content("ImagingStudy", "ct")
    applied(store, lambda tx: tx.save("ImagingStudy", "ct", full, Entries(), custodian=None, summary=short))
    with store.snapshot(SYSTEM) as snapshot:
        [match] = snapshot.search(Query("ImagingStudy", EVERYTHING, summary=True)).matches
    assert (match.body, match.summary) == (b"", short.stamped(1, match.last_updated))
