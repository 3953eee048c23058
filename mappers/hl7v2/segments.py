"""PID PD1 NK1 ZU8 MRG PV1 as facts (hl7v2.md 2).

An empty field asserts nothing, ``""`` asserts its deletion, a repeating field is a snapshot; PID-3 only adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mappers.context import NHS_NUMBER, ODS_CODE, MappingContext
from mappers.facts import Assertion, IdentifierFact, PatientFacts
from mappers.hl7v2 import datatypes, tables
from mappers.hl7v2.er7 import DELETED, Delimiters, Segment

GMP_NUMBER = "https://fhir.hl7.org.uk/Id/gmp-number"
GMC_NUMBER = "https://fhir.hl7.org.uk/Id/gmc-number"
ETHNIC_CATEGORY = "https://fhir.hl7.org.uk/CodeSystem/UKCore-EthnicCategoryEngland"

_Read = Callable[[str, Delimiters], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class VisitFacts:
    """What PV1 says of one visit; ``number`` PV1-19 or None, ``account`` PID-18; times ISO 8601 UTC.

    ``status`` is a FHIR Encounter status by the trigger, None where the trigger leaves it as it is.
    """

    number: IdentifierFact | None
    alternate: IdentifierFact | None
    account: IdentifierFact | None
    patient_class: str | None
    status: str | None
    admitted: str | None
    discharged: str | None
    disposition: str | None
    event_time: str


@dataclass(frozen=True, slots=True)
class PatientSegments:
    """A PID and the segments that go with it."""

    pid: Segment
    pd1: Segment | None = None
    nk1: tuple[Segment, ...] = ()
    zu8: Segment | None = None


def patient_facts(segments: PatientSegments, context: MappingContext, *, day: str) -> PatientFacts:
    """All that PID, PD1, NK1 and ZU8 say of the patient. ``day`` is the event's ISO date."""
    flags: list[str] = []
    pid = segments.pid
    reliability = _reliability(pid)
    identifiers = identifiers_from_pid(pid, context, flags, day=day, status=_status(reliability, flags))
    assertions = [
        *_deleted_numbers(identifiers),
        *_pid(pid, context, flags, reliability),
        *(_pd1(segments.pd1) if segments.pd1 else ()),
        *_nk1(segments.nk1, context, flags),
        *(_zu8(segments.zu8) if segments.zu8 else ()),
    ]
    adding = context.source.snapshot_add
    if adding:
        assertions = [replace(a, add=True) if a.field in adding else a for a in assertions]
    return PatientFacts(tuple(identifiers), tuple(assertions), tuple(sorted(set(flags))))


def identifiers_from_pid(pid: Segment, context: MappingContext, flags: list[str], *, day: str, status: str | None = None) -> list[IdentifierFact]:
    """PID-3, the NHS number with its status; PID-4 as temporary ones, no evidence. Each identifier once."""
    found = identifiers_from_field(pid, 3, context, flags, day=day, status=status)
    if len({f.value for f in found if f.system == NHS_NUMBER and not f.ended}) > 1:
        flags.append("nhs-number-conflict")
    if pid.field(4):
        found += [replace(f, use="temp") for f in identifiers_from_field(pid, 4, context, flags, day=day)]
    if len(found) < 2:
        return found
    return list({f.key: f for f in reversed(found)}.values())[::-1]


def identifiers_from_field(
    segment: Segment, number: int, context: MappingContext, flags: list[str], *, day: str, kind: str = "", status: str | None = None
) -> list[IdentifierFact]:
    """The identifiers of a repeating CX field, in order."""
    d = segment.delimiters
    read = [datatypes.identifier_from_cx(r, d, context, flags, day=day, kind=kind, status=status) for r in segment.repeats(number)]
    return [fact for fact in read if fact is not None]


def _deleted_numbers(identifiers: Sequence[IdentifierFact]) -> list[Assertion]:
    """A typed ``""`` of the NHS number deletes the field too, unless the message gives another."""
    numbers = [f for f in identifiers if f.system == NHS_NUMBER]
    gone = bool(numbers) and all(f.ended and not f.value for f in numbers)
    return [Assertion("nhsNumber", None)] if gone else []


