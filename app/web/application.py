"""The Flask application: which URL is which interaction, and what holds for every answer."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.routing import BaseConverter, MapAdapter

from app.errors import InvalidOutcome, LoginRequired, NotAllowed, NotFound, NotSupported, StoreUnavailable, TooLarge, WealdError
from app.security.principals import ANYONE, principal_for
from app.services import Services
from app.web import health, outcomes
from app.web.answers import SECURITY, TLS_ONLY, compress, fhir_response, pretty
from app.web.door import Environ, Exchange, base_url, request_id
from app.web.history import history
from app.web.metadata import metadata
from app.web.negotiation import check_accept, check_form, pairs_from_query, prefers_lenient
from app.web.operations.table import OPERATIONS, Operation
from app.web.paging import Pages
from app.web.read import read, vread
from app.web.search import compartment, search

MAX_FORM = 64 * 1024
METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
VERSION = version("weald")

Pairs = list[tuple[str, str]]

_STARTED = "weald.started"
_log = structlog.get_logger("weald.web")


class Application(Flask):
    """Flask that notes when a request began, and matches URLs by path alone, as no URL is ever built from a rule."""

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """The routing of one request; outside a request there is none."""
        if request is None:
            return None
        return self.url_map.bind("weald", path_info=request.path, default_method=request.method)

    def wsgi_app(self, environ: Environ, start_response: Any) -> Any:
        """The WSGI application."""
        environ[_STARTED] = time.perf_counter()
        return super().wsgi_app(environ, start_response)


class TypeName(BaseConverter):
    """A resource type in a URL."""

    regex = "[A-Z][A-Za-z]{1,63}"


class FrontDoor:
    """The views: each makes the Exchange of a request and hands it to its interaction."""

    def __init__(self, services: Services, metrics: health.Metrics) -> None:
        self.services = services
        self.pages = Pages(services.id_secret)
        self.metrics = metrics
        self.security = SECURITY if services.settings.mode == "sample" else (*SECURITY, TLS_ONLY)

    def _exchange(self, pairs: Pairs | None = None) -> Exchange:
        environ = request.environ
        query = environ.get("QUERY_STRING", "")
        check_accept(environ, dict(pairs if pairs is not None else pairs_from_query(query)).get("_format") if pairs or "_format" in query else None)
        prefer = environ.get("HTTP_PREFER")
        principal = principal_for(environ, self.services.settings)
        return Exchange(self.services, environ, principal, base_url(environ, self.services.settings), lenient=prefer is not None and prefers_lenient(prefer))

    def _pairs(self) -> Pairs:
        pairs = pairs_from_query(request.environ.get("QUERY_STRING", ""))
        if request.environ["REQUEST_METHOD"] != "POST":
            return pairs
        check_form(request.environ)
        return pairs + pairs_from_query(request.get_data(cache=False).decode("latin-1"))

    def metadata(self) -> Response:
        """GET /fhir/metadata, for anyone."""
        environ = request.environ
        check_accept(environ, dict(pairs_from_query(environ.get("QUERY_STRING", ""))).get("_format"))
        return metadata(Exchange(self.services, environ, ANYONE, base_url(environ, self.services.settings)), VERSION)

    def read(self, type_: str, id_: str) -> Response:
        """GET /fhir/Type/id."""
        return read(self._exchange(), type_, id_)

    def vread(self, type_: str, id_: str, number: str) -> Response:
        """GET /fhir/Type/id/_history/number."""
        return vread(self._exchange(), type_, id_, number)

    def history(self, type_: str | None = None, id_: str | None = None) -> Response:
        """GET /fhir/[Type/[id/]]_history."""
        return history(self._exchange(), self.pages, type_, id_)

    def search(self, type_: str) -> Response:
        """GET /fhir/Type, POST /fhir/Type/_search."""
        pairs = self._pairs()
        return search(self._exchange(pairs), self.pages, type_, pairs)

    def compartment(self, id_: str, type_: str) -> Response:
        """GET /fhir/Patient/id/Type, POST /fhir/Patient/id/Type/_search."""
        pairs = self._pairs()
        return compartment(self._exchange(pairs), self.pages, id_, type_, pairs)

    def operate(self, operation: Operation, id_: str | None = None) -> Response:
        """An operation, by its own method alone."""
        method = request.environ["REQUEST_METHOD"]
        if method != operation.method and (method, operation.method) != ("HEAD", "GET"):
            raise MethodNotAllowed(valid_methods=[operation.method])
        exchange = self._exchange()
        response = operation.view(exchange, id_)
        if "_pretty=true" in request.environ.get("QUERY_STRING", ""):
            response.set_data(pretty(response.get_data()))
        return response

    def whole_system(self) -> Response:
        """GET /fhir: a search across types, which is not offered."""
        raise NotSupported("A search names one type; /fhir/metadata lists the types served.")

    def live(self) -> Response:
        """GET /health/live."""
        return health.live()

    def ready(self) -> Response:
        """GET /health/ready."""
        principal_for(request.environ, self.services.settings)
        return health.ready(self.services.store)

    def prometheus(self) -> Response:
        """GET /metrics."""
        principal_for(request.environ, self.services.settings)
        return health.metrics(self.services.store, self.metrics)

    def finish(self, response: Response) -> Response:
        """What every answer gets: the request's id, security headers, compression; and it is counted."""
        environ = request.environ
        headers = response.headers
        headers.extend(self.security)
        headers["X-Request-ID"] = request_id(environ)
        if "HTTP_ACCEPT_ENCODING" in environ:
            compress(environ, response)
        rule = request.url_rule
        type_ = (request.view_args or {}).get("type_", "") if response.status_code < 400 else ""
        self.metrics.count(rule.endpoint if rule else "none", type_, response.status_code, time.perf_counter() - environ[_STARTED])
        return response

    def refused(self, error: WealdError, headers: Iterable[tuple[str, str]] = ()) -> Response:
        """The answer to a refusal."""
        body = outcomes.refusal(error, request_id(request.environ), self.services.settings.canonical_base)
        more = list(headers)
        if isinstance(error, LoginRequired):
            more.append(("WWW-Authenticate", 'Bearer realm="weald"'))
        if isinstance(error, StoreUnavailable):
            more.append(("Retry-After", "5"))
        return fhir_response(body, error.status, tuple(more))

    def http_refused(self, error: HTTPException) -> Response:
        """The answer to what Werkzeug refuses: no such URL, another method, a body over the limit."""
        if isinstance(error, MethodNotAllowed):
            allowed = ", ".join(sorted(error.valid_methods or ()))
            return self.refused(NotAllowed("This URL does not take that method; Allow lists those it takes."), [("Allow", allowed)])
        if isinstance(error, RequestEntityTooLarge):
            return self.refused(TooLarge(f"A body is at most {MAX_FORM} bytes."))
        return self.refused(NotFound("No such URL."))

    def failed(self, error: Exception) -> Response:
        """The answer to a fault of ours: the request's id; the log has the kind of fault and its place, no values."""
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        _log.error("fault", request=request_id(request.environ), fault=type(error).__name__, place=place)
        return fhir_response(outcomes.fault(request_id(request.environ)), 500)


