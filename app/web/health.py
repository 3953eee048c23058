"""Whether the process lives, whether it can serve, and what it has done (security.md 7)."""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime
from threading import Lock

import orjson
from flask import Response

from app.errors import StoreUnavailable
from app.ingest.again import last_sweep
from app.ingest.records import PENDING
from app.principal import SYSTEM
from app.store.contract import LEARNED, RECORD, REVIEW, Store

_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_JSON = "application/health+json"
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """Counts of this worker's requests; each line names the worker, so that a sum over workers is right."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: Counter[tuple[str, float]] = Counter()
        self._sum: Counter[str] = Counter()

    def count(self, interaction: str, type_: str, status: int, seconds: float) -> None:
        """One answered request."""
        bound = next((each for each in _BOUNDS if seconds <= each), float("inf"))
        with self._lock:
            self._requests[interaction, type_, status] += 1
            self._seconds[interaction, bound] += 1
            self._sum[interaction] += int(seconds * 1_000_000)

    def lines(self) -> list[str]:
        """The counts in Prometheus text form."""
        worker = f'worker="{os.getpid()}"'
        with self._lock:
            requests, seconds, sums = dict(self._requests), dict(self._seconds), dict(self._sum)
        out = ["# TYPE weald_http_requests_total counter"]
        out += [
            f'weald_http_requests_total{{interaction="{i}",type="{t}",status="{s}",{worker}}} {n}' for (i, t, s), n in sorted(requests.items())
        ]
        out.append("# TYPE weald_http_seconds histogram")
        for interaction, micros in sorted(sums.items()):
            total = 0
            for bound in (*_BOUNDS, float("inf")):
                total += seconds.get((interaction, bound), 0)
                shown = "+Inf" if bound == float("inf") else f"{bound:g}"
                out.append(f'weald_http_seconds_bucket{{interaction="{interaction}",le="{shown}",{worker}}} {total}')
            out.append(f'weald_http_seconds_sum{{interaction="{interaction}",{worker}}} {micros / 1_000_000:.6f}')
            out.append(f'weald_http_seconds_count{{interaction="{interaction}",{worker}}} {total}')
        return out


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
    """GET /metrics: what this worker answered and what the store holds."""
    facts = store.facts()
    lines = [*counted.lines(), "# TYPE weald_store_commits gauge", f"weald_store_commits {facts.commit}", "# TYPE weald_store_items gauge"]
    lines += [f"weald_store_items{{kind={orjson.dumps(kind).decode()}}} {n}" for kind, n in sorted(facts.counts.items())]
    lines += _matcher_lines(store)
    return Response("\n".join(lines) + "\n", 200, content_type=_TEXT)


def _matcher_lines(store: Store) -> list[str]:
    """What waits, what stewards are asked, and what the last sweep found (matching.md 3 and 9)."""
    with store.snapshot(SYSTEM) as snapshot:
        waiting, asked = snapshot.count(RECORD, "state", PENDING), snapshot.count(REVIEW, "state", "open")
        learned, swept = snapshot.count(LEARNED), last_sweep(snapshot)
    found = {"weald_records_waiting": waiting, "weald_reviews_open": asked, "weald_numbers_learned": learned}
    if swept is not None:
        found |= {"weald_sweep_records": swept.searched, "weald_sweep_added": swept.added}
        found["weald_sweep_seconds"] = int(datetime.fromisoformat(swept.at).timestamp())
    return [line for name, value in found.items() for line in (f"# TYPE {name} gauge", f"{name} {value}")]
