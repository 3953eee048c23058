"""What the front doors share: the store, the settings, the matcher and the clock, in one frozen value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.settings import Settings
from app.sources import SourceRegistry
from app.store.contract import Store
from matching.scoring import Scorer


def utc_now() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a request needs; made once a process."""

    store: Store
    settings: Settings
    scorer: Scorer
    sources: SourceRegistry
    id_secret: bytes
    clock: Callable[[], datetime] = utc_now
