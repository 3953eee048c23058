"""A source patient as a UK Core flavoured FHIR R4 Patient (hl7v2.md 2; nhs.md 1, 6; fhir.md head)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from mappers.context import NHS_NUMBER, ODS_CODE
from mappers.facts import IdentifierFact, Stamp, period_from_dates
from mappers.patient import PatientState, Said

V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
UK_CORE = "https://fhir.hl7.org.uk/StructureDefinition"
HL7 = "http://hl7.org/fhir/StructureDefinition"
UK_CORE_PATIENT = f"{UK_CORE}/UKCore-Patient"
INDEX_PATIENT = "https://fhir.hl7.org.uk/uk-core-access/StructureDefinition/UKCoreAccessPatientIndexPatient"
VERIFICATION_STATUS = f"{UK_CORE}/Extension-UKCore-NHSNumberVerificationStatus"
VERIFICATION_SYSTEM = "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland"
VERIFICATION_DISPLAYS = {
    "01": "Number present and verified",
    "02": "Number present but not traced",
    "03": "Trace required",
    "04": "Trace attempted - No match or multiple match found",
    "05": "Trace needs to be resolved - (NHS number or patient detail conflict)",
    "06": "Trace in progress",
    "07": "Number not present and trace not required",
    "08": "Trace postponed (baby under six weeks old)",
}
WITHHELD = ("telecom", "address", "contact", "generalPractitioner")
"""Elements of a restricted patient that never leave (nhs.md 6, S-flag)."""

_ORDER = (
    "resourceType", "id", "meta", "extension", "identifier", "active", "name", "telecom", "gender", "_gender", "birthDate", "_birthDate",
    "deceasedBoolean", "_deceasedBoolean", "deceasedDateTime", "_deceasedDateTime", "address", "maritalStatus", "multipleBirthBoolean",
    "_multipleBirthBoolean", "multipleBirthInteger", "_multipleBirthInteger", "contact", "communication", "generalPractitioner",
    "managingOrganization", "link",
)  # fmt: skip


def source_patient(
    state: PatientState, *, id: str, organisation: str, canonical_base: str, organisation_name: str | None = None,
    links: Sequence[Mapping[str, Any]] = (), active: bool = True, flags: Iterable[str] = (), message: tuple[str, str] | None = None,
    former: Iterable[tuple[IdentifierFact, str]] = (),
) -> dict[str, Any]:  # fmt: skip
    """The Patient of one trust's record. ``links`` are FHIR Patient.link items; ``message`` is (source code, MSH-10).

    ``former`` are identifiers of records merged into this one and when: shown as ``use`` old, ended then (hl7v2.md 2, MRG-1).

    Where the record is restricted, address, telecom, contact and GP are left out and meta.security says R.
    """
    restricted = state.value("restricted") is True
    elements = patient_elements(state)
    if restricted:
        elements = {key: value for key, value in elements.items() if key not in WITHHELD}
    patient = {
        "resourceType": "Patient",
        "id": id,
        **elements,
        "identifier": [*identifiers(state), *former_identifiers(state, former)],
        "active": active,
        "managingOrganization": managing_organization(organisation, organisation_name),
        "link": [dict(link) for link in links],
    }
    patient["meta"] = meta(
        patient, "source", canonical_base=canonical_base, flags={*flags, *state.flags()}, restricted=restricted, message=message
    )
    return ordered(patient)


def ordered(patient: Mapping[str, Any]) -> dict[str, Any]:
    """The elements in FHIR's order, empty ones left out."""
    return {key: value for key in _ORDER if (value := patient.get(key)) not in (None, [], {})}


