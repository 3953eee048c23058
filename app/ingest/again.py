"""Searching again, outside any message: the slow lane for records that wait, and the nightly sweep (matching.md 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import orjson

from app.ingest import linking
from app.ingest.evidence import DOUBTED, STOPPED
from app.ingest.learned import all_known, unlearn
from app.ingest.publish import finish
from app.ingest.records import PENDING, get_records
from app.ingest.work import Cause, Work
from app.principal import Principal
from app.services import Services
from app.store.contract import RECORD, SETTING, Change, Failed, Snapshot, Transaction

BATCH = 20
"""Records searched again in one commit, so that feeds wait for no more than these."""
ALARM = 10_000
"""One addition in that many records raises the alarm: the search on arrival misses too much."""
_PAGE = 500
_SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep came to: records searched again, edges added, records in the store; ``at`` when it began."""

    searched: int
    added: int
    records: int
    at: str

    @property
    def alarm(self) -> bool:
        """Whether it added more than 1 in 10,000 records."""
        return self.added * ALARM > self.records


def _search(services: Services, id: str, numbers: Sequence[int]) -> Change[int]:
    """The change that judges one record's pairs with these numbers; how many edges it adds."""
    at = services.now()

    def change(tx: Transaction) -> int:
        work = Work(tx, services, Cause("matcher", f"{_SWEEP} {at}", at, at))
        record = work.record(id)
        if record is None:
            return 0
        added = linking.search_again(work, record, numbers) if record.active else 0
        finish(work)
        return added

    return change


def _apply(services: Services, principal: Principal, changes: Sequence[Change[int]]) -> int:
    added = 0
    for result in services.store.apply(principal, changes) if changes else ():
        if isinstance(result, Failed):
            raise result.error
        added += result
    return added


def pending(snapshot: Snapshot, limit: int | None = None) -> list[str]:
    """The ids of records that wait for the slow lane."""
    return [id for id, _ in snapshot.find(RECORD, "state", [PENDING], limit=limit)]


def _finish(services: Services, searches: Mapping[str, Sequence[int]]) -> Change[int]:
    """The change that matches records that waited with these numbers, and then derives their persons once; how many waited."""
    at = services.now()

    def change(tx: Transaction) -> int:
        work = Work(tx, services, Cause("matcher", f"slow-lane {at}", at, at))
        records = [record for record in work.records(searches) if record.pending]
        for record in records:
            record.pending = False
            work.change(record)
            if record.active:
                work.again[record.id] = searches[record.id]
                work.moved.add(record.id)
        finish(work)
        return len(records)

    return change


def finish_pending(services: Services, principal: Principal, progress: Callable[[int], None] = lambda _: None) -> int:
    """Match every record that waits; how many did. The search itself holds up no writer.

    Where a batch is refused, each of it is tried alone. What is refused even alone goes on waiting, keeps no other, and is raised at the end.
    """
    done, left = 0, dict[str, Failed]()
    while True:
        with services.store.snapshot(principal) as snapshot:
            ids = [id for id in pending(snapshot, BATCH + len(left)) if id not in left]
            records = list(get_records(snapshot, ids).values())
            searches = {one.id: linking.to_search(snapshot, services, one) for one in records}
        if not searches:
            break
        [result] = services.store.apply(principal, [_finish(services, searches)])
        refused = _refused_alone(services, principal, searches) if isinstance(result, Failed) else {}
        left |= refused
        done += len(searches) - len(refused)
        progress(len(searches))
    for refusal in left.values():
        raise refusal.error
    return done


def _refused_alone(services: Services, principal: Principal, searches: Mapping[str, Sequence[int]]) -> dict[str, Failed]:
    """Match each of these records alone; how those failed whose matching is refused, by id."""
    results = services.store.apply(principal, [_finish(services, {id: numbers}) for id, numbers in searches.items()])
    return {id: result for id, result in zip(searches, results, strict=True) if isinstance(result, Failed)}


def last_sweep(snapshot: Snapshot) -> Swept | None:
    """The last sweep, None where there was none."""
    body = snapshot.get(SETTING, _SWEEP)
    return Swept(**orjson.loads(body)) if body else None


def sweep(services: Services, principal: Principal, progress: Callable[[int], None] = lambda _: None) -> Swept:
    """Search again for every record that changed since the last sweep, the first time for all; what that added."""
    begin: list[Change[str]] = [lambda tx: tx.now]
    [at] = services.store.apply(principal, begin)
    if isinstance(at, Failed):
        raise at.error
    with services.store.snapshot(principal) as snapshot:
        before, records = last_sweep(snapshot), snapshot.count(RECORD)
    ids = _changed(services, principal, before.at) if before else _all(services, principal)
    searched = added = 0
    while batch := list(islice(ids, BATCH)):
        with services.store.snapshot(principal) as snapshot:
            near = [(one, linking.beyond(snapshot, one)) for one in get_records(snapshot, batch).values() if one.active]
            missing = [_search(services, one.id, numbers) for one, numbers in near if linking.is_missing(snapshot, services, one, numbers)]
        added += _apply(services, principal, missing)
        searched += len(batch)
        progress(len(batch))
    _apply(services, principal, _relearn(services, principal))
    swept = Swept(searched, added, records, at)
    keep: list[Change[None]] = [lambda tx: tx.put(SETTING, _SWEEP, orjson.dumps(swept))]
    services.store.apply(principal, keep)
    return swept


def _relearn(services: Services, principal: Principal) -> list[Change[int]]:
    """A change for each NHS number that is stopped or in doubt: it is cleared where the records have been put right."""
    with services.store.snapshot(principal) as snapshot:
        numbers = [said["number"] for said in all_known(snapshot) if said["state"] in (STOPPED, DOUBTED)]
    return [_learn_again(services, number) for number in numbers]


def _learn_again(services: Services, number: str) -> Change[int]:
    at = services.now()

    def change(tx: Transaction) -> int:
        work = Work(tx, services, Cause("matcher", f"{_SWEEP} {at}", at, at))
        unlearn(work, number)
        finish(work)
        return 0

    return change


def _all(services: Services, principal: Principal) -> Iterator[str]:
    """The ids of all records, a page at a time."""
    after = ""
    while True:
        with services.store.snapshot(principal) as snapshot:
            page = [id for id, _ in snapshot.scan(RECORD, after=after, limit=_PAGE)]
        if not page:
            return
        after = page[-1]
        yield from page


def _changed(services: Services, principal: Principal, since: str) -> Iterator[str]:
    """The ids of the records whose Patient has a version since that instant, each once: what the sweep itself writes is not among them."""
    seen: set[str] = set()
    with services.store.snapshot(principal) as snapshot:
        after = None
        while page := snapshot.history("Patient", since=since, limit=_PAGE, after=after):
            after = (page[-1].commit, page[-1].type, page[-1].id)
            seen.update(snapshot.get_many(RECORD, sorted({one.id for one in page} - seen)))
    yield from sorted(seen)
