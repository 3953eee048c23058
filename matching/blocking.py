"""Blocking keys of a record, and the ranking of the candidates that share them (matching.md 3)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import combinations
from math import log2
from typing import Protocol

from matching.demographics import COUNTED, Demographics, Name
from matching.learning import is_overshared

FAMILIES = ("nn", "id", "db", "di", "sn", "fy", "fm", "gy", "gm", "ds", "pg", "pf", "ph", "em", "sg", "sf", "m3", "c4")

EXCLUDED = {
    "nn": ("nhs_number", "nhs_weak"),
    "id": ("same_authority",),
    "db": ("birth_date",),
    "di": ("birth_date", "given", "family"),
    "sn": ("given", "family"),
    "fy": ("family", "birth_date"),
    "fm": ("family", "birth_date"),
    "gy": ("given", "birth_date"),
    "gm": ("given", "birth_date"),
    "ds": ("birth_date", "family"),
    "pg": ("postcode", "given"),
    "pf": ("postcode", "family"),
    "ph": ("phone",),
    "em": ("email",),
    "sg": ("street", "given"),
    "sf": ("street", "family"),
    "m3": ("given", "family", "middle"),
    "c4": ("given", "family", "city"),
}
"""The fields that each family's pairs agree in by construction: left out of its EM."""

OF_SHARED_VALUES = frozenset({"id", "ph", "em", "sg", "sf"})
"""Families whose key is a value that many records may come to share: a surgery's phone, a care home."""

KEYS_KEPT = 48
BLOCK_CAP = 200
SLOW_LANE_CAP = 1000
CANDIDATES_KEPT = 64
CANDIDATES_KEPT_THIN = 128

_CODE = {family: code for code, family in enumerate(FAMILIES)}
_HASH_BITS = 59
_HASH_MASK = (1 << _HASH_BITS) - 1


class Block(Protocol):
    """A block as the store gives it: exact size up to cap + 1, and its record numbers where size <= cap."""

    @property
    def size(self) -> int: ...

    @property
    def members(self) -> Sequence[int]: ...


def _key(family: str, text: str) -> int:
    digest = blake2b(text.encode(), digest_size=8).digest()
    unsigned = _CODE[family] << _HASH_BITS | int.from_bytes(digest) & _HASH_MASK
    return unsigned - (1 << 64) if unsigned >> 63 else unsigned


def family_of(key: int) -> str:
    """The two-letter family of a blocking key."""
    return FAMILIES[(key & (1 << 64) - 1) >> _HASH_BITS]


def is_no_key(key: int, size: int) -> bool:
    """Whether a block of that size shows that its value is shared by so many records that it is no key (matching.md 2, Learned).

    It follows from the size alone, and so is taken back when the records are fewer.
    """
    return is_overshared(size) and family_of(key) in OF_SHARED_VALUES


def _number_texts(d: Demographics) -> Iterator[tuple[str, str]]:
    if d.nhs_state in COUNTED:
        yield "nn", d.nhs_number
    for system, value in d.identifiers:
        if f"{system}|{value}" not in d.unkeyed:
            yield "id", f"{system}|{value}"


def _name_texts(name: Name, birth_date: str) -> Iterator[tuple[str, str]]:
    given = name.given_sound if len(name.given) > 1 else ""
    family = name.family_sound
    if given and family:
        yield "sn", " ".join(sorted((given, family)))
    if len(birth_date) == 8:
        if name.given and name.family:
            yield "di", birth_date + min(name.given[0], name.family[0])
        if family:
            yield "ds", "".join(sorted(birth_date[2:4])) + "".join(sorted((birth_date[4:6], birth_date[6:]))) + name.family[0]
            yield "fm", family + " " + birth_date[4:]
        if given:
            yield "gm", given + " " + birth_date[4:]
    if family and birth_date:
        yield "fy", family + " " + birth_date[:4]
    if given and birth_date:
        yield "gy", given + " " + birth_date[:4]


def _place_texts(name: Name, postcode: str, street: str) -> Iterator[tuple[str, str]]:
    if postcode and len(name.given) > 1:
        yield "pg", postcode + " " + name.given[:2]
    if postcode and name.family:
        yield "pf", postcode + " " + name.family[:2]
    if street and name.given:
        yield "sg", street + " " + name.given[0]
    if street and name.family:
        yield "sf", street + " " + name.family[0]


