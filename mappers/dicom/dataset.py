"""The door to pydicom: data sets that the header walker leaves alone, and the Standard's dictionaries.

A regular file is read by ``header``; pydicom reads what departs from the regular forms, and in the tests
judges that both ways give equal facts.
"""

from __future__ import annotations

import logging
import struct
import warnings
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from threading import Lock
from typing import Any, BinaryIO, cast

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import dcmread, read_dataset, read_partial
from pydicom.sequence import Sequence
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping as snomed_mapping
from pydicom.uid import UID

from mappers.context import MappingContext
from mappers.dicom.dicom_json import facts_from_json
from mappers.dicom.directory import DirectoryItem, DirectoryRecord, records_from_items
from mappers.dicom.errors import DicomOverLimit, DicomRejected, NotDicom
from mappers.dicom.facts import InstanceFacts, facts_from_header
from mappers.dicom.header import (
    DEFAULT_LIMITS,
    DEFLATED,
    Header,
    Irregular,
    Limits,
    Raw,
    Syntax,
    header_from_bytes,
    inflated_data_set,
    looks_like_dicom,
)
from mappers.dicom.tables import CHARSET, LAST_TAG, META_TAGS, WANTED, WANTED_ITEMS

__all__ = [
    "body_part",
    "dicom_term",
    "directory_records",
    "facts_from_bytes",
    "facts_from_json",
    "header_by_pydicom",
    "read_header",
    "snomed_from_retired",
    "sop_class_name",
]

# pydicom logs invalid values, which are patient data.
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)

_LOCK = Lock()
_CONCEPTS: Mapping[str, Any] = concepts
_PYDICOM_FAILS = (
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    KeyError,
    NotImplementedError,
    OverflowError,
    struct.error,
    TypeError,
    ValueError,
)
_LARGEST_META = 64 * 1024
_LARGEST_HELD = 16 * 1024 * 1024
_ANATOMY_CONTEXT_GROUPS = frozenset((4, 4030, 4031))


def facts_from_bytes(data: bytes | BinaryIO, context: MappingContext, limits: Limits = DEFAULT_LIMITS) -> InstanceFacts:
    """The InstanceFacts of a Part 10 file or bare data set, given whole or as a seekable stream at its start.

    Raises a DicomRejected (``errors``), and no warning.
    """
    return facts_from_header(read_header(data, limits), context)


def read_header(data: bytes | BinaryIO, limits: Limits = DEFAULT_LIMITS) -> Header:
    """The Header by the walker where the data are regular, else by pydicom. Raises NotDicom, DicomOverLimit."""
    try:
        return header_from_bytes(data, limits)
    except Irregular:
        if not isinstance(data, bytes):
            data.seek(0)
        return header_by_pydicom(data, limits)


def header_by_pydicom(data: bytes | BinaryIO, limits: Limits = DEFAULT_LIMITS) -> Header:
    """The Header as pydicom reads it. Raises NotDicom, DicomOverLimit."""
    source = BytesIO(data) if isinstance(data, bytes) else data
    head = source.read(256)
    source.seek(0)
    if not looks_like_dicom(head):
        raise NotDicom("neither the DICM prefix nor a data set of group 0002 or 0008 was found")
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _header(source, limits)
        except (RecursionError, *_PYDICOM_FAILS) as error:
            raise _refusal(error) from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise _refusal(error) from error


def _refusal(error: BaseException) -> DicomRejected:
    """Why a data set is refused; pydicom raises an error of its own in the place of any that it meets in a sequence."""
    met: BaseException | None = error
    while met is not None:
        if isinstance(met, DicomOverLimit):
            return met
        if isinstance(met, RecursionError):
            return DicomOverLimit("sequences are nested deeper than the limit")
        met = met.__context__
    return NotDicom("the data set cannot be read")


def _header(source: BinaryIO, limits: Limits) -> Header:
    inflated = _inflated(source, limits)
    if inflated:
        meta, content = inflated
        dataset = read_dataset(BytesIO(content), is_implicit_VR=False, is_little_endian=True, stop_when=_is_behind_mapped)
        big = False
    else:
        source.seek(0)
        bounded = cast("BinaryIO", _Bounded(source, limits.header))
        dataset = read_partial(bounded, stop_when=_is_behind_mapped, force=True, defer_size=_LARGEST_HELD)
        meta = {tag: str(dataset.file_meta[tag].value).encode() for tag in META_TAGS if tag in dataset.file_meta}
        big = not dataset.original_encoding[1]
    return Header(_elements(dataset, WANTED), meta, Syntax(explicit=True, big=big), truncated=any(map(_is_short, dataset.elements())))


