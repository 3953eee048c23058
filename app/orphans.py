"""No process of the service outlives the one that started it, however that ended."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time

_SECONDS = 0.5


def end_when_orphaned() -> None:
    """Have this process ended by SIGTERM once the process that forked it is gone; nothing where none did.

    Its sentinel would not tell: processes forked later hold it, too.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.pid,), name="parent-watch", daemon=True).start()


def _watch(parent: int | None) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
