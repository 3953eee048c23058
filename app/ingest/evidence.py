"""What a record's state tells the matcher: the one place where FHIR-shaped values become RecordFacts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import orjson

from app.ingest.records import ALWAYS, Record
from app.ingest.work import Work
from app.services import Services
from app.store.contract import LEARNED, Snapshot
from mappers.context import NHS_NUMBER
from mappers.facts import PatientFacts, Stamp
from mappers.patient import HeldIdentifier, PatientState
from mappers.source_patient import HL7, VERIFICATION_STATUS
from matching.comparisons import BIRTH_DATE, FAMILY, GIVEN, SEX, compare
from matching.demographics import DEFAULT_DATE, EVIDENTIAL, Demographics, RawAddress, RawIdentifier, RawName, RecordFacts, pack, unpack
from matching.normalise import NOTHING_LEARNED, Learned, normal_number, normal_sex, normalise, passes_check

STOPPED, SUPERSEDED, LIFTED, DOUBTED = "stopped", "superseded", "lifted", "doubted"
"""What the store has learned of an NHS number: it is on too many people; another has taken its place; a steward says it is good;
records that carry it look like two people, and for these it is no evidence until a steward settles that."""
MOTHERS_MAIDEN_NAME = f"{HL7}/patient-mothersMaidenName"
UNUSABLE_SYSTEM = "/study-patient"
"""How the system of an identifier made for a study without a usable PatientID ends (mappers.dicom.patient)."""


def raw_name(name: Mapping[str, Any]) -> RawName:
    """A HumanName's parts; of one of text alone, what stands before a comma or last is the family name."""
    given: list[str] = name.get("given", [])
    family = name.get("family", "")
    if not family and not given:
        family, given = _parts_of_text(name.get("text", ""))
    return RawName(family, given[0] if given else "", " ".join(given[1:]), " ".join(name.get("suffix", [])))


def _parts_of_text(text: str) -> tuple[str, list[str]]:
    before, comma, after = text.partition(",")
    words = (after if comma else before).split()
    return (before.strip(), words) if comma else (words[-1] if words else "", words[:-1])


def raw_address(address: Mapping[str, Any]) -> RawAddress:
    """An Address's parts."""
    return RawAddress(tuple(address.get("line", [])), address.get("city", ""), address.get("postalCode", ""))


def _values(state: PatientState, group: str, fields: Sequence[str]) -> list[Any]:
    """Current values first, then all that history keeps."""
    current = [value for field in fields for value in state.value(field) or ()]
    return [*current, *(said.value for said in state.history(group))]


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _telecoms(states: Sequence[PatientState], system: str) -> tuple[str, ...]:
    points = (p for state in states for p in _values(state, "telecom", ("telecom.home", "telecom.work", "telecom.other")))
    wanted = {"phone", "sms"} if system == "phone" else {system}
    return _distinct(point.get("value", "") for point in points if point.get("system") in wanted)


def _first_value(states: Sequence[PatientState], field: str) -> Any:
    return next((value for state in states if (value := state.value(field)) is not None), None)


def _birth_date(states: Sequence[PatientState]) -> tuple[str, str]:
    """The first birth date and what is known of its quality; a default one only where there is no other."""
    dates = [value["value"] for state in states if (value := state.value("birthDate")) is not None]
    found = [(date, next((said for state in states if (said := state.value(f"birthDateQuality.{date}"))), "")) for date in dates]
    return next((one for one in found if one[1] != DEFAULT_DATE), found[0] if found else ("", ""))


def record_facts(states: Sequence[PatientState], past: Sequence[PatientState] = (), unusable: Collection[str] = ()) -> RecordFacts:
    """The facts of a record and of those merged into it, its own first: their values count as history, a verified NHS number before others.

    The number that one of ``past`` had is nobody's any more; one that is ``unusable`` as evidence counts where they have no other verified one.
    """
    birth_date, quality = _birth_date(states)
    number = _live_number(states, past, unusable)
    held = [one for state in states for one in state.identifiers()]
    maiden = _first_value(states, "mothersMaidenName") or []
    multiple = _first_value(states, "multipleBirth") or {}
    return RecordFacts(
        names=_distinct(raw_name(name) for state in states for name in _values(state, "name", ("name", "name.alias"))),
        birth_date=birth_date,
        birth_date_quality=quality,
        sex=(_first_value(states, "gender") or {}).get("value", ""),
        addresses=_distinct(raw_address(one) for state in states for one in _values(state, "address", ("address",))),
        phones=_telecoms(states, "phone"),
        emails=_telecoms(states, "email"),
        identifiers=_distinct(
            RawIdentifier(one.fact.system, one.fact.value) for one in held if one.fact.system != NHS_NUMBER and not one.ended and one.fact.use not in ("temp", "old")
        ),
        nhs_number=number[1].fact.value if number else "",
        nhs_status=number[0].nhs_status(number[1].fact.value) if number else None,
        nhs_labelled=number[1].fact.labelled if number else True,
        guardian=maiden[0].get("family", "") if maiden else "",
        birth_order=str(multiple.get("integer", "")),
        multiple=bool(multiple.get("integer") or multiple.get("boolean")),
        alias=any(state.value("alias") is True for state in states),
        address_default=_first_value(states, "addressDefault") is True,
        pseudo=states[0].pseudo,
        header_only=all(state.header_only for state in states),
        usable_identifier=any(not one.fact.system.endswith(UNUSABLE_SYSTEM) for one in held),
        first_seen=min((state.first_event_time for state in states if state.first_event_time > ALWAYS), default="")[:10],
    )


