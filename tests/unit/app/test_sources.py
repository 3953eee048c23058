"""Feeds and archives: found by what they send, and given to the mappers as the settings describe them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import load_settings
from app.settings_model import Settings
from app.sources import ClientCertificate, SourceRegistry, mapping_sources
from mappers.context import NHS_NUMBER

SAMPLE = {"WEALD_MODE": "sample"}

FEEDS = """
mode = "sample"
[organisations]
RTK = { name = "Ashford and St Peter's" }
RXC = { name = "East Sussex" }
[authorities.RTK]
system = "https://site.example/Id/RTK/mrn"
owner = "RTK"
namespaces = ["rtk", "1.2.3"]
[authorities.OLD]
system = "https://site.example/Id/RTK/old"
owner = "RTK"
[sources.PAS]
organisation = "RTK"
msh3 = "PAS*"
msh4 = "RTK"
authorities = { local = "OLD" }
default_authority = "RTK"
type_synonyms = { hosp = "MR" }
pairing = "positional"
unpaired = "retire"
store_only = ["a20"]
charset = "cp1252"
tolerate_utf8 = true
time_zone = "Europe/Dublin"
rank = 5
death_dispositions = ["4"]
death_time_from_discharge = true
acknowledgements = { AR = "AE" }
certificates = ["AB:CD", "pas.rtk.example"]
[sources.PAS.limits]
size = 2048
segments = 7
repeats = 3
[sources.PAS.code_maps.religion]
x1 = { system = "urn:x:1", code = "a", display = "A" }
[sources.ED]
organisation = "RTK"
msh3 = "PAS-ED"
msh4 = "RTK"
[sources.ANY]
organisation = "RXC"
msh4 = "RX?"
[archives.VNA]
organisation = "RTK"
ae_titles = ["VNA1", "VNA 2"]
charset = "ISO_IR 100"
study_id_system = "urn:x:study"
accession_system = "urn:x:accession"
[archives.BARE]
organisation = "RXC"
dicomweb_base = "https://pacs.example/dicom-web"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "weald.toml"
    path.write_text(FEEDS)
    return load_settings(path, {})


@pytest.fixture
def registry(settings: Settings) -> SourceRegistry:
    return SourceRegistry.of(settings)


@pytest.mark.parametrize(
    ("msh3", "msh4", "code"),
    [
        ("PAS", "RTK", "PAS"), ("pas2", " rtk ", "PAS"), ("PAS-ED", "RTK", "ED"), ("PAS^1.2^ISO", "RTK^X^DNS", "PAS"),
        ("", "RXC", "ANY"), ("anything", "RXH", "ANY"), ("PAS", "RXCC", None), ("XPAS", "RTK", None), ("", "", None),
    ],
)  # fmt: skip
def test_a_feed_is_found_by_its_most_precise_patterns(registry, msh3, msh4, code):
    found = registry.feed(msh3, msh4)
    assert (found.code if found else None) == code


def test_a_feed_is_found_by_the_header_of_its_message(registry):
    assert registry.sender_code(b"MSH|^~\\&|PAS|RTK|X\rPID|") == "PAS"
    assert registry.sender_code(b"MSH#^~\\&#PAS^1#RTK#X\rPID#") == "PAS"
    assert registry.sender_code(b"garbage") == ""


def test_an_archive_is_found_by_code_and_by_ae_title(registry):
    assert registry.archive("VNA").code == "VNA"
    assert registry.archive("PAS") is None
    assert registry.archive_of_ae_title(" VNA 2 ").code == "VNA"
    assert registry.archive_of_ae_title("vna1") is None
    assert registry.default_archive is None
    assert registry.by_code("PAS").code == "PAS"
    assert registry.by_code("NONE") is None


def test_a_feed_is_mapped_as_configured(settings):
    source = mapping_sources(settings)["PAS"]
    assert source.organisation == "RTK"
    assert set(source.authorities) == {"RTK", "1.2.3", "LOCAL"}
    assert source.authorities["LOCAL"].system == "https://site.example/Id/RTK/old"
    assert (source.default_authority.code, source.default_authority.owner) == ("RTK", "RTK")
    assert source.type_synonyms == {"HOSP": "MR"}
    assert (source.pairing, source.unpaired_retire) == ("positional", True)
    assert source.store_only == {"A20"}
    assert (source.charset, source.tolerate_utf8) == ("CP1252", True)
    assert (source.time_zone, source.rank) == ("Europe/Dublin", 5)
    assert source.code_maps == {"religion": {"X1": ("urn:x:1", "a", "A")}}
    assert (source.death_dispositions, source.death_time_from_discharge) == ({"4"}, True)
    assert source.wado_base is None


