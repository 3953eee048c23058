"""What one message or one DICOM header says of one patient, before anything is decided.

Both mappers (``hl7v2``, ``dicom``) make PatientFacts; ``mappers.patient`` folds them, in any order,
into the state of a source patient and makes the FHIR Patient from that state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

CLASS_RANK = {"H": 0, "O": 1, "V": 2, "D": 3}
"""Demographic > visit > order or result > DICOM header (design.md, Identity)."""


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

    Fields and their JSON values are FHIR-shaped: ``name`` list[HumanName], ``birthDate`` {"value", "time"?,
    "quality"?}, ``gender`` {"value", "raw"}, ``address`` list[Address], ``telecom.home`` and ``telecom.work``
    list[ContactPoint], ``deceased`` {"boolean"} or {"dateTime"}, ``maritalStatus``, ``communication``,
    ``generalPractitioner``, ``contact``, ``multipleBirth``, ``ethnicCategory``, ``religion``, ``birthPlace``,
    ``citizenship``, ``nhsNumber`` {"value", "status"}, ``pseudo`` bool, ``restricted`` bool,
    ``mothersMaidenName`` list[HumanName].
    """

    field: str
    value: Any


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """Identifiers and assertions of one patient in one message, with coded findings (``flags``)."""

    identifiers: tuple[IdentifierFact, ...]
    assertions: tuple[Assertion, ...] = ()
    flags: tuple[str, ...] = ()
