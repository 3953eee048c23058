"""Records of a DICOMDIR: the file of each instance, and what its records say where the file is missing (PS3.3 annex F)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mappers.dicom.header import Header, Raw
from mappers.dicom.tables import SOP_CLASS_UID, SOP_INSTANCE_UID

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True, slots=True)
class DirectoryItem:
    """One directory record as it stands, with the offsets that join it to the others."""

    offset: int
    next: int
    lower: int
    file_id: tuple[str, ...]
    sop_class: str
    sop_uid: str
    elements: Mapping[int, Raw]


@dataclass(frozen=True, slots=True)
class DirectoryRecord:
    """An indexed instance: the components of its file id, and the header that it and the records above it make."""

    file_id: tuple[str, ...]
    header: Header


def records_from_items(items: Sequence[DirectoryItem]) -> list[DirectoryRecord]:
    """The records that name a file, each with the elements of the records above it."""
    by_offset = {item.offset: item for item in items}
    above: dict[int, DirectoryItem] = {}
    for item in items:
        for offset in _siblings(item.lower, by_offset):
            above.setdefault(offset, item)
    return [DirectoryRecord(item.file_id, _header(item, above)) for item in items if item.file_id]


def _siblings(first: int, by_offset: Mapping[int, DirectoryItem]) -> list[int]:
    """Offsets of a chain of records; one that turns back on itself ends there."""
    found: dict[int, None] = {}
    offset = first
    while offset in by_offset and offset not in found:
        found[offset] = None
        offset = by_offset[offset].next
    return list(found)


def _header(item: DirectoryItem, above: Mapping[int, DirectoryItem]) -> Header:
    elements: dict[int, Raw] = {}
    seen: set[int] = set()
    holder: DirectoryItem | None = item
    while holder is not None and holder.offset not in seen:
        seen.add(holder.offset)
        elements = {**holder.elements, **elements}
        holder = above.get(holder.offset)
    uids = ((SOP_INSTANCE_UID, item.sop_uid), (SOP_CLASS_UID, item.sop_class))
    elements.update({tag: uid.encode("ascii", "ignore") for tag, uid in uids if uid})
    return Header(elements, flags=("directory-record",))
