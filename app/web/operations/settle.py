"""Task/[id]/$settle: a steward's answer to a review item."""

from __future__ import annotations

from flask import Response

from app.errors import InvalidValue
from app.ingest.stewardship import OUTCOMES, item_of_task
from app.web.door import Exchange
from app.web.operations.deciding import decide, given


def settle(exchange: Exchange, id: str | None) -> Response:
    """POST Task/[id]/$settle with the ``outcome`` (same, different, cannot-tell, bad-data) a ``reason``, and for same the ``superseded`` NHS number, if any."""
    asked = given(exchange, {"outcome": "text", "superseded": "named"})
    outcome = asked.text("outcome")
    if outcome not in OUTCOMES:
        raise InvalidValue(f"outcome is one of {', '.join(OUTCOMES)}.", expression="outcome")
    with exchange.services.store.snapshot(exchange.principal) as snapshot:
        key = item_of_task(snapshot, exchange.services, id or "")
    return decide(exchange, asked, "settle", key, outcome, *asked.names("superseded", 0, 1))
