"""PID and MRG of the A40 family as a merge: who survives, who is subsumed, which identifier took which one's place.

hl7v2.md 1 (merge) and 3 (pairing).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mappers.context import NHS_NUMBER, MappingContext
from mappers.facts import IdentifierFact, PatientFacts
from mappers.hl7v2.er7 import Segment
from mappers.hl7v2.errors import MissingField
from mappers.hl7v2.segments import PatientSegments, identifiers_from_field, patient_facts

Pair = tuple[IdentifierFact, IdentifierFact]


@dataclass(frozen=True, slots=True)
class Merge:
    """One {PID MRG}. ``loser`` has the identifiers of MRG-1 that are paired with no equal one, those paired as ``use`` old.

    ``pairs`` are (new, old) and differ; ``unpaired`` old identifiers keep their value and move with the record. An old local number
    that PID-3 lists beside the one that takes its place is old all the same. Both sides equal: no pair, no loser
    identifier, flag ``self-merge``, no effect.
    """

    survivor: PatientFacts
    loser: PatientFacts
    pairs: tuple[Pair, ...]
    unpaired: tuple[IdentifierFact, ...] = ()
    flags: tuple[str, ...] = ()


def merge_from_segments(patient: PatientSegments, mrg: Segment, context: MappingContext, *, at: str) -> Merge:
    """The merge that PID and MRG-1 tell; raises MissingField where either names nobody. ``at`` is the event time."""
    day, flags = at[:10], list[str]()
    survivor = patient_facts(patient, context, day=day)
    new = identifiers_from_field(patient.pid, 3, context, flags, day=day)
    old = identifiers_from_field(mrg, 1, context, flags, day=day)
    if not any(f.value for f in new):
        raise MissingField("PID-3 holds no identifier", location="PID^1^3")
    if not any(f.value for f in old):
        raise MissingField("MRG-1 holds no identifier", location="MRG^1^1")
    pairs = _pairs(_typed(patient.pid, 3, new), _typed(mrg, 1, old), context.source.pairing, flags)
    paired = {o.key for n, o in pairs if n.key != o.key}
    kept = {f.key for f in new if f.value and (f.key not in paired or f.system == NHS_NUMBER)}
    named = list({f.key: f for f in old if f.value and f.key not in kept}.values())
    flags = flags if named else ["self-merge"]
    retire = paired | ({f.key for f in named} if context.source.unpaired_retire else set())
    loser = tuple(replace(f, use="old", end=day) if f.key in retire else f for f in named)
    return Merge(
        survivor,
        PatientFacts(loser),
        tuple((n, o) for n, o in pairs if n.key != o.key and o.key not in kept),
        tuple(f for f in loser if f.key not in paired),
        tuple(sorted({*flags, *survivor.flags})),
    )


def _typed(segment: Segment, number: int, facts: Sequence[IdentifierFact]) -> tuple[list[IdentifierFact], bool]:
    """The identifiers that have a value, and whether each was sent with a type (CX.5)."""
    d = segment.delimiters
    types = [repeat.split(d.component)[4:5] for repeat in segment.repeats(number)]
    return [f for f in facts if f.value], all(t and t[0] for t in types)


def _pairs(
    new: tuple[list[IdentifierFact], bool], old: tuple[list[IdentifierFact], bool], pairing: str, flags: list[str]
) -> list[Pair]:
    """(new, old) pairs by the source's policy; of two ways that disagree, by type and authority, flagged (UK A.3)."""
    positional = list(zip(new[0], old[0], strict=False))
    if pairing == "positional" or (pairing == "auto" and not (new[1] and old[1])):
        return positional
    by_type = _by_type_and_authority(new[0], old[0])
    if {(n.key, o.key) for n, o in by_type} != {(n.key, o.key) for n, o in positional}:
        flags.append("pairing-disagrees")
    return by_type


def _by_type_and_authority(new: Sequence[IdentifierFact], old: Sequence[IdentifierFact]) -> list[Pair]:
    pairs, left = list[Pair](), list(new)
    for o in old:
        n = next((n for n in left if (n.system, n.type_code) == (o.system, o.type_code)), None)
        if n is not None:
            left.remove(n)
            pairs.append((n, o))
    return pairs
