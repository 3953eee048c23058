"""The golden patient: one person's identifiers and best demographics, a pure view over its records.

Survivorship as matching.md 8 has it: every element comes from one record and names it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mappers import nhs_number
from mappers.context import NHS_NUMBER
from mappers.patient import HeldIdentifier, PatientState, Said
from mappers.source_patient import WITHHELD, deceased, identifier, meta, nhs_identifier, ordered, patient_elements

_UNKNOWN_NAMES = frozenset({"UNKNOWN", "UNK", "NK", "N/K", "NOT KNOWN", "BABY", "INFANT", "TWIN", "MALE", "FEMALE", "BOY", "GIRL"})
_UNKNOWN_POSTCODE = "ZZ99"


@dataclass(frozen=True, slots=True)
class Member:
    """A record of the person. ``live`` is false for one that another replaced: its identifiers stay, its demographics go."""

    id: str
    state: PatientState
    organisation: str
    first_key: str
    first_event_time: str
    live: bool = True


class Golden(NamedTuple):
    """The person's Patient, and the ids of the rivals: the records of which one could change it by no more than saying the same again, later.

    All that the others can do so is to confirm what is shown, or to say what counts for less.
    """

    patient: dict[str, Any]
    rivals: frozenset[str]


class _Candidate(NamedTuple):
    """A record's value for one element: known or not, the rank of its stamp, whether the record's number is evidential."""

    member: Member
    said: Said
    standing: tuple[bool, int, bool]


def golden_patient(members: Sequence[Member], *, id: str, base: str, admit_test_numbers: bool = False, flags: Iterable[str] = ()) -> dict[str, Any]:
    """The person's Patient, the same for any order of ``members``; ``link`` is seealso to each of them."""
    return elected(members, id=id, base=base, admit_test_numbers=admit_test_numbers, flags=flags).patient


def elected(members: Sequence[Member], *, id: str, base: str, admit_test_numbers: bool = False, flags: Iterable[str] = ()) -> Golden:
    """``golden_patient``, and who of the members are rivals in it."""
    person = _Person(sorted(members, key=lambda m: (m.first_key, m.id)), base, admit_test=admit_test_numbers)
    restricted = any(m.state.value("restricted") is True for m in members)
    elements = {key: value for key, value in person.elements().items() if not (restricted and key in WITHHELD)}
    patient = {
        "resourceType": "Patient",
        "id": id,
        **elements,
        "identifier": person.identifiers(),
        "active": True,
        "link": [{"other": {"reference": f"Patient/{m}", "type": "Patient"}, "type": "seealso"} for m in sorted(m.id for m in members)],
    }
    patient["meta"] = meta(patient, "golden", canonical_base=base, flags=flags, restricted=restricted)
    return Golden(ordered(patient), frozenset(person.rivals))


def retired_golden_patient(*, id: str, successor: str, base: str) -> dict[str, Any]:
    """The Patient of a person left without records: inactive and replaced by its successor (fhir.md 3, Link history)."""
    patient: dict[str, Any] = {
        "resourceType": "Patient",
        "id": id,
        "active": False,
        "link": [{"other": {"reference": f"Patient/{successor}", "type": "Patient"}, "type": "replaced-by"}],
    }
    patient["meta"] = meta(patient, "golden", canonical_base=base, flags=(), restricted=False)
    return ordered(patient)


