"""Small parts of the front door that HTTP alone does not reach."""

from dataclasses import replace

import orjson
import pytest

from app.errors import RequiredMissing, UnsupportedMessage, WealdError
from app.search.reach import Reached
from app.store.contract import StoredResource
from app.web import answers, bundles, outcomes
from app.web.reach import subject_of

STUDY = {"resourceType": "ImagingStudy", "id": "s", "subject": {"reference": "Patient/alice"}}


def stored(resource, summary=None):
    return StoredResource("ImagingStudy", "s", 1, "2024-05-01T10:00:00.250Z", False, "RTK", 1, orjson.dumps(resource), summary)


def test_the_subject_is_read_from_the_bytes():
    assert subject_of(stored(STUDY)) == "Patient/alice"
    assert subject_of(replace(stored({}), body=b"", summary=orjson.dumps(STUDY))) == "Patient/alice"


def test_a_subject_beside_contained_ones_or_in_another_form_is_parsed():
    contained = {"resourceType": "ImagingStudy", "contained": [{"subject": {"reference": "Patient/anna"}}], "subject": {"reference": "Patient/alice"}}
    assert subject_of(stored(contained)) == "Patient/alice"
    assert subject_of(stored({"subject": {"type": "Patient", "reference": "Patient/alice"}})) == "Patient/alice"
    assert subject_of(stored({"resourceType": "ImagingStudy"})) is None


def test_a_named_record_has_no_link_to_tell():
    assert bundles.linked_match("https://w", Reached("alice", "golden")) == bundles.MATCH


def test_an_unreadable_last_updated_is_no_reason_to_withhold():
    assert answers.http_date("junk") == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_a_refusal_inside_a_resource_has_its_path():
    body = orjson.loads(outcomes.refusal(RequiredMissing("A name is missing.", expression="Patient.name"), "r", "https://w"))
    assert body["issue"][0]["expression"] == ["Patient.name"]
    assert "expression" not in orjson.loads(outcomes.refusal(RequiredMissing("A name is missing."), "r", "https://w"))["issue"][0]


@pytest.mark.parametrize(("cause", "code"), [(RequiredMissing, "required-missing"), (UnsupportedMessage, "unsupported-message"), (WealdError, "weald-error")])
def test_the_code_of_a_refusal_is_its_name(cause, code):
    assert outcomes.refusal_code(cause) == code


@pytest.mark.parametrize("body", [b'{"a":[],"b":{},"c":[1,{"d":"x,y:{}\\"[]"}],"e":72.50,"f":-1e5,"g":null}', b"[]", b'{"a":[[[]]]}'])
def test_pretty_keeps_every_token(body):
    shown = answers.pretty(body)
    assert orjson.loads(shown) == orjson.loads(body)
    assert b"".join(shown.split()) == b"".join(body.split())
