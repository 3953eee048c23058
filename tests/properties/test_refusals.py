"""Whatever types a client's JSON or query has, no answer is 500: a client's mistake is told as one (fhir.md 5)."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.web.application import create_app
from tests.flow.stewarding import deciding
from tests.properties.arrival import fresh

_ODD = st.sampled_from([None, True, 0, -1, 7, 2**63, 1.5, "", "x", "s|v", "Patient/x", [], [1], {}, {"x": 1}])
_IDENTIFIER = st.fixed_dictionaries({}, optional={"system": _ODD, "value": _ODD})
_REFERENCE = st.fixed_dictionaries({"reference": _ODD}) | st.fixed_dictionaries({"identifier": _ODD | _IDENTIFIER}) | _ODD
_ELEMENT = st.one_of(
    st.fixed_dictionaries({"valueReference": _REFERENCE}),
    st.fixed_dictionaries({"valueIdentifier": _IDENTIFIER | _ODD}),
    st.dictionaries(st.sampled_from(["valueString", "valueCode", "valueBoolean", "valueInteger", "resource", "part", "id"]), _ODD, max_size=2),
)
_PARTS = st.lists(st.builds(lambda name, value: {"name": name, **value}, _ODD, _ELEMENT) | _ODD, max_size=2)
_TIME = st.builds("{}{}{}".format, st.sampled_from(["0001-01-01T00:00", "1970-06-31T00:00", "2024-02-29T23:59:60", "9999-12-31T23:59:59.999", "9999", ""]),
    st.sampled_from(["", "Z", "+14:00", "-14:00", "-12:00", "+15:00"]), st.sampled_from(["", "x"]))  # fmt: skip


@pytest.fixture(scope="module")
def door(tmp_path_factory):
    services = fresh(tmp_path_factory.mktemp("refusals") / "store")
    yield create_app(services).test_client()
    services.store.close()


@settings(max_examples=60, deadline=None)
@given(elements=st.lists(_ELEMENT, min_size=1, max_size=2), more=_PARTS)
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Patient/$match", "resource"), ("Patient/$match", "count"), ("Patient/$match", "onlyCertainMatches"), ("Patient/$link", "record"), ("Patient/$unlink", "record"),
        ("Patient/$merge", "person"), ("Patient/$split", "record"), ("Patient/$undo", "provenance"), ("Patient/$undo", "record"),
        ("Task/none/$settle", "outcome"), ("List/$do-not-link", "record"), ("List/none/$retire", "reason"),
    ],
)  # fmt: skip
def test_no_parameters_of_wrong_types_make_a_fault(door, path, name, elements, more):
    for parts in ([{"name": name, **one} for one in elements], [{"name": name, **one} for one in [*elements, *elements]], more):
        response = door.post(f"/fhir/{path}", data=orjson.dumps(deciding(*parts)), content_type="application/fhir+json")
        assert response.status_code < 500
        assert response.status_code == 200 or response.json["resourceType"] == "OperationOutcome"


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(["_history", "Patient/_history", "Patient/none/_history"]), name=st.sampled_from(["_at", "_since"]), time=_TIME, count=st.sampled_from(["0", "5", "-1", "²", "", "9" * 40]))
def test_no_query_of_a_history_makes_a_fault(door, path, name, time, count):
    for query in ({name: time}, {name: time, "_count": count}):
        assert door.get(f"/fhir/{path}", query_string=query).status_code < 500
