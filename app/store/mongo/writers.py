"""The sessions that write, so that the transaction of a writer that died can be ended.

A server keeps a dead client's open transaction, and with it the sequencer, for its own limit (60 seconds
unless set otherwise). Each writer therefore registers its session; while it works long it says so every
second. One that finds the sequencer held and standing still ends the sessions that have fallen silent. To end
one that lives after all only makes it run its group again.
"""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import Any, Final

from pymongo import MongoClient
from pymongo.client_session import ClientSession

from app.store.mongo.schema import Collections
from app.store.mongo.snapshot import SEQUENCER
from app.store.mongo.values import Raw

_BEAT: Final = 1.0
_SILENT: Final = 3.0


class Writers:
    """This store's writing session among those of all processes."""

    def __init__(self, client: MongoClient[Raw], collections: Collections) -> None:
        self._client = client
        self._collections = collections
        self._session: ClientSession | None = None
        self._pid = 0
        self._beaten = 0.0
        self._seen: tuple[int, float] = (-1, 0.0)

    def session(self) -> ClientSession:
        """The one session that this process writes in, registered."""
        if self._session is None or self._pid != os.getpid():
            self._session, self._pid = self._client.start_session(causal_consistency=True), os.getpid()
            self._register()
        self._beaten = time.monotonic()
        return self._session

    def _register(self) -> None:
        self._collections.writer.update_one(self._own(), {"$currentDate": {"at": True}}, upsert=True)

    def _own(self) -> Raw:
        return {"_id": self._session.session_id["id"]} if self._session else {}

    def beat(self) -> None:
        """Say, at most once a second and outside the transaction, that this writer is at work."""
        if time.monotonic() - self._beaten >= _BEAT:
            self._beaten = time.monotonic()
            self._register()

    def refused(self) -> None:
        """The sequencer was held by another: end the silent where it has stood still for long."""
        held = self._collections.sequence.find_one({"_id": SEQUENCER})
        number, since = self._seen
        if held is None or held["n"] != number:
            self._seen = (held["n"] if held else -1), time.monotonic()
        elif time.monotonic() - since >= _SILENT:
            self._end_silent()
            self._seen = number, time.monotonic()

    def _end_silent(self) -> None:
        now = self._client.admin.command("hello")["localTime"]
        silent: Raw = {"_id": {"$ne": self._own().get("_id")}, "at": {"$lt": now - timedelta(seconds=_SILENT)}}
        ids: list[Any] = [writer["_id"] for writer in self._collections.writer.find(silent)]
        if ids:
            codec = self._collections.writer.codec_options
            self._client.admin.command("killSessions", [{"id": id} for id in ids], codec_options=codec)

    def close(self) -> None:
        """Leave the register."""
        if self._session is not None and self._pid == os.getpid():
            self._collections.writer.delete_one(self._own())
            self._session.end_session()
            self._session = None
