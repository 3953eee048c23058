"""What a file holds, told by its first bytes, and the messages and resources in it."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, BinaryIO

import orjson

from app.errors import BadRequest, TooLarge
from mappers.dicom.directory import MEDIA_STORAGE_DIRECTORY
from mappers.dicom.header import looks_like_dicom

HEAD = 64 * 1024
_LINE = 16 * 1024 * 1024
_JSON = 64 * 1024 * 1024
_MESSAGE = 16 * 1024 * 1024
_READ = 1024 * 1024

_TAG_MEMBER = re.compile(rb'"[0-9A-Fa-f]{8}"\s*:\s*\{')
_DIRECTORY = re.compile(re.escape(MEDIA_STORAGE_DIRECTORY.encode()) + rb"(?![0-9.])")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SEGMENT = re.compile(rb"MSH|FHS|BHS")


class Kind(StrEnum):
    """What a file holds."""

    DICOM = "dicom"
    DICOMDIR = "dicomdir"
    DICOM_JSON = "dicom-json"
    HL7 = "hl7-v2"
    FHIR_JSON = "fhir-json"
    FHIR_NDJSON = "fhir-ndjson"
    ZIP = "zip"
    EMPTY = "empty"
    UNKNOWN = "unknown"


def kind_of(stream: BinaryIO) -> Kind:
    """The kind of content of a stream at its start; the stream is read on, a line of JSON at most."""
    head = stream.read(512)
    if not head:
        return Kind.EMPTY
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return Kind.ZIP
    if looks_like_dicom(head):
        return Kind.DICOMDIR if _DIRECTORY.search(head) else Kind.DICOM
    text = head.removeprefix(_BYTE_ORDER_MARK).lstrip(b" \t\r\n\x0b")
    if _SEGMENT.match(text):
        return Kind.HL7
    return _json_kind(head + stream.read(HEAD), stream) if text[:1] in (b"{", b"[") else Kind.UNKNOWN


def _json_kind(head: bytes, stream: BinaryIO) -> Kind:
    text = head.removeprefix(_BYTE_ORDER_MARK).lstrip()
    is_fhir, tag = text.find(b'"resourceType"'), _TAG_MEMBER.search(text)
    if tag and (is_fhir < 0 or tag.start() < is_fhir):
        return Kind.DICOM_JSON
    if is_fhir < 0 or text[:1] != b"{":
        return Kind.UNKNOWN
    line = text.split(b"\n", 1)[0] if b"\n" in text else text + stream.readline(_LINE)
    try:
        whole = isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        whole = False
    return Kind.FHIR_NDJSON if whole else Kind.FHIR_JSON


def json_from_stream(stream: BinaryIO) -> Any:
    """The JSON value of a stream. Raises TooLarge, BadRequest."""
    content = stream.read(_JSON + 1)
    if len(content) > _JSON:
        raise TooLarge("a JSON file is at most 64 MiB")
    # All of a large array stays alive: collecting while it grows takes five times as long as reading it.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return orjson.loads(content.removeprefix(_BYTE_ORDER_MARK))
    except orjson.JSONDecodeError as error:
        raise BadRequest("the file is not JSON") from error
    finally:
        if collecting:
            gc.enable()


def datasets_from_json(stream: BinaryIO) -> Iterator[Any]:
    """The data sets of a DICOM JSON file, an array of them or one alone, each let go when the next is taken.

    Raises TooLarge, BadRequest.
    """
    content = json_from_stream(stream)
    pending = content[::-1] if isinstance(content, list) else [content]
    del content
    while pending:
        yield pending.pop()


def lines_from_ndjson(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of an NDJSON file that hold something. Raises TooLarge."""
    while line := stream.readline(_LINE):
        if len(line) == _LINE:
            raise TooLarge("a line of NDJSON is at most 16 MiB")
        content = line.removeprefix(_BYTE_ORDER_MARK).strip()
        if content:
            yield content


def messages_from_hl7(stream: BinaryIO) -> Iterator[bytes]:
    """The messages of an HL7 v2 file, each segment ended by a carriage return (HL7 v2 chapter 2.10.3).

    The file may hold one message, several, a batch with its header and trailer segments, or MLLP blocks; its
    segments may end with CR, LF or both. Raises TooLarge.
    """
    message: list[bytes] = []
    size = 0
    for segment in _segments(stream):
        name = segment[:3]
        if name in (b"MSH", b"FHS", b"BHS", b"BTS", b"FTS"):
            if message:
                yield b"".join(message)
            message, size = [], 0
        if name == b"MSH" or (message and name not in (b"FHS", b"BHS", b"BTS", b"FTS")):
            message.append(segment + b"\r")
            size += len(segment) + 1
        if size > _MESSAGE:
            raise TooLarge("an HL7 message is at most 16 MiB")
    if message:
        yield b"".join(message)


def _segments(stream: BinaryIO) -> Iterator[bytes]:
    """Segments without terminators and MLLP bytes; a line feed is data where carriage returns end segments."""
    rest = stream.read(_READ).removeprefix(_BYTE_ORDER_MARK)
    ends = _ends(rest)
    at_end = not rest
    while not at_end:
        part = stream.read(_READ)
        at_end = not part
        pieces = ends.split(rest + part)
        rest = b"" if at_end else pieces.pop()
        if len(rest) > _MESSAGE:
            raise TooLarge("an HL7 message is at most 16 MiB")
        for piece in pieces:
            segment = piece.strip(b"\n\x0b\x1c")
            if segment:
                yield segment


def _ends(start: bytes) -> re.Pattern[bytes]:
    first = re.search(rb"[\r\n]", start.lstrip(b"\r\n\x0b"))
    return re.compile(rb"[\r\x0b\x1c]" if first and first[0] == b"\r" else rb"[\n\x0b\x1c]")
