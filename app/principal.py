"""Who is asking. Every read and write of the store takes a Principal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

AND = "+"
"""Stands between the ODS codes of a custodian that is several organisations; no ODS code has it."""


def together(organisations: Iterable[str]) -> str | None:
    """The custodian of what is made of these organisations' records: seen only by who sees each of them; of none, nobody's."""
    return AND.join(sorted(set(organisations))) or None


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
        """True where a resource kept by ``custodian`` (``None``: nobody's, e.g. an Endpoint) is visible.

        What several organisations keep together is visible to who sees every one of them.
        """
        if self.organisations is None or custodian is None or custodian in self.organisations:
            return True
        return AND in custodian and self.organisations.issuperset(custodian.split(AND))


SYSTEM = Principal("weald", organisations=None, roles=frozenset({"system"}))
"""Weald itself: feeds applied by the server, the loader, operators' commands on this host."""
