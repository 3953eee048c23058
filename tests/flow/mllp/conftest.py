"""A listener in a thread of its own, an ingest that answers at once, and peers that speak to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from app.mllp.framing import FrameDecoder
from app.mllp.server import MllpServer
from app.settings_model import Mllp


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

    def answer(self, frame) -> tuple[bytes, ...] | None:
        identifier = control_id(frame)
        if identifier in self.withhold:
            return None
        if identifier in self.silent:
            return ()
        return (b"MSH|^~\\&|WEALD|WEALD|PAS|RTK|||ACK\rMSA|%s|%s\r" % (b"AR" if frame.over_size else b"AA", identifier),)


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
