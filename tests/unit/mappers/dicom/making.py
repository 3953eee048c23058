"""Data sets of the cast, made by pydicom or byte by byte, and the contexts of two archives."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from mappers.context import Authority, MappingContext, Source
from mappers.dicom.dataset import facts_from_bytes
from mappers.dicom.facts import InstanceFacts

BUNDLED = Path(pydicom.__file__).parent / "data"
CT = "1.2.840.10008.5.1.4.1.1.2"
KOS = "1.2.840.10008.5.1.4.1.1.88.59"
STUDY, SERIES = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.1.1"
RECEIVED = "2025-03-01T12:00:00.000000Z"
BASE = "https://weald.example/fhir"

RTK_MRN = Authority("RTK", f"{BASE}/Id/RTK/mrn", "MR", "RTK")
RA2_MRN = Authority("RA2", f"{BASE}/Id/RA2/mrn", "MR", "RA2")
SOURCES = {
    "RTK-PACS": Source("RTK-PACS", "RTK", {"RTK": RTK_MRN, "1.2.3.4": RTK_MRN}, RTK_MRN, rank=1),
    "RA2-PACS": Source("RA2-PACS", "RA2", {"RA2": RA2_MRN}, RA2_MRN, rank=2),
}
CONTEXTS = {code: MappingContext(source, RECEIVED) for code, source in SOURCES.items()}
RTK, RA2 = CONTEXTS["RTK-PACS"], CONTEXTS["RA2-PACS"]
ENDPOINTS = {("RTK-PACS", "dicom-wado-rs"): "rtk-wado", ("RA2-PACS", "dicom-wado-rs"): "ra2-wado"}


def dataset(**values: Any) -> Dataset:
    """A CT instance of Alice's; a value of None takes the element out."""
    made = Dataset()
    given = {
        "SOPClassUID": CT,
        "SOPInstanceUID": f"{SERIES}.1",
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES,
        "PatientName": "Hart^Alice",
        "PatientID": "A100",
        "PatientBirthDate": "19800214",
        "PatientSex": "F",
        "StudyDate": "20250110",
        "StudyTime": "101112",
        "Modality": "CT",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        **values,
    }
    return _filled(made, given)


def _filled(made: Dataset, given: dict[str, Any]) -> Dataset:
    """The data set with these values, invalid ones too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in given.items():
            if value is not None:
                setattr(made, keyword, value)
    return made


def part10(made: Dataset, syntax: str = ExplicitVRLittleEndian, *, source_ae_title: str | None = None) -> bytes:
    """The bytes of a Part 10 file."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.get("SOPClassUID", CT)
    made.file_meta.MediaStorageSOPInstanceUID = made.get("SOPInstanceUID", "1.2")
    if source_ae_title:
        made.file_meta.SourceApplicationEntityTitle = source_ae_title
    stream = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def facts(source: str = "RTK-PACS", **values: Any) -> InstanceFacts:
    """The facts of a data set."""
    return facts_from_bytes(part10(dataset(**values)), CONTEXTS[source])


def instance(number: int, source: str = "RTK-PACS", **values: Any) -> InstanceFacts:
    """The facts of one of many instances of a series."""
    given = {"SOPInstanceUID": f"{SERIES}.{number}", "InstanceNumber": number, **values}
    return facts(source, **given)


def code(value: str, designator: str, meaning: str, **more: Any) -> Dataset:
    """An item of a code sequence."""
    return item(CodeValue=value, CodingSchemeDesignator=designator, CodeMeaning=meaning, **more)


def item(**values: Any) -> Dataset:
    """An item of a sequence."""
    return _filled(Dataset(), values)


def rejection(title: str, uids: Iterable[str], source: str = "RTK-PACS", number: int = 900, **values: Any) -> InstanceFacts:
    """A Key Object Selection that lists instances under a title."""
    listed = item(ReferencedSeriesSequence=[item(ReferencedSOPSequence=[item(ReferencedSOPInstanceUID=uid) for uid in uids])])
    given = {
        "SOPClassUID": KOS,
        "SeriesInstanceUID": f"{STUDY}.9",
        "Modality": "KO",
        "ConceptNameCodeSequence": [code(title, "DCM", "Rejected")],
        "CurrentRequestedProcedureEvidenceSequence": [listed],
        **values,
    }
    return instance(number, source, **given)


LONG = {"OB", "OW", "SQ", "UN", "UT", "UC", "UR"}


def element(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    """One element in explicit VR little endian, its value as given; ``length`` may lie."""
    size = len(value) if length is None else length
    head = struct.pack("<HH", tag >> 16, tag & 0xFFFF) + vr.encode()
    return head + (struct.pack("<HI", 0, size) if vr in LONG else struct.pack("<H", size)) + value


def implicit(tag: int, value: bytes, length: int | None = None) -> bytes:
    """One element in implicit VR little endian."""
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def plain_item(value: bytes, length: int | None = None) -> bytes:
    """One item of a sequence."""
    return implicit(0xFFFEE000, value, length)


UNDEFINED = 0xFFFFFFFF
ITEM_END = implicit(0xFFFEE00D, b"")
SEQUENCE_END = implicit(0xFFFEE0DD, b"")
IDENTITY = (
    element(0x00080016, "UI", CT.encode() + b"\0"),
    element(0x00080018, "UI", b"1.2.3.10"),
    element(0x0020000D, "UI", b"1.2.3\0"),
    element(0x0020000E, "UI", b"1.2.3.1\0"),
)


def bare(*elements: bytes) -> bytes:
    """A data set without preamble and meta information: the given elements and the UIDs, in order of tags."""
    return b"".join(sorted((*IDENTITY, *elements), key=lambda part: struct.unpack_from("<HH", part)))
