"""What is refused at the door and what is let in (fhir.md 4)."""

from __future__ import annotations

from typing import Any

import pytest

from mappers import fhir

STUDY: dict[str, Any] = {
    "resourceType": "ImagingStudy",
    "status": "available",
    "subject": {"reference": "Patient/a"},
    "series": [
        {
            "uid": "1.2.3",
            "modality": {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"},
            "instance": [{"uid": f"1.2.3.{n}", "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2"}} for n in range(3)],
        }
    ],
}


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "a", **elements}


def faults(resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.expression, fault.code) for fault in fhir.faults(resource)]


def test_well_formed_resources_are_let_in():
    fhir.validate(patient(name=[{"family": "SMITH"}], gender="female", birthDate="1970", active=True, _gender={"extension": [{"url": "urn:x", "valueString": "y"}]}))
    fhir.validate(STUDY)
    fhir.validate({**STUDY, "series": [{**STUDY["series"][0], "instance": STUDY["series"][0]["instance"][:1]}]})
    fhir.validate({key: value for key, value in STUDY.items() if key != "series"})


@pytest.mark.parametrize("kind", [None, "Observation", "Patient/../x"])
def test_other_types_are_not_kept(kind):
    assert faults({"resourceType": kind}) == [("resourceType", "not-supported")]


