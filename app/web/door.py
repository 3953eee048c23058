"""What the front door needs of the rest of Weald, and what one request carries."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any, Protocol

from app.principal import Principal
from app.security.principals import Mode
from app.services import Services

REQUEST_ID = "weald.request_id"
"""Key of the WSGI environment under which a request's id is kept."""

Environ = dict[str, Any]

_HOST = re.compile(r"[A-Za-z0-9.\-]+(:\d{1,5})?|\[[0-9a-fA-F:.]+\](:\d{1,5})?")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{1,64}")


class Proxy(Protocol):
    """The setting that says whether a proxy in front terminates TLS."""

    @property
    def terminates_tls(self) -> bool: ...


class Site(Mode, Protocol):
    """The settings that the front door reads."""

    @property
    def canonical_base(self) -> str: ...

    @property
    def proxy(self) -> Proxy: ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, as far as an interaction needs it."""

    services: Services
    environ: Environ
    principal: Principal
    base: str
    lenient: bool = False

    @property
    def now(self) -> int:
        """The instant of asking, in microseconds since 1970."""
        return int(self.services.clock().timestamp() * 1_000_000)


def base_url(environ: Environ, site: Site) -> str:
    """The service's base URL as the caller reached it."""
    host = environ.get("HTTP_HOST", "")
    if not _HOST.fullmatch(host):
        host = f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    scheme = "https" if site.proxy.terminates_tls else environ["wsgi.url_scheme"]
    return f"{scheme}://{host}/fhir"


def request_id(environ: Environ) -> str:
    """The caller's X-Request-ID where it is a plain token, else a fresh one; the same at each call."""
    known: str | None = environ.get(REQUEST_ID)
    if known is None:
        given = environ.get("HTTP_X_REQUEST_ID", "")
        known = environ[REQUEST_ID] = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    return known
