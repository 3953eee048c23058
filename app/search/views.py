"""A study at several trusts is several resources; each caller finds the one made of all that it may see (docs/adr/0017)."""

from __future__ import annotations

from app.principal import Principal
from app.search.criteria import AllOf, AnyOf, Criterion, Missing, Not, TokenIs
from app.search.normal import code

BEYOND = "-beyond"
"""The entries of a resource that shows part of a study: the trusts that hold more of it."""


def as_seen(type_: str, criterion: Criterion, principal: Principal) -> Criterion:
    """The criterion without the parts of which the caller may see more: who sees one of the trusts beyond finds a larger part, or the whole."""
    if type_ != "ImagingStudy":
        return criterion
    if principal.organisations is None:
        return AllOf((criterion, Missing(BEYOND, missing=True)))
    return AllOf((criterion, Not(AnyOf(tuple(TokenIs(BEYOND, "", code(ods)) for ods in sorted(principal.organisations))))))


def beyond(trusts: frozenset[str]) -> list[tuple[str, str, str]]:
    """The search tokens of a part whose study these other trusts hold more of."""
    return [(BEYOND, "", code(ods)) for ods in sorted(trusts)]
