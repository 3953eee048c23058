"""``weald load``: DICOM however it comes, each file accepted, unchanged or rejected with a reason (imaging.md 1, 2 and 4)."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pydicom
import pytest

from app.ingest.load import count
from tests.flow.doors import W, mrn
from tests.flow.images import image, study_uid
from tests.flow.messages import ALICE, NUMBERS, adt, cx, pid

BUNDLED = Path(pydicom.__file__).parent / "data" / "test_files"
WEALD = Path(sys.executable).with_name("weald")
UID = "urn:dicom:uid"


def study(weald, number=1):
    [found] = weald.found(f"ImagingStudy?identifier={UID}|urn:oid:{study_uid(number)}")
    return found


def counts(report):
    return report.accepted, report.unchanged, len(report.rejected)


@pytest.fixture
def run(settings_file, tmp_path):
    """The command itself, in a process of its own; (exit code, printed text)."""
    environment = {**os.environ, "WEALD_CONFIG": str(settings_file), "WEALD_STORE": f"sqlite:///{tmp_path / 'cli.db'}"}

    def command(*arguments):
        done = subprocess.run([WEALD, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False, timeout=120)
        return done.returncode, done.stdout + done.stderr

    return command


def number_of(name, text):
    return int(re.search(rf"{name}\W+([\d,]+)", text)[1].replace(",", ""))


def test_a_folder_becomes_studies_of_the_trusts_patient(weald, tmp_path):
    for series in (1, 2):
        for number in (1, 2, 3):
            image(tmp_path / "deep" / "er", series=series, number=number, Modality="CT" if series == 1 else "SR")
    report = weald.load(tmp_path, source="RTK-PACS")
    assert (counts(report), report.studies) == ((6, 0, 0), {study_uid(1)})
    found = study(weald)
    assert (found["status"], found["started"], found["numberOfSeries"], found["numberOfInstances"]) == ("available", "2025-03-10T09:30:00+00:00", 2, 6)
    assert sorted(one["code"] for one in found["modality"]) == ["CT", "SR"]
    assert [len(series["instance"]) for series in found["series"]] == [3, 3]
    alice = weald.patient(mrn("A100"))
    assert found["subject"]["reference"] == f"Patient/{alice['id']}"
    assert found["subject"]["identifier"]["value"] == "A100"
    assert {weald.get(one["reference"])["address"] for one in found["endpoint"]} == {"https://pacs.rtk.example/dicom-web"}
    assert {(one["system"], one["value"]) for one in found["identifier"]} >= {(UID, f"urn:oid:{study_uid(1)}"), (f"{W}/Id/RTK/accession", "ACC1")}


def test_a_zip_gives_the_same_study_as_its_folder(weald, tmp_path):
    folder = tmp_path / "folder"
    for number in (1, 2):
        image(folder, number=number)
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(folder.iterdir()):
            packed.write(path, f"export/{path.name}")
    assert counts(weald.load(archive, source="RTK-PACS")) == (2, 0, 0)
    before = study(weald)
    assert counts(weald.load(folder, source="RTK-PACS")) == (0, 2, 0)
    assert study(weald) == before


def test_dicom_json_gives_the_same_study_as_the_files(weald, tmp_path):
    paths = [image(tmp_path / "files", number=number) for number in (1, 2)]
    datasets = [pydicom.dcmread(path).to_json_dict() for path in paths]
    metadata = tmp_path / "metadata.json"
    metadata.write_text(json.dumps(datasets), "utf-8")
    assert counts(weald.load(metadata, source="RTK-PACS")) == (2, 0, 0)
    before = study(weald)
    assert counts(weald.load(*paths, source="RTK-PACS")) == (0, 2, 0)
    assert study(weald) == before


def test_one_data_set_alone_is_dicom_json_too(weald, tmp_path):
    metadata = tmp_path / "one.json"
    metadata.write_text(json.dumps(pydicom.dcmread(image(tmp_path)).to_json_dict()), "utf-8")
    assert counts(weald.load(metadata, source="RTK-PACS")) == (1, 0, 0)
    assert study(weald)["numberOfInstances"] == 1


def test_a_file_belongs_to_the_archive_named_else_to_its_ae_title_else_to_the_default(weald, tmp_path):
    weald.load(image(tmp_path / "a", study=1, archive="RXCPACS"), source="RTK-PACS")
    weald.load(image(tmp_path / "b", study=2, archive="RXCPACS"))
    weald.load(image(tmp_path / "c", study=3, archive="NOBODY"), image(tmp_path / "d", study=4))
    owners = [weald.get(study(weald, number)["subject"]["reference"])["managingOrganization"]["reference"] for number in (1, 2, 3, 4)]
    assert owners == ["Organization/RTK", "Organization/RXC", "Organization/SAMPLE", "Organization/SAMPLE"]


def test_images_and_messages_of_one_number_are_one_record_whichever_comes_first(weald, tmp_path):
    weald.load(image(tmp_path, study=1), source="RTK-PACS")
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE)))
    weald.load(image(tmp_path, study=2, PatientName="Hollis^Alice^Header"), source="RTK-PACS")
    [alice] = weald.patients(mrn("A100"))
    assert alice["name"][0]["given"] == ["ALICE", "ROSE"]
    assert len(weald.studies(mrn("A100"))) == 2


def test_instances_that_come_later_are_added_in_one_new_version(weald, tmp_path):
    weald.load(image(tmp_path / "a", number=1), source="RTK-PACS")
    weald.load(*(image(tmp_path / "b", number=number) for number in range(2, 40)), source="RTK-PACS")
    found = study(weald)
    assert (found["numberOfInstances"], found["meta"]["versionId"]) == (39, "2")


def test_a_second_load_says_unchanged_and_makes_no_new_version(weald):
    first = weald.load(BUNDLED)
    versions = weald.versions()
    second = weald.load(BUNDLED)
    assert (second.accepted, second.unchanged) == (0, first.accepted + first.unchanged)
    assert [one.reason for one in second.rejected] == [one.reason for one in first.rejected]
    assert weald.versions() == versions


def test_each_of_pydicoms_bundled_files_is_accepted_or_rejected_with_a_reason(weald):
    files = sorted(path for path in BUNDLED.rglob("*") if path.is_file())
    assert len(files) >= 98
    for path in files:
        report = weald.load(path)
        if not path.name.startswith("DICOMDIR"):
            assert sum(counts(report)) >= 1, path.name
        assert all(one.reason for one in report.rejected), path.name
    assert len(weald.found("ImagingStudy?_count=1000&_elements=status")) > 20


def test_what_is_rejected_is_kept_with_its_reason_and_its_beginning(weald, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear colleague", "utf-8")
    image(tmp_path, StudyInstanceUID=None)
    report = weald.load(tmp_path, source="RTK-PACS")
    assert len(report.rejected) == 2
    letters = {head["name"].rpartition("/")[2]: (head, raw) for head, raw in weald.dead_letters()}
    assert letters["letter.txt"][0]["reason"]
    assert any(raw[128:132] == b"DICM" for _, raw in letters.values())


def test_bad_files_never_stop_a_batch(weald, tmp_path):
    good = [image(tmp_path / "x", number=number) for number in range(1, 6)]
    truncated = tmp_path / "x" / "truncated.dcm"
    truncated.write_bytes(good[0].read_bytes()[:200])
    (tmp_path / "x" / "empty.dcm").write_bytes(b"")
    (tmp_path / "x" / "broken.zip").write_bytes(b"PK\x03\x04 no zip")
    (tmp_path / "x" / "broken.json").write_text('{"00080018": {"vr": "UI"', "utf-8")
    report = weald.load(tmp_path / "x", source="RTK-PACS")
    assert report.accepted == 5
    assert len(report.rejected) >= 3


def test_the_command_reports_and_ends_with_3_where_something_was_rejected(run):
    code, text = run("load", BUNDLED)
    assert code == 3
    assert (number_of("accepted", text) > 100, number_of("rejected", text)) == (True, text.count("rejected: "))
    assert "Traceback" not in text
    code, text = run("load", BUNDLED)
    assert (code, number_of("accepted", text)) == (3, 0)


def test_the_command_ends_with_0_where_all_was_taken_and_2_where_it_was_asked_wrongly(run, tmp_path):
    path = image(tmp_path)
    assert run("load", "--source", "RTK-PACS", path)[0] == 0
    code, text = run("load", "--source", "NOWHERE", path)
    assert code == 2
    assert "RTK-PACS" in text
    assert run("load")[0] == 2


def test_hl7_files_are_told_by_their_content(run, tmp_path):
    path = tmp_path / "feed.dcm"
    path.write_bytes(b"".join(adt("A28", pid(cx(f"P{n}"), who=ALICE)) for n in range(3)) + adt("A17", pid(cx("P9"))))
    code, text = run("load", path)
    assert (code, number_of("accepted", text), text.count("rejected: ")) == (3, 3, 1)
    assert "AR 201" in text


def test_a_header_without_usable_patient_id_is_filed_alone_and_never_linked(weald, tmp_path):
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE)))
    weald.load(image(tmp_path, study=1, patient=None), image(tmp_path, study=2, patient="UNKNOWN"), source="RTK-PACS")
    subjects = {study(weald, number)["subject"]["reference"] for number in (1, 2)}
    assert len(subjects) == 2
    assert f"Patient/{weald.patient(mrn('A100'))['id']}" not in subjects
    assert weald.studies(mrn("A100")) == []


def test_an_invalid_value_is_left_out_never_invented_and_never_refuses_the_study(weald, tmp_path):
    path = image(tmp_path, StudyTime=None, StudyDate="20250310", AccessionNumber="")
    ds = pydicom.dcmread(path)
    ds.add_new("SeriesNumber", "IS", None)
    ds.save_as(path)
    weald.load(path, source="RTK-PACS")
    found = study(weald)
    assert found["started"] == "2025-03-10"
    assert "number" not in found["series"][0]
    assert not any(one["system"].endswith("/accession") for one in found["identifier"])


def test_a_corrected_instance_is_the_one_shown(weald, tmp_path):
    weald.load(image(tmp_path / "a", StudyDescription="CT Hand", InstanceCreationDate="20250310", InstanceCreationTime="0930"), source="RTK-PACS")
    weald.load(image(tmp_path / "b", StudyDescription="CT Head", InstanceCreationDate="20250311", InstanceCreationTime="0930"), source="RTK-PACS")
    found = study(weald)
    assert (found["description"], found["numberOfInstances"]) == ("CT Head", 1)
    assert "sop-conflict" in {tag["code"] for tag in found["meta"]["tag"]}




def test_an_archive_that_cannot_be_read_stops_nothing(weald, tmp_path):
    """A name that is not UTF-8 though it says so, a version of the future, damaged LZMA, a directory that is none: each a line in the report."""
    folder = tmp_path / "box"
    folder.mkdir()
    picture = image(tmp_path, patient="A100", study=1)
    (folder / "a.hl7").write_bytes(adt("A28", pid(cx("A100"), who=ALICE)))
    for name, method in (("b-name.zip", zipfile.ZIP_STORED), ("c-version.zip", zipfile.ZIP_STORED), ("d-lzma.zip", zipfile.ZIP_LZMA), ("e-directory.zip", zipfile.ZIP_STORED)):
        with zipfile.ZipFile(folder / name, "w", method) as archive:
            archive.write(picture, "n\u00e9")
    spoil = {
        "b-name.zip": lambda data: data.replace("n\u00e9".encode(), b"n\xe9\xff"), "d-lzma.zip": lambda data: data[:60] + b"\xff" * 40 + data[100:],
        "c-version.zip": lambda data: data.replace(b"PK\x01\x02" + data[data.rindex(b"PK\x01\x02") + 4 :][:4], b"PK\x01\x02" + data[data.rindex(b"PK\x01\x02") + 4 :][:2] + b"\x63\x00"),
        "e-directory.zip": lambda data: data.replace(b"PK\x01\x02", b"XX\x01\x02"),
    }  # fmt: skip
    for name, change in spoil.items():
        (folder / name).write_bytes(change((folder / name).read_bytes()))
    (folder / "f.dcm").write_bytes(picture.read_bytes())
    report = weald.load(folder, source="RTK-PACS")
    assert {Path(one.name.partition("!")[0]).name for one in report.rejected} == set(spoil)
    assert weald.patient(mrn("A100"))["name"][0]["family"] == "HOLLIS"
    assert len(weald.found("ImagingStudy?_count=5")) == 1
    assert count([folder]) >= 6


@pytest.mark.filterwarnings("ignore:Invalid value for VR DT")
@pytest.mark.parametrize("moment", ["20250401127500", "20250401126000", "202504011299"])
def test_a_moment_that_is_none_loses_no_study(weald, tmp_path, moment):
    """imaging.md 1.1: absent or invalid never raises, drops the study."""
    wrong = image(tmp_path / "wrong", patient="A100", study=1, InstanceCoercionDateTime=moment)
    good = image(tmp_path, patient="A100", study=2)
    assert weald.load(wrong, good, source="RTK-PACS").accepted == 2
    assert weald.load(image(tmp_path, patient="A100", study=1, number=1, InstanceCoercionDateTime="20250401120000"), source="RTK-PACS").rejected == []
    assert len(weald.found("ImagingStudy?_count=5")) == 2


def test_a_code_that_is_no_fhir_code_is_left_out_and_its_text_kept(weald, tmp_path):
    """imaging.md 1.1; R4 code: no two spaces in a row."""
    path = image(tmp_path, Modality="C  T")
    ds = pydicom.dcmread(path)
    ds.ProcedureCodeSequence = [pydicom.Dataset()]
    ds.ProcedureCodeSequence[0].CodeValue, ds.ProcedureCodeSequence[0].CodingSchemeDesignator, ds.ProcedureCodeSequence[0].CodeMeaning = "X  1", "SCT", "Head"
    ds.save_as(path)
    assert counts(weald.load(path, source="RTK-PACS")) == (1, 0, 0)
    found = study(weald)
    assert (found["procedureCode"], found["series"][0]["modality"]["display"]) == ([{"text": "Head"}], "C  T")
    assert {"value-invalid", "modality-unknown"} <= {tag["code"] for tag in found["meta"]["tag"]}


@pytest.mark.parametrize(("tags", "started"), [({"TimezoneOffsetFromUTC": "bogus"}, "2025-03-10T09:30:00+00:00"), ({"StudyTime": "25"}, "2025-03-10"), ({"StudyTime": "10"}, "2025-03-10")])
@pytest.mark.filterwarnings("ignore:Invalid value for VR TM")
def test_a_time_that_is_none_is_left_out_and_flagged_and_an_hour_alone_is_a_date(weald, tmp_path, tags, started):
    """imaging.md 1.1: HH only is legal DICOM, and no FHIR time."""
    weald.load(image(tmp_path, **tags), source="RTK-PACS")
    found = study(weald)
    assert found["started"] == started
    assert ("value-invalid" in {tag["code"] for tag in found["meta"].get("tag", ())}) is (tags != {"StudyTime": "10"})
