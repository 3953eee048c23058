"""Responses: headers, validators, compression (FHIR R4 http.html; RFC 9110)."""

from __future__ import annotations

import gzip
import re
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

from flask import Response

from app.search.normal import date_range
from app.store.contract import StoredResource
from app.web.door import Environ
from app.web.negotiation import FHIR_JSON, accepts_gzip

GZIP_FROM = 1024
SECURITY = (
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("Vary", "Accept, Accept-Encoding, Authorization"),
)
TLS_ONLY = ("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
_NO_STORE = ("Cache-Control", "no-store")
_ETAG = re.compile(r'\s*(?:W/)?"([^"]*)"\s*')
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


def fhir_response(body: bytes, status: int = 200, headers: tuple[tuple[str, str], ...] = (), cache: tuple[str, str] = _NO_STORE) -> Response:
    """A response of FHIR JSON."""
    return Response(body, status, [("Content-Type", FHIR_JSON), *headers, cache])


@lru_cache(maxsize=4096)
def http_date(last_updated: str) -> str:
    """An instant as an HTTP date, in whole seconds."""
    range_ = date_range(last_updated)
    return formatdate(range_[0] // 1_000_000 if range_ else 0, usegmt=True)


def validators(stored: StoredResource) -> tuple[tuple[str, str], ...]:
    """ETag and Last-Modified of one version."""
    return ("ETag", f'W/"{stored.version}"'), ("Last-Modified", http_date(stored.last_updated))


def etag_matches(header: str, tag: str) -> bool:
    """Weak comparison of an If-None-Match header with an opaque tag (RFC 9110 13.1.2)."""
    if header.strip() == "*":
        return True
    return any(found[1] == tag for part in header.split(",") if (found := _ETAG.fullmatch(part)))


def unchanged(environ: Environ, stored: StoredResource, *, alone: bool) -> bool:
    """True where the caller's copy is this version: If-None-Match, else If-Modified-Since.

    ``alone``: no other version is of the same second; else a time in whole seconds does not tell them apart (RFC 9110 8.8.2.2).
    """
    if known := environ.get("HTTP_IF_NONE_MATCH"):
        return etag_matches(known, str(stored.version))
    if alone and (since := environ.get("HTTP_IF_MODIFIED_SINCE")):
        return _not_after(stored.last_updated, since)
    return False


def _not_after(last_updated: str, since: str) -> bool:
    try:
        limit = parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False
    range_ = date_range(last_updated)
    return range_ is not None and range_[0] // 1_000_000 <= limit


def resource_response(environ: Environ, stored: StoredResource, body: bytes, *, alone: bool = True) -> Response:
    """The answer to a read of one version: 200, or 304 where the caller has it."""
    headers = validators(stored)
    if unchanged(environ, stored, alone=alone):
        return Response(None, 304, [*headers, _NO_STORE])
    return fhir_response(body, 200, headers)


def compress(environ: Environ, response: Response) -> None:
    """Make the body gzip where it is over 1 KiB and the caller takes gzip."""
    if not accepts_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")) or response.is_streamed or "Content-Encoding" in response.headers:
        return
    body = response.get_data()
    if len(body) > GZIP_FROM:
        response.set_data(gzip.compress(body, compresslevel=1, mtime=0))
        response.headers["Content-Encoding"] = "gzip"


def pretty(body: bytes) -> bytes:
    """The same JSON indented; each value keeps its characters."""
    out: list[bytes] = []
    depth, opened = 0, False
    for token in _STRING.findall(body):
        if token in b"}]":
            depth -= 1
            out += [token] if opened else [b"\n" + b"  " * depth, token]
            opened = False
            continue
        if opened:
            out.append(b"\n" + b"  " * depth)
        opened = token in b"{["
        depth += opened
        out += [token, b"\n" + b"  " * depth] if token == b"," else [b": "] if token == b":" else [token]
    return b"".join(out)
