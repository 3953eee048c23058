"""A small region in a real store, behind the real front door.

Alice has records at RTK and RXC, linked for certain, and one at RPC that is only probably hers. Anna is her
twin. Bea changed her surname: her old record at RA2 was replaced by her new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from app.principal import SYSTEM
from app.search import subsets
from app.search.entries import entries
from app.search.reach import Reach, Reached, ViaLink
from app.store.content import content_from_resource
from app.store.sqlite import open_store
from app.web.application import create_app

W = "https://weald.example/fhir"
NHS = "https://fhir.nhs.uk/Id/nhs-number"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
GRADES = ("certain", "probable", "possible")


def record_class(code):
    return {"tag": [{"system": f"{W}/CodeSystem/record-class", "code": code}]}


def patient(id, organisation, number, name, birth_date, golden, nhs=None, **more: Any):
    family, given = name
    identifiers = [{"system": f"https://{organisation.lower()}.nhs.uk/mrn", "value": number}]
    if nhs:
        identifiers.insert(0, {"system": NHS, "value": nhs})
    return {
        "resourceType": "Patient",
        "id": id,
        "meta": record_class("source"),
        "identifier": identifiers,
        "active": True,
        "name": [{"use": "official", "family": family, "given": [given]}],
        "telecom": [{"system": "phone", "value": "020 7946 0018"}],
        "gender": "female",
        "birthDate": birth_date,
        "address": [{"line": ["1 High St"], "city": "Crawley", "postalCode": "RH10 1AA"}],
        "managingOrganization": {"reference": f"Organization/{organisation.lower()}"},
        "link": [{"other": {"reference": f"Patient/{golden}"}, "type": "seealso"}],
        **more,
    }


def golden(id, members, family, given, nhs):
    return {
        "resourceType": "Patient",
        "id": id,
        "meta": record_class("golden"),
        "identifier": [{"system": NHS, "value": nhs}],
        "active": True,
        "name": [{"family": family, "given": [given]}],
        "link": [{"other": {"reference": f"Patient/{member}"}, "type": "seealso"} for member in members],
    }


def study(id, subject, organisation, started, modality="CT"):
    uid = f"1.2.826.{sum(id.encode())}"
    return {
        "resourceType": "ImagingStudy",
        "id": id,
        "meta": record_class("source"),
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}],
        "status": "available",
        "modality": [{"system": DCM, "code": modality}],
        "subject": {"reference": f"Patient/{subject}", "identifier": {"system": f"https://{organisation.lower()}.nhs.uk/mrn", "value": subject}},
        "started": started,
        "endpoint": [{"reference": f"Endpoint/{organisation.lower()}"}],
        "numberOfSeries": 1,
        "numberOfInstances": 1,
        "series": [
            {
                "uid": f"{uid}.1",
                "modality": {"system": DCM, "code": modality},
                "numberOfInstances": 1,
                "instance": [{"uid": f"{uid}.1.1", "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2"}}],
            }
        ],
    }


def organisation(code, name):
    return {
        "resourceType": "Organization",
        "id": code.lower(),
        "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": code}],
        "active": True,
        "name": name,
    }


def endpoint(code):
    return {
        "resourceType": "Endpoint",
        "id": code.lower(),
        "status": "active",
        "connectionType": {"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code": "dicom-wado-rs"},
        "managingOrganization": {"reference": f"Organization/{code.lower()}"},
        "payloadType": [{"text": "DICOM"}],
        "address": f"https://pacs.{code.lower()}.nhs.uk/dicomweb",
    }


LINKAGE = {
    "resourceType": "Linkage",
    "id": "linkage-alice",
    "active": True,
    "item": [
        {"type": "source", "resource": {"reference": "Patient/golden-alice"}},
        {"type": "alternate", "resource": {"reference": "Patient/alice-rtk"}},
        {"type": "alternate", "resource": {"reference": "Patient/alice-rxc"}},
    ],
}
PROVENANCE = {
    "resourceType": "Provenance",
    "id": "provenance-alice",
    "target": [{"reference": "Linkage/linkage-alice"}, {"reference": "Patient/golden-alice"}],
    "recorded": "2024-05-01T10:00:00.000Z",
    "agent": [{"who": {"display": "Weald matcher 1"}}],
}
TASK = {
    "resourceType": "Task",
    "id": "review-alice",
    "status": "requested",
    "intent": "proposal",
    "code": {"text": "Review a link"},
    "focus": {"reference": "Linkage/linkage-alice"},
    "authoredOn": "2024-05-01T10:00:00Z",
}

RESOURCES = (
    ("RTK", patient("alice-rtk", "RTK", "RTK001", ("Hollis", "Alice"), "1970-01-15", "golden-alice", "9990000018")),
    ("RXC", patient("alice-rxc", "RXC", "RXC001", ("Hollis", "Alice"), "1970-01-15", "golden-alice")),
    ("RPC", patient("alice-rpc", "RPC", "RPC001", ("Holis", "Alice"), "1970-01-15", "golden-alice-rpc")),
    ("RTK", patient("anna-rtk", "RTK", "RTK002", ("Hollis", "Anna"), "1970-01-15", "golden-anna", "9990000026")),
    ("RA2", patient("bea-old", "RA2", "RA2001", ("Marsh", "Bea"), "1985-06-30", "golden-bea", active=False, link=[
        {"other": {"reference": "Patient/bea-new"}, "type": "replaced-by"}])),
    ("RA2", patient("bea-new", "RA2", "RA2002", ("Field", "Bea"), "1985-06-30", "golden-bea", "9990000034")),
    (None, golden("golden-alice", ["alice-rtk", "alice-rxc"], "Hollis", "Alice", "9990000018")),
    (None, golden("golden-anna", ["anna-rtk"], "Hollis", "Anna", "9990000026")),
    (None, golden("golden-bea", ["bea-old", "bea-new"], "Field", "Bea", "9990000034")),
    ("RTK", study("alice-ct", "alice-rtk", "RTK", "2024-05-01T09:30:00+01:00")),
    ("RTK", study("alice-mr", "alice-rtk", "RTK", "2023-03-26", "MR")),
    ("RXC", study("alice-us", "alice-rxc", "RXC", "2024-06-01T12:00:00+01:00", "US")),
    ("RPC", study("alice-dx", "alice-rpc", "RPC", "2022-01-01T08:00:00Z", "DX")),
    ("RTK", study("anna-ct", "anna-rtk", "RTK", "2024-05-02T09:30:00+01:00")),
    ("RTK", organisation("RTK", "Ashford and St Peter's")),
    ("RXC", organisation("RXC", "East Sussex Healthcare")),
    (None, endpoint("RTK")),
    (None, endpoint("RXC")),
    (None, LINKAGE),
    (None, PROVENANCE),
    (None, TASK),
)  # fmt: skip


@dataclass
class Clock:
    now: datetime = datetime(2024, 11, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass
class Region:
    """The services that the front door sees; persons as they would be read from the store."""

    store: object
    settings: object
    clock: Clock
    id_secret: bytes = b"the published secret of the sample"
    persons: dict[str, str] = field(default_factory=lambda: {
        "alice-rtk": "golden-alice", "alice-rxc": "golden-alice", "alice-rpc": "golden-alice", "anna-rtk": "golden-anna",
        "bea-old": "golden-bea", "bea-new": "golden-bea",
    })  # fmt: skip
    grades: dict[str, str] = field(default_factory=lambda: {"alice-rpc": "probable"})

    def person_members(self, snapshot, patient_ids: Sequence[str], floor: str) -> Reach:
        named = set(patient_ids)
        goldens = {self.persons.get(id, id) for id in named}
        wanted = GRADES[: GRADES.index(floor) + 1]
        linked = {id: self.grades.get(id, "certain") for id, g in self.persons.items() if g in goldens and id not in named}
        members = [Reached(id, self.persons[id]) for id in sorted(named & set(self.persons))]
        members += [Reached(id, self.persons[id], ViaLink(grade, "linkage-alice", "model 1")) for id, grade in linked.items() if grade in wanted]
        return Reach(tuple(members), sum(grade not in wanted for grade in linked.values()))

    def save(self, resource, custodian=None):
        summary = content_from_resource(subsets.summary(resource)) if resource["resourceType"] == "ImagingStudy" else None
        content = content_from_resource(resource)
        return self.store.apply(
            SYSTEM, [lambda tx: tx.save(resource["resourceType"], resource["id"], content, entries(resource), custodian=custodian, summary=summary)]
        )[0]

    def delete(self, type, id):
        return self.store.apply(SYSTEM, [lambda tx: tx.delete(type, id)])[0]


@pytest.fixture
def region(tmp_path):
    clock = Clock()
    found = Region(open_store(tmp_path / "weald.db"), SimpleNamespace(mode="sample", canonical_base=W, proxy=SimpleNamespace(terminates_tls=False)), clock)
    for custodian, resource in RESOURCES:
        found.save(resource, custodian)
    yield found
    found.store.close()


@pytest.fixture
def client(region):
    return create_app(region).test_client()


@pytest.fixture
def get(client):
    """GET under /fhir, as (status, JSON)."""

    def ask(path, **headers: str):
        response = client.get(f"/fhir/{path}", headers={name.replace("_", "-"): value for name, value in headers.items()})
        return response.status_code, orjson.loads(response.data) if response.data else None

    return ask


@pytest.fixture
def ids(get):
    """The ids of a search's matches, in order."""

    def ask(path, **headers: str):
        status, bundle = get(path, **headers)
        assert status == 200, bundle
        return [entry["resource"]["id"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]

    return ask
