"""What the MLLP listener holds, whom it refuses, and how it ends (hl7v2.md 6, Back-pressure; security.md 7, Drain)."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time

import pytest

from app.mllp.framing import framed
from tests.flow.mllp.conftest import Peer, message


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
        running = listening(receive=lambda frames: [(answer,)] * len(frames))
        peer = connect(running)
        peer.socket.settimeout(0.3)
        flood = b"".join(framed(message(str(number), body="y" * 1000)) for number in range(50_000))
        with pytest.raises(TimeoutError):
            peer.send(flood)
        answered = running.server.counters.answers
        assert answered < 1000
        peer.socket.settimeout(20)
        assert len(peer.answers(answered)) == answered

    def test_a_peer_that_never_reads_its_answers_is_dropped(self, listening, connect):
        answer = b"MSH|\rMSA|AA|" + b"x" * 2_000_000
        running = listening(receive=lambda frames: [(answer,)] * len(frames), unfinished_seconds=0.3)
        deaf, other = connect(running), connect(running)
        deaf.send(b"".join(framed(message(str(number))) for number in range(20)))
        running.until(lambda: running.server.counters.dropped_unfinished == 1)
        running.until(lambda: running.server.counters.connections == 1)
        other.send(framed(message("1")))
        assert len(other.answers(1)) == 1

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
            "serve(load_settings(env=env), lambda frames: [(b'MSH|\\rMSA|AA|1',)] * len(frames), Ready())\n"
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
