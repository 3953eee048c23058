"""Every failure is an OperationOutcome (fhir.md 5); what production shows to a caller without a login."""

import logging

import pytest
from fhir.resources.R4B.operationoutcome import OperationOutcome

from app.errors import StoreUnavailable
from app.web.application import MAX_FORM, create_app


@pytest.mark.parametrize("method", ["put", "patch", "delete", "post"])
def test_writes_are_405_with_allow_and_an_outcome(client, method):
    response = getattr(client, method)("/fhir/Patient/alice-rtk", json={})
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    OperationOutcome.model_validate(response.json)
    assert response.json["issue"][0]["code"] == "not-supported"
    assert response.json["issue"][0]["details"]["coding"] == [{"system": "https://weald.example/fhir/CodeSystem/refusal", "code": "not-allowed"}]


@pytest.mark.parametrize(("method", "path"), [("post", "/fhir/Patient"), ("post", "/fhir"), ("put", "/fhir/Patient"), ("get", "/fhir/Patient/_search/x/y"), ("post", "/fhir/Patient/$everything")])
def test_other_interactions_are_refused(client, method, path):
    response = getattr(client, method)(path)
    assert response.status_code in (404, 405)
    OperationOutcome.model_validate(response.json)


@pytest.mark.parametrize("path", ["/", "/nowhere", "/fhir/", "/fhir/Patient/", "/fhir/Patient/a/b/c/d", "/health", "/fhir//Patient"])
def test_any_other_url_is_404_in_json(client, path):
    response = client.get(path)
    assert response.status_code == 404
    OperationOutcome.model_validate(response.json)


def test_a_refusal_names_the_parameter_and_the_request_but_no_value(client):
    response = client.get("/fhir/Patient?birthdate=Hollis", headers={"X-Request-ID": "abc-123"})
    assert response.status_code == 400
    issue = response.json["issue"][0]
    assert issue["expression"] == ["http.birthdate"]
    assert issue["diagnostics"] == "Request abc-123"
    assert b"Hollis" not in response.data


def test_search_over_all_types_is_refused(client):
    assert client.get("/fhir").status_code == 400
    assert client.get("/fhir?_id=alice-rtk").json["issue"][0]["code"] == "not-supported"


def test_a_fault_shows_the_request_id_only_and_logs_no_value(client, region, monkeypatch, caplog, capsys):
    def broken(principal):
        raise RuntimeError("Hollis 9990000018")

    monkeypatch.setattr(type(region.store), "snapshot", lambda self, principal: broken(principal))
    with caplog.at_level(logging.DEBUG):
        response = client.get("/fhir/Patient/alice-rtk", headers={"X-Request-ID": "abc-123"})
    assert response.status_code == 500
    OperationOutcome.model_validate(response.json)
    assert response.json["issue"][0]["diagnostics"] == "Request abc-123"
    assert b"Hollis" not in response.data
    assert b"RuntimeError" not in response.data
    said = caplog.text + capsys.readouterr().out
    assert "Hollis" not in said
    assert "RuntimeError" in said


def test_a_store_that_is_away_is_503_with_retry_after(client, region, monkeypatch):
    def away(*_: object):
        raise StoreUnavailable("The store is away.")

    monkeypatch.setattr(type(region.store), "snapshot", away)
    monkeypatch.setattr(type(region.store), "check", away)
    response = client.get("/fhir/Patient/alice-rtk")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert response.json["issue"][0]["code"] == "transient"
    assert client.get("/health/ready").status_code == 503
    assert client.get("/health/live").status_code == 200


def test_production_answers_nobody_without_a_login(client, region):
    region.settings.mode = "production"
    for path in ("/fhir/Patient/alice-rtk", "/fhir/Patient/nobody", "/fhir/Patient?family=x", "/fhir/_history", "/health/ready", "/metrics"):
        for headers in ({}, {"Authorization": "Bearer x"}):
            response = client.get(path, headers=headers)
            assert response.status_code == 401, path
            assert response.json["issue"][0]["code"] == "login"
            assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert client.get("/fhir/metadata").status_code == 200
    assert client.get("/health/live").status_code == 200


def test_production_asks_for_tls_and_links_to_it_behind_a_proxy(region):
    region.settings.mode = "production"
    region.settings.proxy.terminates_tls = True
    response = create_app(region).test_client().get("/fhir/metadata")
    assert response.headers["Strict-Transport-Security"].startswith("max-age=")
    assert response.json["implementation"]["url"] == "https://localhost/fhir"


def test_a_form_is_bounded_typed_and_uncompressed(client):
    form = "application/x-www-form-urlencoded"
    assert client.post("/fhir/Patient/_search", data=b"family=" + b"x" * MAX_FORM, content_type=form).status_code == 413
    assert client.post("/fhir/Patient/_search", data=b"{}", content_type="application/json").status_code == 415
    assert client.post("/fhir/Patient/_search", data=b"", headers={"Content-Type": ""}).status_code == 415
    assert client.post("/fhir/Patient/_search", data=b"a=b", content_type=f"{form}; charset=latin-1").status_code == 415
    assert client.post("/fhir/Patient/_search", data=b"a=b", content_type=form, headers={"Content-Encoding": "gzip"}).status_code == 415
    assert client.post("/fhir/Patient/_search", data=b"family=%ff", content_type=form).status_code == 400


def test_health_and_metrics_hold_no_patient_data(client):
    assert client.get("/health/ready").json == {"status": "pass"}
    client.get("/fhir/Patient/alice-rtk")
    client.get("/fhir/Hollis/9990000018")
    text = client.get("/metrics").text
    assert 'weald_http_requests_total{interaction="read",type="Patient",status="200"' in text
    assert 'weald_http_seconds_bucket{interaction="read",le="+Inf"' in text
    assert "weald_store_commits" in text
    assert "Hollis" not in text
    assert "alice" not in text


def test_a_strange_host_is_not_repeated(client):
    body = client.get("/fhir/Organization/_history", headers={"Host": 'evil"}<'}).data
    assert b"evil" not in body
