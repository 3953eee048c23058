"""How long the matching of one message may take before the rest of it is left to the slow lane (matching.md 11)."""

from __future__ import annotations

from collections.abc import Callable

from app.services import Services

Check = Callable[[], None]
"""Called between two steps; raises OutOfTime where no further one may begin."""


class OutOfTime(Exception):
    """The limit has passed."""


def unlimited() -> None:
    """The check of matching that runs to its end."""


def limit(services: Services) -> Check:
    """The check of a matching that begins now."""
    end = services.timer() + services.settings.matching.limit_ms / 1000

    def check() -> None:
        if services.timer() >= end:
            raise OutOfTime

    return check
