"""The JSON body of a request, checked before anything reads it (fhir.md 1 and 4)."""

from __future__ import annotations

import json
import zlib
from typing import Any

import orjson
from flask import request

from app.errors import BadRequest, InvalidContent, TooLarge, UnsupportedMedia
from app.web.negotiation import media_type
from mappers.fhir import MAX_DEPTH, faults

MAX_INFLATED = 1 << 20
_JSON = frozenset({"application/fhir+json", "application/json", "text/json"})


def json_body() -> dict[str, Any]:
    """The resource that the request carries. Refused: another form, bytes that are not one JSON object, a key twice, too deep."""
    kind, parameters = media_type(request.environ.get("CONTENT_TYPE", ""))
    if kind not in _JSON or parameters.get("charset", "utf-8").lower() != "utf-8" or not parameters.get("fhirversion", "4.0").startswith("4.0"):
        raise UnsupportedMedia("The body is application/fhir+json in UTF-8.", expression="Content-Type")
    return resource_from_json(_plain(request.get_data(cache=False)))


def _plain(body: bytes) -> bytes:
    encoding = request.environ.get("HTTP_CONTENT_ENCODING", "identity").lower()
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise UnsupportedMedia("Content-Encoding is gzip or none.", expression="Content-Encoding")
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, MAX_INFLATED)
    except zlib.error:
        raise BadRequest("The body is not gzip.") from None
    if not inflater.eof:
        raise TooLarge(f"The body is at most {MAX_INFLATED} bytes when inflated.") if inflater.unconsumed_tail else BadRequest("The body is not gzip.")
    return plain


def resource_from_json(body: bytes) -> dict[str, Any]:
    """The JSON object of the bytes."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadRequest("The body is not JSON in UTF-8.") from None
    if not isinstance(found, dict) or not isinstance(found.get("resourceType"), str):
        raise BadRequest("The body is not a FHIR resource.")
    if _depth(found) > MAX_DEPTH:
        raise BadRequest(f"The body is nested deeper than {MAX_DEPTH}.")
    json.loads(body, object_pairs_hook=_once)
    return found


def _depth(value: Any) -> int:
    level, here = 0, [value]
    while here:
        level += 1
        here = [item for one in here for item in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())]
    return level


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise BadRequest("The body has an object with one key twice.")


def check_resource(resource: dict[str, Any], *, may_lack: bool = False) -> None:
    """Raise InvalidContent with every fault of the resource; ``may_lack``: elements that must be there may be missing."""
    found = [one for one in faults(resource) if not (may_lack and one.code == "required")]
    if found:
        raise InvalidContent([(one.code, one.expression, one.text) for one in found])
