"""The MLLP listener: persistent connections, pipelined frames, answers in order (hl7v2.md 6).

The event loop only moves bytes: complete frames go to the ``Grouper``'s thread, answers come back from it.
Nothing is buffered without bound: reading stops at the unanswered frames of a connection and of all together.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from app.ingest.frame import Acknowledgements, Frame
from app.mllp.connection import PAUSED_QUEUE, PAUSED_STOP, Connection
from app.mllp.counters import Counters
from app.mllp.grouping import Answers, Failed, Grouper, Receive, Waiting
from app.settings_model import Mllp, Settings, Tls
from app.sources import SourceRegistry

SWITCH_INTERVAL = 0.0005
"""Seconds for which ingest may keep the loop's thread from running Python; the default of 5 ms a system call would add up."""

COLLECT_AFTER = 50_000
"""Objects made and kept before the collector looks at them: a group makes thousands, and reference counts free them all."""

HANDSHAKE_SECONDS = 10.0

_log = structlog.get_logger("weald.mllp")


class Event(Protocol):
    """What ``serve`` sets when it listens: a threading or a multiprocessing event."""

    def set(self) -> None: ...


class MllpServer:
    """One listener. ``identify`` names the source of a connection by its first frame, for the cap of connections a source."""

    def __init__(
        self, receive: Receive, settings: Mllp, *, max_frame: int = 1 << 20, identify: Callable[[Frame], str] | None = None,
        failed: Failed | None = None, tls: ssl.SSLContext | None = None, counters: Counters | None = None,
    ) -> None:  # fmt: skip
        self.settings = settings
        self.max_frame = max_frame
        self.counters = counters or Counters()
        self.connections: set[Connection] = set()
        self._identify = identify or (lambda _: "")
        self._failed = failed
        self._tls = tls
        self._queued = 0
        self._full = False
        self._stopping = False
        self.ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._grouper: Grouper[Connection] = Grouper(
            receive, self._deliver_soon, ended=self._ended_soon, group_max=settings.group_max, window=settings.group_window_ms / 1000, failed=self._after_failure
        )
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chose where ``port`` is 0."""
        self._server = await self._loop.create_server(lambda: Connection(self), host, port, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_SECONDS if self._tls else None, backlog=256, reuse_address=True)
        self._grouper.start()
        self._sweep()
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Drain: accept nothing, begin no further commit, answer what is committed, leave the rest unacknowledged (security.md 7)."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in self.connections:
            connection.pause(PAUSED_STOP)
        self._grouper.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), self.settings.drain_seconds)
        for connection in list(self.connections):
            connection.close()
        for _ in range(100):
            if not self.connections:
                return
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()

    # What connections tell.

    def admit(self, connection: Connection) -> bool:
        """Whether a new connection may stay; the longest idle one gives way where there are too many."""
        if self._stopping:
            return False
        if len(self.connections) >= self.settings.connections and not self._make_room(self.connections):
            self.counters.refused += 1
            _log.warning("mllp.refused", reason="connections")
            return False
        self.connections.add(connection)
        self.counters.accepted += 1
        self.counters.connections = len(self.connections)
        if self._full:
            connection.pause(PAUSED_QUEUE)
        return True

    def left(self, connection: Connection) -> None:
        """A connection is closed; its frames that are in no commit yet are applied all the same, since they arrived whole."""
        if not connection.unanswered:
            self._grouper.forget(connection)
        self.connections.discard(connection)
        self.counters.connections = len(self.connections)
        self.counters.skipped += connection.decoder.skipped
        self.counters.restarted += connection.decoder.restarted

    def take(self, connection: Connection, frames: Sequence[Frame]) -> None:
        """Queue the complete frames of a connection."""
        if connection.source is None and not self._name(connection, frames[0]):
            connection.close()
            return
        now = time.monotonic()
        waiting = [Waiting(connection, frame, now, self._identify(frame)) for frame in frames]
        for source in {one.source for one in waiting}:
            self.counters.came(source)
        self.counters.frames += len(frames)
        self.counters.over_size += sum(frame.over_size for frame in frames)
        self.counters.buffered += sum(map(len, frames))
        self._queued += len(frames)
        connection.unanswered += len(frames)
        self._grouper.put(waiting)
        if not self._full and (self._queued >= self.settings.queue or self.counters.buffered >= self.settings.buffer_size // 2):
            self._full = True
            for one in self.connections:
                one.pause(PAUSED_QUEUE)

    def buffered(self, change: int) -> bool:
        """Count bytes of unfinished frames; false where the frame that brought them must not go on growing."""
        self.counters.buffered += change
        if change <= 0 or self.counters.buffered <= self.settings.buffer_size:
            return True
        self.counters.dropped_memory += 1
        _log.warning("mllp.dropped", reason="memory")
        return False

    def _name(self, connection: Connection, frame: Frame) -> bool:
        """Name the source of a connection; false where that source has too many."""
        source = self._identify(frame)
        same = {one for one in self.connections if one.source == source}
        if len(same) >= self.settings.connections_per_source and not self._make_room(same):
            self.counters.refused += 1
            _log.warning("mllp.refused", reason="connections of one source", source=source)
            return False
        connection.source = source
        return True

    def _make_room(self, among: set[Connection]) -> bool:
        """Drop the longest idle connection, if one is idle for long enough."""
        idle = min((one for one in among if not one.unanswered), key=lambda one: one.progress, default=None)
        if idle is None or time.monotonic() - idle.progress <= self.settings.idle_seconds:
            return False
        self.counters.dropped_idle += 1
        self.connections.discard(idle)
        idle.abort()
        return True

    def _sweep(self) -> None:
        """Drop connections whose frame stands unfinished without progress, or that do not take their answers; again in a second, or sooner where the limit is shorter."""
        limit = self.settings.unfinished_seconds
        before = time.monotonic() - limit
        for connection in [one for one in self.connections if one.stalled_since(before)]:
            self.counters.dropped_unfinished += 1
            _log.warning("mllp.dropped", reason="unfinished frame or answer", source=connection.source)
            connection.abort()
        self._sweeper = self._loop.call_later(min(1.0, limit / 2), self._sweep)

    # What the grouper tells, in its own thread.

    def _after_failure(self, frame: Frame, error: Exception) -> Acknowledgements | None:
        self.counters.failed += 1
        return self._failed(frame, error) if self._failed else None

    def _deliver_soon(self, group: Sequence[Waiting[Connection]], answers: Answers) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the drain did not wait for this commit
            self._loop.call_soon_threadsafe(self._deliver, group, answers)

    def _ended_soon(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.ended.set)

    def _deliver(self, group: Sequence[Waiting[Connection]], answers: Answers) -> None:
        """Send the answers of a group, those of one connection in one write."""
        now, counters = time.monotonic(), self.counters
        counters.groups += 1
        counters.buffered -= sum(len(one.frame) for one in group)
        self._queued -= len(group)
        outgoing: dict[Connection, list[Acknowledgements | None]] = {}
        for one, answer in zip(group, answers, strict=True):
            outgoing.setdefault(one.owner, []).append(answer)
            self._count(one.source, answer, now - one.since)
        for connection, its in outgoing.items():
            connection.answer(its)
            if not connection.unanswered and connection not in self.connections:
                self._grouper.forget(connection)
        if self._full and self._queued <= self.settings.queue // 2 and self.counters.buffered < self.settings.buffer_size // 2:
            self._full = False
            for waiting in self.connections:
                waiting.resume(PAUSED_QUEUE)

    def _count(self, source: str, answer: Acknowledgements | None, seconds: float) -> None:
        if answer is None:
            self.counters.withheld += 1
        elif answer:
            self.counters.answered(source, answer[-1], seconds)
        else:
            self.counters.unwanted += 1


def tls_context(tls: Tls) -> ssl.SSLContext | None:
    """The context of a listener that demands client certificates, TLS 1.2 or later; None where no certificate is set."""
    if tls.certificate is None or tls.private_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.private_key)
    if tls.client_ca is not None:
        context.load_verify_locations(tls.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def serve(
    settings: Settings, receive: Receive, ready_event: Event | None = None, *, failed: Failed | None = None, counters: Counters | None = None
) -> None:  # fmt: skip
    """Serve ``listeners.mllp`` until SIGTERM or SIGINT, then drain. Blocks; to be run in a process of its own. ``counters`` count what it does."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)
    asyncio.run(_serve(settings, receive, ready_event, failed, counters))


