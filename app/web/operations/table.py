"""The operations served: what the URLs and the CapabilityStatement are made from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response

from app.web.door import Exchange
from app.web.operations.do_not_link import do_not_link
from app.web.operations.explain import explain
from app.web.operations.link import link
from app.web.operations.match import match
from app.web.operations.merge import merge
from app.web.operations.retire import retire
from app.web.operations.settle import settle
from app.web.operations.split import split
from app.web.operations.undo import undo
from app.web.operations.unlink import unlink


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: of a type or of its instances, by which method, where it is defined (None: among Weald's own)."""

    type: str
    name: str
    view: Callable[[Exchange, str | None], Response]
    instance: bool = False
    method: str = "POST"
    defined: str | None = None

    @property
    def rule(self) -> str:
        """Its URL rule."""
        return f"/fhir/{self.type}/<id_>/${self.name}" if self.instance else f"/fhir/{self.type}/${self.name}"

    def definition(self, canonical_base: str) -> str:
        """The canonical of its OperationDefinition."""
        return self.defined or f"{canonical_base}/OperationDefinition/{self.type}-{self.name}"


OPERATIONS = (
    Operation("Patient", "match", match, defined="http://hl7.org/fhir/OperationDefinition/Patient-match"),
    Operation("Patient", "explain", explain, instance=True, method="GET"),
    Operation("Patient", "link", link),
    Operation("Patient", "unlink", unlink),
    Operation("Patient", "merge", merge),
    Operation("Patient", "split", split),
    Operation("Patient", "undo", undo),
    Operation("Task", "settle", settle, instance=True),
    Operation("List", "do-not-link", do_not_link),
    Operation("List", "retire", retire, instance=True),
)
