"""MLLP frames out of a stream of bytes, without I/O (HL7 MLLP release 1; hl7v2.md 6, Framing).

A frame is VT, data, FS CR. FS without CR is data. VT inside an unfinished frame restarts it. Bytes between
frames are skipped and counted. Each byte is looked at a fixed number of times, whatever the stream holds.
"""

from __future__ import annotations

from app.ingest.frame import Frame
from app.sources import ClientCertificate

VT, FS, CR = b"\x0b", b"\x1c", b"\x0d"
END = FS + CR
MAX_FRAME = 1 << 20
HEAD = 1 << 16


def framed(message: bytes) -> bytes:
    """``message`` as one MLLP frame."""
    return b"%s%s%s" % (VT, message, END)


class FrameDecoder:
    """Gives the frames of one connection. Of a frame over ``max_size`` bytes only the first ``head_size`` are kept."""

    def __init__(self, max_size: int = MAX_FRAME, head_size: int = HEAD, certificate: ClientCertificate | None = None) -> None:
        self.skipped = 0
        self.restarted = 0
        self.unfinished = False
        self._max = max_size
        self._head = min(head_size, max_size)
        self._certificate = certificate
        self._held = bytearray()
        self._size = 0
        self._separator_seen = False

    @property
    def buffered(self) -> int:
        """Bytes held of the unfinished frame."""
        return len(self._held)

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes, in order."""
        if self._separator_seen:
            data, self._separator_seen = FS + data, False
        frames: list[Frame] = []
        position, length = 0, len(data)
        while position < length:
            if not self.unfinished:
                position = self._begin(data, position)
                continue
            end = data.find(END, position)
            if end < 0:
                self._hold(data, position)
                break
            frames.append(self._finish(data, position, end))
            position = end + len(END)
        return frames

    def reset(self) -> None:
        """Forget the unfinished frame."""
        self.skipped += self._size
        self.unfinished = self._separator_seen = False
        self._drop()

    def _begin(self, data: bytes, position: int) -> int:
        """Skip to the data of the next frame; where none begins, to the end."""
        start = data.find(VT, position)
        self.unfinished = start >= 0
        self.skipped += (start if start >= 0 else len(data)) - position
        return start + 1 if start >= 0 else len(data)

    def _hold(self, data: bytes, position: int) -> None:
        """Keep the rest of ``data`` for the unfinished frame; an FS at its end waits for the byte after it."""
        end = len(data)
        if data.endswith(FS):
            self._separator_seen, end = True, end - 1
        self._add(data, self._restart(data, position, end), end)

    def _finish(self, data: bytes, position: int, end: int) -> Frame:
        start = self._restart(data, position, end)
        self.unfinished = False
        if not self._size and end - start <= self._max:
            return Frame(data[start:end], None, self._certificate)
        self._add(data, start, end)
        frame = Frame(self._held, self._size, self._certificate)
        self._drop()
        return frame

    def _restart(self, data: bytes, position: int, end: int) -> int:
        """Where the frame's data begins: after the last VT, where there is one; what came before it is skipped."""
        last = data.rfind(VT, position, end)
        if last < 0:
            return position
        begun = data.count(VT, position, end)
        self.restarted += begun
        self.skipped += self._size + last - position - (begun - 1)
        self._drop()
        return last + 1

    def _add(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size <= self._max:
            self._held += memoryview(data)[start:end]
            return
        room = self._head - len(self._held)
        if room > 0:
            self._held += memoryview(data)[start : min(end, start + room)]
        del self._held[self._head :]

    def _drop(self) -> None:
        self._held = bytearray()
        self._size = 0
