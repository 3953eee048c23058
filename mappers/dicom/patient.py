"""DICOM patient attributes as facts of class H about one patient (imaging.md 2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from mappers import nhs_number
from mappers.context import NHS_NUMBER, Authority, MappingContext
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.identifiers import NHS, authority_from_issuer, default_authority, scoped_system
from mappers.dicom.person_names import human_names_from_pn
from mappers.dicom.times import instant_from_da_tm
from mappers.facts import CLASS_RANK, Assertion, IdentifierFact, PatientFacts, Stamp
from mappers.hl7v2.tables import IDENTIFIER_TYPES

_GENDER = {"M": "male", "F": "female", "O": "other"}
_PLACEHOLDER_DATES = frozenset(("1753-01-01", "1900-01-01"))
_UNKNOWN_NAME = re.compile(r"UNKNOWN|UNK|NOT ?KNOWN|NO ?NAME|[0?.*_-]+|X{2,}")
_UNKNOWN_ID = re.compile(rf"{_UNKNOWN_NAME.pattern}|NONE|NULL|N/?A")
_ARTIFICIAL = re.compile(r"(?:ANON|ANONYMOUS|ANONYMI[SZ]ED|TEST|PHANTOM|QC)(?:[ _-]?[0-9]*)")
_NOT_TEXT = frozenset(("RFID", "BARCODE"))


def patient_key(facts: InstanceFacts, context: MappingContext) -> str:
    """``organisation|system|value`` of the PatientID by its issuer; of one that has no usable PatientID, of its study.

    The organisation is part of it: an NHS number sent as the PatientID by two trusts is two records (design.md, Identity).
    """
    return organisation_key(main_identifier(facts, context), context)


def organisation_key(fact: IdentifierFact, context: MappingContext) -> str:
    """The key of an identifier as a record of the source's organisation holds it."""
    return f"{context.source.organisation}|{fact.key}"


def patient_facts(facts: InstanceFacts, context: MappingContext) -> tuple[PatientFacts, Stamp]:
    """What the header says of the patient, main identifier first, and its stamp at the study's date and time."""
    flags: list[str] = [*facts.patient.flags]
    main = main_identifier(facts, context)
    identifiers = [main, *_candidate(main, context), *_other_identifiers(facts.patient.values, context)]
    assertions = tuple(_assertions(facts.patient.values, context, flags))
    for fact in identifiers:
        if fact.system == NHS_NUMBER and fact.labelled:
            flags += nhs_number.findings(fact.value)
    if main.assumed:
        flags.append("issuer-assumed")
    if main.system == _study_patient_system(context):
        flags.append("patient-id-unusable")
    return PatientFacts(_distinct(identifiers), assertions, tuple(sorted(set(flags)))), _stamp(facts, context)


def _distinct(identifiers: Iterable[IdentifierFact]) -> tuple[IdentifierFact, ...]:
    """Each identifier once, in order; that which somebody labelled outdoes the same digits unlabelled."""
    found: dict[str, IdentifierFact] = {}
    for fact in identifiers:
        held = found.setdefault(fact.key, fact)
        if fact.labelled and not held.labelled:
            found[fact.key] = fact
    return tuple(found.values())


def main_identifier(facts: InstanceFacts, context: MappingContext) -> IdentifierFact:
    """The PatientID with the system of its issuer, else an identifier scoped to (source, StudyInstanceUID)."""
    return _main_identifier(facts.patient.values, facts.study_uid, context)


def corrected_keys(facts: InstanceFacts, context: MappingContext) -> Iterator[tuple[str, str]]:
    """When (as sent), and from which patient key, the archive says that it corrected this header (0400,0561)."""
    for change in facts.instance.values.get("OriginalAttributesSequence", ()):
        for original in change.get("ModifiedAttributesSequence", ()):
            if "PatientID" in original:
                former = _main_identifier(original, facts.study_uid, context)
                yield change.get("AttributeModificationDateTime", ""), organisation_key(former, context)


def _main_identifier(values: Mapping[str, Any], study_uid: str, context: MappingContext) -> IdentifierFact:
    value = values.get("PatientID", "")
    if not value or _is_placeholder(value) or values.get("TypeOfPatientID") in _NOT_TEXT:
        return IdentifierFact(_study_patient_system(context), study_uid, "PI", context.source.organisation)
    return _identifier_fact(values, default_authority(context), context)


def _study_patient_system(context: MappingContext) -> str:
    return scoped_system(context, context.source.code, "study-patient")


def _is_placeholder(text: str) -> bool:
    return bool(_UNKNOWN_ID.fullmatch(text.upper()) or _ARTIFICIAL.fullmatch(text.upper()))


