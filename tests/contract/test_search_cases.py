"""Searches by name: what each criterion means, order, pages under concurrent writes, earlier commits, purging."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.errors import PageExpired, PageForged
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
from app.store.contract import Hits, Store, Transaction
from tests.contract.conftest import Clock
from tests.contract.making import applied, content, deleting, saving, token

DAY = 86_400_000_000
ALICE = Entries(
    tokens=(("gender", "", "female"), ("identifier", "urn:mrn", "a1"), ("identifier", "urn:nhs", "9434765919")),
    strings=(("family", "oneill", "O'Neill"), ("given", "alice", "Alice"), ("given", "mary ann", "Mary-Ann")),
    dates=(("birthdate", 100 * DAY, 101 * DAY),),
    references=(("organization", "Organization/rtk"),),
    typed=(("identifier", "urn:v2", "mr", "a1"), ("identifier", "urn:v2", "nh", "9434765919")),
    texts=(("identifier", "hospital number"),),
)
ANNA = replace(ALICE, tokens=(("gender", "", "female"), ("identifier", "urn:mrn", "a2")), strings=(("family", "oneill", "O'Neill"), ("given", "anna", "Anna")), typed=(), texts=())
BEA = Entries(
    tokens=(("gender", "", "other"), ("identifier", "", "a1")), strings=(("family", "brown", "Brown"), ("family", "smith", "smith")),
    dates=(("birthdate", 0, 365 * DAY),),
)  # fmt: skip
BARE = Entries()


@pytest.fixture
def people(store: Store) -> Store:
    applied(store, saving("Patient", "alice", ALICE), saving("Patient", "anna", ANNA), saving("Patient", "bea", BEA), saving("Patient", "bare", BARE))
    applied(store, saving("ImagingStudy", "ct", ALICE), saving("Patient", "gone", ALICE), deleting("Patient", "gone"))
    return store


def ids(hits: Hits) -> str:
    return " ".join(match.id for match in hits.matches)


def search(store: Store, criterion: Criterion, *sort: SortKey, principal: Principal = SYSTEM, **asked: object) -> Hits:
    with store.snapshot(principal) as snapshot:
        return snapshot.search(Query("Patient", criterion, sort or (SortKey("_id"),), **asked))


IDENTIFIER_OF_ALICE = TokenIs("identifier", "urn:nhs", "9434765919")
CASES: list[tuple[Criterion, str]] = [
    (EVERYTHING, "alice anna bare bea"),
    (IDENTIFIER_OF_ALICE, "alice"),
    (TokenIs("identifier", None, "a1"), "alice bea"),
    (TokenIs("identifier", "", "a1"), "bea"),
    (TokenIs("identifier", "urn:mrn", None), "alice anna"),
    (TokenIs("identifier", None, None), "alice anna bea"),
    (TokenIs("identifier", "urn:other", "a1"), ""),
    (TokenIs("nobody-has-it", None, "a1"), ""),
    (TypedIdentifier("identifier", "urn:v2", "mr", "a1"), "alice"),
    (TypedIdentifier("identifier", "urn:v2", "nh", "a1"), ""),
    (TextStarts("identifier", "hosp"), "alice"),
    (TextStarts("identifier", "number"), ""),
    (StringStarts("family", "one"), "alice anna"),
    (StringStarts("given", "mary"), "alice"),
    (StringStarts("given", "ann"), "anna"),
    (StringIs("family", "O'Neill"), "alice anna"),
    (StringIs("family", "o'neill"), ""),
    (StringIs("family", "smith"), "bea"),
    (StringIs("family", "Smith"), ""),
    (StringHas("given", "ann"), "alice anna"),
    (RefersTo("organization", ("Organization/rtk", "Organization/x")), "alice anna"),
    (RefersTo("organization", ("Organization/x",)), ""),
    (RefersTo("organization", ()), ""),
    (HasId(("bea", "alice", "gone", "nobody")), "alice bea"),
    (HasId(()), ""),
    (Missing("birthdate", missing=True), "bare"),
    (Missing("birthdate", missing=False), "alice anna bea"),
    (Missing("nobody-has-it", missing=True), "alice anna bare bea"),
    (Missing("nobody-has-it", missing=False), ""),
    (Not(TokenIs("gender", None, "female")), "bare bea"),
    (Not(Missing("gender", missing=True)), "alice anna bea"),
    (Not(EVERYTHING), ""),
    (AnyOf((IDENTIFIER_OF_ALICE, StringStarts("family", "smi"))), "alice bea"),
    (AnyOf((IDENTIFIER_OF_ALICE, Not(TokenIs("gender", None, "female")))), "alice bare bea"),
    (AnyOf(()), ""),
    (AllOf((TokenIs("gender", None, "female"), Not(IDENTIFIER_OF_ALICE))), "anna"),
    (AllOf((StringStarts("family", "one"), StringStarts("given", "al"), DateIs("birthdate", "eq", 100 * DAY, 101 * DAY))), "alice"),
    (AllOf((AnyOf((StringHas("given", "li"), HasId(("bea",)))), Not(StringStarts("family", "smi")))), "alice"),
]


@pytest.mark.parametrize(("criterion", "expected"), CASES, ids=str)
def test_a_criterion_finds_what_it_means(people: Store, criterion: Criterion, expected: str) -> None:
    hits = search(people, criterion)
    assert (ids(hits), hits.total, hits.after) == (expected, len(expected.split()), None)


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("eq", "same inside"), ("ne", "before after over wide"), ("gt", "after over wide"), ("lt", "before wide"), ("ge", "same inside after over wide"),
        ("le", "before same inside wide"), ("sa", "after"), ("eb", "before"), ("overlaps", "same inside over wide"),
    ],
)  # fmt: skip
def test_a_date_prefix_compares_ranges(store: Store, prefix: str, expected: str) -> None:
    ranges = {"before": (0, 10), "same": (10, 20), "inside": (12, 15), "after": (20, 30), "over": (15, 25), "wide": (0, 40)}
    applied(store, *[saving("Patient", id, Entries(dates=(("birthdate", *pair),))) for id, pair in ranges.items()], saving("Patient", "none"))
    assert sorted(ids(search(store, DateIs("birthdate", prefix, 10, 20))).split()) == sorted(expected.split())


def test_an_open_side_of_a_period_is_infinite(store: Store) -> None:
    applied(store, saving("Patient", "since", Entries(dates=(("period", 10, MAX_TIME),))), saving("Patient", "until", Entries(dates=(("period", MIN_TIME, 10),))))
    assert ids(search(store, DateIs("period", "gt", 10**15, 10**15 + 1))) == "since"
    assert ids(search(store, DateIs("period", "lt", -(10**15), 0))) == "until"
    assert ids(search(store, EVERYTHING, SortKey("period", descending=True))) == "since until"
    assert ids(search(store, EVERYTHING, SortKey("period"))) == "until since"
    assert ids(search(store, DateIs("period", "ge", 10**15, 10**15 + 1), SortKey("period"))) == "since"


def test_last_updated_is_the_stores_own_date(store: Store, clock: Clock) -> None:
    for id in ("a", "b", "c"):
        applied(store, saving("Patient", id))
        clock.forward(1000)
    noon = 1_767_268_800_000_000
    assert ids(search(store, DateIs("_lastUpdated", "eq", noon + 1_000_000, noon + 2_000_000))) == "b"
    assert ids(search(store, DateIs("_lastUpdated", "gt", noon, noon + 1000))) == "b c"
    assert ids(search(store, EVERYTHING, SortKey("_lastUpdated", descending=True))) == "c b a"
    applied(store, saving("Patient", "a", n=1))
    assert ids(search(store, DateIs("_lastUpdated", "lt", noon + 1_000_000, noon + 2_000_000))) == ""
    assert ids(search(store, EVERYTHING, SortKey("_lastUpdated"))) == "b c a"


def test_a_thousand_alternatives_are_answered(store: Store) -> None:
    applied(store, *[saving("Patient", f"p{n:04d}", token("identifier", f"urn:{n % 3}", str(n))) for n in range(40)])
    tokens = AnyOf(tuple(TokenIs("identifier", f"urn:{n % 3}", str(n)) for n in range(10, 1010)))
    assert search(store, tokens).total == 30
    assert search(store, AllOf((EVERYTHING, Not(tokens)))).total == 10
    assert search(store, AnyOf(tuple(StringStarts("family", str(n)) for n in range(1000)))).total == 0
    assert search(store, RefersTo("link", tuple(f"Patient/{n}" for n in range(1000)))).total == 0


# order


def test_rows_lacking_the_value_come_last_in_both_directions(people: Store) -> None:
    assert ids(search(people, EVERYTHING, SortKey("birthdate"))) == "bea alice anna bare"
    assert ids(search(people, EVERYTHING, SortKey("birthdate", descending=True))) == "bea alice anna bare"
    assert ids(search(people, EVERYTHING, SortKey("gender", descending=True))) == "bea alice anna bare"


def test_several_values_count_as_the_lowest_up_and_the_highest_down(people: Store) -> None:
    assert ids(search(people, EVERYTHING, SortKey("family"))) == "bea alice anna bare"
    assert ids(search(people, EVERYTHING, SortKey("family", descending=True))) == "bea alice anna bare"
    assert ids(search(people, EVERYTHING, SortKey("given"))) == "alice anna bare bea"
    assert ids(search(people, EVERYTHING, SortKey("given", descending=True))) == "alice anna bare bea"


def test_keys_decide_one_after_another_and_then_the_id(people: Store) -> None:
    assert ids(search(people, EVERYTHING, SortKey("family", descending=True), SortKey("given", descending=True))) == "bea alice anna bare"
    assert ids(search(people, EVERYTHING, SortKey("gender"), SortKey("_id", descending=True))) == "anna alice bea bare"


def test_the_newest_commit_comes_first_by_default(people: Store) -> None:
    applied(people, saving("Patient", "anna", ANNA, n=1))
    with people.snapshot(SYSTEM) as snapshot:
        assert ids(snapshot.search(Query("Patient", EVERYTHING))) == "anna alice bare bea"


# pages


def pages(store: Store, query: Query, between: Iterator[object]) -> Iterator[Hits]:
    """Each page of the walk that the first one pins; something is written between any two."""
    while True:
        with store.snapshot(SYSTEM) as snapshot:
            hits = snapshot.search(query)
        yield hits
        if hits.after is None:
            return
        next(between, None)
        query = replace(query, after=hits.after, at=hits.commit)


SORTS = [
    (SortKey("_commit", descending=True),), (SortKey("birthdate"),), (SortKey("birthdate", descending=True),), (SortKey("gender"), SortKey("family")),
    (SortKey("family", descending=True), SortKey("_lastUpdated")), (SortKey("_id"),), (SortKey("nobody-has-it"),), (SortKey("_lastUpdated"),),
]  # fmt: skip


def populate(store: Store, number: int) -> None:
    for n in range(number):
        entries = Entries(
            tokens=(("gender", "", ("female", "male")[n % 2]),) if n % 5 else (), strings=(("family", f"f{n % 4}", f"F{n % 4}"),) if n % 3 else (),
            dates=(("birthdate", n % 6 * DAY, (n % 6 + 1) * DAY),) if n % 4 else (),
        )  # fmt: skip
        applied(store, saving("Patient", f"p{n * 7 % number:02d}", entries))


@pytest.mark.parametrize("sort", SORTS, ids=str)
@pytest.mark.parametrize("size", [1, 3])
def test_a_walk_under_concurrent_writes_loses_and_repeats_nothing(store: Store, sort: tuple[SortKey, ...], size: int) -> None:
    populate(store, 17)
    with store.snapshot(SYSTEM) as snapshot:
        whole = ids(snapshot.search(Query("Patient", EVERYTHING, sort, count=100))).split()

    def writes() -> Iterator[None]:
        for n in range(100):
            moved = Entries(tokens=(("gender", "", "other"),), strings=(("family", "a", "A"),), dates=(("birthdate", -n * DAY, DAY),))
            applied(store, saving("Patient", f"p{n % 17:02d}", moved, n=n), saving("Patient", f"new{n}", moved))
            yield

    walked = [match.id for page in pages(store, Query("Patient", EVERYTHING, sort, count=size), writes()) for match in page.matches]
    assert walked == whole


def test_a_page_of_an_earlier_commit_has_the_versions_of_then(store: Store) -> None:
    applied(store, saving("Patient", "alice", token("gender", "", "female"), n=1), saving("Patient", "bea", token("gender", "", "female"), n=1))
    [first, second] = list(pages(store, Query("Patient", TokenIs("gender", None, "female"), (SortKey("_id"),), count=1), iter(())))
    applied(store, saving("Patient", "bea", token("gender", "", "other"), n=2))
    again = search(store, TokenIs("gender", None, "female"), count=1, after=first.after, at=first.commit)
    assert again.matches == second.matches
    assert (again.matches[0].version, again.total) == (1, 2)
    assert search(store, TokenIs("gender", None, "other"), at=first.commit).total == 0
    assert ids(search(store, TokenIs("gender", None, "female"))) == "alice"


def test_resources_deleted_or_hidden_since_are_left_out_of_later_pages(store: Store) -> None:
    applied(store, *[saving("Patient", id, token("gender", "", "x")) for id in "abcd"])
    rtk = Principal("rtk", organisations=frozenset({"RTK"}))
    first = search(store, EVERYTHING, count=1, principal=rtk)
    applied(store, deleting("Patient", "b"), saving("Patient", "c", token("gender", "", "x"), custodian="RXC"))
    assert ids(search(store, EVERYTHING, count=9, principal=rtk, after=first.after, at=first.commit)) == "d"
    assert ids(search(store, TokenIs("gender", None, "x"), SortKey("gender"), count=9, principal=rtk, at=first.commit)) == "a d"


def test_a_place_that_does_not_fit_the_sort_is_refused(people: Store) -> None:
    with pytest.raises(PageForged):
        search(people, EVERYTHING, SortKey("_id"), after=("x",))


def test_the_total_is_told_when_asked(people: Store) -> None:
    assert search(people, EVERYTHING, count=1, total=False).total is None
    hits = search(people, EVERYTHING, count=1)
    assert (hits.total, hits.commit) == (4, people.facts().commit)


def test_a_page_of_nothing_still_counts(people: Store) -> None:
    hits = search(people, EVERYTHING, count=0)
    assert (hits.matches, hits.total) == ((), 4)


def test_a_page_beyond_the_last_row_is_empty(people: Store) -> None:
    hits = search(people, EVERYTHING, after=("zzz", "zzz"))
    assert (hits.matches, hits.after) == ((), None)


# forms


def test_a_summary_is_kept_beside_the_whole(store: Store) -> None:
    full, short = content("ImagingStudy", "ct", series=[{"uid": str(n)} for n in range(500)]), content("ImagingStudy", "ct", numberOfSeries=500)

    def change(tx: Transaction) -> object:
        return tx.save("ImagingStudy", "ct", full, Entries(), custodian="RTK", summary=short)

    [(stored, _)] = applied(store, change)
    assert stored.summary == short.stamped(1, stored.last_updated)
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.resource("ImagingStudy", "ct") == stored
        assert snapshot.search(Query("ImagingStudy", EVERYTHING)).matches == (stored,)
        [match] = snapshot.search(Query("ImagingStudy", EVERYTHING, summary=True)).matches
        assert (match.summary, match.version) == (stored.summary, 1)
    [(_, new)] = applied(store, change)
    assert not new


def test_without_a_kept_summary_the_body_comes(people: Store) -> None:
    for match in search(people, EVERYTHING, summary=True).matches:
        assert match.body.startswith(b'{"resourceType":"Patient"')


# custodians


@pytest.mark.parametrize("criterion", [EVERYTHING, TokenIs("gender", None, "x"), Missing("family", missing=True), Not(HasId(("none",)))], ids=str)
@pytest.mark.parametrize("sort", [(SortKey("_commit", descending=True),), (SortKey("gender"),), (SortKey("family"),)], ids=str)
def test_hits_and_totals_leave_out_what_may_not_be_seen(store: Store, criterion: Criterion, sort: tuple[SortKey, ...]) -> None:
    for id, custodian in (("a", "RTK"), ("b", "RXC"), ("c", None)):
        applied(store, saving("Patient", id, token("gender", "", "x"), custodian=custodian))
    for organisations, seen in ((None, "abc"), ({"RTK"}, "ac"), ({"RTK", "RXC"}, "abc"), (set(), "c")):
        principal = Principal("p", organisations=None if organisations is None else frozenset(organisations))
        hits = search(store, criterion, *sort, principal=principal)
        assert (sorted(match.id for match in hits.matches), hits.total) == (list(seen), len(seen))


def test_a_page_of_an_earlier_commit_goes_by_the_entries_of_then(store: Store) -> None:
    applied(store, saving("Patient", "alice", token("gender", "", "female")), saving("Patient", "bea", token("gender", "", "male")))
    first = search(store, EVERYTHING, SortKey("gender"), count=1)
    applied(store, saving("Patient", "bea"), saving("Patient", "alice", token("gender", "", "other")))
    applied(store, saving("Patient", "bea", token("gender", "", "aaa")), saving("Patient", "alice", n=2))
    applied(store, saving("Patient", "alice", token("gender", "", "zzz"), n=2))
    assert ids(search(store, EVERYTHING, SortKey("gender"), count=9, after=first.after, at=first.commit)) == "bea"
    assert ids(search(store, EVERYTHING, SortKey("gender"), at=first.commit)) == "alice bea"
    assert ids(search(store, TokenIs("gender", None, "female"), SortKey("gender"), at=first.commit)) == "alice"
    assert ids(search(store, Missing("gender", missing=True), at=first.commit)) == ""
    assert ids(search(store, EVERYTHING, SortKey("gender"))) == "bea alice"


# purging


def test_purging_drops_what_ended_and_no_more(store: Store, clock: Clock) -> None:
    applied(store, saving("Patient", "alice", token("gender", "", "female"), n=1))
    clock.forward(10_000)
    applied(store, saving("Patient", "alice", token("gender", "", "male"), n=2))
    clock.forward(10_000)
    applied(store, saving("Patient", "alice", token("gender", "", "other"), n=3))
    assert search(store, TokenIs("gender", None, "female"), at=1).total == 1
    assert store.purge("2026-01-01T12:00:15.000Z") > 0
    assert store.purge("2026-01-01T12:00:15.000Z") == 0
    assert search(store, TokenIs("gender", None, "male"), at=2).total == 1
    assert search(store, TokenIs("gender", None, "other")).total == 1
    with pytest.raises(PageExpired):
        search(store, TokenIs("gender", None, "female"), at=1)
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.version("Patient", "alice", 1).version == 1
        assert len(snapshot.history("Patient", "alice")) == 3


# plans


@pytest.mark.parametrize("criterion", [case for case, _ in CASES], ids=str)
def test_every_criterion_has_a_plan(people: Store, criterion: Criterion) -> None:
    for sort in SORTS:
        with people.snapshot(SYSTEM) as snapshot:
            assert all(isinstance(line, str) for line in snapshot.explain(Query("Patient", criterion, sort)))
