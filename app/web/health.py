"""Whether the process lives, whether it can serve, and what it has done (security.md 7)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from threading import Lock

import orjson
from flask import Response

from app.counting import Histogram, Numbers, published, series, together
from app.errors import StoreUnavailable
from app.ingest import letters
from app.ingest.again import last_sweep
from app.ingest.records import PENDING
from app.principal import SYSTEM
from app.store.contract import DEAD_LETTER, LEARNED, RECORD, REVIEW, Store

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_JSON = "application/health+json"


class Metrics:
    """Counts of this worker's requests, and of what else this process counts (``more``); ``folder`` has the numbers of the others."""

    def __init__(self, more: Callable[[], Numbers] = Numbers, folder: Path | None = None) -> None:
        self.folder = folder
        self._lock = Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: defaultdict[str, Histogram] = defaultdict(Histogram)
        self._more = more

    def count(self, interaction: str, type_: str, status: int, seconds: float) -> None:
        """One answered request."""
        with self._lock:
            self._requests[interaction, type_, status] += 1
            histogram = self._seconds[interaction]
        histogram.observe(seconds)

    def numbers(self) -> Numbers:
        """The counts by series."""
        with self._lock:
            requests, histograms = dict(self._requests), dict(self._seconds)
        totals: dict[str, float] = {
            series("weald_http_requests_total", interaction=i, type=t, status=str(status)): n for (i, t, status), n in requests.items()
        }
        for interaction, histogram in histograms.items():
            totals |= histogram.totals("weald_http_seconds", interaction=interaction)
        return together([Numbers(totals), self._more()])


def live() -> Response:
    """GET /health/live: this process answers."""
    return Response(b'{"status":"pass"}', 200, mimetype=_JSON)


def ready(store: Store) -> Response:
    """GET /health/ready: a commit is possible now."""
    try:
        store.check()
    except StoreUnavailable:
        return Response(b'{"status":"fail","output":"the store cannot commit"}', 503, [("Retry-After", "5")], mimetype=_JSON)
    return Response(b'{"status":"pass"}', 200, mimetype=_JSON)


def metrics(store: Store, counted: Metrics) -> Response:
    """GET /metrics: what all processes of this service did, and what the store holds."""
    facts = store.facts()
    held: dict[str, float] = {"weald_store_commits": facts.commit}
    held |= {series("weald_store_items", kind=kind): number for kind, number in facts.counts.items()}
    others = published(counted.folder) if counted.folder else ()
    found = together([counted.numbers(), *others, Numbers(gauges=held | _waiting(store))])
    return Response("\n".join(found.lines()) + "\n", 200, content_type=_TEXT)


def _waiting(store: Store) -> dict[str, float]:
    """What waits, for whom, and what the last sweep found (matching.md 3 and 9; hl7v2.md 6)."""
    with store.snapshot(SYSTEM) as snapshot:
        asked = Counter(orjson.loads(body)["kind"] for _, body in snapshot.find(REVIEW, "state", ["open"]))
        found: dict[str, float] = {
            "weald_records_waiting": snapshot.count(RECORD, "state", PENDING), "weald_numbers_learned": snapshot.count(LEARNED),
            "weald_dead_letters_open": snapshot.count(DEAD_LETTER, "state", letters.OPEN),
        }  # fmt: skip
        swept = last_sweep(snapshot)
    found |= {series("weald_reviews_open", kind=kind): number for kind, number in asked.items()} or {"weald_reviews_open": 0}
    if swept is not None:
        found |= {"weald_sweep_records": swept.searched, "weald_sweep_added": swept.added}
        found["weald_sweep_seconds"] = int(datetime.fromisoformat(swept.at).timestamp())
    return found
