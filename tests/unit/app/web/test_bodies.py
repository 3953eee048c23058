"""The JSON body of a request: what is read, and what is refused before anything reads it (fhir.md 1 and 4)."""

import gzip

import pytest
from flask import Flask

from app.errors import BadRequest, InvalidContent, TooLarge, UnsupportedMedia
from app.web.bodies import MAX_INFLATED, check_resource, json_body

PATIENT = b'{"resourceType":"Patient"}'
JSON = {"Content-Type": "application/fhir+json; charset=utf-8; fhirVersion=4.0"}


def body(data, **headers):
    with Flask("x").test_request_context("/", method="POST", data=data, headers={**JSON, **headers}):
        return json_body()


def test_json_is_read_plain_or_gzip():
    assert body(PATIENT) == {"resourceType": "Patient"}
    assert body(gzip.compress(PATIENT, mtime=0), **{"Content-Encoding": "gzip"}) == {"resourceType": "Patient"}


def test_a_body_that_inflates_beyond_the_limit_is_too_large():
    with pytest.raises(TooLarge):
        body(gzip.compress(b" " * (MAX_INFLATED + 1)), **{"Content-Encoding": "gzip"})


@pytest.mark.parametrize("data", [b"no gzip", gzip.compress(PATIENT, mtime=0)[:-9]], ids=["no gzip", "cut"])
def test_a_body_that_is_not_whole_gzip_is_refused(data):
    with pytest.raises(BadRequest):
        body(data, **{"Content-Encoding": "gzip"})


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json; charset=latin-1", "application/fhir+json; fhirVersion=5.0", "application/fhir+xml"])
def test_another_form_is_refused(kind):
    with pytest.raises(UnsupportedMedia):
        body(PATIENT, **{"Content-Type": kind})


@pytest.mark.parametrize("data", [b"", b"\xff", b"null", b'{"a":1}', b'{"resourceType":1}', b'{"resourceType":"Patient","name":[{"use":"old","use":"old"}]}'])
def test_what_is_no_resource_is_refused(data):
    with pytest.raises(BadRequest):
        body(data)


def test_all_faults_of_a_resource_are_told_at_once():
    patient = {"resourceType": "Patient", "gender": "f", "birthDate": "x", "communication": [{"preferred": True}]}
    with pytest.raises(InvalidContent) as refused:
        check_resource(patient)
    assert {expression for _, expression, _ in refused.value.issues} == {"Patient.gender", "Patient.birthDate", "Patient.communication[0].language"}
    with pytest.raises(InvalidContent) as refused:
        check_resource(patient, may_lack=True)
    assert "Patient.communication[0].language" not in {expression for _, expression, _ in refused.value.issues}
