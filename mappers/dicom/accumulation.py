"""Which facts of a study stand: one winner a placement, rejections applied, persons kept apart (imaging.md 3.2, 3.3, 3.5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mappers.context import MappingContext
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.patient import corrected_keys, patient_key
from mappers.dicom.rejections import Rejections, rejection_title
from mappers.dicom.times import instant_from_da_tm, instant_from_dt

WRONG = frozenset(("113037", "113038"))
"""Rejection for patient safety and for a wrong modality worklist entry: what it lists should never have been."""


@dataclass(slots=True)
class Standing:
    """The facts that count: by source the winner of each (series, SOP instance), visible and hidden, with findings.

    ``titles`` holds for each hidden placement the rejection titles that hide it; rejection notes stand apart.
    """

    visible: list[InstanceFacts] = field(default_factory=list)
    hidden: list[InstanceFacts] = field(default_factory=list)
    notes: list[InstanceFacts] = field(default_factory=list)
    titles: list[frozenset[str]] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)

    @property
    def status(self) -> str:
        """ImagingStudy.status (imaging.md 1.3): available, entered-in-error, or unknown."""
        if self.visible:
            return "available"
        wrong = bool(self.titles) and all(titles & WRONG for titles in self.titles)
        return "entered-in-error" if wrong else "unknown"


def standing(facts: Iterable[InstanceFacts], contexts: Mapping[str, MappingContext]) -> Standing:
    """The Standing of all facts of one study and person, whatever their order and repetition."""
    claims: dict[tuple[str, str, str], list[InstanceFacts]] = {}
    every = list(facts)
    for fact in every:
        held = claims.setdefault((fact.source, fact.series_uid, fact.sop_uid), [])
        if fact not in held:
            held.append(fact)
    result = Standing()
    winners = []
    for key in sorted(claims):
        held = claims[key]
        if len(held) > 1:
            held = _by_digest(held)
        if len(held) > 1:
            result.flags.add("sop-conflict")
        zone = contexts[key[0]].source.time_zone
        winners.append(max(held, key=lambda fact: _recency(fact, zone)) if len(held) > 1 else held[0])
    if _conflicting(winners):
        result.flags.add("sop-conflict")
    _apply_rejections(winners, Rejections(winners, every, contexts), result)
    return result


def _by_digest(held: list[InstanceFacts]) -> list[InstanceFacts]:
    """One fact a digest, smallest digest first; of those that differ in findings only, the one with the fewest."""
    found: dict[str, InstanceFacts] = {}
    for fact in sorted(held, key=_findings):
        found.setdefault(fact.digest, fact)
    return [found[digest] for digest in sorted(found)]


def _findings(fact: InstanceFacts) -> tuple[int, list[tuple[str, ...]]]:
    flags = [part.flags for part in (fact.patient, fact.study, fact.series, fact.instance)]
    return sum(map(len, flags)), flags


def _recency(fact: InstanceFacts, zone: str) -> tuple[str, str]:
    """When the content was last modified or coerced, then when it was made; ``max`` keeps the first of equals."""
    values = fact.instance.values
    changes = [item.get("AttributeModificationDateTime") for item in values.get("OriginalAttributesSequence", ())]
    changed = max([instant_from_dt(text, zone) for text in [*changes, values.get("InstanceCoercionDateTime")]])
    offset = fact.study.values.get("TimezoneOffsetFromUTC")
    return changed, instant_from_da_tm(values.get("InstanceCreationDate"), values.get("InstanceCreationTime"), offset, zone)


def _conflicting(winners: Iterable[InstanceFacts]) -> bool:
    """Whether one SOP instance stands in two series, or with other content of its own in two sources."""
    seen: dict[str, InstanceFacts] = {}
    for fact in winners:
        other = seen.setdefault(fact.sop_uid, fact)
        if other is not fact and (other.series_uid != fact.series_uid or _identity(other) != _identity(fact)):
            return True
    return False


def _identity(fact: InstanceFacts) -> tuple[object, ...]:
    """What no archive may coerce in an instance."""
    values = fact.instance.values
    return tuple([values.get(name) for name in ("SOPClassUID", "InstanceNumber", "NumberOfFrames", "Rows", "Columns")])


def _apply_rejections(winners: Iterable[InstanceFacts], rejections: Rejections, result: Standing) -> None:
    for fact in winners:
        if rejection_title(fact):
            result.notes.append(fact)
        elif titles := rejections.titles(fact):
            result.hidden.append(fact)
            result.titles.append(titles)
        else:
            result.visible.append(fact)


class PatientKeys:
    """The patient key of each fact of one study, after the corrections that its archive records (imaging.md 3.3).

    A key that a source says it corrected moves with all that the source holds of the study.
    """

    def __init__(self, facts: Iterable[InstanceFacts], contexts: Mapping[str, MappingContext]) -> None:
        self._asserted: dict[tuple[str, str, int], str] = {}
        self._contexts = contexts
        corrections = set()
        for fact in facts:
            if "OriginalAttributesSequence" in fact.instance.values:
                corrections |= self._corrections(fact)
        self._moved = _moved(corrections)

    def _corrections(self, fact: InstanceFacts) -> set[tuple[str, str, str, str]]:
        context = self._contexts[fact.source]
        key = self.asserted(fact)
        zone = context.source.time_zone
        found = corrected_keys(fact, context)
        return {(instant_from_dt(when, zone), fact.source, old, key) for when, old in found if old != key}

    def asserted(self, fact: InstanceFacts) -> str:
        """The key that the header itself asserts."""
        place = (fact.source, fact.study_uid, id(fact.patient))
        key = self._asserted.get(place)
        if key is None:
            key = self._asserted[place] = patient_key(fact, self._contexts[fact.source])
        return key

    def current(self, fact: InstanceFacts) -> str:
        """The key that the fact's study is kept under."""
        key = self.asserted(fact)
        return self._moved.get((fact.source, key), key)


def _moved(corrections: Iterable[tuple[str, str, str, str]]) -> dict[tuple[str, str], str]:
    """Where each corrected key of a source has moved, the corrections being applied in order of time."""
    moved: dict[tuple[str, str], str] = {}
    for _, source, old, new in sorted(corrections):
        for place, key in moved.items():
            if place[0] == source and key == old:
                moved[place] = new
        moved[source, old] = new
        moved[source, new] = new
    return moved


Part = tuple[tuple[str, ...], tuple[InstanceFacts, ...]]


def partition(facts: Iterable[InstanceFacts], person_of: Mapping[str, str], contexts: Mapping[str, MappingContext]) -> list[Part]:
    """The patient keys and facts of each person whom one study names, ordered by smallest key; keys are sorted.

    One part is the usual case, several are the conflict of imaging.md 3.3. ``person_of`` gives the person of a
    patient key; a key that it lacks is a person of its own.
    """
    held = list(facts)
    keys = PatientKeys(held, contexts)
    parts: dict[str, list[InstanceFacts]] = {}
    named: dict[str, set[str]] = {}
    for fact in held:
        key = keys.current(fact)
        person = person_of.get(key, key)
        parts.setdefault(person, []).append(fact)
        named.setdefault(person, set()).add(key)
    made = [(tuple(sorted(named[person])), tuple(members)) for person, members in parts.items()]
    return sorted(made, key=lambda part: part[0])
