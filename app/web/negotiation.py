"""What form of answer a request accepts (FHIR R4 http.html#mime-type). The stored form, JSON, is the one that is served."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qsl

from app.errors import BadRequest, NotAcceptable, UnsupportedMedia
from app.web.door import Environ

FHIR_JSON = "application/fhir+json; charset=utf-8"
FORM = "application/x-www-form-urlencoded"
MAX_PARAMETERS = 1000

_JSON = frozenset({"application/fhir+json", "application/json", "text/json", "application/*", "*/*"})
_FORMATS = frozenset({"json", "application/fhir+json", "application/json", "text/json"})


def media_type(part: str) -> tuple[str, dict[str, str]]:
    """A media type in lower case, and its parameters."""
    kind, *rest = (each.strip() for each in part.split(";"))
    pairs = (each.partition("=") for each in rest)
    return kind.lower(), {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}


def _quality(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0


@lru_cache(maxsize=256)
def accepts_gzip(accept_encoding: str) -> bool:
    """True where an Accept-Encoding header takes gzip: what it says of gzip, else of ``*`` (RFC 9110 12.5.3)."""
    asked = {kind: _quality(parameters) for kind, parameters in map(media_type, accept_encoding.split(","))}
    return next((asked[kind] for kind in ("gzip", "x-gzip", "*") if kind in asked), 0.0) > 0


@lru_cache(maxsize=256)
def accepts_json(accept: str) -> bool:
    """True where an Accept header takes FHIR JSON of R4: the most specific range that fits decides."""
    best = (-1, 0.0)
    for part in accept.split(","):
        kind, parameters = media_type(part)
        if kind in _JSON and parameters.get("fhirversion", "4.0").startswith("4.0"):
            specific = 0 if kind == "*/*" else 1 if kind == "application/*" else 2
            best = max(best, (specific, _quality(parameters)))
    return best[1] > 0


def check_accept(environ: Environ, format_: str | None) -> None:
    """Raise NotAcceptable unless the request takes FHIR JSON; ``_format`` beats Accept."""
    if format_ is not None:
        kind, parameters = media_type(format_)
        if kind.replace("fhir json", "fhir+json") not in _FORMATS or not parameters.get("fhirversion", "4.0").startswith("4.0"):
            raise NotAcceptable("_format is one of json, application/json, application/fhir+json.", expression="_format")
        return
    accept = environ.get("HTTP_ACCEPT")
    if accept and not accepts_json(accept):
        raise NotAcceptable("Accept takes none of application/fhir+json; fhirVersion=4.0, application/json.", expression="Accept")


def pairs_from_query(text: str) -> list[tuple[str, str]]:
    """The parameters of a query string in order, percent-decoded as UTF-8. Raises BadRequest where it is not."""
    if not text:
        return []
    try:
        decoded = text if text.isascii() else text.encode("latin-1").decode()
        return parse_qsl(decoded, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError as error:
        raise BadRequest(f"The query is not percent-encoded UTF-8 of at most {MAX_PARAMETERS} parameters.") from error


def check_form(environ: Environ) -> None:
    """Raise UnsupportedMedia unless the body is a form as a browser sends it, uncompressed, in UTF-8."""
    kind, parameters = media_type(environ.get("CONTENT_TYPE", ""))
    if kind != FORM or parameters.get("charset", "utf-8").lower() != "utf-8":
        raise UnsupportedMedia(f"_search by POST takes a body of {FORM}.", expression="Content-Type")
    if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise UnsupportedMedia("_search by POST takes no Content-Encoding.", expression="Content-Encoding")


def prefers_lenient(prefer: str) -> bool:
    """True where a Prefer header asks ``handling=lenient``."""
    return any(part.strip().replace(" ", "") == "handling=lenient" for part in prefer.replace(";", ",").lower().split(","))
