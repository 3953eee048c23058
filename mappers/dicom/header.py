"""The mapped elements of a data set as raw bytes, read without decoding anything else (PS3.5 section 7, PS3.10).

The walker knows the regular forms: explicit and implicit VR little endian, explicit big endian, and the
deflated syntax. What departs from them raises ``Irregular``; ``dataset`` then asks pydicom. Data are read
in steps, so that neither a pixel nor an unmapped value is ever held, and nothing here recurses by depth.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from struct import Struct
from typing import BinaryIO, NamedTuple, Protocol

from mappers.dicom.errors import DicomOverLimit, NotDicom
from mappers.dicom.tables import LAST_TAG, META_TAGS, WANTED

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_FIRST_READ = 16 * 1024


class Irregular(Exception):
    """The bytes depart from the forms the walker knows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one data set may cost (imaging.md 4, limits)."""

    value: int = 64 * 1024
    depth: int = 32
    items: int = 10_000
    elements: int = 100_000
    inflated: int = 64 * 1024 * 1024
    ratio: int = 200
    header: int = 64 * 1024 * 1024


DEFAULT_LIMITS = Limits()


class Syntax(NamedTuple):
    """How elements are encoded."""

    explicit: bool
    big: bool = False


class Items(NamedTuple):
    """The raw bytes of a sequence: its items without the delimiter of the sequence."""

    data: bytes
    syntax: Syntax


EXPLICIT_LITTLE = Syntax(explicit=True)

Raw = bytes | Items | list[str] | list[dict[int, "Raw"]]
"""An element before its value is read: bytes, raw items, or (DICOM JSON, pydicom) values and items."""


@dataclass(frozen=True, slots=True)
class Header:
    """The mapped elements of one data set and of its file meta information; ``flags`` are findings of its reader."""

    elements: Mapping[int, Raw]
    meta: Mapping[int, bytes] = field(default_factory=dict)
    syntax: Syntax = EXPLICIT_LITTLE
    truncated: bool = False
    flags: tuple[str, ...] = ()

    @property
    def source_ae_title(self) -> str | None:
        """(0002,0016), the archive or station that wrote the file."""
        return self.meta.get(0x00020016, b"").decode("ascii", "ignore").strip(" \0") or None


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Inflater:
    """A readable stream over a deflated data set that refuses to grow past its limits."""

    def __init__(self, source: _Reader, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._taken = 0
        self._made = 0

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` inflated bytes; fewer only at the end."""
        parts: list[bytes] = []
        while size > 0:
            part = self._step(size)
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _step(self, size: int) -> bytes:
        while not self._inflate.eof:
            feed = self._inflate.unconsumed_tail or self._source.read(_FIRST_READ)
            self._taken += len(feed) if not self._inflate.unconsumed_tail else 0
            try:
                part = self._inflate.decompress(feed, size)
            except zlib.error as error:
                raise NotDicom("the deflated data set cannot be inflated") from error
            if part:
                return self._counted(part)
            if not feed:
                break
        return b""

    def _counted(self, part: bytes) -> bytes:
        self._made += len(part)
        runaway = self._made > 1024 * 1024 and self._made > self._taken * self._limits.ratio
        if runaway or self._made > self._limits.inflated:
            raise DicomOverLimit("the deflated data set inflates beyond the limit")
        return part


class _Window:
    """The bytes of a stream from some position on, read as far as asked."""

    def __init__(self, source: _Reader, data: bytes, limits: Limits) -> None:
        self.source = source
        self.data = data
        self.limit = limits.header

    def drop(self, count: int) -> bool:
        """Move the start ``count`` bytes on, reading over what was never needed; False where the stream ends before."""
        beyond = count - len(self.data)
        self.data = self.data[count:]
        while beyond > 0:
            part = self.source.read(min(beyond, 1024 * 1024))
            if not part:
                return False
            beyond -= len(part)
        return True

    def extend(self, count: int) -> bool:
        """Read on until there are ``count`` bytes; False where the stream ends before."""
        if count > self.limit:
            raise DicomOverLimit("the header is larger than the limit")
        parts = [self.data]
        missing = count - len(self.data)
        while missing > 0:
            part = self.source.read(max(missing, _FIRST_READ))
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        self.data = b"".join(parts)
        return missing <= 0


def looks_like_dicom(head: bytes) -> bool:
    """Whether a file beginning with these bytes (132 or more where it has them) is worth reading as DICOM."""
    return head[128:132] == b"DICM" or _plausible_start(head)


def _plausible_start(head: bytes) -> bool:
    """Whether the first element is a plausible one of group 0002 or 0008."""
    if len(head) < 8:
        return False
    little = int.from_bytes(head[:2], "little")
    big = int.from_bytes(head[:2], "big")
    named = head[4:6] in _SHORT or head[4:6] in _LONG
    if little in (2, 8) and named:
        return True
    if big in (2, 8) and named:
        return True
    return little == 8 and head[3] == 0 and int.from_bytes(head[4:8], "little") < 0x10000


