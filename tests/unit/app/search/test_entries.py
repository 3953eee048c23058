"""Search entries: every parameter of the table is extracted as fhir.md 2 says."""

import pytest

from app.search import normal
from app.search.criteria import MAX_TIME, MIN_TIME, NO_ENTRIES
from app.search.entries import entries
from app.search.params import PARAMETERS

NHS = "https://fhir.nhs.uk/Id/nhs-number"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"

ALICE = {
    "resourceType": "Patient",
    "id": "alice",
    "meta": {
        "profile": ["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient"],
        "source": "urn:rtk:adt",
        "tag": [{"system": "https://weald.example/fhir/CodeSystem/record-class", "code": "source"}],
        "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}],
    },
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName", "valueString": "Hill"}, {"url": "other", "valueString": "x"}],
    "identifier": [
        {"system": NHS, "value": "9990000018", "type": {"coding": [{"system": V2_0203, "code": "NH"}], "text": "NHS number"}},
        {"system": "https://rtk.nhs.uk/mrn", "value": "RTK001"},
        {"value": "loose"},
        {"system": "https://rtk.nhs.uk/mrn"},
    ],
    "active": True,
    "name": [{"family": "O'Neill-Smith", "given": ["Alice", "Mary"], "prefix": ["Mrs"], "suffix": ["OBE"], "text": "Alice O'Neill-Smith"}],
    "telecom": [{"system": "phone", "value": "+44 (0)20 7946 0018"}, {"system": "email", "value": "Alice@example.uk"}, {"system": "phone"}],
    "gender": "female",
    "birthDate": "1970-01-15",
    "_birthDate": {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime", "valueDateTime": "1970-01-15T04:00:00Z"}]},
    "deceasedDateTime": "2024-02-03",
    "address": [
        {"use": "home", "line": ["1 High St", None], "city": "Crawley", "district": "W Sussex", "state": "ENG", "postalCode": "RH10 1AA", "country": "GBR", "text": "all"}
    ],
    "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "en", "display": "English"}], "text": "English (UK)"}}],
    "generalPractitioner": [{"reference": "Organization/gp"}],
    "managingOrganization": {"reference": "Organization/rtk", "identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "RTK"}},
    "link": [{"other": {"reference": "Patient/golden"}, "type": "seealso"}, {"other": {"reference": "Patient/new/_history/2"}, "type": "replaced-by"}],
}

STUDY = {
    "resourceType": "ImagingStudy",
    "id": "study",
    "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}, {"system": "https://rtk/acc", "value": "A1", "type": {"coding": [{"system": V2_0203, "code": "ACSN"}]}}],
    "status": "available",
    "subject": {"reference": "Patient/alice", "identifier": {"system": "https://rtk.nhs.uk/mrn", "value": "RTK001"}},
    "started": "2024-07-15T10:30:00+01:00",
    "basedOn": [{"reference": "ServiceRequest/sr"}],
    "encounter": {"reference": "Encounter/e"},
    "referrer": {"reference": "Practitioner/r"},
    "interpreter": [{"reference": "Practitioner/i"}],
    "endpoint": [{"reference": "Endpoint/rtk"}],
    "reasonCode": [{"text": "Cough"}],
    "reasonReference": [{"reference": "Condition/c"}],
    "modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "SR"}],
    "series": [
        {
            "uid": "1.2.3.1",
            "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"},
            "bodySite": {"system": "http://snomed.info/sct", "code": "51185008", "display": "Chest"},
            "endpoint": [{"reference": "Endpoint/series"}],
            "performer": [{"actor": {"reference": "Practitioner/p"}}],
            "instance": [{"uid": f"1.2.3.1.{n}", "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2"}} for n in range(3)],
        }
    ],
}


def tokens(resource, param):
    return [(system, code) for name, system, code in entries(resource).tokens if name == param]


def strings(resource, param):
    return [value for name, value, _ in entries(resource).strings if name == param]


def references(resource, param):
    return [target for name, target in entries(resource).references if name == param]


def dates(resource, param):
    return [(low, high) for name, low, high in entries(resource).dates if name == param]


def test_identifiers_are_tokens_of_system_and_value_and_typed_by_their_type():
    assert tokens(ALICE, "identifier") == [("", "loose"), (NHS, "9990000018"), ("https://rtk.nhs.uk/mrn", "rtk001")]
    assert entries(ALICE).typed == (("identifier", V2_0203, "nh", "9990000018"),)
    assert ("identifier", "nhs number") in entries(ALICE).texts


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ("active", [("", "true")]),
        ("deceased", [("", "true")]),
        ("email", [("email", "alice@example.uk")]),
        ("gender", [("", "female")]),
        ("language", [("urn:ietf:bcp:47", "en")]),
        ("phone", [("phone", "02079460018")]),
        ("telecom", [("email", "alice@example.uk"), ("phone", "02079460018")]),
        ("address-use", [("", "home")]),
        ("_tag", [("https://weald.example/fhir/CodeSystem/record-class", "source")]),
        ("_security", [("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "r")]),
        ("organization:identifier", [("https://fhir.nhs.uk/Id/ods-organization-code", "rtk")]),
    ],
)
def test_tokens_of_a_patient(param, expected):
    assert tokens(ALICE, param) == expected


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ("family", ["oneill smith"]),
        ("given", ["alice", "mary"]),
        ("name", ["alice", "alice oneill smith", "mary", "mrs", "obe", "oneill smith"]),
        ("mothersMaidenName", ["hill"]),
        ("address", ["1 high st", "all", "crawley", "eng", "gbr", "rh10 1aa", "rh101aa", "w sussex"]),
        ("address-city", ["crawley"]),
        ("address-country", ["gbr"]),
        ("address-postalcode", ["rh101aa"]),
        ("address-state", ["eng"]),
        ("_profile", ["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient"]),
        ("_source", ["urn:rtk:adt"]),
    ],
)
def test_strings_of_a_patient(param, expected):
    assert strings(ALICE, param) == expected


