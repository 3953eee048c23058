"""A blocking key's block as dense chunks of packed record numbers.

Chunk i holds members i * CHUNK to (i + 1) * CHUNK - 1, so that a block up to a cap is read from the first
chunks alone and its exact size stands in the first. A removal fills its hole with the last member.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.store.contract import Block
from app.store.mongo.values import Raw, pack_numbers, unpack_numbers

CHUNK: Final = 512


def chunk_id(key: int, chunk: int) -> bytes:
    """The ``_id`` of a chunk; its order is that of key and chunk."""
    return struct.pack(">qI", key, chunk)


def key_and_chunk(id: bytes) -> tuple[int, int]:
    """What ``chunk_id`` was made of."""
    key, chunk = struct.unpack(">qI", id)
    return key, chunk


def chunks_for(members: int) -> int:
    """How many chunks hold that many members; one at least."""
    return max(1, -(-members // CHUNK))


@dataclass(slots=True)
class Chunks:
    """What has been read of one block."""

    size: int = 0
    parts: dict[int, list[int]] = field(default_factory=dict)

    def members(self) -> list[int]:
        return [number for _, part in sorted(self.parts.items()) for number in part]

    def missing(self, *, removing: bool) -> list[int]:
        """The chunks that a change needs and that are not read: all of them to remove, the last to add."""
        count = -(-self.size // CHUNK)
        wanted = range(count) if removing else range(max(0, count - 1), count)
        return [chunk for chunk in wanted if chunk not in self.parts]

    def change(self, added: Sequence[int], removed: Sequence[int]) -> set[int]:
        """Make the change; returns the chunks to write, those that are now empty included."""
        touched = {0}
        for number in removed:
            touched |= self._remove(number)
        for number in added:
            chunk = self.size // CHUNK
            self.parts.setdefault(chunk, []).append(number)
            self.size += 1
            touched.add(chunk)
        return touched

    def _remove(self, number: int) -> set[int]:
        hole = next(chunk for chunk, part in self.parts.items() if number in part)
        last = (self.size - 1) // CHUNK
        mover = self.parts[last].pop()
        self.size -= 1
        if mover != number:
            part = self.parts[hole]
            part[part.index(number)] = mover
        return {hole, last}


def chunks_from(documents: Sequence[Raw]) -> dict[int, Chunks]:
    """What documents of the ``block`` collection say, by key."""
    blocks: dict[int, Chunks] = {}
    for document in documents:
        key, chunk = key_and_chunk(document["_id"])
        block = blocks.setdefault(key, Chunks())
        block.parts[chunk] = list(unpack_numbers(document["members"]))
        if chunk == 0:
            block.size = document["size"]
    return blocks


def chunk_document(key: int, chunk: int, block: Chunks) -> Raw:
    """A chunk as the server keeps it."""
    document: Raw = {"_id": chunk_id(key, chunk), "members": pack_numbers(block.parts.get(chunk, ()))}
    return {**document, "size": block.size} if chunk == 0 else document


def block_seen(block: Chunks, cap: int, overrides: Mapping[int, bool], base: Mapping[int, bool]) -> Block | None:
    """The block as a change sees it: ``overrides`` are members put in or taken out, ``base`` whether the store has them."""
    size = block.size + sum(wanted - base[number] for number, wanted in overrides.items())
    if size <= 0:
        return None
    if size > cap:
        return Block(cap + 1, ())
    members = {number for number in block.members() if overrides.get(number, True)}
    members |= {number for number, wanted in overrides.items() if wanted}
    return Block(size, tuple(sorted(members)))
