"""Resources: versions, deletions, history, and who sees them."""

from __future__ import annotations

import orjson
import pytest

from app.principal import SYSTEM, Principal
from app.search.criteria import EVERYTHING, NO_ENTRIES, Criterion, Query, SortKey, TokenIs
from app.store.contract import Store, StoredResource, Transaction
from tests.contract.conftest import Clock
from tests.contract.making import applied, content, deleting, saving, token

RTK = Principal("rtk", organisations=frozenset({"RTK"}))
CHARLIE = Principal("charlie")


def read(store: Store, type: str, id: str, principal: Principal = SYSTEM) -> StoredResource | None:
    with store.snapshot(principal) as snapshot:
        return snapshot.resource(type, id)


def histories(store: Store, *given: str, principal: Principal = SYSTEM, **asked: object) -> list[tuple[str, str, int, bool]]:
    with store.snapshot(principal) as snapshot:
        return [(v.type, v.id, v.version, v.deleted) for v in snapshot.history(*given, **asked)]


def found(store: Store, code: str) -> list[str]:
    with store.snapshot(SYSTEM) as snapshot:
        return [match.id for match in snapshot.search(Query("Patient", TokenIs("gender", None, code))).matches]


def test_a_first_version_is_stamped_with_its_number_and_instant(store: Store) -> None:
    [(stored, new)] = applied(store, saving("Patient", "alice", gender="female"))
    assert new
    assert (stored.type, stored.id, stored.version, stored.deleted, stored.custodian, stored.commit) == ("Patient", "alice", 1, False, "RTK", 1)
    assert orjson.loads(stored.body) == {
        "resourceType": "Patient", "id": "alice", "meta": {"versionId": "1", "lastUpdated": "2026-01-01T12:00:00.000Z"}, "gender": "female",
    }  # fmt: skip
    assert stored.last_updated == "2026-01-01T12:00:00.000Z"
    assert read(store, "Patient", "alice") == stored


def test_an_unknown_resource_is_none(store: Store) -> None:
    assert read(store, "Patient", "nobody") is None
    applied(store, saving("Patient", "alice"))
    assert read(store, "Patient", "nobody") is None
    assert read(store, "ImagingStudy", "alice") is None


def test_a_large_body_comes_back_byte_for_byte(store: Store) -> None:
    [(stored, _)] = applied(store, saving("ImagingStudy", "s", series=[{"uid": f"1.2.{n}", "text": "é" * 50} for n in range(3000)]))
    assert len(stored.body) > 200_000
    again = read(store, "ImagingStudy", "s")
    assert again == stored
    assert again.body == stored.body


def test_equal_content_makes_no_version(store: Store, clock: Clock) -> None:
    [(first, _)] = applied(store, saving("Patient", "alice", token("gender", "", "female"), gender="female"))
    clock.forward(1000)
    [(again, new)] = applied(store, saving("Patient", "alice", token("gender", "", "female"), gender="female"))
    assert (again, new) == (first, False)
    assert histories(store, "Patient", "alice") == [("Patient", "alice", 1, False)]


def test_equal_content_with_other_entries_is_found_by_them(store: Store) -> None:
    applied(store, saving("Patient", "alice", token("gender", "", "female")))
    [(stored, new)] = applied(store, saving("Patient", "alice", token("gender", "", "other")))
    assert (stored.version, new) == (1, False)
    assert (found(store, "other"), found(store, "female")) == (["alice"], [])


def test_equal_content_under_another_custodian_is_seen_by_that_one(store: Store) -> None:
    applied(store, saving("Patient", "alice", custodian="RXC"))
    [(stored, new)] = applied(store, saving("Patient", "alice", custodian="RTK"))
    assert (stored.custodian, stored.version, new) == ("RTK", 1, False)
    assert read(store, "Patient", "alice", RTK) == stored


