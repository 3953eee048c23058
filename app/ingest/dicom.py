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


def receive(services: Services, batch: Iterable[InstanceFacts], principal: Principal) -> list[Accumulated | Failed]:
    """Add the instances to their studies, one change a study, all in one commit; durable when it returns."""
    changes = [_change(services, uid, instances) for uid, instances in sorted(by_study(batch).items())]
    return services.store.apply(principal, changes)


def _change(services: Services, uid: str, batch: Sequence[InstanceFacts]) -> Change[Accumulated]:
    received = services.clock().astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def change(tx: Transaction) -> Accumulated:
        known = studies.facts_of(tx, uid)
        seen = {(facts.source, facts.digest) for facts in known}
        new = {(facts.source, facts.digest): facts for facts in batch if (facts.source, facts.digest) not in seen}
        if new:
            work = Work(tx, services, Cause(batch[0].source, uid, received, received))
            _file(work, uid, list(new.values()))
            studies.add_facts(work, uid, known, list(new.values()))
            finish(work)
        return Accumulated(uid, len(new), len(batch) - len(new))

    return change


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
