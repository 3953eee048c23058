"""The shipped sample region is what the published command makes, and holds what its README says."""

import csv
import io
import runpy
import zipfile
from collections import defaultdict
from pathlib import Path

import pydicom
import pytest

from app.simulate import run

REGION = Path(__file__).parents[4] / "fixtures" / "region"
PAIRS = REGION.parent / "pairs"
KEPT = {"README.md", ".gitattributes"}
BASE = "https://weald.example/fhir/Id/"
ALICE = {f"{BASE}RTK/mrn|5101704", f"{BASE}RA2/mrn|0047476", f"{BASE}RYR/mrn-brighton|7008729", f"{BASE}RXC/mrn|X8267154"}
ANNA = {f"{BASE}RYR/mrn-brighton|0875866", f"{BASE}RTK/mrn|8968841"}
BEA = {f"{BASE}RA2/mrn|3914613", f"{BASE}RTK/mrn|2835978", f"{BASE}RPC/mrn|6585418"}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows(name):
    with (REGION / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_published_command_gives_the_shipped_bytes(tmp_path):
    run(300, 700, 2129, tmp_path / "again", dicom="zip", instances="small")
    shipped = {name: content for name, content in files(REGION).items() if name not in KEPT}
    again = files(tmp_path / "again")
    assert shipped.keys() == again.keys()
    assert [name for name in shipped if shipped[name] != again[name]] == []


def test_the_folder_stays_small():
    assert sum(map(len, files(REGION).values())) < 6_000_000


@pytest.mark.parametrize(("who", "records"), [("alice", ALICE), ("anna", ANNA), ("bea", BEA)])
def test_the_cast_has_the_records_the_readme_names(who, records):
    assert {row["id"] for row in rows("truth.csv") if row["cluster"] == who} == records


def test_alice_has_studies_at_four_trusts_and_no_number_at_one():
    assert [row["id"] for row in rows("records.csv") if row["id"] in ALICE and not row["nhs_number"]] == [f"{BASE}RXC/mrn|X8267154"]
    studies = defaultdict(set)
    numbers = {key.partition("|")[2] for key in ALICE}
    for path in REGION.glob("*/dicom.zip"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                ds = pydicom.dcmread(io.BytesIO(archive.read(name)))
                if ds.PatientID in numbers and ds.PatientName.given_name == "ALICE":
                    studies[path.parent.name].add(ds.StudyInstanceUID)
    assert {ods: len(found) for ods, found in studies.items()} == {"RTK": 1, "RA2": 1, "RXC": 1, "RYR": 2}


def test_the_twins_differ_in_given_name_and_number_alone():
    said = {row["id"]: row for row in rows("records.csv")}
    alice, anna = said[f"{BASE}RTK/mrn|5101704"], said[f"{BASE}RTK/mrn|8968841"]
    differing = {column for column in alice if alice[column] != anna[column]}
    assert differing == {"id", "nhs_number", "given", "middle", "email"}


def test_bea_is_known_by_both_surnames():
    assert {row["family"] for row in rows("records.csv") if row["id"] in BEA} == {"Fielding", "Holland"}


def test_every_difficulty_of_the_readme_occurs():
    explained = (REGION / "README.md").read_text(encoding="utf-8").partition("## Difficulties")[2]
    named = {name.strip() for line in explained.splitlines() if line.startswith("| ") for name in line.split("|")[1].split(",")}
    assert {row["class"] for row in rows("classes.csv")} == named - {"class"}


def test_the_labelled_pairs_are_made_again_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["make.py", str(tmp_path)])
    runpy.run_path(str(PAIRS / "make.py"), run_name="__main__")
    for name in ("records.csv", "pairs.csv"):
        assert (tmp_path / name).read_bytes() == (PAIRS / name).read_bytes()


def test_labelled_pairs_name_records_of_their_own_table():
    known = {row["id"] for row in rows("../pairs/records.csv")}
    pairs = rows("../pairs/pairs.csv")
    assert {key for row in pairs for key in (row["left_id"], row["right_id"])} == known
    assert {row["class"] for row in pairs if row["same"] == "0"} == {"twin", "similar-twin", "namesake", "housemate", "stranger-at-home"}
