"""``weald report matching``: what the matcher knows of itself, without a value of anybody (issue 3, self-knowledge)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import orjson
import pytest

from app.ingest import reporting, stewardship
from app.ingest.records import record_from_body
from app.ingest.reporting import Drift, Share, age_band, block_sizes, drifts, matching_report, wilson
from app.principal import SYSTEM
from app.reports import metrics, page, shares_svg, weights_svg
from app.store.contract import RECORD
from matching.blocking import blocking_keys
from matching.model import Level, default_model
from matching.scoring import Scorer
from tests.flow.command import run
from tests.flow.holding import hold, loaded, opened
from tests.unit.matching.cast import ALICE_NUMBER, ANNA_NUMBER, alice

SVG = "{http://www.w3.org/2000/svg}"


def no_progress(*_):
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    loaded(folder).store.close()
    return folder


@pytest.fixture
def written(folder, tmp_path, monkeypatch, capsys):
    """The files of the command's report, and what it said."""
    monkeypatch.setenv("WEALD_MODE", "sample")
    monkeypatch.setenv("WEALD_STORE", f"sqlite:///{folder / 'weald.db'}")
    ran = run(capsys, "report", "matching", "--out", tmp_path / "out" / "report", "--sample", 200)
    assert ran.code == 0, ran.err
    return tmp_path / "out" / "report", ran


@pytest.fixture
def store(folder):
    services = opened(folder)
    yield services
    services.store.close()


def test_the_page_the_drawings_the_json_and_the_metrics_are_written(written):
    folder, ran = written
    assert {path.name for path in folder.iterdir()} == {"matching.html", "matching.json", "matching.prom", "sampled-weights.svg", "stored-weights.svg", "shares.svg"}
    assert "matching.html and 5 files beside it" in ran.out
    text = (folder / "matching.html").read_text()
    assert all(f"<h2>{head}</h2>" in text for head in ("Weights", "Edges", "Review items", "Sources and subgroups", "Persons that may be several", "Drift of the weights", "Blocks"))
    assert text.count("<svg") == 3


def test_the_thresholds_are_drawn_in_the_distribution(written):
    for name in ("sampled-weights.svg", "stored-weights.svg"):
        drawn = ET.fromstring((written[0] / name).read_text())  # noqa: S314 - our own file
        texts = [one.text for one in drawn.iter(f"{SVG}text")]
        assert [text for text in texts if " from " in text] == ["certain from 9.96", "probable from 6.64", "possible from -3.17"]
        assert len([one for one in drawn.iter(f"{SVG}line") if one.get("stroke-dasharray")]) == 3
        assert len(list(drawn.iter(f"{SVG}rect"))) > 10


def test_counts_are_those_of_the_store(written, store):
    said = orjson.loads((written[0] / "matching.json").read_bytes())
    with store.store.snapshot(SYSTEM) as snapshot:
        held = [record_from_body(body) for _, body in snapshot.scan(RECORD, limit=100_000)]
    active = [one for one in held if one.active]
    persons = {}
    for one in active:
        persons.setdefault(one.person, []).append(one)
    assert (said["records"], said["persons"]) == (len(active), len(persons))
    assert said["linked"] == sum(len(of) for of in persons.values() if len(of) > 1)
    shares = {(one["kind"], one["group"]): one for one in said["shares"]}
    for trust in {one.organisation for one in active}:
        own = [one for one in active if one.organisation == trust]
        assert shares["source", trust]["records"] == len(own)
        assert shares["source", trust]["linked"] == sum(len(persons[one.person]) > 1 for one in own)
    assert {kind for kind, _ in shares} == {"all", "source", "age", "sex", "ethnic category"}
    assert all(one["records"] >= 10 for one in said["shares"] if one["group"] != "others")
    for kind in ("source", "age", "sex", "ethnic category"):
        assert sum(one["records"] for (k, _), one in shares.items() if k == kind) == len(active)
    assert sum(count for _, _, count in said["edges"]) > 400
    assert sum(count for _, count in said["stored"]) == sum(count for kind, _, count in said["edges"] if kind in ("match", "number"))
    assert any(weight < -10 for weight, _ in said["sampled"])
    assert any(weight > 10 for weight, _ in said["sampled"])


def test_no_value_of_anybody_is_in_it(written, store):
    text = "".join(path.read_text() for path in written[0].iterdir()).casefold()
    with store.store.snapshot(SYSTEM) as snapshot:
        held = [record_from_body(body) for _, body in snapshot.scan(RECORD, limit=100_000)]
    for record in held:
        number = record.state.nhs_number()
        assert number is None or number.fact.value not in text
        assert record.first_key.rpartition("|")[2].casefold() not in text
        for name in record.state.value("name") or ():
            assert not re.search(rf"\b{re.escape(name.get('family', 'zz').casefold())}\b", text) or len(name["family"]) < 6, "a surname"


def test_metrics_are_gauges_in_text_form(written):
    lines = (written[0] / "matching.prom").read_text().splitlines()
    kinds = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {"weald_matching_edges", "weald_matching_reviews", "weald_matching_linked_share", "weald_matching_largest_block", "weald_matching_suspect_persons"} <= kinds
    assert all(re.fullmatch(r'weald_matching_\w+(\{(\w+="[^"]*",?)+\})? -?[\d.e+-]+', line) for line in lines if not line.startswith("#"))


