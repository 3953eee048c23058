"""The processes of ``weald serve``: one for HTTP (with its workers), one for MLLP, one for upkeep, and this one that watches them.

All are forked from this one once it has imported what they need (``app.warm``): that is done once at a start, not six times, and
they share its memory. It opens no store and starts no thread, neither of which would survive that.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from app.counting import clear
from app.errors import SettingsError, StoreUnavailable, WealdError
from app.orphans import end_when_orphaned
from app.settings import Listener, Settings, load_settings

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkContext

    from app.counting import Numbers
    from app.services import Services

    Collect = Callable[[], Numbers]
    Publish = Callable[[Collect], None]

STOP_SECONDS = 35.0
"""Longer than the 30 s that HTTP requests get to finish (security.md 7, Drain)."""


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def _stand_apart() -> None:
    """Take this process out of the terminal's group, so that Ctrl-C reaches the parent alone, and end it when the parent is gone."""
    os.setsid()
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    end_when_orphaned()


def run_http(config: Path | None) -> None:
    """Serve HTTP until told to stop. Workers read the settings themselves."""
    _stand_apart()
    multiprocessing.set_start_method("fork", force=True)  # of granian's workers: this process has imported what they need, too
    from granian import Granian
    from granian.constants import Interfaces, SSLProtocols

    settings = load_settings(config)
    listener = settings.listeners.http
    assert listener is not None  # noqa: S101  (started only where the listener is on)
    certificate, key = (settings.tls.certificate, settings.tls.private_key) if settings.http_has_tls else (None, None)
    Granian(
        "app.wsgi:app", address=listener.host, port=listener.port, interface=Interfaces.WSGI, workers=settings.web.workers,
        blocking_threads=settings.web.threads, log_access=False, log_enabled=False, websockets=False,
        ssl_cert=certificate, ssl_key=key, ssl_protocol_min=SSLProtocols.tls12,
    ).serve()  # fmt: skip


def run_mllp(config: Path | None) -> None:
    """Serve MLLP until told to stop."""
    _stand_apart()
    from functools import partial

    from app.ingest.adt import receive_failed, receive_group
    from app.mllp.counters import Counters
    from app.mllp.server import serve as serve_mllp
    from app.principal import SYSTEM

    counters = Counters()
    with _counted(config, "mllp") as (services, publish):
        publish(counters.numbers)
        receive, failed = partial(receive_group, services, principal=SYSTEM), partial(receive_failed, services, principal=SYSTEM)
        serve_mllp(services.settings, receive, failed=failed, counters=counters)


def run_upkeep(config: Path | None) -> None:
    """Do the upkeep until told to stop."""
    _stand_apart()
    from app.upkeep import Upkeep

    with _counted(config, "upkeep") as (services, publish):
        upkeep = Upkeep(services)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, upkeep.stop)
        publish(upkeep.numbers)
        upkeep.run()


@contextmanager
def _counted(config: Path | None, process: str) -> Iterator[tuple[Services, Publish]]:
    """The services of one process, and what publishes its numbers and those of its commits, where ``/metrics`` finds them."""
    from dataclasses import replace

    from app.counting import Publisher, together
    from app.logs import configure_logs
    from app.services import services_from_settings
    from app.store.through import Timed

    configure_logs()
    services = services_from_settings(load_settings(config))
    store, folder = Timed(services.store), services.settings.counts_folder
    publishers: list[Publisher] = []

    def publish(collect: Collect) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        publishers.append(Publisher(folder, lambda: together([collect(), store.numbers(process)])))
        publishers[-1].start()

    yield replace(services, store=store), publish
    for publisher in publishers:
        publisher.end()
    store.close()


def check_free(name: str, listener: Listener) -> None:
    """Raise SettingsError where the address of a listener is taken or is none of this host's."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(listener.host, listener.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SettingsError(f"listeners.{name} is '{listener}', which cannot be had ({error.strerror}); give another, or stop what listens there") from None


def wait_until_open(address: tuple[str, int], seconds: float, alive: Callable[[], bool] = lambda: True) -> bool:
    """True once something listens at ``address``; False where nothing does within ``seconds`` or nobody is left to."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and alive():
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(address) == 0:
                return True
        time.sleep(0.02)
    return False


def serve(settings: Settings, config: Path | None, begin: Callable[[Connection], None]) -> int:
    """Run the listeners until SIGTERM, SIGINT, or one of them ends; returns the exit code.

    ``begin`` is called in a process of its own, which ends with it: it prepares the store, sends None, or the error for which there can be no
    start, before any listener starts, and is sent True once all of them listen. That error, or SettingsError where an address cannot be
    had, is raised here.
    """
    named = [(name, one) for name, one in (("http", settings.listeners.http), ("mllp", settings.listeners.mllp)) if one]
    for name, listener in named:
        check_free(name, listener)
    clear(settings.counts_folder)
    stop = threading.Event()
    for number in _SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    importlib.import_module("app.warm")
    forked = multiprocessing.get_context("fork")
    ours, theirs = forked.Pipe()
    first = forked.Process(target=run_beginning, args=(begin, theirs, ours), name="beginning")
    children: list[BaseProcess] = [first]
    try:
        _start(children)
        theirs.close()
        refused = _answer(ours, stop)
        if refused is not None:
            raise refused
        lasting = [] if stop.is_set() else _lasting(forked, settings, config)
        children += lasting
        _start(lasting)
        if lasting and all(wait_until_open((one.host, one.port), 30, lambda: _go_on(lasting, stop)) for _, one in named):
            ours.send(True)
            while _go_on(lasting, stop):
                stop.wait(0.2)
                first.join(0)  # it has ended, and would be a zombie
    finally:
        code = _end(children, failed=not stop.is_set())
    return code


def _lasting(forked: ForkContext, settings: Settings, config: Path | None) -> list[BaseProcess]:
    """The processes that last as long as the service, not yet started."""
    doors = [("http", run_http, settings.listeners.http), ("mllp", run_mllp, settings.listeners.mllp)]
    return [forked.Process(target=run, args=(config,), name=name) for name, run, is_on in (("upkeep", run_upkeep, True), *doors) if is_on]


def _go_on(lasting: Iterable[BaseProcess], stop: threading.Event) -> bool:
    return not stop.is_set() and all(child.is_alive() for child in lasting)


def _start(children: Iterable[BaseProcess]) -> None:
    """Start the processes; a signal meanwhile waits, so that none of them takes it for the parent's."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    for child in children:
        child.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def run_beginning(begin: Callable[[Connection], None], parent: Connection, of_parent: Connection) -> None:
    """Take the first steps of a start. ``of_parent`` is the parent's end, closed here so that its own end is seen."""
    _stand_apart()
    of_parent.close()
    begin(parent)


def _answer(beginning: Connection, stop: threading.Event) -> WealdError | None:
    """What the beginning sends, None where the start is stopped meanwhile; an error where it ended before."""
    while not beginning.poll(0.2):
        if stop.is_set():
            return None
    try:
        refused: WealdError | None = beginning.recv()
    except EOFError:
        return StoreUnavailable("The store could not be prepared; standard error says why.")
    return refused


def _end(children: list[BaseProcess], *, failed: bool) -> int:
    begun = [child for child in children if child.pid is not None]
    for child in begun:
        child.terminate()
    end = time.monotonic() + STOP_SECONDS
    for child in begun:
        child.join(max(0.1, end - time.monotonic()))
        if child.is_alive():
            child.kill()
    return 1 if failed else 0