@pytest.mark.parametrize(
    ("elements", "expression", "code"),
    [
        ({"name": []}, "Patient.name", "structure"),
        ({"name": [{}]}, "Patient.name[0]", "structure"),
        ({"meta": {}}, "Patient.meta", "structure"),
        ({"name": [{"family": " "}]}, "Patient.name[0].family", "structure"),
        ({"name": [{"family": "A\x00B"}]}, "Patient.name[0].family", "structure"),
        ({"name": [{"given": ["A", ""]}]}, "Patient.name[0].given[1]", "structure"),
        ({"name": [{"given": None}]}, "Patient.name[0].given", "structure"),
        ({"name": [{"family": 5}]}, "Patient.name[0].family", "structure"),
        ({"name": {"family": "X"}}, "Patient.name", "structure"),
        ({"name": [5]}, "Patient.name[0]", "structure"),
        ({"extension": [5]}, "Patient.extension[0]", "structure"),
        ({"surname": "X"}, "Patient.surname", "structure"),
        ({"active": "true"}, "Patient.active", "structure"),
        ({"active": 1}, "Patient.active", "structure"),
        ({"multipleBirthInteger": "2"}, "Patient.multipleBirthInteger", "structure"),
        ({"multipleBirthInteger": True}, "Patient.multipleBirthInteger", "structure"),
        ({"multipleBirthInteger": 1.5}, "Patient.multipleBirthInteger", "structure"),
        ({"id": "a b"}, "Patient.id", "structure"),
        ({"id": "x" * 65}, "Patient.id", "structure"),
        ({"birthDate": "11/03/1970"}, "Patient.birthDate", "structure"),
        ({"gender": "F"}, "Patient.gender", "code-invalid"),
        ({"name": [{"family": "X", "use": "best"}]}, "Patient.name[0].use", "code-invalid"),
        ({"telecom": [{"system": "telex"}]}, "Patient.telecom[0].system", "code-invalid"),
        ({"identifier": [{"use": "x", "value": "1"}]}, "Patient.identifier[0].use", "code-invalid"),
        ({"contact": [{"name": {"family": "X", "use": "best"}}]}, "Patient.contact[0].name.use", "code-invalid"),
        ({"contact": [{"gender": "male"}]}, "Patient.contact[0]", "invariant"),
        ({"link": [{"other": {"reference": "Patient/b"}, "type": "same"}]}, "Patient.link[0].type", "code-invalid"),
        ({"link": [{"type": "seealso"}]}, "Patient.link[0].other", "required"),
        ({"extension": [{"url": "urn:x"}]}, "Patient.extension[0]", "invariant"),
        ({"name": [{"family": "X", "period": {"start": "2021", "end": "2020-01"}}]}, "Patient.name[0].period", "invariant"),
        ({"deceasedBoolean": True, "deceasedDateTime": "2020"}, "Patient", "structure"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(elements, expression, code):
    assert (expression, code) in faults(patient(**elements))


def test_equal_precision_of_a_period_is_compared_only():
    assert faults(patient(name=[{"family": "X", "period": {"start": "2020-05", "end": "2020"}}])) == []
    assert faults(patient(name=[{"family": "X", "period": {"start": "2020"}}])) == []


def test_a_primitive_value_of_an_extension_may_be_extended():
    inner = {"extension": [{"url": "urn:y", "valueString": "z"}]}
    assert faults(patient(extension=[{"url": "urn:x", "valueString": "v", "_valueString": inner}])) == []
    assert faults(patient(extension=[{"url": "urn:x", "valueString": "v", "_valueString": {}}])) == [("Patient.extension[0]._valueString", "structure")]


def test_nesting_has_an_end():
    extension: dict[str, Any] = {"url": "urn:x", "valueString": "y"}
    for _ in range(70):
        extension = {"url": "urn:x", "extension": [extension]}
    assert any(text == "is nested too deep" for text in (fault.text for fault in fhir.faults(patient(extension=[extension]))))


def test_every_instance_of_a_study_is_checked_though_only_the_first_is_built():
    series = STUDY["series"][0]

    def with_instances(*instances: dict[str, Any]) -> list[tuple[str, str]]:
        return faults({**STUDY, "series": [{**series, "instance": [*series["instance"], *instances]}]})

    assert with_instances({"uid": "1.2.3.9"}) == [("ImagingStudy.series[0].instance[3].sopClass", "required")]
    assert with_instances(series["instance"][0]) == [("ImagingStudy.series[0].instance[3].uid", "invariant")]
    assert with_instances({**series["instance"][0], "uid": "1." * 40}) == [("ImagingStudy.series[0].instance[3].uid", "value")]
    assert with_instances({**series["instance"][0], "uid": None})[0] == ("ImagingStudy.series[0].instance[3].uid", "structure")


def test_a_uid_stands_once_among_the_series_and_once_in_a_series():
    """fhir.md 4; one SOP instance in two series is two placements (imaging.md 3.2)."""
    series = STUDY["series"][0]
    other = {**series, "uid": "1.2.4"}
    assert faults({**STUDY, "series": [series, other]}) == []
    assert faults({**STUDY, "series": [{**series, "uid": series["instance"][1]["uid"]}, {**other, "uid": series["instance"][0]["uid"]}]}) == []
    assert faults({**STUDY, "series": [series, other, series]}) == [("ImagingStudy.series[2].uid", "invariant")]


def test_bindings_of_other_types():
    assert ("ImagingStudy.status", "code-invalid") in faults({**STUDY, "status": "ready"})
    task = {"resourceType": "Task", "status": "new", "intent": "proposal"}
    assert ("Task.status", "code-invalid") in faults(task)
    item = {"type": "source", "resource": {"reference": "Patient/a"}}
    assert faults({"resourceType": "Linkage", "item": [item]}) == [("Linkage.item", "invariant")]
    assert faults({"resourceType": "Linkage", "item": [item, item]}) == []
    assert faults({"resourceType": "Organization", "id": "RTK", "name": "X"}) == []


def test_the_error_holds_every_fault_and_no_value():
    with pytest.raises(fhir.InvalidResource) as raised:
        fhir.validate(patient(gender="SECRET", birthDate="SECRET", surname="SECRET"))
    assert len(raised.value.faults) == 3
    assert "SECRET" not in str(raised.value)
    assert "Patient.gender: is a code outside its required value set" in str(raised.value)


def test_faults_are_at_most_a_hundred():
    assert len(fhir.faults(patient(name=[{} for _ in range(300)]))) == fhir.MAX_FAULTS


def test_the_model_classes_can_be_left_out():
    assert fhir.faults(patient(surname="X"), structure=False) == []
    with pytest.raises(fhir.InvalidResource):
        fhir.validate(patient(gender="F"), structure=False)
