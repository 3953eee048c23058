"""How well a whole simulated region is linked under the model that ships, by class of difficulty.

    python tests/bench/region_quality.py [--quick] [--people 100000] [--seed 23] [--region FOLDER] [--json var/region-quality.json]

All records are matched at once, as ``weald relink`` does it: every pair in a block within the cap is looked at, and the persons
of each component are derived. FOLDER is what ``weald simulate`` wrote; without it a region is made. A true pair is linked where both
records are of one person, asked about where they would be once a steward had said yes to what he is asked.
``--quick`` is the form that CI runs, a region of 300 people, so that the harness cannot rot; it judges no target.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from array import array
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
from make_default_model import record_from_row

from app.simulate import run
from matching.blocking import blocking_keys
from matching.blocks import Blocks, connected_rows
from matching.clustering import Component, derive
from matching.columns import Coder
from matching.linking import CONFUSION, kind_of
from matching.model import GRADES, default_model
from matching.records import NUMBER, Candidate, Edge, pair
from matching.scoring import Scorer
from matching.screening import Screen

LEAST_LINKED_OR_ASKED, LEAST_THIN = 0.985, 0.95
BARE = "thin"
"""The class of records without NHS number, phone and postcode."""


def read(folder: Path):
    """Records that say anything, by id; the person of each; the classes of each."""
    with (folder / "records.csv").open(encoding="utf-8", newline="") as file:
        records = {row["id"]: record_from_row(row) for row in csv.DictReader(file) if row["family"] or row["birth_date"]}
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as file:
        truth = {row["id"]: row["cluster"] for row in csv.DictReader(file) if row["id"] in records}
    classes = defaultdict(set)
    with (folder / "classes.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            classes[row["id"]].add(row["class"])
    return records, truth, classes


def edges(candidates, scorer):
    """(row, row, edge) of each pair that is possible or better."""
    coder, keys, starts = Coder(), array("q"), array("q", [0])
    for one in candidates:
        coder.add(one.demographics)
        keys.extend(blocking_keys(one.demographics))
        starts.append(len(keys))
    screen, blocks, seen = Screen(coder.columns(), scorer), Blocks(np.array(keys), np.array(starts)), 0
    for first, past in blocks.chunks():
        i, j = blocks.pairs(first, past)
        seen += len(i)
        kept = screen.possible(i, j)
        for x, y in zip(i[kept].tolist(), j[kept].tolist(), strict=True):
            one, other = candidates[x], candidates[y]
            scored = scorer.score(one.demographics, other.demographics)
            kind = kind_of(scored)
            if kind is not None and kind != CONFUSION:
                yield x, y, Edge(kind, *pair(one.key, other.key), weight=scored.weight, grade=GRADES[0] if kind == NUMBER else scored.grade)
    print(f"  {seen:,} pairs looked at", file=sys.stderr, flush=True)


def groups(candidates, found, scorer, grades=("certain", "probable")):
    """For each grade the group of each id, by its first member."""
    labels = connected_rows(len(candidates), *(np.array([edge[place] for edge in found], dtype=np.int64) for place in (0, 1)))
    members, inside = defaultdict(list), defaultdict(list)
    for row, label in enumerate(labels.tolist()):
        members[label].append(candidates[row])
    for x, _, edge in found:
        inside[int(labels[x])].append(edge)
    of = {grade: {one.key: one.key for one in candidates} for grade in grades}
    for label, within in inside.items():
        partition = derive(Component({one.key: one.demographics for one in members[label]}, tuple(sorted(within, key=lambda edge: edge.pair))), scorer)
        for grade in grades:
            of[grade].update((key, group[0]) for group in partition.groups(grade) for key in group)
    return of


def pairs_of(of):
    held = defaultdict(list)
    for key, group in of.items():
        held[group].append(key)
    return {pair(x, y) for keys in held.values() for x, y in combinations(keys, 2)}


def row_of(name, true, linked, asked):
    return {"class": name, "true_pairs": len(true), "linked": len(true & linked) / len(true), "linked_or_asked": len(true & (linked | asked)) / len(true)}


def judge(folder):
    """The measures of a region's folder."""
    began = time.perf_counter()
    records, truth, classes = read(folder)
    candidates = [Candidate(key, number, records[key]) for number, key in enumerate(sorted(records))]
    scorer = Scorer(default_model())
    found = list(edges(candidates, scorer))
    of = groups(candidates, found, scorer)
    true, linked, asked = (pairs_of(one) for one in (truth, of["certain"], of["probable"]))
    by_class = defaultdict(set)
    for about in true:
        for name in classes[about[0]] | classes[about[1]]:
            by_class[name].add(about)
    plain = {about for about in true if not classes[about[0]] and not classes[about[1]]}
    rows = [row_of("all", true, linked, asked), row_of("none of these", plain, linked, asked)]
    rows += [row_of(name, pairs, linked, asked) for name, pairs in sorted(by_class.items())]
    wrong = linked - true
    return {
        "records": len(records), "links": len(linked), "wrong": len(wrong), "wrong_asked": len(asked - linked - true),
        "wrong_by_class": {name: n for name in sorted({name for about in wrong for key in about for name in classes[key]}) if (n := sum(name in classes[x] | classes[y] for x, y in wrong))},
        "seconds": time.perf_counter() - began, "rows": rows,
    }  # fmt: skip


def show(found):
    print(f"{found['records']:,} records, {found['links']:,} pairs linked, {found['wrong']} of them wrong {found['wrong_by_class'] or ''}; {found['wrong_asked']:,} asked about without cause; {found['seconds']:.0f} s")
    print(f"{'class':<20}{'true pairs':>12}{'linked':>10}{'or asked':>10}")
    for row in found["rows"]:
        print(f"{row['class']:<20}{row['true_pairs']:>12,}{row['linked']:>10.4f}{row['linked_or_asked']:>10.4f}")


def missed(found):
    """The targets that were missed."""
    of = {row["class"]: row["linked_or_asked"] for row in found["rows"]}
    checks = {
        "no wrong link in 100,000": not found["wrong"],
        f"linked or asked at least {LEAST_LINKED_OR_ASKED}": of["all"] >= LEAST_LINKED_OR_ASKED,
        f"{BARE} records linked or asked at least {LEAST_THIN}": of.get(BARE, 1.0) >= LEAST_THIN,
    }
    return [name for name, held in checks.items() if not held]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=23, help="The shipped model was trained on seed 11.")
    parser.add_argument("--region", type=Path)
    parser.add_argument("--json", type=Path, default=Path("var/region-quality.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weald-bench-") as folder:
        region = options.region or Path(folder) / "region"
        if options.region is None:
            run(300 if options.quick else options.people, 0, options.seed, region, dicom="none")
        found = judge(region)
    show(found)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(found, indent=1) + "\n")
    if not options.quick and (failed := missed(found)):
        sys.exit("targets missed: " + "; ".join(failed))


if __name__ == "__main__":
    main()
