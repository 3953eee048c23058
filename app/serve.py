"""The processes of ``weald serve``: one for HTTP (with its workers), one for MLLP, one for upkeep, and this one that watches them.

All but this one are forked from one process that has imported what they need (``app.warm``): that is done once at a start, not six
times on as many cores as there are, and they share its memory. This one knows the settings and no more.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from app.counting import clear
from app.errors import SettingsError, StoreUnavailable, WealdError
from app.settings import Listener, Settings, load_settings

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from app.counting import Numbers
    from app.services import Services

    Collect = Callable[[], Numbers]
    Publish = Callable[[Collect], None]

STOP_SECONDS = 35.0
"""Longer than the 30 s that HTTP requests get to finish (security.md 7, Drain)."""


def _stand_apart() -> None:
    """Take this process out of the terminal's group, so that Ctrl-C reaches the parent alone, and end it when the parent is gone."""
    os.setsid()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), name="parent-watch", daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


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

    ``begin`` is called in a process of its own, which ends with it, while the listeners start: it prepares the store, sends None, or the
    error for which there can be no start, and is sent True once all of them listen. That error, or SettingsError where an address
    cannot be had, is raised here.
    """
    named = [(name, one) for name, one in (("http", settings.listeners.http), ("mllp", settings.listeners.mllp)) if one]
    for name, listener in named:
        check_free(name, listener)
    clear(settings.counts_folder)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(["app.warm"])
    ours, theirs = forked.Pipe()
    first: BaseProcess = forked.Process(target=run_beginning, args=(begin, theirs), name="beginning")
    children: list[BaseProcess] = [forked.Process(target=run_upkeep, args=(config,), name="upkeep")]
    if settings.listeners.http:
        children.append(forked.Process(target=run_http, args=(config,), name="http"))
    if settings.listeners.mllp:
        children.append(forked.Process(target=run_mllp, args=(config,), name="mllp"))
    for child in (first, *children):
        child.start()
    theirs.close()
    try:
        refused = _answer(ours)
        if refused is not None:
            raise refused
        ready = all(wait_until_open((one.host, one.port), 30, lambda: all(child.is_alive() for child in children)) for _, one in named)
        if ready:
            ours.send(True)
        while ready and not stop.wait(0.2) and all(child.is_alive() for child in children):
            pass
    finally:
        code = _end([first, *children], failed=not stop.is_set())
    return code


def run_beginning(begin: Callable[[Connection], None], parent: Connection) -> None:
    """Take the first steps of a start."""
    _stand_apart()
    begin(parent)


def _answer(beginning: Connection) -> WealdError | None:
    """What the beginning sends; an error where it ended before."""
    try:
        refused: WealdError | None = beginning.recv()
    except EOFError:
        return StoreUnavailable("The store could not be prepared; standard error says why.")
    return refused


def _end(children: list[BaseProcess], *, failed: bool) -> int:
    for child in children:
        if child.is_alive() and child.pid is not None:
            os.kill(child.pid, signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    for child in children:
        child.join(max(0.1, end - time.monotonic()))
        if child.is_alive():
            child.kill()
    return 1 if failed else 0
