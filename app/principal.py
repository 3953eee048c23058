"""Who is asking. Every read and write of the store takes a Principal."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller, and the organisations (ODS codes) whose resources it may see.

    ``organisations`` is ``None`` for a caller that sees every custodian's resources; an empty
    set sees none. The store ANDs this into each query it answers.
    """

    id: str
    organisations: frozenset[str] | None = field(default_factory=frozenset)
    roles: frozenset[str] = frozenset()

    def sees(self, custodian: str | None) -> bool:
        """True where a resource kept by ``custodian`` (``None``: nobody's, e.g. an Endpoint) is visible."""
        return self.organisations is None or custodian is None or custodian in self.organisations


SYSTEM = Principal("weald", organisations=None, roles=frozenset({"system"}))
"""Weald itself: feeds applied by the server, the loader, operators' commands on this host."""
