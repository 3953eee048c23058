"""The search parameters of each served type: FHIR R4's own tables (searchparameter-registry.html) as data.

Index entries (``entries``), the query parser (``parse``) and the CapabilityStatement (``app.web.metadata``)
are all made from this table; a parameter that is not here does not exist and is refused.

A rule is written ``path:datatype``, with ``[system]`` behind ContactPoint or ``[url]`` behind Extension
where only such values count. The datatypes are FHIR's, with two of our own: ``postcode`` (an
Address.postalCode) and ``present`` (the token ``true`` wherever the element exists).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TOKEN, STRING, DATE, REFERENCE, URI = "token", "string", "date", "reference", "uri"

SOURCE_ONLY_UNLESS = frozenset({"_id", "_tag"})
"""A Patient search returns source patients unless one of these is asked (fhir.md 3)."""

BY_REPLACEMENT = "-replaced-by"
"""Index-only reference from a replaced patient to its survivor."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Where values of a parameter are: element path, FHIR datatype found there, and which of them count."""

    path: tuple[str, ...]
    datatype: str
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one type.

    ``targets`` are a reference's allowed types (empty: any). ``implied`` is the code system of a ``code``
    element. ``alias`` names the parameter whose index entries answer this one. ``absent`` is the token of a
    resource without any value. ``person`` says the reference names a person, so that a search reaches all
    records of that person. ``definition`` is the canonical id at hl7.org.
    """

    name: str
    type: str
    rules: tuple[Rule, ...] = ()
    targets: tuple[str, ...] = ()
    implied: str | None = None
    alias: str | None = None
    absent: str | None = None
    person: bool = False
    definition: str | None = None

    @property
    def index(self) -> str:
        """The name under which the index holds this parameter's entries."""
        return self.alias or self.name


_RULE = re.compile(r"([A-Za-z.]+):(\w+)(?:\[(.+)\])?")


def _rules(texts: str) -> tuple[Rule, ...]:
    found = (_RULE.fullmatch(text) for text in texts.split())
    return tuple(Rule(tuple(m[1].split(".")), m[2], m[3]) for m in found if m)


def _token(name: str, rules: str, implied: str | None = None, *, absent: str | None = None, definition: str | None = None) -> Parameter:
    return Parameter(name, TOKEN, _rules(rules), implied=implied, absent=absent, definition=definition)


def _string(name: str, rules: str, definition: str | None = None) -> Parameter:
    return Parameter(name, STRING, _rules(rules), definition=definition)


def _date(name: str, rules: str, definition: str | None = None) -> Parameter:
    return Parameter(name, DATE, _rules(rules), definition=definition)


def _reference(
    name: str, path: str, targets: str = "", *, alias: str | None = None, person: bool = False, definition: str | None = None
) -> Parameter:
    rules = () if alias else _rules(" ".join(f"{p}:Reference" for p in path.split()))
    return Parameter(name, REFERENCE, rules, tuple(targets.split()), alias=alias, person=person, definition=definition)


_CODES = "http://hl7.org/fhir/"
_TRUE_FALSE = "http://terminology.hl7.org/CodeSystem/special-values"
_ACTORS = "Practitioner PractitionerRole"
_PERFORMERS = "Practitioner PractitionerRole Organization CareTeam Patient Device RelatedPerson"

COMMON = (
    Parameter("_id", TOKEN, definition="Resource-id"),
    Parameter("_lastUpdated", DATE, definition="Resource-lastUpdated"),
    _token("_tag", "meta.tag:Coding", definition="Resource-tag"),
    _token("_security", "meta.security:Coding", definition="Resource-security"),
    Parameter("_profile", URI, _rules("meta.profile:uri"), definition="Resource-profile"),
    Parameter("_source", URI, _rules("meta.source:uri"), definition="Resource-source"),
)

