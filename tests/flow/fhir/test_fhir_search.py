"""search over HTTP: parameters, order, pages, parts and includes (fhir.md 2)."""

import orjson
import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.operationoutcome import OperationOutcome

from app.web import includes, reach
from app.web.paging import LIFE
from tests.flow.fhir.conftest import NHS, W, organisation, patient, study


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"identifier={NHS}|9990000018", {"alice-rtk"}),
        ("identifier=rtk001", {"alice-rtk"}),
        ("identifier=https://rxc.nhs.uk/mrn|", {"alice-rxc"}),
        ("family=holl", {"alice-rtk", "alice-rxc", "anna-rtk"}),
        ("family:exact=hollis", set()),
        ("family:contains=oli", {"alice-rpc"}),
        ("name=anna", {"anna-rtk"}),
        ("given=Alice&birthdate=1970-01-15", {"alice-rtk", "alice-rxc", "alice-rpc"}),
        ("birthdate=ge1985", {"bea-old", "bea-new"}),
        ("birthdate=1970-01", {"alice-rtk", "alice-rxc", "alice-rpc", "anna-rtk"}),
        ("gender=female&family=field", {"bea-new"}),
        ("gender:not=male&family=field", {"bea-new"}),
        ("active=false", {"bea-old"}),
        ("address-postalcode=rh10 1aa&family=marsh", {"bea-old", "bea-new"}),
        ("address-city=Crawley&given=Bea", {"bea-old", "bea-new"}),
        ("phone=%2B44 20 79460018&family=field", {"bea-new"}),
        ("deceased=true", set()),
        ("deceased=false&family=field", {"bea-new"}),
        ("organization=rxc", {"alice-rxc"}),
        ("organization.name=east sussex", {"alice-rxc"}),
        ("organization=Organization/none", set()),
        ("link=golden-alice", {"alice-rtk", "alice-rxc"}),
        ("link.family=hollis&_tag=x|y", set()),
        ("_id=alice-rtk,anna-rtk", {"alice-rtk", "anna-rtk"}),
        ("_id=golden-alice", {"golden-alice"}),
        (f"_tag={W}/CodeSystem/record-class|golden&family=hollis", {"golden-alice", "golden-anna"}),
        ("email:missing=true&family=field", {"bea-new"}),
        ("_lastUpdated=gt2000&family=field", {"bea-new"}),
        ("_lastUpdated=lt2000", set()),
    ],
)
def test_patients_are_found(ids, query, expected):
    assert set(ids(f"Patient?{query}")) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("started=2024-05-01", ["alice-ct"]),
        ("started=ge2024-05", ["alice-us", "anna-ct", "alice-ct"]),
        ("started=lt2023", ["alice-dx"]),
        ("started=9999-12-31T23:59:59-14:00", []),
        ("started=ge2024-05&_sort=started", ["alice-ct", "anna-ct", "alice-us"]),
        ("modality=MR", ["alice-mr"]),
        ("modality=http://dicom.nema.org/resources/ontology/DCM|us,MR", ["alice-us", "alice-mr"]),
        ("endpoint=rxc", ["alice-us"]),
        ("endpoint.organization.name=East", ["alice-us"]),
        ("status=available&modality=DX", ["alice-dx"]),
        ("dicom-class=1.2.840.10008.5.1.4.1.1.2&modality=DX", ["alice-dx"]),
        ("_id=alice-ct", ["alice-ct"]),
        ("subject:Patient.family=hollis&-reach=record", ["alice-us", "anna-ct", "alice-ct", "alice-mr"]),
        ("patient.organization.name=East&-reach=record", ["alice-us"]),
    ],
)
def test_studies_are_found_latest_first(ids, query, expected):
    assert ids(f"ImagingStudy?{query}") == expected


def test_studies_are_found_by_their_uids(get, ids):
    study = get("ImagingStudy/alice-ct")[1]
    uid = study["identifier"][0]["value"]
    assert ids(f"ImagingStudy?identifier=urn:dicom:uid|{uid}") == ["alice-ct"]
    assert ids(f"ImagingStudy?identifier={uid.removeprefix('urn:oid:')}") == ["alice-ct"]
    assert ids(f"ImagingStudy?series={study['series'][0]['uid']}") == ["alice-ct"]
    assert ids(f"ImagingStudy?instance=urn:oid:{study['series'][0]['instance'][0]['uid']}") == ["alice-ct"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Organization?name=ashford", ["rtk"]),
        ("Organization?identifier=https://fhir.nhs.uk/Id/ods-organization-code|RXC", ["rxc"]),
        ("Endpoint?organization=Organization/rtk", ["rtk"]),
        ("Endpoint?connection-type=dicom-wado-rs&organization.identifier=RTK", ["rtk"]),
        ("Linkage?item=Patient/alice-rtk", ["linkage-alice"]),
        ("Linkage?source=golden-alice", ["linkage-alice"]),
        ("Provenance?target=Linkage/linkage-alice", ["provenance-alice"]),
        ("Task?focus=Linkage/linkage-alice&status=requested", ["review-alice"]),
    ],
)
def test_what_shows_the_links_is_found(ids, path, expected):
    assert ids(path) == expected