def test_an_archive_is_mapped_as_configured(settings):
    sources = mapping_sources(settings)
    vna, bare = sources["VNA"], sources["BARE"]
    assert (vna.charset, vna.study_id_system, vna.accession_system) == ("ISO_IR 100", "urn:x:study", "urn:x:accession")
    assert bare.accession_system == "https://weald.example/fhir/Id/RXC/accession"
    assert bare.wado_base == "https://pacs.example/dicom-web"
    assert bare.default_authority is None


def test_limits_and_answers_are_those_of_the_feed(registry):
    limits = registry.limits("PAS")
    assert (limits.size, limits.segments, limits.repeats) == (2048, 7, 3)
    assert registry.limits("VNA").size == 1 << 20
    assert registry.answer("PAS", "AR") == "AE"
    assert registry.answer("PAS", "AE") == "AE"
    assert registry.answer("ED", "AR") == "AR"
    assert registry.answer("NONE", "AR") == "AR"


def test_contexts_carry_the_site(registry):
    context = registry.context(registry.by_code("PAS"), "2026-01-01T00:00:00.000000Z")
    assert context.received_at == "2026-01-01T00:00:00.000000Z"
    assert context.canonical_base == "https://weald.example/fhir"
    assert context.admit_test_numbers
    assert set(registry.contexts()) == {"PAS", "ED", "ANY", "VNA", "BARE"}
    assert registry.contexts()["VNA"].received_at == ""
    assert registry.organisations == {"RTK": "Ashford and St Peter's", "RXC": "East Sussex"}


class TestInProduction:
    """MSH text alone never identifies a sender (hl7v2.md 6, Security)."""

    @pytest.fixture
    def registry(self, settings):
        return SourceRegistry(settings.model_copy(update={"mode": "production"}))

    def test_a_feed_needs_its_certificate(self, registry):
        assert registry.feed("PAS", "RTK") is None
        assert registry.feed("PAS", "RTK", ClientCertificate("ffff", frozenset({"pacs.rtk.example"}))) is None
        assert registry.feed("PAS", "RTK", ClientCertificate("abcd")).code == "PAS"
        assert registry.feed("PAS", "RTK", ClientCertificate("ffff", frozenset({"pas.rtk.example"}))).code == "PAS"

    def test_the_certificate_of_one_feed_opens_no_other(self, registry):
        assert registry.feed("PAS-ED", "RTK", ClientCertificate("abcd")) is None
        assert registry.sender_code(b"MSH|^~\\&|ED|RXC", ClientCertificate("abcd")) == ""

    def test_test_numbers_do_not_count(self, registry):
        assert not registry.contexts()["PAS"].admit_test_numbers


class TestTheSample:
    """What the sample region and its feeds rely on."""

    @pytest.fixture
    def registry(self):
        return SourceRegistry(load_settings(env=SAMPLE))

    @pytest.mark.parametrize("ods", ["RTK", "RXC", "RPC", "RA2", "RYR"])
    def test_each_trust_has_a_feed_and_an_archive(self, registry, ods):
        feed, archive = registry.feed("PAS", ods), registry.archive_of_ae_title(f"{ods}PACS")
        assert (feed.code, archive.code) == (f"{ods}-PAS", f"{ods}-PACS")
        assert feed.organisation == archive.organisation == ods
        assert archive.wado_base == f"https://pacs.{ods.lower()}.example/dicom-web"
        scheme = "mrn-west" if ods == "RYR" else "mrn"
        assert feed.default_authority == archive.default_authority
        assert feed.default_authority.system == f"https://weald.example/fhir/Id/{ods}/{scheme}"

    def test_two_schemes_of_one_trust_are_kept_apart(self, registry):
        named = registry.by_code("RYR-PAS").authorities
        assert named["RYRW"].system == "https://weald.example/fhir/Id/RYR/mrn-west"
        assert named["RYRB"].system == "https://weald.example/fhir/Id/RYR/mrn-brighton"
        assert (named["RYRB"].type_code, named["RYRB"].owner) == ("MR", "RYR")

    def test_the_nhs_number_belongs_to_no_trust(self, registry):
        nhs = registry.by_code("RTK-PAS").authorities["NHS"]
        assert (nhs.system, nhs.type_code, nhs.owner) == (NHS_NUMBER, "NH", None)

    def test_any_other_file_belongs_to_the_sample_archive(self, registry):
        assert registry.archive_of_ae_title("ELSEWHERE") is None
        assert registry.default_archive.code == "SAMPLE-PACS"
