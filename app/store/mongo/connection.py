"""The connection: what a server must be like, how durable a write is, and which errors mean unavailable.

Every guarantee is asked for by name, because the driver sends no default: write concern majority with
``j: true`` and a time limit, read concern majority, or snapshot in a transaction, and reads of the primary.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import mongoengine
from pymongo import MongoClient, ReadPreference
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    ExecutionTimeout,
    InvalidURI,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import parse_uri
from pymongo.write_concern import WriteConcern

from app.errors import SettingsError, StoreUnavailable, TooCostly
from app.store.mongo.values import Raw

DEFAULT_DATABASE: Final = "weald"
SNAPSHOT: Final = ReadConcern("snapshot")
TRANSIENT: Final = "TransientTransactionError"
UNKNOWN_RESULT: Final = "UnknownTransactionCommitResult"

_OLDEST_PATCH = {(7, 0): 32, (8, 0): 21, (8, 2): 3}
"""The first release of each line without CVE-2025-14847 and CVE-2026-6914; later lines have none."""
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_UNAVAILABLE_CODES = frozenset({
    6, 7, 11, 24, 50, 63, 64, 89, 91, 100, 112, 133, 189, 202, 205, 211, 225, 244, 246, 251, 262, 290, 9001, 10058, 10107, 11600, 11602,
    13388, 13435, 13436, 14031,
})  # fmt: skip
"""Codes of a server that cannot serve now: not primary, shutting down, interrupted, disk full, lock or write conflict, no such transaction."""

_aliases = itertools.count(1)


def durable(timeout: float) -> WriteConcern:
    """On disk on a majority before it counts."""
    return WriteConcern("majority", j=True, wtimeout=int(timeout * 1000))


def committing(timeout: float) -> Raw:
    """The options of a transaction that writes."""
    return {
        "read_concern": SNAPSHOT, "write_concern": durable(timeout), "read_preference": ReadPreference.PRIMARY,
        "max_commit_time_ms": int(timeout * 1000),
    }  # fmt: skip


READING: Final[Raw] = {"read_concern": SNAPSHOT, "read_preference": ReadPreference.PRIMARY}
"""The options of a transaction that only reads."""


def unavailable(error: PyMongoError) -> StoreUnavailable | None:
    """StoreUnavailable where the server or the network is the cause; None where the command is wrong."""
    if isinstance(error, ConnectionFailure | WTimeoutError):
        return StoreUnavailable("the store cannot be reached now")
    if isinstance(error, OperationFailure) and error.code in _UNAVAILABLE_CODES:
        return StoreUnavailable(f"the store cannot be used now: MongoDB code {error.code}")
    if error.has_error_label(TRANSIENT) or error.has_error_label(UNKNOWN_RESULT):
        return StoreUnavailable("the store cannot commit now")
    return None


def too_costly() -> TooCostly:
    """The refusal of a query that the server has stopped at its time limit."""
    return TooCostly("the search takes too long; add criteria that narrow it")


@contextmanager
def reached() -> Iterator[None]:
    """Turn the errors of an unreachable or unready server into StoreUnavailable, and that of a query stopped into TooCostly."""
    try:
        yield
    except ExecutionTimeout as error:
        raise too_costly() from error
    except PyMongoError as error:
        cause = unavailable(error)
        if cause is None:
            raise
        raise cause from error


def connect(uri: str, timeout: float, pool: int) -> tuple[str, MongoClient[Raw], str]:
    """A mongoengine connection: its alias, its client, and the database the URI names."""
    _check_uri(uri)
    alias = f"weald-{next(_aliases)}"
    limit = int(timeout * 1000)
    options: dict[str, Any] = {
        "w": "majority", "journal": True, "wTimeoutMS": limit, "readConcernLevel": "majority", "readPreference": "primary",
        "retryWrites": True, "retryReads": True, "serverSelectionTimeoutMS": limit, "connectTimeoutMS": limit,
        "socketTimeoutMS": 2 * limit, "maxPoolSize": pool, "appname": "weald", "uuidRepresentation": "standard",
    }  # fmt: skip
    database = urlsplit(uri).path.lstrip("/") or DEFAULT_DATABASE
    client: MongoClient[Raw] = mongoengine.connect(db=database, host=uri, alias=alias, **options)
    return alias, client, database


def disconnect(alias: str) -> None:
    """Close the connection."""
    mongoengine.disconnect(alias)


def _check_uri(uri: str) -> None:
    """SettingsError where the URI is none, or asks for what Weald does not do over a network."""
    try:
        parsed = parse_uri(uri)
    except (InvalidURI, ConfigurationError, ValueError) as error:
        raise SettingsError("store: the MongoDB URI cannot be read; write mongodb://host:27017/database?replicaSet=name") from error
    options = {name.lower(): values[-1].lower() for name, values in parse_qs(urlsplit(uri).query).items()}
    if "zlib" in options.get("compressors", ""):
        raise SettingsError("store: compressors=zlib is not allowed (CVE-2025-14847); leave compressors out or name zstd or snappy")
    if all(host in _LOOPBACK for host, _ in parsed["nodelist"]):
        return
    if options.get("tls", options.get("ssl")) != "true" and not uri.startswith("mongodb+srv://"):
        raise SettingsError("store: a MongoDB server that is not on this host must be reached with tls=true")
    if not parsed["username"] and options.get("authmechanism") != "mongodb-x509":
        raise SettingsError("store: a MongoDB server that is not on this host must be reached with a user or authMechanism=MONGODB-X509")


def check_server(client: MongoClient[Raw]) -> str:
    """The server's version; SettingsError where it lacks transactions or a security release."""
    hello = client.admin.command("hello")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise SettingsError("store: this MongoDB server is standalone; transactions need a replica set or a sharded cluster")
    build = client.admin.command("buildInfo")
    major, minor, patch = (int(part) for part in build["versionArray"][:3])
    needed = _OLDEST_PATCH.get((major, minor), 0 if (major, minor) > max(_OLDEST_PATCH) else None)
    if needed is None or patch < needed:
        raise SettingsError("store: this MongoDB release has known holes; run 7.0.32, 8.0.21, 8.2.3 or later")
    return str(build["version"])
