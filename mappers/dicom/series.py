"""ImagingStudy.series and its instances (imaging.md 1.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from mappers.dicom.codes import coding_from_code, concepts_from_codes, laterality_coding, modality_coding
from mappers.dicom.dictionary import body_part, sop_class_name
from mappers.dicom.election import Election, voices
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.identifiers import scoped_system
from mappers.dicom.people import performers
from mappers.dicom.setting import DATA_ABSENT, Setting
from mappers.dicom.tables import KEY_OBJECT_SELECTION, MODALITY_OF_CLASS
from mappers.dicom.times import moment_from_da_tm

NUMBER_OF_FRAMES = "https://profiles.ihe.net/RAD/MADO/StructureDefinition/MadoNumberOfFrames"
DOCUMENT_TITLE = "https://profiles.ihe.net/RAD/MADO/StructureDefinition/MadoKeyObjectDocumentTitle"
_ABSENT_NUMBER = 2**31


def series_from_facts(facts: Iterable[InstanceFacts], offset: str | None, setting: Setting) -> list[dict[str, Any]]:
    """All series of visible facts, by number and UID; ``offset`` is the study's (0008,0201)."""
    by_uid: dict[str, list[InstanceFacts]] = {}
    for fact in facts:
        by_uid.setdefault(fact.series_uid, []).append(fact)
    holders = {uid: sorted({fact.source for fact in held}) for uid, held in by_uid.items()}
    differ = len({tuple(sources) for sources in holders.values()}) > 1
    made = [_series(uid, by_uid[uid], offset, holders[uid] if differ else [], setting) for uid in by_uid]
    return sorted(made, key=lambda series: (series.get("number", _ABSENT_NUMBER), series["uid"]))


def _series(uid: str, facts: Sequence[InstanceFacts], offset: str | None, holders: list[str], setting: Setting) -> dict[str, Any]:
    election = Election(voices(facts, lambda fact: fact.series, setting.contexts), setting.flags)
    instances = _instances(facts, setting)
    made: dict[str, Any] = {"uid": uid, **_series_number(election, setting)}
    made["modality"] = _modality(election, facts, setting)
    description = election.one("SeriesDescription")
    if description:
        made["description"] = description
    made["numberOfInstances"] = len(instances)
    optional = {
        "endpoint": setting.endpoint_references(holders),
        "bodySite": _body_site(election, setting),
        "laterality": _laterality(election, facts),
        "specimen": _specimens(election, setting),
        "started": _started(election, offset, setting),
        "performer": performers(election),
    }
    made.update({key: value for key, value in optional.items() if value})
    made["instance"] = instances
    return made


def _series_number(election: Election, setting: Setting) -> dict[str, Any]:
    """The number, else what was sent in its place, kept in an extension."""
    number = election.one("SeriesNumber")
    if number is not None:
        return {"number": number}
    for voice in election.voices:
        raw = setting.raw_number(voice.attributes, "SeriesNumber", voice.source)
        if raw:
            return {"_number": raw}
    return {}


def _modality(election: Election, facts: Sequence[InstanceFacts], setting: Setting) -> dict[str, Any]:
    modality, source = election.won("Modality")
    if not modality:
        classes = sorted({fact.instance.values.get("SOPClassUID", "") for fact in facts})
        implied = [MODALITY_OF_CLASS[uid] for uid in classes if uid in MODALITY_OF_CLASS]
        modality, source = (implied[0] if implied else None), min(fact.source for fact in facts)
        setting.flags.add("modality-absent")
    return modality_coding(modality, setting.scope(source), setting.flags) if modality else {"extension": [DATA_ABSENT]}


def _body_site(election: Election, setting: Setting) -> dict[str, Any] | None:
    """The coded anatomic region, else the body part word as a SNOMED concept of that name, else the word alone."""
    for item, voice in election.every("AnatomicRegionSequence"):
        coding = coding_from_code(item, (), setting.scope(voice.source), setting.flags)
        if coding:
            return coding
    word = election.one("BodyPartExamined")
    if not word:
        return None
    found = body_part(word)
    return {"system": "http://snomed.info/sct", "code": found[0], "display": found[1]} if found else {"display": word}