async def _serve(settings: Settings, receive: Receive, ready_event: Event | None, failed: Failed | None, counters: Counters | None) -> None:
    listener = settings.listeners.mllp
    if listener is None:
        return
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = server_from_settings(settings, receive, failed, counters)
    port = await server.start(listener.host, listener.port)
    _log.info("mllp.listening", port=port)
    if ready_event is not None:
        ready_event.set()
    await asyncio.wait([asyncio.ensure_future(event.wait()) for event in (stop, server.ended)], return_when=asyncio.FIRST_COMPLETED)
    if not stop.is_set():
        _log.error("mllp.ingest_ended")  # without it no message is answered: the process ends, so that whoever watches it starts it again
    await server.stop()
    _log.info("mllp.stopped", frames=server.counters.frames, answers=server.counters.answers, groups=server.counters.groups)


def server_from_settings(settings: Settings, receive: Receive, failed: Failed | None = None, counters: Counters | None = None) -> MllpServer:
    """The listener that the settings describe."""
    registry, counters = SourceRegistry(settings), counters or Counters()
    counters.expect(settings.sources)
    largest = max([feed.limits.size for feed in settings.sources.values()], default=1 << 20)
    return MllpServer(
        receive, settings.mllp, max_frame=largest, identify=lambda frame: registry.sender_code(frame, frame.certificate), failed=failed,
        tls=tls_context(settings.tls) if settings.mode == "production" else None, counters=counters,
    )  # fmt: skip
