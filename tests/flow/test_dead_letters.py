"""What was refused is kept whole, listed, explained, replayed in order or closed; an open letter never goes away by itself."""

import re
import stat
import zipfile

import pytest
from click.testing import CliRunner

from app.cli import weald as command
from app.errors import StoreUnavailable, WealdError
from app.ingest import letters, replaying
from app.ingest.load import Loader
from app.ingest.replaying import replay
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings
from mappers.dicom.errors import UidUnusable
from tests.flow.doors import mrn
from tests.flow.images import image
from tests.flow.messages import adt, cx, pid

ALICE = {5: "Marchant^Alice^Rose", 7: "19840523", 8: "F"}
BEA = {5: "Hartley^Bea", 7: "19710318", 8: "F"}


@pytest.fixture
def run(weald, settings_file):
    def told(*words):
        env = {"WEALD_CONFIG": str(settings_file), "WEALD_STORE": weald.services.settings.store, "USER": "jo"}
        return CliRunner().invoke(command, [str(word) for word in words], env=env)

    return told


def states(weald):
    return {head["number"]: head["state"] for head, _ in weald.dead_letters()}


def refuse(weald, monkeypatch, *messages):
    """Messages that Weald fails on, and would not fail on now."""
    with monkeypatch.context() as broken:
        broken.setattr("app.ingest.adt.apply_event", broken_down)
        for message in messages:
            assert weald.send(message).code == "AE"


def broken_down(*_):
    raise RuntimeError("Marchant")


def test_letters_are_listed_by_feed_and_state_and_explained_without_a_value(run, weald, tmp_path):
    refused = adt("A28", pid(cx(""), who=ALICE), f9="ADT^A28^ADT_A05")
    assert weald.send(refused).code == "AE"
    assert "1 open dead letters" in run("dead-letters", "list").output
    assert "AE 101" in run("dead-letters", "list", "--source", "RTK-PAS").output
    assert "0 open dead letters" in run("dead-letters", "list", "--source", "RXC-PAS").output
    said = run("dead-letters", "show", 1, "--out", tmp_path / "letter.hl7")
    assert "PID-3 holds no identifier in force" in said.output
    assert "PV1: required segment is missing" in said.output
    assert "Marchant" not in said.output
    assert (tmp_path / "letter.hl7").read_bytes() == refused
    assert stat.S_IMODE((tmp_path / "letter.hl7").stat().st_mode) == 0o600
    assert "Could not open file" in run("dead-letters", "show", 1, "--out", tmp_path / "letter.hl7").output
    assert run("dead-letters", "show", 1, "--bytes").stdout_bytes == refused


def test_a_letter_that_is_not_there_is_a_sentence(run):
    for words in (("show", 7), ("replay", 7), ("close", 7, "--why", "x")):
        assert isinstance(run("dead-letters", *words).exception, WealdError)


def test_a_closed_letter_says_who_closed_it_and_why_and_is_closed_once(run, weald):
    weald.send(adt("A28", pid(cx(""), who=ALICE)))
    assert run("dead-letters", "close", 1, "--why", "Sent again").exit_code == 0
    assert states(weald) == {1: "closed"}
    assert "0 open" in run("dead-letters", "list").output
    assert "closed" in run("dead-letters", "list", "--state", "all").output
    assert re.search(r"closed at \S+ by jo: Sent again", run("dead-letters", "show", 1).output)
    assert "is closed already" in run("dead-letters", "close", 1, "--why", "x").exception.text
    assert "it is closed already" in run("dead-letters", "replay", 1).output


def test_a_replay_has_the_effect_that_the_message_would_have_had(run, weald, monkeypatch):
    message = adt("A28", pid(cx("A100"), who=ALICE))
    refuse(weald, monkeypatch, message)
    said = run("replay")
    assert (said.exit_code, "1 of 1 replayed." in said.output) == (0, True)
    assert weald.patient(mrn("A100"))["name"][0]["family"] == "Marchant"
    assert states(weald) == {1: "replayed"}
    assert [raw for _, raw in weald.messages()] == [message]
    assert "by jo" in run("dead-letters", "show", 1).output