def test_the_store_never_mistakes_where_head_ends_and_tail_begins(store: Store) -> None:
    one, other = content("Patient", "alice", a=1), content("Patient", "alice", a=2)
    moved = type(one)(one.head + b'"tag":[],', b"}" + one.tail[1:])
    results = applied(store, *[lambda tx, c=c: tx.save("Patient", "alice", c, NO_ENTRIES, custodian=None) for c in (one, other, moved)])
    assert [new for _, new in results] == [True, True, True]


def test_every_version_stays_readable(store: Store) -> None:
    versions = [applied(store, saving("Patient", "alice", n=n))[0][0] for n in range(4)]
    with store.snapshot(SYSTEM) as snapshot:
        assert [snapshot.version("Patient", "alice", n) for n in (1, 2, 3, 4)] == versions
        assert snapshot.version("Patient", "alice", 5) is None
        assert snapshot.version("Patient", "alice", 0) is None
        assert snapshot.version("Patient", "nobody", 1) is None


def test_a_deletion_is_a_version(store: Store) -> None:
    applied(store, saving("Patient", "alice", token("gender", "", "female")))
    [deletion] = applied(store, deleting("Patient", "alice"))
    assert (deletion.version, deletion.deleted, deletion.body, deletion.custodian) == (2, True, b"", "RTK")
    assert read(store, "Patient", "alice") == deletion
    assert found(store, "female") == []
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.version("Patient", "alice", 1).deleted is False


def test_there_is_nothing_to_delete_twice_or_unknown(store: Store) -> None:
    applied(store, saving("Patient", "alice"), deleting("Patient", "alice"))
    assert applied(store, deleting("Patient", "alice"), deleting("Patient", "nobody")) == [None, None]
    assert read(store, "Patient", "alice").version == 2


def test_a_deleted_resource_is_revived_by_equal_content_as_a_new_version(store: Store) -> None:
    save = saving("Patient", "alice", token("gender", "", "female"))
    applied(store, save, deleting("Patient", "alice"))
    [(stored, new)] = applied(store, save)
    assert (stored.version, stored.deleted, new) == (3, False, True)
    assert found(store, "female") == ["alice"]


def test_a_change_that_writes_a_resource_twice_makes_one_version(store: Store) -> None:
    def change(tx: Transaction) -> tuple[int, int]:
        first, _ = tx.save("Patient", "alice", content("Patient", "alice", n=1), token("gender", "", "male"), custodian="RTK")
        second, _ = tx.save("Patient", "alice", content("Patient", "alice", n=2), token("gender", "", "female"), custodian="RTK")
        return first.version, second.version

    applied(store, saving("Patient", "alice", token("gender", "", "other")))
    assert applied(store, change) == [(2, 2)]
    assert histories(store, "Patient", "alice") == [("Patient", "alice", 2, False), ("Patient", "alice", 1, False)]
    assert [found(store, code) for code in ("other", "male", "female")] == [[], [], ["alice"]]


def test_a_change_that_creates_and_deletes_leaves_a_deletion(store: Store) -> None:
    applied(store, lambda tx: (saving("Patient", "alice")(tx), tx.delete("Patient", "alice")))
    assert histories(store) == [("Patient", "alice", 1, True)]


def test_two_changes_of_a_group_make_two_versions_in_two_commits(store: Store) -> None:
    results = applied(store, *[saving("Patient", "alice", token("gender", "", f"g{n}"), n=n) for n in range(3)])
    assert [(stored.version, stored.commit) for stored, _ in results] == [(1, 1), (2, 2), (3, 3)]
    assert len({stored.last_updated for stored, _ in results}) == 3
    assert (found(store, "g2"), found(store, "g1")) == (["alice"], [])


def test_several_are_read_at_once_by_id(store: Store) -> None:
    applied(store, saving("Patient", "a"), saving("Patient", "b"), saving("Patient", "c", custodian="RXC"), deleting("Patient", "b"))
    with store.snapshot(SYSTEM) as snapshot:
        several = snapshot.resources("Patient", ["c", "a", "b", "nobody"])
        assert {id: stored.deleted for id, stored in several.items()} == {"a": False, "b": True, "c": False}
        assert several["a"] == snapshot.resource("Patient", "a")
        assert snapshot.resources("Patient", []) == {}
    with store.snapshot(RTK) as snapshot:
        assert sorted(snapshot.resources("Patient", ["a", "b", "c"])) == ["a", "b"]


