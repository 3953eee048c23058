"""What the MLLP listener counts (security.md 7, Metrics)."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the answer times in seconds; a last bucket has no bound."""


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
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))

    def answered(self, seconds: float) -> None:
        """Count one answer, given that long after its frame was complete."""
        self.answers += 1
        self.seconds += seconds
        self.buckets[bisect_left(BOUNDS, seconds)] += 1

    def lines(self) -> list[str]:
        """Prometheus text format, without a word of what was in a message."""
        gauges = {"connections": self.connections, "buffered_bytes": self.buffered}
        totals = {
            "frames_total": self.frames, "acks_total": self.answers, "withheld_total": self.withheld, "unwanted_acks_total": self.unwanted,
            "over_size_total": self.over_size, "skipped_bytes_total": self.skipped, "restarted_frames_total": self.restarted,
            "groups_total": self.groups, "failed_total": self.failed, "connections_total": self.accepted,
        }  # fmt: skip
        shed = {"refused": self.refused, "idle": self.dropped_idle, "unfinished": self.dropped_unfinished, "memory": self.dropped_memory}
        found = [f"weald_mllp_{name} {value}" for name, value in (gauges | totals).items()]
        found += [f'weald_mllp_dropped_total{{reason="{reason}"}} {value}' for reason, value in shed.items()]
        return found + self._histogram()

    def _histogram(self) -> list[str]:
        found, total = [], 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self.buckets, strict=True):
            total += count
            found.append(f'weald_mllp_ack_seconds_bucket{{le="{bound}"}} {total}')
        return [*found, f"weald_mllp_ack_seconds_sum {self.seconds:.6f}", f"weald_mllp_ack_seconds_count {total}"]
