"""What ``weald load`` finds in files, folders, zips and DICOMDIRs, told apart by content (imaging.md 4; security.md, test 10).

Everything is streamed: a zip's members are read in place and never extracted by name, a folder is walked in order
of names, and a file is read no further than its kind needs to be told.
"""

from __future__ import annotations

import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple, Protocol

from app.ingest.content import Kind, kind_of
from mappers.dicom.dataset import directory_records
from mappers.dicom.directory import DirectoryRecord
from mappers.dicom.errors import DicomRejected
from mappers.dicom.header import Header

DAMAGED = (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, UnicodeDecodeError)
"""What a file or archive raises while it is opened or read that is damaged, or of a kind that is not read."""
_RATIO_APPLIES_FROM = 1024 * 1024
_DRIVE = re.compile("[A-Za-z]:")
_ENTRY = 256
"""Bytes that an entry of a zip's central directory may take on average: 46, its name, and what packers add."""
_LOCAL_HEADER = 30
_PACKED = 64 * 1024 * 1024


class Refusal(StrEnum):
    """Why something found is not loaded."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    LINK = "link"
    NOT_A_FILE = "not-a-file"
    UNKNOWN = "unknown-content"
    NESTED = "nested-archive"
    PATH = "unsafe-path"
    ENCRYPTED = "encrypted"
    OVER_LIMIT = "over-limit"
    DAMAGED = "damaged-archive"


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What an archive may hold: entries, inflated size to packed size, and bytes of one entry."""

    entries: int = 100_000
    ratio: int = 200
    entry: int = 1024 * 1024 * 1024
    directory: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Item:
    """Something to load. ``open`` gives its bytes from the start, and serves until the next item is taken.

    ``header`` stands in the place of bytes where a DICOMDIR describes a file that is missing.
    """

    kind: Kind
    name: str
    open: Callable[[], BinaryIO]
    header: Header | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that is not loaded, and why in a sentence without any of its content.

    ``open`` gives its bytes, those of a zip's entry as the archive packs them, where there are any to be had; until the next is taken.
    """

    name: str
    reason: Refusal
    text: str
    open: Callable[[], BinaryIO] | None = None


Found = Item | Refused


def walk(paths: Sequence[Path], limits: FileLimits | None = None) -> Iterator[Found]:
    """Everything under the paths, each once, in order of names. Nothing found stops the walk."""
    limits = limits or FileLimits()
    for path in paths:
        try:
            is_folder, is_there = path.is_dir(), path.exists()
        except OSError:
            yield Refused(str(path), Refusal.UNREADABLE, "the file or folder cannot be reached")
            continue
        if is_folder:
            yield from _folder(path, limits)
        elif is_there:
            yield from _file(path, limits, named=True)
        else:
            yield Refused(str(path), Refusal.MISSING, "there is no such file or folder")


def _folder(root: Path, limits: FileLimits) -> Iterator[Found]:
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                children = sorted([(Path(entry.path), _is_folder(entry), entry.is_symlink()) for entry in entries])
        except OSError:
            yield Refused(str(folder), Refusal.UNREADABLE, "the folder cannot be read")
            continue
        pending += reversed([child for child, is_folder, is_link in children if is_folder and not is_link])
        for child, is_folder, is_link in children:
            if is_link:
                yield Refused(str(child), Refusal.LINK, "links inside folders are not followed")
            elif not is_folder:
                yield from _file(child, limits, named=False)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or leads to one, as far as that can be told."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _file(path: Path, limits: FileLimits, *, named: bool) -> Iterator[Found]:
    """What one file holds; of a DICOMDIR that was named its files, of one found on the way only what is missing."""
    name = str(path)
    try:
        known = path.stat()
        if not stat.S_ISREG(known.st_mode):
            yield Refused(name, Refusal.NOT_A_FILE, "it is neither a file nor a folder")
            return
        with path.open("rb") as stream:
            kind = kind_of(stream)
    except OSError:
        yield Refused(name, Refusal.UNREADABLE, "the file cannot be read")
        return
    if kind is Kind.ZIP:
        yield from _zip(path, limits)
    elif kind is Kind.DICOMDIR:
        yield from _directory(name, lambda: path.open("rb"), known.st_size, _Folder(path.parent), limits, named=named)
    else:
        yield found_of(kind, name, lambda: path.open("rb"))


def found_of(kind: Kind, name: str, open: Callable[[], BinaryIO]) -> Found:
    """An item of that kind of content, or why it is none."""
    if kind is Kind.EMPTY:
        return Refused(name, Refusal.EMPTY, "the file is empty", open)
    if kind is Kind.UNKNOWN:
        return Refused(name, Refusal.UNKNOWN, "the content is neither DICOM, DICOM JSON, HL7 v2 nor FHIR JSON", open)
    if kind is Kind.ZIP:
        return Refused(name, Refusal.NESTED, "an archive inside an archive is not opened", open)
    return Item(kind, name, open)


class _Tree(Protocol):
    """Where the file ids of a DICOMDIR are looked up."""

    def find(self, file_id: tuple[str, ...]) -> tuple[str, Callable[[], BinaryIO]] | None: ...


class _Folder:
    """The folder that holds a DICOMDIR; names are found whatever their case."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listings: dict[Path, dict[str, Path]] = {}

    def find(self, file_id: tuple[str, ...]) -> tuple[str, Callable[[], BinaryIO]] | None:
        path = self._root
        for component in file_id:
            child = self._listing(path).get(component.casefold())
            if child is None:
                return None
            path = child
        inside = path.resolve().is_relative_to(self._root.resolve())
        return (str(path), lambda: path.open("rb")) if inside and path.is_file() else None

    def _listing(self, folder: Path) -> dict[str, Path]:
        if folder not in self._listings:
            children = sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []
            self._listings[folder] = {child.name.casefold(): child for child in children}
        return self._listings[folder]


