"""Searching."""

from __future__ import annotations

import sqlite3

from app.principal import Principal
from app.search.criteria import Query
from app.store.contract import Hits
from app.store.sqlite.names import Names


def visible(principal: Principal, alias: str) -> tuple[str, list[str]]:
    """The condition that a row's custodian is one the Principal sees, and its bound values."""
    if principal.organisations is None:
        return "1", []
    allowed = sorted(principal.organisations)
    return f"({alias}.custodian IS NULL OR {alias}.custodian IN ({','.join('?' * len(allowed))}))", allowed


class Search:
    def __init__(self, connection: sqlite3.Connection, names: Names, principal: Principal, commit: int, query: Query) -> None:
        self.query = query

    def hits(self) -> Hits:
        raise NotImplementedError

    def plan(self) -> list[str]:
        raise NotImplementedError
