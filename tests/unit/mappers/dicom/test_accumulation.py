"""Duplicates, conflicts, two sources, rejection notes and persons kept apart (imaging.md 3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mappers.dicom import accumulation
from mappers.dicom.facts import Attributes
from mappers.dicom.study import partition
from tests.unit.mappers.dicom.making import BASE, CONTEXTS, KOS, SERIES, STUDY, code, facts, instance, item, rejection
from tests.unit.mappers.dicom.test_study import flags, mapped

RTK_KEY, RA2_KEY = f"RTK|{BASE}/Id/RTK/mrn|A100", f"RA2|{BASE}/Id/RA2/mrn|A100"


def _uids(made: dict[str, Any]) -> list[str]:
    return [one["uid"] for series in made["series"] for one in series["instance"]]


def test_the_same_content_again_changes_nothing() -> None:
    once = mapped([instance(1), instance(2)])
    assert mapped([instance(2), instance(1), instance(1), instance(2)]) == once


def test_findings_alone_are_no_conflict() -> None:
    cut = replace(facts(), instance=Attributes(facts().instance.values, ("truncated",)))
    assert flags(mapped([cut, facts()])[0]) == []
    assert flags(mapped([facts(), cut])[0]) == []


def _changed(when: str, **values: Any) -> dict[str, Any]:
    return {"OriginalAttributesSequence": [item(AttributeModificationDateTime=when)], **values}


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (_changed("20250101"), _changed("20250102")),
        ({}, _changed("20200101")),
        (_changed("20250101120000+0100"), _changed("20250101113000+0000")),
        ({"InstanceCoercionDateTime": "20250101"}, {"InstanceCoercionDateTime": "20250102"}),
        ({"InstanceCreationDate": "20250101"}, {"InstanceCreationDate": "20250101", "InstanceCreationTime": "0800"}),
    ],
)
def test_of_two_contents_of_one_instance_the_later_stands_and_the_conflict_is_flagged(older: dict[str, Any], newer: dict[str, Any]) -> None:
    both = [facts(**older, ContentLabel="OLD"), facts(**newer, ContentLabel="NEW")]
    made = mapped(both)[0]
    assert made["series"][0]["instance"][0]["title"] == "NEW"
    assert flags(made) == ["sop-conflict"]
    assert mapped(both[::-1])[0] == made


def test_without_times_the_smallest_digest_stands() -> None:
    both = [facts(ContentLabel="A"), facts(ContentLabel="B")]
    winner = min(both, key=lambda fact: fact.digest)
    assert mapped(both)[0]["series"][0]["instance"][0]["title"] == winner.instance.values["ContentLabel"]


def test_one_instance_in_two_series_keeps_both_places_flagged() -> None:
    made = mapped([facts(), facts(SeriesInstanceUID=f"{STUDY}.7")])[0]
    assert made["numberOfInstances"] == 2
    assert flags(made) == ["sop-conflict"]


def test_two_archives_of_one_study_make_one_with_both_endpoints() -> None:
    made = mapped([instance(1, "RA2-PACS"), instance(1), instance(2), instance(2, "RA2-PACS")])[0]
    assert made["endpoint"] == [{"reference": "Endpoint/rtk-wado"}, {"reference": "Endpoint/ra2-wado"}]
    assert "endpoint" not in made["series"][0]
    assert made["numberOfInstances"] == 2
    assert made["subject"]["reference"] == "Patient/alice-rtk"
    assert flags(made) == []


def test_series_name_their_endpoints_where_they_differ() -> None:
    made = mapped([instance(1), instance(1, "RA2-PACS"), instance(2, "RA2-PACS", SeriesInstanceUID=f"{STUDY}.7", SeriesNumber=2)])[0]
    assert [series["endpoint"] for series in made["series"]] == [
        [{"reference": "Endpoint/rtk-wado"}, {"reference": "Endpoint/ra2-wado"}],
        [{"reference": "Endpoint/ra2-wado"}],
    ]


def test_what_the_better_ranked_archive_says_stands_and_the_variant_is_flagged() -> None:
    made = mapped(
        [
            instance(1, "RA2-PACS", StudyDescription="Copy"),
            instance(2, "RA2-PACS", StudyDescription="Copy"),
            instance(3, StudyDescription="CT"),
        ]
    )[0]
    assert made["description"] == "CT"
    assert flags(made) == ["value-conflict"]


def test_within_an_archive_most_instances_and_then_the_smallest_value_stand() -> None:
    most = [instance(1, StudyDescription="B"), instance(2, StudyDescription="B"), instance(3, StudyDescription="A")]
    assert mapped(most)[0]["description"] == "B"
    assert mapped(most[1:])[0]["description"] == "A"
    assert mapped([instance(1, StudyDescription=None), instance(2, StudyDescription="A")])[0]["description"] == "A"


def test_content_that_no_archive_may_coerce_is_a_conflict_between_archives() -> None:
    assert flags(mapped([instance(1), instance(1, "RA2-PACS", Rows=512)])[0]) == ["sop-conflict"]
    assert flags(mapped([instance(1, StudyDescription="A"), instance(1, "RA2-PACS", StudyDescription="A", AccessionNumber="9")])[0]) == []


@pytest.mark.parametrize(
    ("title", "status"), [("113037", "entered-in-error"), ("113038", "entered-in-error"), ("113001", "unknown"), ("113039", "unknown")]
)
def test_a_rejected_study_has_no_endpoints(title: str, status: str) -> None:
    made = mapped([instance(1), rejection(title, [f"{SERIES}.1", "1.2.3.unknown"[:7]])])[0]
    assert made["status"] == status
    assert not {"series", "endpoint", "modality"} & made.keys()
    assert (made["numberOfSeries"], made["numberOfInstances"]) == (0, 0)
    assert made["subject"]["reference"] == "Patient/alice-rtk"


def test_a_note_hides_what_it_lists_and_itself_whenever_it_comes() -> None:
    note = rejection("113001", [f"{SERIES}.1"])
    made = mapped([note, instance(1), instance(2)])[0]
    assert _uids(made) == [f"{SERIES}.2"]
    assert mapped([instance(2), instance(1), note])[0] == made
    assert made["status"] == "available"


def test_a_note_acts_on_its_own_archive_only() -> None:
    made = mapped([rejection("113037", [f"{SERIES}.1"]), instance(1), instance(1, "RA2-PACS")])[0]
    assert made["endpoint"] == [{"reference": "Endpoint/ra2-wado"}]
    assert made["status"] == "available"


def test_a_note_alone_is_a_study_of_unknown_status() -> None:
    made = mapped([rejection("113037", [f"{SERIES}.1"])])[0]
    assert made["status"] == "unknown"


def test_partly_wrong_and_partly_poor_is_unknown() -> None:
    notes = [rejection("113037", [f"{SERIES}.1"]), rejection("113001", [f"{SERIES}.2"], number=901)]
    assert mapped([instance(1), instance(2), *notes])[0]["status"] == "unknown"


def test_other_key_objects_are_instances() -> None:
    key = instance(9, SOPClassUID=KOS, ConceptNameCodeSequence=[code("113000", "DCM", "Of Interest")])
    assert mapped([instance(1), key])[0]["numberOfInstances"] == 2


def test_a_title_of_another_scheme_rejects_nothing() -> None:
    assert (
        mapped([instance(1), rejection("113037", [f"{SERIES}.1"], ConceptNameCodeSequence=[code("113037", "99X", "x")])])[0][
            "numberOfInstances"
        ]
        == 2
    )
    bare = rejection("113037", [f"{SERIES}.1"], ConceptNameCodeSequence=None)
    assert mapped([instance(1), bare])[0]["numberOfInstances"] == 2


def test_linked_keys_are_one_part() -> None:
    both = [instance(1), instance(1, "RA2-PACS")]
    ((keys, members),) = partition(both, {RTK_KEY: "alice", RA2_KEY: "alice"}, CONTEXTS)
    assert keys == (RA2_KEY, RTK_KEY)
    assert members == tuple(both)


def test_keys_of_two_persons_are_kept_apart() -> None:
    anna = facts(PatientID="A200", SOPInstanceUID=f"{SERIES}.9")
    parts = partition([anna, instance(1), instance(2)], {RTK_KEY: "alice"}, CONTEXTS)
    assert [(keys, len(members)) for keys, members in parts] == [((RTK_KEY,), 2), ((f"RTK|{BASE}/Id/RTK/mrn|A200",), 1)]


def test_the_subject_of_one_archive_is_that_of_most_instances() -> None:
    subjects = {RTK_KEY: "alice", f"RTK|{BASE}/Id/RTK/mrn|A101": "alice-old"}
    many = [instance(1, PatientID="A101"), instance(2), instance(3)]
    assert mapped(many, subject_of=subjects)[0]["subject"]["reference"] == "Patient/alice"
    assert mapped(many[:2], subject_of=subjects)[0]["subject"]["reference"] == "Patient/alice"


def _corrected(old: str, new: str, when: str, number: int = 1, **values: Any) -> Any:
    """An instance whose archive says when it corrected the PatientID."""
    change = item(AttributeModificationDateTime=when, ModifiedAttributesSequence=[item(PatientID=old)])
    return instance(number, PatientID=new, OriginalAttributesSequence=[change], **values)


def test_a_patient_id_that_the_archive_corrected_moves_the_study() -> None:
    many = [instance(1, PatientID="A200"), instance(2, PatientID="A200"), _corrected("A200", "A100", "20250111")]
    ((keys, members),) = partition(many, {}, CONTEXTS)
    assert keys == (RTK_KEY,)
    made = mapped(members)[0]
    assert (made["subject"]["reference"], made["subject"]["identifier"]["value"]) == ("Patient/alice-rtk", "A100")
    assert made["numberOfInstances"] == 2


def test_a_patient_id_corrected_back_stays_where_it_went_last() -> None:
    many = [_corrected("A200", "A100", "20250111"), _corrected("A100", "A200", "20250112", 2), instance(3)]
    ((keys, _),) = partition(many, {}, CONTEXTS)
    assert keys == (f"RTK|{BASE}/Id/RTK/mrn|A200",)
    assert mapped(many)[0]["subject"]["identifier"]["value"] == "A200"


def test_corrections_follow_one_another() -> None:
    many = [instance(1, PatientID="A300"), _corrected("A300", "A200", "20250111", 2), _corrected("A200", "A100", "20250112", 3)]
    assert [keys for keys, _ in partition(many, {}, CONTEXTS)] == [(RTK_KEY,)]


def test_a_correction_is_of_its_own_archive_and_of_the_patient_id_only() -> None:
    other = instance(1, "RA2-PACS", PatientID="A200")
    change = item(AttributeModificationDateTime="20250111", ModifiedAttributesSequence=[item(AccessionNumber="9")])
    many = [other, _corrected("A200", "A100", "20250111", 2), instance(3, PatientID="A400", OriginalAttributesSequence=[change])]
    assert len(partition(many, {}, CONTEXTS)) == 3


def test_a_bare_push_under_another_patient_id_is_a_conflict() -> None:
    assert len(partition([instance(1, PatientID="A200"), instance(1)], {}, CONTEXTS)) == 2


def test_a_correction_leaves_the_other_corrections_of_the_source_alone() -> None:
    moved = accumulation._moved([("2025-01-01", "RTK-PACS", "A", "B"), ("2025-01-02", "RTK-PACS", "C", "D"), ("2025-01-03", "RTK-PACS", "B", "E")])
    assert [moved["RTK-PACS", key] for key in "ABCDE"] == ["E", "E", "D", "D", "E"]
