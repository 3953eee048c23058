"""List/$do-not-link: no two of some records are ever one person."""

from __future__ import annotations

from flask import Response

from app.web.door import Exchange
from app.web.operations.deciding import decide, given


def do_not_link(exchange: Exchange, id: str | None) -> Response:  # noqa: ARG001  (of the type, not of an instance)
    """POST List/$do-not-link with each ``record``, two at least, and a ``reason``: a List that the matcher obeys."""
    asked = given(exchange, {"record": "named"})
    return decide(exchange, asked, "do-not-link", *asked.names("record", 2))
