"""What a trust's patients and a region's persons come to does not hang on the order in which messages arrive: every kind of message, late or early (hl7v2.md 4)."""

import random
from collections import defaultdict

import orjson
import pytest

from app.ingest.records import record_from_body
from app.principal import SYSTEM
from app.store.contract import RECORD
from tests.flow.messages import ANNA, BEA, BEA_MARRIED, NUMBERS, adt, cx, mrg, nhs, pid
from tests.properties.arrival import deliver, fresh

LOCAL = ("M1", "M2", "M3")
HELD = (NUMBERS["bea"], NUMBERS["anna"])


def at(day):
    return f"202506{day:02d}090000"


class Story:
    """Up to three records of one trust and one of another: enrolled, merged, parted, linked, renumbered, spoken of by an NHS number alone."""

    def __init__(self, seed):
        self.chance = random.Random(seed)

    def messages(self):
        chance = self.chance
        enrolled = [adt("A28", pid(cx(local), who=BEA), at=at(1), control_id=f"E{local}") for local in LOCAL if chance.random() < 0.8]
        return enrolled + [self._message(f"C{number}") for number in range(chance.randint(4, 8))]

    def _message(self, control_id):
        chance = self.chance
        more = {"at": at(chance.randint(2, 25)), "control_id": control_id}
        first, second = chance.sample(LOCAL, 2)
        who, number, status, f16 = chance.choice([BEA, BEA, BEA, BEA_MARRIED, ANNA]), chance.choice(HELD), chance.choice(["01", "01", None]), chance.choice("MSDW")
        kind = chance.choices(("merge", "unlink", "link", "number alone", "elsewhere", "number", "update"), (25, 12, 8, 8, 10, 22, 15))[0]
        match kind:
            case "merge":
                return adt("A40", pid(cx(first)), mrg(cx(second)), **more)
            case "unlink" | "link":
                return adt("A37" if kind == "unlink" else "A24", pid(cx(first)), pid(cx(second)), **more)
            case "number alone":
                return adt("A31", pid(nhs(number), who=who, f16=f16), **more)
            case "elsewhere":
                return adt("A31", pid(cx("X1", "RXC"), number=number, status=status, who=who), trust="RXC", **more)
            case "number":
                return adt("A31", pid(cx(first), number=number, status=status, who=who), **more)
            case _:
                return adt("A31", pid(cx(first), who=who, f16=f16), **more)


def told(folder, messages):
    """The persons, and what each record in force shows, by local identifiers; which records are not in force."""
    services = fresh(folder)
    deliver(services, [("adt", message) for message in messages], group=1)
    persons, shown = defaultdict(set), {}
    with services.store.snapshot(SYSTEM) as snapshot:
        for _, body in snapshot.scan(RECORD, limit=1000):
            record = record_from_body(body)
            patient = orjson.loads(snapshot.resource("Patient", record.id).body)
            local = tuple(sorted(one["value"] for one in patient["identifier"] if "nhs-number" not in one["system"] and one.get("use") != "old"))
            if record.active:
                persons[record.person].add(local or tuple(one["value"] for one in patient["identifier"]))
            if local:
                shown[local] = {name: value for name, value in patient.items() if name not in ("id", "meta", "link")} if record.active else "replaced"
    services.store.close()
    return {frozenset(one) for one in persons.values()}, shown


def check(folder, seed):
    story = Story(seed)
    messages = story.messages()
    shuffled = story.chance.sample(messages, len(messages))
    assert told(folder / f"{seed}-shuffled", shuffled) == told(folder / f"{seed}", messages), seed


@pytest.mark.parametrize("seed", range(20))
def test_messages_in_any_order_come_to_the_same_patients_and_persons(tmp_path, seed):
    check(tmp_path, seed)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_messages_of_two_thousand_stories_in_any_order_come_to_the_same(tmp_path):
    for seed in range(2000):
        check(tmp_path, seed)