def _live_number(states: Sequence[PatientState], past: Sequence[PatientState], unusable: Collection[str] = ()) -> tuple[PatientState, HeldIdentifier] | None:
    """The NHS number of ``record_facts``, and whose it is."""
    spent = set(map(id, past))
    numbers = [(state, live) for state in states if id(state) not in spent and (live := state.nhs_number()) is not None]
    verified = [one for one in numbers if _is_verified(*one)]
    return next((one for one in verified if one[1].fact.value not in unusable), next(iter(verified or numbers), None))


def verified_number(tx: Snapshot, services: Services, state: PatientState) -> str:
    """The verified NHS number of a record alone, or the one that has taken its place; "" where it has none.

    That it is stopped or in doubt is left out: what a trust's merges come to must not hang on who else carries the number.
    """
    live = state.nhs_number()
    return "" if live is None else evidential_number(tx, services, live.fact.value, state.nhs_status(live.fact.value), labelled=live.fact.labelled)


def evidential_number(tx: Snapshot, services: Services, number: str, status: str | None = "01", *, labelled: bool = True) -> str:
    """An NHS number of that status where it is evidence, or the one that has taken its place; "" where it is none. As in ``verified_number``."""
    learned = Learned(superseded=learned_of_number(tx, number).superseded) if number else NOTHING_LEARNED
    seen = unlearned(services, RecordFacts(nhs_number=number, nhs_status=status, nhs_labelled=labelled), learned)
    return seen.nhs_number if seen.nhs_state == EVIDENTIAL else ""


def _is_verified(state: PatientState, live: HeldIdentifier) -> bool:
    return state.nhs_status(live.fact.value) == "01" and live.fact.labelled and passes_check(live.fact.value)


def nhs_status_of(identifier: Mapping[str, Any]) -> str | None:
    """The verification status that an NHS number's Identifier carries, None where it has none (UK Core)."""
    extensions = [one for one in identifier.get("extension", ()) if one.get("url") == VERIFICATION_STATUS]
    codes = [coding.get("code") for one in extensions for coding in one.get("valueCodeableConcept", {}).get("coding", ())]
    return next((code for code in codes if code), None)


def facts_from_patient(patient: Mapping[str, Any]) -> RecordFacts:
    """The facts of a FHIR Patient, as a caller that looks for a person gives it (fhir.md 3, $match)."""
    names = sorted(patient.get("name", ()), key=lambda name: name.get("use") in ("old", "maiden"))
    identifiers = [one for one in patient.get("identifier", ()) if one.get("value") and one.get("use") not in ("temp", "old")]
    numbers = [one for one in identifiers if one.get("system") == NHS_NUMBER]
    telecoms = [(one.get("system"), one.get("value", "")) for one in patient.get("telecom", ())]
    extensions = {one.get("url"): one for one in patient.get("extension", ())}
    return RecordFacts(
        names=_distinct(raw_name(name) for name in names),
        birth_date=patient.get("birthDate", ""),
        sex=patient.get("gender", ""),
        addresses=_distinct(raw_address(one) for one in patient.get("address", ())),
        phones=_distinct(value for system, value in telecoms if system in ("phone", "sms")),
        emails=_distinct(value for system, value in telecoms if system == "email"),
        identifiers=_distinct(RawIdentifier(one.get("system", ""), one["value"]) for one in identifiers if one not in numbers),
        nhs_number=numbers[0]["value"] if numbers else "",
        nhs_status=nhs_status_of(numbers[0]) if numbers else None,
        guardian=extensions.get(MOTHERS_MAIDEN_NAME, {}).get("valueString", ""),
        birth_order=str(patient.get("multipleBirthInteger", "")),
        multiple=patient.get("multipleBirthBoolean") is True,
        usable_identifier=bool(identifiers),
    )


def is_enough(facts: RecordFacts) -> bool:
    """Whether a person may be looked for by these facts: an identifier, or a name with a birth date, postcode or telecom."""
    named = any(name.family or name.given for name in facts.names)
    beside = facts.birth_date or facts.phones or facts.emails or any(address.postcode for address in facts.addresses)
    return bool(facts.identifiers or facts.nhs_number or (named and beside))


def demographics_of(work: Work, record: Record) -> Demographics:
    """What the record says, with what was merged into it, whoever else carries its NHS number."""
    return _as_matched(work, record)


def matched_demographics(work: Work, record: Record) -> Demographics:
    """The record as the matcher sees it: an NHS number that it confuses with another record's is no evidence."""
    return _as_matched(work, record, record.id)


def _as_matched(work: Work, record: Record, doubting: str = "") -> Demographics:
    return demographics_with(work.tx, work.services, record, work.below(record), doubting)


