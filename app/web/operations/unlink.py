"""Patient/$unlink: two records are not one person, and are not to be linked again."""

from __future__ import annotations

from flask import Response

from app.web.door import Exchange
from app.web.operations.deciding import decide, given


def unlink(exchange: Exchange, id: str | None) -> Response:  # noqa: ARG001  (of the type, not of an instance)
    """POST Patient/$unlink with two ``record`` and a ``reason``."""
    asked = given(exchange, {"record": "named"})
    return decide(exchange, asked, "unlink", *asked.names("record", 2, 2))
