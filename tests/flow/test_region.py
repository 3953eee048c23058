"""The sample region, loaded through the feed's and the loader's own doors: what README promises of it."""

import csv
from collections import Counter, defaultdict
from itertools import combinations
from math import comb
from pathlib import Path

import networkx as nx
import orjson
import pytest

from app.ingest.judging import evaluate_store, explain
from app.ingest.linking import unpacked_record
from app.ingest.load import Loader
from app.ingest.records import identifier_keys, record_from_body
from app.ingest.stewardship import open_items
from app.principal import SYSTEM
from app.store.contract import RECORD
from app.web.application import create_app
from mappers.fhir import faults
from matching.caps import vetoes
from matching.evaluation import evaluate_clusters, truth_from_clusters
from tests.properties.arrival import fresh

REGION = Path(__file__).parents[2] / "fixtures" / "region"
W = "https://weald.example/fhir"
VIA_LINK = f"{W}/StructureDefinition/via-link"


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    services = fresh(tmp_path_factory.mktemp("region"))
    for trust in sorted(path for path in REGION.iterdir() if path.is_dir()):
        report = Loader(services, SYSTEM, f"{trust.name}-PACS").load([trust / "adt.hl7", trust / "dicom.zip"])
        assert report.rejected == []
        assert report.unchanged == 0
    yield services
    services.store.close()


@pytest.fixture(scope="module")
def truth():
    with (REGION / "truth.csv").open(encoding="utf-8", newline="") as stream:
        return {row["id"]: row["cluster"] for row in csv.DictReader(stream)}


@pytest.fixture(scope="module")
def client(region):
    return create_app(region).test_client()


def studies_by(client, identifier, **more):
    answer = client.get("/fhir/ImagingStudy", query_string={"patient.identifier": identifier, **more})
    assert answer.status_code == 200
    return answer.get_json()


def keys(truth, name):
    return [key for key, cluster in truth.items() if cluster == name]


def forbidden(region, truth):
    """How many true pairs a hard veto keeps apart: of one person under two verified NHS numbers, one of which is another's."""
    people = defaultdict(list)
    with region.store.snapshot(SYSTEM) as snapshot:
        records = [record for record in (record_from_body(body) for _, body in snapshot.scan(RECORD, limit=10_000)) if record.active]
        seen = {number: unpacked_record(number, packed)[1].demographics for number, packed in snapshot.demographics([one.number for one in records]).items()}
    for record in records:
        for cluster in {truth[key] for key in identifier_keys(record) if key in truth}:
            people[cluster].append(seen[record.number])
    return sum(bool(vetoes(a, b)) for found in people.values() for a, b in combinations(found, 2))


def test_no_two_people_are_one_person_and_hardly_a_true_link_is_missed(region, truth):
    found = evaluate_store(region, SYSTEM, truth)
    assert found.absent == 0
    assert found.quality.over_merged == 0
    assert found.quality.pairs.precision == 1.0
    pairs, apart = sum(comb(size, 2) for size in Counter(truth.values()).values()), forbidden(region, truth)
    assert apart <= 1
    assert found.quality.pairs.recall * pairs / (pairs - apart) >= 0.975


def asked_together(region):
    """Sets of record keys: the persons of the store, joined where a steward is asked whether they are one."""
    with region.store.snapshot(SYSTEM) as snapshot:
        records = {id: record_from_body(body) for id, body in snapshot.scan(RECORD, limit=10_000)}
        asked = [item["records"] for item in open_items(snapshot) if len(item["records"]) > 1]
    graph = nx.Graph([(records[a].person, records[b].person) for a, *others in asked for b in others])
    graph.add_nodes_from(record.person for record in records.values())
    return [{key for record in records.values() if record.person in persons for key in identifier_keys(record)} for persons in nx.connected_components(graph)]


def test_of_the_true_links_hardly_one_is_neither_made_nor_asked_about(region, truth):
    groups = [sorted(keys & truth.keys()) for keys in asked_together(region)]
    found = evaluate_clusters([group for group in groups if group], truth_from_clusters(truth))
    assert found.pairs.recall >= 0.985


def test_each_trusts_number_for_alice_finds_her_studies_of_four_trusts_and_none_of_annas(client, truth):
    answers = [studies_by(client, key) for key in keys(truth, "alice")]
    ids = [[entry["resource"]["id"] for entry in one["entry"]] for one in answers]
    assert len(ids) == 4
    assert all(one == ids[0] for one in ids)
    subjects = {entry["resource"]["subject"]["identifier"]["system"].split("/Id/")[1].split("/")[0] for entry in answers[0]["entry"]}
    assert subjects == {"RTK", "RA2", "RXC", "RYR"}
    annas = {entry["resource"]["id"] for key in keys(truth, "anna") for entry in studies_by(client, key)["entry"]}
    assert annas.isdisjoint(ids[0])
    started = [entry["resource"]["started"] for entry in answers[0]["entry"]]
    assert started == sorted(started, reverse=True)


def test_a_hit_that_came_over_a_link_says_which(client, truth):
    first = keys(truth, "alice")[0]
    for entry in studies_by(client, first, _summary="true")["entry"]:
        own = entry["resource"]["subject"]["identifier"]
        reached = {one["url"]: one for one in entry["search"].get("extension", [])}
        assert (VIA_LINK in reached) == (f"{own['system']}|{own['value']}" != first)
        if VIA_LINK in reached:
            parts = {one["url"]: one for one in reached[VIA_LINK]["extension"]}
            assert parts["grade"]["valueCode"] == "certain"
            assert client.get(f"/fhir/{parts['linkage']['valueReference']['reference']}").status_code == 200


def test_the_record_without_an_nhs_number_is_linked_by_the_matcher_and_says_why(region, truth):
    first, *others = keys(truth, "alice")
    without = next(key for key in others if "/RXC/" in key)
    found = explain(region, SYSTEM, first, without)
    assert found.together
    assert found.scored.grade == "certain"
    assert {one.field for one in found.scored.contributions} >= {"given", "family", "birth_date", "postcode", "phone"}
    assert "nhs_number" not in {one.field for one in found.scored.contributions}


def test_reach_record_asks_for_that_record_alone(client, truth):
    first = keys(truth, "alice")[0]
    assert studies_by(client, first, **{"-reach": "record"})["total"] == 1


def test_every_resource_in_the_store_is_valid_fhir(region):
    """Derived resources are not validated when they are saved (docs/adr/0004): here they are."""
    wrong = []
    with region.store.snapshot(SYSTEM) as snapshot:
        for kind in ("Patient", "ImagingStudy", "Endpoint", "Organization", "Linkage", "Provenance", "Task"):
            for stored in snapshot.history(kind, limit=100_000):
                wrong += [] if stored.deleted else [(kind, fault.expression, fault.text) for fault in faults(orjson.loads(stored.body))]
                if stored.summary is not None:
                    wrong += [(f"{kind} summary", fault.expression, fault.text) for fault in faults(orjson.loads(stored.summary))]
    assert wrong == []


def test_loading_the_region_again_changes_nothing(region, tmp_path):
    before = region.store.facts().counts
    report = Loader(region, SYSTEM, "RTK-PACS").load([REGION / "RTK" / "adt.hl7", REGION / "RTK" / "dicom.zip"])
    after = region.store.facts().counts
    assert report.accepted == 0
    assert report.rejected == []
    assert after == before
