"""DICOM instances: received as facts, accumulated by study, published (imaging.md 3 and 4)."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.ingest import studies
from app.ingest.publish import finish
from app.ingest.resolve import enrol, named_itself
from app.ingest.work import Cause, Work
from app.principal import Principal
from app.services import Services
from app.store.contract import Change, Failed, Transaction
from mappers.context import MappingContext
from mappers.dicom.accumulation import standing
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.patient import patient_facts
from mappers.dicom.rejections import Content, Place, receipts, repeats_matter, says_more


@dataclass(frozen=True, slots=True)
class Accumulated:
    """How many instances of one study were new, or changed what is shown by coming again, and how many were known already."""

    study: str
    accepted: int
    unchanged: int


def by_study(batch: Iterable[InstanceFacts]) -> dict[str, list[InstanceFacts]]:
    """The instances by their study."""
    found: dict[str, list[InstanceFacts]] = {}
    for facts in batch:
        found.setdefault(facts.study_uid, []).append(facts)
    return found


def receive(services: Services, batch: Iterable[InstanceFacts], principal: Principal, came: str | None = None) -> list[Accumulated | Failed]:
    """Add the instances to their studies, one change a study, all in one commit; durable when it returns.

    ``came`` is when they came, now if not said: what is sent together came at one time, in however many batches it is received.
    """
    changes = [_change(services, uid, instances, came or services.now()) for uid, instances in sorted(by_study(batch).items())]
    return services.store.apply(principal, changes)


def _change(services: Services, uid: str, batch: Sequence[InstanceFacts], came: str) -> Change[Accumulated]:
    received, contexts = services.now(), services.sources.contexts()

    def change(tx: Transaction) -> Accumulated:
        known = studies.facts_of(tx, uid)
        held = receipts(known)
        new = {(facts.source, facts.digest): replace(facts, received=came) for facts in batch if (facts.source, facts.digest) not in held}
        again = _again(repeats_matter(known, contexts), held, batch, came)
        if new or again:
            work = Work(tx, services, Cause(batch[0].source, uid, received, received))
            _file(work, uid, list(new.values()))
            studies.add_facts(work, uid, known, [*new.values(), *again])
            finish(work)
        accepted = len(new) + _count_effective(again, [*known, *new.values()], contexts)
        return Accumulated(uid, accepted, len(batch) - accepted)

    return change


def _again(matter: Container[Place], held: Mapping[Content, Sequence[InstanceFacts]], batch: Sequence[InstanceFacts], came: str) -> list[InstanceFacts]:
    """What is held and comes again, as far as that says more of when it came (imaging.md 3.5)."""
    repeated = {(facts.source, facts.digest): (facts.source, facts.sop_uid) in matter for facts in batch}
    return [
        replace(held[content][0], received=came)
        for content, matters in sorted(repeated.items())
        if content in held and says_more(held[content], came, matters=matters)
    ]


def _count_effective(again: Sequence[InstanceFacts], others: Sequence[InstanceFacts], contexts: Mapping[str, MappingContext]) -> int:
    """How many of what came again changed what is shown: instances that returned, and notes that removed again."""
    if not again:
        return 0
    before, after = _shown(others, contexts), _shown([*others, *again], contexts)
    gone, back = before - after, after - before
    removed = [facts for facts in again if any((facts.source, uid) in gone for uid in facts.instance.values.get("RejectedSOPInstanceUIDs", ()))]
    return len(removed) + len({(facts.source, facts.sop_uid) for facts in again} & back)


def _shown(facts: Iterable[InstanceFacts], contexts: Mapping[str, MappingContext]) -> set[Place]:
    return {(fact.source, fact.sop_uid) for fact in standing(facts, contexts).visible}


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
