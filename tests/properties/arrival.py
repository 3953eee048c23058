"""A small region, and what is left of a store when every id is renamed: for tests of the order of arrival."""

import hashlib
import random
import re
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson

from app.ingest import adt, dicom
from app.ingest.configured import save_configured
from app.principal import SYSTEM
from app.services import services_from_settings
from app.settings import load_settings
from app.simulate import run
from app.store.contract import RECORD
from mappers.dicom.dataset import facts_from_bytes
from mappers.hl7v2.er7 import split_batch

CLOCK = datetime(2026, 1, 1, tzinfo=UTC)


def sample_services(store_uri):
    """Services whose clock and timer stand still, so that no limit of time decides what a test sees."""
    settings = load_settings(env={"WEALD_MODE": "sample", "WEALD_STORE": store_uri})
    services = replace(services_from_settings(settings, clock=lambda: CLOCK), timer=lambda: 0.0)
    save_configured(services)
    return services


def small_region(folder, *, people=40, studies=60, seed=3):
    """(feeds, instances): the messages of each trust in order, and (archive, bytes) of each DICOM file."""
    run(people, studies, seed, folder, instances="small")
    feeds = {path.parent.name: split_batch(path.read_bytes()) for path in sorted(folder.glob("*/adt*.hl7"))}
    files = [(f"{path.relative_to(folder).parts[0]}-PACS", path.read_bytes()) for path in sorted(folder.glob("*/dicom/**/*")) if path.is_file()]
    return feeds, files


def interleaved(feeds, files, seed):
    """Arrivals in a random order that keeps each trust's own: ("adt", message) and ("dicom", archive, bytes)."""
    chance = random.Random(seed)
    left = {trust: list(reversed(messages)) for trust, messages in feeds.items()}
    shuffled = chance.sample(files, len(files))
    turns = [trust for trust, messages in feeds.items() for _ in messages] + ["dicom"] * len(shuffled)
    chance.shuffle(turns)
    return [("dicom", *shuffled.pop()) if turn == "dicom" else ("adt", left[turn].pop()) for turn in turns]


def deliver(services, arrivals, group=16):
    """Hand the arrivals to Weald's own doors, in groups of one kind."""
    contexts = services.sources.contexts()
    held = []
    for number, arrival in enumerate(arrivals):
        held.append(arrival)
        following = arrivals[number + 1][0] if number + 1 < len(arrivals) else None
        if following != arrival[0] or len(held) == group:
            if arrival[0] == "adt":
                adt.receive_group(services, [raw for _, raw in held], SYSTEM)
            else:
                dicom.receive(services, [facts_from_bytes(data, contexts[archive]) for _, archive, data in held], SYSTEM)
            held = []


def partition(services):
    """The persons, each as the set of its records' identifiers."""
    persons = defaultdict(set)
    with services.store.snapshot(SYSTEM) as snapshot:
        for head in _records(snapshot):
            persons[head["person"]].add(frozenset(_identifiers(snapshot, head["id"])))
    return {frozenset(records) for records in persons.values()}


def _records(snapshot):
    return [orjson.loads(body.partition(b"\n")[0]) for _, body in snapshot.scan(RECORD, limit=100_000)]


def _identifiers(snapshot, id):
    patient = orjson.loads(snapshot.resource("Patient", id).body)
    return {f"{one['system']}|{one['value']}" for one in patient.get("identifier", [])}


def _names(snapshot):
    """A name of each record and each person that does not depend on its id."""
    names, persons = {}, defaultdict(list)
    for head in _records(snapshot):
        names[head["id"]] = hashlib.sha256("|".join(sorted(_identifiers(snapshot, head["id"]))).encode()).hexdigest()
        persons[head["person"]].append(names[head["id"]])
    return names | {id: hashlib.sha256("|".join(sorted(members)).encode()).hexdigest() for id, members in persons.items()}


def _renamed(body, names):
    """The bytes with versions, times and meta.source left out, every Patient id replaced by that patient's name."""
    body = re.sub(rb'"versionId":"\d+","lastUpdated":"[^"]+",?', b"", body)
    body = re.sub(rb',?"source":"[^"]+"', b"", body)
    return re.sub(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", lambda m: names.get(m[0].decode(), m[0].decode()).encode(), body)


def _current(services, type):
    """The bytes of every resource of a type that is not deleted, renamed, by id."""
    found = {}
    with services.store.snapshot(SYSTEM) as snapshot:
        names = _names(snapshot)
        for stored in snapshot.history(type, limit=100_000):
            current = snapshot.resource(type, stored.id)
            if not current.deleted:
                found[stored.id] = _renamed(current.body, names)
    return found


def studies(services):
    """Each study's bytes by its id, renamed."""
    return _current(services, "ImagingStudy")


def patients(services):
    """All patients, renamed and their links put in order: the trusts' records, and the persons that have records."""
    found = [orjson.loads(body) for body in _current(services, "Patient").values()]
    for patient in found:
        patient.get("link", []).sort(key=orjson.dumps)
    return sorted(orjson.dumps(patient) for patient in found if patient["active"] or "managingOrganization" in patient)


def versions(services):
    """How many versions there are of each resource."""
    with services.store.snapshot(SYSTEM) as snapshot:
        return {(one.type, one.id): one.version for one in reversed(snapshot.history(limit=1_000_000))}


def fresh(path: Path):
    path.mkdir(parents=True, exist_ok=True)
    return sample_services(f"sqlite:///{path / 'weald.db'}")
