"""A MongoDB server for tests: the one WEALD_TEST_MONGODB names, else SecantusDB started as its own process.

SecantusDB is a stand-in (GPL-2, beta) and used as a program only, with ``--sync-on-commit``.
"""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from functools import cache
from hashlib import blake2b
from pathlib import Path

import pymongo
from pymongo.errors import PyMongoError

_PROGRAM = Path(sys.executable).with_name("secantusd-py")
_START_SECONDS = 30.0


class Server:
    """A stand-in process over its own data folder; killed and started again on the same data."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it answers."""
        command = [
            str(_PROGRAM),
            "--port",
            str(self.port),
            "--storage-path",
            str(self.data / "db"),
            "--sync-on-commit",
            "--log-level",
            "ERROR",
        ]
        with (self.data / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.data)
        deadline = time.monotonic() + _START_SECONDS
        with pymongo.MongoClient(self.uri, serverSelectionTimeoutMS=200) as client:
            while True:
                try:
                    client.admin.command("ping")
                except PyMongoError:
                    if time.monotonic() > deadline or self.process.poll() is not None:
                        raise
                else:
                    return

    def kill(self) -> None:
        """kill -9, and wait for the end of it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@cache
def server_uri() -> str:
    """The URI of this session's server, started when first asked for."""
    if named := os.environ.get("WEALD_TEST_MONGODB"):
        return named.rstrip("/")
    data = Path(tempfile.mkdtemp(prefix="weald-mongo-"))
    server = Server(data)
    server.start()
    atexit.register(lambda: (server.kill(), shutil.rmtree(data, ignore_errors=True)))
    return server.uri


def database_uri(folder: Path) -> str:
    """The URI of the database that belongs to a folder; it goes with the stand-in's data, or is dropped from a named server.

    The stand-in takes a second to drop a hundred documents, so that nothing is dropped between tests.
    """
    base, _, options = server_uri().partition("?")
    name = f"weald_test_{blake2b(str(folder).encode(), digest_size=8).hexdigest()}"
    uri = f"{base.rstrip('/')}/{name}" + (f"?{options}" if options else "")
    if os.environ.get("WEALD_TEST_MONGODB"):
        atexit.register(_drop, uri, name)
    return uri


def _drop(uri: str, name: str) -> None:
    with pymongo.MongoClient(uri) as client:
        client.drop_database(name)
