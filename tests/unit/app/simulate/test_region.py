"""What `weald simulate` promises of a region: the same bytes, a consistent truth, believable people."""

import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from app.errors import InvalidValue
from app.simulate import run
from app.simulate.numbers import check_digit
from app.simulate.trusts import TRUSTS


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("dicom", ["files", "zip", "json"])
def test_the_same_seed_gives_the_same_bytes(tmp_path, dicom):
    for name in ("one", "two"):
        run(150, 60, 11, tmp_path / name, dicom=dicom, instances="small")
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_another_seed_gives_another_region(tmp_path):
    run(150, 60, 11, tmp_path / "one", dicom="none")
    run(150, 60, 12, tmp_path / "two", dicom="none")
    assert files(tmp_path / "one") != files(tmp_path / "two")


def test_how_the_archive_is_kept_changes_no_message_and_no_truth(tmp_path):
    run(150, 60, 11, tmp_path / "zip", dicom="zip", instances="small")
    run(150, 60, 11, tmp_path / "json", dicom="json", instances="small")
    of_zip = {name: content for name, content in files(tmp_path / "zip").items() if "dicom" not in name}
    of_json = {name: content for name, content in files(tmp_path / "json").items() if "dicom" not in name}
    assert of_zip == of_json


def test_the_summary_counts_what_was_written(region):
    assert region.summary.people == 3000
    assert region.summary.studies == 1200
    assert region.summary.records == len(region.truth())
    assert region.summary.messages == sum(map(len, region.raw().values()))


def test_exactly_the_people_asked_for_exist(tmp_path):
    seen = []
    summary = run(40, 0, 3, tmp_path / "few", dicom="none", progress=lambda done, of: seen.append((done, of)))
    assert summary.people == 40
    assert seen[-1] == (40, 40)
    assert seen == sorted(seen)


@pytest.mark.parametrize("people", [1, 2, 3])
def test_the_smallest_regions_can_be_made(tmp_path, people):
    summary = run(people, 5, 1, tmp_path / "r", dicom="json", instances="small")
    assert (summary.people, summary.studies) == (people, 5)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [((0, 1, 1), {}), ((6_000_000, 1, 1), {}), ((1, -1, 1), {}), ((1, 1, 1), {"instances": "none"}), ((1, 1, 1), {"dicom": "tape"})],
)
def test_an_argument_out_of_range_is_refused(tmp_path, arguments, options):
    with pytest.raises(InvalidValue):
        run(*arguments, tmp_path / "r", **options)


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(InvalidValue):
        run(1, 1, 1, tmp_path)
    with pytest.raises(InvalidValue):
        run(1, 1, 1, tmp_path / "kept")
    assert (tmp_path / "kept").read_text() == "mine"


def test_no_work_file_is_left(region):
    assert {path.name for path in region.folder.iterdir()} == {*TRUSTS, "truth.csv", "classes.csv", "records.csv"}


def test_a_record_is_in_one_cluster_and_its_id_is_system_and_number(region):
    rows = region.table("truth.csv")
    assert len({row["id"] for row in rows}) == len(rows)
    systems = {scheme.system for trust in TRUSTS.values() for scheme in trust.schemes}
    assert {row["id"].partition("|")[0] for row in rows} == systems


def test_every_table_speaks_of_the_same_records(region):
    known = set(region.truth())
    assert {row["id"] for row in region.table("records.csv")} == known
    assert {row["id"] for row in region.table("classes.csv")} <= known


def test_a_person_has_records_at_one_to_four_trusts(region):
    trusts = defaultdict(set)
    for key, cluster in region.truth().items():
        trusts[cluster].add(key.split("/")[5])
    counts = Counter(map(len, trusts.values()))
    assert set(counts) == {1, 2, 3, 4}
    assert 2.0 < len(region.truth()) / len(trusts) < 2.7


def test_only_flagged_records_carry_a_number_of_someone_else(region):
    truth, classes = region.truth(), region.classes()
    holders = defaultdict(set)
    for row in region.table("records.csv"):
        if row["nhs_number"] and "number-error" not in classes.get(row["id"], set()):
            holders[row["nhs_number"]].add(truth[row["id"]])
    assert all(len(clusters) == 1 for clusters in holders.values())


def test_two_traced_numbers_of_one_person_are_flagged(region):
    truth, classes = region.truth(), region.classes()
    numbers, flags = defaultdict(set), defaultdict(set)
    for row in region.table("records.csv"):
        if row["nhs_status"] == "01" and row["nhs_number"]:
            numbers[truth[row["id"]]].add(row["nhs_number"])
        flags[truth[row["id"]]] |= classes.get(row["id"], set())
    several = [cluster for cluster, found in numbers.items() if len(found) > 1]
    assert several
    assert all(flags[cluster] & {"superseded-number", "shared-number"} for cluster in several)


