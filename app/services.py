"""What the front doors share: the store, the settings, the matcher and the clock, in one frozen value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from app.errors import InvalidValue, SettingsError
from app.models import read_model
from app.search.reach import Reach
from app.settings import SAMPLE_ID_SECRET, Settings
from app.sources import SourceRegistry
from app.store.contract import Snapshot, Store
from app.store.persons import person_members
from matching.model import Model, default_model
from matching.normalise import NOTHING_LEARNED, Learned
from matching.scoring import Scorer


def utc_now() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a request needs; made once a process. ``timer`` counts seconds, from whenever: the limits on work are kept by it."""

    store: Store
    settings: Settings
    scorer: Scorer
    sources: SourceRegistry
    id_secret: bytes
    learned: Learned = NOTHING_LEARNED
    clock: Callable[[], datetime] = utc_now
    timer: Callable[[], float] = monotonic

    def now(self) -> str:
        """The instant of the clock, ISO 8601 UTC with microseconds: as receipts, events and edges have it."""
        return self.clock().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def person_members(self, snapshot: Snapshot, patient_ids: Sequence[str], floor: str) -> Reach:
        """The records that a search by these patients reaches (``app.store.persons``)."""
        return person_members(snapshot, patient_ids, floor)


def open_store(uri: str) -> Store:
    """The store engine that a ``store`` setting names, open."""
    if uri.startswith("sqlite:///"):
        from app.store import sqlite  # noqa: PLC0415  (an engine is imported only where it is used)

        path = Path(uri.removeprefix("sqlite:///"))
        path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite.open_store(path)
    from app.store import mongo  # noqa: PLC0415

    return mongo.open_store(uri)


def matching_model(settings: Settings) -> Model:
    """The model that ``matching.model`` names, else the shipped one."""
    if settings.matching.model is None:
        return default_model()
    try:
        return read_model(settings.matching.model)
    except InvalidValue as error:
        raise SettingsError(f"matching.model: {error.text}") from None


def services_from_settings(settings: Settings, *, store: Store | None = None, clock: Callable[[], datetime] = utc_now) -> Services:
    """The services of one process; opens the store unless one is given."""
    return Services(
        store=store or open_store(settings.store), settings=settings, scorer=Scorer(matching_model(settings)), sources=SourceRegistry.of(settings),
        id_secret=settings.id_secret.get_secret_value().encode() if settings.id_secret else SAMPLE_ID_SECRET.encode(), clock=clock,
    )  # fmt: skip
