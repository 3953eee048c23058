"""What a person's reach is told as: the records found, and by which link each was reached (fhir.md 3, Expansion)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ViaLink:
    """The link that reached a record: its grade, the Linkage that shows it, and who decided it."""

    grade: str
    linkage_id: str
    decided_by: str


@dataclass(frozen=True, slots=True)
class Reached:
    """A source patient in reach and its golden patient; ``via`` None where it is the named record itself."""

    record_id: str
    golden_id: str
    via: ViaLink | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """The source patients in reach of the named ones, and how many more there are just below the floor."""

    members: tuple[Reached, ...] = ()
    below_floor: int = 0
