"""Small resources, entries and changes, as the tests of the contract write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.principal import SYSTEM
from app.search.criteria import NO_ENTRIES, Entries
from app.store.content import Content, content_from_resource
from app.store.contract import Failed, Store, StoredResource, Transaction


def content(type: str, id: str, **elements: Any) -> Content:
    return content_from_resource({"resourceType": type, "id": id, **elements})


def saving(
    type: str, id: str, entries: Entries = NO_ENTRIES, *, custodian: str | None = "RTK", **elements: Any
) -> Callable[[Transaction], tuple[StoredResource, bool]]:
    """A change that saves one resource."""
    return lambda tx: tx.save(type, id, content(type, id, **elements), entries, custodian=custodian)


def deleting(type: str, id: str) -> Callable[[Transaction], StoredResource | None]:
    return lambda tx: tx.delete(type, id)


def applied(store: Store, *changes: Callable[[Transaction], Any]) -> list[Any]:
    """The results of the changes, none of which may fail."""
    results = store.apply(SYSTEM, changes)
    assert not [result for result in results if isinstance(result, Failed)]
    return results


def token(param: str, system: str, *codes: str) -> Entries:
    return Entries(tokens=tuple((param, system, code) for code in sorted(codes)))
