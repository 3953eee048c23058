"""The blind audit: which automatic links stewards are asked about, without being told what is known of them (matching.md 7, Calibration).

One link in 500 of each stratum: two trusts and a subgroup. In a stratum the links are in the order of a digest of the pair and the site's
secret, and counting begins at a place that the secret gives: which links are chosen cannot be foreseen, and comes out the same again.
"""

from __future__ import annotations

import hashlib
import hmac
from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from app.ingest.edges import Edge
from app.ingest.records import Record
from app.ingest.reporting import UNKNOWN, age_band
from app.ingest.reviews import AUDIT

ONE_IN = 500
_SLACK = 8
"""Links kept beyond those to be chosen, while the size of a stratum is not known."""


class Chosen(NamedTuple):
    """A link to be audited: its edge and records, its stratum, and the probability with which a link is chosen."""

    id: str
    records: tuple[str, str]
    stratum: str
    probability: float = 1 / ONE_IN


def stratum_of(a: Record, b: Record, year: int) -> str:
    """The trust pair and the subgroup (sex, age band, ethnic category) of a link: what the first record says, else the second."""
    records = sorted((a, b), key=lambda record: record.first_key)
    groups = [_subgroup(record, year) for record in records]
    known = [next((value for value in values if value != UNKNOWN), UNKNOWN) for values in zip(*groups, strict=True)]
    return "|".join([*sorted(record.organisation for record in records), *known])


def _subgroup(record: Record, year: int) -> tuple[str, str, str]:
    value = record.state.value
    born = str((value("birthDate") or {}).get("value", ""))[:4]
    coding = ((value("ethnicCategory") or {}).get("coding") or [{}])[0]
    return (value("gender") or {}).get("value", "") or UNKNOWN, age_band(born, year), coding.get("code") or UNKNOWN


class Audits:
    """Counts the links of each stratum as they are walked by, and keeps those that may be chosen."""

    def __init__(self, secret: bytes, year: int) -> None:
        self._secret = secret
        self._year = year
        self._links: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._first: dict[str, list[tuple[int, Chosen]]] = {}

    def _digest(self, *parts: str) -> int:
        return int.from_bytes(hmac.new(self._secret, "|".join([AUDIT, *parts]).encode(), hashlib.sha256).digest()[:8])

    def add(self, links: Iterable[tuple[Edge, Record, Record, Mapping[str, Any] | None]]) -> None:
        """Walk by some links, each with the audit item that there is of it."""
        for edge, a, b, item in links:
            stratum = stratum_of(a, b, self._year)
            self._links[stratum] += 1
            if item is not None and item["state"] != "moot":
                self._asked[stratum] += 1
                continue
            first = self._first.setdefault(stratum, [])
            insort(first, (self._digest(edge.a, edge.b), Chosen(edge.id, (edge.a, edge.b), stratum)))
            del first[2 * (self._links[stratum] // ONE_IN) + _SLACK :]

    def chosen(self) -> list[Chosen]:
        """The links to be audited now, by digest."""
        found: list[tuple[int, Chosen]] = []
        for stratum, first in self._first.items():
            wanted = (self._links[stratum] + self._digest("start", stratum) % ONE_IN) // ONE_IN
            found += first[: max(wanted - self._asked[stratum], 0)]
        return [one for _, one in sorted(found)]
