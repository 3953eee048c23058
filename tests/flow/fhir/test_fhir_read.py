"""read, vread and history over HTTP (fhir.md 1)."""

import gzip

import orjson
import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.patient import Patient

from app.principal import SYSTEM


def code(body):
    OperationOutcome.model_validate(body)
    return body["issue"][0]["code"]


def test_a_read_serves_the_stored_bytes_with_etag_and_date(client, region):
    response = client.get("/fhir/Patient/alice-rtk")
    with region.store.snapshot(SYSTEM) as snapshot:
        assert response.data == snapshot.resource("Patient", "alice-rtk").body
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/fhir+json; charset=utf-8"
    assert response.headers["ETag"] == 'W/"1"'
    assert response.headers["Last-Modified"].endswith("GMT")
    Patient.model_validate_json(response.data)


def test_head_equals_get_without_a_body(client):
    get, head = client.get("/fhir/Patient/alice-rtk"), client.head("/fhir/Patient/alice-rtk")
    assert head.status_code == 200
    assert head.data == b""
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert head.headers["ETag"] == get.headers["ETag"]


@pytest.mark.parametrize("tag", ['W/"1"', '"1"', '"7", W/"1"', "*"])
def test_a_known_version_is_not_sent_again(client, tag):
    response = client.get("/fhir/Patient/alice-rtk", headers={"If-None-Match": tag})
    assert response.status_code == 304
    assert response.data == b""
    assert response.headers["ETag"] == 'W/"1"'


@pytest.mark.parametrize("tag", ['W/"2"', '"11"', "1", "junk"])
def test_another_version_is_sent(client, tag):
    assert client.get("/fhir/Patient/alice-rtk", headers={"If-None-Match": tag}).status_code == 200


def test_if_modified_since_counts_where_no_tag_is_given(client):
    modified = client.get("/fhir/Patient/alice-rtk").headers["Last-Modified"]
    assert client.get("/fhir/Patient/alice-rtk", headers={"If-Modified-Since": modified}).status_code == 304
    assert client.get("/fhir/Patient/alice-rtk", headers={"If-Modified-Since": "Sat, 01 Jan 2000 00:00:00 GMT"}).status_code == 200
    assert client.get("/fhir/Patient/alice-rtk", headers={"If-Modified-Since": "junk"}).status_code == 200
    assert client.get("/fhir/Patient/alice-rtk", headers={"If-Modified-Since": modified, "If-None-Match": '"9"'}).status_code == 200


def test_what_never_existed_is_404_and_what_is_deleted_410(client, region):
    region.delete("Task", "review-alice")
    for path, status, issue in (
        ("Patient/nobody", 404, "not-found"),
        ("Basic/x", 404, "not-supported"),
        ("Task/review-alice", 410, "deleted"),
        ("Task/review-alice/_history/2", 410, "deleted"),
        ("Task/review-alice/_history/3", 404, "not-found"),
        ("Task/review-alice/_history/x", 404, "not-found"),
        ("Organization/rtk/_history/01", 404, "not-found"),
        ("Organization/rtk/_history/0", 404, "not-found"),
        ("Basic/x/_history/1", 404, "not-supported"),
    ):
        response = client.get(f"/fhir/{path}")
        assert response.status_code == status, path
        assert code(response.json) == issue, path
    assert client.get("/fhir/Task/review-alice/_history/1").status_code == 200


def test_a_version_stays_readable(client, region):
    first = client.get("/fhir/Organization/rtk").data
    region.save({**orjson.loads(first), "name": "Ashford"}, "RTK")
    assert client.get("/fhir/Organization/rtk/_history/1").data == first
    assert client.get("/fhir/Organization/rtk").headers["ETag"] == 'W/"2"'


def test_parts_of_a_resource(get):
    _, whole = get("ImagingStudy/alice-ct")
    _, summary = get("ImagingStudy/alice-ct?_summary=true")
    assert "instance" in whole["series"][0]
    assert "instance" not in summary["series"][0]
    assert {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"} in summary["meta"]["tag"]
    _, elements = get("ImagingStudy/alice-ct?_elements=series.uid,started")
    assert elements["series"] == [{"uid": whole["series"][0]["uid"]}]
    assert elements["status"] == "available"
    assert "modality" not in elements
    assert get("Patient/alice-rtk?_summary=true")[1]["birthDate"] == "1970-01-15"
    assert set(get("Patient/alice-rtk?_summary=text")[1]) == {"resourceType", "id", "meta"}
    assert get("Patient/alice-rtk?_summary=data")[1]["gender"] == "female"


@pytest.mark.parametrize(
    ("query", "issue"),
    [("family=x", "not-supported"), ("_summary=count", "value"), ("_summary=x", "value"), ("_summary=true&_elements=a", "structure"), ("_elements=", "value"), ("%ff=1", "structure"), ("a+b=1", "not-supported")],
)
def test_a_read_refuses_other_parameters(get, query, issue):
    status, body = get(f"Patient/alice-rtk?{query}")
    assert status == 400
    assert code(body) == issue


def test_pretty_changes_white_space_only(client):
    plain, pretty = client.get("/fhir/Patient/alice-rtk").data, client.get("/fhir/Patient/alice-rtk?_pretty=true").data
    assert pretty.count(b"\n") > 20
    assert orjson.loads(pretty) == orjson.loads(plain)
    assert orjson.dumps(orjson.loads(pretty)) == plain


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/fhir+json", 200),
        ("application/json", 200),
        ("application/fhir+json; fhirVersion=4.0", 200),
        ("application/fhir+json; fhirVersion=3.0", 406),
        ("text/html,application/xhtml+xml,*/*;q=0.8", 200),
        ("application/*;q=0.1", 200),
        ("application/fhir+xml", 406),
        ("application/fhir+json;q=0, */*", 406),
        ("application/json;q=x", 406),
        ("text/html", 406),
        ("", 200),
    ],
)
def test_accept_decides_the_form(client, accept, status):
    assert client.get("/fhir/Patient/alice-rtk", headers={"Accept": accept}).status_code == status


