"""Clients that were not written here get what they ask for over a real socket."""

import threading
import warnings

import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound
from werkzeug.serving import make_server

from app.web.application import create_app
from tests.flow.fhir.conftest import NHS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fhirclient import client as smart
    from fhirclient.models.imagingstudy import ImagingStudy
    from fhirclient.models.patient import Patient


@pytest.fixture
def base(region):
    server = make_server("127.0.0.1", 0, create_app(region), threaded=False)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/fhir"
    server.shutdown()
    thread.join()
    server.server_close()


def test_fhirpy_reads_searches_and_pages(base):
    client = SyncFHIRClient(base)
    alice = client.reference("Patient", "alice-rtk").to_resource()
    assert alice["birthDate"] == "1970-01-15"
    studies = client.resources("ImagingStudy").search(**{"patient.identifier": f"{NHS}|9990000018"}).limit(1).fetch_all()
    assert [study["id"] for study in studies] == ["alice-us", "alice-ct", "alice-mr"]
    found = client.resources("ImagingStudy").search(started__ge="2024-05-01", modality="CT").include("ImagingStudy", "endpoint").fetch_raw()
    assert found["total"] == 2
    assert client.resources("Patient").search(family="hollis", given__contains="nna").first()["id"] == "anna-rtk"
    assert client.resources("Patient").search(family="hollis", _total="accurate").fetch_raw()["total"] == 3


def test_fhirpy_is_refused_with_an_outcome(base):
    client = SyncFHIRClient(base)
    with pytest.raises(ResourceNotFound):
        client.reference("Patient", "nobody").to_resource()
    with pytest.raises(OperationOutcome):
        client.resources("Patient").search(surname="x").fetch()


def test_fhirclient_understands_every_resource(base):
    server = smart.FHIRClient(settings={"app_id": "weald-test", "api_base": base}).server
    alice = Patient.read("alice-rtk", server)
    assert alice.name[0].family == "Hollis"
    studies = ImagingStudy.where(struct={"patient": "Patient/golden-alice", "_sort": "started"}).perform_resources_iter(server)
    assert [study.id for study in studies if study.resource_type == "ImagingStudy"] == ["alice-mr", "alice-ct", "alice-us"]
