import csv
from pathlib import Path

import pytest

from app.simulate import Summary, run

PEOPLE, STUDIES, SEED = 3000, 1200, 7


class Region:
    """A written region, as the tests read it back."""

    def __init__(self, folder: Path, summary: Summary) -> None:
        self.folder = folder
        self.summary = summary

    def table(self, name: str) -> list[dict[str, str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def classes(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for row in self.table("classes.csv"):
            found.setdefault(row["id"], set()).add(row["class"])
        return found

    def truth(self) -> dict[str, str]:
        return {row["id"]: row["cluster"] for row in self.table("truth.csv")}

    def raw(self) -> dict[str, list[bytes]]:
        return {path.parent.name: path.read_bytes().split(b"\n")[:-1] for path in sorted(self.folder.glob("*/adt.hl7"))}


@pytest.fixture(scope="session")
def region(tmp_path_factory: pytest.TempPathFactory) -> Region:
    folder = tmp_path_factory.mktemp("simulated") / "region"
    return Region(folder, run(PEOPLE, STUDIES, SEED, folder, dicom="zip", instances="small"))


def digests(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its relative path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
