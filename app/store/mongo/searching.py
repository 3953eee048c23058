"""One page of a search: the search documents in order, then the bytes of the versions they stand for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bson import MaxKey
from pymongo.collection import Collection

from app.errors import PageExpired, PageForged, TooCostly
from app.principal import AND, Principal
from app.search.criteria import Query, SortKey
from app.store.contract import Hits, StoredResource
from app.store.mongo.asking import Asker, combined, driving_index, narrows_to_type, valid
from app.store.mongo.entries import Indexed
from app.store.mongo.reader import Reader
from app.store.mongo.values import GONE, NOBODY, Raw, stored_resource
from app.store.mongo.weighing import Standing, Value, field_of, meets, place_of

_MOST_SPREAD = 10_000
_TOGETHER = 2
"""What several organisations keep together is seen by no caller who sees fewer of them."""
PURGED = "purged"
"""The ``_id`` of the counter that holds the commit up to which ended entries have been dropped."""


def visible(principal: Principal, field: str) -> Raw:
    """The condition that ``field`` of what is found is a custodian this caller may see."""
    if principal.organisations is None:
        return {}
    allowed = sorted(principal.organisations)
    if len(allowed) < _TOGETHER:
        return {field: {"$in": [NOBODY, *allowed]}}
    one = "|".join(map(re.escape, allowed))
    return {field: {"$regex": rf"^(?:(?:{one})(?:{re.escape(AND)}(?:{one}))*)?$"}}


@dataclass(frozen=True, slots=True)
class Pending:
    """What a transaction has written and the server does not know: the current entries by key, none where deleted."""

    entries: dict[str, Indexed | None]
    stored: Callable[[str], StoredResource]


NOTHING_PENDING = Pending({}, lambda key: (_ for _ in ()).throw(KeyError(key)))


class Search:
    """A query, bound to a view of the store."""

    def __init__(self, reader: Reader, principal: Principal, commit: int, query: Query, pending: Pending = NOTHING_PENDING) -> None:
        self._reader = reader
        self._principal = principal
        self._commit = commit
        self._query = query
        self._at = query.at if query.at is not None and query.at < commit else None
        self._pending = pending if self._at is None else NOTHING_PENDING
        self._asker = Asker(query.type, self._spread_keys)
        if query.after is not None and len(query.after) != len(query.sort) + 1:
            raise PageForged("the page's place does not fit its sort")

    def hits(self) -> Hits:
        """The page that was asked for."""
        self._refuse_purged()
        condition = self._condition()
        found = self._page(condition) if self._query.count > 0 else []
        page, more = found[: self._query.count], len(found) > self._query.count
        return Hits(
            matches=tuple(self._resources([document for document, _ in page])),
            after=page[-1][1] if more else None,
            total=self._total(condition, found) if self._query.total else None,
            commit=self._commit if self._at is None else self._at,
        )

    def _condition(self) -> Raw:
        """The filter for all matches."""
        criterion = self._query.criterion
        type: Raw = {} if narrows_to_type(criterion) else {"type": self._query.type}
        return combined([self._asker.clause(criterion), type, valid(self._at), self._visible()])

    def _visible(self) -> Raw:
        """A walk pinned in the past shows versions that the caller may see, of resources that it may see now."""
        if self._at is None:
            return visible(self._principal, "keeper")
        if self._principal.organisations is None:
            return {"keeper": {"$ne": GONE}}
        return visible(self._principal, "keeper") | visible(self._principal, "custodian")

    def _hint(self) -> str | None:
        return driving_index(self._query.criterion, self._query.sort)

    def _spread_keys(self, condition: Raw) -> list[str]:
        found = self._reader.all(
            self._reader.collections.spread, {**condition, **valid(self._at)}, projection={"key": 1, "_id": 0}, limit=_MOST_SPREAD + 1
        )
        keys = sorted({document["key"] for document in found})
        if len(keys) > _MOST_SPREAD:
            raise TooCostly("too many resources have such a value; name it in full")
        return keys

    # the page

    def _page(self, condition: Raw) -> list[tuple[Raw, tuple[Value, ...]]]:
        """Up to one hit more than the page holds, each with its place, in order."""
        sort, hidden = self._query.sort, list(self._pending.entries)
        stages: list[Raw] = [{"$match": condition}]
        if hidden:
            stages.append({"$match": {"key": {"$nin": hidden}}})
        if self._query.after is not None:
            stages.append({"$match": _beyond(self._query.after, sort)})
        stages += [*_sorting(sort), {"$limit": self._query.count + 1}, {"$project": _fields(sort)}]
        rows = self._reader.aggregate(self._reader.collections.search, stages, self._hint())
        placed = [(row, place_of({"lowest": {}, "highest": {}, **row}, sort)) for row in rows]
        if not hidden:
            return placed
        placed += self._own(sort)
        return sorted(placed, key=lambda hit: Standing(hit[1], sort))[: self._query.count + 1]

    def _own(self, sort: Sequence[SortKey]) -> Iterable[tuple[Raw, tuple[Value, ...]]]:
        """The pending matches beyond the place to resume."""
        after = None if self._query.after is None else Standing(self._query.after, sort)
        for found in self._own_matches():
            place = place_of(found.document, sort)
            if after is None or after < Standing(place, sort):
                yield found.document, place

    def _own_matches(self) -> list[Indexed]:
        return [
            found for found in self._pending.entries.values()
            if found is not None and found.document["type"] == self._query.type
            and self._principal.sees(found.document["keeper"] or None) and meets(found, self._query.criterion)
        ]  # fmt: skip

    def _total(self, condition: Raw, found: Sequence[Any]) -> int:
        if self._query.after is None and 0 < len(found) <= self._query.count:
            return len(found)
        known = self._reader.count(self._reader.collections.search, condition, self._hint())
        if hidden := list(self._pending.entries):
            known -= self._reader.count(self._reader.collections.search, combined([{"key": {"$in": hidden}}, condition]))
            known += len(self._own_matches())
        return known

    # the bytes

    def _resources(self, documents: Sequence[Raw]) -> Iterable[StoredResource]:
        """The versions found."""
        own = {document["key"] for document in documents if document["key"] in self._pending.entries}
        current = self._bytes(self._reader.collections.resource, [d["key"] for d in documents if d["key"] not in own])
        gone = [d for d in documents if d["key"] in current and current[d["key"]]["version"] != d["version"]]
        past = self._bytes(self._reader.collections.version, [f"{d['key']}/{d['version']}" for d in gone])
        for document in documents:
            if document["key"] in own:
                yield self._pending.stored(document["key"])
            else:
                held = current[document["key"]]
                yield stored_resource(held if held["version"] == document["version"] else past[f"{held['key']}/{document['version']}"])

    def _bytes(self, collection: Collection[Raw], ids: Sequence[str]) -> dict[str, Raw]:
        """The versions by ``_id``; where summaries will do, those that have one come without their body."""
        if not self._query.summary:
            return self._reader.many(collection, ids)
        found = self._reader.many(collection, ids, projection={"body": 0})
        return found | self._reader.many(collection, [id for id, held in found.items() if "summary" not in held])

    def _refuse_purged(self) -> None:
        if self._at is not None and (held := self._reader.one(self._reader.collections.sequence, PURGED)) and self._at < held["n"]:
            raise PageExpired("this page is too old to be continued; search again")

    # the plan

    def plan(self) -> list[str]:
        """The server's plan for the matches, a line a stage."""
        command: Raw = {"find": self._reader.collections.search.name, "filter": self._condition()}
        if hint := self._hint():
            command["hint"] = hint
        explained = self._reader.collections.database.command("explain", command, verbosity="queryPlanner")
        return list(_stages(explained["queryPlanner"]["winningPlan"]))


