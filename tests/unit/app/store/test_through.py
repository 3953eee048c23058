"""A store that stands in front of another passes everything through, and times its commits."""

import pytest

from app.errors import StoreUnavailable
from app.principal import SYSTEM
from app.services import open_store
from app.store.contract import EVENT
from app.store.through import Timed


@pytest.fixture
def behind(tmp_path):
    store = open_store(f"sqlite:///{tmp_path / 'weald.db'}")
    yield store
    store.close()


def test_everything_goes_through_and_each_commit_is_timed(behind):
    store = Timed(behind)
    store.check()
    assert store.apply(SYSTEM, [lambda tx: tx.put(EVENT, "e", b"x")]) == [None]
    with store.snapshot(SYSTEM) as snapshot:
        assert snapshot.get(EVENT, "e") == b"x"
    assert store.engine == behind.engine
    assert store.facts() == behind.facts()
    assert list(store.dump()) == list(behind.dump())
    assert store.purge("2000-01-01T00:00:00.000Z") == 0
    assert store.numbers("http").totals['weald_commit_seconds_count{process="http"}'] == 1
    store.close()
    with pytest.raises(StoreUnavailable):
        behind.check()


def test_a_commit_that_fails_is_timed_too(behind):
    store = Timed(behind)
    with pytest.raises(RuntimeError):
        store.apply(SYSTEM, [lambda tx: (_ for _ in ()).throw(RuntimeError)])
    assert store.numbers("http").totals['weald_commit_seconds_count{process="http"}'] == 1
