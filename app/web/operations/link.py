"""Patient/$link: two records are one person."""

from __future__ import annotations

from flask import Response

from app.web.door import Exchange
from app.web.operations.deciding import decide, given


def link(exchange: Exchange, id: str | None) -> Response:  # noqa: ARG001  (of the type, not of an instance)
    """POST Patient/$link with two ``record``, a ``reason``, and where both have a verified NHS number, the ``superseded`` one."""
    asked = given(exchange, {"record": "named", "superseded": "named"})
    return decide(exchange, asked, "link", *asked.names("record", 2, 2), *asked.names("superseded", 0, 1))
