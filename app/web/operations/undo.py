"""Patient/$undo: a steward's decision is taken back, and everything is as it was before it."""

from __future__ import annotations

from flask import Response

from app.errors import InvalidValue
from app.web.door import Exchange
from app.web.operations.deciding import decide, given


def undo(exchange: Exchange, id: str | None) -> Response:  # noqa: ARG001  (of the type, not of an instance)
    """POST Patient/$undo with the ``provenance`` of a decision, or two ``record`` for the last one about them, and a ``reason``."""
    asked = given(exchange, {"provenance": "named", "record": "named"})
    if "provenance" not in asked.values:
        return decide(exchange, asked, "undo", *asked.names("record", 2, 2))
    if "record" in asked.values:
        raise InvalidValue("Give provenance or two record, not both.", expression="record")
    name: str = asked.optional("provenance")
    return decide(exchange, asked, "undo", name.removeprefix(f"{exchange.base}/").removeprefix("Provenance/").partition("/")[0])
