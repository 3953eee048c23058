"""The store that a benchmark runs on: N records of a simulated region, sent through the feed's own door."""

import re
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.ingest import adt
from app.ingest.configured import save_configured
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings
from app.simulate import run
from mappers.hl7v2.er7 import split_batch

RECORDS_A_PERSON = 2.3
GROUP = 64
"""Messages a commit while the store is built: what sixteen busy connections come to."""
_KEY = re.compile(rb"\rPID\|[^|]*\|[^|]*\|([^\r|]+)")
_FAMILY = (b"Ashdown", b"Bexley", b"Chanctonbury", b"Ditchling", b"Ebernoe", b"Firle", b"Glynde", b"Hascombe")


@dataclass(slots=True)
class World:
    """A loaded store: its settings' environment, a message of each record, and how fast the records were created."""

    environment: dict[str, str]
    folder: Path
    messages: list[bytes] = field(default_factory=list)
    created_per_second: float = 0.0
    records: int = 0


def build(folder: Path, records: int) -> World:
    """A store under ``folder`` with about ``records`` source records, one creating message each."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {"WEALD_MODE": "sample", "WEALD_STORE": f"sqlite:///{folder / 'weald.db'}", "WEALD_DICOM": "off"}
    world = World(environment, folder)
    people = max(20, int(records / RECORDS_A_PERSON))
    run(people, max(20, people // 50), 11, folder / "region", dicom="none")
    world.messages = _creating(folder / "region")[:records]
    services = services_from_settings(load_settings(env=environment))
    save_configured(services)
    began = time.perf_counter()
    for start in range(0, len(world.messages), GROUP):
        adt.receive_group(services, world.messages[start : start + GROUP], SYSTEM)
    world.created_per_second = len(world.messages) / (time.perf_counter() - began)
    world.records = services.store.facts().counts["kind:record"]
    services.store.close()
    return world


def _creating(region: Path) -> list[bytes]:
    """The first message of each record, all trusts mixed."""
    first: dict[bytes, bytes] = {}
    for path in sorted(region.glob("*/adt*.hl7")):
        for message in split_batch(path.read_bytes()):
            found = _KEY.search(message)
            if found and b"|ADT^A40" not in message and b"|ADT^A24" not in message and b"|ADT^A37" not in message:
                first.setdefault(path.parent.name.encode() + found[1].split(b"~")[0], message)
    return sorted(first.values(), key=lambda message: message[-40:])


def traffic(world: World, count: int, tag: str, changing: int = 10) -> list[bytes]:
    """``count`` new A08 messages about the records, one in ``changing`` with a new surname: what a feed sends all day."""
    made = []
    later = datetime(2026, 6, 1, tzinfo=UTC)
    for number in range(count):
        raw = world.messages[(number * 7919) % len(world.messages)]
        segments = raw.split(b"\r")
        at = (later + timedelta(seconds=number)).strftime("%Y%m%d%H%M%S").encode()
        head = segments[0].split(b"|")
        head[6], head[8], head[9] = at, b"ADT^A08", f"{tag}{number}".encode()
        segments[0] = b"|".join(head)
        for place, segment in enumerate(segments):
            fields = segment.split(b"|")
            if segment.startswith(b"EVN|"):
                segments[place] = b"EVN|A08|" + at
            elif segment.startswith(b"PID|") and number % changing == 0:
                name = fields[5].split(b"^")
                name[0] = _FAMILY[number // changing % len(_FAMILY)]
                fields[5] = b"^".join(name)
                segments[place] = b"|".join(fields)
        made.append(b"\r".join(segments))
    return made
