"""What the store learns of NHS numbers, and unlearns (matching.md 2 and 6): numbers on too many people, superseded ones, and those in doubt.

Kept by number under LEARNED, so that every process sees it in the commit that taught it. A number in doubt (a *confusion*) is
no evidence for the records that look like two people under it, until a steward has settled each such pair or it is moot. Which
these are follows from all records that carry the number and from what stewards state of them, not from the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import orjson

from app.ingest.assertions import between
from app.ingest.edges import STEWARD
from app.ingest.evidence import (
    DOUBTED,
    LIFTED,
    STOPPED,
    SUPERSEDED,
    demographics_of,
    doubt_key,
    facts_of,
    last_number,
    learned_of_number,
    number_key,
    number_with,
    unlearned,
    verified_numbers,
)  # fmt: skip
from app.ingest.records import Record, index_key
from app.ingest.reviews import Question, ask
from app.ingest.work import Work
from app.store.contract import LEARNED, RECORD, Snapshot
from app.store.walking import documents
from mappers.context import NHS_NUMBER
from matching.learning import MOST_PEOPLE_OF_A_NUMBER, is_stopped_number
from matching.normalise import normal_number
from matching.scoring import Scored
from matching.waterfall import waterfall

Said = Mapping[str, Any]
MANY = 50
"""Records of one stopped NHS number from which an arrival does not judge it again."""


def known(tx: Snapshot, number: str) -> Said | None:
    """What the store has learned of the number, None where nothing."""
    body = tx.get(LEARNED, number_key(number))
    return orjson.loads(body) if body else None


def all_known(tx: Snapshot) -> list[Said]:
    """All that is learned of NHS numbers, by number."""
    return [orjson.loads(body) for _, body in documents(tx, LEARNED)]


def holders(work: Work, number: str) -> list[Record]:
    """The records that answer for themselves and have it as a live NHS number, as their own or as that of a record merged into them."""
    key = f"{NHS_NUMBER}|{number}"
    values = [index_key(ods, key) for ods in sorted(work.services.sources.organisations)]
    found = work.records([id for id, _ in work.tx.find(RECORD, "identifier", values)])
    roots = {root.id: root for root in map(work.root, [*found, *work.dirty.values()])}
    return [record for _, record in sorted(roots.items()) if record.active and number in _numbers(work, record)]


def _numbers(work: Work, record: Record) -> list[str]:
    """The record's NHS number first, then others that are verified for records merged into it; none of them hangs on what is learned of it."""
    below = work.below(record)
    found = [number_with(record, below), *(verified_numbers([record, *below]) if below else ())]
    return list(dict.fromkeys(filter(None, map(normal_number, found))))


def learn(work: Work, record: Record, others: int, *, doubtful: bool) -> list[Record]:
    """Learn anew of the record's NHS number where that may have changed; the records to match anew.

    ``others``: how many candidates carry the same number, so that nothing is looked up where they are few; ``doubtful`` where
    one of them looks like somebody else.
    """
    changed = [one for number in _numbers(work, record) for one in _learn(work, number, others, doubtful=doubtful)]
    return list({one.id: one for one in changed}.values())


def _learn(work: Work, number: str, others: int, *, doubtful: bool) -> list[Record]:
    said = known(work.tx, number)
    if said is not None and said["state"] == STOPPED and _are_many(work, number):
        return []
    if doubtful or others >= MOST_PEOPLE_OF_A_NUMBER or (said is not None and said["state"] == STOPPED) or _doubt(work.tx, _last(work.tx, number)):
        return judge(work, number)
    return []


def doubted_numbers(work: Work, records: Iterable[str]) -> list[str]:
    """The numbers in doubt of which one of these records is, or was, a holder."""
    wanted = sorted(records)
    return sorted(orjson.loads(body)["number"] for _, body in work.tx.find(LEARNED, "record", wanted)) if wanted else []


def unlearn(work: Work, number: str) -> None:
    """Judge again a number that is stopped or in doubt: it may be on few enough people now."""
    for record in judge(work, number):
        work.change(record)
        work.moved.add(record.id)


def judge(work: Work, number: str) -> list[Record]:
    """Stop, doubt or clear the number as its records say now; the records to be matched anew where that changes something."""
    held, said = holders(work, number), known(work.tx, number)
    changed, stopped = [], False
    if said is None or said["state"] == STOPPED:
        stopped = is_stopped_number([unlearned(work.services, facts_of(work, one)) for one in held])
        if stopped and said is None:
            tell(work, number, {"state": STOPPED, "records": len(held)})
        elif said is not None and not stopped:
            forget(work, number)
        changed = held if stopped != (said is not None) else []
    doubted = _judge_doubt(work, _last(work.tx, number), [] if stopped else None)
    return [*changed, *(one for one in doubted if one not in changed)]