def _fields(sort: Sequence[SortKey]) -> Raw:
    return {"_id": 0, "key": 1, "id": 1, "version": 1, "start": 1, **{field_of(key): 1 for key in sort}}


def _sorting(sort: Sequence[SortKey]) -> list[Raw]:
    """The stages that sort; MongoDB puts what lacks a value first when ascending, which a stand-in value mends."""
    ascending = [key for key in sort if not key.descending and "." in field_of(key)]
    order: Raw = {}
    mended: Raw = {}
    for key in sort:
        if key in ascending:
            name = f"order{len(mended)}"
            mended[name] = {"$ifNull": [f"${field_of(key)}", MaxKey()]}
            order[name] = 1
        else:
            order[field_of(key)] = -1 if key.descending else 1
    order.setdefault("id", 1)
    return [*([{"$set": mended}] if mended else []), {"$sort": order}]


def _beyond(after: Sequence[Value], sort: Sequence[SortKey]) -> Raw:
    """The condition that a hit stands after that place."""
    equal: Raw = {}
    ways: list[Raw] = []
    for key, value in zip(sort, after, strict=False):
        field = field_of(key)
        if value is not None:
            ways.append({**equal, field: {"$lt" if key.descending else "$gt": value}})
            ways.append({**equal, field: {"$exists": False}})
        equal[field] = {"$exists": False} if value is None else value
    ways.append({**equal, "id": {"$gt": after[-1]}})
    return {"$or": ways}


def _stages(plan: Any) -> Iterable[str]:
    if isinstance(plan, list):
        for each in plan:
            yield from _stages(each)
    elif isinstance(plan, dict):
        if "stage" in plan:
            yield " ".join(str(plan[word]) for word in ("stage", "indexName") if word in plan)
        for name, inner in plan.items():
            if name in {"inputStage", "inputStages", "queryPlan", "shards", "winningPlan", "thenStage", "elseStage"}:
                yield from _stages(inner)
