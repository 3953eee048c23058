"""What the MLLP listener counts (security.md 7, Metrics)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.counting import Histogram, Numbers, series

_MSA = b"\rMSA"


@dataclass(slots=True)
class Counters:
    """Totals since the start, and two gauges: ``connections`` open now and ``buffered`` bytes of unfinished and unanswered frames."""

    connections: int = 0
    buffered: int = 0
    accepted: int = 0
    refused: int = 0
    dropped_idle: int = 0
    dropped_unfinished: int = 0
    dropped_memory: int = 0
    frames: int = 0
    over_size: int = 0
    skipped: int = 0
    restarted: int = 0
    groups: int = 0
    answers: int = 0
    withheld: int = 0
    unwanted: int = 0
    failed: int = 0
    seconds: Histogram = field(default_factory=Histogram)
    answered_by: Counter[tuple[str, str]] = field(default_factory=Counter)
    heard: dict[str, float] = field(default_factory=dict)

    def expect(self, sources: Iterable[str]) -> None:
        """Begin to wait for these feeds: what has not been heard of since the start counts as heard of then."""
        self.heard = {source: time.time() for source in sources}

    def came(self, source: str) -> None:
        """Note that a feed sent something now."""
        self.heard[source] = time.time()

    def answered(self, source: str, answer: bytes, seconds: float) -> None:
        """Count one answer by its code, given that long after its frame was complete."""
        self.answers += 1
        self.answered_by[source, _code(answer)] += 1
        self.seconds.observe(seconds)

    def numbers(self) -> Numbers:
        """The counts by series, without a word of what was in a message."""
        totals = {
            "frames_total": self.frames, "withheld_total": self.withheld, "unwanted_acks_total": self.unwanted,
            "over_size_total": self.over_size, "skipped_bytes_total": self.skipped, "restarted_frames_total": self.restarted,
            "groups_total": self.groups, "failed_total": self.failed, "connections_total": self.accepted,
        }  # fmt: skip
        shed = {"refused": self.refused, "idle": self.dropped_idle, "unfinished": self.dropped_unfinished, "memory": self.dropped_memory}
        return Numbers(
            totals={
                **{f"weald_mllp_{name}": value for name, value in totals.items()},
                **{series("weald_mllp_acks_total", source=source, code=code): value for (source, code), value in self.answered_by.copy().items()},
                **{series("weald_mllp_dropped_total", reason=reason): value for reason, value in shed.items()},
                **self.seconds.totals("weald_mllp_ack_seconds"),
            },
            gauges={"weald_mllp_connections": self.connections, "weald_mllp_buffered_bytes": self.buffered},
            latest={series("weald_mllp_last_message_seconds", source=source): int(at) for source, at in self.heard.copy().items()},
        )


def _code(answer: bytes) -> str:
    """MSA-1 of an acknowledgement."""
    place = answer.find(_MSA) + len(_MSA) + 1
    return answer[place : place + 2].decode("ascii", "replace")
