"""The caller of a request as a Principal (security.md 1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from app.errors import LoginRequired
from app.principal import Principal


class Mode(Protocol):
    """The setting that says who may ask: ``sample`` or ``production``."""

    @property
    def mode(self) -> str: ...


ANYONE = Principal("sample", organisations=None, roles=frozenset({"sample"}))
"""Every caller in sample mode, which listens on loopback only and holds no real person's data."""


def principal_for(headers: Mapping[str, Any], settings: Mode) -> Principal:
    """The Principal of a request by its WSGI ``headers``. Raises LoginRequired where none can be established.

    Production knows no credential yet, so that it answers nobody rather than everybody.
    """
    if settings.mode == "sample":
        return ANYONE
    if "HTTP_AUTHORIZATION" in headers:
        raise LoginRequired("The credential is not accepted; log in again.")
    raise LoginRequired("Log in: this service answers only callers that present a credential.")
