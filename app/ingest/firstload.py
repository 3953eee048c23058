"""Whether the sample region is still to be loaded: a mark in the store, so that a first load that was broken off is made again."""

from __future__ import annotations

from enum import StrEnum

import orjson

from app.principal import SYSTEM
from app.store.contract import RECORD, SETTING, Change, Failed, Store, Transaction

_MARK = "sample-region"


class FirstLoad(StrEnum):
    """What a start has to do about the sample region."""

    NONE = "none"
    FIRST = "first"
    AGAIN = "again"


def begin_first_load(store: Store) -> FirstLoad:
    """Whether to load the region, and whether a load that began has not ended; that one begins now is in the store when this returns.

    A store that holds records and no mark was filled by others: nothing of the sample is put into it.
    """

    def change(tx: Transaction) -> FirstLoad:
        mark = tx.get(SETTING, _MARK)
        if mark is not None:
            return FirstLoad.NONE if orjson.loads(mark)["loaded"] else FirstLoad.AGAIN
        if tx.scan(RECORD, limit=1):
            return FirstLoad.NONE
        tx.put(SETTING, _MARK, orjson.dumps({"began": tx.now, "loaded": None}))
        return FirstLoad.FIRST

    return _applied(store, change)


def end_first_load(store: Store) -> None:
    """Note that the region is loaded, whole."""

    def change(tx: Transaction) -> FirstLoad:
        tx.put(SETTING, _MARK, orjson.dumps({**orjson.loads(tx.get(SETTING, _MARK) or b"{}"), "loaded": tx.now}))
        return FirstLoad.NONE

    _applied(store, change)


def _applied(store: Store, change: Change[FirstLoad]) -> FirstLoad:
    [done] = store.apply(SYSTEM, [change])
    if isinstance(done, Failed):
        raise done.error
    return done