def _reliability(pid: Segment) -> list[str] | None:
    """PID-32 codes, upper case, as sent; None where the field is empty."""
    raw = pid.field(32)
    if not raw:
        return None
    codes = [datatypes.texts(repeat, pid.delimiters)[0].upper() for repeat in pid.repeats(32)]
    return [code for code in codes if code]


def _status(reliability: list[str] | None, flags: list[str]) -> str | None:
    """The two-digit verification status of PID-32; none of several that differ."""
    found = {tables.VERIFICATION_STATUSES[code] for code in reliability or () if code in tables.VERIFICATION_STATUSES}
    if len(found) > 1:
        flags.append("nhs-number-status-conflict")
    return found.pop() if len(found) == 1 else None


def _snapshot(segment: Segment, number: int, field: str, read: _Read) -> list[Assertion]:
    """A repeating field: nothing where empty, deleted by a lone ``""``, else all its readable repeats."""
    raw = segment.field(number)
    if not raw:
        return []
    if DELETED in raw and not raw.strip('"' + segment.delimiters.component):
        return [Assertion(field, None)]
    d = segment.delimiters
    values = [value for repeat in segment.repeats(number) if (value := read(repeat, d)) is not None]
    return [Assertion(field, values)] if values else []


def _concept(segment: Segment, number: int, field: str, context: MappingContext) -> list[Assertion]:
    """A coded field through the source's code map of that field; text where it has none."""
    raw = segment.field(number)
    if not raw:
        return []
    first = segment.repeats(number)[0]
    concept = None if first == DELETED else datatypes.concept_from_ce(first, segment.delimiters, context.source.code_maps.get(field))
    return [Assertion(field, concept)] if concept is not None or first == DELETED else []


def _pid(pid: Segment, context: MappingContext, flags: list[str], reliability: list[str] | None) -> list[Assertion]:
    zone = context.source.time_zone
    found = [
        *_names(pid),
        *_birth_date(pid, context, flags, reliability),
        *_gender(pid, flags),
        *_snapshot(pid, 11, "address", datatypes.address_from_xad),
        *_telecoms(pid),
        *_codes(pid, context, flags),
    ]
    if pid.field(29) or pid.field(30):
        found += _death(pid, zone, flags)
    if pid.field(31):
        found.append(Assertion("pseudo", pid.component(31).upper() == "Y"))
    if reliability is not None:
        found += _reliability_assertions(pid, reliability)
    return found


def _names(pid: Segment) -> list[Assertion]:
    found = _snapshot(pid, 5, "name", datatypes.human_name_from_xpn)
    if found and found[0].value and "use" not in found[0].value[0]:
        found[0].value[0] = {"use": "official", **found[0].value[0]}
    if pid.field(9):
        found += _snapshot(pid, 9, "name.alias", datatypes.human_name_from_xpn)
    if pid.field(6):
        found += _snapshot(pid, 6, "mothersMaidenName", datatypes.human_name_from_xpn)
    return found


def _birth_date(pid: Segment, context: MappingContext, flags: list[str], reliability: list[str] | None) -> list[Assertion]:
    """PID-7; an unreadable date asserts nothing."""
    text = pid.component(7)
    if not text:
        return []
    if text == DELETED:
        return [Assertion("birthDate", None)]
    day = datatypes.date_from_ts(text)
    if day is None or day > context.received_at[:10]:
        flags.append("birth-date-invalid")
        return []
    value = {"value": day}
    if len(text) > 8 and text[8:12].strip("0"):
        time = datatypes.date_time_from_ts(text, context.source.time_zone, [])
        value.update({"time": time} if time and "T" in time else {})
    if reliability is not None:
        value["quality"] = _quality(reliability)
    return [Assertion("birthDate", value)]


def _quality(reliability: Sequence[str]) -> str:
    if tables.DEFAULT_BIRTH_DATE in reliability:
        return "default"
    return "estimated" if tables.ESTIMATED_BIRTH_DATE in reliability else ""


def _gender(pid: Segment, flags: list[str]) -> list[Assertion]:
    raw = pid.component(8)
    if not raw:
        return []
    if raw == DELETED:
        return [Assertion("gender", None)]
    gender = tables.GENDERS.get(raw.upper())
    if gender is None:
        flags.append("sex-unmapped")
    return [Assertion("gender", {"value": gender or "unknown", "raw": raw})]