class _Members:
    """The folder of a zip that holds a DICOMDIR."""

    def __init__(self, archive: zipfile.ZipFile, directory: str, names: dict[str, zipfile.ZipInfo]) -> None:
        self._archive = archive
        self._prefix = str(PurePosixPath(directory).parent)
        self._names = names

    def find(self, file_id: tuple[str, ...]) -> tuple[str, Callable[[], BinaryIO]] | None:
        info = self._names.get(str(PurePosixPath(self._prefix, *file_id)).casefold())
        return (info.filename, lambda: _opened(self._archive, info)) if info else None


def _directory(name: str, open: Callable[[], BinaryIO], size: int, tree: _Tree, limits: FileLimits, *, named: bool) -> Iterator[Found]:
    if size > limits.directory:
        yield Refused(name, Refusal.OVER_LIMIT, "the DICOMDIR is larger than the limit", open)
        return
    try:
        with open() as stream:
            records = directory_records(stream.read())
    except (DicomRejected, *DAMAGED):
        yield Refused(name, Refusal.UNREADABLE, "the DICOMDIR cannot be read", open)
        return
    for number, record in enumerate(records, start=1):
        yield from _indexed(f"{name}#{number}", record, tree, named=named)


def _indexed(name: str, record: DirectoryRecord, tree: _Tree, *, named: bool) -> Iterator[Found]:
    if not all(_plain(component) for component in record.file_id):
        yield Refused(name, Refusal.PATH, "the DICOMDIR names a file outside of its folder")
        return
    try:
        found = tree.find(record.file_id)
        kind = _kind(found[1]) if found is not None and named else None
    except DAMAGED:
        yield Refused(name, Refusal.UNREADABLE, "the file that the DICOMDIR names cannot be read")
        return
    if found is None:
        yield Refused(name, Refusal.MISSING, "the DICOMDIR names a file that is missing; its record is loaded in its place")
        yield Item(Kind.DICOM, name, BytesIO, record.header)
    elif kind is not None:
        yield found_of(kind, *found)


def _kind(open: Callable[[], BinaryIO]) -> Kind:
    with open() as stream:
        return kind_of(stream)


def _plain(component: str) -> bool:
    return component not in ("", ".", "..") and not set(component) & set("/\\:\0")


def _zip(path: Path, limits: FileLimits) -> Iterator[Found]:
    name = str(path)
    try:
        directory = central_directory(path)
        if directory.entries > limits.entries or directory.size > limits.entries * _ENTRY:
            yield Refused(name, Refusal.OVER_LIMIT, "the archive's directory is larger than the limit", lambda: path.open("rb"))
            return
        with zipfile.ZipFile(path) as archive:
            yield from _members(archive, path, limits)
    except DAMAGED:
        yield Refused(name, Refusal.DAMAGED, "the archive cannot be read", lambda: path.open("rb"))


