"""kill -9 at any point loses nothing that was acknowledged, doubles nothing and leaves nothing half done, on each engine."""

import os
import random
import subprocess
import sys
import time
from collections import Counter

import orjson
import pytest

from app.principal import SYSTEM
from app.store.contract import DEAD_LETTER, MESSAGE
from tests.contract import mongo_server
from tests.flow.killing import Server, stream_and_kill
from tests.properties.arrival import deliver, fresh, partition, patients, sample_services, small_region, studies


def arrivals(files):
    return [("dicom", *file) for file in files]


def told(services):
    return partition(services), patients(services), studies(services)


def unkilled(folder, feeds, files):
    """The region after a run in which nothing was killed."""
    services = fresh(folder)
    deliver(services, arrivals(files) + [("adt", message) for messages in feeds.values() for message in messages], group=256)
    found = told(services)
    services.store.close()
    return found


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


def survives(tmp_path, store, region, *, kills, seed, **more):
    feeds, files = region
    expected = unkilled(tmp_path / "unkilled", feeds, files)
    with_images(store, files)
    trusts = stream_and_kill(Server(store, tmp_path / "log"), list(feeds.values()), kills=kills, seed=seed, **more)
    check_that_kills_hurt(trusts, kills)
    check(store, feeds, trusts, expected)


@pytest.fixture
def database(tmp_path):
    server = mongo_server.Server(tmp_path)
    server.start()
    yield server
    server.kill()


def test_the_embedded_engine_survives_twenty_kills(tmp_path):
    region = small_region(tmp_path / "region", people=60, studies=30)
    survives(tmp_path, f"sqlite:///{tmp_path / 'weald.db'}", region, kills=20, seed=1)


def test_the_engine_past_one_machine_survives_twenty_kills_and_one_of_its_server(tmp_path, database):
    def meanwhile(number):
        if number == 10:
            database.kill()
            database.start()

    region = small_region(tmp_path / "region", people=24, studies=12)
    survives(tmp_path, f"{database.uri}/weald", region, kills=20, seed=2, pace=3, meanwhile=meanwhile)


def test_a_load_that_is_killed_is_finished_by_running_it_again(tmp_path):
    feeds, files = small_region(tmp_path / "region", people=20, studies=40)
    loaded = sorted((tmp_path / "region").glob("*/dicom"))[:2]
    store = f"sqlite:///{tmp_path / 'weald.db'}"
    environment = {**os.environ, "WEALD_MODE": "sample", "WEALD_STORE": store}

    def load(folder):
        command = [sys.executable, "-c", "from app.cli import main; main()", "load", "--source", f"{folder.parent.name}-PACS", str(folder)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    chance = random.Random(4)
    for folder in loaded:
        killed = load(folder)
        time.sleep(0.5 + chance.random())
        killed.kill()
        killed.wait()
        assert load(folder).wait(60) == 0
    services = sample_services(store)
    deliver(services, [("adt", message) for messages in feeds.values() for message in messages] + arrivals(files), group=256)
    assert told(services) == unkilled(tmp_path / "unkilled", feeds, files)
    services.store.close()


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("engine", ["sqlite", "mongo"])
def test_two_hundred_kills_of_a_larger_region_on_each_engine(tmp_path, database, engine):
    region = small_region(tmp_path / "region", people=600, studies=200, seed=7)
    survives(tmp_path, f"sqlite:///{tmp_path / 'weald.db'}" if engine == "sqlite" else f"{database.uri}/weald", region, kills=200, seed=3)
