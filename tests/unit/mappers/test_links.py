"""Links shown as FHIR: Linkage, Provenance, Task, List (fhir.md 3, Link history)."""

import pytest

from mappers.fhir import validate
from mappers.links import MATCH_GRADE, Decision, Note, do_not_link_list, linkage, provenance, review_task

W = "https://weald.example/fhir"
NOW = "2026-01-01T12:00:00.000Z"
WHY = {
    "model": "f00d", "weight": 23.45678, "p": 0.9999, "calibrated": False, "grade": "certain", "start": -10.0,
    "fields": [
        {"field": "given", "level": 1, "name": "equal", "weight": 7.5, "frequency": 2.5}, {"field": "id:x/y", "level": 2, "name": "one slip", "weight": -1.0, "frequency": 0.0},
    ],
    "rivals": [{"rival": "twin", "weight": -0.5}], "cut": 0.0, "caps": [{"rule": "twin_pattern", "grade": "probable"}], "vetoes": ["not-same"], "confusion": True,
    "bounds": [{"grade": "certain", "weight": 9.96}],
}  # fmt: skip
SCORED = Decision("linked", NOW, "matcher:abc", "names, birth date and phone agree", edge="e1", grade="certain", weight=23.45678, why=WHY)


def by_url(extensions):
    return {one["url"]: one for one in extensions}


def test_a_person_is_a_linkage_with_its_golden_patient_as_source_and_former_members_as_historical():
    made = linkage("l1", W, golden="g", members=["rxc", "rtk"], former=["old"])
    assert [(one["type"], one["resource"]["reference"]) for one in made["item"]] == [
        ("source", "Patient/g"), ("alternate", "Patient/rtk"), ("alternate", "Patient/rxc"), ("historical", "Patient/old"),
    ]  # fmt: skip
    assert made["active"] is True
    validate(made)


def test_a_doubtful_pair_is_an_inactive_linkage_of_two_alternates():
    made = linkage("l2", W, golden=None, members=["b", "a"], active=False)
    assert [one["type"] for one in made["item"]] == ["alternate", "alternate"]
    assert made["active"] is False
    assert made["meta"]["tag"][0]["code"] == "doubtful-pair"
    validate(made)


def test_a_decision_is_a_provenance_with_grade_weight_edge_and_evidence_by_field_without_values():
    made = provenance("p1", W, SCORED, targets=["Patient/g", "Patient/rtk"])
    found = by_url(made["extension"])
    assert found[MATCH_GRADE]["valueCode"] == "certain"
    assert found[f"{W}/StructureDefinition/match-weight"]["valueDecimal"] == 23.457
    assert found[f"{W}/StructureDefinition/edge"]["valueId"] == "e1"
    why = found[f"{W}/StructureDefinition/match-waterfall"]["extension"]
    fields = [{part["url"]: part for part in one["extension"]} for one in why if one["url"] == "field"]
    assert [(one["name"]["valueCode"], one["level"]["valueInteger"], one["weight"]["valueDecimal"]) for one in fields] == [("given", 1, 7.5), ("id.x.y", 2, -1.0)]
    assert [one["url"] for one in why if one["url"] != "field"] == ["start", "rival", "weight", "p", "calibrated", "grade", "cap", "veto", "confusion", "bound", "model"]
    assert made["agent"][0]["who"]["display"] == "matcher:abc"
    validate(made)


def test_a_decision_of_a_feed_says_when_it_happened_and_has_no_score():
    made = provenance("p2", W, Decision("merged", NOW, "RTK-PAS", "RTK-PAS#42", occurred="2025-12-31T23:00:00Z"), targets=["Patient/rtk"])
    assert "extension" not in made
    assert made["occurredDateTime"] == "2025-12-31T23:00:00Z"
    validate(made)


@pytest.mark.parametrize(("status", "outcome"), [("requested", None), ("completed", "same")])
def test_a_review_item_is_a_task_on_the_doubtful_pair(status, outcome):
    made = review_task("t1", W, SCORED, linkage_id="l2", records=["a", "b"], kind="probable-match", status=status, modified=NOW, outcome=outcome)
    assert made["focus"]["reference"] == "Linkage/l2"
    assert [one["valueReference"]["reference"] for one in made["input"]] == ["Patient/a", "Patient/b"]
    assert [one["valueCode"] for one in made.get("output", [])] == ([outcome] if outcome else [])
    validate(made)


def test_a_question_about_one_record_has_no_pair_to_focus_on():
    plain = Decision("review", NOW, "Weald matcher", "another NHS number before")
    made = review_task("t2", W, plain, linkage_id=None, records=["a"], kind="nhs-number-changed", status="requested", modified=NOW)
    assert "focus" not in made
    assert "extension" not in made
    validate(made)


def test_a_do_not_link_list_names_its_records_in_order_and_begins_with_who_made_it_and_why():
    notes = [Note("jo", NOW, "Three cousins"), Note("sam", "2026-02-01T12:00:00.000Z", "One woman")]
    resource = do_not_link_list("l1", W, records=["b", "a"], status="retired", notes=notes)
    validate(resource)
    assert [one["item"]["reference"] for one in resource["entry"]] == ["Patient/a", "Patient/b"]
    assert (resource["status"], resource["mode"], resource["date"], resource["source"]) == ("retired", "working", NOW, {"display": "jo"})
    assert [(one["authorString"], one["text"]) for one in resource["note"]] == [("jo", "Three cousins"), ("sam", "One woman")]
    assert resource["code"] == {"coding": [{"system": f"{W}/CodeSystem/list", "code": "do-not-link"}]}
