"""What a URI and a server must be, and which errors mean that the store is unavailable."""

from __future__ import annotations

import pytest
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError, WTimeoutError

from app.errors import SettingsError, StoreUnavailable
from app.store.mongo import open_store
from app.store.mongo.connection import check_server, committing, connect, disconnect, reached, unavailable


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("mongodb://", "cannot be read"),
        ("mongo://127.0.0.1/weald", "cannot be read"),
        ("mongodb://127.0.0.1/weald?compressors=zlib", "zlib"),
        ("mongodb://127.0.0.1/weald?compressors=zlib&tls=true", "zlib"),
        ("mongodb://db.example/weald", "tls=true"),
        ("mongodb://weald:secret@127.0.0.1,db.example/weald", "tls=true"),
        ("mongodb://db.example/weald?tls=true", "a user"),
    ],
)
def test_an_unfit_uri_is_refused_by_a_sentence_without_its_values(uri: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as refusal:
        open_store(uri)
    assert "secret" not in refusal.value.text


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://u:p@db.example/weald?tls=true",
        "mongodb://db.example/weald?ssl=true&authMechanism=MONGODB-X509",
        "mongodb://[::1]:27017/x",
    ],
)
def test_a_fit_uri_is_taken_with_every_guarantee_by_name(uri: str) -> None:
    alias, client, _ = connect(uri, 2.0, 5)
    assert client.write_concern.document == {"w": "majority", "j": True, "wtimeout": 2000}
    assert client.read_concern.level == "majority"
    disconnect(alias)
    options = committing(2.0)
    assert options["write_concern"].document == {"w": "majority", "j": True, "wtimeout": 2000}
    assert options["read_concern"].level == "snapshot"


class FakeAdmin:
    def __init__(self, hello: dict, version: tuple[int, ...]) -> None:
        self.answers = {"hello": hello, "buildInfo": {"versionArray": [*version, 0], "version": ".".join(map(str, version))}}
        self.admin = self

    def command(self, name: str) -> dict:
        return self.answers[name]


@pytest.mark.parametrize("version", [(7, 0, 32), (8, 0, 21), (8, 2, 3), (8, 3, 0), (9, 0, 0)])
def test_a_patched_server_is_taken(version) -> None:
    assert check_server(FakeAdmin({"setName": "rs"}, version)) == ".".join(map(str, version))
    assert check_server(FakeAdmin({"msg": "isdbgrid"}, version))


@pytest.mark.parametrize("version", [(4, 4, 29), (7, 0, 31), (7, 3, 9), (8, 0, 20), (8, 2, 2)])
def test_a_server_with_known_holes_is_refused(version) -> None:
    with pytest.raises(SettingsError, match="known holes"):
        check_server(FakeAdmin({"setName": "rs"}, version))


def test_a_standalone_server_is_refused() -> None:
    with pytest.raises(SettingsError, match="standalone"):
        check_server(FakeAdmin({}, (8, 2, 3)))


def test_a_server_that_is_not_there_makes_the_store_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        open_store("mongodb://127.0.0.1:1/weald", timeout=0.2)


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("gone"), WTimeoutError("slow"), OperationFailure("x", 10107), OperationFailure("x", 112),
        OperationFailure("x", 1, {"errorLabels": ["TransientTransactionError"]}),
    ],
)  # fmt: skip
def test_an_error_of_server_or_network_is_unavailability(error: PyMongoError) -> None:
    with pytest.raises(StoreUnavailable), reached():
        raise error


def test_an_error_in_the_command_is_raised_as_it_is() -> None:
    assert unavailable(OperationFailure("x", 2)) is None
    with pytest.raises(OperationFailure), reached():
        raise OperationFailure("x", 2)