def test_persons_that_may_be_several_are_named_by_id(tmp_path):
    services = loaded(tmp_path)
    try:
        with services.store.snapshot(SYSTEM) as snapshot:
            held = [one for _, body in snapshot.scan(RECORD, limit=100_000) if (one := record_from_body(body)).active and not one.state.nhs_number()]
        men = [one for one in held if (one.state.value("gender") or {}).get("value") == "male"]
        women = [one for one in held if (one.state.value("gender") or {}).get("value") == "female"]
        before = {one.reason: one.persons for one in matching_report(services, sample=10, progress=no_progress).suspicions}
        stewardship.act(services, SYSTEM, "Steward", "a test", "link", men[0].id, women[0].id)
        found = matching_report(services, sample=10, progress=no_progress)
    finally:
        services.store.close()
    after = {one.reason: one for one in found.suspicions}
    assert after["both sexes"].persons == before["both sexes"] + 1
    with_examples = after["both sexes"].examples
    assert with_examples
    assert with_examples[0] in page(found, {"sampled-weights.svg": "", "stored-weights.svg": "", "shares.svg": ""})


def test_vetoes_on_sure_pairs_are_counted(tmp_path):
    services = opened(tmp_path)
    twice = [alice(nhs_number=number, nhs_status="01", phones=("01483 571122",), middle="Rose") for number in (ALICE_NUMBER, ANNA_NUMBER)]
    plain = [alice(phones=("01483 571122",), middle="Rose")]
    hold(services, twice + plain)
    found = matching_report(services, sample=10, progress=no_progress)
    services.store.close()
    assert found.vetoed == {"two-evidential-numbers": 2}
    assert found.sample == 3


def test_edges_that_another_model_scored_are_counted(store):
    other = replace(store, scorer=Scorer(replace(default_model(), id="another")))
    assert matching_report(other, sample=1, progress=no_progress).other_models > 400
    assert matching_report(store, sample=1, progress=no_progress).other_models == 0


def test_an_empty_store_has_a_report_too(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WEALD_MODE", "sample")
    monkeypatch.setenv("WEALD_STORE", f"sqlite:///{tmp_path / 'empty.db'}")
    assert run(capsys, "report", "matching", "--out", tmp_path / "out").code == 0
    (tmp_path / "file").write_text("")
    refused = run(capsys, "report", "matching", "--out", tmp_path / "file" / "out")
    assert (refused.code, "cannot be made" in refused.err) == (2, True)


def test_drift_is_what_links_agree_in_beside_what_the_model_expects():
    model = replace(default_model(), fields={"sex": (Level(0.9, 0.5), Level(0.1, 0.5)), "city": default_model().fields["city"]})
    [found] = drifts({"sex": {1: 450, 2: 550}, "city": {1: 99}}, model)
    assert found == Drift("sex", 1000, 0.45, 0.9, pytest.approx(-1.0))
    assert drifts({"sex": {2: 1000}}, model)[0].bits < -5


def test_a_drifted_field_is_warned_of(store):
    found = replace(matching_report(store, sample=5, progress=no_progress), drifts=(Drift("phone", 500, 0.1, 0.7, -2.8),))
    text = page(found, {"sampled-weights.svg": "", "stored-weights.svg": "", "shares.svg": ""})
    assert "phone agrees among links 2.8 bits less than the model expects" in text
    assert 'weald_matching_drift_bits{field="phone"} -2.8' in metrics(found)


@pytest.mark.parametrize(("born", "band"), [("2026", "under 1"), ("2009", "1 to 17"), ("1990", "18 to 39"), ("1970", "40 to 64"), ("1950", "65 to 84"), ("1920", "85 and over"), ("", "not known"), ("1700", "85 and over")])
def test_ages_go_into_bands(born, band):
    assert age_band(born, 2026) == band


def test_an_interval_holds_its_share():
    low, high = wilson(50, 100)
    assert 0.40 < low < 0.5 < high < 0.60
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(100, 100)[1] == pytest.approx(1.0)


def test_block_sizes_are_counted_by_family():
    records = [alice(), alice(), alice(birth_date="1991-11-05")]
    keys, starts = [], [0]
    for one in records:
        keys += blocking_keys(one)
        starts.append(len(keys))
    found = {one.family: one for one in block_sizes(keys, starts)}
    assert (found["db"].blocks, found["db"].largest, found["db"].over_cap) == (2, 2, 0)
    assert found["pf"].mean == 3.0
    assert "ph" not in found


def test_drawings_of_nothing_are_drawings():
    for drawn in (weights_svg("none", {}, (9.96, 6.64, -3.17)), shares_svg("none", []), shares_svg("one", [Share("all", "<all>", 0, 0, 0, 0.0, 1.0)])):
        ET.fromstring(drawn)  # noqa: S314 - our own text


def test_small_groups_are_not_shown_by_themselves(store, monkeypatch):
    monkeypatch.setattr(reporting, "LEAST_GROUP", 100_000)
    found = matching_report(store, sample=5, progress=no_progress)
    assert {one.group for one in found.shares} == {"all", "others"}
