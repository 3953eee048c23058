"""read and vread (FHIR R4 http.html#read, #vread): the stored bytes of one version."""

from __future__ import annotations

import re

import orjson
from flask import Response

from app.errors import BadRequest, Gone, InvalidValue, NotFound, NotSupported, UnknownType
from app.search.controls import SUMMARIES
from app.search.criteria import Query, SortKey, TokenIs
from app.search.normal import code
from app.search.params import PARAMETERS
from app.search.subsets import subset_body
from app.search.views import as_seen
from app.store.contract import Snapshot, StoredResource
from app.web.answers import http_date, pretty, resource_response
from app.web.door import Exchange
from app.web.negotiation import pairs_from_query
from app.web.withheld import as_now

STUDY_UID = "urn:dicom:uid"
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
"""Versions are numbered 1, 2, 3…; written in another way a number names none."""
_ALLOWED = ("_elements", "_format", "_pretty", "_summary")


def check_type(type_: str) -> None:
    """Raise UnknownType where the type is not served."""
    if type_ not in PARAMETERS:
        raise UnknownType("This type is not served; /fhir/metadata lists the types that are.")


def _found(stored: StoredResource | None) -> StoredResource:
    if stored is None:
        raise NotFound("No such resource.")
    if stored.deleted:
        raise Gone("The resource is deleted; its history still answers.")
    return stored


def read(exchange: Exchange, type_: str, id_: str) -> Response:
    """GET Type/id: the current version."""
    check_type(type_)
    with exchange.services.store.snapshot(exchange.principal) as snapshot:
        current = snapshot.resource(type_, id_)
        if current is not None and current.deleted and (parted := _parted(snapshot, current)):
            raise Gone(f"The archives name several persons as the patient of this study: {', '.join(parted)}.")
        stored = _found(current)
        alone = "HTTP_IF_MODIFIED_SINCE" not in exchange.environ or _is_alone(snapshot, stored)
    return resource_response(exchange.environ, stored, as_asked(exchange, stored), alone=alone)


def _is_alone(snapshot: Snapshot, stored: StoredResource) -> bool:
    """Whether the version before is of another second."""
    before = snapshot.version(stored.type, stored.id, stored.version - 1)
    return before is None or http_date(before.last_updated) != http_date(stored.last_updated)


def _parted(snapshot: Snapshot, deleted: StoredResource) -> list[str]:
    """The studies, of those the caller may see, that a deleted one became (imaging.md 3.3): all that have its Study Instance UID."""
    before = snapshot.version(deleted.type, deleted.id, deleted.version - 1) if deleted.type == "ImagingStudy" else None
    if before is None or before.deleted:
        return []
    named = [one["value"] for one in orjson.loads(before.body).get("identifier", ()) if one.get("system") == STUDY_UID]
    asked = [as_seen(deleted.type, TokenIs("identifier", STUDY_UID, code(uid)), snapshot.principal) for uid in named[:1]]
    hits = [snapshot.search(Query(deleted.type, criterion, sort=(SortKey("_id"),), total=False)) for criterion in asked]
    return [f"{one.type}/{one.id}" for page in hits for one in page.matches]


def vread(exchange: Exchange, type_: str, id_: str, version: str) -> Response:
    """GET Type/id/_history/version: that version."""
    check_type(type_)
    if not _VERSION.fullmatch(version):
        raise NotFound("No such version.")
    with exchange.services.store.snapshot(exchange.principal) as snapshot:
        [stored] = as_now(snapshot, [_found(snapshot.version(type_, id_, int(version)))])
    return resource_response(exchange.environ, stored, as_asked(exchange, stored))


def as_asked(exchange: Exchange, stored: StoredResource) -> bytes:
    """The body of a version, or the part of it that ``_summary`` or ``_elements`` ask."""
    query = exchange.environ.get("QUERY_STRING")
    if not query:
        return stored.body
    asked = dict(pairs_from_query(query))
    if unknown := next((name for name in asked if name not in _ALLOWED), None):
        raise NotSupported(f"A read takes {', '.join(_ALLOWED)} only.", expression=unknown if unknown.isidentifier() else None)
    if not asked.get("_elements", "-"):
        raise InvalidValue("_elements names at least one element.", expression="_elements")
    body = _subset(stored, asked.get("_summary", "false"), asked.get("_elements", ""))
    return pretty(body) if asked.get("_pretty") == "true" else body


def _subset(stored: StoredResource, summary: str, elements: str) -> bytes:
    if summary not in SUMMARIES or summary == "count":
        raise InvalidValue("_summary of a read is one of true, text, data, false.", expression="_summary")
    if elements and summary != "false":
        raise BadRequest("_summary and _elements exclude each other.", expression="_elements")
    return body_of(stored, "elements" if elements else summary, tuple(elements.split(",")))


def body_of(stored: StoredResource, kind: str, elements: tuple[str, ...] = ()) -> bytes:
    """The bytes to send of a version: whole (``false``), or the subset of that kind."""
    if kind == "false":
        return stored.body
    if kind == "true" and stored.summary is not None:
        return stored.summary
    return subset_body(stored.body, kind, elements)
