"""One SOP Instance UID in two series: both placements are kept and flagged, and nothing is refused (imaging.md 3.2)."""

import pytest

from tests.flow.command import run
from tests.flow.doors import mrn
from tests.flow.images import image, study_uid
from tests.flow.messages import ALICE, NUMBERS, adt, cx, mrg, pid

SOP = f"{study_uid(9)}.77"


def placed(folder, series, patient="A100", **tags):
    """The one SOP instance, in that series of study 9."""
    return image(folder / str(series), patient=patient, study=9, series=series, SOPInstanceUID=SOP, **tags)


def conflict(weald):
    """The study that has the instance, once it has it in two series."""
    [found] = weald.found(f"ImagingStudy?instance={SOP}")
    assert [[one["uid"] for one in series["instance"]] for series in found["series"]] == [[SOP], [SOP]]
    assert [series["numberOfInstances"] for series in found["series"]] == [1, 1]
    assert (found["numberOfSeries"], found["numberOfInstances"]) == (2, 2)
    assert "sop-conflict" in {tag["code"] for tag in found["meta"]["tag"]}
    return found


def test_a_folder_with_such_a_study_is_loaded_whole(settings_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WEALD_CONFIG", str(settings_file))
    monkeypatch.setenv("WEALD_STORE", f"sqlite:///{tmp_path / 'weald.db'}")
    for study in range(1, 6):
        image(tmp_path / "folder" / str(study), study=study, patient=f"A{study}")
    placed(tmp_path / "folder", 1)
    placed(tmp_path / "folder", 2)
    loaded = run(capsys, "load", "--source", "RTK-PACS", tmp_path / "folder")
    assert loaded.code == 0
    assert [row.split()[-2] for row in loaded.out.splitlines() if "accepted" in row or "studies touched" in row] == ["7", "6"]


def test_both_placements_are_shown_counted_and_found(weald, tmp_path):
    assert weald.load(placed(tmp_path, 1), placed(tmp_path, 2), source="RTK-PACS").accepted == 2
    found = conflict(weald)
    for query in (f"series={study_uid(9)}.1", f"series={study_uid(9)}.2", f"instance=urn:oid:{SOP}"):
        assert [one["id"] for one in weald.found(f"ImagingStudy?{query}")] == [found["id"]]
    assert weald.get(f"ImagingStudy?instance={SOP}")["total"] == 1
    assert weald.load(placed(tmp_path, 1), placed(tmp_path, 2), source="RTK-PACS").unchanged == 2


def test_the_order_of_arrival_does_not_show(weald, tmp_path):
    weald.load(placed(tmp_path, 2), source="RTK-PACS")
    weald.load(placed(tmp_path, 1), source="RTK-PACS")
    conflict(weald)


def test_a_series_may_have_the_uid_of_an_instance(weald, tmp_path):
    uid = f"{study_uid(9)}.5"
    same = image(tmp_path, study=9, SeriesInstanceUID=uid, SOPInstanceUID=uid)
    assert weald.load(same, source="RTK-PACS").accepted == 1
    [found] = weald.found(f"ImagingStudy?series={uid}&instance={uid}")
    assert found["numberOfInstances"] == 1


@pytest.mark.parametrize("first", ["images", "message"])
def test_a_merge_that_brings_two_such_studies_together_is_accepted(weald, tmp_path, first):
    merge = adt("A40", pid(cx("9300001"), who=ALICE), mrg(cx("9300002")), control_id="MERGE")
    if first == "message":
        weald.accept(merge)
    weald.load(placed(tmp_path, 1, patient="9300001"), source="RTK-PACS")
    weald.load(placed(tmp_path, 2, patient="9300002"), source="RTK-PACS")
    if first == "images":
        assert len(weald.found(f"ImagingStudy?instance={SOP}")) == 2
        weald.accept(merge)
    assert conflict(weald)["subject"]["reference"] == f"Patient/{weald.record(mrn('9300001'))['id']}"
    weald.accept(adt("A31", pid(cx("9300001"), who=ALICE)))


def test_a_registration_that_brings_two_such_studies_together_is_accepted(weald, tmp_path):
    weald.load(placed(tmp_path, 1, patient="9300001"), source="RTK-PACS")
    weald.load(placed(tmp_path, 2, patient="9300002"), source="RXC-PACS")
    weald.accept(
        adt("A28", pid(cx("9300001"), number=NUMBERS["alice"], who=ALICE)),
        adt("A28", pid(cx("9300002", "RXC"), number=NUMBERS["alice"], who=ALICE), trust="RXC"),
    )
    conflict(weald)
