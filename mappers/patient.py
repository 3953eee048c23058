"""The state of a source patient: a join-semilattice of everything its feeds and archives said.

``apply`` is commutative, associative and idempotent: any permutation or duplication of the same messages gives the
same bytes (hl7v2.md, State is a fold). Per field and source the greatest Stamp stands; past names, addresses and
telecoms are kept, bounded, by the newest time at which they were said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from mappers import nhs_number
from mappers.context import NHS_NUMBER
from mappers.facts import CLASS_RANK, IdentifierFact, PatientFacts, Stamp

PROVISIONAL = CLASS_RANK["P"]
HEADER = CLASS_RANK["H"]
DEMOGRAPHIC = CLASS_RANK["D"]
HISTORY = {"name": 4, "address": 6, "telecom": 6}
"""How many past and current values are kept of each repeating field (matching.md 2, History)."""

_HISTORY_OF = {
    "name": "name", "name.alias": "name", "address": "address",
    "telecom.home": "telecom", "telecom.work": "telecom", "telecom.other": "telecom",
}  # fmt: skip
_ADDED = 20
"""How many repeats are kept of a list field whose sender adds instead of replacing."""
_CONTENT = {"name": ("family", "given", "suffix", "text"), "address": ("line", "city", "postalCode", "text"), "telecom": ("system", "value")}
_VERSION = 1
_DEATH_OF_VISIT = "deceased."
_NHS = f"{NHS_NUMBER}|"


class Said(NamedTuple):
    """A value and the stamp under which it was said."""

    stamp: Stamp
    value: Any


class _First(NamedTuple):
    """The earliest message of a kind: its time and identity, and whether it was of a pseudo person (PID-31)."""

    event_time: str
    content_hash: str
    pseudo: bool


Entries = dict[str, Said]
"""By source."""


@dataclass(frozen=True, slots=True)
class HeldIdentifier:
    """An identifier of the record and the newest time at which it was said; ``ended`` by deletion or period."""

    fact: IdentifierFact
    event_time: str
    ended: bool


class _Held(NamedTuple):
    key: str
    attributes: dict[str, Any]
    event_time: str
    ended: bool


def _standing(held: _Held) -> tuple[bool, str, bytes]:
    return not held.ended, held.event_time, orjson.dumps(held.attributes)


def _greater(a: Said | None, b: Said) -> Said:
    """The one with the greater stamp; of equal stamps the greater value, so that order never decides."""
    if a is None or a.stamp < b.stamp:
        return b
    return a if a.stamp > b.stamp or a.value == b.value or orjson.dumps(a.value) >= orjson.dumps(b.value) else b


class PatientState:
    """All that was said of one record. Immutable: ``apply`` and ``merge`` give another."""

    __slots__ = ("_fields", "_first", "_held_all", "_history", "_identifiers", "_listed", "_real", "_view")

    def __init__(
        self, fields: dict[str, Entries], history: dict[str, Entries], identifiers: dict[str, Entries], first: dict[str, _First]
    ) -> None:
        self._fields = fields
        self._history = history
        self._identifiers = identifiers
        self._first = first
        self._view: dict[str, Said] | None = None
        self._real: bool | None = None
        self._held_all: list[_Held] | None = None
        self._listed: tuple[HeldIdentifier, ...] | None = None

    @classmethod
    def empty(cls) -> PatientState:
        """The state of a record of which nothing was said."""
        return cls({}, {}, {}, {})

    def apply(self, facts: PatientFacts, stamp: Stamp) -> PatientState:
        """The state with one message's facts folded in."""
        other = _state_of(facts, stamp)
        return other if not (self._fields or self._identifiers) else self.merge(other)

    def merge(self, other: PatientState) -> PatientState:
        """The join of two states."""
        return PatientState(
            _joined(self._fields, other._fields),
            {group: _newest(entries, group) for group, entries in _joined(self._history, other._history).items()},
            _joined(self._identifiers, other._identifiers),
            {kind: min(f for f in (self._first.get(kind), other._first.get(kind)) if f) for kind in self._first | other._first},
        )

    def to_json(self) -> bytes:
        """Canonical bytes: equal states give equal bytes."""
        groups = (self._fields, self._history, self._identifiers)
        stamps = sorted({said.stamp for group in groups for entries in group.values() for said in entries.values()})
        place = {stamp: number for number, stamp in enumerate(stamps)}
        packed = [
            {key: {inner: [place[s.stamp], s.value] for inner, s in sorted(entries.items())} for key, entries in sorted(group.items())}
            for group in groups
        ]
        first = {kind: tuple(f) for kind, f in sorted(self._first.items())}
        return orjson.dumps([_VERSION, [tuple(stamp) for stamp in stamps], *packed, first])

    @classmethod
    def from_json(cls, body: bytes) -> PatientState:
        """The state that ``to_json`` wrote."""
        _, stamps, fields, history, identifiers, first = orjson.loads(body)
        table = [Stamp(*stamp) for stamp in stamps]
        return cls(
            _unpacked(fields, table), _unpacked(history, table), _unpacked(identifiers, table), {k: _First(*v) for k, v in first.items()}
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PatientState) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def served(self) -> dict[str, Said]:
        """Field winners: of each field the greatest stamp among the sources that have not deleted it."""
        if self._view is None:
            self._view = {f: said for f, entries in self._fields.items() if (said := self._winner(f, entries)) is not None}
            for field in [f for f in self._view if f"+{f}" in self._history]:
                self._view[field] = self._with_added(field, self._view[field])
        return self._view

    def _with_added(self, field: str, said: Said) -> Said:
        """The winner, then the earlier repeats that its sender only added to, newest first, none older than a deletion of all."""
        mine = [(key, s) for key, s in self._history[f"+{field}"].items() if s.stamp.source == said.stamp.source]
        deleted = max((s.stamp for _, s in mine if s.value is None), default=None)
        added = [s.value for _, s in sorted(mine, key=_age, reverse=True) if s.value is not None and (deleted is None or s.stamp > deleted)]
        return Said(said.stamp, [*said.value, *(item for item in added if item not in said.value)])

    def value(self, field: str) -> Any:
        """The winner's value of a field, None where there is none."""
        said = self.served().get(field)
        return None if said is None else said.value

    def said(self, field: str) -> Iterator[tuple[str, Said]]:
        """(source, value) of a field, deletions included."""
        return iter(self._fields.get(field, {}).items())

    def same_values(self, other: PatientState) -> bool:
        """Whether both would be served alike and told alike to the matcher, whoever said it and when."""
        return self.content() == other.content()

    def told_alike(self, before: PatientState) -> bool:
        """Whether each source says what it said ``before``, with the same rank, only later: true of most messages, and cheap to see.

        Then the values are the same, and none of them counts for less than it did.
        """
        return (
            self.real == before.real
            and self.pseudo == before.pseudo
            and self._fields.keys() == before._fields.keys()
            and all(entries is before._fields[field] or self._same_field(before, field) for field, entries in self._fields.items())
            and self._same_identifiers(before)
            and self._deaths() == before._deaths()
            and self._history.keys() == before._history.keys()
            and all(entries is before._history[group] or self._same_history(before, group) for group, entries in self._history.items())
        )

    def _same_field(self, before: PatientState, field: str) -> bool:
        mine, theirs = self._fields[field], before._fields[field]
        if not _same_said(mine, theirs):
            return False
        if len(mine) == 1 or field == "flags":
            return True
        now, then = self._winner(field, mine), before._winner(field, theirs)
        return (None if now is None else now.value) == (None if then is None else then.value)

    def _same_identifiers(self, before: PatientState) -> bool:
        mine, theirs = self._identifiers, before._identifiers
        if mine.keys() != theirs.keys():
            return False
        touched = [key for key, entries in mine.items() if entries is not theirs[key]]
        return all(len(mine[key]) == 1 and _same_said(mine[key], theirs[key]) for key in touched) and not any(key.endswith("|") for key in mine)

    def _same_history(self, before: PatientState, group: str) -> bool:
        return group in HISTORY and [s.value for s in self.history(group)] == [s.value for s in before.history(group)]

    def content(self) -> dict[str, Any]:
        """What is served and matched, without stamps: values, identifiers in force, history, pseudo person, flags."""
        return {
            "values": {field: said.value for field, said in self.served().items() if field != "flags"},
            "identifiers": [(held.key, held.attributes, held.ended) for held in self._held()],
            "history": {group: [said.value for said in self.history(group)] for group in HISTORY if group in self._history},
            "pseudo": self.pseudo,
            "flags": self.flags(),
        }

    @property
    def real(self) -> bool:
        """Whether any message but a merge, link or DICOM header spoke of the record."""
        if self._real is None:
            self._real = any(s.stamp.rank > HEADER for entries in self._fields.values() for s in entries.values())
        return self._real

    def _winner(self, field: str, entries: Entries) -> Said | None:
        live = [s for s in entries.values() if s.value is not None]
        if field.startswith(_DEATH_OF_VISIT):
            live = [s for s in live if not self._is_withdrawn(s)]
        strong = [s for s in live if s.stamp.rank > HEADER]
        if not strong:
            # A known record takes identifiers from the PID of a merge or link, but no demographics.
            taken = not self.real or field.startswith("nhs")
            provisional = [s for s in live if s.stamp.rank == PROVISIONAL] if taken else []
            strong = provisional or [s for s in live if s.stamp.rank == HEADER]
        if len(strong) < 2:
            return strong[0] if strong else None
        if field.startswith("deceased"):
            strong = [s for s in strong if s.value != {"boolean": False}] or strong
        return max(strong, key=_strength)

    def _is_withdrawn(self, death: Said) -> bool:
        """Whether the source that told a death of a visit has denied or deleted death since (hl7v2.md 1, Death)."""
        said = self._fields.get("deceased", {}).get(death.stamp.source)
        return said is not None and said.value in (None, {"boolean": False}) and said.stamp > death.stamp

    def _deaths(self) -> list[tuple[str, Any]]:
        """What is served of deaths, where a visit told one; nothing else may change what is served by being said again."""
        told = any(field.startswith(_DEATH_OF_VISIT) for field in self._fields)
        return sorted((field, said.value) for field, said in self.served().items() if field.startswith("deceased")) if told else []

    def history(self, group: str) -> list[Said]:
        """Values ever said of "name", "address" or "telecom", newest first, ties by value.

        Of a record that messages speak of, what headers alone say is left out: an image under a wrong number must not
        lend the record another person's name.
        """
        found = sorted(self._history.get(group, {}).items(), key=_age, reverse=True)
        return [said for _, said in found if said.stamp.rank > HEADER or not self.real]

    def identifier_keys(self) -> list[str]:
        """``system|value`` of every identifier ever held, ended ones included, sorted."""
        return [key for key in sorted(self._identifiers) if key.partition("|")[2]]

    def identifiers(self) -> tuple[HeldIdentifier, ...]:
        """The identifiers by key. One held by several sources is as the newest said that has not ended it."""
        if self._listed is None:
            self._listed = tuple(
                HeldIdentifier(IdentifierFact(held.key.partition("|")[0], **held.attributes), held.event_time, held.ended) for held in self._held()
            )
        return self._listed

    def _held(self) -> list[_Held]:
        if self._held_all is None:
            self._held_all = [
                held[0] if len(held) == 1 else max(held, key=_standing)
                for key, entries in sorted(self._identifiers.items())
                if (held := self._held_by_source(key, entries))
            ]
        return self._held_all

    def _held_by_source(self, key: str, entries: Entries) -> list[_Held]:
        """What each source says of one identifier, none for the mark of a deletion, whose value is empty."""
        system, _, value = key.partition("|")
        if not value:
            return []
        deleted = self._identifiers.get(f"{system}|", {})
        return [
            _Held(key, said.value, said.stamp.event_time, "ended" in said.value or (source in deleted and deleted[source].stamp > said.stamp))
            for source, said in entries.items()
        ]

    def nhs_number(self) -> HeldIdentifier | None:
        """The one live NHS number: the field winner, unless it has ended."""
        winner = self.value("nhsNumber")
        if winner is None:
            return None
        held = next((i for i in self.identifiers() if i.fact.system == NHS_NUMBER and i.fact.value == winner["value"]), None)
        return held if held is not None and not held.ended else None

    def former_nhs_numbers(self) -> list[str]:
        """NHS numbers held but not live: searchable, never evidence, never shown as the number (hl7v2.md 2, PID-3 NH)."""
        live = self.nhs_number()
        number = None if live is None else live.fact.value
        return [value for value in self._nhs_numbers() if value != number]

    def nhs_status(self, number: str) -> str | None:
        """The verification status last sent with that number."""
        status: str | None = self.value(f"nhsStatus.{number}")
        return status

    @property
    def pseudo(self) -> bool:
        """Whether it is a pseudo person: so at first, and never since called a full one (hl7v2.md 2, PID-31)."""
        first = self._first.get("message") or self._first.get("header")
        return first is not None and first.pseudo and "promoted" not in self._first

    @property
    def first_event_time(self) -> str:
        """The event time of the earliest message, "" where there is none."""
        return min((f.event_time for kind, f in self._first.items() if kind != "promoted"), default="")

    @property
    def header_only(self) -> bool:
        """Whether the record is known from DICOM headers alone."""
        return self._first.keys() == {"header"}

    def _nhs_numbers(self) -> list[str]:
        return [key[len(_NHS) :] for key in sorted(self._identifiers) if key.startswith(_NHS) and key != _NHS]

    def flags(self) -> list[str]:
        """Coded findings: those of each source's last message, and those of the state as a whole."""
        found = {flag for _, said in self.said("flags") for flag in said.value or () if not (self.real and said.stamp.rank == PROVISIONAL)}
        if len(self._nhs_numbers()) > 1 and sum(held.key.startswith(_NHS) and not held.ended for held in self._held()) > 1:
            found.add("nhs-number-conflict")
        if not self.pseudo and any(said.value for _, said in self.said("pseudo")):
            found.add("pseudo-refused")
        return sorted(found)