_TELECOMS = tuple(
    (number, field, partial(datatypes.contact_point_from_xtn, use=use))
    for number, field, use in ((13, "telecom.home", "home"), (14, "telecom.work", "work"), (40, "telecom.other", None))
)


def _telecoms(pid: Segment) -> list[Assertion]:
    found: list[Assertion] = []
    for number, field, read in _TELECOMS:
        if pid.field(number):
            found += _snapshot(pid, number, field, read)
    return found


_CONCEPTS = ((15, "language"), (16, "maritalStatus"), (17, "religion"), (26, "citizenship"))


def _codes(pid: Segment, context: MappingContext, flags: list[str]) -> list[Assertion]:
    """PID-15 to PID-26 that a Patient shows. PID-21, the mother's identifier, is none of the baby's."""
    found: list[Assertion] = []
    for number, field in _CONCEPTS:
        if pid.field(number):
            found += _concept(pid, number, field, context)
    if pid.field(22):
        found += _ethnic_category(pid, context, flags)
    if pid.field(23):
        found += _birth_place(pid)
    if pid.field(24) or pid.field(25):
        found += _multiple_birth(pid)
    return found


def _ethnic_category(pid: Segment, context: MappingContext, flags: list[str]) -> list[Assertion]:
    found = _concept(pid, 22, "ethnicCategory", context)
    if found and found[0].value and "coding" not in found[0].value:
        code = pid.component(22).upper()
        display = tables.ETHNIC_CATEGORIES.get(code)
        if display is not None:
            coding = {"system": ETHNIC_CATEGORY, "code": code, "display": display}
            return [Assertion("ethnicCategory", {"coding": [coding]})]
        flags.append("ethnic-category-unmapped")
    return found


def _birth_place(pid: Segment) -> list[Assertion]:
    first = pid.repeats(23)[0]
    place = datatypes.texts(first, pid.delimiters)[0]
    return [Assertion("birthPlace", place or None)] if place or first == DELETED else []


def _multiple_birth(pid: Segment) -> list[Assertion]:
    """PID-25, an integer, wins; else PID-24."""
    order, indicator = pid.component(25), pid.component(24)
    if order.isascii() and order.isdigit() and len(order) < 3 and int(order):
        return [Assertion("multipleBirth", {"integer": int(order)})]
    if indicator.upper() in tables.MULTIPLE_BIRTH:
        return [Assertion("multipleBirth", {"boolean": tables.MULTIPLE_BIRTH[indicator.upper()]})]
    return [Assertion("multipleBirth", None)] if DELETED in {order, indicator} else []


def _death(pid: Segment, zone: str, flags: list[str]) -> list[Assertion]:
    """PID-29 and PID-30; a date with the indicator N contradicts itself and asserts nothing."""
    when, indicator = pid.component(29), pid.component(30).upper()
    time = datatypes.date_time_from_ts(when, zone, flags) if when not in {"", DELETED} else None
    if when not in {"", DELETED} and time is None:
        flags.append("death-time-invalid")
    if time and indicator == "N":
        flags.append("death-contradicted")
        return []
    if time:
        return [Assertion("deceased", {"dateTime": time})]
    if indicator in {"Y", "N"}:
        return [Assertion("deceased", {"boolean": indicator == "Y"})]
    return [Assertion("deceased", None)] if DELETED in {when, indicator} else []


def _reliability_assertions(pid: Segment, codes: list[str]) -> list[Assertion]:
    found = [Assertion("reliability", codes or None), Assertion("alias", tables.ALIAS_NAME in codes)]
    if pid.field(11):
        found.append(Assertion("addressDefault", tables.DEFAULT_ADDRESS in codes))
    return found


def _pd1(pd1: Segment) -> list[Assertion]:
    return [
        *_snapshot(pd1, 3, "generalPractitioner.practice", _practice),
        *_snapshot(pd1, 4, "generalPractitioner.practitioner", _practitioner),
    ]


