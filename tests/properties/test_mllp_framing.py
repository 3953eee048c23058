"""However a stream of bytes is cut into packets, it holds the same frames."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.mllp.framing import FrameDecoder, framed

MARKS = st.sampled_from([b"\x0b", b"\x1c", b"\x0d", b"\x1c\x0d", b"\x0b\x0b", b"\x1c\x1c\x0d"])
STREAMS = st.lists(st.one_of(MARKS, st.binary(max_size=12), st.binary(max_size=40).map(framed)), max_size=20).map(b"".join)
MAX, HEAD = 16, 5

Seen = tuple[list[tuple[bytes, int]], int, int]


def cut(data: st.DataObject, stream: bytes) -> list[bytes]:
    places = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    return [stream[a:b] for a, b in pairwise([0, *places, len(stream)])]


def seen(packets: list[bytes]) -> Seen:
    decoder = FrameDecoder(MAX, HEAD)
    found = [(bytes(frame), frame.size) for packet in packets for frame in decoder.feed(packet)]
    return found, decoder.skipped, decoder.restarted


def oracle(stream: bytes) -> Seen:
    """The definition, a byte at a time."""
    found: list[tuple[bytes, int]] = []
    skipped = restarted = 0
    held: bytearray | None = None
    for byte in stream:
        if byte == 0x0B:
            if held is not None:
                restarted += 1
                skipped += len(held)
            held = bytearray()
        elif held is None:
            skipped += 1
        elif byte == 0x0D and held[-1:] == b"\x1c":
            content = bytes(held[:-1])
            found.append((content if len(content) <= MAX else content[:HEAD], len(content)))
            held = None
        else:
            held.append(byte)
    return found, skipped, restarted


@given(st.data(), STREAMS)
def test_any_cut_of_a_stream_gives_the_same_frames(data, stream):
    assert seen(cut(data, stream)) == oracle(stream)


@given(st.lists(st.binary(max_size=MAX).filter(lambda m: b"\x0b" not in m and b"\x1c" not in m), max_size=8))
def test_what_is_framed_is_read_back(messages):
    assert seen([b"".join(map(framed, messages))])[0] == [(m, len(m)) for m in messages]