def facts_of(work: Work, record: Record) -> RecordFacts:
    """The facts of a record with what was merged into it, whatever the store has learned of its NHS numbers."""
    return facts_with(record, work.below(record))


def facts_with(record: Record, below: Sequence[Record], unusable: Collection[str] = ()) -> RecordFacts:
    """The facts of a record with those merged into it; a number that is ``unusable`` as evidence gives way to another verified one."""
    return record_facts([record.state, *(one.state for one in below)], [one.state for one in below if one.is_past], unusable)


def number_with(record: Record, below: Sequence[Record]) -> str:
    """The NHS number of ``facts_with``, alone."""
    found = _live_number([record.state, *(one.state for one in below)], [one.state for one in below if one.is_past])
    return found[1].fact.value if found else ""


def demographics_with(tx: Snapshot, services: Services, record: Record, below: Sequence[Record], doubting: str = "") -> Demographics:
    """The record with those merged into it as the matcher sees them; a number in doubt on the record ``doubting`` is no evidence."""
    numbers = verified_numbers([record, *below])
    unusable = [one for one in numbers if _is_no_evidence(learned_of_number(tx, one, doubting))] if len(numbers) > 1 else []
    return normalised(tx, services, facts_with(record, below, unusable), doubting)


def _is_no_evidence(learned: Learned) -> bool:
    return bool(learned.stopped or learned.doubted)


def verified_numbers(records: Iterable[Record]) -> list[str]:
    """The NHS numbers that a trust says are verified for these records, those of the past left out; as sent, without repeats."""
    live = ((one.state, one.state.nhs_number()) for one in records if not one.is_past)
    return list(dict.fromkeys(number.fact.value for state, number in live if number is not None and _is_verified(state, number)))


def normalised(tx: Snapshot, services: Services, facts: RecordFacts, record: str = "") -> Demographics:
    """The facts as the matcher sees them, with what the store has learned of their NHS number, in doubt on that ``record`` or not."""
    learned = learned_of_number(tx, facts.nhs_number, record) if facts.nhs_number else NOTHING_LEARNED
    return unlearned(services, facts, learned)


def unlearned(services: Services, facts: RecordFacts, learned: Learned = NOTHING_LEARNED) -> Demographics:
    """The facts normalised by this store's settings and model, with nothing learned but what is given."""
    overused = services.scorer.model.overused_birth_dates
    return normalise(facts, admit_test_numbers=services.settings.admit_test_numbers, learned=learned, overused_birth_dates=overused)


def learned_of_number(tx: Snapshot, number: str, record: str = "") -> Learned:
    """What the store has learned of an NHS number: that it is stopped, or which one has superseded it, and so on to the last; and whether that is in doubt."""
    superseded: dict[str, str] = {}
    number = normal_number(number)
    while number not in superseded:
        found = tx.get_many(LEARNED, [number_key(number), doubt_key(number)])
        said = orjson.loads(found.get(number_key(number), b"{}"))
        if said.get("state") == STOPPED:
            return Learned(stopped=frozenset({number}), superseded=superseded)
        if said.get("state") != SUPERSEDED:
            doubt = orjson.loads(found.get(doubt_key(number), b"{}"))
            doubted = frozenset({number}) if record in doubt.get("records", ()) else frozenset[str]()
            return Learned(doubted=doubted, superseded=superseded) if doubted or superseded else NOTHING_LEARNED
        superseded[number] = number = said["successor"]
    return Learned(superseded=superseded)


def last_number(number: str, learned: Learned) -> str:
    """The number that has taken the place of this one in the end, itself where none has."""
    passed = set[str]()
    while number in learned.superseded and number not in passed:
        passed.add(number)
        number = learned.superseded[number]
    return number


def doubt_key(number: str) -> str:
    """The key under which the store keeps which records an NHS number is in doubt on."""
    return f"doubt|{number}"


def number_key(number: str) -> str:
    """The key under which the store keeps what it learned of an NHS number."""
    return f"nhs-number|{number}"


def header_demographics(work: Work, facts: PatientFacts, stamp: Stamp) -> str:
    """What one DICOM header says of the patient, packed for the comparison of ``contradicts``."""
    state = PatientState.empty().apply(facts, stamp)
    return pack(unlearned(work.services, record_facts([state]))).decode()


def contradicts(work: Work, header: str, record: Record) -> bool:
    """Whether name, birth date and sex all contradict what the trust's feeds say of the record (imaging.md 2.2).

    A record known from headers alone contradicts none of them: whichever came first decides nothing.
    """
    if record.state.header_only or not record.state.real:
        return False
    one = unpack(header.encode())
    sex = normal_sex((_first_value([record.state, *(below.state for below in work.below(record))], "gender") or {}).get("value", ""))
    if not one.sex or not sex or sex == one.sex:  # seen without normalising all that the record says
        return False
    levels = compare(one, demographics_of(work, record)).levels
    return levels[GIVEN] >= 5 and levels[FAMILY] >= 5 and levels[BIRTH_DATE] == 6 and levels[SEX] == 2
