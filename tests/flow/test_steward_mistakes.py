"""What a steward's client gets wrong is told as its mistake (fhir.md 5)."""

import pytest

from tests.flow.doors import mrn
from tests.flow.stewarding import Steward, named


@pytest.fixture
def jo(weald):
    return Steward(weald)


@pytest.mark.parametrize(
    "value",
    [
        {"valueReference": {"reference": 7}},
        {"valueReference": {"reference": None}},
        {"valueReference": {"identifier": [1]}},
        {"valueReference": {"identifier": {"system": ["s"], "value": "v"}}},
        {"valueReference": "Patient/x"},
        {"valueIdentifier": {"system": "s", "value": 7}},
        {"valueIdentifier": "s|v"},
        {"valueString": {"reference": "Patient/x"}},
        {"valueString": "x", "valueId": "x"},
    ],
)
def test_an_element_of_another_type_is_the_callers_mistake(jo, value):
    assert jo.refused("Patient/$undo", {"name": "provenance", **value})[0] in (400, 422)
    assert jo.refused("Patient/$link", named("record", mrn("A1")), {"name": "record", **value})[0] in (400, 422)
    assert jo.refused("Patient/$undo", {"name": ["provenance"], **value})[0] in (400, 422)


def test_two_provenances_are_refused_not_the_second_forgotten(jo):
    one = {"name": "provenance", "valueString": "none"}
    assert jo.refused("Patient/$undo", one, one) == (400, "value")
