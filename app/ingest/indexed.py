"""The records that the matcher's blocks hold, walked from the first number to the last."""

from __future__ import annotations

from collections.abc import Iterator

from app.store.contract import RECORD, Snapshot

STEP = 5_000


def indexed_records(snapshot: Snapshot) -> Iterator[tuple[int, bytes]]:
    """(number, packed record) of each record in the blocks, by number. Numbers begin at 1; gaps are shorter than a step beyond the last record."""
    start, documents = 1, snapshot.count(RECORD)
    while True:
        found = snapshot.demographics(list(range(start, start + STEP)))
        if not found and start > documents:
            return
        yield from sorted(found.items())
        start += STEP
