"""A study that Weald itself fails on: the others of its load are applied, its files are rejected and kept (imaging.md 4)."""

import pytest

from app.ingest import resources
from mappers import fhir
from tests.flow.command import run
from tests.flow.doors import mrn
from tests.flow.images import image, study_uid
from tests.flow.messages import ALICE, BEA, adt, cx, pid

BAD = f"urn:oid:{study_uid(3)}"


@pytest.fixture
def failing(monkeypatch):
    """Validation refuses what Weald makes of study 3, and the Patient of number A666."""

    def validate(resource, **options):
        if {BAD, "A666"} & {one["value"] for one in resource.get("identifier", ())}:
            raise fhir.InvalidResource([fhir.Fault("ImagingStudy.series[0].uid", "occurs twice")])
        fhir.validate(resource, **options)

    with monkeypatch.context() as patch:
        patch.setattr(resources, "validate", validate)
        yield patch


@pytest.fixture
def folder(tmp_path):
    for study in range(1, 6):
        for number in (1, 2):
            image(tmp_path / "folder" / str(study), study=study, number=number, patient=f"A{study}")
    return tmp_path / "folder"


def test_the_command_lists_its_files_shows_the_table_and_ends_with_3(failing, folder, settings_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WEALD_CONFIG", str(settings_file))
    monkeypatch.setenv("WEALD_STORE", f"sqlite:///{tmp_path / 'weald.db'}")
    loaded = run(capsys, "load", "--source", "RTK-PACS", folder)
    assert loaded.code == 3
    lines = [line for line in loaded.out.splitlines() if line.startswith("rejected: ")]
    assert [line.split(": ", 2)[2] for line in lines] == ["Weald made an invalid ImagingStudy of it (ImagingStudy.series[0].uid: occurs twice)."] * 2
    counts = {row.split("│")[1].strip(): row.split("│")[2].strip() for row in loaded.out.splitlines() if "│" in row}
    assert counts == {"accepted": "8", "unchanged": "0", "rejected": "2", "studies touched": "4"}


def test_the_other_studies_are_there_and_its_files_can_be_sent_again(failing, folder, weald):
    assert weald.load(folder, source="RTK-PACS").accepted == 8
    assert [len(weald.found(f"ImagingStudy?identifier=urn:oid:{study_uid(study)}")) for study in range(1, 6)] == [1, 1, 0, 1, 1]
    assert weald.patients(mrn("A3")) == []
    assert [raw[128:132] for _, raw in weald.dead_letters()] == [b"DICM"] * 2
    failing.undo()
    report = weald.load(folder, source="RTK-PACS")
    assert (report.accepted, report.unchanged) == (2, 8)


def test_a_message_that_it_fails_on_is_answered_ae_and_kept_and_those_beside_it_are_applied(failing, weald):
    answer = weald.send(adt("A28", pid(cx("A666"), who=ALICE)))
    assert (answer.code, answer.errors) == ("AE", ("207",))
    assert "A666" not in answer.text
    weald.accept(adt("A28", pid(cx("A100"), who=BEA)))
    assert len(weald.dead_letters()) == 1
