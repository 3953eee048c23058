"""What hl7apy finds in a message: an explanation for dead letters, never a reason to refuse (hl7v2.md 6 and 8).

The one door to hl7apy. It is slow (about 50 messages a second), so it works offline only, and without groups, in which mode it
loses nothing. Findings name segments and fields, never a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from hl7apy import load_reference
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import ChildNotFound, HL7apyException, UnsupportedVersion
from hl7apy.parser import parse_field
from hl7apy.validation import Validator

from mappers.hl7v2 import er7
from mappers.hl7v2.er7 import Delimiters, Message, Segment
from mappers.hl7v2.errors import Er7Error

MAX_FINDINGS = 200
MAX_FIELD = 4096
"""A longer field is only counted: hl7apy's time grows faster than its input."""

_DEFAULT_VERSION = "2.4"
_SEPARATORS = frozenset({"MSH_1", "MSH_2"})


def report(raw: bytes, default_charset: str = "ASCII") -> list[str]:
    """Findings on a message, segment by segment, at most MAX_FINDINGS; empty where it conforms to its version."""
    try:
        message = er7.read(raw, default_charset, limits=er7.ORDER_LIMITS)
    except Er7Error as error:
        return [f"{error.location or 'message'}: {error.text}"]
    version = message.header.version or _DEFAULT_VERSION
    try:
        load_reference("MSH", "Segment", version)
    except UnsupportedVersion:
        return ["MSH-12: hl7apy has no tables of this version"]
    segments = message.segments()
    findings: list[str] = []
    for finding in (*_structure(message, segments, version), *_segments(segments, version)):
        if len(findings) == MAX_FINDINGS:
            break
        findings.append(finding)
    return findings


def _structure(message: Message, segments: Sequence[Segment], version: str) -> Iterator[str]:
    """Segments that the message structure requires and lacks, or does not know."""
    name = message.header.component(9, 3) or f"{message.header.message_code}_{message.header.trigger}"
    try:
        reference = load_reference(name, "Message", version)
    except ChildNotFound:
        yield "MSH-9: hl7apy has no structure of this message in this version"
        return
    known = set(_names(reference))
    present = Counter(segment.name for segment in segments)
    for child, _, (least, _most), kind in reference[1]:
        if kind == "SEG" and least and child not in present:
            yield f"{child}: required segment is missing"
    for other in sorted(present.keys() - known):
        if not other.startswith("Z") and other.isalnum() and len(other) == 3:
            yield f"{other}: segment is not part of the message"


def _names(reference: Any) -> Iterator[str]:
    """The names of all segments of a structure, those in groups included."""
    for name, child, _, kind in reference[1]:
        if kind == "SEG":
            yield name
        else:
            yield from _names(child)


def _segments(segments: Sequence[Segment], version: str) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for segment in segments:
        seen[segment.name] += 1
        if len(segment.name) != 3 or not segment.name.isalnum():
            yield f"segment {sum(seen.values())}: its name is not three letters or digits"
        elif not segment.name.startswith("Z"):
            yield from _fields(segment, f"{segment.name}[{seen[segment.name]}]", version)


def _fields(segment: Segment, here: str, version: str) -> Iterator[str]:
    try:
        reference = load_reference(segment.name, "Segment", version)
    except ChildNotFound:
        yield f"{here}: segment is not part of this version"
        return
    limits = {name: limit for name, _, limit, _ in reference[1]}
    for number in range(1, max(len(segment.fields), len(limits) + 1)):
        if f"{segment.name}_{number}" not in _SEPARATORS:
            yield from _field(segment, number, limits.get(f"{segment.name}_{number}"), f"{here}-{number}", version)


def _field(segment: Segment, number: int, limit: tuple[int, int] | None, here: str, version: str) -> Iterator[str]:
    text, name = segment.field(number), f"{segment.name}_{number}"
    if limit is None:
        if text:
            yield f"{here}: field is not part of the segment in this version"
        return
    repeats = segment.repeats(number)
    if not text and limit[0]:
        yield f"{here}: required field is empty"
    if -1 < limit[1] < len(repeats):
        yield f"{here}: more repeats than {limit[1]}"
    if len(text) > MAX_FIELD:
        yield f"{here}: too long to examine"
    elif any(not _conforms(repeat, name, segment.delimiters, version) for repeat in repeats if repeat and repeat != er7.DELETED):
        yield f"{here}: does not conform to its data type or table"


def _conforms(repeat: str, name: str, d: Delimiters, version: str) -> bool:
    """Whether hl7apy takes the repeat strictly. Its errors quote values, so only their occurrence is used."""
    characters = {
        "SEGMENT": "\r", "GROUP": "\r", "FIELD": d.field, "COMPONENT": d.component, "SUBCOMPONENT": d.subcomponent,
        "REPETITION": d.repetition, "ESCAPE": d.escape,
    }  # fmt: skip
    try:
        field = parse_field(repeat, name=name, version=version, encoding_chars=characters, validation_level=VALIDATION_LEVEL.STRICT)
        Validator.validate(field)
    except (HL7apyException, ValueError, AttributeError):
        # AttributeError: hl7apy 1.3.5 looks for the parent's name when it words a warning on a field without one.
        return False
    return True