def _joined(a: dict[str, Entries], b: dict[str, Entries]) -> dict[str, Entries]:
    """The join of two groups, entry by entry."""
    joined = dict(a)
    for key, entries in b.items():
        mine = joined.get(key)
        if mine is None:
            joined[key] = entries
        else:
            changed = {inner: said for inner, said in entries.items() if _greater(mine.get(inner), said) is said}
            joined[key] = {**mine, **changed} if changed else mine
    return joined


def _same_said(mine: Entries, before: Entries) -> bool:
    """Whether the same sources say the same values with the same rank."""
    return mine.keys() == before.keys() and all(
        said.value == before[inner].value and said.stamp.rank == before[inner].stamp.rank for inner, said in mine.items()
    )


def _age(entry: tuple[str, Said]) -> tuple[int, str, str]:
    """Messages' values before headers', the newest first, ties by value."""
    return entry[1].stamp.rank, entry[1].stamp.event_time, entry[0]


def _strength(said: Said) -> tuple[Stamp, bytes]:
    return said.stamp, orjson.dumps(said.value)


def _newest(entries: Entries, group: str) -> Entries:
    limit = HISTORY.get(group, _ADDED)
    return entries if len(entries) <= limit else dict(sorted(entries.items(), key=_age)[-limit:])


def _unpacked(group: Mapping[str, Mapping[str, tuple[int, Any]]], table: list[Stamp]) -> dict[str, Entries]:
    return {key: {inner: Said(table[n], value) for inner, (n, value) in entries.items()} for key, entries in group.items()}