def _identifier_fact(values: Mapping[str, Any], default: Authority, context: MappingContext) -> IdentifierFact:
    """One identifier of an item or of the header itself; without an issuer, that of ``default``, assumed."""
    issued = authority_from_issuer(values.get("IssuerOfPatientID"), values.get("IssuerOfPatientIDQualifiersSequence"), context)
    authority, type_code = issued or (default, None)
    value = values["PatientID"]
    if authority is NHS or authority.system == NHS_NUMBER:
        return IdentifierFact(NHS_NUMBER, nhs_number.plain(value), "NH", None)
    code = _type_code(type_code, context) or authority.type_code
    system = authority.system if code == authority.type_code else f"{authority.system}/{quote(code, safe='')}"
    return IdentifierFact(system, value, code, authority.owner, assumed=issued is None)


def _type_code(sent: str | None, context: MappingContext) -> str | None:
    """The v2-0203 type by the same synonyms as HL7 feeds, so that both make one key."""
    return context.source.type_synonyms.get(sent or "") or IDENTIFIER_TYPES.get(sent or "", sent)


def _candidate(fact: IdentifierFact, context: MappingContext) -> Iterator[IdentifierFact]:
    """The weak NHS number that an unlabelled identifier may be: ten digits that pass, are issued and no dummy."""
    number = nhs_number.plain(fact.value)
    issued = nhs_number.passes(number) and nhs_number.in_range(number, admit_test=context.admit_test_numbers)
    if fact.system != NHS_NUMBER and issued and not nhs_number.stopped(number):
        yield IdentifierFact(NHS_NUMBER, number, "NH", None, labelled=False)


def _other_identifiers(values: Mapping[str, Any], context: MappingContext) -> Iterator[IdentifierFact]:
    """Other Patient IDs. One without issuer is never taken for a number of the trust's own scheme."""
    organisation = context.source.organisation
    unissued = Authority("", scoped_system(context, organisation, "other-patient-id"), "PI", organisation)
    items = [item for item in values.get("OtherPatientIDsSequence", ()) if item.get("TypeOfPatientID") not in _NOT_TEXT]
    plain = [{"PatientID": value} for value in values.get("OtherPatientIDs", ())]
    for item in [*items, *plain]:
        value = item.get("PatientID", "")
        if value and not _is_placeholder(value):
            fact = _identifier_fact(item, unissued, context)
            candidates = list(_candidate(fact, context)) if fact.assumed else []
            yield from candidates or [replace(fact, assumed=False)]


def _assertions(values: Mapping[str, Any], context: MappingContext, flags: list[str]) -> Iterator[Assertion]:
    names = _names(values, flags)
    if names:
        yield Assertion("name", names)
    birth_date = values.get("PatientBirthDate")
    if birth_date in _PLACEHOLDER_DATES:
        flags.append("birth-date-placeholder")
    elif birth_date and birth_date > (context.received_at[:10] or "9999"):
        flags.append("birth-date-future")
    elif birth_date:
        yield Assertion("birthDate", {"value": birth_date})
    sex = values.get("PatientSex")
    if sex:
        if sex not in _GENDER:
            flags.append("sex-unknown")
        yield Assertion("gender", {"value": _GENDER.get(sex, "unknown"), "raw": sex})
    if _is_artificial(values):
        flags.append("pseudo-patient")
        yield Assertion("pseudo", True)


def _names(values: Mapping[str, Any], flags: list[str]) -> list[dict[str, Any]]:
    name = values.get("PatientName", "")
    if name and _UNKNOWN_NAME.fullmatch(_family(name)):
        flags.append("name-placeholder")
        name = ""
    found = human_names_from_pn(name, "official") if name else []
    for other in values.get("OtherPatientNames", ()):
        found += human_names_from_pn(other, "old")
    if "PatientBirthName" in values:
        found += human_names_from_pn(values["PatientBirthName"], "maiden")
    return found


def _family(name: str) -> str:
    return name.split("=", maxsplit=1)[0].split("^", maxsplit=1)[0].upper()


def _is_artificial(values: Mapping[str, Any]) -> bool:
    """Whether the header is of no real person: de-identified, a test or phantom, or named by its id."""
    name, number = values.get("PatientName", ""), values.get("PatientID", "")
    removed = values.get("PatientIdentityRemoved") == "YES"
    return removed or any(_ARTIFICIAL.fullmatch(text) for text in (_family(name), number.upper())) or (name == number != "")


def _stamp(facts: InstanceFacts, context: MappingContext) -> Stamp:
    study = facts.study.values
    at = instant_from_da_tm(study.get("StudyDate"), study.get("StudyTime"), study.get("TimezoneOffsetFromUTC"), context.source.time_zone)
    content = sha256(facts.patient.content).hexdigest()
    return Stamp(CLASS_RANK["H"], at, at, 0, facts.study_uid, content, context.source.code)