@pytest.mark.parametrize(("format_", "status"), [("json", 200), ("application/fhir+json", 200), ("application/fhir%2Bjson", 200), ("xml", 406), ("text/json", 200), ("html", 406)])
def test_format_beats_accept(client, format_, status):
    response = client.get(f"/fhir/Patient/alice-rtk?_format={format_}", headers={"Accept": "application/fhir+xml"})
    assert response.status_code == status


def test_a_large_answer_is_compressed_where_the_caller_takes_gzip(client):
    plain = client.get("/fhir/metadata")
    packed = client.get("/fhir/metadata", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert "Content-Encoding" not in client.get("/health/live", headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize(
    ("asked", "packed"),
    [
        ("gzip;q=0", False), ("gzip; q=0.000, br", False), ("*;q=0", False), ("", False), ("identity", False), ("gzip;q=0, *", False), ("gzip;q=x", False), ("br, notgzip", False),
        ("br, GZIP;q=0.2", True), ("x-gzip", True), ("*", True), ("deflate, gzip;q=1.0, *;q=0", True),
    ],
)  # fmt: skip
def test_an_answer_is_gzip_only_where_the_caller_takes_it(client, asked, packed):
    assert ("Content-Encoding" in client.get("/fhir/metadata", headers={"Accept-Encoding": asked}).headers) == packed


def test_every_answer_has_the_security_headers_and_the_request_id(client):
    for path in ("/fhir/Patient/alice-rtk", "/fhir/Patient/nobody", "/nowhere", "/health/live", "/metrics"):
        response = client.get(path, headers={"X-Request-ID": "abc-123"})
        assert response.headers["X-Content-Type-Options"] == "nosniff", path
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'"), path
        assert response.headers["X-Request-ID"] == "abc-123", path
    response = client.get("/fhir/Patient/alice-rtk", headers={"X-Request-ID": "bad id {}"})
    assert response.headers["X-Request-ID"] not in ("", "bad id {}")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Vary"] == "Accept, Accept-Encoding, Authorization"


def test_history_of_an_instance_is_newest_first_with_request_and_response(client, region, get):
    region.save({"resourceType": "Organization", "id": "rtk", "name": "Ashford"}, "RTK")
    region.delete("Organization", "rtk")
    status, bundle = get("Organization/rtk/_history")
    assert status == 200
    Bundle.model_validate(bundle)
    assert [entry["request"]["method"] for entry in bundle["entry"]] == ["DELETE", "PUT", "PUT"]
    assert [entry["response"]["etag"] for entry in bundle["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert [entry["response"]["status"] for entry in bundle["entry"]] == ["204", "200", "201"]
    assert "resource" not in bundle["entry"][0]
    assert bundle["entry"][2]["resource"]["name"] == "Ashford and St Peter's"


def test_history_of_a_type_and_of_the_system_is_walked_without_loss(get, region):
    region.save({"resourceType": "Organization", "id": "rtk", "name": "Ashford"}, "RTK")
    for path, expected in (("Organization/_history", 3), ("_history", 22)):
        seen, url = [], f"{path}?_count=2"
        while url:
            _, bundle = get(url)
            seen += [(entry["resource"]["resourceType"], entry["resource"]["id"], entry["response"]["etag"]) for entry in bundle["entry"]]
            url = next((link["url"].split("/fhir/")[1] for link in bundle["link"] if link["relation"] == "next"), None)
        assert len(seen) == len(set(seen)) == expected


def test_history_since_and_at(get, region):
    changed, _ = region.save({"resourceType": "Organization", "id": "rtk", "name": "Ashford"}, "RTK")
    assert len(get(f"Organization/_history?_since={changed.last_updated}")[1]["entry"]) == 1
    assert "entry" not in get("Organization/_history?_since=2099-01-01T00:00:00%2B01:00")[1]
    at = get(f"Organization/rtk/_history?_at={changed.last_updated}")[1]
    assert [entry["response"]["etag"] for entry in at["entry"]] == ['W/"2"']


@pytest.mark.parametrize("query", ["_since=soon", "_count=x", "family=x", "_page=forged", "_at=x", "_at=9999-12-31T23:59:59-12:00", "_since=0001-01-01T00:00:00%2B14:00"])
def test_history_refuses_what_it_does_not_know(get, query):
    status, body = get(f"Patient/_history?{query}")
    assert status == 400
    OperationOutcome.model_validate(body)


def test_history_of_an_unknown_instance_is_404_and_of_a_deleted_one_200(get, region):
    region.delete("Patient", "anna-rtk")
    assert get("Patient/nobody/_history")[1]["issue"][0]["code"] == "not-found"
    assert get("Organization/nobody/_history")[0] == 404
    assert get("Basic/_history")[0] == 404
    assert len(get("Patient/anna-rtk/_history")[1]["entry"]) == 2
    assert len(get("Patient/_history")[1]["entry"]) == 10
    assert get("Patient/anna-rtk/_history/1")[1]["id"] == "anna-rtk"
    assert get("Patient/anna-rtk/_history?_since=2099")[0] == 200