def header_from_bytes(data: bytes | BinaryIO, limits: Limits = DEFAULT_LIMITS) -> Header:
    """The Header of a Part 10 file or bare data set; a stream is read no further than the last mapped tag.

    Raises NotDicom, DicomOverLimit, and Irregular where only a tolerant reader can say more.
    """
    meta, uid, window = _opened(BytesIO(data) if isinstance(data, bytes) else data, limits)
    syntax = _syntax(uid, window.data)
    elements: dict[int, Raw] = {}
    whole = _read_elements(window, syntax, elements, limits)
    return Header(elements, meta, syntax, truncated=not whole)


def inflated_data_set(source: BinaryIO, limits: Limits) -> tuple[dict[int, bytes], bytes] | None:
    """The meta information and the inflated data set of a deflated file; None of another. Raises as header_from_bytes."""
    meta, uid, window = _opened(source, limits)
    return (meta, window.data + window.source.read(limits.inflated)) if uid == DEFLATED else None


def _opened(source: _Reader, limits: Limits) -> tuple[dict[int, bytes], str, _Window]:
    """The meta information, its transfer syntax, and the data set, inflated where it is deflated."""
    head = source.read(_FIRST_READ)
    start = 132 if head[128:132] == b"DICM" else 0
    if not start and not _plausible_start(head):
        raise NotDicom("neither the DICM prefix nor a data set of group 0002 or 0008 was found")
    window = _Window(source, head, limits)
    window.drop(start)
    meta: dict[int, bytes] = {}
    if int.from_bytes(window.data[:2], "little") == 2:
        _read_group_two(window, meta, limits)
    uid = meta.get(0x00020010, b"").decode("ascii", "ignore").strip(" \0")
    if uid == DEFLATED:
        window = _Window(Inflater(_Chained(window.data, source), limits), b"", limits)
        window.extend(8)
    return meta, uid, window


class _Chained:
    """Bytes already read, then the rest of their stream."""

    def __init__(self, first: bytes, then: _Reader) -> None:
        self._first = first
        self._then = then

    def read(self, size: int, /) -> bytes:
        part, self._first = self._first[:size], self._first[size:]
        return part or self._then.read(size)


def _syntax(uid: str, data: bytes) -> Syntax:
    """Encoding by transfer syntax, believing the first element where it says otherwise (as pydicom does)."""
    explicit = data[4:6] in _SHORT or data[4:6] in _LONG
    big = uid == EXPLICIT_BIG if uid else explicit and int.from_bytes(data[:2], "little") >= 0x400
    if uid and len(data) >= 6 and explicit == (uid == IMPLICIT_LITTLE):
        raise Irregular
    return Syntax(explicit, big)


def _read_group_two(window: _Window, meta: dict[int, bytes], limits: Limits) -> None:
    """Fill ``meta`` and leave the window at the first element behind group 0002 (always explicit little endian)."""
    found: dict[int, Raw] = {}
    _drain(window, Syntax(explicit=True), _Job(found, META_TAGS, 0x00030000, limits))
    meta.update({tag: value for tag, value in found.items() if isinstance(value, bytes)})


def _read_elements(window: _Window, syntax: Syntax, elements: dict[int, Raw], limits: Limits) -> bool:
    """Fill ``elements`` up to the last mapped tag; False where the stream ends inside an element."""
    return _drain(window, syntax, _Job(elements, WANTED, LAST_TAG + 1, limits))


@dataclass(slots=True)
class _Job:
    found: dict[int, Raw]
    wanted: Mapping[int, bool]
    stop: int
    limits: Limits
    count: int = 0
    previous: int = -1


def _drain(window: _Window, syntax: Syntax, job: _Job) -> bool:
    while True:
        position, need = _scan(window.data, syntax, job)
        if not window.drop(position):
            return False
        if not need:
            return True
        held = len(window.data)
        if not window.extend(need) and len(window.data) == held:
            return held == 0


_LITTLE = (Struct("<HH2sH").unpack_from, Struct("<I").unpack_from, Struct("<HHI").unpack_from)
_BIG = (Struct(">HH2sH").unpack_from, Struct(">I").unpack_from, Struct(">HHI").unpack_from)