# history


@pytest.fixture
def storied(store: Store, clock: Clock) -> Store:
    """Five commits, a second apart from 12:00:00: two creations, an update, a deletion, and one of another custodian."""
    for change in (
        saving("Patient", "alice", n=1), saving("ImagingStudy", "ct"), saving("Patient", "alice", n=2), deleting("ImagingStudy", "ct"),
        saving("Patient", "anna", custodian="RXC"),
    ):  # fmt: skip
        applied(store, change)
        clock.forward(1000)
    return store


def test_history_is_newest_first_of_one_of_a_type_and_of_all(storied: Store) -> None:
    alice = [("Patient", "alice", 2, False), ("Patient", "alice", 1, False)]
    study = [("ImagingStudy", "ct", 2, True), ("ImagingStudy", "ct", 1, False)]
    anna = ("Patient", "anna", 1, False)
    assert histories(storied, "Patient", "alice") == alice
    assert histories(storied, "Patient") == [anna, *alice]
    assert histories(storied) == [anna, study[0], alice[0], study[1], alice[1]]
    assert histories(storied, "Patient", "nobody") == []
    assert histories(storied, "Endpoint") == []


def test_history_since_an_instant_has_the_versions_from_it_on(storied: Store) -> None:
    assert histories(storied, since="2026-01-01T12:00:03.000Z") == [("Patient", "anna", 1, False), ("ImagingStudy", "ct", 2, True)]
    assert histories(storied, since="2026-01-01T12:00:03.001Z") == [("Patient", "anna", 1, False)]
    assert histories(storied, since="2026-01-01T13:00:03.500+01:00") == [("Patient", "anna", 1, False)]
    assert histories(storied, since="2027-01-01T00:00:00Z") == []


def test_history_at_an_instant_has_the_versions_current_then(storied: Store) -> None:
    assert histories(storied, at="2026-01-01T12:00:01.500Z") == [("ImagingStudy", "ct", 1, False), ("Patient", "alice", 1, False)]
    assert histories(storied, at="2026-01-01T12:00:03Z") == [("ImagingStudy", "ct", 2, True), ("Patient", "alice", 2, False)]
    assert histories(storied, at="2025-01-01T00:00:00Z") == []


def test_history_pages_resume_beyond_a_version(storied: Store) -> None:
    walked: list[StoredResource] = []
    with storied.snapshot(SYSTEM) as snapshot:
        while page := snapshot.history(limit=2, after=(walked[-1].commit, walked[-1].type, walked[-1].id) if walked else None):
            walked += page
        assert walked == snapshot.history()
    assert len(walked) == 5


def test_versions_of_one_commit_go_by_type_then_id_downwards(store: Store) -> None:
    applied(store, saving("Patient", "b"), saving("Endpoint", "x"), saving("Patient", "a"), saving("Patient", "c"))
    expected = [("Patient", "c"), ("Patient", "b"), ("Patient", "a"), ("Endpoint", "x")]
    assert [(type, id) for type, id, _, _ in histories(store)] == expected
    assert [(type, id) for type, id, _, _ in histories(store, after=(1, "Patient", "b"))] == expected[2:]


# who sees what


def test_what_a_principal_may_not_see_is_not_there(store: Store) -> None:
    applied(store, saving("Patient", "alice", n=1), saving("Patient", "anna", custodian="RXC"), saving("Endpoint", "e", custodian=None))
    for principal, seen in ((SYSTEM, "alice anna e"), (RTK, "alice e"), (CHARLIE, "e")):
        assert " ".join(sorted(id for _, id, _, _ in histories(store, principal=principal))) == seen
        ids = [id for type, id in (("Patient", "alice"), ("Patient", "anna"), ("Endpoint", "e")) if read(store, type, id, principal)]
        assert " ".join(ids) == seen
    with store.snapshot(RTK) as snapshot:
        assert snapshot.version("Patient", "anna", 1) is None
        assert snapshot.history("Patient", "anna") == []


