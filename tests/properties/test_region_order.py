"""A region is a function of what its trusts sent, not of when it came (imaging.md 3.1, matching.md 8): links, patients, studies.

Each trust's feed keeps its own order, as MLLP does; between trusts, and for files, anything goes.
"""

import pytest

from tests.contract.mongo_server import database_uri
from tests.properties.arrival import deliver, fresh, interleaved, partition, patients, sample_services, small_region, studies, versions


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    return small_region(tmp_path_factory.mktemp("region"), people=90, studies=90)


def in_order(feeds, files):
    """Every feed to its end, one trust after the other, then every archive."""
    return [("adt", message) for messages in feeds.values() for message in messages] + [("dicom", *file) for file in files]


def told(services):
    return partition(services), patients(services), studies(services)


@pytest.fixture(scope="module")
def expected(region, tmp_path_factory):
    services = fresh(tmp_path_factory.mktemp("expected"))
    deliver(services, in_order(*region), group=256)
    yield told(services)
    services.store.close()


def same(found, expected):
    assert found[0] == expected[0], "the persons differ"
    assert found[1] == expected[1], "the patients differ"
    assert found[2] == expected[2], "the studies differ"


def check(services, region, expected, seed, group):
    deliver(services, interleaved(*region, seed), group)
    same(told(services), expected)


def test_the_region_has_people_known_to_several_trusts_and_their_images(expected):
    persons, _, found = expected
    assert sum(len(records) > 1 for records in persons) > 10
    assert len(found) == 90


@pytest.mark.parametrize("seed", [1, 2])
def test_any_interleaving_of_feeds_and_files_gives_the_same_region(region, expected, tmp_path, seed):
    services = fresh(tmp_path)
    check(services, region, expected, seed, group=16)
    services.store.close()


def test_images_before_every_message_give_the_same_region(region, expected, tmp_path):
    services = fresh(tmp_path)
    feeds, files = region
    deliver(services, in_order({}, list(reversed(files))) + in_order(dict(reversed(feeds.items())), []), group=64)
    same(told(services), expected)
    services.store.close()


def test_the_whole_again_changes_nothing(region, expected, tmp_path):
    services = fresh(tmp_path)
    deliver(services, in_order(*region), group=256)
    before = versions(services)
    deliver(services, interleaved(*region, seed=3), group=64)
    assert versions(services) == before
    same(told(services), expected)
    services.store.close()


def test_the_engine_past_one_machine_gives_the_same_region(tmp_path):
    region = small_region(tmp_path / "region", people=16, studies=24)
    embedded, past = fresh(tmp_path / "embedded"), sample_services(database_uri(tmp_path))
    deliver(embedded, in_order(*region), group=256)
    check(past, region, told(embedded), seed=4, group=32)
    embedded.store.close()
    past.store.close()


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("engine", ["sqlite", "mongo"])
def test_a_hundred_interleavings_of_a_larger_region_give_the_same(tmp_path, engine):
    region = small_region(tmp_path / "region", people=200, studies=300, seed=5)
    first = fresh(tmp_path / "first")
    deliver(first, in_order(*region), group=256)
    expected = told(first)
    first.store.close()
    for seed in range(100 if engine == "sqlite" else 10):
        services = fresh(tmp_path / str(seed)) if engine == "sqlite" else sample_services(database_uri(tmp_path / str(seed)))
        check(services, region, expected, seed, group=32)
        services.store.close()
