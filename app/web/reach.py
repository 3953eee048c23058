"""Terms that need the store before they are criteria: chains, and references widened to a person (fhir.md 3, Expansion)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from app.errors import TooCostly
from app.search.controls import Controls
from app.search.criteria import AllOf, AnyOf, Criterion, HasId, Missing, Not, Query, RefersTo, SortKey, TokenIs
from app.search.entries import entries
from app.search.params import BY_REPLACEMENT
from app.search.parse import Chain, Term
from app.search.reach import Reached
from app.search.values import RefersToPerson, any_of
from app.services import Services
from app.store.contract import Snapshot, StoredResource

MAX_CHAINED = 1000
MAX_REPLACED = 100

_SUBJECT = re.compile(rb'"subject":\{"reference":"(Patient/[A-Za-z0-9.\-]{1,64})"')
_BY_ID = (SortKey("_id"),)


@dataclass(slots=True)
class Resolver:
    """Resolves the terms of one search at one commit. ``reached`` has each patient reference in reach."""

    services: Services
    snapshot: Snapshot
    controls: Controls
    at: int | None = None
    reached: dict[str, Reached] = field(default_factory=dict)
    below_floor: int = 0
    survivors_cut: bool = False

    def criterion(self, terms: Iterable[Term]) -> Criterion | None:
        """The criterion that all the terms come to; None where nothing can meet it."""
        resolved = []
        for term in terms:
            one = self._resolved(term)
            if one is None:
                return None
            resolved.append(one)
        return resolved[0] if len(resolved) == 1 else AllOf(tuple(resolved))

    def with_survivors(self, criterion: Criterion | None, terms: Sequence[Term]) -> Criterion | None:
        """The criterion of a patient search widened to the survivors of replaced records that the terms find (fhir.md 3).

        A replaced record is not active; what is asked of ``active`` is asked of the survivor instead.
        """
        active = [term for term in terms if _is_about(term, "active")]
        others = self.criterion([term for term in terms if term not in active])
        if others is None:
            return criterion
        survivors = self._survivors_of(AllOf((others, Missing(BY_REPLACEMENT, missing=False))))
        found = self.criterion([HasId(survivors), *active]) if survivors else None
        return any_of([each for each in (criterion, found) if each is not None]) if criterion or found else None

    def _survivors_of(self, replaced: Criterion) -> tuple[str, ...]:
        hits = self.snapshot.search(Query("Patient", replaced, sort=_BY_ID, count=MAX_REPLACED, at=self.at, total=False))
        self.survivors_cut = hits.after is not None
        ahead = _survivors(hits.matches)
        survivors: dict[str, None] = {}
        while ahead := [id_ for id_ in ahead if id_ not in survivors]:
            survivors.update(dict.fromkeys(ahead))
            ahead = _survivors(self.snapshot.resources("Patient", ahead).values())
        return tuple(survivors)

    def _resolved(self, term: Term) -> Criterion | None:
        if isinstance(term, Chain):
            return self._chain(term)
        if isinstance(term, RefersToPerson):
            return self._identified(term) if term.identified else self._person(term.param, term.patients, term.others)
        return term

    def _chain(self, chain: Chain) -> Criterion | None:
        found = [(type_, id_) for type_, terms in chain.targets for id_ in self._ids(type_, terms)]
        if chain.person:
            patients = [id_ for type_, id_ in found if type_ == "Patient"]
            return self._person(chain.param, patients, [f"{type_}/{id_}" for type_, id_ in found if type_ != "Patient"])
        return RefersTo(chain.param, tuple(f"{type_}/{id_}" for type_, id_ in found)) if found else None

    def _ids(self, type_: str, terms: Sequence[Term]) -> list[str]:
        criterion = self.criterion(terms)
        if criterion is None:
            return []
        hits = self.snapshot.search(Query(type_, criterion, sort=_BY_ID, count=MAX_CHAINED, at=self.at, total=False))
        if hits.after is not None:
            raise TooCostly(f"A chain fits over {MAX_CHAINED} resources of {type_}; ask for fewer.")
        return [match.id for match in hits.matches]

    def _identified(self, term: RefersToPerson) -> Criterion | None:
        """Reference.identifier names the records that the references found beside it point to."""
        criterion = term.identified
        if criterion is None or self.controls.reach == "record":
            return criterion
        query = Query("ImagingStudy", criterion, sort=_BY_ID, count=MAX_CHAINED, at=self.at, total=False)
        hits = self.snapshot.search(query)
        if hits.after is not None:
            raise TooCostly(f"An identifier fits over {MAX_CHAINED} studies; ask for fewer.", expression=term.param)
        named = dict.fromkeys(subject for match in hits.matches if (subject := subject_of(match)))
        person = self._person(term.param, [reference.removeprefix("Patient/") for reference in named], ())
        return any_of([criterion, person]) if person else criterion

    def _person(self, param: str, patients: Sequence[str], others: Sequence[str]) -> Criterion | None:
        targets = dict.fromkeys([f"Patient/{id_}" for id_ in patients])
        if patients and self.controls.reach == "person":
            reach = self.services.person_members(self.snapshot, patients, self.controls.floor)
            self.below_floor += reach.below_floor
            for member in reach.members:
                self.reached[f"Patient/{member.record_id}"] = member
                targets[f"Patient/{member.record_id}"] = None
        return RefersTo(param, (*targets, *others)) if targets or others else None


def _is_about(term: Term, param: str) -> bool:
    if isinstance(term, AnyOf):
        return all(_is_about(each, param) for each in term.criteria)
    if isinstance(term, Not):
        return _is_about(term.criterion, param)
    return isinstance(term, TokenIs | Missing) and term.param == param


def _survivors(patients: Iterable[StoredResource]) -> list[str]:
    """The ids of the patients that these were replaced by."""
    found = (reference for patient in patients for param, reference in entries(orjson.loads(patient.body)).references if param == BY_REPLACEMENT)
    return [reference.removeprefix("Patient/") for reference in found]


def subject_of(study: StoredResource) -> str | None:
    """The patient reference that a study's bytes give as its subject, found without parsing where it has the usual form.

    Weald writes ``subject`` with ``reference`` first; a study with contained resources or another form is parsed.
    """
    body = study.summary or study.body
    found = _SUBJECT.findall(body)
    if len(found) == 1:
        reference: bytes = found[0]
        return reference.decode()
    given: str | None = orjson.loads(body).get("subject", {}).get("reference")
    return given
