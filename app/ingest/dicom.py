"""DICOM instances: received as facts, accumulated by study, published (imaging.md 3 and 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from app.ingest import studies
from app.ingest.publish import finish
from app.ingest.resolve import enrol, named_itself
from app.ingest.work import Cause, Work
from app.principal import Principal
from app.services import Services
from app.store.contract import Change, Failed, Transaction
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.patient import patient_facts
from mappers.dicom.rejections import repeats_matter


@dataclass(frozen=True, slots=True)
class Accumulated:
    """How many instances of one study were new, and how many were known already."""

    study: str
    accepted: int
    unchanged: int


def by_study(batch: Iterable[InstanceFacts]) -> dict[str, list[InstanceFacts]]:
    """The instances by their study."""
    found: dict[str, list[InstanceFacts]] = {}
    for facts in batch:
        found.setdefault(facts.study_uid, []).append(facts)
    return found


def now(services: Services) -> str:
    """The time of receipt of what comes now."""
    return services.clock().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def receive(services: Services, batch: Iterable[InstanceFacts], principal: Principal, came: str | None = None) -> list[Accumulated | Failed]:
    """Add the instances to their studies, one change a study, all in one commit; durable when it returns.

    ``came`` is when they came, now if not said: what is sent together came at one time, in however many batches it is received.
    """
    changes = [_change(services, uid, instances, came or now(services)) for uid, instances in sorted(by_study(batch).items())]
    return services.store.apply(principal, changes)


def _change(services: Services, uid: str, batch: Sequence[InstanceFacts], came: str) -> Change[Accumulated]:
    received = now(services)

    def change(tx: Transaction) -> Accumulated:
        known = studies.facts_of(tx, uid)
        seen = {(facts.source, facts.digest) for facts in known}
        new = {(facts.source, facts.digest): replace(facts, received=came) for facts in batch if (facts.source, facts.digest) not in seen}
        again = _again(services, known, batch, came)
        if new or again:
            work = Work(tx, services, Cause(batch[0].source, uid, received, received))
            _file(work, uid, list(new.values()))
            studies.add_facts(work, uid, known, [*new.values(), *again])
            finish(work)
        return Accumulated(uid, len(new), len(batch) - len(new))

    return change


def _again(services: Services, known: Sequence[InstanceFacts], batch: Sequence[InstanceFacts], came: str) -> list[InstanceFacts]:
    """What is known and comes again, of that of which it matters that it does (imaging.md 3.5)."""
    matter = repeats_matter(known, services.sources.contexts())
    if not matter:
        return []
    held = {(facts.source, facts.digest): facts for facts in sorted(known, key=lambda one: one.received)}
    places = {(facts.source, facts.digest) for facts in batch if (facts.source, facts.sop_uid) in matter}
    return [replace(held[place], received=came) for place in sorted(places & held.keys()) if held[place].received < came]


def _file(work: Work, uid: str, new: Sequence[InstanceFacts]) -> None:
    """Enrol the patients that the new instances name, and file the study under the very records of those numbers.

    Which record answers for them is for the merges to say, whenever they are told (imaging.md 6).
    """
    document = studies.study_document(work.tx, uid)
    for facts in studies.distinct_headers(new):
        context = work.services.sources.contexts()[facts.source]
        patient, stamp = patient_facts(facts, context)
        main = patient.identifiers[0]
        record = named_itself(work, context.source, [main]).record or enrol(work, context.source, replace(patient, identifiers=(main,)), stamp.event_time)
        work.tell(record, patient, stamp)
        work.save(record)
        studies.file_under(work, document, record, patient, stamp)
    work.studies[uid] = document
