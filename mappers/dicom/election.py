"""One value out of what many instances and sources say, the same in whatever order they come (imaging.md 1.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from mappers.context import MappingContext
from mappers.dicom.facts import Attributes, InstanceFacts


@dataclass(frozen=True, slots=True)
class Voice:
    """Attributes that ``count`` instances of one source carry."""

    rank: int
    source: str
    attributes: Attributes
    count: int


def voices(
    facts: Iterable[InstanceFacts], level: Callable[[InstanceFacts], Attributes], contexts: Mapping[str, MappingContext]
) -> list[Voice]:
    """The distinct attributes of a level: best source first (lowest rank, then code), most instances, then by content."""
    counts: dict[tuple[str, int], int] = {}
    held: dict[tuple[str, int], Attributes] = {}
    for fact in facts:
        attributes = level(fact)
        place = (fact.source, id(attributes))
        counts[place] = counts.get(place, 0) + 1
        held[place] = attributes
    merged: dict[tuple[str, bytes], list[Any]] = {}
    for place, count in counts.items():
        row = merged.setdefault((place[0], held[place].content), [held[place], 0])
        row[1] += count
    ordered = sorted(merged.items(), key=lambda item: (contexts[item[0][0]].source.rank, item[0][0], -item[1][1], item[0][1]))
    return [Voice(contexts[source].source.rank, source, row[0], row[1]) for (source, _), row in ordered]


class Election:
    """Chooses among voices; differing one-valued values raise the flag value-conflict."""

    def __init__(self, candidates: list[Voice], flags: set[str]) -> None:
        self.voices = candidates
        self.flags = flags

    def one(self, *keywords: str) -> Any:
        """The value of one attribute, or the tuple of several that belong together, of which the first must be present.

        That of the higher-ranked source, then of most instances, then the smallest.
        """
        return self.won(*keywords)[0]

    def won(self, *keywords: str) -> tuple[Any, str]:
        """The value, and the source that said it ("" where none did)."""
        counts: dict[bytes, int] = {}
        best: dict[bytes, tuple[int, str]] = {}
        values: dict[bytes, Any] = {}
        for voice in self.voices:
            if keywords[0] not in voice.attributes.values:
                continue
            value = [voice.attributes.values.get(keyword) for keyword in keywords]
            content = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
            place = (voice.rank, voice.source)
            if place < best.get(content, (2**63, "")):
                best[content], counts[content] = place, 0
            if place == best[content]:
                counts[content] += voice.count
            values[content] = value
        if not values:
            return (None if len(keywords) == 1 else (None,) * len(keywords)), ""
        if len(values) > 1:
            self.flags.add("value-conflict")
        winner = min(values, key=lambda content: (best[content], -counts[content], content))
        value = values[winner]
        return (value[0] if len(keywords) == 1 else tuple(value)), best[winner][1]

    def every(self, keyword: str) -> list[tuple[Any, Voice]]:
        """All items of a repeating attribute, each once, best voice first."""
        seen: dict[bytes, tuple[Any, Voice]] = {}
        for voice in self.voices:
            value = voice.attributes.values.get(keyword, ())
            for item in value if isinstance(value, list) else [value] if value else []:
                seen.setdefault(orjson.dumps(item, option=orjson.OPT_SORT_KEYS), (item, voice))
        return list(seen.values())
