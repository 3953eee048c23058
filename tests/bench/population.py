"""A population for the matcher's benchmarks, at any size: records of simulated people as the store's blocks would hold them.

No message is made and none is read: the clerk of each record meets the person as often as the feed would speak, and what he
took down, old values included, is normalised as ADT would be. Each shard stands for itself, so that two processes
make the same records as one, and a small population is the beginning of a larger one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from multiprocessing import Pool
from typing import NamedTuple
from zlib import crc32

from app.simulate.clerk import Clerk, View
from app.simulate.draw import Draw
from app.simulate.households import households
from app.simulate.moments import DAY, date_text
from app.simulate.numbers import check_digit
from app.simulate.records import Record, Registry
from app.simulate.trusts import TRUSTS
from matching.blocking import blocking_keys, is_thin
from matching.demographics import Demographics, RawAddress, RawIdentifier, RawName, RecordFacts, pack
from matching.normalise import normalise

SEED = 31
PEOPLE_A_SHARD = 2_000
NUMBERS_A_SHARD = 2_600
MRNS_A_SHARD = 3_000
HELD_BACK, HELD_BACK_THIN = 100, 4
"""One record in so many is held back from the store: it is what arrives in the benchmark."""


class Held(NamedTuple):
    """One record: whose it is, its key, its blocking keys, its packed demographics; and whether it is held back, to arrive later."""

    cluster: str
    key: str
    keys: tuple[int, ...]
    packed: bytes
    arrives: bool
    thin: bool


def nhs_numbers(first: int) -> Iterator[str]:
    """Valid numbers of the test range from the ``first``-th step on: shards far enough apart share none."""
    for step in count(first):
        body = f"{999 - step // 1_000_000}{step * 387_163 % 1_000_000:06d}"
        if (check := check_digit(body)) < 10 and body != "9" * 9:
            yield f"{body}{check}"


def views(record: Record, draw: Draw) -> list[View]:
    """What the record said over the years, newest first."""
    clerk = Clerk(record.person, record.habits, draw, record.entered)
    said = [clerk.held]
    said += [clerk.meet(contact.moment // DAY) for contact in record.contacts if contact.kind != "study"]
    return said[::-1]


def facts(record: Record, said: list[View]) -> RecordFacts:
    """What normalising is given of it: current values first, then those it once had."""
    now = said[0]
    return RecordFacts(
        names=tuple(dict.fromkeys(RawName(one.name.family, one.name.given, one.name.middle) for one in said)),
        birth_date=now.birth.date,
        birth_date_quality={"UD": "default", "ED": "estimated"}.get(now.birth.quality, ""),
        sex={"M": "male", "F": "female"}.get(now.sex, ""),
        addresses=tuple(dict.fromkeys(RawAddress((one.home.line,), one.home.town, one.home.postcode) for one in said if one.home.line or one.home.postcode)),
        phones=tuple(dict.fromkeys(phone for one in said for phone in (one.phone, one.mobile) if phone)),
        emails=tuple(dict.fromkeys(one.email for one in said if one.email)),
        identifiers=(RawIdentifier(record.scheme.system, record.mrn),),
        nhs_number=now.number.value,
        nhs_status=now.number.status or None,
        birth_order=str(record.person.birth_order or "") if record.order_known else "",
        first_seen=date_text(record.entered),
    )


def demographics(record: Record, draw: Draw) -> Demographics:
    """The record as the matcher sees it."""
    return normalise(facts(record, views(record, draw)), admit_test_numbers=True)


def shard(number: int) -> list[Held]:
    """The records of one shard's people."""
    registry, found = Registry(), []
    registry.given = {scheme.namespace: number * MRNS_A_SHARD for trust in TRUSTS.values() for scheme in trust.schemes}
    for household in households(SEED * 100_000 + number, PEOPLE_A_SHARD, nhs_numbers(number * NUMBERS_A_SHARD).__next__):
        for record in registry.records(household):
            if record.silent or record.gone:
                continue
            d = demographics(record, household.draw)
            thin, key = is_thin(d), record.key
            arrives = crc32(key.encode()) % (HELD_BACK_THIN if thin else HELD_BACK) == 0
            found.append(Held(f"{number}/{record.person.cluster}", key, blocking_keys(d), pack(d), arrives, thin))
    return found


def stream(records: int, processes: int = 2) -> Iterator[Held]:
    """Records until ``records`` of them are not held back."""
    kept, shards = 0, records // PEOPLE_A_SHARD + 2
    with Pool(processes) as pool:
        for one in (one for found in pool.imap(shard, range(shards)) for one in found):
            yield one
            kept += not one.arrives
            if kept == records:
                return