def _file_texts(name: Name, city: str) -> Iterator[tuple[str, str]]:
    if name.given and name.family:
        if name.middle:
            yield "m3", f"{name.given[:3]} {name.family[:3]} {name.middle[0]}"
        if city:
            yield "c4", f"{name.given[:3]} {name.family[:3]} {city[:4]}"


def blocking_texts(d: Demographics, files: bool) -> Iterator[tuple[str, str]]:
    """The family and text of each of the record's keys, those of its newest values first."""
    yield from _number_texts(d)
    if len(d.birth_date) == 8:
        yield "db", d.birth_date
    streets = [street for street in d.streets if street not in d.unkeyed]
    places = max(len(d.postcodes), len(streets), 1)
    for phone in d.phones:
        if phone not in d.unkeyed:
            yield "ph", phone
    for email in d.emails:
        if email not in d.unkeyed:
            yield "em", email
    for name in d.names:
        yield from _name_texts(name, d.birth_date)
    for place in range(places):
        for name in d.names:
            yield from _place_texts(
                name, d.postcodes[place] if place < len(d.postcodes) else "", streets[place] if place < len(streets) else ""
            )
    if files:
        for name in d.names:
            yield from _file_texts(name, d.cities[0] if d.cities else "")


def blocking_keys(d: Demographics, *, files: bool = False) -> tuple[int, ...]:
    """The record's blocking keys, signed 64-bit, at most 48; ``files`` adds the families that only plain tables use.

    Of more than 48 each family keeps the keys of its newest values, so that no family, such as that of identifiers, crowds out the others.
    """
    keys = {_key(family, text): None for family, text in blocking_texts(d, files)}
    if len(keys) <= KEYS_KEPT:
        return tuple(keys)
    turns, seen = {}, dict.fromkeys(FAMILIES, 0)
    for key in keys:
        turns[key] = seen[family_of(key)]
        seen[family_of(key)] += 1
    kept = set(sorted(keys, key=turns.__getitem__)[:KEYS_KEPT])
    return tuple(key for key in keys if key in kept)


def is_thin(d: Demographics) -> bool:
    """Whether the record has neither NHS number nor phone nor postcode, so that more candidates are kept."""
    return not (d.nhs_state in COUNTED or d.phones or d.postcodes)


def shares(blocks: Mapping[int, Block], population: int, *, cap: int = BLOCK_CAP) -> dict[int, float]:
    """By record number, how much it shares with the record whose blocks these are: the sum of log2(population / block size).

    Blocks over ``cap`` are ignored.
    """
    found: dict[int, float] = {}
    for key in sorted(blocks):
        block = blocks[key]
        if 0 < block.size <= cap:
            gain = log2(max(population / block.size, 1.0))
            for member in block.members:
                found[member] = found.get(member, 0.0) + gain
    return found


def in_order(shared: Mapping[int, float], thin: bool) -> tuple[list[int], list[int]]:
    """The record numbers to fetch, the 64 (thin: 128) that share most, best first, ties to the smaller number; and the others."""
    kept = CANDIDATES_KEPT_THIN if thin else CANDIDATES_KEPT
    ordered = sorted(shared, key=lambda number: (-shared[number], number))
    return ordered[:kept], ordered[kept:]


def rank(blocks: Mapping[int, Block], population: int, thin: bool, *, cap: int = BLOCK_CAP) -> list[int]:
    """Record numbers to fetch, best first, of the blocks of a record's own keys."""
    return in_order(shares(blocks, population, cap=cap), thin)[0]


def is_under_blocked(blocks: Mapping[int, Block], *, cap: int = BLOCK_CAP) -> bool:
    """Whether no block of the record is within the cap though some exist: it waits for the slow lane."""
    sizes = [block.size for block in blocks.values()]
    return bool(sizes) and min(sizes) > cap


def slow_lane(blocks: Mapping[int, Collection[int]], *, cap: int = SLOW_LANE_CAP) -> list[int]:
    """Record numbers that two of an under-blocked record's over-cap blocks share, intersections over ``cap`` left out.

    ``blocks`` are the whole blocks by key; best first, by how many of the intersections they are in.
    """
    found: dict[int, int] = {}
    members = {key: frozenset(blocks[key]) for key in sorted(blocks)}
    for x, y in combinations(members, 2):
        shared = members[x] & members[y]
        if len(shared) <= cap:
            for number in shared:
                found[number] = found.get(number, 0) + 1
    return sorted(found, key=lambda number: (-found[number], number))
