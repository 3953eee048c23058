"""A process that hands its share of the messages to Weald until it is done or killed: ``python -m tests.properties.writer STORE FOLDER NAME``.

How many of them have been acknowledged is in the file ``NAME.done``; started again it goes on from there, so that a group may be sent twice.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

from app.ingest import adt
from app.principal import SYSTEM
from tests.properties.arrival import sample_services

GROUP = 8


def main(store: str, folder: str, name: str) -> None:
    messages = pickle.loads((Path(folder) / f"{name}.messages").read_bytes())  # noqa: S301 - the test that started it wrote the file
    noted = Path(folder) / f"{name}.done"
    done = int(noted.read_text()) if noted.exists() else 0
    services = sample_services(store)
    while done < len(messages):
        group = messages[done : done + GROUP]
        assert all(b"MSA|AA" in answer for (answer,) in adt.receive_group(services, group, SYSTEM))
        done += len(group)
        noted.with_suffix(".new").write_text(str(done))
        noted.with_suffix(".new").replace(noted)


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # a writer leaves the database to the test that started it