def test_what_has_been_sent_again_meanwhile_is_replayed_without_effect(run, weald, monkeypatch):
    message = adt("A28", pid(cx("A100"), who=ALICE))
    refuse(weald, monkeypatch, message)
    weald.accept(message)
    before = weald.versions()
    assert run("dead-letters", "replay", 1).exit_code == 0
    assert weald.versions() == before
    assert states(weald) == {1: "replayed"}


def test_a_letter_refused_again_stays_open_and_holds_back_its_own_patient_alone(run, weald, monkeypatch):
    first, second = adt("A28", pid(cx("A100"), who=ALICE)), adt("A31", pid(cx("A100"), who={**ALICE, 5: "Marchant^Alicia"}))
    other = adt("A28", pid(cx("B200"), who=BEA))
    refuse(weald, monkeypatch, first, second, other)
    apply_only = replaying.adt.apply_only

    def fails_on_the_first(services, received, principal):
        return broken_down() if received[0].raw == first else apply_only(services, received, principal)

    with monkeypatch.context() as broken:
        broken.setattr(replaying.adt, "apply_only", fails_on_the_first)
        said = run("replay")
    assert said.exit_code == 3
    assert "1 refused: Weald failed on it (RuntimeError)" in said.output
    assert "2 held: it is of a patient of letter 1" in said.output
    assert "1 of 3 replayed." in said.output
    assert "Marchant" not in said.output
    assert states(weald) == {1: "open", 2: "open", 3: "replayed"}
    assert weald.patients(mrn("A100")) == []
    assert "replayed 1 times; last at" in run("dead-letters", "show", 1).output
    assert run("replay").exit_code == 0
    assert weald.patient(mrn("A100"))["name"][0]["given"] == ["Alicia"]


def test_a_replay_that_finds_no_room_on_the_disk_ends_and_leaves_its_letters_open(weald, monkeypatch):
    refuse(weald, monkeypatch, adt("A28", pid(cx("A100"), who=ALICE)))
    with monkeypatch.context() as full:
        full.setattr(replaying.adt, "apply_only", lambda *_: (_ for _ in ()).throw(StoreUnavailable("The disk is full.")))
        with pytest.raises(StoreUnavailable):
            replay(weald.services, SYSTEM, "jo")
    assert states(weald) == {1: "open"}


def test_a_message_that_can_never_be_read_is_refused_again(run, weald):
    weald.send(adt("A28", pid(cx(""), who=ALICE)))
    said = run("replay")
    assert "1 refused: AE 101: PID-3 holds no identifier in force" in said.output
    assert states(weald) == {1: "open"}


def test_a_sender_that_is_not_allowed_is_replayed_only_where_his_letter_is_named(run, weald):
    weald.send(adt("A28", pid(cx("A100"), who=ALICE)).replace(b"|RTK|", b"|XXX|", 1))
    assert "1 left: its sender may not send here" in run("replay").output
    assert "AR 207" in run("dead-letters", "replay", 1).output
    assert states(weald) == {1: "open"}


def test_a_message_of_which_only_the_head_was_kept_is_never_applied(run, weald):
    large = adt("A28", pid(cx("A100"), who=ALICE)) + b"NTE|1||" + b"x" * (1 << 20) + b"\r"
    assert weald.send(large).code == "AR"
    [(head, raw)] = weald.dead_letters()
    assert (head["size"], head["whole"], len(raw)) == (len(large), False, 65_536)
    assert "only its beginning was kept" in run("dead-letters", "replay", 1).output
    assert "65,536 kept" in run("dead-letters", "show", 1).output


# Files


def letters_by_name(weald):
    return {re.split(r"[/!]", head["name"])[-1]: (head, raw) for head, raw in weald.dead_letters()}


def test_every_byte_of_what_a_load_rejects_is_kept(weald, tmp_path):
    folder = tmp_path / "given"
    folder.mkdir()
    given = {
        "letter.txt": b"Dear colleague" * 1000, "broken.zip": b"PK\x03\x04 no zip", "broken.json": b'{"00080018": {"vr": "UI"',
        "person.json": b'{"resourceType": "Patient"}',
        "huge.hl7": b"MSH|^~\\&|A|B\r" + b"Z" * (16 * 2**20 + 5),
    }  # fmt: skip
    for name, content in given.items():
        (folder / name).write_bytes(content)
    no_uid = image(folder, StudyInstanceUID=None)
    report = weald.load(folder, source="RTK-PACS")
    kept = letters_by_name(weald)
    assert {one.name.rpartition("/")[2] for one in report.rejected} == {*given, no_uid.name} == set(kept)
    for name, content in given.items():
        head, raw = kept[name]
        assert head["size"] == len(content), name
        assert raw == content[: 8 << 20], name
        assert head["whole"] == (len(content) <= 8 << 20), name
    assert kept[no_uid.name][1] == no_uid.read_bytes()


