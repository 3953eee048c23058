"""DICOM JSON gives the facts that the file gives (PS3.18 annex F)."""

from __future__ import annotations

import warnings
from base64 import b64encode
from pathlib import Path

import orjson
import pydicom
import pytest

from mappers.dicom.dataset import facts_from_bytes, facts_from_json
from mappers.dicom.errors import DicomRejected, NotDicom, UidUnusable
from tests.unit.mappers.dicom.making import BUNDLED, KOS, RTK, SERIES, STUDY, code, dataset, item, part10

FILES = sorted((BUNDLED / "test_files").glob("*.dcm"))


def _json(made: pydicom.Dataset) -> dict[str, object]:
    content: dict[str, object] = orjson.loads(made.to_json())
    return content


def _minimal(**members: object) -> dict[str, object]:
    return {
        "0020000D": {"vr": "UI", "Value": ["1.2.3"]},
        "0020000E": {"vr": "UI", "Value": ["1.2.3.1"]},
        "00080018": {"vr": "UI", "Value": ["1.2.3.1.1"]},
        **{f"{key[1:]}": value for key, value in members.items()},
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_bundled_files_say_the_same_in_json(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            content = orjson.loads(pydicom.dcmread(path, force=True, stop_before_pixels=True).to_json(suppress_invalid_tags=True))
            expected = facts_from_bytes(path.read_bytes(), RTK)
        except (DicomRejected, AttributeError, ValueError):
            return
    found = facts_from_json(content, RTK)
    assert (found.patient.values, found.series.values) == (expected.patient.values, expected.series.values)
    assert found.study.values == expected.study.values
    assert {**found.instance.values} == {**expected.instance.values}


def test_names_sequences_and_numbers_are_those_of_the_file() -> None:
    made = dataset(
        PatientName="Hart^Alice=漢字",
        SpecificCharacterSet="ISO_IR 192",
        OtherPatientIDsSequence=[item(PatientID="7", IssuerOfPatientID="RA2")],
        ProcedureCodeSequence=[code("77477000", "SCT", "CT")],
        NumberOfFrames=12,
        Rows=512,
    )
    assert facts_from_json(_json(made), RTK) == facts_from_bytes(part10(made), RTK)


def test_a_key_object_says_the_same_in_json() -> None:
    listed = item(ReferencedSeriesSequence=[item(ReferencedSOPSequence=[item(ReferencedSOPInstanceUID="1.2.9")])])
    text = item(ConceptNameCodeSequence=[code("113012", "DCM", "Key Object Description")], TextValue="Wrong side")
    made = dataset(
        SOPClassUID=KOS,
        ConceptNameCodeSequence=[code("113037", "DCM", "Rejected")],
        ContentSequence=[text, item(TextValue="no concept")],
        CurrentRequestedProcedureEvidenceSequence=[listed],
    )
    found = facts_from_json(_json(made), RTK)
    assert found == facts_from_bytes(part10(made), RTK)
    assert found.instance.values["RejectedSOPInstanceUIDs"] == ["1.2.9"]
    assert found.instance.values["KeyObjectDescription"] == "Wrong side"


def test_tags_in_lower_case_are_tolerated() -> None:
    content = {key.lower(): value for key, value in _json(dataset()).items()}
    assert facts_from_json(content, RTK) == facts_from_json(_json(dataset()), RTK)


def test_null_and_unusable_values_are_absent() -> None:
    content = _minimal(
        _00101000={"vr": "LO", "Value": [None, "A1", {"odd": 1}, True]},
        _00100020={"vr": "LO"},
        _00080060="CT",
        _00081032={"vr": "SQ", "Value": "none"},
        _00200011={"vr": "IS", "Value": [1.5]},
        _00081030={"vr": "LO", "Value": ["x" * 70_000]},
        _00100010={"vr": "PN", "Value": [{"Ideographic": "漢字"}]},
    )
    found = facts_from_json(content, RTK)
    assert found.patient.values == {"OtherPatientIDs": ["A1"], "PatientName": "=漢字"}
    assert found.series.raw == {"SeriesNumber": "1.5"}
    assert found.study.values == {}


def test_values_of_unknown_vr_are_read_from_their_bytes() -> None:
    good = {"vr": "UN", "InlineBinary": b64encode(b"A100").decode()}
    bad = {"vr": "UN", "InlineBinary": "***"}
    found = facts_from_json(_minimal(_00100020=good, _00080050=bad, _00081030={"vr": "LO", "BulkDataURI": "x"}), RTK)
    assert found.patient.values == {"PatientID": "A100"}
    assert found.study.values == {}


def test_a_value_that_json_cannot_repeat_is_read_without_being_remembered() -> None:
    content = _minimal(_00100020={"vr": "LO", "Value": ["A\ud800 100"]})
    assert facts_from_json(content, RTK).patient.values == {"PatientID": "A 100"}
    long = _minimal(_00101000={"vr": "LO", "Value": ["A" * 64] * 400})
    assert len(facts_from_json(long, RTK).patient.values["OtherPatientIDs"]) == 400


def test_what_is_no_data_set_is_refused() -> None:
    with pytest.raises(NotDicom):
        facts_from_json([], RTK)  # type: ignore[arg-type]
    with pytest.raises(UidUnusable):
        facts_from_json({"0020000D": {"vr": "UI", "Value": [STUDY]}, "0020000E": {"vr": "UI", "Value": [SERIES]}}, RTK)