class CentralDirectory(NamedTuple):
    """How many entries a zip's central directory says it has, and its size in bytes."""

    entries: int = 0
    size: int = 0


def central_directory(path: Path) -> CentralDirectory:
    """What a zip's end records say, as ``zipfile`` reads them: the zip64 one wherever its locator stands (APPNOTE.TXT 4.3.14 to 4.3.16); nothing where there are none."""
    with path.open("rb") as stream:
        size = path.stat().st_size
        stream.seek(max(0, size - 65_557 - 76))
        tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(tail):
        return CentralDirectory()
    wide = tail[max(0, at - 76) : max(0, at - 20)]
    if tail[max(0, at - 20) : at].startswith(b"PK\x06\x07") and wide.startswith(b"PK\x06\x06"):
        return CentralDirectory(int.from_bytes(wide[32:40], "little"), int.from_bytes(wide[40:48], "little"))
    return CentralDirectory(int.from_bytes(tail[at + 10 : at + 12], "little"), int.from_bytes(tail[at + 12 : at + 16], "little"))


def _members(archive: zipfile.ZipFile, path: Path, limits: FileLimits) -> Iterator[Found]:
    name, packed = str(path), path.stat().st_size
    infos = sorted(archive.infolist(), key=lambda info: info.filename)
    total = sum(info.file_size for info in infos)
    if len(infos) > limits.entries:
        yield Refused(name, Refusal.OVER_LIMIT, "the archive has more entries than the limit", lambda: path.open("rb"))
        return
    if total > _RATIO_APPLIES_FROM and total > packed * limits.ratio:
        yield Refused(name, Refusal.OVER_LIMIT, "the archive inflates beyond the limit", lambda: path.open("rb"))
        return
    safe = {info.filename.casefold(): info for info in infos if _refusal(info, limits) is None}
    for info in infos:
        if not info.is_dir():
            yield from _member(archive, path, info, safe, limits)


def _member(archive: zipfile.ZipFile, path: Path, info: zipfile.ZipInfo, safe: dict[str, zipfile.ZipInfo], limits: FileLimits) -> Iterator[Found]:
    name = f"{path}!{info.filename}"
    refusal = _refusal(info, limits)
    if refusal:
        yield Refused(name, *refusal, lambda: _packed(path, info))
        return
    try:
        with _opened(archive, info) as stream:
            kind = kind_of(stream)
    except DAMAGED:
        yield Refused(name, Refusal.DAMAGED, "the entry cannot be read", lambda: _packed(path, info))
        return
    if kind is Kind.DICOMDIR:
        tree = _Members(archive, info.filename, safe)
        yield from _directory(name, lambda: _opened(archive, info), info.file_size, tree, limits, named=False)
    else:
        yield found_of(kind, name, lambda: _opened(archive, info))


def _packed(path: Path, info: zipfile.ZipInfo) -> BinaryIO:
    """An entry as it stands in the archive, from its local header on: neither inflated nor deciphered (APPNOTE.TXT 4.3.7)."""
    with path.open("rb") as stream:
        stream.seek(info.header_offset)
        local = stream.read(_LOCAL_HEADER)
        names = int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little")
        return BytesIO(local + stream.read(min(names + info.compress_size, _PACKED)))


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    stream: BinaryIO = archive.open(info)  # type: ignore[assignment]
    return stream


def _refusal(info: zipfile.ZipInfo, limits: FileLimits) -> tuple[Refusal, str] | None:
    """Why an entry is not opened: an unsafe name, a link, a password, or its size."""
    path = PurePosixPath(info.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or _DRIVE.match(info.filename):
        return Refusal.PATH, "the entry's path leads out of the archive"
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Refusal.LINK, "the entry is a link or a device"
    if info.flag_bits & 1:
        return Refusal.ENCRYPTED, "the entry is encrypted"
    if info.file_size > limits.entry:
        return Refusal.OVER_LIMIT, "the entry is larger than the limit"
    if info.file_size > _RATIO_APPLIES_FROM and info.file_size > info.compress_size * limits.ratio:
        return Refusal.OVER_LIMIT, "the entry inflates beyond the limit"
    return None
