"""Makes matching/data/default-*.json: `python tests/bench/make_default_model.py FOLDER`, FOLDER a simulated region.

The folder is what ``weald simulate --people 100000 --seed 11`` writes. The matcher is trained without labels on 20,000 of
its records and their candidates. One fifth of each m is a prior for errors that the simulation does not make, all of it
for guardian and same_authority, which it does not show; sizes are scaled to a region of 3 million records.
"""

from __future__ import annotations

import csv
import random
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from matching.blocking import BLOCK_CAP, blocking_keys, family_of
from matching.demographics import Demographics, RawAddress, RawIdentifier, RawName, RecordFacts
from matching.model import Level, Model, frequency_bytes, load, model_document
from matching.normalise import normalise
from matching.pairs import Sample, sample_of_pairs
from matching.training import below_evidential, count_values, pooled, train

SEARCHED = 20_000
POPULATION = 3_000_000
PRIOR_M, PRIOR_U = 0.2, 0.03
PRIOR = {
    "given": [(0.87, 0.008), (0.02, 0.004), (0.05, 0.010), (0.02, 0.0045), (0.01, 0.06), (0.03, 0.9135)],
    "middle": [(0.75, 0.02), (0.15, 0.06), (0.04, 0.02), (0.06, 0.90)],
    "family": [(0.90, 0.0025), (0.02, 0.0015), (0.02, 0.006), (0.001, 0.002), (0.01, 0.04), (0.049, 0.948)],
    "guardian": [(0.80, 0.003), (0.03, 0.002), (0.05, 0.01), (0.02, 0.004), (0.02, 0.05), (0.08, 0.931)],
    "birth_date": [(0.955, 0.00005), (0.03, 0.0009), (0.005, 0.005), (0.0015, 0.008), (0.002, 0.0125), (0.0065, 0.97355)],
    "sex": [(0.995, 0.5), (0.005, 0.5)],
    "birth_order": [(0.99, 0.4), (0.01, 0.6)],
    "nhs_number": [(0.999, 1e-6), (0.00001, 2e-5), (0.00001, 2e-5), (0.0009, 0.999959)],
    "nhs_weak": [(0.95, 2e-6), (0.02, 1e-5), (0.005, 1e-4), (0.025, 0.999888)],
    "same_authority": [(0.5, 2e-6), (0.5, 0.999998)],
    "street": [(0.72, 0.00003), (0.06, 0.0005), (0.02, 0.01), (0.20, 0.98947)],
    "city": [(0.85, 0.05), (0.02, 0.01), (0.01, 0.02), (0.12, 0.92)],
    "postcode": [(0.75, 0.0002), (0.03, 0.0006), (0.10, 0.03), (0.12, 0.9692)],
    "phone": [(0.70, 0.00001), (0.02, 0.00002), (0.01, 0.0001), (0.27, 0.99987)],
    "email": [(0.80, 0.00001), (0.04, 0.001), (0.001, 0.001), (0.159, 0.99799)],
}
"""(m, u) by level, set by hand."""

LEARNED_U = ("birth_date", "middle", "nhs_number", "nhs_weak", "sex", "birth_order")
"""Fields whose u is the simulation's alone: it does not depend on which names and places were drawn."""

PLACES = ("postcode", "street", "phone", "email")
"""Fields whose frequencies are left out: the simulation's places are nobody's."""


def record_from_row(row: Mapping[str, str]) -> Demographics:
    """Demographics of a line of records.csv."""
    system, _, value = row["id"].partition("|")
    return normalise(
        RecordFacts(
            names=(RawName(row["family"], row["given"], row["middle"]),),
            birth_date=row["birth_date"],
            sex={"M": "male", "F": "female"}.get(row["sex"], ""),
            addresses=(RawAddress((row["street"],), row["city"], row["postcode"]),),
            phones=(row["phone"],),
            emails=(row["email"],),
            identifiers=(RawIdentifier(system, value),),
            nhs_number=row["nhs_number"],
            nhs_status=row["nhs_status"] or None,
            birth_order=row["birth_order"],
        ),
        admit_test_numbers=True,
    )


def records_of(folder: Path) -> list[Demographics]:
    """The records of a region that say anything, by id."""
    with (folder / "records.csv").open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["id"])
    return [record_from_row(row) for row in rows if row["family"] or row["birth_date"]]


def live_sample(records: list[Demographics]) -> Sample:
    """Random records with all their candidates, as a live store would give them."""
    count = len(records)
    searched = frozenset(random.Random(5).sample(range(count), min(SEARCHED, count)))
    blocks = defaultdict(list)
    for place, record in enumerate(records):
        for key in blocking_keys(record):
            blocks[key].append(place)
    pairs = defaultdict(set)
    for key, members in blocks.items():
        if len(members) <= BLOCK_CAP:
            for i in searched.intersection(members):
                for j in members:
                    if i != j:
                        pairs[min(i, j), max(i, j)].add(family_of(key))
    return sample_of_pairs(records, pairs, len(searched) * (count - 1) - len(searched) * (len(searched) - 1) / 2)


def mixed(name: str, learned: tuple[Level, ...] | None) -> tuple[Level, ...]:
    """The levels of a field: those learned with their share of the prior, pooled again."""
    prior_m, prior_u = np.array(PRIOR[name]).T
    if learned is None or name == "same_authority":
        m, u = prior_m, prior_u
    else:
        share = 0.0 if name in LEARNED_U else PRIOR_U
        m = (1 - PRIOR_M) * np.array([level.m for level in learned]) + PRIOR_M * prior_m
        u = (1 - share) * np.array([level.u for level in learned]) + share * prior_u
    m, u, _ = pooled(m / m.sum(), u / u.sum())
    return tuple(Level(float(x), float(y)) for x, y in zip(m, u, strict=True))


def shipped_fields(model: Model) -> dict[str, tuple[Level, ...]]:
    """The fields with their share of the prior; mixing it in must not let a weak NHS number outweigh a verified one."""
    fields = {name: mixed(name, model.fields.get(name)) for name in PRIOR}
    return {**fields, "nhs_weak": below_evidential(fields["nhs_weak"], fields["nhs_number"])}


def main(folder: Path, out: Path) -> None:
    """Train on the region in ``folder`` and write the default model to ``out``."""
    records = records_of(folder)
    trained = train(live_sample(records), files=False, population=len(records))
    if trained.refusals:
        sys.exit("training collapsed: " + "; ".join(trained.refusals))
    model, scale = trained.model(), len(records) / POPULATION
    totals, counts = count_values(records)
    frequencies = frequency_bytes(
        {name: n for name, n in totals.items() if name not in PLACES}, {name: found for name, found in counts.items() if name not in PLACES}
    )
    document = model_document(
        population=POPULATION,
        lambda_match=model.lambda_match * scale,
        rivals={name: size * scale for name, size in model.rivals.items()},
        fields=shipped_fields(model),
        frequencies=frequencies,
        training={
            **model.training, "data": "weald simulate: 100,000 people, seed 11; 20,000 records with their candidates", "scaled_from": len(records),
            "prior": "one fifth of each m, all of guardian and same_authority, set by hand for errors that the simulation does not make",
        },
    )  # fmt: skip
    (out / "default-model.json").write_bytes(document)
    (out / "default-frequencies.json").write_bytes(frequencies)
    print(load(document, frequencies).id, model.training["expected_matches"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parents[2] / "matching" / "data")