_ADDRESS = (
    _token("address-use", "address.use:code", _CODES + "address-use", definition="individual-address-use"),
    _string("address", "address:Address", "individual-address"),
    _string("address-city", "address.city:string", "individual-address-city"),
    _string("address-country", "address.country:string", "individual-address-country"),
    _string("address-postalcode", "address.postalCode:postcode", "individual-address-postalcode"),
    _string("address-state", "address.state:string", "individual-address-state"),
)

_PATIENT = (
    _token("active", "active:boolean", _TRUE_FALSE),
    _token("deceased", "deceasedBoolean:boolean deceasedDateTime:present", _TRUE_FALSE, absent="false"),
    _token("email", "telecom:ContactPoint[email]", definition="individual-email"),
    _token("gender", "gender:code", _CODES + "administrative-gender", definition="individual-gender"),
    _token("identifier", "identifier:Identifier"),
    _token("language", "communication.language:CodeableConcept"),
    _token("phone", "telecom:ContactPoint[phone]", definition="individual-phone"),
    _token("telecom", "telecom:ContactPoint", definition="individual-telecom"),
    *_ADDRESS,
    _string("family", "name.family:string", "individual-family"),
    _string("given", "name.given:string", "individual-given"),
    _string("name", "name:HumanName"),
    _string("mothersMaidenName", "extension:Extension[http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName]", "patient-extensions-Patient-mothersMaidenName"),
    _date("birthdate", "birthDate:date", "individual-birthdate"),
    _date("death-date", "deceasedDateTime:dateTime"),
    _reference("general-practitioner", "generalPractitioner", "Practitioner Organization PractitionerRole"),
    _reference("link", "link.other", "Patient RelatedPerson"),
    _reference("organization", "managingOrganization", "Organization"),
)

_IMAGING_STUDY = (
    _token("bodysite", "series.bodySite:Coding"),
    _token("dicom-class", "series.instance.sopClass:Coding"),
    _token("identifier", "identifier:Identifier", definition="clinical-identifier"),
    _token("instance", "series.instance.uid:id"),
    _token("modality", "series.modality:Coding"),
    _token("reason", "reasonCode:CodeableConcept"),
    _token("series", "series.uid:id"),
    _token("status", "status:code", _CODES + "imagingstudy-status"),
    _date("started", "started:dateTime"),
    _reference("basedon", "basedOn", "ServiceRequest Task CarePlan Appointment AppointmentResponse"),
    _reference("encounter", "encounter", "Encounter"),
    _reference("endpoint", "endpoint series.endpoint", "Endpoint"),
    _reference("interpreter", "interpreter", _ACTORS),
    # The subject is mandatory and always a patient here, so one entry a study serves both names.
    _reference("patient", "", "Patient", alias="subject", person=True, definition="clinical-patient"),
    _reference("performer", "series.performer.actor", _PERFORMERS),
    _reference("referrer", "referrer", _ACTORS),
    _reference("subject", "subject", "Patient Device Group", person=True),
)

_ENDPOINT = (
    _token("connection-type", "connectionType:Coding"),
    _token("identifier", "identifier:Identifier"),
    _token("payload-type", "payloadType:CodeableConcept"),
    _token("status", "status:code", _CODES + "endpoint-status"),
    _string("name", "name:string"),
    _reference("organization", "managingOrganization", "Organization"),
)

_ORGANIZATION = (
    _token("active", "active:boolean", _TRUE_FALSE),
    _token("identifier", "identifier:Identifier"),
    _token("type", "type:CodeableConcept"),
    *(Parameter(p.name, p.type, p.rules, implied=p.implied, definition=f"Organization-{p.name}") for p in _ADDRESS),
    _string("name", "name:string alias:string"),
    _reference("endpoint", "endpoint", "Endpoint"),
    _reference("partof", "partOf", "Organization"),
)

_PROVENANCE = (
    _token("agent-role", "agent.role:CodeableConcept"),
    _token("agent-type", "agent.type:CodeableConcept"),
    _token("signature-type", "signature.type:Coding"),
    _date("recorded", "recorded:instant"),
    _date("when", "occurredDateTime:dateTime"),
    _reference("agent", "agent.who", f"{_PERFORMERS}"),
    _reference("entity", "entity.what"),
    _reference("location", "location", "Location"),
    _reference("patient", "target", "Patient", person=True),
    _reference("target", "target"),
)