def _scan(data: bytes, syntax: Syntax, job: _Job) -> tuple[int, int]:
    """Read elements of ``data``; returns where it stopped and how many bytes from there it needs (0: finished).

    The position lies beyond the data where an element that is not kept ends there.
    """
    explicit, big = syntax
    head, long, plain = _BIG if big else _LITTLE
    found, wanted, stop_tag, keep = job.found, job.wanted, job.stop, job.limits.value
    position, end, previous, count = 0, len(data), job.previous, job.count
    need = 8
    while position + 8 <= end:
        if explicit:
            group, element, vr, length = head(data, position)
            tag = group << 16 | element
        else:
            group, element, length = plain(data, position)
            tag, vr = group << 16 | element, b""
        if tag >= stop_tag:
            need = 0
            break
        if tag <= previous:
            raise Irregular
        start = position + 8
        if explicit and vr not in _SHORT:
            if vr not in _LONG:
                raise Irregular
            if start + 4 > end:
                need = 12
                break
            length = long(data, start)[0]
            start += 4
        if length == _UNDEFINED:
            inner = _inner(syntax, vr)
            stop = end_of_undefined(data, start, inner, job.limits)
            if stop < 0:
                need = max(2 * (end - position), _FIRST_READ)
                break
            value_end = stop - 8
        else:
            value_end = stop = start + length
            inner = _inner(syntax, vr) if vr == b"UN" else syntax
        is_sequence = wanted.get(tag)
        if is_sequence is not None and _kept(is_sequence, vr, length, keep):
            if stop > end:
                need = stop - position
                break
            value = data[start:value_end]
            found[tag] = Items(value, inner) if is_sequence else value
        previous = tag
        count += 1
        position = stop
    job.previous, job.count = previous, count
    if count > job.limits.elements:
        raise DicomOverLimit("the data set has more elements than the limit")
    return position, need


def _kept(is_sequence: bool, vr: bytes, length: int, limit: int) -> bool:
    """Whether a mapped element has the form of its dictionary VR and a value of a size worth keeping."""
    return is_sequence or (vr != b"SQ" and length <= limit)


def _inner(syntax: Syntax, vr: bytes) -> Syntax:
    """Items of a sequence sent as UN are implicit VR little endian (PS3.5 6.2.2)."""
    return Syntax(explicit=False) if vr == b"UN" else syntax


def end_of_undefined(data: bytes, position: int, syntax: Syntax, limits: Limits) -> int:
    """The position behind the delimiter of a sequence of undefined length; -1 where it lies beyond the data.

    Goes down only into undefined lengths, with a stack of its own. Raises DicomOverLimit, Irregular.
    """
    end = len(data)
    stack: list[tuple[bool, Syntax]] = [(True, syntax)]
    while stack:
        in_sequence, current = stack[-1]
        if position + 8 > end:
            return -1
        group, element, length = (_BIG if current.big else _LITTLE)[2](data, position)
        tag = group << 16 | element
        if tag == (_SEQUENCE_END if in_sequence else _ITEM_END):
            stack.pop()
            position += 8
        elif in_sequence:
            if tag != _ITEM:
                raise Irregular
            position += 8
            if length == _UNDEFINED:
                stack.append((False, current))
            else:
                position += length
        else:
            position, length, inner = _element_in_item(data, position, current)
            if position < 0:
                return -1
            if length != _UNDEFINED:
                position += length
            elif len(stack) >= 2 * limits.depth:
                raise DicomOverLimit("sequences are nested deeper than the limit")
            else:
                stack.append((True, inner))
    return position


def _element_in_item(data: bytes, position: int, syntax: Syntax) -> tuple[int, int, Syntax]:
    """Where the value of the element begins, its length, and the syntax of items in it."""
    head, long, plain = _BIG if syntax.big else _LITTLE
    if not syntax.explicit:
        return position + 8, plain(data, position)[2], syntax
    _, _, vr, length = head(data, position)
    if vr in _SHORT:
        return position + 8, length, syntax
    if vr not in _LONG:
        raise Irregular
    if position + 12 > len(data):
        return -1, 0, syntax
    return position + 12, long(data, position + 8)[0], _inner(syntax, vr)


def items_from_raw(raw: Items, wanted: Mapping[int, bool], limits: Limits = DEFAULT_LIMITS) -> list[dict[int, Raw]]:
    """The items of a sequence, of each the wanted elements; what follows a broken item of unknown length is lost."""
    data, syntax = raw
    plain = (_BIG if syntax.big else _LITTLE)[2]
    items: list[dict[int, Raw]] = []
    position, end = 0, len(data)
    while position + 8 <= end and len(items) < limits.items:
        group, element, length = plain(data, position)
        if group << 16 | element != _ITEM:
            break
        start = position + 8
        try:
            stop, value_end = _item_end(data, start, length, syntax, limits)
            items.append(_item(data[start:value_end], syntax, wanted, limits))
        except Irregular:
            if length == _UNDEFINED:
                break
            stop = start + length
        position = stop
    return items


def _item_end(data: bytes, start: int, length: int, syntax: Syntax, limits: Limits) -> tuple[int, int]:
    """Where the next item begins, and where the elements of this one end."""
    if length != _UNDEFINED:
        return start + length, min(start + length, len(data))
    position = start
    plain = (_BIG if syntax.big else _LITTLE)[2]
    while position + 8 <= len(data):
        group, element, _ = plain(data, position)
        if group << 16 | element == _ITEM_END:
            return position + 8, position
        position, size, inner = _element_in_item(data, position, syntax)
        position = position + size if size != _UNDEFINED else end_of_undefined(data, position, inner, limits)
        if position < 0:
            break
    raise Irregular


def _item(data: bytes, syntax: Syntax, wanted: Mapping[int, bool], limits: Limits) -> dict[int, Raw]:
    found: dict[int, Raw] = {}
    _scan(data, syntax, _Job(found, wanted, _ITEM, limits))
    return found
