"""Many records by column: each value a number, so that millions of pairs are compared at once (relink; matching.md 9)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
import numpy.typing as npt

from matching.demographics import EVIDENTIAL, WEAK, Demographics
from matching.normalise import passes_check

Codes = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]

_SEXES = {"": 0, "m": 1, "f": 2}
_STATES = {WEAK: 1, EVIDENTIAL: 2}


class Vocabulary:
    """The distinct texts of a column; "" is number 0."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {"": 0}

    def number(self, text: str) -> int:
        """The text's number."""
        return self._numbers.setdefault(text, len(self._numbers))

    def in_order(self) -> tuple[npt.NDArray[np.object_], Codes]:
        """The texts in the order of their letters, and the place there of each number: so numbered, the smaller text has the smaller number."""
        texts = np.empty(len(self._numbers), dtype=object)
        texts[:] = list(self._numbers)
        order = np.argsort(texts, kind="stable")
        places = np.empty(len(texts), dtype=np.int32)
        places[order] = np.arange(len(texts), dtype=np.int32)
        return texts[order], places


@dataclass(frozen=True, slots=True)
class Values:
    """A column of any number of values a record: ``codes[starts[i]:starts[i + 1]]`` are those of record i."""

    starts: Places
    codes: Codes

    def counts(self, rows: Places) -> Places:
        """How many values each of these records has."""
        return self.starts[rows + 1] - self.starts[rows]


class _Filling:
    """A column while it is filled."""

    def __init__(self) -> None:
        self.starts, self.codes = array("q", [0]), array("i")

    def add(self, codes: Iterable[int]) -> None:
        self.codes.extend(codes)
        self.starts.append(len(self.codes))

    def values(self) -> Values:
        return Values(np.array(self.starts, dtype=np.int64), np.array(self.codes, dtype=np.int32))


PLACES = {"street": "streets", "city": "cities", "postcode": "postcodes", "phone": "phones", "email": "emails"}
"""Fields of several values, and what Demographics calls them."""
NAME_PARTS = ("given", "middle", "family", "given_sound", "family_sound")


@dataclass(frozen=True)
class Columns:
    """Coded records. ``several``: columns of any number of values by name, names apart as given, middle, family and sounds that stand side by side.

    ``single``: columns of one number a record; ``texts``: what the numbers of a column stand for, smaller texts first, "" as 0. Identifiers are
    known by a check sum alone: two that seem equal are only looked at more closely.
    """

    several: dict[str, Values]
    single: dict[str, Codes]
    texts: dict[str, npt.NDArray[np.object_]]

    def __len__(self) -> int:
        return len(self.single["sex"])


@dataclass
class Coder:
    """Makes Columns of records added one by one."""

    _vocabularies: dict[str, Vocabulary] = field(default_factory=dict)
    _several: dict[str, _Filling] = field(default_factory=dict)
    _single: dict[str, array[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._several = {name: _Filling() for name in (*NAME_PARTS, *PLACES, "identifier", "system")}
        self._single = {name: array("i") for name in ("birth_date", "sex", "birth_order", "nhs_number", "nhs_state", "nhs_checked", "guardian")}
        self._vocabularies = {name: Vocabulary() for name in (*self._several, *self._single)}

    def add(self, record: Demographics) -> None:
        """Code one more record."""
        number = {name: vocabulary.number for name, vocabulary in self._vocabularies.items()}
        for part in NAME_PARTS:
            code = number[part]
            self._several[part].add([code(getattr(name, part)) for name in record.names])
        for field_name, attribute in PLACES.items():
            code = number[field_name]
            self._several[field_name].add([code(value) for value in getattr(record, attribute)])
        self._several["identifier"].add([crc32(value.encode()) >> 1 for _, value in record.identifiers])
        self._several["system"].add([number["system"](system) for system, _ in record.identifiers])
        single = self._single
        single["birth_date"].append(number["birth_date"](record.birth_date))
        single["birth_order"].append(number["birth_order"](record.birth_order))
        single["guardian"].append(number["guardian"](record.guardian))
        single["sex"].append(_SEXES[record.sex])
        single["nhs_number"].append(number["nhs_number"](record.nhs_number))
        single["nhs_state"].append(_STATES.get(record.nhs_state, 0))
        single["nhs_checked"].append(bool(record.nhs_number) and passes_check(record.nhs_number))

    def columns(self) -> Columns:
        """The records coded so far."""
        several = {name: column.values() for name, column in self._several.items()}
        single = {name: np.array(column, dtype=np.int32) for name, column in self._single.items()}
        texts = {}
        for name in (*NAME_PARTS, *PLACES, "birth_date", "birth_order", "nhs_number", "guardian"):
            texts[name], places = self._vocabularies[name].in_order()
            if name in several:
                several[name] = Values(several[name].starts, places[several[name].codes])
            else:
                single[name] = places[single[name]]
        return Columns(several, single, texts)
