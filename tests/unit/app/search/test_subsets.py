"""``_summary`` and ``_elements`` (fhir.md 2, Result control)."""

import orjson

from app.search import subsets

STUDY = b'{"resourceType":"ImagingStudy","id":"s","meta":{"versionId":"1","tag":[{"code":"source"}]},"text":{"status":"generated"},"implicitRules":"urn:r",\
"contained":[{"resourceType":"Basic"}],"status":"available","_status":{"id":"x"},"subject":{"reference":"Patient/alice"},"started":"2024","extension":[{"url":"u","valueDecimal":72.50}],\
"series":[{"uid":"1.2","number":1,"instance":[{"uid":"1.2.3","sopClass":{"code":"c"}}]}],"numberOfInstances":12345678901234567890123}'


def subset(kind, paths=()):
    return subsets.subset_body(STUDY, kind, paths)


def test_a_summary_has_the_summary_elements_and_no_instances():
    found = orjson.loads(subset("true").replace(b"12345678901234567890123", b"1"))
    assert set(found) == {"resourceType", "id", "meta", "implicitRules", "status", "_status", "subject", "started", "series", "numberOfInstances"}
    assert found["series"] == [{"uid": "1.2", "number": 1}]
    assert found["meta"]["tag"] == [{"code": "source"}, subsets.SUBSETTED]


def test_numbers_keep_their_digits():
    assert b'"valueDecimal":72.50' in subset("data")
    assert b"12345678901234567890123" in subset("data")


def test_data_drops_the_text_and_text_drops_the_data():
    assert b'"text"' not in subset("data")
    assert set(orjson.loads(subset("text"))) == {"resourceType", "id", "meta", "implicitRules", "text", "status", "_status", "subject"}


def test_elements_keep_mandatory_elements_and_take_paths():
    found = orjson.loads(subset("elements", ("series.instance.uid", "ImagingStudy.started", "subject.reference")))
    assert found["series"] == [{"instance": [{"uid": "1.2.3"}]}]
    assert found["subject"] == {"reference": "Patient/alice"}
    assert set(found) == {"resourceType", "id", "meta", "implicitRules", "status", "_status", "subject", "started", "series"}


def test_a_choice_is_named_without_its_type():
    patient = {"resourceType": "Patient", "id": "p", "deceasedBoolean": False, "multipleBirthInteger": 1, "active": True, "gender": "female"}
    assert set(subsets.summary(patient)) == {"resourceType", "id", "meta", "deceasedBoolean", "active", "gender"}
    assert set(subsets.elements(patient, ["multipleBirth"])) == {"resourceType", "id", "meta", "multipleBirthInteger", "deceasedBoolean", "active"}


def test_parts_of_a_provenance_follow_the_flags():
    provenance = {"resourceType": "Provenance", "agent": [{"who": {"display": "x"}, "role": [{"text": "r"}]}], "target": [], "recorded": "2024", "reason": []}
    assert subsets.summary(provenance)["agent"] == [{"who": {"display": "x"}}]
    assert "id" not in subsets.summary(provenance)


def test_a_path_into_a_plain_value_keeps_it():
    assert subsets.elements({"resourceType": "Organization", "id": "o", "name": "x"}, ["name.part"])["name"] == "x"