def _state_of(facts: PatientFacts, stamp: Stamp) -> PatientState:
    """The state after this one message."""
    source, fields, history = stamp.source, dict[str, Entries](), dict[str, Entries]()
    timed, past = stamp._replace(rank=0), stamp._replace(rank=min(stamp.rank, HEADER + 1))
    for field, value in _said(facts):
        rank = DEMOGRAPHIC if field.startswith("deceased") and stamp.rank > HEADER else stamp.rank
        fields[field] = {source: Said(stamp if rank == stamp.rank else stamp._replace(rank=rank), value)}
        group = _HISTORY_OF.get(field)
        if group is not None and value and stamp.rank != PROVISIONAL:
            entries = history.setdefault(group, {})
            entries.update({key: _greater(entries.get(key), Said(past, item)) for item in value if (key := _content_key(group, item))})
    if stamp.rank != PROVISIONAL:
        history.update(_added(facts, timed))
    history = {group: _newest(entries, group) for group, entries in history.items()}
    identifiers = {f.key: {source: Said(timed, _attributes(f))} for f in facts.identifiers}
    return PatientState(fields, history, identifiers, _first(facts, stamp))


def _added(facts: PatientFacts, stamp: Stamp) -> dict[str, Entries]:
    """By "+" and the field, the repeats of fields that their sender only adds to, and the mark of a deletion of all."""
    return {
        f"+{a.field}": {f"{stamp.source} {orjson.dumps(item).decode()}": Said(stamp, item) for item in a.value or [None]}
        for a in facts.assertions
        if a.add
    }