class _Bounded:
    """A stream of which no more may be read than a header may have: pydicom, which reads what the walker leaves, has no limit."""

    def __init__(self, source: BinaryIO, limit: int) -> None:
        self._left = limit
        self.seek, self.tell = source.seek, source.tell
        self._read = source.read

    def read(self, size: int = -1) -> bytes:
        """As ``BinaryIO.read``. Raises DicomOverLimit."""
        data = self._read(size if 0 <= size <= self._left else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise DicomOverLimit("the header is larger than the limit")
        return data


def _inflated(source: BinaryIO, limits: Limits) -> tuple[dict[int, bytes], bytes] | None:
    """The inflated data set of a deflated file, within limits, since pydicom has none."""
    try:
        return inflated_data_set(source, limits)
    except Irregular:
        source.seek(0)
        if DEFLATED.encode() in source.read(_LARGEST_META):
            raise NotDicom("the meta information of the deflated data set cannot be read") from None
        return None


def _is_behind_mapped(tag: int, _vr: str | None, _length: int) -> bool:
    return tag > LAST_TAG


def _is_short(element: object) -> bool:
    return (
        isinstance(element, RawDataElement)
        and isinstance(element.value, bytes)
        and element.length != 0xFFFFFFFF
        and len(element.value) < element.length
    )


def _elements(dataset: Dataset, wanted: Mapping[int, bool]) -> dict[int, Raw]:
    found: dict[int, Raw] = {}
    for tag, is_sequence in wanted.items():
        if tag not in dataset:
            continue
        if is_sequence:
            found[tag] = _items(dataset, tag)
            continue
        element = dataset.get_item(tag)
        value = _charset_terms(dataset) if tag == CHARSET else element.value
        if isinstance(value, bytes) and not _is_short(element) and len(value) <= DEFAULT_LIMITS.value:
            found[tag] = value
    return found


def _charset_terms(dataset: Dataset) -> bytes:
    """(0008,0005), which pydicom has already read where the others are still bytes."""
    value = dataset[CHARSET].value
    terms = [value] if isinstance(value, str) else list(value or ())
    return "\\".join(terms).encode("latin_1", "replace")


def _items(dataset: Dataset, tag: int) -> list[dict[int, Raw]]:
    try:
        value = dataset[tag].value
    except (*_PYDICOM_FAILS, OSError):
        return []
    return [_elements(item, WANTED_ITEMS[tag]) for item in value] if isinstance(value, Sequence) else []


def directory_records(data: bytes) -> list[DirectoryRecord]:
    """The instances that a DICOMDIR indexes (PS3.3 F.3). Raises NotDicom, DicomOverLimit."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = dcmread(BytesIO(data))
            sequence = dataset.get("DirectoryRecordSequence") or ()
            return records_from_items([_directory_item(item) for item in sequence])
        except RecursionError as error:
            raise DicomOverLimit("sequences are nested deeper than the limit") from error
        except (*_PYDICOM_FAILS, OSError) as error:
            raise NotDicom("the directory cannot be read") from error


def _directory_item(item: Dataset) -> DirectoryItem:
    file_id = item.get("ReferencedFileID") or ()
    return DirectoryItem(
        offset=item.seq_item_tell or 0,
        next=int(item.get("OffsetOfTheNextDirectoryRecord") or 0),
        lower=int(item.get("OffsetOfReferencedLowerLevelDirectoryEntity") or 0),
        file_id=(file_id,) if isinstance(file_id, str) else tuple(map(str, file_id)),
        sop_class=str(item.get("ReferencedSOPClassUIDInFile") or ""),
        sop_uid=str(item.get("ReferencedSOPInstanceUIDInFile") or ""),
        elements=_elements(item, WANTED),
    )


@cache
def sop_class_name(uid: str) -> str | None:
    """The dictionary name of a SOP class (PS3.6 annex A), None where the class is private."""
    name = UID(uid).name
    return None if name == uid else name


def snomed_from_retired(code: str) -> str | None:
    """The SNOMED CT concept id that replaces a SNOMED RT style code (PS3.16 annex L; PS3.6)."""
    return snomed_mapping["SRT"].get(code)


@cache
def _anatomy() -> Mapping[str, tuple[str, str]]:
    """SNOMED concept id and meaning by name without spaces, upper case; names of two concepts are left out."""
    found: dict[str, set[tuple[str, str]]] = {}
    for keyword, codes in _CONCEPTS["SCT"].items():
        for code, (meaning, groups) in codes.items():
            if _ANATOMY_CONTEXT_GROUPS & set(groups):
                found.setdefault(keyword.upper(), set()).add((code, meaning))
    return {word: next(iter(codes)) for word, codes in found.items() if len(codes) == 1}


def body_part(word: str) -> tuple[str, str] | None:
    """SNOMED concept id and meaning of a Body Part Examined that names a concept of PS3.16 CID 4, 4030 or 4031."""
    return _anatomy().get("".join(word.split()).upper())


@cache
def dicom_term(code: str) -> str | None:
    """The meaning of a code of the DICOM Controlled Terminology (PS3.16 annex D)."""
    return _terms().get(code)


@cache
def _terms() -> Mapping[str, str]:
    return {code: meaning for codes in _CONCEPTS["DCM"].values() for code, (meaning, _) in codes.items()}
