"""What the store learns of NHS numbers, and unlearns (matching.md 2, Learned): numbers on too many people, and superseded ones.

Kept by number under LEARNED, so that every process sees it in the commit that taught it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from app.ingest.evidence import LIFTED, STOPPED, SUPERSEDED, number_key, record_facts
from app.ingest.records import Record, index_key
from app.ingest.work import Work
from app.store.contract import LEARNED, RECORD, Snapshot
from mappers.context import NHS_NUMBER
from matching.demographics import Demographics
from matching.learning import MOST_PEOPLE_OF_A_NUMBER, is_stopped_number
from matching.normalise import normal_number, normalise

Said = Mapping[str, Any]


def known(tx: Snapshot, number: str) -> Said | None:
    """What the store has learned of the number, None where nothing."""
    body = tx.get(LEARNED, number_key(number))
    return orjson.loads(body) if body else None


def all_known(tx: Snapshot) -> list[Said]:
    """All that is learned of NHS numbers, by number."""
    after, found = "", []
    while page := tx.scan(LEARNED, after=after):
        after = page[-1][0]
        found += [orjson.loads(body) for _, body in page]
    return found


def holders(work: Work, number: str) -> list[Record]:
    """The records in force whose live NHS number it is."""
    key = f"{NHS_NUMBER}|{number}"
    values = [index_key(ods, key) for ods in sorted(work.services.sources.organisations)]
    ids = [id for id, _ in work.tx.find(RECORD, "identifier", values)]
    own = [record.id for record in work.dirty.values() if record.id not in ids]
    return [record for record in work.records([*ids, *own]) if record.active and _number(record) == number]


def _number(record: Record) -> str:
    live = record.state.nhs_number()
    return normal_number(live.fact.value) if live else ""


def learn(work: Work, record: Record, others: int) -> list[Record]:
    """Stop the record's NHS number where it is on too many people, or lift that where it no longer is; the records to match anew.

    ``others``: how many candidates carry the same number, so that nothing is looked up where they are few.
    """
    number = _number(record)
    said = known(work.tx, number) if number else None
    if not number or (said is None and others < MOST_PEOPLE_OF_A_NUMBER) or (said is not None and said["state"] != STOPPED):
        return []
    return _judge(work, number, said)


def unlearn(work: Work, number: str) -> None:
    """Lift the stop of a number that is on few enough people now."""
    said = known(work.tx, number)
    if said is not None and said["state"] == STOPPED and _judge(work, number, said):
        match_again(work, number)


def _judge(work: Work, number: str, said: Said | None) -> list[Record]:
    """Stop or lift the number as its records say now; they are to be matched anew where that changes something."""
    held = holders(work, number)
    stopped = is_stopped_number([_plain(work, one) for one in held])
    if stopped == (said is not None):
        return []
    if stopped:
        tell(work, number, {"state": STOPPED, "records": len(held)})
    else:
        forget(work, number)
    return held


def _plain(work: Work, record: Record) -> Demographics:
    """The record as it is without anything learned."""
    states = [record.state, *(one.state for one in work.below(record))]
    return normalise(record_facts(states), admit_test_numbers=work.services.settings.admit_test_numbers)


def tell(work: Work, number: str, said: Said) -> None:
    """Keep what is learned of the number, and tell of it."""
    body = {"number": number, "at": work.cause.occurred, "cause": work.cause.reference, **said}
    work.tx.put(LEARNED, number_key(number), orjson.dumps(body))
    work.event(f"number-{said['state']}", records=said.get("records"))


def forget(work: Work, number: str) -> None:
    """Know nothing of the number any more."""
    work.tx.remove(LEARNED, number_key(number))
    work.event("number-forgotten")


def restore(work: Work, number: str, before: Said | None) -> None:
    """Know of the number again what was known before; the records that carry it are matched anew."""
    if before is None:
        forget(work, number)
    else:
        work.tx.put(LEARNED, number_key(number), orjson.dumps(before))
    match_again(work, number)


def supersede(work: Work, number: str, successor: str) -> None:
    """A steward says that ``successor`` has taken the number's place (matching.md 2, NHS number state)."""
    tell(work, number, {"state": SUPERSEDED, "successor": successor})
    match_again(work, number)


def lift(work: Work, number: str) -> None:
    """A steward says that the number is good, however many people seem to have it."""
    tell(work, number, {"state": LIFTED})
    match_again(work, number)


def match_again(work: Work, number: str) -> None:
    """Have the records that carry the number matched anew at the end of the change."""
    for record in holders(work, number):
        work.change(record)
        work.moved.add(record.id)
