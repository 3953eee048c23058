"""The MLLP listener through its socket (hl7v2.md 6; security.md 5, cases 15 and 17)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import hl7.client
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.mllp.client import send
from app.mllp.framing import FrameDecoder, framed
from app.mllp.server import MllpServer, serve, server_from_settings, tls_context
from app.settings import load_settings
from app.settings_model import Mllp, Tls


def message(control_id: str, *, application: str = "PAS", body: str = "") -> bytes:
    return f"MSH|^~\\&|{application}|RTK|WEALD|WEALD|20260101||ADT^A08|{control_id}|P|2.4\rPID|1|{body}\r".encode()


def control_id(frame: bytes) -> bytes:
    return (frame.split(b"|") + [b""] * 10)[9]


class Ingest:
    """An instant receive that answers with MSA-2, and can be held back or told to withhold."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.groups: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.withhold: set[bytes] = set()
        self.silent: set[bytes] = set()

    def __call__(self, frames) -> list[bytes | None]:
        self.groups.append(len(frames))
        assert self.gate.wait(20)
        self.frames += frames
        return [self.answer(frame) for frame in frames]

    def answer(self, frame) -> bytes | None:
        identifier = control_id(frame)
        if identifier in self.withhold:
            return None
        if identifier in self.silent:
            return b""
        return b"MSH|^~\\&|WEALD|WEALD|PAS|RTK|||ACK\rMSA|%s|%s\r" % (b"AR" if frame.over_size else b"AA", identifier)


class Running:
    """A listener in a thread of its own."""

    def __init__(self, make: Callable[[], MllpServer]) -> None:
        self.port = 0
        self._make = make
        self._listening = threading.Event()
        self._stop = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.thread.start()
        assert self._listening.wait(10)

    async def _run(self) -> None:
        self.server = self._make()
        self.port = await self.server.start("127.0.0.1", 0)
        self._listening.set()
        await asyncio.get_running_loop().run_in_executor(None, self._stop.wait)
        await self.server.stop()

    def stop(self) -> None:
        self._stop.set()
        self.thread.join(20)
        assert not self.thread.is_alive()

    def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            time.sleep(0.005)
        assert condition()


