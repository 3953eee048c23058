"""A process that writes to a store until it is done or killed: ``python -m tests.contract.worker ENGINE FOLDER NAME COUNT``.

Change n of a worker writes a resource, a document, blocks and two numbers that must all agree. Each number is printed once
``apply`` has returned.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from app.principal import SYSTEM
from app.store.contract import EVENT, Transaction
from tests.contract.engines import ENGINES
from tests.contract.making import content, token

GROUP = 4


def change(name: str, n: int) -> Callable[[Transaction], int]:
    def write(tx: Transaction) -> int:
        tx.save("Patient", f"{name}-{n}", content("Patient", f"{name}-{n}"), token("identifier", f"urn:{name}", str(n)), custodian="RTK")
        tx.put(EVENT, f"{name}-{n:06d}", str(n).encode(), {"state": [name]})
        tx.put_blocks(tx.next_number("record"), [10**6, n], b"packed")
        tx.save("Patient", "shared", content("Patient", "shared", by=name, n=n), token("identifier", "urn:shared", f"{name}-{n}"), custodian="RTK")
        return tx.next_number(name)

    return write


def main(engine: str, folder: str, name: str, count: str) -> None:
    store = ENGINES[engine](Path(folder), lambda: time.time_ns() // 1_000_000)
    with store.snapshot(SYSTEM) as snapshot:
        done = snapshot.count(EVENT, "state", name)
    while done < int(count):
        group = range(done, done + GROUP)
        store.apply(SYSTEM, [change(name, n) for n in group])
        done += GROUP
        sys.stdout.write(f"{done}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # a worker leaves the database to the test that started it