def test_a_rejected_data_set_of_dicom_json_is_kept(weald, tmp_path):
    (tmp_path / "x.json").write_text('[{"00100020": {"vr": "LO", "Value": ["7"]}}]')
    weald.load(tmp_path, source="RTK-PACS")
    [(head, raw)] = weald.dead_letters()
    assert (raw, head["whole"]) == (b'{"00100020":{"vr":"LO","Value":["7"]}}', True)


def test_entries_of_an_archive_that_are_not_opened_are_kept_as_they_are_packed(weald, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../out.txt", b"outside" * 100)
        archive.writestr("inner.zip", b"PK\x03\x04" + b"inner" * 100)
        archive.writestr("note.txt", b"Dear colleague")
    weald.load(tmp_path, source="RTK-PACS")
    kept = {head["name"].partition("!")[2]: raw for head, raw in weald.dead_letters()}
    assert kept["note.txt"] == b"Dear colleague"
    assert kept["inner.zip"] == b"PK\x03\x04" + b"inner" * 100
    packed = kept["../out.txt"]
    assert packed.startswith(b"PK\x03\x04")
    assert packed in (tmp_path / "a.zip").read_bytes()


def test_of_a_larger_file_the_setting_says_how_much_is_kept(weald, tmp_path, settings_file):
    (tmp_path / "x.txt").write_bytes(b"x" * 5000)
    env = {"WEALD_STORE": weald.services.settings.store, "WEALD_LOAD__KEPT_SIZE": "2048"}
    services = services_from_settings(load_settings(settings_file, env=env))
    Loader(services, SYSTEM).load([tmp_path / "x.txt"])
    services.store.close()
    [(head, raw)] = weald.dead_letters()
    assert (len(raw), head["size"], head["whole"]) == (2048, 5000, False)


def test_what_is_rejected_every_night_is_one_letter_until_it_is_closed(run, weald, tmp_path):
    (tmp_path / "x.txt").write_bytes(b"x")
    for _ in range(3):
        weald.load(tmp_path / "x.txt")
    assert states(weald) == {1: "open"}
    run("dead-letters", "close", 1, "--why", "not for us")
    weald.load(tmp_path / "x.txt")
    assert states(weald) == {1: "closed", 2: "open"}


def test_a_rejected_file_is_replayed_through_the_loader(run, weald, tmp_path, monkeypatch):
    path = image(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr("app.ingest.load.facts_from_header", lambda *_: (_ for _ in ()).throw(UidUnusable("the study UID is missing")))
        weald.load(path, source="RTK-PACS")
    assert states(weald) == {1: "open"}
    assert run("replay").exit_code == 0
    assert states(weald) == {1: "replayed"}
    assert len(weald.found("ImagingStudy")) == 1


def test_a_file_that_is_rejected_again_makes_no_second_letter(run, weald, tmp_path):
    (tmp_path / "x.txt").write_bytes(b"x")
    (tmp_path / "x.hl7").write_bytes(adt("A28", pid(cx(""), who=ALICE)))
    (tmp_path / "empty").write_bytes(b"")
    weald.load(tmp_path)
    said = run("replay")
    assert said.exit_code == 3
    assert "it has no bytes" in said.output
    assert len(states(weald)) == 3
    assert set(states(weald).values()) == {"open"}


def test_a_study_that_is_refused_as_a_whole_is_kept_file_by_file(weald, tmp_path, monkeypatch):
    path = image(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(image(tmp_path / "in", number=2), "two.dcm")
    refused = letters.BusinessRule("The study is refused.")
    monkeypatch.setattr("app.ingest.dicom._file", lambda *_: (_ for _ in ()).throw(refused))
    weald.load(path, tmp_path / "a.zip", source="RTK-PACS")
    kept = letters_by_name(weald)
    assert kept[path.name][1] == path.read_bytes()
    head, raw = kept["two.dcm"]
    assert (raw[:10], head["whole"]) == (b'{"source":', False)