def test_a_replaced_record_leads_to_its_survivor(ids, get, region):
    assert set(ids("Patient?family=marsh")) == {"bea-old", "bea-new"}
    assert set(ids("Patient?identifier=RA2001")) == {"bea-old", "bea-new"}
    assert ids("Patient?identifier=RA2001&active=true") == ["bea-new"]
    assert ids("Patient?identifier=RA2001&active=false") == ["bea-old"]
    assert ids("Patient?identifier=RA2001&active:not=false") == ["bea-new"]
    assert len(ids("Patient?identifier=RA2001&active=true,false")) == 2
    assert ids("Patient?organization.name=nowhere") == []
    assert ids("Patient?_id=bea-old") == ["bea-old"]
    newest = patient("bea-newest", "RA2", "RA2003", ("Field", "Bea"), "1985-06-30", "golden-bea")
    region.save(newest, "RA2")
    region.save(get("Patient/bea-new")[1] | {"active": False, "link": [{"other": {"reference": "Patient/bea-newest"}, "type": "replaced-by"}]}, "RA2")
    assert set(ids("Patient?identifier=RA2001")) == {"bea-old", "bea-new", "bea-newest"}
    assert get("Patient?identifier=RA2001&_count=1")[1]["total"] == 3


def test_more_replaced_records_than_are_followed_are_told_of(get, region, monkeypatch):
    region.save(get("Patient/bea-new")[1] | {"active": False, "link": [{"other": {"reference": "Patient/alice-rtk"}, "type": "replaced-by"}]}, "RA2")
    assert len(get("Patient?given=bea")[1]["entry"]) == 3
    monkeypatch.setattr(reach, "MAX_REPLACED", 1)
    outcome = get("Patient?given=bea")[1]["entry"][-1]
    assert outcome["search"]["mode"] == "outcome"
    assert outcome["resource"]["issue"][0]["code"] == "incomplete"


def test_a_searchset_is_a_valid_bundle_of_stored_bytes(client):
    response = client.get("/fhir/Patient?family=holl&given=Alice")
    bundle = Bundle.model_validate_json(response.data)
    assert bundle.type == "searchset"
    assert response.json["total"] == 2
    body = client.get("/fhir/Patient/alice-rtk").data
    assert body in response.data
    assert "http://localhost/fhir/Patient/alice-rtk" in {entry["fullUrl"] for entry in response.json["entry"]}


def test_nothing_found_is_an_empty_searchset(get):
    status, bundle = get("Patient?family=nobody")
    assert status == 200
    Bundle.model_validate(bundle)
    assert bundle["total"] == 0
    assert "entry" not in bundle


def test_self_is_what_was_applied(get):
    _, bundle = get("ImagingStudy?patient=alice-rtk&_count=9999&_format=json")
    self_url = bundle["link"][0]["url"]
    assert self_url == "http://localhost/fhir/ImagingStudy?patient=alice-rtk&-reach=person&-min-grade=certain&_sort=-started&_count=1000"
    assert get(self_url.split("/fhir/")[1])[1] == bundle


@pytest.mark.parametrize("query", ["surname=x", "family=", "_sort=x", "family:fuzzy=x", "birthdate=xx1970", "_include=x", "_filter=x", "_count=x", "%ff=x"])
def test_what_is_not_known_never_returns_the_population(get, query):
    status, body = get(f"Patient?{query}")
    assert status == 400
    OperationOutcome.model_validate(body)


def test_an_unknown_type_is_404(get):
    assert get("Basic?x=y")[0] == 404


@pytest.mark.parametrize("count", ["_count=0", "_summary=count"])
def test_a_count_names_what_it_left_out_too(client, count):
    lenient = {"Prefer": "handling=lenient"}
    [told] = client.get(f"/fhir/Patient?surname=x&{count}", headers=lenient).json["entry"]
    assert (told["search"]["mode"], "surname" in told["resource"]["issue"][0]["details"]["text"]) == ("outcome", True)
    assert "entry" not in client.get(f"/fhir/Patient?family=field&{count}", headers=lenient).json


