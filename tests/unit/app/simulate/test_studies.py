"""The archives of a region, read by pydicom."""

import io
import json
import zipfile
from collections import Counter, defaultdict

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian

from app.simulate import run
from app.simulate.dicom import Element, Series, Study, element_bytes, json_model, part10
from app.simulate.trusts import BRIGHTON, TRUSTS


def instances(folder):
    """Every instance of every zip, by trust."""
    for path in sorted(folder.glob("*/dicom*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield path.parent.name, name, pydicom.dcmread(io.BytesIO(archive.read(name)))


@pytest.fixture(scope="module")
def read(region):
    return list(instances(region.folder))


def test_pydicom_reads_every_instance(region, read):
    assert len(read) == region.summary.instances
    for _, _, ds in read:
        assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
        assert ds.file_meta.MediaStorageSOPClassUID == ds.SOPClassUID
        assert ds.SOPClassUID.name.endswith("Image Storage") or "Image Storage" in ds.SOPClassUID.name
        assert "PixelData" not in ds


def test_pydicom_writes_the_same_bytes_it_read(region):
    path = next(region.folder.glob("*/dicom.zip"))
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist()[:200]:
            content = archive.read(name)
            written = io.BytesIO()
            pydicom.dcmwrite(written, pydicom.dcmread(io.BytesIO(content)), enforce_file_format=False)
            assert written.getvalue() == content


def test_every_element_is_valid_by_pydicoms_own_rules(read):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.RAISE)
        for _, _, ds in read[:400]:
            for element in ds:
                assert pydicom.datadict.dictionary_VR(element.tag) == element.VR


def test_uids_are_unique_and_of_the_test_root(region, read):
    sops = [ds.SOPInstanceUID for _, _, ds in read]
    assert len(set(sops)) == len(sops)
    assert all(uid.startswith("2.25.") and uid.is_valid for uid in sops)
    assert len({ds.StudyInstanceUID for _, _, ds in read}) == region.summary.studies


def test_the_source_ae_title_is_the_archives(read):
    assert all(ds.file_meta.SourceApplicationEntityTitle == f"{ods}PACS" for ods, _, ds in read)


def test_the_patient_id_is_a_number_of_the_truth(region, read):
    truth = region.truth()
    for ods, _, ds in read:
        scheme = BRIGHTON if ds.get("IssuerOfPatientID") == "RYRB" else TRUSTS[ods].schemes[0]
        assert f"{scheme.system}|{ds.PatientID}" in truth


def test_only_brighton_names_the_issuer(read):
    issuers = {(ods, ds.get("IssuerOfPatientID")) for ods, _, ds in read}
    assert issuers == {("RTK", None), ("RXC", None), ("RPC", None), ("RA2", None), ("RYR", None), ("RYR", "RYRB")}


def test_some_headers_carry_the_nhs_number_beside(read):
    plain = sum("OtherPatientIDs" in ds for _, _, ds in read)
    labelled = [ds.OtherPatientIDsSequence[0] for _, _, ds in read if "OtherPatientIDsSequence" in ds]
    assert plain > 0
    assert all(item.IssuerOfPatientID == "NHS" and len(item.PatientID) == 10 for item in labelled)
    assert 0 < len(labelled) + plain < 0.4 * len(read)


def test_accession_numbers_are_one_a_study_within_a_trust(read):
    studies = defaultdict(set)
    for ods, _, ds in read:
        studies[ods, ds.AccessionNumber].add(ds.StudyInstanceUID)
    assert all(len(found) == 1 for found in studies.values())


def test_names_are_in_their_parts_and_their_character_set(read):
    names = {str(ds.PatientName) for _, _, ds in read}
    assert any(name.count("^") == 3 for name in names)
    assert all(name == name.upper() for name in names)
    assert any(not name.isascii() for name in names)


def test_each_series_has_one_modality_and_images_in_order(read):
    series = defaultdict(list)
    for _, _, ds in read:
        series[ds.SeriesInstanceUID].append(ds)
    for found in series.values():
        assert len({ds.Modality for ds in found}) == 1
        assert [ds.InstanceNumber for ds in found] == list(range(1, len(found) + 1))


def test_modalities_fall_as_examinations_do(read):
    counts = Counter({ds.StudyInstanceUID: ds.Modality for _, _, ds in read}.values())
    assert set(counts) >= {"CR", "DX", "CT", "MR", "US", "MG"}
    assert counts["DX"] > counts["MR"]


def test_every_study_is_of_the_archives_years_and_not_before_birth(region, read):
    slipped = {key.partition("|")[2] for key, found in region.classes().items() if "birth-date-error" in found}
    for _, _, ds in read:
        assert "20160101" <= ds.StudyDate <= "20251231"
        assert ds.PatientID in slipped or ds.PatientBirthDate <= ds.StudyDate


def test_full_studies_have_as_many_images_as_the_modality_makes(tmp_path):
    summary = run(60, 40, 5, tmp_path / "full", dicom="none")
    small = run(60, 40, 5, tmp_path / "small", dicom="none", instances="small")
    assert summary.instances > 8 * small.instances
    assert small.instances < 5 * 40


def test_files_and_zip_hold_the_same_instances(tmp_path):
    run(60, 30, 5, tmp_path / "files", dicom="files", instances="small")
    run(60, 30, 5, tmp_path / "zip", dicom="zip", instances="small")
    loose = {
        f"{path.relative_to(tmp_path / 'files')}".replace("/dicom/", "/", 1): path.read_bytes()
        for path in (tmp_path / "files").rglob("*.dcm")
    }
    zipped = {}
    for path in (tmp_path / "zip").glob("*/dicom.zip"):
        with zipfile.ZipFile(path) as archive:
            zipped |= {f"{path.parent.name}/{name}": archive.read(name) for name in archive.namelist()}
    assert loose == zipped


def test_dicom_json_says_what_the_files_say(tmp_path):
    run(60, 30, 5, tmp_path / "json", dicom="json", instances="small")
    run(60, 30, 5, tmp_path / "zip", dicom="zip", instances="small")
    by_uid = {ds.SOPInstanceUID: (ods, ds) for ods, _, ds in instances(tmp_path / "zip")}
    for path in (tmp_path / "json").glob("*/dicom/*/*.json"):
        for model in json.loads(path.read_text(encoding="utf-8")):
            ds = pydicom.Dataset.from_json(model)
            ods, other = by_uid.pop(ds.SOPInstanceUID)
            assert ds.pop("RetrieveAETitle").value == f"{ods}PACS"
            assert ds.pop("SpecificCharacterSet").value == "ISO_IR 192"
            other.pop("SpecificCharacterSet")
            assert {element.keyword: str(element.value) for element in ds} == {e.keyword: str(e.value) for e in other}
    assert not by_uid


def test_a_zip_goes_on_in_another_when_it_is_full(tmp_path, monkeypatch):
    monkeypatch.setattr("app.simulate.archive.ZIP_ENTRIES", 5)
    summary = run(60, 60, 5, tmp_path / "r", dicom="zip", instances="small")
    assert len(list((tmp_path / "r").glob("*/dicom-2.zip"))) == 5
    assert len(list(instances(tmp_path / "r"))) == summary.instances


def test_an_odd_value_is_padded_and_a_long_vr_has_a_long_length():
    assert element_bytes(Element(0x0020000D, "UI", "1.2"), "ascii") == b"\x20\x00\x0d\x00UI\x04\x001.2\x00"
    assert element_bytes(Element(0x00100020, "LO", "ABC"), "ascii") == b"\x10\x00\x20\x00LO\x04\x00ABC "
    assert element_bytes(Element(0x00101002, "SQ", ()), "ascii") == b"\x10\x00\x02\x10SQ\x00\x00\x00\x00\x00\x00"


def test_an_empty_value_is_empty_in_both_forms():
    sop_class = Element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.1")
    study = Study("2.25.1", "RTKPACS", "latin-1", (sop_class, Element(0x00100030, "DA", "")), (Series((), ("2.25.1.1.1",)),))
    assert json_model(study)[0]["00100030"] == {"vr": "DA"}
    ((_, content),) = part10(study)
    assert pydicom.dcmread(io.BytesIO(content)).PatientBirthDate == ""
