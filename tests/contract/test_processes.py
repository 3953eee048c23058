"""Several processes at one store, and processes killed while they write."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.principal import SYSTEM
from app.search.criteria import Query, TokenIs
from app.store.contract import EVENT, Store
from tests.contract.conftest import Clock
from tests.contract.engines import Opener, environment

KILLS = 8


def start(engine: str, folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.contract.worker", engine, str(folder), name, str(count)]
    env = {**os.environ, **environment(engine)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=Path(__file__).parents[2])


def returned(worker: subprocess.Popen[str]) -> int:
    """How many changes the worker was told were applied, once it has ended."""
    with worker:
        lines = worker.stdout.read().split("\n")
    return int(([line for line in lines[:-1] if line] or ["0"])[-1])


def check_whole(store: Store, name: str) -> int:
    """The number of changes applied, after seeing that none is there by half."""
    with store.snapshot(SYSTEM) as snapshot:
        documents = snapshot.count(EVENT, "state", name)
        listed = snapshot.find(EVENT, "state", [name])
        assert [body for _, body in listed] == [str(n).encode() for n in range(documents)]
        assert snapshot.search(Query("Patient", TokenIs("identifier", f"urn:{name}", None), count=1)).total == documents
        found = snapshot.resources("Patient", [f"{name}-{n}" for n in range(documents + 8)])
        assert len(found) == documents
        return documents


@pytest.mark.timeout(600)
def test_processes_write_at_once_and_lose_nothing(engines: tuple[str, Opener], clock: Clock, tmp_path: Path) -> None:
    store = engines[1](tmp_path, clock)
    count = 40
    workers = [start(engines[0], tmp_path, name, count) for name in ("one", "two")]
    assert [returned(worker) for worker in workers] == [count, count]
    assert [check_whole(store, name) for name in ("one", "two")] == [count, count]
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.resource("Patient", "shared").version == 2 * count
        history = snapshot.history(limit=1000)
        assert len(history) == 4 * count
        instants = {version.commit: version.last_updated for version in history}
        assert [instants[commit] for commit in sorted(instants)] == sorted(set(instants.values()))
        assert len(snapshot.demographics(range(1, 2 * count + 9))) == 2 * count
        assert {key: block.size for key, block in snapshot.candidates(range(count), 9).items()} == dict.fromkeys(range(count), 2)
    store.close()


@pytest.mark.timeout(600)
def test_a_process_killed_while_it_writes_loses_nothing_that_returned_and_leaves_no_half(
    engines: tuple[str, Opener], clock: Clock, tmp_path: Path
) -> None:
    chance, told = random.Random(7), 0
    for _ in range(KILLS):
        worker = start(engines[0], tmp_path, "feed", 100_000)
        told = max(told, int(worker.stdout.readline()))
        time.sleep(chance.uniform(0, 0.15))
        worker.kill()
        told = max(told, returned(worker))
        store = engines[1](tmp_path, clock)
        applied = check_whole(store, "feed")
        assert applied >= told
        assert applied % 4 == 0
        with store.snapshot(SYSTEM) as snapshot:
            assert snapshot.resource("Patient", "shared").version == applied
            assert len(snapshot.demographics(range(1, applied + 9))) == applied
        store.close()
