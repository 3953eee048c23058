"""Patient/$merge: two persons are one. The records of a trust stay as that trust has them."""

from __future__ import annotations

from flask import Response

from app.web.door import Exchange
from app.web.operations.deciding import decide, given


def merge(exchange: Exchange, id: str | None) -> Response:  # noqa: ARG001  (of the type, not of an instance)
    """POST Patient/$merge with two ``person`` (golden Patients) and a ``reason``."""
    asked = given(exchange, {"person": "named"})
    return decide(exchange, asked, "merge", *asked.names("person", 2, 2))
