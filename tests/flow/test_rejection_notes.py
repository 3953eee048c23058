"""Rejection notes, and what becomes of the instances they list when those are sent again (imaging.md 3.5)."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from zlib import compress, decompress

import orjson
import pytest

from app.ingest.load import Loader
from app.ingest.studies import facts_of
from app.principal import SYSTEM
from mappers.dicom.chunks import pack
from tests.flow.images import image, note, study_uid

UID = "urn:dicom:uid"


def loader(services, hour):
    """A load that begins at that hour."""
    return Loader(replace(services, clock=lambda: services.clock() + timedelta(hours=hour)), SYSTEM, "RTK-PACS")


@pytest.fixture
def sent(weald, tmp_path):
    """Send images 1 and 2 (or those named) and notes by their title, at that hour: all of one archive, in one load."""

    def send(hour, *what, **tags):
        folder = tmp_path / f"{hour} {what}"
        listed = f"{study_uid(1)}.1.1"
        paths = [image(folder, number=one) if isinstance(one, int) else note(folder, one, [listed], **tags) for one in what]
        send.report = loader(weald.services, hour).load(paths)
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


@pytest.mark.parametrize("known", [False, True])
def test_loads_that_overlap_leave_the_same_in_whatever_order_they_are_committed(weald, tmp_path, known):
    """Two loads bring image 1 and its note, one began at hour 1 and one at hour 2; image 1 comes again at hour 3. ``known``: it was there at hour 0."""
    steps = [(hour, what) for hour in (1, 2) for what in ("image", "note")]
    seen = set()
    for study, order in enumerate(permutations(steps), 1):
        one, other = (image(tmp_path, study=study, number=number) for number in (1, 2))
        paths = {"image": [one, other], "note": [note(tmp_path, "113039", [f"{study_uid(study)}.1.1"], study=study)]}
        loads = {hour: loader(weald.services, hour) for hour in range(4)}
        for hour, what in [(0, "image")] * known + list(order):
            loads[hour].load(paths[what])
        before = weald.found(f"ImagingStudy?identifier={UID}|urn:oid:{study_uid(study)}")
        loads[3].load([one])
        seen |= {str([shown(found) for found in (*before, *weald.found(f"ImagingStudy?identifier={UID}|urn:oid:{study_uid(study)}"))])}
    assert seen == {str([("available", [2]), ("available", [1, 2] if known else [2])])}


def test_what_an_earlier_load_brings_late_was_known_since_that_load_began(weald, tmp_path):
    one, told = image(tmp_path, number=1), note(tmp_path, "113039", [f"{study_uid(1)}.1.1"])
    early, late = loader(weald.services, 1), loader(weald.services, 2)
    for load, path in ((late, one), (early, one), (late, told)):
        load.load([path])
    loader(weald.services, 3).load([one])
    [study] = weald.found(f"ImagingStudy?identifier={UID}|urn:oid:{study_uid(1)}")
    assert shown(study) == ("available", [1])


def test_a_repeat_before_there_is_a_note_is_not_written_so_that_the_note_of_an_earlier_load_removes_until_it_comes_once_more(weald, tmp_path):
    one, told = image(tmp_path, number=1), note(tmp_path, "113039", [f"{study_uid(1)}.1.1"])
    early, late = loader(weald.services, 1), loader(weald.services, 2)
    seen = []
    for load, path in ((loader(weald.services, 0), one), (late, one), (early, told), (loader(weald.services, 3), one)):
        load.load([path])
        [study] = weald.found(f"ImagingStudy?identifier={UID}|urn:oid:{study_uid(1)}")
        seen.append(shown(study)[1])
    assert seen == [[1], [1], [], [1]]


def _counts(sent):
    return sent.report.accepted, sent.report.unchanged


def test_a_repeat_that_changes_what_is_shown_is_reported_as_accepted_and_any_other_as_unchanged(sent):
    sent(0, 1, 2)
    sent(1, "113039")
    for hour, what, counts in (
        (2, (1, 2), (1, 1)), (3, (1, 2), (0, 2)), (4, ("113039",), (1, 0)), (5, ("113039",), (0, 1)), (6, (1, 2, "113039"), (0, 3)), (7, (1,), (1, 0)),
        (8, (1, 2, "113039"), (1, 2)),
    ):  # fmt: skip
        sent(hour, *what)
        assert _counts(sent) == counts


@pytest.fixture
def stored_long_ago(monkeypatch, sent):
    """Send as Weald stored it before it kept times of receipt."""

    def untimed(facts):
        document = orjson.loads(decompress(pack(facts)))
        del document["received"]
        return compress(orjson.dumps(document))

    def send(*what, **tags):
        with monkeypatch.context() as patched:
            patched.setattr("app.ingest.studies.pack", untimed)
            return sent(0, *what, **tags)

    return send


def test_a_note_from_before_times_were_kept_gives_way_once_it_has_come_again(stored_long_ago, sent):
    stored_long_ago(1, 2, "113039")
    assert shown(sent(2, 1)) == ("available", [2])
    sent(3, "113039")
    assert shown(sent(4, 1)) == ("available", [1, 2])


def test_a_note_from_before_times_were_kept_gives_way_at_once_if_it_says_when_it_was_made(stored_long_ago, sent):
    assert shown(stored_long_ago(1, 2, "113039", InstanceCreationDate="20251231")) == ("available", [2])
    assert shown(sent(2, 1)) == ("available", [1, 2])


def test_a_note_that_tells_its_day_alone_gives_way_to_what_came_earlier_that_day(sent):
    sent(0, 1, 2)
    assert shown(sent(1, "113039", InstanceCreationDate="20260101")) == ("available", [2])
    assert shown(sent(2, 1)) == ("available", [1, 2])
