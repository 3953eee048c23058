"""All documents of a kind, read a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from app.store.contract import Kind, Snapshot

STEP = 5_000


def documents(snapshot: Snapshot, kind: Kind, progress: Callable[[int, int], None] | None = None) -> Iterator[tuple[str, bytes]]:
    """(key, body) of each document of the kind, by key; ``progress`` is told how many are read, and of how many, once a page."""
    after, done, total = "", 0, snapshot.count(kind) if progress else 0
    while page := snapshot.scan(kind, after=after, limit=STEP):
        after, done = page[-1][0], done + len(page)
        if progress:
            progress(done, total)
        yield from page