def _practice(repeat: str, d: Delimiters) -> dict[str, Any] | None:
    """Reference to a GP practice of an XON, its ODS code in XON.10 or XON.3."""
    parts = datatypes.texts(repeat, d, 10)
    return _reference("Organization", ODS_CODE, (parts[9] or parts[2]).upper(), parts[0])


def _practitioner(repeat: str, d: Delimiters) -> dict[str, Any] | None:
    """Reference to a GP of an XCN: a GMP number (G and seven digits) or a GMC number."""
    parts = datatypes.texts(repeat, d, 6)
    number = parts[0].upper()
    display = " ".join(part for part in (parts[5], parts[2], parts[1]) if part)
    return _reference("Practitioner", GMC_NUMBER if number.removeprefix("C").isdigit() else GMP_NUMBER, number, display)


def _reference(kind: str, system: str, value: str, display: str) -> dict[str, Any] | None:
    reference: dict[str, Any] = {"type": kind}
    if value:
        reference["identifier"] = {"system": system, "value": value}
    if display:
        reference["display"] = display
    return reference if len(reference) > 1 else None


def _nk1(nk1: Sequence[Segment], context: MappingContext, flags: list[str]) -> list[Assertion]:
    """Contacts: none sent keeps, one whose first field is ``""`` deletes all, else all are replaced."""
    if not nk1:
        return []
    if any(DELETED in (s.field(1), s.field(2)) for s in nk1):
        return [Assertion("contact", None)]
    contacts = [contact for s in nk1 if (contact := _contact(s, context, flags))]
    return [Assertion("contact", contacts)] if contacts else []


def _contact(nk1: Segment, context: MappingContext, flags: list[str]) -> dict[str, Any] | None:
    """Patient.contact of an NK1, None where it has neither name, telecom nor address (pat-1)."""
    d = nk1.delimiters
    contact: dict[str, Any] = {}
    relationship = _concept(nk1, 3, "relationship", context)
    if relationship and relationship[0].value:
        contact["relationship"] = [relationship[0].value]
    names = [name for r in nk1.repeats(2) if (name := datatypes.human_name_from_xpn(r, d))]
    if names:
        contact["name"] = names[0]
    points = [p for number, use in ((5, "home"), (6, "work")) for r in nk1.repeats(number) if (p := datatypes.contact_point_from_xtn(r, d, use))]
    if points:
        contact["telecom"] = points
    addresses = [a for r in nk1.repeats(4) if (a := datatypes.address_from_xad(r, d))]
    if addresses:
        contact["address"] = addresses[0]
    if not contact.keys() - {"relationship"}:
        flags.append("contact-without-name")
        return None
    return contact


def _zu8(zu8: Segment) -> list[Assertion]:
    """ZU8-2 and -3 consent, ZU8-4 location hiding: 2 is the S-flag."""
    found: list[Assertion] = []
    codes = {str(n): zu8.component(n) for n in (2, 3) if zu8.field(n) not in {"", DELETED}}
    if codes:
        found.append(Assertion("consent", codes))
    hiding = zu8.component(4)
    if hiding:
        found.append(Assertion("restricted", None if hiding == DELETED else hiding == "2"))
    return found


def visit_facts(pv1: Segment | None, pid: Segment, context: MappingContext, *, event_time: str, status: str | None) -> VisitFacts | None:
    """PV1 of a visit event, None where there is no PV1."""
    if pv1 is None:
        return None
    day, zone = event_time[:10], context.source.time_zone
    fields = ((pv1, 19, "VN"), (pv1, 50, "VN"), (pid, 18, "AN"))
    numbers = {n: identifiers_from_field(s, n, context, [], day=day, kind=kind) for s, n, kind in fields}
    kept = {n: next((f for f in facts if not f.ended), None) for n, facts in numbers.items()}
    patient_class = pv1.component(2).upper()
    return VisitFacts(
        number=kept[19],
        alternate=kept[50],
        account=kept[18],
        patient_class=tables.ENCOUNTER_CLASSES.get(patient_class, patient_class) or None,
        status=status,
        admitted=datatypes.instant_from_ts(pv1.component(44), zone, []),
        discharged=datatypes.instant_from_ts(pv1.component(45), zone, []),
        disposition=pv1.component(36) or None,
        event_time=event_time,
    )
