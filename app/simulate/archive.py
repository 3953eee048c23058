"""Where the studies of a region are kept: files by study, a zip a trust, or DICOM JSON by study."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Protocol

from app.errors import InvalidValue
from app.simulate.dicom import Study, json_model, part10

ZIP_ENTRIES = 50_000


class Archive(Protocol):
    """Keeps the studies of one trust under ``dicom`` in its folder; ``save`` returns the instances kept."""

    def save(self, study: Study) -> int: ...

    def close(self) -> None: ...


class FileArchive:
    """Part 10 files: dicom/YYYYMM/<study>/<series>.<instance>.dcm."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "dicom"

    def save(self, study: Study) -> int:
        """Every instance as a file."""
        folder = self.folder / _month(study) / study.uid
        folder.mkdir(parents=True)
        count = 0
        for uid, content in part10(study):
            (folder / f"{uid.removeprefix(study.uid)[1:]}.dcm").write_bytes(content)
            count += 1
        return count

    def close(self) -> None:
        """Nothing is left open."""


class ZipArchive:
    """Part 10 files in dicom.zip, dicom-2.zip and so on, stored as they are: packed bytes would hang on zlib's version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.volume = 0
        self.entries = ZIP_ENTRIES
        self.zip: zipfile.ZipFile | None = None

    def save(self, study: Study) -> int:
        """Every instance as an entry."""
        volume = self._volume()
        count = 0
        for uid, content in part10(study):
            name = f"{_month(study)}/{study.uid}/{uid.removeprefix(study.uid)[1:]}.dcm"
            volume.writestr(_entry(name), content)
            count += 1
        self.entries += count
        return count

    def _volume(self) -> zipfile.ZipFile:
        if self.zip is None or self.entries >= ZIP_ENTRIES:
            self.close()
            self.volume += 1
            self.entries = 0
            self.folder.mkdir(parents=True, exist_ok=True)
            name = "dicom.zip" if self.volume == 1 else f"dicom-{self.volume}.zip"
            self.zip = zipfile.ZipFile(self.folder / name, "w", zipfile.ZIP_STORED)
        return self.zip

    def close(self) -> None:
        """The volume in hand is finished."""
        if self.zip is not None:
            self.zip.close()


class JsonArchive:
    """DICOM JSON metadata, one array a study: dicom/YYYYMM/<study>.json."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "dicom"

    def save(self, study: Study) -> int:
        """The study's instances as one file."""
        folder = self.folder / _month(study)
        folder.mkdir(parents=True, exist_ok=True)
        instances = json_model(study)
        text = json.dumps(instances, ensure_ascii=False, separators=(",", ":"))
        (folder / f"{study.uid}.json").write_text(text, encoding="utf-8")
        return len(instances)

    def close(self) -> None:
        """Nothing is left open."""


class NoArchive:
    """Counts what it is given and keeps nothing, for a region of messages only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, study: Study) -> int:
        """The instances there would have been."""
        return sum(len(series.instances) for series in study.series)

    def close(self) -> None:
        """Nothing is left open."""


ARCHIVES: dict[str, type[FileArchive | ZipArchive | JsonArchive | NoArchive]] = {
    "files": FileArchive, "zip": ZipArchive, "json": JsonArchive, "none": NoArchive,
}  # fmt: skip


def archive(kind: str, folder: Path) -> Archive:
    """The archive of a trust: ``files``, ``zip``, ``json`` or ``none``."""
    if kind not in ARCHIVES:
        raise InvalidValue(f"--dicom takes one of {', '.join(ARCHIVES)}")
    return ARCHIVES[kind](folder)


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry that is the same on every machine."""
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    return entry


def _month(study: Study) -> str:
    return next(str(element.value)[:6] for element in study.elements if element.tag == 0x00080020)
