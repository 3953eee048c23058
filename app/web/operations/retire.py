"""List/[id]/$retire: a do-not-link List ends."""

from __future__ import annotations

from flask import Response

from app.errors import NotFound
from app.web.door import Exchange
from app.web.operations.deciding import decide, given


def retire(exchange: Exchange, id: str | None) -> Response:
    """POST List/[id]/$retire with a ``reason``: what the List barred is barred no more. NotFound where the caller sees no such List."""
    asked = given(exchange, {})
    with exchange.services.store.snapshot(exchange.principal) as snapshot:
        stored = snapshot.resource("List", id or "")
    if stored is None or stored.deleted:
        raise NotFound("No such resource.")
    return decide(exchange, asked, "retire", stored.id)
