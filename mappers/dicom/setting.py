"""What a study is mapped with: its sources, the endpoints of their archives, and the names that Weald gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mappers.context import MappingContext
from mappers.dicom.facts import Attributes
from mappers.dicom.identifiers import scoped_system

CONNECTION_TYPES = ("dicom-wado-rs", "dicom-qido-rs", "ihe-iid")
DATA_ABSENT = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}


@dataclass(frozen=True, slots=True)
class Setting:
    """Contexts by source code; endpoint ids by (source code, connection type); ``flags`` collects the findings of the map."""

    contexts: Mapping[str, MappingContext]
    endpoints: Mapping[tuple[str, str], str]
    flags: set[str] = field(default_factory=set)

    def rank(self, source: str) -> tuple[int, str]:
        """The order of sources: the lowest rank first, then the code."""
        return self.contexts[source].source.rank, source

    def zone(self, source: str) -> str:
        """Time zone of a source."""
        return self.contexts[source].source.time_zone

    def scope(self, source: str) -> str:
        """URI under which the codes of a source's own are named."""
        context = self.contexts[source]
        return scoped_system(context, context.source.organisation, "code")

    def endpoint_references(self, sources: list[str]) -> list[dict[str, str]]:
        """References to the endpoints of these sources, the best ranked source first."""
        ordered = sorted(sources, key=self.rank)
        places = [(code, connection) for code in ordered for connection in CONNECTION_TYPES]
        return [{"reference": f"Endpoint/{self.endpoints[place]}"} for place in places if place in self.endpoints]

    def raw_number(self, attributes: Attributes, keyword: str, source: str) -> dict[str, Any] | None:
        """The extension that keeps a number which FHIR cannot hold, as text; None where there is none."""
        raw = attributes.raw.get(keyword)
        url = f"{self.contexts[source].canonical_base}/StructureDefinition/raw-value"
        return {"extension": [{"url": url, "valueString": raw}]} if raw else None