class _Person:
    """The members, by first key, and how each element is chosen among them."""

    def __init__(self, members: Sequence[Member], base: str, *, admit_test: bool) -> None:
        self._all = members
        self._members = [m for m in members if m.live] or list(members)
        self._url = f"{base}/StructureDefinition/source-record"
        self._admit_test = admit_test
        self._evidential = {m.id for m in self._members if self._has_evidential_number(m.state)}
        self._built: dict[str, dict[str, Any]] = {}
        self.rivals: set[str] = set()

    def _elements(self, member: Member) -> dict[str, Any]:
        """What the member's own Patient would show, built once, where it is needed."""
        if member.id not in self._built:
            self._built[member.id] = patient_elements(member.state)
        return self._built[member.id]

    def _has_evidential_number(self, state: PatientState) -> bool:
        held = state.nhs_number()
        return held is not None and self._is_evidential(state, held)

    def _is_evidential(self, state: PatientState, held: HeldIdentifier) -> bool:
        number = held.fact.value
        return held.fact.labelled and nhs_number.evidential(number, state.nhs_status(number), admit_test=self._admit_test)

    def _candidates(self, fields: Iterable[str], known: Callable[[Member, Any], bool]) -> list[_Candidate]:
        found = []
        for member in self._members:
            served = member.state.served()
            for field in fields:
                said = served.get(field)
                if said is not None:
                    found.append(self._candidate(member, said, known=known(member, said.value)))
                    break
        return found

    def _candidate(self, member: Member, said: Said, *, known: bool = True) -> _Candidate:
        return _Candidate(member, said, (known, said.stamp.rank, member.id in self._evidential))

    def _best(self, candidates: Sequence[_Candidate], element: str = "") -> _Candidate | None:
        """A known value before an unknown; then class, evidential number, latest event time, smallest key.

        Of records that say the same with the same standing, the one of the smallest key is named: who of them said it
        last changes with every message and tells nobody anything. Who says something else with that standing is a rival.
        """
        if len(candidates) < 2:
            return candidates[0] if candidates else None
        highest = max(c.standing for c in candidates)
        equals = [c for c in candidates if c.standing == highest]
        latest = max(equals, key=lambda c: c.said.stamp.event_time)
        agreeing = [c for c in equals if c is latest or self._agrees(c, latest, element)]
        if len(agreeing) < len(equals):
            self.rivals.update({c.member.id for c in equals} - {c.member.id for c in agreeing})
        return agreeing[0]

    def _agrees(self, candidate: _Candidate, best: _Candidate, element: str) -> bool:
        """Whether the candidate says what the best one says, all of a repeating element included."""
        return candidate.said.value == best.said.value and (
            not element or self._elements(candidate.member).get(element) == self._elements(best.member).get(element)
        )

    def _most_trusts(self, field: str, known: Callable[[Member, Any], bool]) -> _Candidate | None:
        """The value that most trusts give, known values before unknown ones."""
        candidates = self._candidates((field,), known)
        trusts: dict[Any, set[str]] = {}
        for c in candidates:
            trusts.setdefault((c.standing[0], c.said.value["value"]), set()).add(c.member.organisation)
        most = max(((k[0], len(t)) for k, t in trusts.items()), default=None)
        return self._best([c for c in candidates if (c.standing[0], len(trusts[c.standing[0], c.said.value["value"]])) == most])

    def elements(self) -> dict[str, Any]:
        """The demographic elements, each of one record and naming it."""
        found: dict[str, Any] = {}
        for element, fields, known in _LISTS:
            best = self._best(self._candidates(fields, known), element)
            if best is not None:
                found[element] = [self._named(item, best.member) for item in self._elements(best.member)[element]]
        best = self._best(self._candidates(("maritalStatus",), _any))
        if best is not None:
            found["maritalStatus"] = self._named(best.said.value, best.member)
        found.update(self._primitive("gender", self._most_trusts("gender", _known_gender)))
        found.update(self._primitive("birthDate", self._most_trusts("birthDate", _known_birth_date)))
        found.update(self._primitive("multipleBirth", self._best(self._candidates(("multipleBirth",), _any))))
        found.update(self._deceased())
        found["extension"] = self._extensions()
        return found

    def _named(self, element: Mapping[str, Any], member: Member) -> dict[str, Any]:
        """The element with an extension that names its record."""
        rest = {key: value for key, value in element.items() if key != "extension"}
        return {"extension": [*element.get("extension", ()), self._record(member)], **rest}

    def _record(self, member: Member) -> dict[str, Any]:
        return {"url": self._url, "valueReference": {"reference": f"Patient/{member.id}"}}

    def _primitive(self, element: str, best: _Candidate | None) -> dict[str, Any]:
        """A primitive (or choice) element and its extensions."""
        if best is None:
            return {}
        mine = self._elements(best.member)
        name = next(key for key in mine if key.startswith(element) and mine[key] is not None)
        return {name: mine[name], f"_{name}": self._named(mine.get(f"_{name}", {}), best.member)}

    def _deceased(self) -> dict[str, Any]:
        """Any death in force before any denial; then as every element."""
        candidates = []
        for member in self._members:
            said = [s for f, s in member.state.served().items() if f.startswith("deceased")]
            if said:
                candidates.append(self._candidate(member, max(said, key=lambda s: s.stamp)))
            if len(said) > 1:  # which of its own words is the newest may change, too
                self.rivals.add(member.id)
        dead = [c for c in candidates if deceased(c.member.state) != {"boolean": False}]
        dated = [c for c in dead if "dateTime" in (deceased(c.member.state) or {})]
        return self._primitive("deceased", self._best(dated or dead or candidates))

    def _extensions(self) -> list[dict[str, Any]]:
        """Each extension from one record, its name inside the value (an extension has a value or extensions, not both)."""
        found = []
        for field, url in _EXTENSIONS:
            best = self._best(self._candidates((field,), _any))
            mine = self._elements(best.member)["extension"] if best is not None else ()
            found += [self._named_extension(e, best.member) for e in mine if best is not None and e["url"].endswith(url)]
        return found

    def _named_extension(self, extension: Mapping[str, Any], member: Member) -> dict[str, Any]:
        if "extension" in extension:
            return {**extension, "extension": [self._named_extension(inner, member) for inner in extension["extension"]]}
        if "valueString" in extension:
            return {**extension, "_valueString": {"extension": [self._record(member)]}}
        return {key: value if key == "url" else self._named(value, member) for key, value in extension.items()}

    def identifiers(self) -> list[dict[str, Any]]:
        """The one NHS number, then every other identifier of every record, by key, once."""
        found = list(self._nhs_number())
        seen: dict[str, tuple[HeldIdentifier, Member]] = {}
        for member in self._all:
            for held in member.state.identifiers():
                deleted = held.ended and not held.fact.ended
                if held.fact.system != NHS_NUMBER and not deleted:
                    best = seen.get(held.fact.key)
                    seen[held.fact.key] = (held, member) if best is None or _standing(held, member) > _standing(*best) else best
        return found + [self._named(identifier(held.fact), member) for _, (held, member) in sorted(seen.items())]

    def _nhs_number(self) -> Iterable[dict[str, Any]]:
        candidates = []
        for member in self._members:
            held = member.state.nhs_number()
            if held is not None:
                status = member.state.nhs_status(held.fact.value)
                evidential = self._is_evidential(member.state, held)
                said = member.state.served()["nhsNumber"]
                candidates.append((evidential, status == "01", held.fact.labelled, said.stamp.rank, said.stamp.event_time, status, held, member))
        if candidates:
            best = max(candidates, key=lambda c: c[:5])
            equals = [c for c in candidates if c[:4] == best[:4]]
            same = [c for c in equals if (c[5], c[6].fact.value) == (best[5], best[6].fact.value)]
            self.rivals.update({c[7].id for c in equals} - {c[7].id for c in same})
            *_, status, held, member = same[0]
            yield self._named(nhs_identifier(held.fact.value, status), member)


