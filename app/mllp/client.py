"""A sender of HL7 v2 messages over MLLP: for ``weald load``, the sample region and the benchmarks."""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from app.errors import WealdError
from app.mllp.framing import FrameDecoder, framed

READ = 1 << 16
LOOK_AHEAD = 64


class Exchanged(NamedTuple):
    """The message's number among those sent, from 0, its acknowledgement, and the seconds between them."""

    number: int
    acknowledgement: bytes
    seconds: float


class Unanswered(WealdError):
    """The listener gave no answer, in time or at all, although the message was sent again."""


class _Sent(NamedTuple):
    number: int
    message: bytes
    at: float


class _Peer:
    """One connection: what is to be sent, what is sent and unanswered, in order."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self.backlog: deque[tuple[int, bytes]] = deque()
        self.sent: deque[_Sent] = deque()
        self._address, self._tls = address, tls
        self._out = b""
        self.connect()

    def connect(self) -> None:
        self.decoder = FrameDecoder()
        self._out = b""
        connected = socket.create_connection(self._address, timeout=10)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket: socket.socket = self._tls.wrap_socket(connected, server_hostname=self._address[0]) if self._tls else connected
        self.socket.setblocking(False)

    @property
    def blocked(self) -> bool:
        """Whether bytes wait for the peer to take more."""
        return bool(self._out)

    def fill(self, window: int) -> None:
        """Send from the backlog while fewer than ``window`` messages are unanswered."""
        while self.backlog and len(self.sent) < window:
            number, message = self.backlog.popleft()
            self._out += framed(message)
            self.sent.append(_Sent(number, message, time.perf_counter()))
        self.flush()

    def flush(self) -> None:
        """Send what the peer takes now; that it has gone is for ``receive`` to find."""
        try:
            while self._out:
                self._out = self._out[self.socket.send(self._out) :]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except ConnectionError:
            self._out = b""

    def receive(self) -> list[Exchanged] | None:
        """The answers that have come; None where the peer has closed."""
        try:
            data = self.socket.recv(READ)
        except (BlockingIOError, ssl.SSLWantReadError):
            return []
        if not data:
            return None
        now = time.perf_counter()
        return [self._exchanged(frame, now) for frame in self.decoder.feed(data)]

    def _exchanged(self, frame: bytes, now: float) -> Exchanged:
        if not self.sent:
            raise Unanswered("The listener sent an answer to nothing; it is no MLLP listener, or another client shares the connection.")
        first = self.sent.popleft()
        return Exchanged(first.number, bytes(frame), now - first.at)

    def again(self) -> None:
        """Connect afresh and put what is unanswered back, in order."""
        self.socket.close()
        self.backlog.extendleft((one.number, one.message) for one in reversed(self.sent))
        self.sent.clear()
        self.connect()


def send(
    host: str, port: int, messages: Iterable[bytes], *, connections: int = 1, window: int = 1, route: Callable[[bytes], int] | None = None,
    timeout: float = 60, attempts: int = 5, tls: ssl.SSLContext | None = None,
) -> Iterator[Exchanged]:  # fmt: skip
    """Send ``messages``, each framed, and give each acknowledgement as it comes.

    ``window`` messages a connection may be unanswered: 1 waits for each answer before the next message. Each
    message takes the least busy connection; with ``route``, that of its number modulo ``connections``, so that
    messages of one number keep their order. Where the listener closes without an answer, what is unanswered is sent again over a
    new connection, ``attempts`` times without an answer in between. Raises Unanswered after that or after ``timeout`` seconds.
    """
    peers = [_Peer((host, port), tls) for _ in range(connections)]
    try:
        yield from _Sending(peers, enumerate(messages), window=window, route=route, timeout=timeout, attempts=attempts).run()
    finally:
        for peer in peers:
            peer.socket.close()


class _Sending:
    """One call of ``send``."""

    def __init__(
        self, peers: list[_Peer], messages: Iterator[tuple[int, bytes]], *, window: int, route: Callable[[bytes], int] | None, timeout: float, attempts: int
    ) -> None:
        self._peers, self._messages, self._window = peers, messages, window
        self._route, self._timeout, self._attempts = route, timeout, attempts
        self._failures = 0
        self._more = True
        self._selector = selectors.DefaultSelector()
        for peer in peers:
            self._selector.register(peer.socket, selectors.EVENT_READ, peer)

    def run(self) -> Iterator[Exchanged]:
        with self._selector:
            self._supply()
            while any(peer.sent for peer in self._peers):
                ready = self._selector.select(self._timeout)
                if not ready:
                    raise Unanswered(f"The listener gave no answer within {self._timeout:g} s.")
                for key, _ in ready:
                    yield from self._answers(key.data)
                self._supply()

    def _supply(self) -> None:
        """Take messages until every connection is busy or enough are looked ahead, and send."""
        room = LOOK_AHEAD * len(self._peers) - sum(len(peer.backlog) for peer in self._peers)
        while self._more and room > 0 and any(len(peer.sent) + len(peer.backlog) < self._window for peer in self._peers):
            item = next(self._messages, None)
            if item is None:
                self._more = False
                break
            self._peer_of(item[1]).backlog.append(item)
            room -= 1
        for peer in self._peers:
            if peer.backlog:
                peer.fill(self._window)
                self._watch(peer)

    def _peer_of(self, message: bytes) -> _Peer:
        if self._route is not None:
            return self._peers[self._route(message) % len(self._peers)]
        return min(self._peers, key=lambda peer: len(peer.sent) + len(peer.backlog))

    def _watch(self, peer: _Peer) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.blocked else 0)
        if self._selector.get_key(peer.socket).events != events:
            self._selector.modify(peer.socket, events, peer)

    def _answers(self, peer: _Peer) -> list[Exchanged]:
        try:
            if peer.blocked:
                peer.flush()
                self._watch(peer)
            answers = peer.receive()
        except ConnectionError:
            answers = None
        if answers is None:
            self._selector.unregister(peer.socket)
            if self._more or peer.sent or peer.backlog:
                self._reconnect(peer)
            return []
        if answers:
            self._failures = 0
        return answers

    def _reconnect(self, peer: _Peer) -> None:
        while True:
            self._failures += 1
            if self._failures > self._attempts:
                raise Unanswered("The listener closes the connection without an answer; its log says why.")
            time.sleep(min(5.0, 0.1 * 2**self._failures) if self._failures > 1 else 0)
            try:
                peer.again()
            except ConnectionError:
                continue
            break
        self._selector.register(peer.socket, selectors.EVENT_READ, peer)