def meta(
    patient: Mapping[str, Any], record_class: str, *, canonical_base: str, flags: Iterable[str], restricted: bool,
    message: tuple[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Source, profiles that the patient meets, S-flag, record class and flags."""
    found: dict[str, Any] = {}
    if message is not None:
        found["source"] = source_uri(canonical_base, message)
    found["profile"] = profiles(patient)
    if restricted:
        found["security"] = [{"system": CONFIDENTIALITY, "code": "R"}]
    found["tag"] = [
        {"system": f"{canonical_base}/CodeSystem/record-class", "code": record_class},
        *({"system": f"{canonical_base}/CodeSystem/flag", "code": flag} for flag in sorted(flags)),
    ]
    return {key: value for key, value in found.items() if value}


def source_uri(canonical_base: str, message: tuple[str, str]) -> str:
    """meta.source of (source code, MSH-10)."""
    return f"{canonical_base}/source/{quote(message[0], safe='')}#{quote(message[1], safe='')}"


def profiles(patient: Mapping[str, Any]) -> list[str]:
    """UK Core Patient unless a language lacks its required code; the index patient where name, gender and one address fit."""
    if any("coding" not in c["language"] for c in patient.get("communication") or ()):
        return []
    fits = patient.get("name") and patient.get("gender") and patient.get("identifier") and len(patient.get("address") or ()) <= 1
    return [UK_CORE_PATIENT, INDEX_PATIENT] if fits else [UK_CORE_PATIENT]


def managing_organization(organisation: str, name: str | None = None) -> dict[str, Any]:
    """Reference to the trust that keeps the record."""
    reference: dict[str, Any] = {"reference": f"Organization/{organisation}", "identifier": {"system": ODS_CODE, "value": organisation}}
    return {**reference, "display": name} if name else reference


def identifiers(state: PatientState) -> list[dict[str, Any]]:
    """Patient.identifier: the live NHS number first with its status, no other NHS number, then the rest by key."""
    live = state.nhs_number()
    found = [nhs_identifier(live.fact.value, state.nhs_status(live.fact.value))] if live is not None else []
    for held in state.identifiers():
        deleted = held.ended and not held.fact.ended
        if held.fact.system != NHS_NUMBER and not deleted:
            found.append(identifier(held.fact))
    return found


def former_identifiers(state: PatientState, former: Iterable[tuple[IdentifierFact, str]]) -> list[dict[str, Any]]:
    """Identifiers that the record answers for since a merge, NHS numbers and its own left out."""
    own = {held.fact.key for held in state.identifiers()}
    old = {fact.key: replace(fact, use="old", end=at[:10]) for fact, at in former if fact.system != NHS_NUMBER and fact.key not in own}
    return [identifier(fact) for _, fact in sorted(old.items())]


def nhs_identifier(number: str, status: str | None) -> dict[str, Any]:
    """Identifier of an NHS number with the England verification status, where one was sent."""
    found: dict[str, Any] = {}
    if status is not None:
        coding = {"system": VERIFICATION_SYSTEM, "code": status, "display": VERIFICATION_DISPLAYS[status]}
        found["extension"] = [{"url": VERIFICATION_STATUS, "valueCodeableConcept": {"coding": [coding]}}]
    return {**found, "type": {"coding": [{"system": V2_0203, "code": "NH"}]}, "system": NHS_NUMBER, "value": number}


def identifier(fact: IdentifierFact) -> dict[str, Any]:
    """Identifier of a local number, its assigner by ODS code."""
    found: dict[str, Any] = {}
    use = fact.use or ("old" if fact.ended else None)
    if use:
        found["use"] = use
    found.update(type={"coding": [{"system": V2_0203, "code": fact.type_code}]}, system=fact.system, value=fact.value)
    period = period_from_dates(fact.start, fact.end)
    if period:
        found["period"] = period
    if fact.owner:
        found["assigner"] = {"identifier": {"system": ODS_CODE, "value": fact.owner}}
    return found


def patient_elements(state: PatientState) -> dict[str, Any]:
    """The demographic elements of Patient that the state serves, those of restricted patients included."""
    served = {field: said.value for field, said in state.served().items()}
    birth = served.get("birthDate")
    elements: dict[str, Any] = {
        "extension": _extensions(served),
        "name": [*served.get("name", ()), *served.get("name.alias", ())],
        "telecom": [p for field in ("telecom.home", "telecom.work", "telecom.other") for p in served.get(field, ())],
        "gender": served["gender"]["value"] if "gender" in served else None,
        "address": served.get("address"),
        "maritalStatus": served.get("maritalStatus"),
        "contact": served.get("contact"),
        "communication": [{"language": served["language"]}] if "language" in served else None,
        "generalPractitioner": [r for f in ("practice", "practitioner") for r in served.get(f"generalPractitioner.{f}", ())],
    }
    if birth:
        elements["birthDate"] = birth["value"]
        if "time" in birth:
            elements["_birthDate"] = {"extension": [{"url": f"{HL7}/patient-birthTime", "valueDateTime": birth["time"]}]}
    elements.update(_choice("multipleBirth", served.get("multipleBirth")))
    elements.update(_choice("deceased", deceased(state)))
    return elements


def deceased(state: PatientState) -> dict[str, Any] | None:
    """The death in force: dated before undated before denied, the greatest stamp of each."""
    said = [s for field, s in state.served().items() if field == "deceased" or field.startswith("deceased.")]
    return max(said, key=_death_strength).value if said else None


def _death_strength(said: Said) -> tuple[bool, bool, Stamp, str]:
    return said.value != {"boolean": False}, "dateTime" in said.value, said.stamp, said.value.get("dateTime", "")


def _choice(element: str, value: Mapping[str, Any] | None) -> dict[str, Any]:
    """A choice element of FHIR: ``element`` + type."""
    return {f"{element}{kind[0].upper()}{kind[1:]}": inner for kind, inner in (value or {}).items()}


def _extensions(served: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if "ethnicCategory" in served:
        found.append({"url": f"{UK_CORE}/Extension-UKCore-EthnicCategory", "valueCodeableConcept": served["ethnicCategory"]})
    if "religion" in served:
        found.append({"url": f"{HL7}/patient-religion", "valueCodeableConcept": served["religion"]})
    if "birthPlace" in served:
        found.append({"url": f"{HL7}/patient-birthPlace", "valueAddress": {"text": served["birthPlace"]}})
    if "citizenship" in served:
        code = {"url": "code", "valueCodeableConcept": served["citizenship"]}
        found.append({"url": f"{HL7}/patient-citizenship", "extension": [code]})
    maiden = next((name.get("family") for name in served.get("mothersMaidenName", ())), None)
    if maiden:
        found.append({"url": f"{HL7}/patient-mothersMaidenName", "valueString": maiden})
    return found
