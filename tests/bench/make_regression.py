"""Makes matching/data/regression.csv.gz: `python tests/bench/make_regression.py`.

Pairs of a simulated region of 4,000 people (seed 104, which no training uses): of one person 1,500 drawn at random, and of
two people 1,000 of those that look alike, by the labels of fixtures/pairs.
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import random
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

from app.simulate import run

ROOT = Path(__file__).parents[2]
PEOPLE, SEED = 4_000, 104
SAME, DIFFERENT = 1_500, 1_000


def _fixture():
    spec = importlib.util.spec_from_file_location("make_pairs", ROOT / "fixtures" / "pairs" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judged():
    """(row, row, same) of each pair, in the order of their ids."""
    fixture = _fixture()
    with TemporaryDirectory() as folder:
        region = Path(folder) / "region"
        run(PEOPLE, 0, SEED, region, dicom="none")
        records = [row for row in fixture.rows(region / "records.csv") if row["family"]]
        truth = {row["id"]: row["cluster"] for row in fixture.rows(region / "truth.csv")}
    persons = {}
    for row in records:
        persons.setdefault(truth[row["id"]], []).append(row)
    draw = random.Random(SEED)
    same = [pair for held in persons.values() for pair in combinations(held, 2)]
    alike = {(left["id"], right["id"]): (left, right) for left, right, _ in fixture.different(records, truth)}
    found = [(*pair, "1") for pair in draw.sample(same, SAME)]
    found += [(*alike[key], "0") for key in draw.sample(sorted(alike), min(DIFFERENT, len(alike)))]
    return sorted(found, key=lambda pair: (pair[0]["id"], pair[1]["id"]))


def text():
    """The file's text."""
    out = io.StringIO()
    pairs = judged()
    names = list(pairs[0][0])
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["same", *(side + name for side in ("a_", "b_") for name in names)])
    writer.writerows([same, *left.values(), *right.values()] for left, right, same in pairs)
    return out.getvalue()


if __name__ == "__main__":
    made = gzip.compress(text().encode(), mtime=0)
    (ROOT / "matching" / "data" / "regression.csv.gz").write_bytes(made)
    print(f"{len(made):,} bytes")
