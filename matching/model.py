"""The matcher's model: an immutable JSON document, known by the SHA-256 of its canonical bytes (matching.md 5)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from itertools import pairwise
from math import log2
from types import MappingProxyType
from typing import Any, NamedTuple

from matching.comparisons import COMPARATOR_VERSION, level_count
from matching.normalise import NORMALISER_VERSION

FORMAT = 1

_HOUSEHOLD = {"family": 0.85, "street": 0.97, "city": 0.97, "postcode": 0.97, "phone": 0.80, "email": 0.80, "guardian": 0.80}
_IDENTIFIERS = {"nhs_number": 0.98, "nhs_weak": 0.98, "same_authority": 0.98, "id:*": 0.98}

ALPHA: Mapping[str, Mapping[str, float]] = MappingProxyType({
    "housemate": _HOUSEHOLD,
    "twin": {**_HOUSEHOLD, "family": 0.95, "birth_date": 0.98},
    "namesake": {**_HOUSEHOLD, "family": 0.97, "given": 0.95, "middle": 0.90, "sex": 0.98},
    "borrowed": {**_HOUSEHOLD, **_IDENTIFIERS},
})  # fmt: skip
"""How far a field behaves as in a match when the pair agrees for another reason; absent = 0."""

RIVALS = tuple(ALPHA)

SIZE_BOUNDS: Mapping[str, tuple[str, float, float]] = MappingProxyType({
    "housemate": ("match", 0.02, 3.0),
    "twin": ("housemate", 0.003, 0.03),
    "namesake": ("housemate", 0.001, 0.01),
    "borrowed": ("housemate", 0.04, 0.4),
})  # fmt: skip
"""Of each rival: what its size is bounded by, least (0 of a match for files) and greatest ratio to it."""

TERM_FIELDS = ("given", "family", "city", "postcode")
SHARED_FIELDS = ("phone", "email", "street")
IDENTIFIER = "id:"
"""How the field of an extra identifier begins; before its name."""
KAPPA = 1000.0
LEAST_COUNT = 5

GRADES = ("certain", "probable", "possible", "certainly-not")


def alpha(rival: str, field: str, table: Mapping[str, Mapping[str, float]] = ALPHA) -> float:
    """The alpha of a field under a rival; every ``id:x`` has that of ``id:*``."""
    values = table[rival]
    return values.get("id:*" if field.startswith("id:") else field, 0.0)


class Level(NamedTuple):
    """m and u probability of one comparison level."""

    m: float
    u: float

    @property
    def weight(self) -> float:
        """log2(m/u)."""
        return log2(self.m / self.u)


class Costs(NamedTuple):
    """What a wrong link, a missed link and a review cost; the grade bounds follow (matching.md 7)."""

    wrong: float = 100.0
    missed: float = 1.0
    review: float = 0.1

    @property
    def bounds(self) -> tuple[float, float, float]:
        """Least probability of certain, probable and possible."""
        return 1 - self.review / self.wrong, self.wrong / (self.wrong + self.missed), self.review / self.missed


@dataclass(frozen=True)
class Model:
    """One loaded model. ``lambdas``: expected share of pairs that are a match and, by name, each rival.

    ``fields``: levels by field, level 1 first. ``frequencies``: counts by field and value, and ``totals`` by field,
    ``own_frequencies`` where they were counted in the very records that the model is for;
    ``calibration``: (weight, probability) knots, or () for the formula.
    """

    id: str
    population: int
    lambda_match: float
    rivals: Mapping[str, float]
    alpha: Mapping[str, Mapping[str, float]]
    fields: Mapping[str, tuple[Level, ...]]
    frequencies: Mapping[str, Mapping[str, int]]
    totals: Mapping[str, int]
    kappa: float
    own_frequencies: bool
    costs: Costs
    calibration: tuple[tuple[float, float], ...]
    overused_birth_dates: frozenset[str]
    training: Mapping[str, Any]
    document: bytes

    def table(self) -> bytes | None:
        """The bytes of the frequency table that its document names, None where it has none."""
        return frequency_bytes(self.totals, self.frequencies) if self.totals else None


class UnusableModel(ValueError):
    """A model document that cannot be used; the sentence says why and names no patient."""


def canonical_bytes(document: Mapping[str, Any]) -> bytes:
    """The bytes that a model document is stored as and known by."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def model_document(
    *,
    population: int,
    lambda_match: float,
    rivals: Mapping[str, float],
    fields: Mapping[str, tuple[Level, ...]],
    frequencies: bytes | None = None,
    own_frequencies: bool = False,
    costs: Costs = Costs(),  # noqa: B008 - immutable
    calibration: tuple[tuple[float, float], ...] = (),
    overused_birth_dates: frozenset[str] = frozenset(),
    training: Mapping[str, Any] = MappingProxyType({}),
) -> bytes:
    """The canonical bytes of a model document with these parameters and the alpha table of this code."""
    return canonical_bytes({
        "format": FORMAT,
        "normaliser": NORMALISER_VERSION,
        "comparator": COMPARATOR_VERSION,
        "population": population,
        "lambda": lambda_match,
        "rivals": {name: {"lambda": size, "alpha": dict(ALPHA[name])} for name, size in rivals.items()},
        "fields": {
            name: [{"m": level.m, "u": level.u, "w": round(level.weight, 6)} for level in levels] for name, levels in fields.items()
        },
        "frequencies": {"sha256": sha256(frequencies).hexdigest() if frequencies else None, "kappa": KAPPA, "least": LEAST_COUNT, "own": own_frequencies},
        "costs": costs._asdict(),
        "calibration": [list(knot) for knot in calibration],
        "overused_birth_dates": sorted(overused_birth_dates),
        "training": dict(training),
    })  # fmt: skip