def _said(facts: PatientFacts) -> Iterator[tuple[str, Any]]:
    """(field, value) of every assertion, and what follows from the identifiers."""
    given = False
    for assertion in facts.assertions:
        given = given or assertion.field == "nhsNumber"
        if assertion.field == "birthDate" and assertion.value:
            yield from _birth_date(assertion.value)
        else:
            yield assertion.field, assertion.value
    numbers = [f for f in facts.identifiers if f.system == NHS_NUMBER and f.value and not f.ended]
    for fact in numbers:
        if fact.status is not None:
            yield f"nhsStatus.{fact.value}", fact.status
    if numbers and not given:
        best = min(numbers, key=lambda f: (f.use == "old", f.status != "01", not nhs_number.passes(f.value), f.value))
        yield "nhsNumber", {"value": best.value, "labelled": best.labelled}
    yield "flags", list(facts.flags)


def _birth_date(value: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """The date, and apart from it the quality last said of this very date."""
    yield "birthDate", {key: part for key, part in value.items() if key != "quality"}
    if "quality" in value:
        yield f"birthDateQuality.{value['value']}", value["quality"]


def _content_key(group: str, item: Mapping[str, Any]) -> str:
    """The identity of a past value: what of it is a name, address or number, not its use or period."""
    content = [item.get(key) for key in _CONTENT[group]]
    return orjson.dumps(content).decode() if any(content) else ""


def _attributes(fact: IdentifierFact) -> dict[str, Any]:
    """The parts of a fact that differ from the default; its system is in the key."""
    found: dict[str, Any] = {"value": fact.value, "owner": fact.owner}
    if fact.type_code != "MR":
        found["type_code"] = fact.type_code
    found.update({name: value for name in ("use", "start", "end") if (value := getattr(fact, name)) is not None})
    found.update({name: True for name in ("assumed", "ended") if getattr(fact, name)})
    if not fact.labelled:
        found["labelled"] = False
    return found


def _first(facts: PatientFacts, stamp: Stamp) -> dict[str, _First]:
    if stamp.rank == PROVISIONAL:
        return {"provisional": _First(stamp.event_time, stamp.content_hash, False)}
    said = next((a for a in facts.assertions if a.field == "pseudo"), None)
    first = _First(stamp.event_time, stamp.content_hash, said is not None and said.value is True)
    found = {"header" if stamp.rank == HEADER else "message": first}
    if said is not None and said.value is not True and stamp.rank > HEADER:
        found["promoted"] = first
    return found