def _standing(held: HeldIdentifier, member: Member) -> tuple[bool, bool, bool]:
    return member.live, not held.ended, held.fact.use != "old"


def _any(_member: Member, _value: Any) -> bool:
    return True


def _known_gender(_member: Member, value: Mapping[str, str]) -> bool:
    return bool(value["value"] != "unknown")


def _known_birth_date(member: Member, value: Mapping[str, str]) -> bool:
    return bool(member.state.value(f"birthDateQuality.{value['value']}") != "default")


def _known_name(_member: Member, names: Sequence[Mapping[str, Any]]) -> bool:
    parts = [part.upper() for part in (names[0].get("family", ""), *names[0].get("given", ())) if part]
    return bool(parts) and not any(part in _UNKNOWN_NAMES for part in parts)


def _known_address(member: Member, addresses: Sequence[Mapping[str, Any]]) -> bool:
    default = member.state.value("addressDefault") is True
    return not default and not all(str(a.get("postalCode", "")).startswith(_UNKNOWN_POSTCODE) for a in addresses)


_LISTS: tuple[tuple[str, tuple[str, ...], Callable[[Member, Any], bool]], ...] = (
    ("name", ("name", "name.alias"), _known_name),
    ("telecom", ("telecom.home", "telecom.work", "telecom.other"), _any),
    ("address", ("address",), _known_address),
    ("contact", ("contact",), _any),
    ("communication", ("language",), _any),
    ("generalPractitioner", ("generalPractitioner.practice", "generalPractitioner.practitioner"), _any),
)
_EXTENSIONS = (
    ("ethnicCategory", "-EthnicCategory"),
    ("religion", "/patient-religion"),
    ("birthPlace", "/patient-birthPlace"),
    ("citizenship", "/patient-citizenship"),
    ("mothersMaidenName", "/patient-mothersMaidenName"),
)