def frequency_bytes(totals: Mapping[str, int], counts: Mapping[str, Mapping[str, int]]) -> bytes:
    """The canonical bytes of a frequency table; counts under 5 are left out."""
    kept = {field: {value: n for value, n in values.items() if n >= LEAST_COUNT} for field, values in counts.items()}
    return canonical_bytes({"totals": dict(totals), "counts": kept})


def _levels(name: str, rows: list[dict[str, float]]) -> tuple[Level, ...]:
    levels = tuple(Level(float(row["m"]), float(row["u"])) for row in rows)
    if len(levels) != level_count(name):
        raise UnusableModel(f"field {name} has {len(levels)} levels, the comparator has {level_count(name)}")
    if any(not 0 < level.m <= 1 or not 0 < level.u <= 1 for level in levels):
        raise UnusableModel(f"field {name} has a probability outside (0, 1]")
    if any(after.weight > before.weight + 1e-9 for before, after in pairwise(levels)):
        raise UnusableModel(f"field {name} has a weight that rises with the level number")
    return levels


def _check_versions(document: Mapping[str, Any]) -> None:
    for name, version in (("format", FORMAT), ("normaliser", NORMALISER_VERSION), ("comparator", COMPARATOR_VERSION)):
        if document.get(name) != version:
            raise UnusableModel(f"the model's {name} version is not {version}")


def _table(document: Mapping[str, Any], frequencies: bytes | None) -> dict[str, Any]:
    expected = document["frequencies"]["sha256"]
    if frequencies is None or expected is None:
        return {"totals": {}, "counts": {}}
    if sha256(frequencies).hexdigest() != expected:
        raise UnusableModel("the frequency table is not the one that the model names")
    table: dict[str, Any] = json.loads(frequencies)
    return table


def load(document: bytes, frequencies: bytes | None = None) -> Model:
    """The Model of a document and the frequency table that it names; UnusableModel where it cannot be used."""
    try:
        raw = json.loads(document)
        _check_versions(raw)
        table = _table(raw, frequencies)
        return Model(
            id=sha256(canonical_bytes(raw)).hexdigest(),
            population=int(raw["population"]),
            lambda_match=float(raw["lambda"]),
            rivals={name: float(rival["lambda"]) for name, rival in raw["rivals"].items()},
            alpha={name: rival["alpha"] for name, rival in raw["rivals"].items()},
            fields={name: _levels(name, rows) for name, rows in raw["fields"].items()},
            frequencies=table["counts"],
            totals=table["totals"],
            kappa=float(raw["frequencies"]["kappa"]),
            own_frequencies=bool(raw["frequencies"].get("own", False)),
            costs=Costs(**raw["costs"]),
            calibration=tuple((float(w), float(p)) for w, p in raw["calibration"]),
            overused_birth_dates=frozenset(raw["overused_birth_dates"]),
            training=raw["training"],
            document=document,
        )
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise UnusableModel("the model document lacks a part or is not JSON") from error


@cache
def default_model() -> Model:
    """The model that ships with Weald: safe weights for a site that has not trained its own."""
    data = resources.files("matching") / "data"
    return load((data / "default-model.json").read_bytes(), (data / "default-frequencies.json").read_bytes())
