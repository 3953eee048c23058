"""Rejection notes, and what becomes of the instances they list when those are sent again (imaging.md 3.5)."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from app.ingest.load import Loader
from app.ingest.studies import facts_of
from app.principal import SYSTEM
from tests.flow.images import image, note, study_uid

UID = "urn:dicom:uid"


@pytest.fixture
def sent(weald, tmp_path):
    """Send images 1 and 2 (or those named) and notes by their title, at that hour: all of one archive, in one load."""

    def send(hour, *what):
        folder = tmp_path / f"{hour} {what}"
        listed = f"{study_uid(1)}.1.1"
        paths = [image(folder, number=one) if isinstance(one, int) else note(folder, one, [listed]) for one in what]
        services = weald.services
        later = replace(services, clock=lambda: services.clock() + timedelta(hours=hour))
        Loader(later, SYSTEM, "RTK-PACS").load(paths)
        [study] = weald.found(f"ImagingStudy?identifier={UID}|urn:oid:{study_uid(1)}")
        return study

    return send


def shown(study):
    return study["status"], [one["number"] for series in study.get("series", ()) for one in series["instance"]]


@pytest.mark.parametrize("title", ["113001", "113037", "113038"])
def test_what_quality_safety_or_a_wrong_worklist_rejected_stays_hidden_when_it_is_sent_again(sent, title):
    sent(0, 1, 2)
    assert shown(sent(1, title)) == ("available", [2])
    assert shown(sent(2, 1)) == ("available", [2])


def test_what_retention_removed_returns_when_it_is_sent_again(sent):
    before = sent(0, 1)
    assert shown(sent(1, "113039")) == ("unknown", [])
    after = sent(2, 1)
    assert {**after, "meta": {}} == {**before, "meta": {}}
    assert after["meta"]["versionId"] == "3"
    assert sent(3, 1)["meta"]["versionId"] == "3"


def test_a_note_that_comes_before_its_instance_removes_it_however_often_it_is_sent(sent):
    sent(0, "113039", 2)
    assert shown(sent(1, 1)) == ("available", [2])
    assert shown(sent(2, 1)) == ("available", [2])


def test_a_note_sent_again_removes_again(sent):
    sent(0, 1, 2)
    sent(1, "113039")
    assert shown(sent(2, 1)) == ("available", [1, 2])
    assert shown(sent(3, "113039")) == ("available", [2])
    assert shown(sent(4, 1)) == ("available", [1, 2])


def test_a_folder_loaded_again_with_its_notes_restores_nothing(sent):
    sent(0, 1, 2)
    for night in (1, 2, 3):
        assert shown(sent(night, 1, 2, "113039")) == ("available", [2])
    for night, files in enumerate(permutations((1, 2, "113039")), 4):
        assert shown(sent(night, *files)) == ("available", [2])


def test_another_reason_to_hide_it_still_counts_once_retention_gives_way(sent):
    sent(0, 1, 2)
    sent(1, "113039", "113037")
    assert shown(sent(2, 1)) == ("available", [2])


def test_many_repeats_are_kept_as_the_first_and_the_last(weald, sent):
    sent(0, 1, 2)
    sent(1, "113039")
    for hour in range(2, 40):
        assert shown(sent(hour, 1)) == ("available", [1, 2])
    with weald.services.store.snapshot(SYSTEM) as snapshot:
        assert len(facts_of(snapshot, study_uid(1))) < 25
