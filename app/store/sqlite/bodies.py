"""Bodies on disk: deflated where that pays, and the columns a StoredResource is made from."""

from __future__ import annotations

from app.store import deflating
from app.store.contract import StoredResource

_WORTHWHILE = 2048

CURRENT = "id, version, last_updated, deleted, custodian, start, deflated, summary, body"
"""The columns of ``resource``, or of ``past`` joined with it, that ``stored_resource`` takes, in order."""

ResourceRow = tuple[str, int, str, int, str | None, int, int, bytes | None, bytes]


def deflate(body: bytes) -> tuple[int, bytes]:
    """Whether the body was deflated, and what is kept."""
    if len(body) <= _WORTHWHILE:
        return 0, body
    return 1, deflating.deflate(body)


def inflate(deflated: int, body: bytes) -> bytes:
    """The body as it was given to ``deflate``."""
    return deflating.inflate(body) if deflated else body


def stored_resource(type: str, row: ResourceRow) -> StoredResource:
    """The version that a row of ``CURRENT`` holds."""
    id, version, last_updated, deleted, custodian, start, deflated, summary, body = row
    return StoredResource(
        type, id, version, last_updated, deleted == 1, custodian, start, deflating.inflate(body) if deflated else body, summary
    )
