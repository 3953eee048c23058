"""The MLLP listener through its socket (hl7v2.md 6; security.md 5, cases 15 and 17)."""

from __future__ import annotations

import socket
import subprocess
import sys

import hl7.client
import pytest

from app.mllp.framing import framed
from app.mllp.server import serve, server_from_settings
from app.settings import load_settings
from tests.flow.mllp.conftest import Running, control_id, message


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
    def receive(frames) -> list[tuple[bytes]]:
        if any(control_id(frame) == b"bad" for frame in frames):
            raise ZeroDivisionError
        return [(b"MSH|\rMSA|AA|" + control_id(frame),) for frame in frames]

    def test_is_withheld_and_stops_nobody_else(self, listening, connect):
        running = listening(receive=self.receive)
        peer, other = connect(running), connect(running)
        peer.send(framed(message("1")) + framed(message("bad")))
        other.send(framed(message("2")))
        assert other.answers(1) == [b"AA|2"]
        assert peer.answers(1) == [b"AA|1"]
        assert peer.closed()

    def test_gets_the_answer_of_the_one_who_keeps_dead_letters(self, listening, connect):
        running = listening(receive=self.receive, failed=lambda frame, _: (b"MSH|\rMSA|AE|" + control_id(frame),))
        peer = connect(running)
        peer.send(framed(message("bad")) + framed(message("2")))
        assert peer.answers(2) == [b"AE|bad", b"AA|2"]


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


def test_each_feed_of_one_connection_is_counted_by_its_own_name(listening, connect):
    running = listening(identify=lambda frame: frame.split(b"|")[2].decode())
    peer = connect(running)
    peer.send(framed(message("1")) + framed(message("2", application="RIS")))
    peer.answers(2)
    lines = running.server.counters.numbers().lines()
    for source in ("PAS", "RIS"):
        assert f'weald_mllp_acks_total{{source="{source}",code="AA"}} 1' in lines
        assert any(line.startswith(f'weald_mllp_last_message_seconds{{source="{source}"}}') for line in lines)


def test_what_it_counts_can_be_read(listening, connect):
    running = listening()
    peer = connect(running)
    peer.send(b"noise" + framed(message("1")) + b"\x0bcut" + framed(message("2")))
    peer.answers(2)
    peer.socket.close()
    running.until(lambda: running.server.counters.connections == 0)
    lines = running.server.counters.numbers().lines()
    for line in ("connections 0", "frames_total 2", 'acks_total{source="",code="AA"} 2', "skipped_bytes_total 8", "restarted_frames_total 1", "buffered_bytes 0"):
        assert f"weald_mllp_{line}" in lines
    assert 'weald_mllp_ack_seconds_bucket{le="+Inf"} 2' in lines
    assert 'weald_mllp_dropped_total{reason="idle"} 0' in lines