def _last(tx: Snapshot, number: str) -> str:
    return last_number(number, learned_of_number(tx, number))


def _doubt(tx: Snapshot, number: str) -> Said | None:
    body = tx.get(LEARNED, doubt_key(number))
    return orjson.loads(body) if body else None


def _are_many(work: Work, number: str) -> bool:
    """Whether so many records carry the number that one of them alone will not lift its stop; the night's sweep judges it again."""
    values = [index_key(ods, f"{NHS_NUMBER}|{number}") for ods in work.services.sources.organisations]
    return len(work.tx.find(RECORD, "identifier", values, limit=MANY + 1)) > MANY


def _judge_doubt(work: Work, number: str, holding: Sequence[Record] | None = None) -> list[Record]:
    """Keep which records confuse the number, and ask of each pair; the records of which that is new or no longer so.

    ``holding`` are its holders where they are known: none of a stopped number, which is no evidence for anybody.
    """
    held = {record.id: record for record in (_all_holders(work, number) if holding is None else holding)}
    pairs = _confusions(work, list(held.values()))
    asked = {pair: scored for pair, scored in pairs.items() if not _is_settled(work, pair)}
    before = _doubt(work.tx, number) or {"records": [], "about": []}
    now = {"records": sorted({id for pair in asked for id in pair}), "about": sorted({id for pair in pairs for id in pair})}
    if now != {name: before[name] for name in now}:
        _keep_doubt(work, number, now)
    questions = [Question("confusion", pair, "Two people seem to use one NHS number.", waterfall(scored, work.services.scorer)) for pair, scored in asked.items()]
    ask(work, {*before["about"], *now["about"]}, questions, frozenset({"confusion"}))
    return work.records(sorted(set(before["records"]) ^ set(now["records"])))


def _all_holders(work: Work, number: str) -> list[Record]:
    """The holders of a number and of those that it has superseded."""
    found, ahead = {number: holders(work, number)}, [number]
    while ahead:
        before = [orjson.loads(body)["number"] for _, body in work.tx.find(LEARNED, "successor", [ahead.pop()])]
        for one in before:
            if one not in found:
                found[one] = holders(work, one)
                ahead.append(one)
    return [record for one in sorted(found) for record in found[one]]


def _confusions(work: Work, held: Sequence[Record]) -> dict[tuple[str, str], Scored]:
    """The pairs of holders that look like two people, and why, each number taken to be in no doubt."""
    seen = [(record.id, demographics_of(work, record)) for record in sorted(held, key=lambda one: one.id)]
    scored = {(a, b): work.services.scorer.score(one, other) for (a, one), (b, other) in combinations(seen, 2)}
    return {pair: found for pair, found in scored.items() if found.confusion and not found.vetoes}


def _is_settled(work: Work, pair: tuple[str, str]) -> bool:
    """Whether a steward's word on the two records, that they are one person or two, is in force."""
    return any(edge.agent.startswith(STEWARD) for edge in between(work, *pair))


def _keep_doubt(work: Work, number: str, now: Mapping[str, Sequence[str]]) -> None:
    if now["about"]:
        body = {"number": number, "state": DOUBTED, "at": work.cause.occurred, "cause": work.cause.reference, **now}
        work.tx.put(LEARNED, doubt_key(number), orjson.dumps(body), {"record": now["about"]})
    else:
        work.tx.remove(LEARNED, doubt_key(number))
    work.event("number-doubted" if now["records"] else "number-cleared", records=now["records"])


def tell(work: Work, number: str, said: Said) -> None:
    """Keep what is learned of the number, and tell of it."""
    body = {"number": number, "at": work.cause.occurred, "cause": work.cause.reference, **said}
    _put(work, number, body)
    work.event(f"number-{said['state']}", records=said.get("records"))


def _put(work: Work, number: str, said: Said) -> None:
    successor = [said["successor"]] if said["state"] == SUPERSEDED else []
    work.tx.put(LEARNED, number_key(number), orjson.dumps(said), {"successor": successor})


def forget(work: Work, number: str) -> None:
    """Know nothing of the number any more."""
    work.tx.remove(LEARNED, number_key(number))
    work.event("number-forgotten")


def restore(work: Work, number: str, before: Said | None) -> None:
    """Know of the number again what was known before; the records that carry it are matched anew."""
    if before is None:
        forget(work, number)
    else:
        _put(work, number, before)
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
