"""MLLP framing: hl7v2.md 6, Framing and Limits."""

from __future__ import annotations

import time

import pytest

from app.mllp.framing import FrameDecoder, framed
from app.sources import ClientCertificate

A01 = b"MSH|^~\\&|PAS|RTK|||20260101||ADT^A01|1|P|2.4\rPID|1\r"
A08 = b"MSH|^~\\&|PAS|RTK|||20260101||ADT^A08|2|P|2.4\rPID|1\r"


def frames(*packets: bytes, **options: int) -> list[bytes]:
    decoder = FrameDecoder(**options)
    return [frame for packet in packets for frame in decoder.feed(packet)]


def test_a_frame_is_what_stands_between_vt_and_fs_cr():
    assert frames(b"\x0b" + A01 + b"\x1c\x0d") == [A01]
    assert framed(A01) == b"\x0b" + A01 + b"\x1c\x0d"


def test_a_packet_may_hold_many_frames():
    assert frames(framed(A01) + framed(A08) + framed(A01)) == [A01, A08, A01]


@pytest.mark.parametrize("cut", range(len(framed(A01)) + 1))
def test_a_frame_may_be_split_at_any_byte(cut):
    whole = framed(A01)
    assert frames(whole[:cut], whole[cut:], framed(A08)) == [A01, A08]


def test_fs_and_cr_may_come_in_different_packets():
    assert frames(b"\x0b" + A01 + b"\x1c", b"\x0d") == [A01]


def test_fs_without_cr_is_data():
    assert frames(framed(b"a\x1cb")) == [b"a\x1cb"]
    assert frames(b"\x0ba\x1c", b"b\x1c\x0d") == [b"a\x1cb"]
    assert frames(b"\x0ba\x1c\x1c\x0d") == [b"a\x1c"]
    assert frames(b"\x0ba\x1c", b"\x1c", b"\x0d") == [b"a\x1c"]


def test_vt_inside_an_unfinished_frame_restarts_it():
    decoder = FrameDecoder()
    assert decoder.feed(b"\x0bcut off" + framed(A01)) == [A01]
    assert (decoder.restarted, decoder.skipped) == (1, 7)


def test_vt_in_a_later_packet_restarts_an_unfinished_frame():
    decoder = FrameDecoder()
    assert decoder.feed(b"\x0bcut off") == []
    assert decoder.feed(framed(A01)) == [A01]
    assert (decoder.restarted, decoder.skipped) == (1, 7)


def test_bytes_between_frames_are_skipped_and_counted():
    decoder = FrameDecoder()
    assert decoder.feed(b"\r\nGET / HTTP/1.1" + framed(A01) + b"\r\n" + framed(A08) + b"\x1c\x0d") == [A01, A08]
    assert decoder.skipped == 16 + 2 + 2
    assert not decoder.unfinished


def test_an_empty_frame_is_a_frame():
    assert frames(b"\x0b\x1c\x0d") == [b""]


def test_an_unfinished_frame_is_known():
    decoder = FrameDecoder()
    decoder.feed(b"noise")
    assert not decoder.unfinished
    decoder.feed(b"\x0bMSH")
    assert decoder.unfinished
    assert decoder.buffered == 3
    decoder.feed(b"\x1c\x0d")
    assert not decoder.unfinished
    assert decoder.buffered == 0


def test_a_frame_carries_the_certificate_of_its_connection():
    certificate = ClientCertificate("ab")
    assert FrameDecoder(certificate=certificate).feed(framed(A01))[0].certificate is certificate


class TestOverSize:
    def test_a_frame_at_the_limit_is_whole(self):
        [frame] = FrameDecoder(100, 10).feed(framed(b"x" * 100))
        assert frame == b"x" * 100
        assert not frame.over_size

    @pytest.mark.parametrize("packet", [1, 7, 10, 11, 99, 1000])
    def test_over_it_only_a_head_is_kept(self, packet):
        decoder = FrameDecoder(100, 10)
        stream = framed(bytes(range(48, 58)) + b"x" * 200) + framed(A01[:50])
        found = [f for at in range(0, len(stream), packet) for f in decoder.feed(stream[at : at + packet])]
        assert found == [b"0123456789", A01[:50]]
        assert [frame.size for frame in found] == [210, 50]
        assert [frame.over_size for frame in found] == [True, False]

    def test_the_rest_is_discarded_on_arrival(self):
        decoder = FrameDecoder(1 << 20, 1 << 16)
        decoder.feed(b"\x0b")
        for _ in range(64):
            decoder.feed(b"x" * (1 << 20))
            assert decoder.buffered <= 1 << 20
        assert decoder.buffered == 1 << 16
        [frame] = decoder.feed(b"\x1c\x0d")
        assert frame.size == 64 << 20
        assert len(frame) == 1 << 16

    def test_a_head_larger_than_the_limit_is_cut_to_it(self):
        [frame] = FrameDecoder(10, 100).feed(framed(b"x" * 11))
        assert len(frame) == 10


@pytest.mark.parametrize("unit", [b"\x0b", b"\x1c", b"\x1c\x0b", b"\x0b\x1c", b"x", b"\x0b\x1c\x0d"])
@pytest.mark.parametrize("packet", [1, 4096])
def test_time_is_linear_in_the_stream(unit, packet):
    def seconds(size: int) -> float:
        stream = b"\x0b" + unit * (size // len(unit))
        best = 9.0
        for _ in range(3):
            decoder, began = FrameDecoder(), time.process_time()
            for at in range(0, len(stream), packet):
                decoder.feed(stream[at : at + packet])
            best = min(best, time.process_time() - began)
        return best

    size = 20_000 if packet == 1 else 150_000
    assert seconds(4 * size) <= 4 * seconds(size) * 2.5 + 0.02
