"""One R4 ImagingStudy of the facts of all sources: a pure function of them, whatever their order (imaging.md 1, 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mappers.context import MappingContext
from mappers.dicom.accumulation import PatientKeys, Standing, partition, standing
from mappers.dicom.codes import concepts_from_codes
from mappers.dicom.election import Election, voices
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.identifiers import identifier
from mappers.dicom.orders import based_on, encounter_reference, study_identifiers
from mappers.dicom.patient import main_identifier
from mappers.dicom.people import practitioner_reference, practitioner_references
from mappers.dicom.series import series_from_facts
from mappers.dicom.setting import Setting
from mappers.dicom.times import moment_from_da_tm

__all__ = ["custodians", "imaging_study", "partition", "summary"]

UK_CORE = "https://fhir.hl7.org.uk/StructureDefinition/UKCore-ImagingStudy"
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


def imaging_study(
    facts: Iterable[InstanceFacts],
    *,
    id: str,
    subject_of: Mapping[str, str | None],
    contexts: Mapping[str, MappingContext],
    endpoints: Mapping[tuple[str, str], str],
    flags: Iterable[str] = (),
) -> tuple[dict[str, Any], dict[str, Any], frozenset[str]]:
    """The ImagingStudy of the facts of one study and person, its ``_summary=true`` form, and its custodians' ODS codes.

    ``subject_of`` gives the id of the Patient of a patient key; without one the reference is logical. ``endpoints``
    gives Endpoint ids by (source code, connection type); ``flags`` are findings of the caller's, shown with the map's.
    """
    setting = Setting(contexts, endpoints, set(flags))
    held = list(facts)
    stands = standing(held, contexts)
    known = stands.visible or stands.hidden or stands.notes
    setting.flags.update(stands.flags)
    subject = _subject(known, PatientKeys(held, contexts), subject_of, setting)
    made = _study(known, stands, id, subject, setting)
    return made, summary(made), custodians(held, setting)


def custodians(facts: Iterable[InstanceFacts], setting: Setting) -> frozenset[str]:
    """ODS codes of the organisations whose archives told of the study: it shows what each of them holds."""
    return frozenset(setting.contexts[source].source.organisation for source in {fact.source for fact in facts})


def _study(known: list[InstanceFacts], stands: Standing, id: str, subject: dict[str, Any], setting: Setting) -> dict[str, Any]:
    election = Election(voices(known, lambda fact: fact.study, setting.contexts), setting.flags)
    requests = Election(voices(known, lambda fact: fact.series, setting.contexts), set())
    offset = election.one("TimezoneOffsetFromUTC")
    series = series_from_facts(stands.visible, offset, setting)
    elements = {
        "identifier": study_identifiers(known, election, requests, setting),
        "status": stands.status,
        "modality": _modalities(series),
        "subject": subject,
        "encounter": encounter_reference(election, setting),
        "started": _started(election, setting),
        "basedOn": based_on(election, requests, setting),
        "referrer": _referrer(election),
        "interpreter": practitioner_references(election, "NameOfPhysiciansReadingStudy", "PhysiciansReadingStudyIdentificationSequence"),
        "endpoint": setting.endpoint_references(sorted({fact.source for fact in stands.visible})),
        "numberOfSeries": len(series),
        "numberOfInstances": sum(item["numberOfInstances"] for item in series),
        "procedureCode": _procedure_codes(election, requests, setting),
        "location": _location(election, requests),
        "reasonCode": _reason_codes(election, requests, setting),
        "description": election.one("StudyDescription"),
        "series": series,
    }
    present = {key: value for key, value in elements.items() if value or value == 0}
    setting.flags.update(flag for fact in known for part in (fact.study, fact.series, fact.instance) for flag in part.flags)
    return {"resourceType": "ImagingStudy", "id": id, "meta": _meta(setting), **present}


def _meta(setting: Setting) -> dict[str, Any]:
    system = next(iter(setting.contexts.values())).flag_system()
    tags = [{"system": system, "code": flag} for flag in sorted(setting.flags)]
    return {"profile": [UK_CORE], **({"tag": tags} if tags else {})}


def summary(study: Mapping[str, Any]) -> dict[str, Any]:
    """The ``_summary=true`` form: the elements that R4 marks for it, tagged SUBSETTED."""
    series = [{key: value for key, value in item.items() if key not in ("instance", "_number")} for item in study.get("series", ())]
    meta = {**study["meta"], "tag": [*study["meta"].get("tag", ()), SUBSETTED]}
    return {**study, "meta": meta, **({"series": series} if series else {})}


def _modalities(series: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The union over the series, that of most series first, then by code."""
    counts: dict[str, int] = {}
    codings: dict[str, dict[str, Any]] = {}
    for item in series:
        coding = item["modality"]
        if "code" in coding:
            counts[coding["code"]] = counts.get(coding["code"], 0) + 1
            held = codings.setdefault(coding["code"], coding)
            codings[coding["code"]] = min(held, coding, key=lambda one: one["system"])
    return [codings[code] for code in sorted(codings, key=lambda code: (-counts[code], code))]