def test_lenient_handling_names_what_it_left_out(client):
    response = client.get("/fhir/Patient?surname=x&family=field", headers={"Prefer": "handling=lenient"})
    assert response.status_code == 200
    assert response.headers["Preference-Applied"] == "handling=lenient"
    Bundle.model_validate(response.json)
    outcome = response.json["entry"][-1]
    assert outcome["search"]["mode"] == "outcome"
    assert outcome["resource"]["issue"][0]["severity"] == "warning"
    assert "surname" in outcome["resource"]["issue"][0]["details"]["text"]
    assert "surname" not in response.json["link"][0]["url"]
    assert client.get("/fhir/Patient?surname=x", headers={"Prefer": "return=minimal; handling=strict"}).status_code == 400


def test_search_by_post_takes_form_and_query_together(client):
    response = client.post("/fhir/Patient/_search?family=holl", data={"given": "Anna"})
    assert [entry["resource"]["id"] for entry in response.json["entry"]] == ["anna-rtk"]
    assert client.post("/fhir/Patient/_search", data={"surname": "x"}).status_code == 400


@pytest.mark.parametrize(
    ("query", "total", "entries"),
    [("_summary=count", 3, 0), ("_count=0", 3, 0), ("_total=none", None, 3), ("_total=none&_summary=count", None, 0), ("_count=1", 3, 1), ("_total=estimate", 3, 3)],
)
def test_totals_are_counted_unless_declined(get, query, total, entries):
    bundle = get(f"Patient?family=holl&{query}")[1]
    Bundle.model_validate(bundle)
    assert bundle.get("total") == total
    assert len(bundle.get("entry", [])) == entries


def test_parts_of_matches(get):
    _, bundle = get("ImagingStudy?modality=CT&_summary=true")
    assert bundle["total"] == 2
    assert all("instance" not in entry["resource"]["series"][0] for entry in bundle["entry"])
    _, bundle = get("Patient?family=field&_elements=birthDate")
    assert set(bundle["entry"][0]["resource"]) == {"resourceType", "id", "meta", "birthDate", "active", "link"}
    assert get("Patient?family=field&_elements=birthDate&_summary=true")[0] == 400


def walk(get, path):
    """The ids of every page, page by page."""
    pages = []
    while path:
        status, bundle = get(path)
        assert status == 200
        pages.append([entry["resource"]["id"] for entry in bundle.get("entry", [])])
        path = next((link["url"].split("/fhir/")[1] for link in bundle["link"] if link["relation"] == "next"), None)
    return pages


@pytest.mark.parametrize("sort", ["", "&_sort=family", "&_sort=-family,given", "&_sort=birthdate,-_id", "&_sort=death-date", "&_sort=-_lastUpdated", "&_sort=identifier"])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_a_walk_has_every_match_once_in_the_order_of_one_page(get, sort, count):
    whole = walk(get, f"Patient?_count=100{sort}")
    pages = walk(get, f"Patient?_count={count}{sort}")
    assert [id for page in pages for id in page] == whole[0]
    assert len(whole[0]) == 6
    assert all(len(page) == count for page in pages[:-1])
    assert pages[-1]


def test_a_walk_answers_as_of_its_first_page(get, region):
    first = get("Patient?_count=2&_sort=family")[1]
    region.save(patient("charlie-rtk", "RTK", "RTK009", ("Zimmer", "Charlie"), "1990-01-01", "golden-charlie"), "RTK")
    region.delete("Patient", "bea-new")
    rest = walk(get, first["link"][1]["url"].split("/fhir/")[1])
    seen = [entry["resource"]["id"] for entry in first["entry"]] + [id for page in rest for id in page]
    assert "charlie-rtk" not in seen
    assert len(seen) == len(set(seen)) >= 5
    assert get(first["link"][1]["url"].split("/fhir/")[1])[1]["total"] == 6


def test_a_page_link_shows_no_search_value(get):
    link = get("Patient?family=holl&_count=1")[1]["link"][1]
    assert link["relation"] == "next"
    assert "holl" not in link["url"]


def test_a_page_link_is_refused_when_forged_mixed_or_late(get, region):
    path = get("Patient?family=holl&_count=1")[1]["link"][1]["url"].split("/fhir/")[1]
    assert get(path[:-4] + "AAAA")[0] == 400
    assert get(path.replace("Patient", "ImagingStudy"))[0] == 400
    assert get(path + "&family=x")[0] == 400
    assert get(path + "&_format=json")[0] == 200
    region.clock.tick(microseconds=LIFE + 1)
    status, body = get(path)
    assert status == 410
    assert body["issue"][0]["code"] == "expired"


