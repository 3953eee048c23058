"""What one instance's header says, split by the entity it describes, so that what instances share is held once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any

import orjson

from mappers.context import MappingContext
from mappers.dicom.charset import Charset, charset_from_terms
from mappers.dicom.errors import DicomTruncated, UidUnusable
from mappers.dicom.header import Header, Raw
from mappers.dicom.tables import (
    CHARSET,
    INSTANCE,
    KEY_OBJECT,
    KEY_OBJECT_SELECTION,
    LEVELS,
    META_SOP_CLASS,
    META_SOP_INSTANCE,
    REJECTION_TITLES,
    SERIES_INSTANCE_UID,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    Level,
)
from mappers.dicom.values import Reading, plain_text, read_elements, uid_from_text

_CACHED_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Attributes:
    """The values of one entity by DICOM keyword, coded findings, and what could not be used, as text.

    Dates and times are ISO 8601, sequences lists of such mappings, person names in DICOM's own form.
    """

    values: Mapping[str, Any]
    flags: tuple[str, ...] = ()
    raw: Mapping[str, str] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.content)

    @property
    def content(self) -> bytes:
        """Canonical JSON, equal where the attributes are."""
        return orjson.dumps([self.values, self.flags, self.raw], option=orjson.OPT_SORT_KEYS)


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """What one source's header of one instance says; equal facts are one fact.

    ``received`` is when it came, ISO 8601 UTC, "" where that was not kept: it makes no other content.
    """

    source: str
    study_uid: str
    series_uid: str
    sop_uid: str
    patient: Attributes
    study: Attributes
    series: Attributes
    instance: Attributes
    received: str = field(default="", compare=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the mapped values, hexadecimal; the source is no part of it."""
        state = sha256(f"{self.study_uid}|{self.series_uid}|{self.sop_uid}".encode())
        for part in (self.patient, self.study, self.series, self.instance):
            state.update(orjson.dumps([part.values, part.raw], option=orjson.OPT_SORT_KEYS))
        return state.hexdigest()

    def as_json(self) -> dict[str, Any]:
        """A JSON-able form, for records of rejection and tests."""
        return {
            "source": self.source,
            "study": self.study_uid,
            "series": self.series_uid,
            "instance": self.sop_uid,
            "attributes": {
                "patient": self.patient.values,
                "study": self.study.values,
                "series": self.series.values,
                "instance": self.instance.values,
            },
        }


def facts_from_header(header: Header, context: MappingContext) -> InstanceFacts:
    """The InstanceFacts of a header. Raises UidUnusable, or DicomTruncated where it ends before its UIDs."""
    elements, meta = header.elements, header.meta
    cut = header.truncated
    key = (plain_text(elements.get(CHARSET)), context.source.charset, header.syntax.big)
    sop_class = uid_from_text(plain_text(elements.get(SOP_CLASS_UID) or meta.get(META_SOP_CLASS)))
    return InstanceFacts(
        context.source.code,
        identity_uid(elements.get(STUDY_INSTANCE_UID), truncated=cut),
        identity_uid(elements.get(SERIES_INSTANCE_UID), truncated=cut),
        identity_uid(elements.get(SOP_INSTANCE_UID) or meta.get(META_SOP_INSTANCE), truncated=cut),
        _shared_attributes(Level.PATIENT, elements, key),
        _shared_attributes(Level.STUDY, elements, key),
        _shared_attributes(Level.SERIES, elements, key),
        instance_attributes(elements, sop_class, key, ("truncated", *header.flags) if cut else header.flags),
    )


ReadingKey = tuple[str, str, bool]
"""Declared character set, the default of the source, big endian."""


def identity_uid(raw: Raw | None, *, truncated: bool = False) -> str:
    """A study, series or SOP instance UID. Raises UidUnusable, DicomTruncated."""
    text = plain_text(raw)
    uid = uid_from_text(text)
    if uid is not None:
        return uid
    if truncated and not text:
        raise DicomTruncated("the data set ends before its study, series and SOP instance UIDs")
    raise UidUnusable("the study, series or SOP instance UID is missing or not a UID")


_TAGS = {level: tuple(element.tag for element in elements) for level, elements in LEVELS.items()}


def _shared_attributes(level: Level, elements: Mapping[int, Raw], key: ReadingKey) -> Attributes:
    """Attributes of a level, read once for all instances that carry the same bytes."""
    raws = tuple([elements.get(tag) for tag in _TAGS[level]])
    size = sum([len(raw[0] if isinstance(raw, tuple) else raw) for raw in raws if raw])
    if size > _CACHED_BYTES or any(type(raw) is list for raw in raws):
        return attributes_from_raw(level, elements, key)
    return _remembered(level, raws, key)


@lru_cache(maxsize=768)
def _remembered(level: Level, raws: tuple[Raw | None, ...], key: ReadingKey) -> Attributes:
    elements = {tag: raw for tag, raw in zip(_TAGS[level], raws, strict=True) if raw}
    return attributes_from_raw(level, elements, key)


@lru_cache(maxsize=64)
def _charset(text: str) -> Charset:
    return charset_from_terms(text)


def _reading(key: ReadingKey) -> Reading:
    declared, default, big = key
    charset = _charset(declared)
    reading = Reading(charset, _charset(default), big)
    if charset.unknown:
        reading.flags.add("charset-unknown")
    return reading


def attributes_from_raw(level: Level, elements: Mapping[int, Raw], key: ReadingKey) -> Attributes:
    """The Attributes of one level."""
    reading = _reading(key)
    values = read_elements(LEVELS[level], elements, reading)
    return Attributes(values, tuple(sorted(reading.flags)), reading.raw)


def instance_attributes(elements: Mapping[int, Raw], sop_class: str | None, key: ReadingKey, flags: tuple[str, ...] = ()) -> Attributes:
    """The Attributes of the instance, with what a Key Object Selection says where it is one."""
    reading = _reading(key)
    reading.flags.update(flags)
    values = read_elements(INSTANCE, elements, reading)
    if sop_class:
        values["SOPClassUID"] = sop_class
    if sop_class == KEY_OBJECT_SELECTION:
        values |= _key_object(elements, reading)
    return Attributes(values, tuple(sorted(reading.flags)), reading.raw)


def _key_object(elements: Mapping[int, Raw], reading: Reading) -> dict[str, Any]:
    """The Key Object Description (113012), and of a rejection note the SOP instances it rejects."""
    read = read_elements(KEY_OBJECT, elements, reading)
    found: dict[str, Any] = {}
    for item in read.get("ContentSequence", ()):
        if _code(item) == "113012" and "TextValue" in item:
            found["KeyObjectDescription"] = item["TextValue"]
    title = _code(read_elements(INSTANCE, elements, reading))
    if title in REJECTION_TITLES:
        found["RejectionTitle"] = title
        found["RejectedSOPInstanceUIDs"] = sorted(_referenced(read))
    return found


def _code(item: Mapping[str, Any]) -> str | None:
    """The DCM code of a concept name."""
    for code in item.get("ConceptNameCodeSequence", ()):
        if code.get("CodingSchemeDesignator") == "DCM":
            value: str | None = code.get("CodeValue")
            return value
    return None


def _referenced(read: Mapping[str, Any]) -> set[str]:
    return {
        instance["ReferencedSOPInstanceUID"]
        for study in read.get("CurrentRequestedProcedureEvidenceSequence", ())
        for series in study.get("ReferencedSeriesSequence", ())
        for instance in series.get("ReferencedSOPSequence", ())
        if "ReferencedSOPInstanceUID" in instance
    }