_LINKAGE = (
    _reference("author", "author", f"{_ACTORS} Organization"),
    _reference("item", "item.resource"),
    _reference("source", "item.resource", alias="item"),
)

_LIST = (
    _token("code", "code:CodeableConcept", definition="clinical-code"),
    _token("empty-reason", "emptyReason:CodeableConcept"),
    _token("identifier", "identifier:Identifier", definition="clinical-identifier"),
    _token("status", "status:code", _CODES + "list-status"),
    _string("notes", "note.text:string"),
    _string("title", "title:string"),
    _date("date", "date:dateTime", "clinical-date"),
    _reference("encounter", "encounter", "Encounter", definition="clinical-encounter"),
    _reference("item", "entry.item"),
    _reference("patient", "subject", "Patient", person=True, definition="clinical-patient"),
    _reference("source", "source", f"{_ACTORS} Device Patient"),
    _reference("subject", "subject", "Patient Group Device Location"),
)

_TASK = (
    _token("business-status", "businessStatus:CodeableConcept"),
    _token("code", "code:CodeableConcept"),
    _token("group-identifier", "groupIdentifier:Identifier"),
    _token("identifier", "identifier:Identifier"),
    _token("intent", "intent:code", _CODES + "task-intent"),
    _token("performer", "performerType:CodeableConcept"),
    _token("priority", "priority:code", _CODES + "request-priority"),
    _token("status", "status:code", _CODES + "task-status"),
    _date("authored-on", "authoredOn:dateTime"),
    _date("modified", "lastModified:dateTime"),
    _date("period", "executionPeriod:Period"),
    _reference("based-on", "basedOn"),
    _reference("encounter", "encounter", "Encounter"),
    _reference("focus", "focus"),
    _reference("owner", "owner", f"{_PERFORMERS} HealthcareService"),
    _reference("part-of", "partOf", "Task"),
    _reference("patient", "for", "Patient", person=True),
    _reference("requester", "requester", "Device Organization Patient Practitioner PractitionerRole RelatedPerson"),
    _reference("subject", "for"),
)

PARAMETERS: dict[str, dict[str, Parameter]] = {
    type_: {parameter.name: parameter for parameter in (*COMMON, *own)}
    for type_, own in (
        ("Endpoint", _ENDPOINT),
        ("ImagingStudy", _IMAGING_STUDY),
        ("Linkage", _LINKAGE),
        ("List", _LIST),
        ("Organization", _ORGANIZATION),
        ("Patient", _PATIENT),
        ("Provenance", _PROVENANCE),
        ("Task", _TASK),
    )
}
"""Type -> name -> Parameter, of every type that is served."""

SERVED = tuple(PARAMETERS)

INCLUDES: dict[str, tuple[str, ...]] = {
    type_: tuple(f"{type_}:{name}" for name, p in own.items() if p.type == REFERENCE and (not p.targets or set(p.targets) & set(SERVED)))
    for type_, own in PARAMETERS.items()
}
"""What ``_include`` offers of each type: the reference parameters with a target that is served."""

REVERSE_INCLUDES: dict[str, tuple[str, ...]] = {
    target: tuple(
        f"{type_}:{name}"
        for type_, own in PARAMETERS.items()
        for name, p in own.items()
        if p.type == REFERENCE and (not p.targets or target in p.targets)
    )
    for target in SERVED
}
"""What ``_revinclude`` offers of each type: the reference parameters that may point to it."""

COMPARTMENT = ("ImagingStudy", "Provenance")
"""Types of the Patient compartment that are served (compartmentdefinition-patient.html)."""


def definition(type_: str, parameter: Parameter) -> str | None:
    """The canonical URL of the SearchParameter at hl7.org."""
    return f"http://hl7.org/fhir/SearchParameter/{parameter.definition or f'{type_}-{parameter.name}'}"