def test_a_borrowed_number_is_flagged_as_shared(region):
    classes, truth = region.classes(), region.truth()
    usual = defaultdict(Counter)
    for row in region.table("records.csv"):
        usual[truth[row["id"]]][row["nhs_number"]] += 1
    borrowed = [key for key, found in classes.items() if "shared-number" in found]
    assert borrowed
    assert len(borrowed) < 0.01 * len(truth)


def test_numbers_are_of_the_test_range_and_pass_unless_they_are_a_slip(region):
    classes = region.classes()
    for row in region.table("records.csv"):
        number = row["nhs_number"]
        if number and "number-error" not in classes.get(row["id"], set()):
            assert re.fullmatch(r"999\d{7}", number)
            assert check_digit(number[:9]) == int(number[9])


def test_a_slip_in_a_number_fails_the_check_and_is_never_traced(region):
    failing = [
        row for row in region.table("records.csv") if row["nhs_number"] and check_digit(row["nhs_number"][:9]) != int(row["nhs_number"][9])
    ]
    assert failing
    assert all(row["nhs_status"] in ("", "02") for row in failing)


def test_most_numbers_are_traced_and_some_records_have_none(region):
    rows = [row for row in region.table("records.csv") if row["family"]]
    traced = sum(row["nhs_status"] == "01" and bool(row["nhs_number"]) for row in rows) / len(rows)
    none = sum(not row["nhs_number"] for row in rows) / len(rows)
    assert 0.75 < traced < 0.92
    assert 0.05 < none < 0.18


def test_someone_without_a_number_here_has_one_elsewhere(region):
    truth = region.truth()
    with_number, without = set(), set()
    for row in region.table("records.csv"):
        (with_number if row["nhs_number"] else without).add(truth[row["id"]])
    assert len(with_number & without) > 100


@pytest.mark.parametrize(
    ("difficulty", "least", "most"),
    [
        ("no-nhs-number", 0.05, 0.18), ("thin", 0.003, 0.03), ("twin", 0.005, 0.04), ("name-change", 0.01, 0.1), ("junior", 0.003, 0.05),
        ("name-error", 0.02, 0.1), ("birth-date-error", 0.005, 0.04), ("address-error", 0.005, 0.04), ("several-errors", 0.001, 0.02),
        ("newborn", 0.005, 0.06), ("two-records", 0.03, 0.2), ("foreign", 0.003, 0.04), ("care-home", 0.0, 0.08), ("moved", 0.2, 0.6),
        ("header-only", 0.001, 0.02), ("shared-number", 0.0001, 0.01), ("superseded-number", 0.0001, 0.01),
    ],
)  # fmt: skip
def test_each_difficulty_is_there_and_stays_the_exception(region, difficulty, least, most):
    records = len(region.truth())
    count = sum(difficulty in found for found in region.classes().values())
    assert least * records <= count <= most * records


def test_names_fall_as_names_do(region):
    families = Counter(row["family"] for row in region.table("records.csv"))
    common = families.most_common(20)
    assert common[0][1] > 3 * common[-1][1]
    assert len(families) > 600


def test_births_follow_an_age_pyramid(region):
    years = [int(row["birth_date"][:4]) for row in region.table("records.csv") if row["birth_date"]]
    young = sum(year > 2007 for year in years) / len(years)
    old = sum(year < 1961 for year in years) / len(years)
    assert 0.12 < young < 0.32
    assert 0.15 < old < 0.4
    assert min(years) > 1900


def test_postcodes_have_the_form_and_the_area_of_the_region(region):
    outwards = Counter()
    for row in region.table("records.csv"):
        if re.fullmatch(r"[A-Z]{2}\d{1,2} \d[ABD-HJLNP-UW-Z]{2}", row["postcode"]):
            outwards[row["postcode"][:2]] += 1
    assert set(outwards) >= {"GU", "KT", "RH", "BN", "TN", "TW", "PO"}
    assert sum(outwards.values()) > 0.9 * sum(bool(row["postcode"]) for row in region.table("records.csv"))


def test_no_telephone_number_or_mail_address_could_be_anyones(region):
    for row in region.table("records.csv"):
        assert re.fullmatch(r"(01632 \d{6}|071\d\d \d{6}|07000000000)?", row["phone"])
        assert row["email"] == "" or row["email"].endswith("@example.org")


def test_families_share_a_home(region):
    homes = defaultdict(set)
    truth = region.truth()
    for row in region.table("records.csv"):
        if row["street"] and row["postcode"]:
            homes[row["street"], row["postcode"]].add(truth[row["id"]])
    assert sum(len(people) > 1 for people in homes.values()) > 300


def test_one_number_of_the_two_schemes_of_one_trust_is_two_people(region):
    truth = region.truth()
    base = "https://weald.example/fhir/Id/RYR/"
    west = {key.partition("|")[2]: cluster for key, cluster in truth.items() if key.startswith(f"{base}mrn-west|")}
    brighton = {key.partition("|")[2]: cluster for key, cluster in truth.items() if key.startswith(f"{base}mrn-brighton|")}
    assert any(west[number] != brighton[number] for number in west.keys() & brighton.keys())
