"""What ``weald load`` finds, and what it refuses (imaging.md 4; security.md, test 10)."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from app.ingest import files
from app.ingest.content import Kind
from app.ingest.files import FileLimits, Found, Item, Refusal, Refused, central_directory, walk
from app.ingest.load import count
from mappers.dicom.facts import facts_from_header
from tests.unit.mappers.dicom.making import BUNDLED, RTK, dataset, part10

DICOM = part10(dataset())
MESSAGE = b"MSH|^~\\&|PAS|RTK|||20250110||ADT^A01|1|P|2.4\rPID|1\r"
DIRECTORY = BUNDLED / "test_files" / "dicomdirtests"


def _found(path: Path, limits: FileLimits | None = None) -> dict[str, str]:
    """Kind or reason by the name's last part."""
    return {_last(one): str(one.kind if isinstance(one, Item) else one.reason) for one in walk([path], limits)}


def _last(one: Found) -> str:
    return one.name.split("!")[-1].rsplit("/", 1)[-1]


def _zip(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return path


def test_a_folder_is_walked_in_order_of_names_and_told_by_content(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "one.txt").write_bytes(DICOM)
    (tmp_path / "a.dcm").write_bytes(MESSAGE)
    (tmp_path / "c").write_bytes(b"")
    (tmp_path / "d.pdf").write_bytes(b"%PDF-1.7 hello")
    (tmp_path / "e.ndjson").write_bytes(b'{"resourceType":"Patient"}\n{"resourceType":"Patient"}\n')
    assert list(_found(tmp_path).items()) == [
        ("a.dcm", "hl7-v2"),
        ("c", "empty"),
        ("d.pdf", "unknown-content"),
        ("e.ndjson", "fhir-ndjson"),
        ("one.txt", "dicom"),
    ]


def test_a_single_file_opens_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(DICOM)
    (item,) = walk([path])
    assert isinstance(item, Item)
    with item.open() as stream:
        assert stream.read() == DICOM


def test_a_path_that_is_missing_is_reported(tmp_path: Path) -> None:
    assert _found(tmp_path / "none") == {"none": "missing"}


def test_links_to_folders_are_not_followed_and_pipes_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert _found(tmp_path) == {"gone": "link", "loop": "link", "pipe": "not-a-file"}


def test_what_cannot_be_read_does_not_stop_the_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "x").write_bytes(DICOM)
    real = os.scandir

    def scandir(path: Path) -> object:
        if path.name == "closed":
            raise PermissionError
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert _found(tmp_path) == {"x": "dicom", "closed": "unreadable"}


