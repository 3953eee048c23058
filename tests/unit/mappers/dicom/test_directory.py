"""DICOMDIR records (PS3.3 annex F)."""

from __future__ import annotations

import pytest

from mappers.dicom.dataset import directory_records, facts_from_bytes
from mappers.dicom.directory import DirectoryItem, records_from_items
from mappers.dicom.errors import DicomOverLimit, NotDicom
from mappers.dicom.facts import facts_from_header
from tests.unit.mappers.dicom.making import BUNDLED, ITEM_END, RTK, SEQUENCE_END, UNDEFINED, element, part10, plain_item
from tests.unit.mappers.dicom.making import dataset as made_dataset

DICOMDIR = BUNDLED / "test_files" / "dicomdirtests" / "DICOMDIR"


def _item(offset: int, next: int = 0, lower: int = 0, file_id: tuple[str, ...] = (), **elements: bytes) -> DirectoryItem:
    return DirectoryItem(
        offset, next, lower, file_id, "1.2", "1.2.9" if file_id else "", {int(tag[1:], 16): value for tag, value in elements.items()}
    )


def test_the_records_of_a_bundled_directory_name_files_that_say_the_same() -> None:
    records = directory_records(DICOMDIR.read_bytes())
    assert len(records) == 31
    for record in records[:5]:
        file = DICOMDIR.parent.joinpath(*record.file_id)
        told, read = facts_from_header(record.header, RTK), facts_from_bytes(file.read_bytes(), RTK)
        assert (told.study_uid, told.series_uid, told.sop_uid) == (read.study_uid, read.series_uid, read.sop_uid)
        assert told.patient.values["PatientID"] == read.patient.values["PatientID"]
        assert told.instance.flags == ("directory-record",)


def test_an_instance_inherits_from_the_records_above_it_only() -> None:
    items = [
        _item(10, next=20, lower=30, _00100020=b"A100"),
        _item(20, lower=40, _00100020=b"A200"),
        _item(30, file_id=("I1",), _00200013=b"1"),
        _item(40, file_id=("I2",), _00200013=b"2"),
    ]
    first, second = records_from_items(items)
    assert (first.file_id, first.header.elements[0x00100020]) == (("I1",), b"A100")
    assert (second.file_id, second.header.elements[0x00100020]) == (("I2",), b"A200")


def test_chains_that_turn_back_end() -> None:
    items = [_item(10, next=10, lower=20), _item(20, next=10, lower=10, file_id=("I1",))]
    assert [record.file_id for record in records_from_items(items)] == [("I1",)]


def test_what_is_no_directory_is_refused() -> None:
    with pytest.raises(NotDicom):
        directory_records(b"no directory")
    assert directory_records(part10(made_dataset())) == []


def test_a_directory_nested_too_deep_is_refused() -> None:
    content = b""
    for _ in range(400):
        content = element(0x00041220, "SQ", plain_item(content, UNDEFINED) + ITEM_END + SEQUENCE_END, UNDEFINED)
    whole = part10(made_dataset())
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    with pytest.raises(DicomOverLimit):
        directory_records(whole[:start] + content)
