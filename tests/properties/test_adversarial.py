"""No person that forms by itself ever holds two verified NHS numbers that do not supersede one another, whatever feeds tell (matching.md 6, 8)."""

import random
import shutil
from collections import defaultdict

import orjson
import pytest

from app.ingest import adt
from app.ingest.records import record_from_body
from app.principal import SYSTEM
from app.store.contract import LEARNED, RECORD
from mappers import nhs_number
from tests.flow.messages import NUMBERS, cx, mrg, nhs, pid
from tests.flow.messages import adt as message
from tests.properties.arrival import fresh

NHS_NUMBERS = tuple(NUMBERS.values())
TRUSTS = ("RTK", "RXC", "RPC")
FAMILIES = ("HOLLIS", "HOLLIS", "MARSH", "FIELD")
GIVEN = ("ALICE", "ANNA", "ALICIA", "BEA", "A")
BORN = ("19700115", "19700115", "19701501", "19850630", "")
STREETS = ("1 HIGH STREET^^LEWES^^BN7 1AA", "7 MILL LANE^^LEWES^^BN7 2DD")
STATUSES = ("NSTS01", "NSTS01", "NSTS01", "NSTS02", "")


class Storm:
    """Events of a few people under a few numbers, most of them true of nobody; in no order of time."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.count = 0

    def events(self, count):
        return [self._event() for _ in range(count)]

    def _event(self):
        self.count += 1
        draw, trust = self.chance.random, self.chance.choice(TRUSTS)
        at = f"2025{self.chance.randint(1, 12):02d}{self.chance.randint(1, 28):02d}{self.chance.randint(0, 23):02d}0000"
        more = {"trust": trust, "at": at, "control_id": f"S{self.count}"}
        kind = draw()
        if kind < 0.1:
            return message("A40", pid(self._local(trust)), mrg(self._local(trust)), **more)
        if kind < 0.16:
            return message(self.chance.choice(("A24", "A37")), pid(self._local(trust)), pid(self._local(trust)), **more)
        return message(self.chance.choice(("A28", "A31", "A08")), self._person(trust), **more)

    def _local(self, trust):
        return cx(f"L{self.chance.randint(1, 7)}", trust)

    def _person(self, trust):
        pick = self.chance.choice
        numbers = [self._local(trust)] if self.chance.random() > 0.04 else []
        if self.chance.random() < 0.6 or not numbers:
            numbers.append(nhs(pick(NHS_NUMBERS)))
        return pid(*numbers, f5=f"{pick(FAMILIES)}^{pick(GIVEN)}^^^^^L", f7=pick(BORN), f8=pick("FFM"), f11=f"{pick(STREETS)}^826^H", f32=pick(STATUSES))


def persons_of_two_numbers(services):
    """The persons whose records hold several verified numbers, none of them in doubt, stopped or superseded.

    What is sent under a merged number after its merge is the survivor's: the number that the old record had then is one of the past.
    """
    with services.store.snapshot(SYSTEM) as snapshot:
        learned = {orjson.loads(body).get("number") for _, body in snapshot.scan(LEARNED, limit=10_000)}
        numbers = defaultdict(set)
        for _, body in snapshot.scan(RECORD, limit=100_000):
            record = record_from_body(body)
            live = record.state.nhs_number()
            if live is not None and not record.is_past and record.state.nhs_status(live.fact.value) == "01" and nhs_number.passes(live.fact.value):
                numbers[record.person].add(live.fact.value)
    return {person: found for person, found in numbers.items() if len(found - learned) > 1}


def weather(folder, seed, events, group=50):
    storm, services = Storm(seed), fresh(folder / f"storm-{seed}")
    try:
        for start in range(0, events, group):
            answers = adt.receive_group(services, storm.events(min(group, events - start)), SYSTEM)
            assert all(b"MSA|AA" in one for (one,) in answers)
            assert persons_of_two_numbers(services) == {}, (seed, start)
        with services.store.snapshot(SYSTEM) as snapshot:
            return snapshot.count(RECORD)
    finally:
        services.store.close()


@pytest.mark.parametrize(("seed", "events"), [(0, 150), (1, 150), (2, 150), (1012, 50), (1340, 80)])
def test_no_person_ever_holds_two_verified_numbers(tmp_path, seed, events):
    assert weather(tmp_path, seed, events) > 10


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("hundred", range(20))
def test_no_person_ever_holds_two_verified_numbers_in_two_hundred_thousand_events(tmp_path, hundred):
    for seed in range(100):
        weather(tmp_path, 1000 + 100 * hundred + seed, 100, group=10)
        shutil.rmtree(tmp_path / f"storm-{1000 + 100 * hundred + seed}")
