"""kill -9 at any point loses nothing that was acknowledged, doubles nothing and leaves nothing half done, on each engine."""

from collections import Counter

import orjson
import pytest

from app.principal import SYSTEM
from app.store.contract import DEAD_LETTER, MESSAGE
from tests.contract import mongo_server
from tests.flow.killing import Server, stream_and_kill
from tests.properties.arrival import deliver, fresh, partition, patients, sample_services, small_region, studies

KILLS = 20


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    return small_region(tmp_path_factory.mktemp("region"), people=30, studies=24)


def arrivals(files):
    return [("dicom", *file) for file in files]


def told(services):
    return partition(services), patients(services), studies(services)


@pytest.fixture(scope="module")
def unkilled(region, tmp_path_factory):
    """The region after a run in which nothing was killed."""
    feeds, files = region
    services = fresh(tmp_path_factory.mktemp("unkilled"))
    deliver(services, arrivals(files) + [("adt", message) for messages in feeds.values() for message in messages], group=64)
    yield told(services)
    services.store.close()


def with_images(store, files):
    """The store with the archives loaded and nothing said yet by any feed."""
    services = sample_services(store)
    deliver(services, arrivals(files), group=64)
    services.store.close()


def check(store, feeds, trusts, unkilled):
    messages = [message for feed in feeds.values() for message in feed]
    assert Counter(answer.code for trust in trusts for answer in trust.answers) == {"AA": len(messages)}
    services = sample_services(store)
    with services.store.snapshot(SYSTEM) as snapshot:
        kept = [body for _, body in snapshot.scan(MESSAGE, limit=100_000)]
        assert snapshot.scan(DEAD_LETTER) == []
    numbers = [orjson.loads(body.partition(b"\n")[0])["number"] for body in kept]
    assert Counter(body.partition(b"\n")[2] for body in kept) == Counter(messages)
    assert numbers == list(range(1, len(messages) + 1))
    found = told(services)
    services.store.close()
    assert found[0] == unkilled[0], "the persons differ"
    assert found[1] == unkilled[1], "the patients differ"
    assert found[2] == unkilled[2], "the studies differ"


def check_that_kills_hurt(trusts, kills):
    """The kills must have met messages in flight, or this test shows nothing."""
    assert sum(trust.broken for trust in trusts) >= kills
    assert sum(trust.resent for trust in trusts) >= kills


def test_the_embedded_engine_survives_twenty_kills(region, unkilled, tmp_path):
    feeds, files = region
    store = f"sqlite:///{tmp_path / 'weald.db'}"
    with_images(store, files)
    server = Server(store, tmp_path / "log")
    trusts = stream_and_kill(server, list(feeds.values()), kills=KILLS, seed=1)
    check_that_kills_hurt(trusts, KILLS)
    check(store, feeds, trusts, unkilled)


def test_the_engine_past_one_machine_survives_twenty_kills_and_one_of_its_server(region, unkilled, tmp_path):
    feeds, files = region
    database = mongo_server.Server(tmp_path)
    database.start()
    store = f"{database.uri}/weald"
    with_images(store, files)
    server = Server(store, tmp_path / "log")

    def meanwhile(number):
        if number == KILLS // 2:
            database.kill()
            database.start()

    trusts = stream_and_kill(server, list(feeds.values()), kills=KILLS, seed=2, meanwhile=meanwhile)
    check_that_kills_hurt(trusts, KILLS)
    check(store, feeds, trusts, unkilled)
    database.kill()


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("engine", ["sqlite", "mongo"])
def test_two_hundred_kills_of_a_larger_region_on_each_engine(tmp_path, engine):
    feeds, files = small_region(tmp_path / "region", people=300, studies=200, seed=7)
    calm = fresh(tmp_path / "calm")
    deliver(calm, arrivals(files) + [("adt", message) for messages in feeds.values() for message in messages], group=256)
    unkilled = told(calm)
    calm.store.close()
    database = mongo_server.Server(tmp_path)
    if engine == "mongo":
        database.start()
    store = f"sqlite:///{tmp_path / 'weald.db'}" if engine == "sqlite" else f"{database.uri}/weald"
    with_images(store, files)
    trusts = stream_and_kill(Server(store, tmp_path / "log"), list(feeds.values()), kills=200, seed=3)
    check_that_kills_hurt(trusts, 200)
    check(store, feeds, trusts, unkilled)
    database.kill()
