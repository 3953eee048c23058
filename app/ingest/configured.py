"""Resources that follow from the settings alone: the trusts as Organizations, the archives as Endpoints."""

from __future__ import annotations

from app.ingest.resources import save_resource
from app.ingest.studies import endpoint_ids
from app.principal import SYSTEM
from app.services import Services
from app.store.contract import Transaction
from mappers.dicom.endpoints import endpoint_resource
from mappers.organisation import organization_resource


def save_configured(services: Services) -> None:
    """Save what the settings name; what has not changed makes no version."""

    def change(tx: Transaction) -> None:
        for ods, name in services.sources.organisations.items():
            save_resource(tx, organization_resource(ods, name, ods), None)
        for (code, kind), id in endpoint_ids(services).items():
            source = services.sources.archive(code)
            assert source is not None  # noqa: S101  (only archives with a DICOMweb base have endpoint ids)
            assert source.wado_base is not None  # noqa: S101
            resource = endpoint_resource(source, kind, id, address=source.wado_base, organisation_reference=f"Organization/{source.organisation}")
            save_resource(tx, resource, None)

    services.store.apply(SYSTEM, [change])