def _refuse(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Have files of these names refuse to be looked at or opened, as without the right to."""
    for function in ("stat", "open"):
        real = getattr(Path, function)

        def refusing(path: Path, *given: object, real: object = real, **named: object) -> object:
            if path.name in names:
                raise PermissionError
            return real(path, *given, **named)

        monkeypatch.setattr(Path, function, refusing)


def test_a_path_that_cannot_be_reached_does_not_stop_the_walk_nor_the_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("hidden", "x"):
        (tmp_path / name).write_bytes(DICOM)
    _zip(tmp_path / "locked.zip", a=DICOM)
    _refuse(monkeypatch, "hidden", "locked.zip")
    paths = [tmp_path / name for name in ("hidden", "locked.zip", "x")]
    assert [str(one.kind if isinstance(one, Item) else one.reason) for one in walk(paths)] == ["unreadable", "unreadable", "dicom"]
    assert count([*paths, tmp_path]) == 6


def test_a_file_that_a_dicomdir_names_and_nobody_may_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(DIRECTORY, tmp_path / "disc")
    locked = next(one.name for one in walk([tmp_path / "disc" / "DICOMDIR"]) if isinstance(one, Item)).rsplit("/", 1)[-1]
    _refuse(monkeypatch, locked)
    found = list(walk([tmp_path / "disc" / "DICOMDIR"]))
    assert len(found) == 31
    assert {one.reason for one in found if isinstance(one, Refused)} == {Refusal.UNREADABLE}


def test_members_of_a_zip_are_streamed(tmp_path: Path) -> None:
    path = _zip(tmp_path / "x.zip", s__1=DICOM, s__2=MESSAGE, s__=b"")
    found = list(walk([path]))
    assert [(_last(one), one.kind) for one in found if isinstance(one, Item)] == [("1", Kind.DICOM), ("2", Kind.HL7)]
    for one in walk([path]):
        assert isinstance(one, Item)
        with one.open() as stream:
            assert stream.read() in (DICOM, MESSAGE)
    assert not list(tmp_path.glob("s*"))


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", "..\\up", "C:\\x", "c:/x"])
def test_members_whose_path_leads_out_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, DICOM)
        archive.writestr("good", DICOM)
    reasons = [one.reason for one in walk([path]) if isinstance(one, Refused)]
    assert reasons == [Refusal.PATH]
    assert len(list(walk([path]))) == 2


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFBLK, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x.zip"
    info = zipfile.ZipInfo("link")
    info.external_attr = (mode | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert _found(path) == {"link": "link"}


def test_an_archive_in_an_archive_is_refused(tmp_path: Path) -> None:
    inner = _zip(tmp_path / "inner.zip", a=DICOM)
    outer = tmp_path / "outer.zip"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.write(inner, "inner.zip")
    assert _found(outer) == {"inner.zip": "nested-archive"}


def test_a_bomb_is_refused_whole_and_one_entry_alone(tmp_path: Path) -> None:
    bomb = _zip(tmp_path / "bomb.zip", a=bytes(20_000_000))
    assert _found(bomb) == {"bomb.zip": "over-limit"}
    mixed = tmp_path / "mixed.zip"
    with zipfile.ZipFile(mixed, "w") as archive:
        archive.writestr("random", os.urandom(200_000))
        archive.writestr("zeros", bytes(20_000_000), zipfile.ZIP_DEFLATED)
    assert _found(mixed) == {"random": "unknown-content", "zeros": "over-limit"}


def test_limits_of_entries_and_their_size(tmp_path: Path) -> None:
    path = _zip(tmp_path / "x.zip", a=DICOM, b=DICOM)
    assert _found(path, FileLimits(entries=1)) == {"x.zip": "over-limit"}
    assert _found(path, FileLimits(entry=10)) == {"a": "over-limit", "b": "over-limit"}


def test_an_oversized_directory_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _zip(tmp_path / "x.zip", a=DICOM)
    assert 0 < central_directory(path).size < 1000
    monkeypatch.setattr(files, "_ENTRY", 0)
    assert _found(path) == {"x.zip": "over-limit"}


def test_the_wide_record_counts_wherever_its_locator_stands(tmp_path: Path) -> None:
    """As ``zipfile`` has it: the narrow record beside it may say anything."""
    path = tmp_path / "x.zip"
    wide = b"PK\x06\x06" + bytes(28) + (3).to_bytes(8, "little") + (7 * 10**9).to_bytes(8, "little") + bytes(8)
    narrow = b"PK\x05\x06" + bytes(6) + (1).to_bytes(2, "little") + (100).to_bytes(4, "little") + bytes(6)
    path.write_bytes(b"PK\x03\x04" + wide + b"PK\x06\x07" + bytes(16) + narrow)
    assert central_directory(path) == (3, 7 * 10**9)
    assert _found(path) == {"x.zip": "over-limit"}


def test_the_directory_size_of_large_archives_is_in_their_wide_record(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    wide = b"PK\x06\x06" + bytes(36) + (7 * 10**9).to_bytes(8, "little") + bytes(8)
    path.write_bytes(wide + b"PK\x06\x07" + bytes(16) + b"PK\x05\x06" + bytes(8) + b"\xff\xff\xff\xff" + bytes(6))
    assert central_directory(path).size == 7 * 10**9
    path.write_bytes(b"PK\x03\x04 but nothing more")
    assert central_directory(path) == (0, 0)
    assert _found(path) == {"x.zip": "damaged-archive"}


def test_encrypted_and_damaged_members_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", DICOM)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 8] |= 1
    path.write_bytes(content)
    assert _found(path) == {"a": "encrypted"}
    content[at + 8] &= 0xFE
    content[at + 10] = 99
    path.write_bytes(content)
    assert _found(path) == {"a": "damaged-archive"}


def test_a_dicomdir_that_is_named_gives_its_files_whatever_their_case(tmp_path: Path) -> None:
    shutil.copytree(DIRECTORY, tmp_path / "disc")
    for folder in (tmp_path / "disc").iterdir():
        if folder.is_dir():
            folder.rename(folder.with_name(folder.name.lower()))
    found = list(walk([tmp_path / "disc" / "DICOMDIR"]))
    assert len(found) == 31
    assert {one.kind for one in found if isinstance(one, Item)} == {Kind.DICOM}


def test_a_dicomdir_on_the_way_reports_what_is_missing_and_lends_its_record(tmp_path: Path) -> None:
    (tmp_path / "disc").mkdir()
    shutil.copy(DIRECTORY / "DICOMDIR", tmp_path / "disc")
    shutil.copytree(DIRECTORY / "77654033", tmp_path / "disc" / "77654033")
    found = list(walk([tmp_path]))
    present = [one for one in found if isinstance(one, Item) and one.header is None]
    lent = [one for one in found if isinstance(one, Item) and one.header is not None]
    missing = [one for one in found if isinstance(one, Refused)]
    assert (len(present), len(lent), len(missing)) == (7, 24, 24)
    assert {one.reason for one in missing} == {Refusal.MISSING}
    header = lent[0].header
    assert header is not None
    assert facts_from_header(header, RTK).instance.flags == ("directory-record",)


def test_a_dicomdir_never_leads_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(DICOM)
    disc = tmp_path / "disc"
    disc.mkdir()
    content = (DIRECTORY / "DICOMDIR").read_bytes()
    first = b"77654033\\CR1\\6154 "
    assert first in content
    (disc / "DICOMDIR").write_bytes(content.replace(first, b"..\\SECRET".ljust(len(first))))
    reasons = [one.reason for one in walk([disc / "DICOMDIR"]) if isinstance(one, Refused)]
    assert Refusal.PATH in reasons
    (disc / "77654033").symlink_to(tmp_path)
    (tmp_path / "CR1").mkdir()
    (tmp_path / "CR1" / "6154").write_bytes(DICOM)
    (disc / "DICOMDIR").write_bytes(content)
    found = [one for one in walk([disc / "DICOMDIR"]) if isinstance(one, Item) and one.header is None]
    assert found == []


def test_a_dicomdir_in_a_zip_reports_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "disc.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(DIRECTORY / "DICOMDIR", "disc/DICOMDIR")
        archive.write(DIRECTORY / "77654033" / "CR1" / "6154", "disc/77654033/cr1/6154")
    found = list(walk([path]))
    assert sum(isinstance(one, Item) and one.header is None for one in found) == 1
    assert sum(isinstance(one, Refused) for one in found) == 30


def test_damaged_and_oversized_dicomdirs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "DICOMDIR"
    path.write_bytes((DIRECTORY / "DICOMDIR").read_bytes())
    assert _found(path, FileLimits(directory=10)) == {"DICOMDIR": "over-limit"}

    def unreadable(content: bytes) -> None:
        raise OSError

    monkeypatch.setattr(files, "directory_records", unreadable)
    assert _found(path) == {"DICOMDIR": "unreadable"}


def test_all_bundled_files_are_found_or_refused_with_a_reason() -> None:
    found = list(walk([BUNDLED]))
    assert sum(isinstance(one, Item) for one in found) >= 180
    assert all(one.text for one in found if isinstance(one, Refused))
