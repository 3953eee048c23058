"""The simulator's trusts are those of the shipped sample settings."""

import pytest

from app.settings import load_settings
from app.simulate.trusts import TRUSTS
from app.sources import mapping_sources


@pytest.fixture(scope="module")
def settings():
    return load_settings(None, {"WEALD_MODE": "sample"})


def test_every_trust_has_its_organisation_feed_and_archive(settings):
    assert set(TRUSTS) < set(settings.organisations)
    for ods in TRUSTS:
        assert settings.sources[f"{ods}-PAS"].organisation == ods
        assert settings.archives[f"{ods}-PACS"].ae_titles[0] == TRUSTS[ods].ae_title


def test_every_namespace_leads_to_the_schemes_system(settings):
    sources = mapping_sources(settings)
    for ods, trust in TRUSTS.items():
        for code in (f"{ods}-PAS", f"{ods}-PACS"):
            for scheme in trust.schemes:
                assert sources[code].authorities[scheme.namespace].system == scheme.system
        assert sources[f"{ods}-PACS"].default_authority.system == trust.schemes[0].system


def test_feeds_are_known_by_their_header(settings):
    for ods in TRUSTS:
        feed = settings.sources[f"{ods}-PAS"]
        assert (feed.msh3, feed.msh4) == ("PAS", ods)
