"""A store of a million patients and two million studies, made once and kept: ``var/bench/grown-N.db``.

A region is sent and loaded through the real doors, then what the store serves of it is written again and again under other ids and
identifiers, as many times as it takes. Names recur with each copy, identifiers do not; what only arriving data needs (the
matcher's blocks, messages, facts of instances, old versions) is of the first copy alone.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import orjson
from world import RECORDS_A_PERSON, build

from app.ingest.load import Loader
from app.principal import SYSTEM
from app.search.entries import entries
from app.services import services_from_settings
from app.settings import load_settings
from app.simulate import run as simulate
from app.store.content import content_from_resource
from app.store.contract import EDGE, PERSON, RECORD, STUDY, Failed
from app.store.sqlite.store import open_store

FOLDER = Path("var") / "bench"
BASE = 20_000
"""Records of the region that is copied, if that is not too much; it has twice as many studies."""
COPIED = {f"document/{kind.name}": kind for kind in (RECORD, PERSON, STUDY, EDGE)} | {f"resource/{name}": name for name in ("Patient", "Linkage", "ImagingStudy")}
WRITES_AT_ONCE = 2_000
_NAMED = re.compile(rb"[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(-[0-9a-f-]{27})|[0-9]{7,}")
"""An id, or the digits of an identifier."""
_SPREAD = 2_654_435_761


def grown(records: int) -> dict[str, str]:
    """The environment of a server on the store of so many records, which is made where it is missing."""
    folder = FOLDER / f"grown-{records}"
    environment = {"WEALD_MODE": "sample", "WEALD_STORE": f"sqlite:///{folder / 'weald.db'}", "WEALD_DICOM": "off"}
    if not (folder / "made").exists():
        began = time.perf_counter()
        base = min(BASE, records // 2)
        build(folder, base)
        _load_studies(folder, environment, base)
        _copy(folder / "weald.db", records // base - 1)
        (folder / "made").touch()
        size = (folder / "weald.db").stat().st_size / 1e9
        print(f"  made a store of {records:,} records and {2 * records:,} studies in {time.perf_counter() - began:,.0f} s, {size:.1f} GB", file=sys.stderr, flush=True)
    return environment


def _load_studies(folder: Path, environment: dict[str, str], base: int) -> None:
    """Studies of the region's own people, as their archives send them."""
    services = services_from_settings(load_settings(env=environment))
    simulate(int(base / RECORDS_A_PERSON), 2 * base, 11, folder / "archive", instances="small", dicom="json")
    for path in sorted((folder / "archive").glob("*/dicom")):
        Loader(services, SYSTEM, f"{path.parent.name}-PACS").load([path])
    services.store.close()


def _copy(path: Path, copies: int) -> None:
    store = open_store(path, writer_cache_kib=400_000)
    store._open().writer.execute("PRAGMA synchronous = OFF")
    held = _held(store)
    for copy in range(1, copies + 1):
        began = time.perf_counter()
        lines = list(held.items())
        for start in range(0, len(lines), WRITES_AT_ONCE):
            [result] = store.apply(SYSTEM, [_written(lines[start : start + WRITES_AT_ONCE], copy)])
            if isinstance(result, Failed):
                raise result.error
        print(f"  copy {copy} of {copies} in {time.perf_counter() - began:,.0f} s", file=sys.stderr, flush=True)
    store.close()


def _held(store) -> dict[tuple[str, str], bytes]:
    """The lines to copy, of each resource its last version."""
    found = {}
    for what, key, line in store.dump():
        if what in COPIED:
            found[what, key.partition("/")[0]] = line
    return found


def _renamed(text: bytes, copy: int) -> bytes:
    """The text with other ids and identifiers, the same ones wherever they stand."""

    def other(found: re.Match[bytes]) -> bytes:
        if found[1]:
            return b"%08x%s" % (int(found[0][:8], 16) ^ (copy * _SPREAD & 0xFFFFFFFF), found[1])
        return b"%s%03d" % (found[0], copy)

    return _NAMED.sub(other, text)


def _written(lines, copy):
    """The change that writes these lines of one copy."""

    def change(tx):
        for (what, key), line in lines:
            head, _, body = _renamed(line, copy).partition(b"\n")
            kind = COPIED[what]
            if what.startswith("document/"):
                tx.put(kind, _renamed(key.encode(), copy).decode(), body, orjson.loads(head))
                continue
            summary, _, body = body.partition(b"\n")
            resource = orjson.loads(body)
            tx.save(
                kind, resource["id"], content_from_resource(resource), entries(resource), custodian=orjson.loads(head)["custodian"],
                summary=content_from_resource(orjson.loads(summary)) if summary else None,
            )  # fmt: skip

    return change
