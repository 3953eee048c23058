"""Source studies and the ImagingStudy resources published of them: a pure function of facts, records and settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import orjson

from app.ingest.evidence import contradicts, header_demographics
from app.ingest.identity import mint_id
from app.ingest.records import Record, index_key
from app.ingest.resources import save_resource
from app.ingest.reviews import close_moot, open_review
from app.ingest.work import Work
from app.principal import together
from app.search.views import beyond
from app.services import Services
from app.store.contract import FACTS, STUDY, Snapshot
from mappers.dicom.chunks import pack, unpack
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.patient import patient_facts
from mappers.dicom.rejections import first_and_last
from mappers.dicom.study import imaging_study, partition
from mappers.facts import PatientFacts, Stamp

MOST_TRUSTS = 4
"""A study of more trusts is shown to who sees some of them as that of none, or of one alone."""
CHUNK = 1000
CHUNKS_KEPT = 16


def facts_of(tx: Snapshot, uid: str) -> list[InstanceFacts]:
    """All facts kept of a study, of every source."""
    return [facts for _, body in tx.find(FACTS, "study", [uid]) for facts in unpack(body)]


def add_facts(work: Work, uid: str, known: Sequence[InstanceFacts], new: Sequence[InstanceFacts]) -> None:
    """Append the new facts of a study, and what came again; many small chunks are packed again into few."""
    stored = work.tx.find(FACTS, "study", [uid])
    kept = list(new)
    if len(stored) >= CHUNKS_KEPT:
        for key, _ in stored:
            work.tx.remove(FACTS, key)
        kept = first_and_last([*known, *new])
    for start in range(0, len(kept), CHUNK):
        number = work.tx.next_number("facts")
        work.tx.put(FACTS, f"{uid}|{number:012d}", pack(kept[start : start + CHUNK]), {"study": [uid]})


def study_document(tx: Snapshot, uid: str) -> dict[str, Any]:
    """What is kept of a study beside its facts: the record of each patient key, and the ids published."""
    body = tx.get(STUDY, uid)
    document: dict[str, Any] = orjson.loads(body) if body else {"uid": uid, "keys": {}, "published": []}
    return document


def file_under(work: Work, document: dict[str, Any], record: Record, facts: PatientFacts, stamp: Stamp) -> None:
    """Note that the study's patient key is this record's, and what the header said of the patient."""
    key = index_key(record.organisation, facts.identifiers[0].key)
    entry = document["keys"].setdefault(key, {"record": record.id, "headers": []})
    entry["headers"] = sorted({*entry["headers"], header_demographics(work, facts, stamp)})
    _has_studies(work, record)
    work.studies[document["uid"]] = document


def headers_under(work: Work, record: Record) -> Iterator[tuple[PatientFacts, Stamp]]:
    """What image headers say of the record: those of the patient keys that are its own, each once."""
    documents = {document["uid"]: document for _, body in work.tx.find(STUDY, "patient-key", [record.id]) for document in [orjson.loads(body)]}
    for uid, document in sorted({**documents, **work.studies}.items()):
        keys = {key for key, entry in document["keys"].items() if entry["record"] == record.id}
        for one in distinct_headers(facts_of(work.tx, uid)) if keys else ():
            facts, stamp = patient_facts(one, work.services.sources.contexts()[one.source])
            if index_key(record.organisation, facts.identifiers[0].key) in keys:
                yield facts, stamp


def distinct_headers(instances: Iterable[InstanceFacts]) -> list[InstanceFacts]:
    """An instance for each thing that the headers say of a patient, in one order whatever the order of the instances."""
    found: dict[tuple[str, bytes, bytes], InstanceFacts] = {}
    for one in instances:
        found.setdefault((one.source, one.patient.content, one.study.content), one)
    return [found[key] for key in sorted(found)]


def _has_studies(work: Work, record: Record) -> None:
    if not record.studies:
        record.studies = True
        work.change(record)


def follow(work: Work) -> None:
    """Publish the studies this change added to, and those whose record moved or no longer fits the header."""
    changed = {id for id in work.moved if (record := work.record(id)) is not None and record.studies}
    checked = {record.id for record in work.dirty.values() if record.studies} | changed
    for _, body in work.tx.find(STUDY, "patient-key", sorted(checked)) if checked else []:
        document = orjson.loads(body)
        holders = {entry["record"] for entry in document["keys"].values()}
        if holders & changed or _misfits(work, document) != set(document.get("misfits", [])):
            work.studies.setdefault(document["uid"], document)
    for uid in sorted(work.studies):
        publish(work, work.studies[uid])


def _misfits(work: Work, document: Mapping[str, Any]) -> set[str]:
    """Patient keys a header of which contradicts the record in name, birth date and sex at once (imaging.md 2.2)."""
    found = set()
    for key, entry in document["keys"].items():
        record = work.record(entry["record"])
        if record is not None and any(contradicts(work, header, work.root(record)) for header in entry["headers"]):
            found.add(key)
    return found


def publish(work: Work, document: dict[str, Any]) -> None:
    """Save the ImagingStudy of a study: one, or one a person where its patient keys are of several (imaging.md 3.3)."""
    uid, services = document["uid"], work.services
    facts = facts_of(work.tx, uid)
    roots = {key: work.root(record) for key, entry in document["keys"].items() if (record := work.record(entry["record"])) is not None}
    for record in roots.values():
        _has_studies(work, record)
    misfits = _misfits(work, document)
    groups = partition(facts, {key: record.person for key, record in roots.items()}, services.sources.contexts())
    published: list[str] = []
    parts: list[str] = []
    for keys, members in groups:
        name = f"study|{uid}" if len(groups) == 1 else f"study|{uid}|{min(keys)}"
        subjects = {key: (None if key in misfits else roots[key].id) for key in keys}
        whole, *others = _save_views(work, name, members, subjects, ["patient-conflict"] if len(groups) > 1 else [])
        published.append(whole)
        parts += others
    _withdraw(work, {*document["published"], *document.get("parts", ())} - {*published, *parts})
    _ask(work, roots, misfits, groups)
    after = {**document, "published": sorted(published), "misfits": sorted(misfits), "parts": sorted(parts)}
    index = {"patient-key": sorted({entry["record"] for entry in document["keys"].values()} | {record.id for record in roots.values()})}
    work.tx.put(STUDY, uid, orjson.dumps(after), index)
    if len(published) < len(document["published"]) or set(document.get("misfits", ())) - misfits:
        _close_answered(work, index["patient-key"])
    work.event("study-published", study=sorted(published))


def _save_views(
    work: Work, name: str, facts: Sequence[InstanceFacts], subjects: Mapping[str, str | None], findings: Sequence[str]
) -> list[str]:  # fmt: skip
    """Save a person's study, whole and in parts; returns their ids, the whole's first. ``name`` is what its id is made of."""
    services = work.services
    views = _views(services, facts)
    whole, ids = views[0], []
    for view in views:
        ids.append(mint_id(services.id_secret, name if view is whole else f"{name}|at|{together(view.trusts)}"))
        misfit = any(record is None and key.partition("|")[0] in view.trusts for key, record in subjects.items())
        full, summary, keepers = imaging_study(
            view.facts, id=ids[-1], subject_of=subjects, contexts=services.sources.contexts(), endpoints=endpoint_ids(services),
            flags=[*findings, *(["identity-mismatch"] if misfit else [])],
        )  # fmt: skip
        save_resource(work.tx, full, together(keepers), summary, beyond(whole.trusts - view.trusts))
    return ids


class _View(NamedTuple):
    """What some of the trusts that hold a study hold of it together."""

    trusts: frozenset[str]
    facts: Sequence[InstanceFacts]


def _views(services: Services, facts: Sequence[InstanceFacts]) -> list[_View]:
    """The whole study, then what each fewer of its trusts hold: what a caller is shown who sees those and no other (docs/adr/0017)."""
    contexts = services.sources.contexts()
    keeper = {source: contexts[source].source.organisation for source in {fact.source for fact in facts}}
    trusts = sorted(set(keeper.values()))
    sizes = range(len(trusts), 0, -1) if len(trusts) <= MOST_TRUSTS else [len(trusts), 1]
    found = [frozenset(some) for size in sizes for some in combinations(trusts, size)]
    return [_View(some, [fact for fact in facts if keeper[fact.source] in some]) for some in found]


def _withdraw(work: Work, ids: Iterable[str]) -> None:
    for id in sorted(ids):
        work.tx.delete("ImagingStudy", id)


def _ask(work: Work, roots: Mapping[str, Record], misfits: set[str], groups: Sequence[tuple[Sequence[str], Any]]) -> None:
    for key in sorted(misfits):
        open_review(work, "identity-mismatch", [roots[key].id], "An image header contradicts this record in name, birth date and sex.")
    if len(groups) > 1:
        records = sorted({roots[key].id for keys, _ in groups for key in keys if key in roots})
        open_review(work, "study-of-two-persons", records, "One study names two persons.")


def _close_answered(work: Work, records: Sequence[str]) -> None:
    """Close what was asked of these records' studies, as far as none of them is in doubt any more."""
    found = [orjson.loads(body) for _, body in work.tx.find(STUDY, "patient-key", records)]
    still = {"identity-mismatch": any(one.get("misfits") for one in found), "study-of-two-persons": any(len(one["published"]) > 1 for one in found)}
    close_moot(work, records, [kind for kind, asked in still.items() if not asked])


def endpoint_ids(services: Services) -> dict[tuple[str, str], str]:
    """The id of each archive's Endpoint resources, by (source code, connection type)."""
    kinds = ("dicom-wado-rs", "dicom-qido-rs")
    return {
        (code, kind): mint_id(services.id_secret, f"endpoint|{code}|{kind}")
        for code, context in services.sources.contexts().items()
        if context.source.wado_base
        for kind in kinds
    }
