"""kill -9 of a writer and of the server: what was acknowledged stays, what was not is whole or absent, nothing is done twice."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import StoreUnavailable
from app.principal import SYSTEM
from app.search.criteria import Query, TokenIs
from app.store.contract import RECORD, Snapshot, Transaction
from app.store.mongo import MongoStore, open_store
from tests.contract.making import content, token
from tests.contract.mongo_server import Server

CHILD = """
import sys, time
from app.principal import SYSTEM
from app.store.mongo import open_store
from tests.unit.app.store.mongo.test_kills import change
store, at = open_store(sys.argv[1]), int(sys.argv[2])
def sleeping(tx):
    tx.next_number("n")
    print("holding", flush=True)
    time.sleep(600)
while True:
    store.apply(SYSTEM, [sleeping] if at < 0 else [change(at), change(at + 1)])
    print(at, flush=True)
    at += 2
"""


def change(at: int):
    """A change that does its work once, however often it is asked."""

    def apply(tx: Transaction) -> None:
        if tx.get(RECORD, f"{at:06d}") is None:
            number = tx.next_number("n")
            tx.put(RECORD, f"{at:06d}", b"%d" % number, {"identifier": [str(at)]})
            tx.save("Patient", str(at), content("Patient", str(at)), token("identifier", "urn:n", str(at)), custodian=None)
            tx.put_blocks(at + 1, [7, at], b"d")

    return apply


def assert_whole(view: Snapshot, acknowledged: int) -> None:
    """Each piece of work up to the last acknowledged is there, whole and once; any beyond it is whole too."""
    kept = view.scan(RECORD, limit=100_000)
    assert [key for key, _ in kept] == [f"{at:06d}" for at in range(len(kept))]
    assert len(kept) >= acknowledged
    assert [int(body) for _, body in kept] == list(range(1, len(kept) + 1))
    assert set(view.resources("Patient", [str(at) for at in range(len(kept) + 4)])) == {str(at) for at in range(len(kept))}
    assert {version.commit for version in view.history(limit=100_000)} <= set(range(1, view.commit + 1))
    assert view.candidates([7], 10**6)[7].members == tuple(range(1, len(kept) + 1))
    for at in range(len(kept)):
        assert view.search(Query("Patient", TokenIs("identifier", None, str(at)))).total == 1


def start(uri: str, at: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CHILD, uri, str(at)], stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_leaves_all_it_acknowledged_and_nothing_half_done(store: MongoStore, uri: str) -> None:
    chance, done = random.Random(1), 0
    for _ in range(5):
        child = start(uri, done)
        threading.Timer(1.5 + chance.random(), child.kill).start()
        assert child.stdout is not None
        for line in child.stdout:
            done = max(done, int(line) + 2)
        child.wait()
        child.stdout.close()
        with store.snapshot(SYSTEM) as view:
            assert_whole(view, done)
            done = view.count(RECORD)
    assert done > 0


def test_a_writer_that_dies_holding_the_sequencer_holds_nobody_up_for_long(store: MongoStore, uri: str) -> None:
    child = start(uri, -1)
    assert child.stdout is not None
    assert child.stdout.readline() == "holding\n"
    child.kill()
    child.wait()
    child.stdout.close()
    began = time.monotonic()
    store.apply(SYSTEM, [change(0)])
    assert time.monotonic() - began < 9
    with store.snapshot(SYSTEM) as view:
        assert_whole(view, 1)


def test_a_slow_writer_that_lives_is_waited_for(new_store) -> None:
    slow, other, order = new_store(), new_store(), []
    started = threading.Event()

    def lasting(tx: Transaction) -> None:
        started.set()
        time.sleep(0.9)
        order.append("slow")

    thread = threading.Thread(target=slow.apply, args=(SYSTEM, [change(0), *[lasting] * 5]))
    thread.start()
    started.wait()
    other.apply(SYSTEM, [lambda tx: order.append("other") or change(1)(tx)])
    thread.join()
    assert order[:5] == ["slow"] * 5
    assert order.count("slow") == 5


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def test_a_killed_server_keeps_all_that_was_acknowledged(server: Server) -> None:
    store, chance, acknowledged, stop = open_store(f"{server.uri}/weald", timeout=20), random.Random(2), [0], threading.Event()

    def work() -> None:
        while not stop.is_set():
            at = acknowledged[0]
            try:
                store.apply(SYSTEM, [change(at), change(at + 1)])
            except StoreUnavailable:
                continue
            acknowledged[0] = at + 2

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(6):
        before = acknowledged[0]
        time.sleep(0.3 + chance.random())
        server.kill()
        server.start()
        with store.snapshot(SYSTEM) as view:
            assert_whole(view, before)
    stop.set()
    worker.join()
    with store.snapshot(SYSTEM) as view:
        assert_whole(view, acknowledged[0])
        assert view.count(RECORD) == acknowledged[0] > 0
    store.close()
