"""An ImagingStudy is a pure function of its facts: order, repetition and batching never show (imaging.md 3.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from mappers.dicom.chunks import pack, unpack
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.rejections import first_and_last, rejection_title
from mappers.dicom.study import imaging_study, partition
from tests.unit.mappers.dicom.making import CONTEXTS, ENDPOINTS, SERIES, STUDY, code, instance, item, rejection

SOURCES = ("RTK-PACS", "RA2-PACS")


def _change(old: str, when: str) -> Dataset:
    return item(AttributeModificationDateTime=when, ModifiedAttributesSequence=[item(PatientID=old)])


def _pool() -> list[InstanceFacts]:
    """Instances of two archives that agree, differ, conflict, reject, and name several patients."""
    variants: list[dict[str, Any]] = [
        {},
        {"StudyDescription": "CT Head", "AccessionNumber": "1"},
        {"StudyDescription": "CT Neck", "AccessionNumber": "2", "StudyTime": None},
        {"PatientID": "A200", "OperatorsName": "Lane^Cy"},
        {"SeriesInstanceUID": f"{STUDY}.5", "SeriesNumber": None, "Modality": None},
        {"SeriesDescription": "Axial", "ImageLaterality": "L", "BodyPartExamined": "CHEST"},
        {"ContentLabel": "NEW", "OriginalAttributesSequence": [item(AttributeModificationDateTime="20250102")]},
        {"PatientID": "A300", "OriginalAttributesSequence": [_change("A200", "20250102")]},
        {"OriginalAttributesSequence": [_change("A300", "20250103")]},
        {"PatientID": "A200", "OriginalAttributesSequence": [_change("A100", "20250103")]},
        {"ProcedureCodeSequence": [code("CHEAD", "NICIP", "CT head")], "InstanceNumber": "-4"},
        {"RequestAttributesSequence": [item(AccessionNumber="3", ReasonForTheRequestedProcedure="Fall")]},
        {"Modality": "ZZ", "ImageLaterality": "R", "StudyDate": "20251026", "StudyTime": "0130"},
    ]
    found = [instance(number, source, **values) for source in SOURCES for number in (1, 2, 3) for values in variants]
    titles = ("113001", "113037", "113039", "113039")
    made = [rejection("113039", [f"{SERIES}.1"], InstanceCreationDate="20250302", InstanceCreationTime=time) for time in (None, "0000")]
    notes = [rejection(title, [f"{SERIES}.{number}"], source) for title in titles for number in (1, 2) for source in SOURCES] + made
    times = ["", *(f"2025-03-0{number}T00:00:00.000000Z" for number in (1, 2, 3))]
    return [replace(fact, received=time) for time in times for fact in found + notes]


POOL = _pool()
REJECTED = [fact for fact in POOL if fact.source == "RTK-PACS" and (rejection_title(fact) == "113039" or fact == instance(1))]
"""One instance, and the notes that its archive may take back: at every time of receipt."""


def _bytes(facts: list[InstanceFacts]) -> bytes:
    full, summary, custodians = imaging_study(facts, id="x", subject_of={}, contexts=CONTEXTS, endpoints=ENDPOINTS)
    return orjson.dumps([full, summary, sorted(custodians)])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_order_repetition_and_batching_gives_the_same_bytes(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(POOL), min_size=1, max_size=12))
    shuffled = data.draw(st.permutations(chosen)) + data.draw(st.lists(st.sampled_from(chosen), max_size=4))
    size = data.draw(st.integers(1, len(shuffled)))
    batched = [fact for start in range(0, len(shuffled), size) for fact in unpack(pack(shuffled[start : start + size]))]
    assert _bytes(batched) == _bytes(chosen)
    assert _bytes(first_and_last(batched)) == _bytes(chosen)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_of_one_instance_and_its_notes_only_the_times_of_receipt_count(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(REJECTED), min_size=1, max_size=12))
    shuffled = data.draw(st.permutations(chosen))
    cut = data.draw(st.integers(0, len(shuffled)))
    assert _bytes(first_and_last([*first_and_last(shuffled[:cut]), *shuffled[cut:]])) == _bytes(chosen)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_persons_are_parted_alike_in_any_order(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(POOL), min_size=1, max_size=10))
    shuffled = data.draw(st.permutations(chosen))
    one, other = partition(chosen, {}, CONTEXTS), partition(shuffled, {}, CONTEXTS)
    assert [keys for keys, _ in one] == [keys for keys, _ in other]
    assert [_bytes(list(members)) for _, members in one] == [_bytes(list(members)) for _, members in other]
    assert sum(len(members) for _, members in one) == len(chosen)
