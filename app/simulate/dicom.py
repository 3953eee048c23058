"""DICOM data sets without pixels: Part 10 files in explicit little endian (PS3.10 7, PS3.5 7) and DICOM JSON (PS3.18 F)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

SOP_INSTANCE_UID = 0x00080018
INSTANCE_NUMBER = 0x00200013
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
IMPLEMENTATION_UID = "2.25.258737346229478013391541043846154352641"
LONG = frozenset({"OB", "OW", "SQ", "UN", "UT", "UC", "UR"})
IN_CHARACTER_SET = frozenset({"LO", "LT", "PN", "SH", "ST"})
NUL_PADDED = frozenset({"UI", "OB"})


@dataclass(frozen=True, slots=True)
class Element:
    """One data element; ``value`` is text (values parted by a backslash), a number, or the items of a sequence."""

    tag: int
    vr: str
    value: str | int | tuple[tuple[Element, ...], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """The elements all instances of a series share, and the instances' UIDs in order."""

    elements: tuple[Element, ...]
    instances: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """One study: ``elements`` shared by all, in the archive's character set; ``ae_title`` the archive's."""

    uid: str
    ae_title: str
    codec: str
    elements: tuple[Element, ...]
    series: tuple[Series, ...]


def element_bytes(element: Element, codec: str) -> bytes:
    """One element in explicit little endian."""
    value = _value_bytes(element, codec)
    if len(value) % 2:
        value += b"\0" if element.vr in NUL_PADDED else b" "
    tag = struct.pack("<HH", element.tag >> 16, element.tag & 0xFFFF)
    length = struct.pack("<HI", 0, len(value)) if element.vr in LONG else struct.pack("<H", len(value))
    return tag + element.vr.encode() + length + value


def _value_bytes(element: Element, codec: str) -> bytes:
    if isinstance(element.value, tuple):
        return b"".join(_item_bytes(item, codec) for item in element.value)
    if isinstance(element.value, int):
        return struct.pack("<H", element.value) if element.vr == "US" else struct.pack("<I", element.value)
    return element.value.encode(codec if element.vr in IN_CHARACTER_SET else "ascii")


def _item_bytes(item: tuple[Element, ...], codec: str) -> bytes:
    value = b"".join(element_bytes(element, codec) for element in item)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value)) + value


def _meta(sop_class: str, instance: str, ae_title: str) -> bytes:
    elements = (
        Element(0x00020002, "UI", sop_class), Element(0x00020003, "UI", instance),
        Element(0x00020010, "UI", EXPLICIT_LITTLE_ENDIAN), Element(0x00020012, "UI", IMPLEMENTATION_UID),
        Element(0x00020013, "SH", "WEALD_SIMULATE"), Element(0x00020016, "AE", ae_title),
    )  # fmt: skip
    version = struct.pack("<HH2sHI", 2, 1, b"OB", 0, 2) + b"\0\1"
    rest = version + b"".join(element_bytes(element, "ascii") for element in elements)
    return b"\0" * 128 + b"DICM" + element_bytes(Element(0x00020000, "UL", len(rest)), "ascii") + rest


def _all(study: Study, series: Series) -> list[Element]:
    return sorted((*study.elements, *series.elements), key=lambda element: element.tag)


def _joined(elements: Iterable[Element], codec: str) -> bytes:
    return b"".join(element_bytes(element, codec) for element in elements)


def part10(study: Study) -> Iterator[tuple[str, bytes]]:
    """The instances of a study, each with its SOP Instance UID and its whole file."""
    for series in study.series:
        elements = _all(study, series)
        sop_class = next(str(element.value) for element in elements if element.tag == 0x00080016)
        head = _joined((element for element in elements if element.tag < SOP_INSTANCE_UID), study.codec)
        middle = _joined((element for element in elements if SOP_INSTANCE_UID < element.tag < INSTANCE_NUMBER), study.codec)
        tail = _joined((element for element in elements if element.tag > INSTANCE_NUMBER), study.codec)
        for number, uid in enumerate(series.instances, 1):
            identity = element_bytes(Element(SOP_INSTANCE_UID, "UI", uid), "ascii")
            place = element_bytes(Element(INSTANCE_NUMBER, "IS", str(number)), "ascii")
            yield uid, b"".join((_meta(sop_class, uid, study.ae_title), head, identity, middle, place, tail))


def json_model(study: Study) -> list[dict[str, Any]]:
    """The instances of a study as the DICOM JSON model; the archive's AE title is in (0008,0054)."""
    source = Element(0x00080054, "AE", study.ae_title)
    found = []
    for series in study.series:
        shared = {key: value for element in (*_all(study, series), source) for key, value in (_json_element(element),)}
        for number, uid in enumerate(series.instances, 1):
            own = (Element(SOP_INSTANCE_UID, "UI", uid), Element(INSTANCE_NUMBER, "IS", str(number)))
            found.append(dict(sorted((shared | dict(map(_json_element, own))).items())))
    return found


def _json_element(element: Element) -> tuple[str, dict[str, Any]]:
    key = f"{element.tag:08X}"
    if element.value == "":
        return key, {"vr": element.vr}
    if element.tag == 0x00080005:
        return key, {"vr": "CS", "Value": ["ISO_IR 192"]}
    return key, {"vr": element.vr, "Value": _json_values(element)}


def _json_values(element: Element) -> list[Any]:
    if isinstance(element.value, tuple):
        return [dict(map(_json_element, item)) for item in element.value]
    if isinstance(element.value, int):
        return [element.value]
    values = element.value.split("\\")
    if element.vr == "PN":
        return [{"Alphabetic": value} for value in values]
    return [int(value) for value in values] if element.vr == "IS" else values
