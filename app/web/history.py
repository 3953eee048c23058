"""history of an instance, a type and the system (FHIR R4 http.html#history): versions newest first."""

from __future__ import annotations

from flask import Response

from app.errors import InvalidValue, NotFound, NotSupported
from app.search import normal
from app.search.controls import COUNT, MAX_COUNT
from app.store.contract import Snapshot
from app.web import bundles
from app.web.answers import fhir_response
from app.web.door import Exchange
from app.web.negotiation import pairs_from_query
from app.web.paging import Page, Pages
from app.web.read import check_type
from app.web.withheld import as_now

_ALLOWED = ("_at", "_count", "_format", "_pretty", "_since")


def history(exchange: Exchange, pages: Pages, type_: str | None = None, id_: str | None = None) -> Response:
    """GET [Type[/id]/]_history with ``_since``, ``_at`` and ``_count``."""
    if type_ is not None:
        check_type(type_)
    path = "/".join(part for part in (type_, id_, "_history") if part)
    asked = pairs_from_query(exchange.environ.get("QUERY_STRING", ""))
    after: tuple[int, str, str] | None = None
    begun, shown = exchange.now, asked
    if token := dict(asked).get("_page"):
        page = pages.open(token, exchange.principal, path, begun)
        asked, begun = list(page.asked), page.begun
        after = int(page.after[0] or 0), str(page.after[1]), str(page.after[2])
    since, at, count = _controls(asked)
    with exchange.services.store.snapshot(exchange.principal) as snapshot:
        versions = snapshot.history(type_, id_, since=since, at=at, limit=count + 1, after=after)
        if not versions and id_ is not None and type_ is not None:
            _check_exists(snapshot, type_, id_)
        commit = snapshot.commit
        shown_versions = as_now(snapshot, versions[:count])
    links = [("self", bundles.url(exchange.base, path, shown))]
    if len(versions) > count > 0:
        last = versions[count - 1]
        page = Page(tuple(asked), False, begun, commit, (last.commit, last.type, last.id))
        links.append(("next", f"{exchange.base}/{path}?_page={pages.seal(page, exchange.principal, path)}"))
    base = exchange.base.encode()
    return fhir_response(bundles.bundle("history", links, [bundles.history_entry(base, v) for v in shown_versions]))


def _check_exists(snapshot: Snapshot, type_: str, id_: str) -> None:
    if not snapshot.history(type_, id_, limit=1):
        raise NotFound("No such resource.")


def _controls(asked: list[tuple[str, str]]) -> tuple[str | None, str | None, int]:
    values = dict(asked)
    if unknown := next((name for name in values if name not in _ALLOWED), None):
        raise NotSupported(f"A history takes {', '.join(_ALLOWED)} only.", expression=unknown if unknown.isidentifier() else None)
    count = values.get("_count", str(COUNT))
    if not (count.isascii() and count.isdigit()):
        raise InvalidValue("_count is a whole number from 0.", expression="_count")
    return _instant("_since", values), _instant("_at", values), min(int(count[:6]), MAX_COUNT)


def _instant(name: str, values: dict[str, str]) -> str | None:
    if name not in values:
        return None
    range_ = normal.date_range(values[name].replace(" ", "+"))
    if range_ is None or range_[0] not in normal.WRITABLE:
        raise InvalidValue(f"{name} is an instant such as 2024-05-31T09:30:00Z.", expression=name)
    return normal.instant(range_[0])
