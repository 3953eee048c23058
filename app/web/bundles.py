"""Bundles joined from stored bytes: no stored resource is parsed to be sent (FHIR R4 bundle.html)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

import orjson

from app.search.reach import Reached
from app.store.contract import StoredResource

MATCH = b'{"mode":"match"}'
INCLUDE = b'{"mode":"include"}'
OUTCOME = b'{"mode":"outcome"}'


def search_entry(base: bytes, stored: StoredResource, body: bytes, search: bytes) -> bytes:
    """One entry of a searchset; ``search`` is the JSON of Bundle.entry.search."""
    where = b"%s/%s/%s" % (base, stored.type.encode(), stored.id.encode())
    return b'{"fullUrl":"%s","resource":%s,"search":%s}' % (where, body, search)


def outcome_entry(outcome: bytes) -> bytes:
    """One entry of a searchset that tells of the search itself."""
    return b'{"resource":%s,"search":%s}' % (outcome, OUTCOME)


def linked_match(canonical_base: str, reached: Reached) -> bytes:
    """Bundle.entry.search of a match that came over a link: which grade, by which Linkage, between whom, decided by whom."""
    via = reached.via
    if via is None:
        return MATCH
    parts = [
        {"url": "grade", "valueCode": via.grade},
        {"url": "linkage", "valueReference": {"reference": f"Linkage/{via.linkage_id}"}},
        {"url": "source", "valueReference": {"reference": f"Patient/{reached.record_id}"}},
        {"url": "golden", "valueReference": {"reference": f"Patient/{reached.golden_id}"}},
        {"url": "decided-by", "valueString": via.decided_by},
    ]
    return orjson.dumps({"extension": [{"url": f"{canonical_base}/StructureDefinition/via-link", "extension": parts}], "mode": "match"})


def history_entry(base: bytes, stored: StoredResource) -> bytes:
    """One entry of a history: the version, and the request and response that made it; a deletion has no resource."""
    where = f"{stored.type}/{stored.id}"
    method, status = ("DELETE", "204") if stored.deleted else ("PUT", "201" if stored.version == 1 else "200")
    request = orjson.dumps({"method": method, "url": where})
    response = orjson.dumps({"status": status, "etag": f'W/"{stored.version}"', "lastModified": stored.last_updated})
    resource = b"" if stored.deleted else b'"resource":%s,' % stored.body
    return b'{"fullUrl":"%s/%s",%s"request":%s,"response":%s}' % (base, where.encode(), resource, request, response)


def bundle(kind: str, links: Sequence[tuple[str, str]], entries: Sequence[bytes], total: int | None = None) -> bytes:
    """A Bundle of these entries. FHIR allows no empty array, so that no entries means no ``entry``."""
    shown = orjson.dumps([{"relation": relation, "url": url} for relation, url in links])
    count = b"" if total is None else b'"total":%d,' % total
    listed = b',"entry":[%s]' % b",".join(entries) if entries else b""
    return b'{"resourceType":"Bundle","type":"%s",%s"link":%s%s}' % (kind.encode(), count, shown, listed)


def url(base: str, path: str, parameters: Sequence[tuple[str, str]]) -> str:
    """An absolute URL of the service with these parameters."""
    query = urlencode(parameters, safe=":|,/", quote_via=quote)
    return f"{base}/{path}?{query}" if query else f"{base}/{path}"
