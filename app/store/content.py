"""A resource's bytes with the one gap that the store fills: meta.versionId and meta.lastUpdated.

The store mints both when it commits, so what it is handed is cut there. All else of the bytes is
kept as given and served untouched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Content:
    """``head`` ends inside an open ``meta`` object, ``tail`` goes on from there (a comma first where meta has more)."""

    head: bytes
    tail: bytes

    def stamped(self, version: int, last_updated: str) -> bytes:
        """The bytes to serve, of that version and instant."""
        return b'%s"versionId":"%d","lastUpdated":"%s"%s' % (self.head, version, last_updated.encode(), self.tail)


def content_from_resource(resource: dict[str, Any]) -> Content:
    """The Content of a resource built by Weald: resourceType, id and meta lead, keys in the given order."""
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in ("versionId", "lastUpdated")}
    rest = {k: v for k, v in resource.items() if k not in ("resourceType", "id", "meta")}
    lead = {"resourceType": resource["resourceType"], "id": resource["id"]}
    head = orjson.dumps(lead)[:-1] + b',"meta":{'
    tail = (b"," + orjson.dumps(meta)[1:-1] if meta else b"") + b"}"
    return Content(head, tail + (b"," + orjson.dumps(rest)[1:] if rest else b"}"))
