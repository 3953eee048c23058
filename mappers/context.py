"""What a mapper must know of the sender: plain values, made from the settings by ``app.services``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
ODS_CODE = "https://fhir.nhs.uk/Id/ods-organization-code"


@dataclass(frozen=True, slots=True)
class Authority:
    """An assigning authority: the FHIR identifier system, v2-0203 type and owner of its numbers.

    ``owner`` is the ODS code of the organisation that issues the numbers, ``None`` for the NHS
    number, which no trust owns.
    """

    code: str
    system: str
    type_code: str = "MR"
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One configured feed or archive of one organisation, with its policy.

    ``authorities`` maps the namespace (CX.4.1, issuer of Patient ID) or universal id that this
    source sends, upper case, to an Authority; ``default_authority`` serves where none is sent.

    ``snapshot_add`` names the list fields of mappers.facts whose repeats add to earlier ones instead of replacing them.
    ``code_maps`` gives, by field of mappers.facts, the (system, code, display) of each code that the source sends,
    upper case. ``death_dispositions`` are the PV1-36 codes by which a discharge says that the patient died, at the
    time of PV1-45 if ``death_time_from_discharge``. ``tolerate_utf8`` reads UTF-8 declared as 8859/x, with a flag.
    ``restores_quality`` shows an instance that was rejected for its quality (113001) once it is sent again.
    """

    code: str
    organisation: str
    authorities: Mapping[str, Authority] = field(default_factory=dict)
    default_authority: Authority | None = None
    type_synonyms: Mapping[str, str] = field(default_factory=dict)
    pairing: str = "auto"
    snapshot_add: frozenset[str] = frozenset()
    charset: str = "ASCII"
    time_zone: str = "Europe/London"
    rank: int = 100
    unpaired_retire: bool = False
    store_only: frozenset[str] = frozenset()
    accession_system: str | None = None
    study_id_system: str | None = None
    wado_base: str | None = None
    code_maps: Mapping[str, Mapping[str, tuple[str, str, str]]] = field(default_factory=dict)
    death_dispositions: frozenset[str] = frozenset()
    death_time_from_discharge: bool = False
    tolerate_utf8: bool = False
    restores_quality: bool = False


@dataclass(frozen=True, slots=True)
class MappingContext:
    """One mapping: who sent it, and when it arrived (ISO 8601 UTC, microseconds)."""

    source: Source
    received_at: str
    canonical_base: str = "https://weald.example/fhir"
    admit_test_numbers: bool = False

    def flag_system(self) -> str:
        """URI of the code system of Weald's own flags (design.md, contract: own names)."""
        return f"{self.canonical_base}/CodeSystem/flag"