def _laterality(election: Election, facts: Sequence[InstanceFacts]) -> dict[str, str] | None:
    """That of the series, else what most images say, else most frames; a tie or an unpaired part says nothing."""
    said = election.one("Laterality")
    if said:
        return laterality_coding(said)
    for keyword in ("ImageLaterality", "FrameLaterality"):
        votes: dict[str, int] = {}
        for fact in facts:
            vote = fact.instance.values.get(keyword)
            if vote:
                votes[vote] = votes.get(vote, 0) + 1
        if votes:
            most = [vote for vote, count in votes.items() if count == max(votes.values())]
            return laterality_coding(most[0]) if len(most) == 1 else None
    return None


def _specimens(election: Election, setting: Setting) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for item, voice in election.every("SpecimenDescriptionSequence"):
        context = setting.contexts[voice.source]
        if "SpecimenUID" in item:
            found.append({"identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{item['SpecimenUID']}"}})
        else:
            system = scoped_system(context, context.source.organisation, "specimen")
            found.append({"identifier": {"system": system, "value": item["SpecimenIdentifier"]}})
    return found


def _started(election: Election, offset: str | None, setting: Setting) -> str | None:
    (date, time), source = election.won("SeriesDate", "SeriesTime")
    if not date:
        return None
    moment = moment_from_da_tm(date, time, offset, setting.zone(source))
    if moment.flag:
        setting.flags.add(moment.flag)
    return moment.text


def _instances(facts: Sequence[InstanceFacts], setting: Setting) -> list[dict[str, Any]]:
    """Instances by number and UID, each from the best ranked source that shows it."""
    best: dict[str, InstanceFacts] = {}
    for fact in facts:
        other = best.setdefault(fact.sop_uid, fact)
        if other is not fact and setting.rank(fact.source) < setting.rank(other.source):
            best[fact.sop_uid] = fact
    made = [_instance(uid, fact, setting) for uid, fact in best.items()]
    made.sort(key=lambda instance: (instance.get("number", _ABSENT_NUMBER), instance["uid"]))
    return made


def _instance(uid: str, fact: InstanceFacts, setting: Setting) -> dict[str, Any]:
    values = fact.instance.values
    made: dict[str, Any] = {}
    extensions = _extensions(values, setting, fact.source)
    if extensions:
        made["extension"] = extensions
    made["uid"] = uid
    made["sopClass"] = _sop_class(values.get("SOPClassUID"))
    number = values.get("InstanceNumber")
    if number is not None:
        made["number"] = number
    elif fact.instance.raw:
        raw = setting.raw_number(fact.instance, "InstanceNumber", fact.source)
        made.update({"_number": raw} if raw else {})
    title = _title(values)
    if title:
        made["title"] = title
    return made


@lru_cache(maxsize=512)
def _sop_class(uid: str | None) -> dict[str, Any]:
    if not uid:
        return {"extension": [DATA_ABSENT]}
    name = sop_class_name(uid)
    return {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{uid}", **({"display": name} if name else {})}


def _extensions(values: Mapping[str, Any], setting: Setting, source: str) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    frames = values.get("NumberOfFrames")
    if frames is not None:
        made.append({"url": NUMBER_OF_FRAMES, "valueInteger": frames})
    if values.get("SOPClassUID") == KEY_OBJECT_SELECTION:
        titles = concepts_from_codes(values.get("ConceptNameCodeSequence", ()), (), setting.scope(source), setting.flags)
        made += [{"url": DOCUMENT_TITLE, "valueCodeableConcept": title} for title in titles[:1]]
    return made


def _title(values: Mapping[str, Any]) -> str | None:
    """The first present of key object text, content label, concept name, document title and image type."""
    for keyword in ("KeyObjectDescription", "ContentLabel"):
        if keyword in values:
            return str(values[keyword])
    for item in values.get("ConceptNameCodeSequence", ()):
        if "CodeMeaning" in item:
            return str(item["CodeMeaning"])
    title = values.get("DocumentTitle") or "\\".join(values.get("ImageType", ()))
    return title or None
