"""The MLLP listener behind TLS (hl7v2.md 6, Security)."""

from __future__ import annotations

import hashlib
import socket
import ssl

import pytest

from app.mllp.client import send
from app.mllp.framing import framed
from app.mllp.server import tls_context
from app.settings_model import Tls
from tests.flow.certificates import make_certificates
from tests.flow.mllp.conftest import message


@pytest.fixture(scope="module")
def pems(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("tls"))


class TestTls:
    """Sample mode apart: TLS with a required client certificate."""

    def client(self, pems, *, certificate: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=pems / "ca.pem")
        if certificate:
            context.load_cert_chain(pems / "feed.pem", pems / "feed.key")
        return context

    def server(self, pems) -> ssl.SSLContext:
        context = tls_context(Tls(certificate=pems / "weald.pem", private_key=pems / "weald.key", client_ca=pems / "ca.pem"))
        assert context is not None
        return context

    def test_the_certificate_of_the_sender_comes_with_its_messages(self, ingest, listening, pems):
        running = listening(tls=self.server(pems))
        with (
            socket.create_connection(("127.0.0.1", running.port)) as plain,
            self.client(pems, certificate=True).wrap_socket(plain, server_hostname="localhost") as peer,
        ):
            peer.sendall(framed(message("1")))
            assert b"MSA|AA|1" in peer.recv(4096)
        certificate = ingest.frames[0].certificate
        encoded = ssl.PEM_cert_to_DER_cert((pems / "feed.pem").read_text())
        assert certificate.fingerprint == hashlib.sha256(encoded).hexdigest()
        assert certificate.names == {"pas.rtk.example"}

    def test_without_a_certificate_nothing_is_received(self, ingest, listening, pems):
        running = listening(tls=self.server(pems))
        with socket.create_connection(("127.0.0.1", running.port)) as plain:
            assert self.turned_away(plain, self.client(pems, certificate=False))
        assert not ingest.frames

    def turned_away(self, plain: socket.socket, context: ssl.SSLContext) -> bool:
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as peer:
                peer.sendall(framed(message("1")))
                return peer.recv(4096) == b""
        except (ssl.SSLError, ConnectionError):
            return True

    def test_plain_bytes_are_not_received(self, ingest, listening, pems, connect):
        peer = connect(listening(tls=self.server(pems)))
        peer.send(framed(message("1")))
        assert peer.closed()
        assert not ingest.frames

    def test_the_client_of_weald_sends_over_it(self, listening, pems):
        running = listening(tls=self.server(pems))
        answers = send("localhost", running.port, [message("1"), message("2")], tls=self.client(pems, certificate=True))
        assert [b"MSA|AA" in one.acknowledgement for one in answers] == [True, True]

    def test_old_versions_of_tls_are_refused(self, pems):
        assert self.server(pems).minimum_version == ssl.TLSVersion.TLSv1_2

    def test_no_certificate_no_context(self):
        assert tls_context(Tls()) is None
