"""Identifiers of the study, and the orders and the encounter it belongs to, as logical references (imaging.md 1.2, 1.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mappers.context import MappingContext
from mappers.dicom.election import Election
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.identifiers import IDENTIFIER_TYPE, authority_from_issuer, identifier, identifier_type, scoped_system
from mappers.dicom.setting import Setting
from mappers.dicom.tables import DCM

_STUDY_UID = identifier_type((DCM, "110180", "Study Instance UID"))
_ACCESSION_TYPE = identifier_type((IDENTIFIER_TYPE, "ACSN", "Accession ID"), (DCM, "121022", "Accession Number"))
_PLACER_TYPE = identifier_type((IDENTIFIER_TYPE, "PLAC", "Placer Identifier"))
_FILLER_TYPE = identifier_type((IDENTIFIER_TYPE, "FILL", "Filler Identifier"))
_VISIT_TYPE = identifier_type((IDENTIFIER_TYPE, "VN", "Visit number"))
_STUDY_ID = identifier_type(text="Study ID")


def study_identifiers(known: list[InstanceFacts], election: Election, requests: Election, setting: Setting) -> list[dict[str, Any]]:
    """The study UID, every accession number, and study ids."""
    uid = min({fact.study_uid for fact in known})
    found = [identifier("urn:dicom:uid", f"urn:oid:{uid}", type=_STUDY_UID)]
    found += _numbers((_ACCESSION,), election, requests, setting)
    for value, voice in election.every("StudyID"):
        context = setting.contexts[voice.source]
        organisation = context.source.organisation
        system = context.source.study_id_system or scoped_system(context, organisation, "study-id")
        found.append(identifier(system, value, type=_STUDY_ID, owner=organisation))
    return _distinct(found)


def _distinct(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for place, item in enumerate(found) if item not in found[:place]]


def _carriers(election: Election, requests: Election) -> Iterator[tuple[Mapping[str, Any], str]]:
    """What may hold order numbers: the attributes of the study, then the items of the request sequences."""
    for voice in election.voices:
        yield voice.attributes.values, voice.source
    for item, voice in election.every("ReferencedRequestSequence"):
        yield item, voice.source
    for item, voice in requests.every("RequestAttributesSequence"):
        yield item, voice.source


class _Number(NamedTuple):
    """A kind of order number: where its value and issuer stand, its type, and the scheme of the source's own."""

    keyword: str
    issuer: str
    type: Mapping[str, Any]
    scheme: str


_ACCESSION = _Number("AccessionNumber", "IssuerOfAccessionNumberSequence", _ACCESSION_TYPE, "accession")
_PLACER = _Number("PlacerOrderNumberImagingServiceRequest", "OrderPlacerIdentifierSequence", _PLACER_TYPE, "placer-order")
_FILLER = _Number("FillerOrderNumberImagingServiceRequest", "OrderFillerIdentifierSequence", _FILLER_TYPE, "filler-order")
_ADMISSION = _Number("AdmissionID", "IssuerOfAdmissionIDSequence", _VISIT_TYPE, "admission")


def _issued(number: _Number, values: Mapping[str, Any], context: MappingContext) -> dict[str, Any]:
    """An Identifier whose system is that of its issuer, else the source's own."""
    value, source = values[number.keyword], context.source
    named = authority_from_issuer(None, values.get(number.issuer), context)
    if named:
        return identifier(named[0].system, value, type=number.type, owner=named[0].owner)
    configured = source.accession_system if number is _ACCESSION else None
    system = configured or scoped_system(context, source.organisation, number.scheme)
    return identifier(system, value, type=number.type, owner=source.organisation)


def _numbers(kinds: tuple[_Number, ...], election: Election, requests: Election, setting: Setting) -> list[dict[str, Any]]:
    return [
        _issued(number, values, setting.contexts[source])
        for values, source in _carriers(election, requests)
        for number in kinds
        if number.keyword in values
    ]


def based_on(election: Election, requests: Election, setting: Setting) -> list[dict[str, Any]]:
    """Logical references to the orders: by accession number, then by placer and filler order number."""
    found = _numbers((_ACCESSION,), election, requests, setting) + _numbers((_PLACER, _FILLER), election, requests, setting)
    return [{"type": "ServiceRequest", "identifier": item} for item in _distinct(found)]


def encounter_reference(election: Election, setting: Setting) -> dict[str, Any] | None:
    """A logical reference to the visit by its admission id."""
    value, source = election.won("AdmissionID")
    if not value:
        return None
    issuers = [item for item, voice in election.every("IssuerOfAdmissionIDSequence") if voice.source == source]
    values = {"AdmissionID": value, "IssuerOfAdmissionIDSequence": issuers}
    return {"type": "Encounter", "identifier": _issued(_ADMISSION, values, setting.contexts[source])}
