"""The stand-in server's defects that this engine writes around. Where one of these fails, a work-round may go."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pymongo
import pytest
from bson import Regex
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

from tests.contract.mongo_server import server_uri

pytestmark = pytest.mark.skipif("WEALD_TEST_MONGODB" in os.environ, reason="these are defects of the stand-in")


@pytest.fixture
def client() -> Iterator[pymongo.MongoClient]:
    with pymongo.MongoClient(server_uri()) as client:
        yield client


@pytest.fixture
def things(client: pymongo.MongoClient) -> Collection:
    collection = client[f"defects_{datetime.now(UTC):%H%M%S%f}"].things
    collection.create_index("words")
    collection.create_index([("number", 1)])
    collection.insert_many([{"_id": n, "words": [f"a{n}", "zz"], "number": n, "low": {"x": n} if n % 2 else {}} for n in range(6)])
    return collection


def ids(found) -> list[int]:
    return sorted(each["_id"] for each in found)


def plan(collection: Collection, condition: dict) -> str:
    return str(collection.find(condition).explain()["queryPlanner"]["winningPlan"])


def test_a_native_regex_on_an_indexed_field_finds_nothing_but_the_operator_does(things: Collection) -> None:
    assert ids(things.find({"words": re.compile("^a3")})) == []
    assert ids(things.find({"words": Regex("^a3")})) == []
    assert ids(things.find({"words": {"$regex": "^a3"}})) == [3]


def test_a_two_sided_range_on_an_array_loses_matches_but_one_in_elem_match_does_not(things: Collection) -> None:
    assert ids(things.find({"words": {"$gte": "a3", "$lt": "a5"}})) != ids(things.find({"words": {"$not": {"$in": []}}}))
    assert ids(things.find({"words": {"$elemMatch": {"$gte": "a3", "$lt": "a5"}}})) == [3, 4]


def test_a_snapshot_session_does_not_hold_its_view_but_a_read_transaction_does(client: pymongo.MongoClient, things: Collection) -> None:
    with client.start_session(snapshot=True) as session:
        assert things.find_one({"_id": 1}, session=session)["number"] == 1
        things.update_one({"_id": 1}, {"$set": {"number": 10}})
        assert things.find_one({"_id": 1}, session=session)["number"] == 10
    with client.start_session() as session, session.start_transaction(read_concern=ReadConcern("snapshot")):
        assert things.find_one({"_id": 1}, session=session)["number"] == 10
        things.update_one({"_id": 1}, {"$set": {"number": 1}})
        assert things.find_one({"_id": 1}, session=session)["number"] == 10


def test_or_and_a_range_of_ids_scan(things: Collection) -> None:
    assert "COLLSCAN" in plan(things, {"$or": [{"number": 1}, {"number": 2}]})
    assert "COLLSCAN" in plan(things, {"_id": {"$gt": 3}})
    assert "IXSCAN" in plan(things, {"number": 1})


def test_an_elem_match_is_planned_as_a_scan_unless_its_index_is_named(things: Collection) -> None:
    condition = {"words": {"$elemMatch": {"$gte": "a3", "$lt": "a5"}}}
    assert "COLLSCAN" in plan(things, condition)
    command = {"find": things.name, "filter": condition, "hint": "words_1"}
    assert "IXSCAN" in str(things.database.command("explain", command)["queryPlanner"]["winningPlan"])
    assert ids(things.find(condition, hint="words_1")) == [3, 4]


def test_what_lacks_a_value_comes_first_in_ascending_order_as_in_mongodb(things: Collection) -> None:
    assert [each["_id"] for each in things.find(sort=[("low.x", 1), ("_id", 1)])] == [0, 2, 4, 1, 3, 5]
    assert [each["_id"] for each in things.find(sort=[("low.x", -1), ("_id", 1)])] == [5, 3, 1, 0, 2, 4]


def test_an_upper_bound_on_a_middle_field_of_an_index_loses_the_equal_but_a_strict_one_does_not(things: Collection) -> None:
    things.create_index([("kind", 1), ("stop", 1), ("start", 1)])
    things.insert_many([{"_id": 10 + n, "kind": "k", "stop": n, "start": 1} for n in range(4)])
    assert ids(things.find({"kind": "k", "stop": {"$lte": 2}})) == [10, 11]
    assert ids(things.find({"kind": "k", "stop": {"$lt": 3}})) == [10, 11, 12]