def modes(bundle):
    return sorted((entry["search"]["mode"], f"{entry['resource']['resourceType']}/{entry['resource']['id']}") for entry in bundle["entry"])


def test_includes_are_complete_and_each_once(get):
    _, bundle = get("ImagingStudy?modality=CT&_include=ImagingStudy:endpoint&_include=ImagingStudy:patient&_count=10")
    Bundle.model_validate(bundle)
    assert bundle["total"] == 2
    assert modes(bundle) == [
        ("include", "Endpoint/rtk"), ("include", "Patient/alice-rtk"), ("include", "Patient/anna-rtk"),
        ("match", "ImagingStudy/alice-ct"), ("match", "ImagingStudy/anna-ct"),
    ]  # fmt: skip
    _, bundle = get("Patient?_id=alice-rtk&_include=Patient:organization&_include=Patient:link&_include=Patient:general-practitioner")
    assert modes(bundle) == [("include", "Organization/rtk"), ("include", "Patient/golden-alice"), ("match", "Patient/alice-rtk")]
    assert get("ImagingStudy?_id=alice-ct&_include=ImagingStudy:subject:Device")[0] == 400
    _, bundle = get("ImagingStudy?_id=alice-ct&_include=ImagingStudy:subject:Linkage")
    assert modes(bundle) == [("match", "ImagingStudy/alice-ct")]
    _, bundle = get("ImagingStudy?_id=alice-ct&_include=*&_summary=true")
    assert len(bundle["entry"]) == 3


def test_a_deleted_include_is_left_out(get, region):
    region.delete("Endpoint", "rtk")
    assert modes(get("ImagingStudy?_id=alice-ct&_include=ImagingStudy:endpoint")[1]) == [("match", "ImagingStudy/alice-ct")]


def test_reverse_includes_reach_the_person(get):
    _, bundle = get("Patient?_id=alice-rxc&_revinclude=ImagingStudy:patient")
    assert modes(bundle) == [
        ("include", "ImagingStudy/alice-ct"), ("include", "ImagingStudy/alice-mr"), ("include", "ImagingStudy/alice-us"), ("match", "Patient/alice-rxc"),
    ]  # fmt: skip
    assert len(get("Patient?_id=alice-rxc&_revinclude=ImagingStudy:patient&-reach=record")[1]["entry"]) == 2
    assert modes(get("Linkage?_id=linkage-alice&_revinclude=Task:focus")[1])[0] == ("include", "Task/review-alice")
    assert "entry" not in get("Patient?_id=nobody&_revinclude=ImagingStudy:patient")[1]


def test_too_many_includes_or_chained_resources_are_refused_not_cut(get, monkeypatch):
    monkeypatch.setattr(includes, "MAX_INCLUDED", 1)
    assert get("ImagingStudy?_include=ImagingStudy:patient")[1]["issue"][0]["code"] == "too-costly"
    assert get("Patient?_id=alice-rtk&_revinclude=ImagingStudy:patient")[1]["issue"][0]["code"] == "too-costly"
    monkeypatch.setattr(reach, "MAX_CHAINED", 1)
    assert get("ImagingStudy?patient.family=holl")[1]["issue"][0]["code"] == "too-costly"
    assert get("ImagingStudy?patient:identifier=https://rtk.nhs.uk/mrn|")[1]["issue"][0]["code"] == "too-costly"


def test_many_rows_page_without_loss(get, region):
    for n in range(30):
        region.save(organisation(f"X{n:02d}", f"Trust {n % 3}"), None)
    pages = walk(get, "Organization?name=trust&_sort=name&_count=7")
    assert [len(page) for page in pages] == [7, 7, 7, 7, 2]
    assert len({id for page in pages for id in page}) == 30


def test_digits_and_contained_subjects_survive(get, region):
    odd = study("odd", "alice-rtk", "RTK", "2020-01-01") | {"contained": [{"resourceType": "Observation", "subject": {"reference": "Patient/anna-rtk"}}]}
    region.save(odd, "RTK")
    _, bundle = get("ImagingStudy?patient=alice-rxc&started=2020")
    via = bundle["entry"][0]["search"]["extension"][0]["extension"]
    assert {"url": "source", "valueReference": {"reference": "Patient/alice-rtk"}} in via
    assert orjson.loads(orjson.dumps(bundle)) == bundle
