"""One MLLP connection: its bytes in, its answers out in order, and the reasons why it isn't read for now."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Protocol, cast

from app.ingest.frame import Frame
from app.mllp.framing import FrameDecoder, framed
from app.mllp.grouping import Answers
from app.settings_model import Mllp
from app.sources import ClientCertificate

PAUSED_UNANSWERED, PAUSED_QUEUE, PAUSED_WRITING, PAUSED_STOP = 1, 2, 4, 8


class Listener(Protocol):
    """What a connection tells its server."""

    settings: Mllp
    max_frame: int

    def admit(self, connection: Connection) -> bool: ...

    def left(self, connection: Connection) -> None: ...

    def take(self, connection: Connection, frames: Sequence[Frame]) -> None: ...

    def buffered(self, change: int) -> bool: ...


class Connection(asyncio.Protocol):
    """One peer. ``source`` is None until its first frame names it."""

    def __init__(self, server: Listener) -> None:
        self.source: str | None = None
        self.unanswered = 0
        self.progress = time.monotonic()
        self.decoder = FrameDecoder()
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._paused = 0
        self._ended = False
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        settings = self._server.settings
        self._transport = cast("asyncio.Transport", transport)
        self.decoder = FrameDecoder(self._server.max_frame, settings.head_size, certificate_of(self._transport))
        keep_alive(self._transport, settings.keepalive_seconds)
        if not self._server.admit(self):
            self.abort()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self.progress = time.monotonic()
        before = self.decoder.buffered
        frames = self.decoder.feed(data)
        fits = self._server.buffered(self.decoder.buffered - before)
        if frames:
            self._server.take(self, frames)
            if self.unanswered >= self._server.settings.unanswered:
                self.pause(PAUSED_UNANSWERED)
        if not fits:
            self._release()
            self.close()

    def eof_received(self) -> bool:
        """Stay open for answers that are due; TLS knows no half-closed connection."""
        self._ended = True
        if self._transport is None or self._transport.get_extra_info("ssl_object") is not None:
            return False
        return self.unanswered > 0

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (however it ended)
        self._closing = True
        self._release()
        self._server.left(self)

    def _release(self) -> None:
        """Give up the unfinished frame."""
        self._server.buffered(-self.decoder.buffered)
        self.decoder.reset()

    def pause_writing(self) -> None:
        self.progress = time.monotonic()
        self.pause(PAUSED_WRITING)

    def resume_writing(self) -> None:
        self.resume(PAUSED_WRITING)

    def answer(self, answers: Answers) -> None:
        """Send answers in order; at a withheld one send what is before it and close."""
        self.unanswered -= len(answers)
        if self._closing or self._transport is None:
            return
        withheld = None in answers
        due = answers[: answers.index(None)] if withheld else answers
        self._transport.write(b"".join([framed(one) for answer in due if answer for one in answer]))
        if withheld or (self._ended and not self.unanswered):
            self.close()
        elif self.unanswered < self._server.settings.unanswered:
            self.resume(PAUSED_UNANSWERED)

    def pause(self, reason: int) -> None:
        """Stop reading, for a reason that ``resume`` takes away."""
        if not self._paused and not self._closing and self._transport is not None:
            self._transport.pause_reading()
        self._paused |= reason

    def resume(self, reason: int) -> None:
        """Read again, unless another reason stands."""
        if not self._paused & reason:
            return
        self._paused &= ~reason
        if not self._paused and not self._closing and self._transport is not None:
            self.progress = time.monotonic()
            self._transport.resume_reading()

    def stalled_since(self, moment: float) -> bool:
        """Whether since then a frame stands unfinished though the peer could have sent more, or answers stand untaken."""
        waits = bool(self._paused & PAUSED_WRITING) or (self.decoder.unfinished and not self._paused)
        return waits and self.progress < moment

    def close(self) -> None:
        """Close after what is written has gone out."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()


def certificate_of(transport: asyncio.Transport) -> ClientCertificate | None:
    """The client certificate of a TLS connection."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    encoded = tls.getpeercert(binary_form=True) if tls is not None else None
    if tls is None or encoded is None:
        return None
    named = (tls.getpeercert() or {}).get("subjectAltName", ())
    names = frozenset(str(entry[1]).lower() for entry in cast("Sequence[tuple[str, str]]", named))
    return ClientCertificate(hashlib.sha256(encoded).hexdigest(), names)


def keep_alive(transport: asyncio.Transport, seconds: int) -> None:
    """Have TCP ask, after that idle time, whether the peer lives."""
    connected = transport.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)