class Peer:
    """A socket and the frames that come out of it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._decoder = FrameDecoder()
        self._frames: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answers(self, count: int) -> list[bytes]:
        """MSA-1|MSA-2 of the next answers."""
        while len(self._frames) < count:
            data = self.socket.recv(65536)
            assert data, "closed"
            self._frames += self._decoder.feed(data)
        taken, self._frames = self._frames[:count], self._frames[count:]
        return [frame.split(b"\rMSA|")[1].rstrip(b"\r") for frame in taken]

    def closed(self) -> bool:
        """Whether the listener closed, without a further answer."""
        with contextlib.suppress(ConnectionError):
            return self.socket.recv(65536) == b"" and not self._frames
        return True


@pytest.fixture
def ingest() -> Ingest:
    return Ingest()


@pytest.fixture
def listening(ingest) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def listen(*, identify=None, failed=None, max_frame: int = 1 << 20, tls=None, receive=None, **settings: float) -> Running:
        made = Mllp(**settings)
        running.append(
            Running(lambda: MllpServer(receive or ingest, made, identify=identify, failed=failed, max_frame=max_frame, tls=tls))
        )
        return running[-1]

    yield listen
    ingest.gate.set()
    for one in running:
        one.stop()


@pytest.fixture
def connect() -> Iterator[Callable[[Running], Peer]]:
    peers: list[Peer] = []

    def make(running: Running) -> Peer:
        peers.append(Peer(running.port))
        return peers[-1]

    yield make
    for peer in peers:
        peer.socket.close()


def test_one_message_gets_one_answer(ingest, listening, connect):
    peer = connect(listening())
    peer.send(framed(message("1")))
    assert peer.answers(1) == [b"AA|1"]
    assert ingest.frames == [message("1")]


def test_a_connection_persists(listening, connect):
    peer = connect(listening())
    for number in range(50):
        peer.send(framed(message(str(number))))
        assert peer.answers(1) == [b"AA|%d" % number]


def test_pipelined_frames_of_one_packet_are_answered_in_order(listening, connect):
    peer = connect(listening())
    peer.send(b"".join(framed(message(str(n))) for n in range(200)))
    assert peer.answers(200) == [b"AA|%d" % n for n in range(200)]


def test_a_frame_that_comes_byte_by_byte_is_one_message(ingest, listening, connect):
    peer = connect(listening())
    for byte in framed(message("1")) + framed(message("2")):
        peer.send(bytes([byte]))
    assert peer.answers(2) == [b"AA|1", b"AA|2"]
    assert ingest.frames == [message("1"), message("2")]


def test_garbage_empty_frames_and_no_control_id_each_get_one_answer_and_the_connection_survives(listening, connect):
    running = listening()
    peer = connect(running)
    peer.send(b"GET / HTTP/1.1\r\n\r\n" + framed(b"") + b"\r\n" + framed(b"nonsense") + framed(b"MSH|^~\\&|||") + framed(message("4")))
    assert peer.answers(4) == [b"AA|", b"AA|", b"AA|", b"AA|4"]
    peer.send(framed(message("5")))
    assert peer.answers(1) == [b"AA|5"]


def test_messages_of_several_connections_share_a_commit(ingest, listening, connect):
    running = listening()
    peers = [connect(running) for _ in range(9)]
    ingest.gate.clear()
    peers[0].send(framed(message("0")))
    running.until(lambda: ingest.groups == [1])
    for number, peer in enumerate(peers[1:], 1):
        peer.send(framed(message(str(number))))
    running.until(lambda: running.server.counters.frames == 9)
    ingest.gate.set()
    assert [peer.answers(1) for peer in peers] == [[b"AA|%d" % n] for n in range(9)]
    assert ingest.groups == [1, 8]


def test_nothing_is_answered_before_ingest_returns(ingest, listening, connect):
    running = listening()
    peer = connect(running)
    ingest.gate.clear()
    peer.send(framed(message("1")))
    running.until(lambda: ingest.groups == [1])
    peer.socket.settimeout(0.1)
    with pytest.raises(TimeoutError):
        peer.socket.recv(1)
    ingest.gate.set()
    peer.socket.settimeout(10)
    assert peer.answers(1) == [b"AA|1"]


def test_a_withheld_answer_closes_the_connection_after_the_answers_before_it(ingest, listening, connect):
    ingest.withhold = {b"2"}
    running = listening()
    peer, other = connect(running), connect(running)
    peer.send(b"".join(framed(message(str(n))) for n in (1, 2, 3)))
    assert peer.answers(1) == [b"AA|1"]
    assert peer.closed()
    other.send(framed(message("4")))
    assert other.answers(1) == [b"AA|4"]
    assert running.server.counters.withheld == 1


def test_messages_behind_a_withheld_one_are_not_begun(ingest, listening, connect):
    ingest.withhold = {b"1"}
    running = listening(group_max=1)
    peer = connect(running)
    ingest.gate.clear()
    peer.send(b"".join(framed(message(str(n))) for n in range(1, 50)))
    running.until(lambda: running.server.counters.frames == 49)
    ingest.gate.set()
    assert peer.closed()
    running.until(lambda: running.server.counters.connections == 0)
    running.until(lambda: running.server.counters.buffered == 0)
    assert ingest.frames == [message("1")]
    assert running.server.counters.withheld == 49


def test_a_sender_that_wants_no_answer_gets_none_and_stays(ingest, listening, connect):
    ingest.silent = {b"1"}
    running = listening()
    peer = connect(running)
    peer.send(framed(message("1")) + framed(message("2")))
    assert peer.answers(1) == [b"AA|2"]
    assert running.server.counters.unwanted == 1


def test_a_peer_that_closes_its_sending_half_still_gets_its_answers(ingest, listening, connect):
    running = listening()
    peer = connect(running)
    ingest.gate.clear()
    peer.send(framed(message("1")) + framed(message("2")))
    peer.socket.shutdown(socket.SHUT_WR)
    running.until(lambda: running.server.counters.frames == 2)
    ingest.gate.set()
    assert peer.answers(2) == [b"AA|1", b"AA|2"]
    assert peer.closed()


def test_a_peer_that_leaves_loses_only_its_answers(ingest, listening, connect):
    running = listening()
    peer, other = connect(running), connect(running)
    ingest.gate.clear()
    peer.send(framed(message("1")) + framed(message("2")))
    running.until(lambda: running.server.counters.frames == 2)
    peer.socket.close()
    ingest.gate.set()
    other.send(framed(message("3")))
    assert other.answers(1) == [b"AA|3"]
    assert ingest.frames == [message("1"), message("2"), message("3")]
    running.until(lambda: running.server.counters.connections == 1)


class TestOneDefect:
    """Poison goes to a dead letter; the feeds go on."""

    @staticmethod
    def receive(frames) -> list[bytes]:
        if any(control_id(frame) == b"bad" for frame in frames):
            raise ZeroDivisionError
        return [b"MSH|\rMSA|AA|" + control_id(frame) for frame in frames]

    def test_is_withheld_and_stops_nobody_else(self, listening, connect):
        running = listening(receive=self.receive)
        peer, other = connect(running), connect(running)
        peer.send(framed(message("1")) + framed(message("bad")))
        other.send(framed(message("2")))
        assert other.answers(1) == [b"AA|2"]
        assert peer.answers(1) == [b"AA|1"]
        assert peer.closed()

    def test_gets_the_answer_of_the_one_who_keeps_dead_letters(self, listening, connect):
        running = listening(receive=self.receive, failed=lambda frame, _: b"MSH|\rMSA|AE|" + control_id(frame))
        peer = connect(running)
        peer.send(framed(message("bad")) + framed(message("2")))
        assert peer.answers(2) == [b"AE|bad", b"AA|2"]


class TestBackPressure:
    def test_reading_stops_at_the_unanswered_frames_of_a_connection(self, ingest, listening, connect):
        running = listening(unanswered=4, group_max=1)
        peer, other = connect(running), connect(running)
        ingest.gate.clear()
        body = "x" * 100_000
        sender = threading.Thread(target=lambda: peer.send(b"".join(framed(message(str(n), body=body)) for n in range(200))))
        sender.start()
        running.until(lambda: running.server.counters.frames >= 4)
        time.sleep(0.2)
        assert running.server.counters.frames < 20
        other.send(framed(message("other")))
        running.until(lambda: any(one.unanswered == 1 for one in list(running.server.connections)))
        ingest.gate.set()
        assert peer.answers(200) == [b"AA|%d" % n for n in range(200)]
        assert other.answers(1) == [b"AA|other"]
        sender.join(10)

    def test_reading_stops_at_the_unanswered_frames_of_all(self, ingest, listening, connect):
        running = listening(queue=3, group_max=1)
        peers = [connect(running) for _ in range(6)]
        running.until(lambda: running.server.counters.connections == 6)
        ingest.gate.clear()
        for number, peer in enumerate(peers[:3]):
            peer.send(framed(message(str(number))))
        running.until(lambda: running.server.counters.frames == 3)
        for number, peer in enumerate(peers[3:], 3):
            peer.send(framed(message(str(number))))
        late = connect(running)
        late.send(framed(message("late")))
        running.until(lambda: running.server.counters.connections == 7)
        time.sleep(0.1)
        assert running.server.counters.frames == 3
        ingest.gate.set()
        assert [peer.answers(1) for peer in peers] == [[b"AA|%d" % n] for n in range(6)]
        assert late.answers(1) == [b"AA|late"]

    def test_a_peer_that_does_not_read_its_answers_is_not_read(self, ingest, listening, connect):
        answer = b"MSH|\rMSA|AA|" + b"x" * 100_000
        running = listening(receive=lambda frames: [answer] * len(frames))
        peer = connect(running)
        peer.socket.settimeout(0.3)
        flood = b"".join(framed(message(str(number), body="y" * 1000)) for number in range(50_000))
        with pytest.raises(TimeoutError):
            peer.send(flood)
        answered = running.server.counters.answers
        assert answered < 1000
        peer.socket.settimeout(20)
        assert len(peer.answers(answered)) == answered

    def test_unfinished_frames_are_held_within_a_bound(self, listening, connect):
        running = listening(buffer_size=1 << 20, max_frame=1 << 20)
        peers = [connect(running) for _ in range(4)]
        for peer in peers:
            with contextlib.suppress(ConnectionError):
                peer.send(b"\x0b" + b"x" * 400_000)
        running.until(lambda: running.server.counters.dropped_memory >= 2)
        running.until(lambda: running.server.counters.connections == 2)
        assert running.server.counters.buffered <= 1 << 20

    def test_a_frame_of_64_mib_is_refused_in_bounded_memory_and_the_connection_survives(self, ingest, listening, connect):
        running = listening()
        peer = connect(running)
        peer.send(b"\x0b" + message("big"))
        for _ in range(64):
            peer.send(b"x" * (1 << 20))
            assert running.server.counters.buffered <= 2 << 20
        peer.send(b"\x1c\x0d" + framed(message("next")))
        assert peer.answers(2) == [b"AR|big", b"AA|next"]
        assert len(ingest.frames[0]) == 1 << 16
        assert running.server.counters.over_size == 1


class TestConnections:
    def test_past_the_cap_a_new_one_is_refused(self, listening, connect):
        running = listening(connections=3)
        peers = [connect(running) for _ in range(3)]
        for peer in peers:
            peer.send(framed(message("1")))
            peer.answers(1)
        assert connect(running).closed()
        assert running.server.counters.refused == 1
        peers[0].send(framed(message("2")))
        assert peers[0].answers(1) == [b"AA|2"]

    def test_past_the_cap_the_longest_idle_one_gives_way(self, listening, connect):
        running = listening(connections=2, idle_seconds=0.05)
        first, second = connect(running), connect(running)
        for peer in (first, second):
            peer.send(framed(message("1")))
            peer.answers(1)
        time.sleep(0.06)
        third = connect(running)
        third.send(framed(message("3")))
        assert third.answers(1) == [b"AA|3"]
        assert first.closed()
        second.send(framed(message("2")))
        assert second.answers(1) == [b"AA|2"]
        assert running.server.counters.dropped_idle == 1

    def test_one_source_has_a_cap_of_its_own(self, listening, connect):
        running = listening(connections_per_source=2, identify=lambda frame: frame.split(b"|")[2].decode())
        peers = [connect(running) for _ in range(3)]
        for peer in peers[:2]:
            peer.send(framed(message("1")))
            assert peer.answers(1) == [b"AA|1"]
        peers[2].send(framed(message("1")))
        assert peers[2].closed()
        other = connect(running)
        other.send(framed(message("2", application="RIS")))
        assert other.answers(1) == [b"AA|2"]

    def test_an_unfinished_frame_without_progress_is_given_up(self, listening, connect):
        running = listening(unfinished_seconds=0.1)
        peer, idle = connect(running), connect(running)
        peer.send(b"\x0b" + message("1"))
        assert peer.closed()
        assert running.server.counters.dropped_unfinished == 1
        idle.send(framed(message("2")))
        assert idle.answers(1) == [b"AA|2"]

    def test_hundreds_of_slow_peers_keep_no_other_feed_waiting(self, listening, connect):
        running = listening(connections=64)
        feed = connect(running)
        feed.send(framed(message("0")))
        feed.answers(1)
        slow = [connect(running) for _ in range(300)]
        for peer in slow:
            with contextlib.suppress(OSError):
                peer.send(b"\x0bMSH")
        for number in range(20):
            feed.send(framed(message(str(number))))
            assert feed.answers(1) == [b"AA|%d" % number]
        running.until(lambda: running.server.counters.refused == 300 - 63)
        assert running.server.counters.connections == 64

    def test_tcp_asks_whether_an_idle_peer_lives(self, listening, connect):
        running = listening(keepalive_seconds=7)
        connect(running).send(framed(message("1")))
        running.until(lambda: running.server.counters.answers == 1)
        [connection] = running.server.connections
        connected = connection._transport.get_extra_info("socket")
        assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7


class TestDrain:
    def test_what_is_committed_is_answered_and_the_rest_is_left(self, ingest, listening, connect):
        running = listening(group_max=1)
        peer, other = connect(running), connect(running)
        ingest.gate.clear()
        peer.send(framed(message("1")))
        running.until(lambda: ingest.groups == [1])
        other.send(framed(message("2")))
        running.until(lambda: running.server.counters.frames == 2)
        stopping = threading.Thread(target=running.stop)
        stopping.start()
        time.sleep(0.1)
        ingest.gate.set()
        assert peer.answers(1) == [b"AA|1"]
        assert peer.closed()
        assert other.closed()
        stopping.join(10)
        assert ingest.frames == [message("1")]
        with pytest.raises(ConnectionRefusedError):
            Peer(running.port)

    def test_a_commit_that_does_not_end_is_not_waited_for_for_ever(self, ingest, listening, connect):
        running = listening(drain_seconds=0.1)
        peer = connect(running)
        ingest.gate.clear()
        peer.send(framed(message("1")))
        running.until(lambda: ingest.groups == [1])
        running.stop()
        assert peer.closed()

    def test_sigterm_ends_the_process_with_code_0(self):
        program = (
            "import sys\n"
            "from app.mllp.server import serve\n"
            "from app.settings import load_settings\n"
            "class Ready:\n"
            "    def set(self): print('ready', flush=True)\n"
            "env = {'WEALD_MODE': 'sample', 'WEALD_MLLP': sys.argv[1]}\n"
            "serve(load_settings(env=env), lambda frames: [b'MSH|\\rMSA|AA|1'] * len(frames), Ready())\n"
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen([sys.executable, "-c", program, f"127.0.0.1:{port}"], stdout=subprocess.PIPE)
        assert process.stdout is not None
        while b"ready" not in process.stdout.readline():
            assert process.poll() is None
        peer = Peer(port)
        peer.send(framed(message("1")))
        assert peer.answers(1) == [b"AA|1"]
        process.terminate()
        assert process.wait(10) == 0
        assert peer.closed()
        peer.socket.close()
        process.stdout.close()


def test_a_listener_that_is_off_is_not_served():
    serve(load_settings(env={"WEALD_MODE": "sample", "WEALD_MLLP": "off"}), lambda frames: [None] * len(frames))


def test_the_settings_name_sources_and_the_largest_message(ingest, connect):
    settings = load_settings(env={"WEALD_MODE": "sample", "WEALD_SOURCES__RTK_PAS__LIMITS__SIZE": "2000000"})
    running = Running(lambda: server_from_settings(settings, ingest))
    peer = connect(running)
    peer.send(framed(message("1")))
    assert peer.answers(1) == [b"AA|1"]
    assert [one.source for one in running.server.connections] == ["RTK-PAS"]
    assert running.server.max_frame == 2_000_000
    running.stop()


def test_python_hl7_sends_to_it(listening):
    running = listening()
    with hl7.client.MLLPClient("127.0.0.1", running.port) as client:
        for number in range(3):
            acknowledgement = hl7.parse(client.send_message(message(str(number)).decode()).strip(b"\x0b\x1c\r").decode())
            assert [str(field) for field in acknowledgement.segment("MSA")] == ["MSA", "AA", str(number)]


def test_the_command_mllp_send_sends_to_it(listening, tmp_path):
    running = listening()
    batch = tmp_path / "messages.hl7"
    batch.write_bytes(b"".join(framed(message(str(n))) for n in range(5)))
    done = subprocess.run(
        [sys.executable, "-c", "from hl7.client import mllp_send; mllp_send()", "--file", str(batch), "--port", str(running.port), "127.0.0.1"],
        capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    assert done.stdout.count(b"MSA|AA|") == 5


def test_what_it_counts_can_be_read(listening, connect):
    running = listening()
    peer = connect(running)
    peer.send(b"noise" + framed(message("1")) + b"\x0bcut" + framed(message("2")))
    peer.answers(2)
    peer.socket.close()
    running.until(lambda: running.server.counters.connections == 0)
    lines = running.server.counters.lines()
    for line in ("connections 0", "frames_total 2", "acks_total 2", "skipped_bytes_total 8", "restarted_frames_total 1", "buffered_bytes 0"):
        assert f"weald_mllp_{line}" in lines
    assert 'weald_mllp_ack_seconds_bucket{le="+Inf"} 2' in lines
    assert 'weald_mllp_dropped_total{reason="idle"} 0' in lines


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


def make_certificates(folder):
    """A certificate authority, and by it a server and a client certificate."""
    def write(name: str, subject: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None, *names: str):
        key = ec.generate_private_key(ec.SECP256R1())
        own = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)])
        signer = issuer or (own, key)
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(own).issuer_name(signer[0]).public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        )  # fmt: skip
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        (folder / f"{name}.pem").write_bytes(builder.sign(signer[1], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return own, key

    authority = write("ca", "Test authority", None)
    write("weald", "localhost", authority, "localhost")
    write("feed", "PAS", authority, "pas.rtk.example")
    return folder