RXC = Principal("rxc", organisations=frozenset({"RXC"}))
BOTH = Principal("both", organisations=frozenset({"RTK", "RXC", "RYR"}))


def seen_versions(store: Store, principal: Principal) -> list[int]:
    """The versions of Alice that the history shows, each of which can be read alone while the others cannot."""
    with store.snapshot(principal) as snapshot:
        versions = [version for version in range(1, 9) if snapshot.version("Patient", "alice", version)]
        histories = [snapshot.history("Patient", "alice"), snapshot.history("Patient"), snapshot.history()]
    assert [[one.version for one in history] for history in histories] == [versions[::-1]] * 3
    return versions


def test_each_version_is_judged_by_its_own_custodian(store: Store) -> None:
    for n, custodian in enumerate(("RXC", "RTK+RXC", None, "RTK")):
        applied(store, saving("Patient", "alice", n=n, custodian=custodian))
    assert [seen_versions(store, one) for one in (SYSTEM, BOTH, RTK, RXC, CHARLIE)] == [[1, 2, 3, 4], [1, 2, 3, 4], [3, 4], [1, 3], [3]]
    assert [read(store, "Patient", "alice", one) is not None for one in (SYSTEM, BOTH, RTK, RXC, CHARLIE)] == [True, True, True, False, False]


def test_a_new_custodian_of_equal_content_is_that_of_the_newest_version_alone(store: Store) -> None:
    for n, custodian in ((1, "RXC"), (2, "RXC"), (2, "RTK")):
        applied(store, saving("Patient", "alice", n=n, custodian=custodian))
    assert [seen_versions(store, one) for one in (BOTH, RTK, RXC)] == [[1, 2], [2], [1]]


def test_what_two_keep_together_is_seen_by_who_sees_both(store: Store) -> None:
    together = token("gender", "", "x")
    applied(store, saving("Patient", "alice", together, custodian="RTK+RXC"), saving("Patient", "anna", together, custodian="RTK+RXC+RYR"))
    expected = ((SYSTEM, ["alice", "anna"]), (BOTH, ["alice", "anna"]), (RTK, []), (RXC, []), (Principal("two", organisations=frozenset({"RTK", "RXC"})), ["alice"]))
    for principal, ids in expected:
        with store.snapshot(principal) as snapshot:
            hits = snapshot.search(Query("Patient", TokenIs("gender", None, "x"), sort=(SortKey("_id"),)))
            assert ([one.id for one in hits.matches], hits.total) == (ids, len(ids))
            assert sorted(snapshot.resources("Patient", ("alice", "anna"))) == ids


@pytest.mark.parametrize("criterion", [EVERYTHING, TokenIs("gender", None, "x")], ids=["walked", "looked up"])
def test_a_walk_of_the_past_shows_no_version_that_was_hidden_then_or_is_hidden_now(store: Store, criterion: Criterion) -> None:
    x = token("gender", "", "x")
    applied(store, saving("Patient", "alice", x, custodian="RTK", n=1), saving("Patient", "anna", x, custodian="RTK+RXC", n=1))
    with store.snapshot(RTK) as snapshot:
        at = snapshot.commit
    applied(store, saving("Patient", "alice", x, custodian="RTK+RXC", n=2), saving("Patient", "anna", x, custodian="RTK", n=2))
    for principal, ids in ((BOTH, ["alice", "anna"]), (RTK, []), (RXC, [])):
        with store.snapshot(principal) as snapshot:
            hits = snapshot.search(Query("Patient", criterion, sort=(SortKey("_id"),), at=at))
            assert ([(one.id, one.version) for one in hits.matches], hits.total) == ([(id, 1) for id in ids], len(ids))
