"""How a resource that Weald built is saved: validated once, its search entries made once, before the commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from app.errors import InvalidOutcome
from app.search.entries import entries
from app.store.content import Content, content_from_resource
from app.store.contract import Transaction
from mappers.fhir import InvalidResource, validate

Token = tuple[str, str, str]


def save_resource(
    tx: Transaction, resource: dict[str, Any], custodian: str | None, summary: dict[str, Any] | None = None, tokens: Sequence[Token] = ()
) -> bool:
    """Validate and save a resource made of what a sender said; True where that made a new version.

    ``tokens`` (param, system, code) find it beside what it shows. Raises InvalidOutcome, a fault of Weald's own: the change that meets it
    is refused and leaves nothing, those beside it go on.
    """
    try:
        validate(resource)
    except InvalidResource as error:
        raise InvalidOutcome(f"Weald made an invalid {resource['resourceType']} of it ({error}).") from error
    return save_derived(tx, resource, custodian, summary, tokens)


def save_derived(
    tx: Transaction, resource: dict[str, Any], custodian: str | None, summary: dict[str, Any] | None = None, tokens: Sequence[Token] = (),
    content: Content | None = None,
) -> bool:  # fmt: skip
    """Save a resource assembled of parts that were validated when they were born (docs/adr/0004); True where that made a new version.

    ``content`` is what its bytes are where the caller has made them.
    """
    short: Content | None = None if summary is None else content_from_resource(summary)
    found = entries(resource)
    if tokens:
        found = replace(found, tokens=tuple(sorted({*found.tokens, *tokens})))
    _, new = tx.save(resource["resourceType"], resource["id"], content or content_from_resource(resource), found, custodian=custodian, summary=short)
    return new


def versioned(tx: Transaction, patients: Sequence[str]) -> list[str]:
    """References to the patients, each to its version of now where there is one to be seen."""
    found = tx.resources("Patient", patients)
    return [f"Patient/{id}/_history/{found[id].version}" if id in found else f"Patient/{id}" for id in patients]