def _subject(known: list[InstanceFacts], keys: PatientKeys, subject_of: Mapping[str, str | None], setting: Setting) -> dict[str, Any]:
    """The patient named by the best ranked source, then by most instances, then the smallest key."""
    counts: dict[tuple[int, str, str], int] = {}
    examples: dict[tuple[int, str, str], InstanceFacts] = {}
    for fact in known:
        key = keys.current(fact)
        claim = (*setting.rank(fact.source), key)
        counts[claim] = counts.get(claim, 0) + 1
        if claim not in examples or keys.asserted(fact) == key:
            examples[claim] = fact
    best = min(counts, key=lambda claim: (claim[0], claim[1], -counts[claim], claim[2]))
    main = main_identifier(examples[best], setting.contexts[best[1]])
    local = identifier(main.system, main.value, owner=main.owner)
    patient = subject_of.get(best[2])
    return {**({"reference": f"Patient/{patient}"} if patient else {}), "type": "Patient", "identifier": local}


def _started(election: Election, setting: Setting) -> str | None:
    (date, time, offset), source = election.won("StudyDate", "StudyTime", "TimezoneOffsetFromUTC")
    if not date:
        return None
    moment = moment_from_da_tm(date, time, offset, setting.zone(source))
    if moment.flag:
        setting.flags.add(moment.flag)
    return moment.text


def _referrer(election: Election) -> dict[str, Any] | None:
    name = election.one("ReferringPhysicianName")
    identifications = [item for item, _ in election.every("ReferringPhysicianIdentificationSequence")]
    return practitioner_reference(name, identifications[0] if identifications else None)


def _location(election: Election, requests: Election) -> dict[str, str] | None:
    display = election.one("InstitutionalDepartmentName") or requests.one("PerformedLocation")
    return {"display": display} if display else None


def _concepts(found: list[tuple[Any, str]], election: Election, setting: Setting) -> list[dict[str, Any]]:
    """CodeableConcepts of code items with their sources, each once."""
    schemes = [item for item, _ in election.every("CodingSchemeIdentificationSequence")]
    concepts: list[dict[str, Any]] = []
    for item, source in found:
        concepts += concepts_from_codes([item], schemes, setting.scope(source), setting.flags)
    return _distinct(concepts)


def _distinct(concepts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each concept once, by its coding where it has one."""
    seen: list[Any] = []
    kept: list[dict[str, Any]] = []
    for concept in concepts:
        mark = [(coding["system"], coding["code"]) for coding in concept.get("coding", ())] or concept["text"]
        if mark not in seen:
            seen.append(mark)
            kept.append(concept)
    return kept


def requested(election: Election, requests: Election, keyword: str) -> list[tuple[Any, str]]:
    """Values of an attribute at the root and in the items of the request sequences, with their sources."""
    found = [(item, voice.source) for item, voice in election.every(keyword)]
    for sequence, holder in (("ReferencedRequestSequence", election), ("RequestAttributesSequence", requests)):
        for item, voice in holder.every(sequence):
            value = item.get(keyword, [])
            found += [(inner, voice.source) for inner in (value if isinstance(value, list) else [value])]
    return found


def _texts(found: list[tuple[Any, str]]) -> list[dict[str, Any]]:
    return _distinct([{"text": text} for text, _ in found])


def _procedure_codes(election: Election, requests: Election, setting: Setting) -> list[dict[str, Any]]:
    """Performed procedure codes, else requested ones; without codes the requested texts, else the study description."""
    performed = [(item, voice.source) for item, voice in election.every("ProcedureCodeSequence")]
    concepts = _concepts(performed, election, setting) or _concepts(
        requested(election, requests, "RequestedProcedureCodeSequence"), election, setting
    )
    texts = _texts(
        requested(election, requests, "RequestedProcedureDescription") + requested(election, requests, "ScheduledProcedureStepDescription")
    )
    description = election.one("StudyDescription")
    return concepts or texts or ([{"text": description}] if description else [])


def _reason_codes(election: Election, requests: Election, setting: Setting) -> list[dict[str, Any]]:
    coded = requested(election, requests, "ReasonForRequestedProcedureCodeSequence")
    coded += requested(election, requests, "ReasonForPerformedProcedureCodeSequence")
    concepts = _concepts(coded, election, setting)
    said = {concept.get("text") for concept in concepts}
    texts = _texts(requested(election, requests, "ReasonForTheRequestedProcedure"))
    return concepts + [text for text in texts if text["text"] not in said]
