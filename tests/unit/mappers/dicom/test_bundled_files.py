"""pydicom's bundled test files, read both ways: equal facts, and no file crashes or warns."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mappers.dicom.dataset import facts_from_bytes, header_by_pydicom, read_header
from mappers.dicom.errors import DicomRejected
from mappers.dicom.facts import InstanceFacts, facts_from_header
from mappers.dicom.header import Header, Irregular, header_from_bytes
from tests.unit.mappers.dicom.making import BUNDLED, RTK, dataset, item, part10

FILES = sorted(path for path in BUNDLED.rglob("*") if path.is_file() and path.suffix not in {".pyc", ".py"})
IRREGULAR = {"winter.dcm", "SC_rgb_jpeg.dcm", "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm"}


def _outcome(read: object, content: bytes) -> InstanceFacts | str:
    try:
        header: Header = read(content)  # type: ignore[operator]
        return facts_from_header(header, RTK)
    except DicomRejected as refusal:
        return refusal.reason


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_walker_and_pydicom_give_equal_facts(path: Path) -> None:
    content = path.read_bytes()
    judged = _outcome(header_by_pydicom, content)
    if path.name in IRREGULAR:
        with pytest.raises(Irregular):
            header_from_bytes(content)
    else:
        assert _outcome(header_from_bytes, content) == judged


def test_every_bundled_file_ends_accepted_or_refused_with_a_reason() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcomes = [_outcome(read_header, path.read_bytes()) for path in FILES]
    accepted = [outcome for outcome in outcomes if isinstance(outcome, InstanceFacts)]
    refused = {outcome for outcome in outcomes if isinstance(outcome, str)}
    assert len(accepted) >= 150
    assert refused <= {"not-dicom", "uid-unusable", "truncated"}


SMALL = part10(
    dataset(
        SpecificCharacterSet="ISO_IR 192",
        OtherPatientIDsSequence=[item(PatientID="1", IssuerOfPatientID="RTK"), item(PatientID="2")],
        StudyDescription="CT head",
    )
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_files_are_accepted_or_refused_and_never_crash(data: st.DataObject) -> None:
    content = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(128, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            facts = facts_from_bytes(bytes(content[:cut]), RTK)
        except DicomRejected as refusal:
            told: str = refusal.text
        else:
            told = facts.digest
    assert told
