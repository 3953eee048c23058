"""What one message or one DICOM header says of one patient, before anything is decided.

Both mappers (``hl7v2``, ``dicom``) make PatientFacts; ``mappers.patient`` folds them, in any order,
into the state of a source patient and makes the FHIR Patient from that state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

CLASS_RANK = {"P": -1, "H": 0, "O": 1, "V": 2, "D": 3}
"""Demographic > visit > order or result > DICOM header (design.md, Identity).

P is provisional: the PID of a merge, link or unlink. It serves only while a record has no other message, so that a
known survivor keeps its demographics and an unknown one is created from the PID, in whichever order they arrive.
"""


class Stamp(NamedTuple):
    """When and by what something was said. Stamps compare: the field winner is the greatest (hl7v2.md 4).

    ``rank`` from CLASS_RANK; times ISO 8601 UTC with microseconds, so that text order is time order.
    """

    rank: int
    event_time: str
    message_time: str
    sequence: int
    control_id: str
    content_hash: str
    source: str


def period_from_dates(start: str | None, end: str | None) -> dict[str, str]:
    """The FHIR Period of two ISO dates, as far as they are given; a start after the end is left out (per-1)."""
    if start and end:
        size = min(len(start), len(end))
        start = start if start[:size] <= end[:size] else None
    return {key: value for key, value in (("start", start), ("end", end)) if value}


@dataclass(frozen=True, slots=True)
class IdentifierFact:
    """One identifier: ``system`` URI, exact ``value``, v2-0203 ``type_code``, owner ODS (None: NHS number).

    ``use`` is "official", "old", "temp" or None; ``status`` the two-digit NHS number verification status;
    ``assumed`` where the authority was not sent; ``labelled`` False for ten digits nobody called an NHS number;
    ``ended`` where the sender deleted it ("") or its period is over.
    """

    system: str
    value: str
    type_code: str = "MR"
    owner: str | None = None
    use: str | None = None
    start: str | None = None
    end: str | None = None
    status: str | None = None
    assumed: bool = False
    labelled: bool = True
    ended: bool = False

    @property
    def key(self) -> str:
        """``system|value``."""
        return f"{self.system}|{self.value}"


@dataclass(frozen=True, slots=True)
class Assertion:
    """One field's value as one message gives it; ``value`` None says the sender deleted it.

    Fields and their JSON values are FHIR-shaped; a dotted name is a snapshot of its own beside its base field:
    ``name``, ``name.alias`` list[HumanName]; ``birthDate`` {"value", "time"?, "quality"?} (quality "default",
    "estimated", or "" where the sender says neither; absent where it does not say); ``gender`` {"value", "raw"};
    ``address`` list[Address]; ``telecom.home``, ``telecom.work``, ``telecom.other`` list[ContactPoint]; ``deceased``
    and ``deceased.<visit>`` {"boolean"} or {"dateTime"}; ``maritalStatus``, ``religion``, ``ethnicCategory``,
    ``citizenship``, ``language`` CodeableConcept; ``birthPlace`` str; ``multipleBirth`` {"integer"} or {"boolean"};
    ``generalPractitioner.practice``, ``generalPractitioner.practitioner`` list[Reference]; ``contact``
    list[Patient.contact]; ``nhsNumber`` {"value", "labelled"} (made from the identifiers where not given);
    ``mothersMaidenName`` list[HumanName]; ``pseudo``, ``restricted``, ``alias``, ``addressDefault`` bool; ``consent``
    and ``reliability`` raw codes.

    ``add`` where the sender's repeats of a list field add to its earlier ones instead of replacing them.
    """

    field: str
    value: Any
    add: bool = False


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """Identifiers and assertions of one patient in one message, with coded findings (``flags``)."""

    identifiers: tuple[IdentifierFact, ...]
    assertions: tuple[Assertion, ...] = ()
    flags: tuple[str, ...] = ()
