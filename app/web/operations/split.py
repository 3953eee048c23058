"""Patient/$split: some records of a person are another's."""

from __future__ import annotations

from flask import Response

from app.web.door import Exchange
from app.web.operations.deciding import decide, given


def split(exchange: Exchange, id: str | None) -> Response:  # noqa: ARG001  (of the type, not of an instance)
    """POST Patient/$split with the ``person``, each ``record`` to part from the rest of it, and a ``reason``."""
    asked = given(exchange, {"person": "named", "record": "named"})
    [person] = asked.names("person", 1, 1)
    return decide(exchange, asked, "split", person, asked.names("record", 1))