def test_dates_of_a_patient():
    assert dates(ALICE, "birthdate") == [normal.date_range("1970-01-15")]
    assert dates(ALICE, "death-date") == [normal.date_range("2024-02-03")]


def test_references_of_a_patient_are_version_free():
    assert references(ALICE, "link") == ["Patient/golden", "Patient/new"]
    assert references(ALICE, "-replaced-by") == ["Patient/new"]
    assert references(ALICE, "organization") == ["Organization/rtk"]
    assert references(ALICE, "general-practitioner") == ["Organization/gp"]


@pytest.mark.parametrize(("more", "code"), [({}, "false"), ({"deceasedBoolean": False}, "false"), ({"deceasedBoolean": True}, "true")])
def test_a_patient_without_deceased_is_found_as_not_deceased(more, code):
    assert tokens({"resourceType": "Patient", "id": "bea", **more}, "deceased") == [("", code)]


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ("identifier", [("https://rtk/acc", "a1"), ("urn:dicom:uid", "1.2.3")]),
        ("modality", [("http://dicom.nema.org/resources/ontology/DCM", "ct")]),
        ("bodysite", [("http://snomed.info/sct", "51185008")]),
        ("dicom-class", [("urn:ietf:rfc:3986", "1.2.840.10008.5.1.4.1.1.2")]),
        ("series", [("", "1.2.3.1")]),
        ("instance", [("", "1.2.3.1.0"), ("", "1.2.3.1.1"), ("", "1.2.3.1.2")]),
        ("status", [("", "available")]),
        ("subject:identifier", [("https://rtk.nhs.uk/mrn", "rtk001")]),
    ],
)
def test_tokens_of_a_study(param, expected):
    assert tokens(STUDY, param) == expected


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ("subject", ["Patient/alice"]),
        ("patient", []),
        ("endpoint", ["Endpoint/rtk", "Endpoint/series"]),
        ("basedon", ["ServiceRequest/sr"]),
        ("encounter", ["Encounter/e"]),
        ("referrer", ["Practitioner/r"]),
        ("interpreter", ["Practitioner/i"]),
        ("performer", ["Practitioner/p"]),
        ("reason", []),
    ],
)
def test_references_of_a_study(param, expected):
    assert references(STUDY, param) == expected


def test_a_reason_is_found_by_its_text_and_a_body_site_by_its_display():
    assert set(entries(STUDY).texts) == {("reason", "cough"), ("bodysite", "chest")}


def test_a_period_without_a_side_is_open_there():
    start = {"resourceType": "Task", "executionPeriod": {"start": "2024-01-01"}}
    end = {"resourceType": "Task", "executionPeriod": {"end": "2024-01-01"}}
    low, high = normal.date_range("2024-01-01")
    assert dates(start, "period") == [(low, MAX_TIME)]
    assert dates(end, "period") == [(MIN_TIME, high)]
    assert dates({"resourceType": "Task", "executionPeriod": {}}, "period") == []


def test_patient_of_a_provenance_has_patients_only():
    provenance = {"resourceType": "Provenance", "target": [{"reference": "Patient/a/_history/1"}, {"reference": "Linkage/l"}, {"type": "Patient", "identifier": {"value": "x"}}]}
    assert references(provenance, "patient") == ["Patient/a"]
    assert references(provenance, "target") == ["Linkage/l", "Patient/a"]
    assert tokens(provenance, "patient:identifier") == [("", "x")]


def test_a_contained_reference_is_no_entry():
    assert references({"resourceType": "Patient", "managingOrganization": {"reference": "#o"}}, "organization") == []


def test_an_unreadable_date_and_a_type_not_served_have_no_entries():
    assert dates({"resourceType": "Patient", "birthDate": "soon"}, "birthdate") == []
    assert entries({"resourceType": "Basic", "id": "x"}) == NO_ENTRIES


def test_nulls_and_empty_values_have_no_entries():
    bea = {"resourceType": "Patient", "name": [{"family": "", "given": ["", None]}], "gender": None, "address": [{"line": [""]}], "link": [{"type": "replaced-by"}]}
    assert entries(bea).tokens == (("deceased", "", "false"),)
    assert entries(bea).strings == ()


def test_entries_are_sorted_and_unique():
    twice = STUDY | {"series": STUDY["series"] * 2}
    assert entries(twice) == entries(STUDY)
    assert list(entries(STUDY).tokens) == sorted(entries(STUDY).tokens)


def test_every_rule_of_the_table_is_understood():
    for type_, own in PARAMETERS.items():
        for parameter in own.values():
            assert parameter.rules or parameter.alias or parameter.name in ("_id", "_lastUpdated"), (type_, parameter.name)
