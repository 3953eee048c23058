"""``_include`` and ``_revinclude``: complete for the matches of the page, each resource once (FHIR R4 search.html#include)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import orjson

from app.errors import TooCostly
from app.search.controls import Include
from app.search.criteria import AllOf, Criterion, Query, RefersTo, SortKey
from app.search.entries import entries
from app.search.params import PARAMETERS, SERVED
from app.search.views import as_seen
from app.store.contract import StoredResource
from app.web.reach import Resolver

MAX_INCLUDED = 1000


def included(resolver: Resolver, matches: Sequence[StoredResource]) -> list[StoredResource]:
    """The resources that the search's includes add to these matches, matches themselves left out."""
    seen = {(match.type, match.id) for match in matches}
    found: dict[tuple[str, str], StoredResource] = {}
    for stored in (*_referred(resolver, matches), *_referring(resolver, matches)):
        key = (stored.type, stored.id)
        if key not in seen and not stored.deleted:
            found[key] = stored
    if len(found) > MAX_INCLUDED:
        raise TooCostly(f"Includes add over {MAX_INCLUDED} resources to this page; lower _count.", expression="_count")
    return list(found.values())


def _referred(resolver: Resolver, matches: Sequence[StoredResource]) -> Iterator[StoredResource]:
    wanted: dict[str, dict[str, None]] = {}
    for include in resolver.controls.includes:
        for match in matches:
            if match.type == include.type:
                for type_, id_ in _references(match, include):
                    wanted.setdefault(type_, {})[id_] = None
    for type_, ids in wanted.items():
        yield from resolver.snapshot.resources(type_, list(ids)).values()


def _references(match: StoredResource, include: Include) -> Iterator[tuple[str, str]]:
    index = PARAMETERS[include.type][include.param].index
    for param, reference in entries(orjson.loads(match.summary or match.body)).references:
        type_, _, id_ = reference.partition("/")
        if param == index and type_ in SERVED and include.target in (None, type_):
            yield type_, id_


def _referring(resolver: Resolver, matches: Sequence[StoredResource]) -> Iterator[StoredResource]:
    if not matches:
        return
    for include in resolver.controls.reverse_includes:
        criterion = as_seen(include.type, _criterion(resolver, include, matches), resolver.snapshot.principal)
        query = Query(include.type, criterion, sort=(SortKey("_id"),), count=MAX_INCLUDED, at=resolver.at, total=False)
        hits = resolver.snapshot.search(query)
        if hits.after is not None:
            raise TooCostly(f"_revinclude adds over {MAX_INCLUDED} resources to this page; lower _count.", expression="_revinclude")
        yield from hits.matches


def _criterion(resolver: Resolver, include: Include, matches: Sequence[StoredResource]) -> Criterion:
    parameter = PARAMETERS[include.type][include.param]
    targets = dict.fromkeys(f"{match.type}/{match.id}" for match in matches)
    patients = [match.id for match in matches if match.type == "Patient"]
    if parameter.person and patients and resolver.controls.reach == "person":
        reach = resolver.services.person_members(resolver.snapshot, patients, resolver.controls.floor)
        targets.update(dict.fromkeys(f"Patient/{member.record_id}" for member in reach.members))
    return AllOf((RefersTo(parameter.index, tuple(targets)),))
