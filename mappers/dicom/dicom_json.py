"""InstanceFacts of a data set in the DICOM JSON model (PS3.18 annex F)."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from mappers.context import MappingContext
from mappers.dicom.errors import NotDicom
from mappers.dicom.facts import Attributes, InstanceFacts, ReadingKey, attributes_from_raw, identity_uid, instance_attributes
from mappers.dicom.header import DEFAULT_LIMITS, Raw
from mappers.dicom.tables import (
    CHARSET,
    INSTANCE,
    KEY_OBJECT,
    KEY_OBJECT_SELECTION,
    LEVELS,
    META_SOP_CLASS,
    META_SOP_INSTANCE,
    SERIES_INSTANCE_UID,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    WANTED_ITEMS,
    Level,
)
from mappers.dicom.values import plain_text, uid_from_text

_CACHED_BYTES = 16 * 1024


def _name(tag: int) -> str:
    return f"{tag:08X}"


_WANTED = {
    level: tuple((_name(element.tag), element.tag, element.vr == "SQ") for element in elements) for level, elements in LEVELS.items()
}
_INSTANCE = {element.tag: element.vr == "SQ" for element in INSTANCE}
_KEY_OBJECT = {element.tag: element.vr == "SQ" for element in KEY_OBJECT}
_UIDS = tuple(
    _name(tag) for tag in (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID, SOP_INSTANCE_UID, SOP_CLASS_UID, META_SOP_INSTANCE, META_SOP_CLASS)
)
_CHARSET = _name(CHARSET)


def facts_from_json(dataset: object, context: MappingContext) -> InstanceFacts:
    """The InstanceFacts of one data set: an object whose members are tags of eight hexadecimal digits.

    Raises NotDicom, UidUnusable.
    """
    if not isinstance(dataset, dict):
        raise NotDicom("a data set in DICOM JSON is an object")
    if _UIDS[0] not in dataset:
        dataset = {str(key).upper(): value for key, value in dataset.items()}
    study, series, sop, sop_class, meta_sop, meta_class = [_leaf(dataset.get(name)) for name in _UIDS]
    key = (plain_text(_leaf(dataset.get(_CHARSET))), context.source.charset, False)
    class_uid = uid_from_text(plain_text(sop_class or meta_class))
    return InstanceFacts(
        context.source.code,
        identity_uid(study),
        identity_uid(series),
        identity_uid(sop or meta_sop),
        _shared(Level.PATIENT, dataset, key),
        _shared(Level.STUDY, dataset, key),
        _shared(Level.SERIES, dataset, key),
        _instance(dataset, class_uid, key),
    )


def _shared(level: Level, dataset: Mapping[str, Any], key: ReadingKey) -> Attributes:
    """Attributes of a level, read once for all instances that say the same."""
    members = {tag: dataset[name] for name, tag, _ in _WANTED[level] if name in dataset}
    try:
        content = orjson.dumps(members, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        content = b""
    if not content or len(content) > _CACHED_BYTES:
        return attributes_from_raw(level, _raws(members, dict(_sequences(level))), key)
    return _remembered(level, content, key)


@lru_cache(maxsize=768)
def _remembered(level: Level, content: bytes, key: ReadingKey) -> Attributes:
    members = {int(tag): value for tag, value in orjson.loads(content).items()}
    return attributes_from_raw(level, _raws(members, dict(_sequences(level))), key)


def _sequences(level: Level) -> list[tuple[int, bool]]:
    return [(tag, is_sequence) for _, tag, is_sequence in _WANTED[level]]


def _instance(dataset: Mapping[str, Any], sop_class: str | None, key: ReadingKey) -> Attributes:
    wanted = _INSTANCE | _KEY_OBJECT if sop_class == KEY_OBJECT_SELECTION else _INSTANCE
    members = {tag: dataset[name] for tag, name in _INSTANCE_NAMES if name in dataset and tag in wanted}
    return instance_attributes(_raws(members, wanted), sop_class, key)


_INSTANCE_NAMES = tuple((tag, _name(tag)) for tag in (*_INSTANCE, *_KEY_OBJECT))


def _raws(members: Mapping[int, Any], wanted: Mapping[int, bool]) -> dict[int, Raw]:
    found: dict[int, Raw] = {}
    for tag, member in members.items():
        raw = _items(tag, member) if wanted[tag] else _leaf(member)
        if raw:
            found[tag] = raw
    return found


def _items(tag: int, member: Any) -> Raw | None:
    values = member.get("Value") if isinstance(member, dict) else None
    if not isinstance(values, list):
        return None
    wanted = WANTED_ITEMS[tag]
    names = [(inner, _name(inner)) for inner in wanted]
    items = [value for value in values[: DEFAULT_LIMITS.items] if isinstance(value, dict)]
    return [_raws({inner: item[name] for inner, name in names if name in item}, wanted) for item in items]


def _leaf(member: Any) -> Raw | None:
    """The values of an element as texts, or the bytes of one sent as InlineBinary (a VR unknown to the sender)."""
    if not isinstance(member, dict):
        return None
    values = member.get("Value")
    if isinstance(values, list):
        return [_text(value) for value in values]
    inline = member.get("InlineBinary")
    if isinstance(inline, str):
        try:
            return b64decode(inline, validate=True)
        except (binascii.Error, ValueError):
            return None
    return None


def _text(value: Any) -> str:
    """One value as the text that a data set would hold; null is an empty value."""
    if isinstance(value, str):
        return value if len(value) <= DEFAULT_LIMITS.value else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        groups = [value.get(name) for name in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join([group if isinstance(group, str) else "" for group in groups]).rstrip("=")
    return ""
