"""Whether merges would have records of one patient hold different verified NHS numbers (hl7v2.md 1, Merge 7).

Asked of every merge that was ever told between the records, each time that one of them changes: so what was said of them is read
only where their numbers may differ at all, and folded once for all the merges as far as it is the same for each of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from app.ingest.evidence import evidential_number, verified_number
from app.ingest.records import Record, called_verified
from app.ingest.retelling import Statement, as_named, headers_of, is_strange, statements_of
from app.ingest.work import Work
from mappers.context import NHS_NUMBER
from mappers.patient import PatientState
from matching.succession import Told

Merges = Mapping[str, tuple[str, str]]
"""Of each replaced record its survivor, and since when."""


class MergedNumbers:
    """The verified NHS numbers of records that merges connect, under any of these merges; ``occurred`` has the time of each of them."""

    def __init__(self, work: Work, records: Mapping[str, Record], occurred: Mapping[str, str]) -> None:
        self._work = work
        self._records = records
        self._occurred = occurred
        self._evidential: dict[str, str] = {}
        self._alone: dict[str, str] = {}
        self._own: dict[tuple[str, int], PatientState] = {}

    def differ(self, first: frozenset[str], second: frozenset[str], parents: Mapping[str, Told]) -> bool:
        """Whether records of the two sets, sent under their own identifiers or as these merges have it, hold different numbers."""
        group = first | second
        if len({number for id in group for number in self._possible[id]}) < 2:
            return False
        ours, theirs = ({self._number(id) for id in side} - {""} for side in (first, second))
        if ours and theirs and len(ours | theirs) > 1:
            return True
        return self._differ_once_merged(group, {id: (held.b, self._occurred[held.id]) for id, held in parents.items() if id in group})

    @cached_property
    def _possible(self) -> Mapping[str, frozenset[str]]:
        """Of each record the numbers that can be evidence of it, whatever the merges: those ever called verified, as they are counted now."""
        unnoted = [record for record in self._records.values() if record.numbers is None]
        if unnoted and self._read is not None:
            self._note(unnoted)
        return {id: frozenset(map(self._as_evidence, {*(record.numbers or ()), *_held(record.state)})) - {""} for id, record in self._records.items()}

    def _note(self, records: Iterable[Record]) -> None:
        """Note of records as an earlier release kept them which numbers messages called verified."""
        for record in records:
            record.numbers = sorted(set[str]().union(*(called_verified(one.facts) for one in self._said[record.id])))
            self._work.change(record)

    def _as_evidence(self, number: str) -> str:
        if number not in self._evidential:
            self._evidential[number] = evidential_number(self._work.tx, self._work.services, number)
        return self._evidential[number]

    def _number(self, id: str) -> str:
        """The number of a record alone."""
        if id not in self._alone:
            self._alone[id] = verified_number(self._work.tx, self._work.services, self._named[id])
        return self._alone[id]

    @cached_property
    def _named(self) -> Mapping[str, PatientState]:
        return as_named(self._work, list(self._records.values()))

    @cached_property
    def _read(self) -> Sequence[Statement] | None:
        return statements_of(self._work, self._records.values())

    @cached_property
    def _said(self) -> Mapping[str, Sequence[Statement]]:
        """What messages said of each record, in the order of the events; nothing where that cannot be read any more."""
        said = defaultdict[str, list[Statement]](list)
        for one in self._read or ():
            said[one.named].append(one)
        return said

    @cached_property
    def _subject(self) -> Mapping[str, Sequence[Statement]]:
        """What was said of each record as its subject: the rest is never of another one."""
        return {id: [one for one in self._said[id] if one.subject] for id in self._records}

    @cached_property
    def _times(self) -> Mapping[str, Sequence[str]]:
        return {id: [one.stamp.event_time for one in said] for id, said in self._subject.items()}

    @cached_property
    def _places(self) -> Mapping[str, Mapping[str, Sequence[int]]]:
        """Where among what was said of each record each number is called verified."""
        found: dict[str, dict[str, list[int]]] = {}
        for id, said in self._subject.items():
            found[id] = {}
            for place, one in enumerate(said):
                for number in called_verified(one.facts):
                    found[id].setdefault(number, []).append(place)
        return found

    def _differ_once_merged(self, group: frozenset[str], merges: Merges) -> bool:
        """Whether two records would hold different numbers, told what the ``merges`` have them told.

        Records of the past, of which something was said since their merge, are left out.
        """
        past = {id for id, (_, at) in merges.items() if self._records[id].last_event >= at}
        live = group - past
        if not past or len(live) < 2:
            return False
        told = self._told(group, live, merges)
        if len({self._as_evidence(number) for id in live for number in self._spoken_in(id, told[id])} - {""}) < 2:
            return False
        return len({verified_number(self._work.tx, self._work.services, self._state(id, told[id])) for id in live} - {""}) > 1

    def _told(self, group: Iterable[str], live: Iterable[str], merges: Merges) -> Mapping[str, Sequence[_Part]]:
        """What each of the ``live`` records is told as a subject, by the records that it was said of."""
        told: dict[str, list[_Part]] = {id: [] for id in live}
        for id in group:
            for part in self._parts(id, merges):
                if part.told in told:
                    told[part.told].append(part)
        return told

    def _parts(self, id: str, merges: Merges) -> Iterator[_Part]:
        """What was said of a record, by the record that answers for it at the time: itself before its merge, then its survivor, and so on."""
        times, told, start = self._times[id], id, 0
        while start < len(times):
            end = bisect_left(times, merges[told][1]) if told in merges else len(times)
            if end > start:
                yield _Part(told, id, start, end)
                start = end
            if told in merges:
                told = merges[told][0]

    def _spoken_in(self, id: str, parts: Iterable[_Part]) -> Iterator[str]:
        """The numbers that are called verified to a record."""
        for one in self._said[id]:
            if not one.subject:
                yield from called_verified(one.facts)
        for part in parts:
            for number, places in self._places[part.named].items():
                at = bisect_left(places, part.start)
                if at < len(places) and places[at] < part.end:
                    yield number

    def _state(self, id: str, parts: Sequence[_Part]) -> PatientState:
        """The state of a record that is told these parts: its own first, and of the others what is not of a stranger."""
        state = self._own_state(id, max((part.end for part in parts if part.named == id), default=0))
        others = [one for part in parts if part.named != id for one in self._subject[part.named][part.start : part.end]]
        for one in sorted(others, key=lambda one: one.stamp[1:]):
            if not is_strange(self._work, one, replace(self._records[id], state=state)):
                state = state.apply(one.facts, one.stamp)
        return state

    def _own_state(self, id: str, end: int) -> PatientState:
        """What image headers and messages said of a record: of those whose subject it was, the first ``end``."""
        if (id, end) not in self._own:
            state, subject = headers_of(self._work, self._records[id]), 0
            for one in self._said[id]:
                subject += one.subject
                if not one.subject or subject <= end:
                    state = state.apply(one.facts, one.stamp)
            self._own[id, end] = state
        return self._own[id, end]


class _Part(NamedTuple):
    """Of what was said of the record ``named`` as its subject, in the order of the events, those from ``start`` to ``end``: they are ``told`` to that record."""

    told: str
    named: str
    start: int
    end: int


def _held(state: PatientState) -> list[str]:
    """The NHS numbers that a record as it stands calls verified."""
    return [value for system, _, value in (key.partition("|") for key in state.identifier_keys()) if system == NHS_NUMBER and state.nhs_status(value) == "01"]
