"""Several processes that write at once, in any order and killed at any point, come to the same persons and golden patients (matching.md 11 and 13)."""

import os
import pickle
import random
import subprocess
import sys
import time

import pytest

from app.ingest.again import finish_pending
from app.principal import SYSTEM
from app.store.contract import DEAD_LETTER
from tests.contract.mongo_server import database_uri
from tests.properties.arrival import deliver, fresh, partition, patients, sample_services, small_region

WRITERS = 4


def told(services):
    return partition(services), patients(services)


class Writer:
    """One writer's process, started anew each time it is killed."""

    def __init__(self, store, folder, name, messages):
        self.command = [sys.executable, "-m", "tests.properties.writer", store, str(folder), name]
        (folder / f"{name}.messages").write_bytes(pickle.dumps(messages))
        self.process = self._start()

    def _start(self):
        return subprocess.Popen(self.command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def crash(self):
        """Whether it was at work and was killed."""
        if self.process.poll() is not None:
            return False
        self.process.kill()
        self.process.communicate()
        self.process = self._start()
        return True

    def end(self):
        _, errors = self.process.communicate(timeout=1800)
        assert self.process.returncode == 0, errors.decode()


def written(store, folder, messages, seed, crashes):
    """What the messages come to in a random order, dealt to writers of which one is killed ``crashes`` times; and how many kills met one at work."""
    folder.mkdir()
    chance = random.Random(seed)
    shuffled = chance.sample(messages, len(messages))
    writers = [Writer(store, folder, f"writer-{number}", shuffled[number::WRITERS]) for number in range(WRITERS)]
    met = 0
    for _ in range(crashes):
        time.sleep(chance.uniform(1.0, 2.5))
        met += chance.choice(writers).crash()
    for writer in writers:
        writer.end()
    services = sample_services(store)
    finish_pending(services, SYSTEM)
    with services.store.snapshot(SYSTEM) as snapshot:
        assert snapshot.scan(DEAD_LETTER) == []
    found = told(services)
    services.store.close()
    return found, met


def check(tmp_path, engine, messages, *, permutations, crashes):
    services = fresh(tmp_path / "in-order")
    deliver(services, [("adt", message) for message in messages], group=64)
    expected = told(services)
    services.store.close()
    assert sum(len(records) > 1 for records in expected[0]) > 3
    met = 0
    for seed in range(permutations):
        folder = tmp_path / str(seed)
        store = f"sqlite:///{tmp_path / f'{seed}.db'}" if engine == "sqlite" else database_uri(folder)
        found, hit = written(store, folder, messages, seed, crashes)
        assert found[0] == expected[0], (seed, "the persons differ")
        assert found[1] == expected[1], (seed, "the patients differ")
        met += hit
    assert met > 0, "no kill met a writer at work, so that this shows nothing"


def messages_of(folder, people, seed):
    feeds, _ = small_region(folder, people=people, studies=20, seed=seed)
    return [message for feed in feeds.values() for message in feed]


@pytest.mark.parametrize("engine", ["sqlite", "mongo"])
def test_writers_at_once_and_crashes_give_the_same_persons(tmp_path, engine):
    messages = messages_of(tmp_path / "region", people=70 if engine == "sqlite" else 16, seed=6)
    check(tmp_path, engine, messages, permutations=1, crashes=3)


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("engine", ["sqlite", "mongo"])
def test_a_hundred_orders_by_four_writers_with_crashes_give_the_same_persons(tmp_path, engine):
    messages = messages_of(tmp_path / "region", people=900, seed=6)[:5000]
    check(tmp_path, engine, messages, permutations=100, crashes=6)