def create_app(services: Services, metrics: health.Metrics | None = None) -> Flask:
    """The WSGI application that serves FHIR R4 under /fhir, and health and metrics. ``metrics`` count its answers."""
    app = Application("weald", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    app.url_map.converters["type"] = TypeName
    door = FrontDoor(services, metrics or health.Metrics())
    rules: tuple[tuple[str, Callable[..., Response], tuple[str, ...]], ...] = (
        ("/fhir/metadata", door.metadata, ("GET",)),
        ("/fhir/<type_>/<id_>", door.read, ("GET",)),
        ("/fhir/<type_>", door.search, ("GET",)),
        ("/fhir/<type_>/_search", door.search, ("POST",)),
        ("/fhir/Patient/<id_>/<type:type_>", door.compartment, ("GET",)),
        ("/fhir/Patient/<id_>/<type:type_>/_search", door.compartment, ("POST",)),
        ("/fhir/<type_>/<id_>/_history/<number>", door.vread, ("GET",)),
        ("/fhir/<type_>/<id_>/_history", door.history, ("GET",)),
        ("/fhir/<type_>/_history", door.history, ("GET",)),
        ("/fhir/_history", door.history, ("GET",)),
        ("/fhir", door.whole_system, ("GET",)),
        ("/health/live", door.live, ("GET",)),
        ("/health/ready", door.ready, ("GET",)),
        ("/metrics", door.prometheus, ("GET",)),
    )
    for rule, view, methods in rules:
        app.add_url_rule(rule, view.__name__, view, methods=methods, provide_automatic_options=False)
    for operation in OPERATIONS:
        app.add_url_rule(operation.rule, f"{operation.type}${operation.name}", partial(door.operate, operation), methods=METHODS, provide_automatic_options=False)
    app.after_request(door.finish)
    app.register_error_handler(WealdError, door.refused)
    app.register_error_handler(InvalidOutcome, door.failed)
    app.register_error_handler(HTTPException, door.http_refused)
    app.register_error_handler(Exception, door.failed)
    return app
