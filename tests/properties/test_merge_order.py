"""One trust's own merges, unlinks and updates are folded in the order of their events, whatever order they arrive in (hl7v2.md 1, 4)."""

import itertools
import random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.ingest import dicom
from app.principal import SYSTEM
from app.store.contract import MESSAGE, REVIEW
from mappers.dicom.dataset import facts_from_bytes
from tests.flow.images import image
from tests.flow.messages import ANNA, BEA, BEA_MARRIED, CHARLIE, NUMBERS, adt, cx, mrg, nhs, pid
from tests.properties.arrival import deliver, fresh, partition, patients, studies

NUMBERS_OF_BEA = ("M1", "M2", "M3", "M4")


def at(day):
    return f"202506{day:02d}090000"


def enrol(local, day=1, who=BEA, **more):
    return adt("A28", pid(cx(local), who=who, **more), at=at(day), control_id=f"E{local}{day}")


def update(number, day, **fields):
    return adt("A31", pid(cx(number), who=BEA, **fields), at=at(day), control_id=f"U{number}{day}")


def merge(survivor, loser, day):
    return adt("A40", pid(cx(survivor)), mrg(cx(loser)), at=at(day), control_id=f"M{survivor}{loser}{day}")


def unlink(first, second, day):
    return adt("A37", pid(cx(first)), pid(cx(second)), at=at(day), control_id=f"X{first}{second}{day}")


class Region:
    """Fresh stores, each told the same things in another order."""

    def __init__(self, folder):
        self.folder, self.count = folder, itertools.count()

    def told(self, messages, images=()):
        services = fresh(self.folder / str(next(self.count)))
        deliver(services, [("adt", message) for message in messages], group=1)
        contexts = services.sources.contexts()
        dicom.receive(services, [facts_from_bytes(path.read_bytes(), contexts["RTK-PACS"]) for path in images], SYSTEM)
        return services

    def state(self, services):
        found = partition(services), patients(services), sorted(studies(services).values())
        services.store.close()
        return found


def kinds(services):
    with services.store.snapshot(SYSTEM) as snapshot:
        return {orjson.loads(body)["kind"] for _, body in snapshot.scan(REVIEW, limit=1000)}


@pytest.fixture
def region(tmp_path):
    return Region(tmp_path)


STORIES = {
    "a chain undone in its middle": [enrol("M1"), enrol("M2"), enrol("M3"), merge("M3", "M2", 3), merge("M2", "M1", 4), unlink("M3", "M2", 5)],
    "a late update after the merge": [enrol("M1"), enrol("M2"), merge("M2", "M1", 3), update("M1", 5, f16="M"), update("M2", 2, f16="S")],
    "an update between two merges": [enrol("M1"), enrol("M2"), enrol("M3"), merge("M2", "M1", 3), update("M1", 4, f16="M"), merge("M3", "M2", 5)],
    "a merge, its undoing and another": [enrol("M1"), enrol("M2"), merge("M2", "M1", 3), unlink("M2", "M1", 4), update("M1", 5, f16="M"), merge("M1", "M2", 6)],
    "a merge into one already reached": [enrol("M1"), merge("M2", "M1", 3), merge("M3", "M2", 4), merge("M3", "M1", 5), unlink("M3", "M2", 6)],
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_a_trusts_messages_in_any_order_leave_one_state(region, tmp_path, story):
    images = [image(tmp_path, patient=number, study=place, PatientName="Marsh^Bea") for place, number in enumerate(NUMBERS_OF_BEA[:3], 1)]
    expected = region.state(region.told(story, images))
    for seed in range(14):
        shuffled = random.Random(seed).sample(story, len(story))
        assert region.state(region.told(shuffled, images)) == expected, [one[:200] for one in shuffled]


def event(day):
    two = st.lists(st.sampled_from(NUMBERS_OF_BEA), min_size=2, max_size=2, unique=True)
    return st.one_of(
        two.map(lambda pair: merge(*pair, day)), two.map(lambda pair: merge(*pair, day)), two.map(lambda pair: unlink(*pair, day)),
        st.tuples(st.sampled_from(NUMBERS_OF_BEA), st.sampled_from("MSDW")).map(lambda said: update(said[0], day, f16=said[1])),
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_story_of_merges_unlinks_and_updates_is_folded_in_event_order(tmp_path_factory, data):
    region = Region(tmp_path_factory.mktemp("story"))
    story = [enrol(number) for number in NUMBERS_OF_BEA] + [data.draw(event(day)) for day in range(2, data.draw(st.integers(4, 9)))]
    shuffled = data.draw(st.permutations(story))
    assert region.state(region.told(shuffled)) == region.state(region.told(story))


def test_a_merge_is_of_the_records_named_not_of_those_that_answer_for_them(region, tmp_path):
    """M2 into M3, then M1 into M2, then M2 is parted from M3: M1 and its images go with M2."""
    studied = image(tmp_path, patient="M1", study=1, PatientName="Marsh^Bea")
    services = region.told([enrol("M1"), enrol("M2"), enrol("M3", who=ANNA), merge("M3", "M2", 3), merge("M2", "M1", 4), unlink("M3", "M2", 5)], [studied])
    groups = {frozenset(value.partition("mrn|")[2] for record in person for value in record if "mrn" in value) for person in partition(services)}
    assert frozenset({"M1", "M2"}) in groups
    assert not any({"M1", "M3"} <= group for group in groups)
    services.store.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_stranger_under_a_number_that_was_merged_is_asked_about_in_any_order(region, seed):
    story = [enrol("M1"), enrol("M2", who=BEA_MARRIED), merge("M2", "M1", 3), adt("A31", pid(cx("M1"), who=CHARLIE), at=at(5), control_id="STRANGER")]
    services = region.told(random.Random(seed).sample(story, len(story)))
    assert "reused-number" in kinds(services)
    services.store.close()


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_merge_across_two_verified_numbers_waits_whenever_the_second_is_told(region, order):
    story = [enrol("M1"), adt("A28", pid(cx("M2"), number=NUMBERS["anna"], who=ANNA), at=at(1), control_id="N2"), merge("M2", "M1", 3),
             adt("A31", pid(cx("M1"), number=NUMBERS["bea"], who=BEA), at=at(2), control_id="N1")]  # fmt: skip
    services = region.told([story[place] for place in order])
    assert len(partition(services)) == 2
    assert "merge-across-nhs-numbers" in kinds(services)
    services.store.close()


def numbered(day, **fields):
    return adt("A31", pid(nhs(NUMBERS["bea"]), who=BEA, **fields), at=at(day), control_id=f"N{day}")


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_what_names_an_nhs_number_alone_is_of_the_one_record_that_holds_it_in_any_order(region, tmp_path, order):
    """An image and an update under the number alone, and the record that holds it."""
    picture = image(tmp_path, patient=NUMBERS["bea"], study=1, PatientName="Marsh^Bea", PatientBirthDate="19850630", IssuerOfPatientID="NHS")
    story = [("adt", enrol("M1", number=NUMBERS["bea"])), ("adt", numbered(3, f16="M")), ("dicom", "RTK-PACS", picture.read_bytes())]
    services = fresh(region.folder / "one")
    deliver(services, [story[place] for place in order], group=1)
    with services.store.snapshot(SYSTEM) as snapshot:
        found = [orjson.loads(snapshot.resource("Patient", one.id).body) for one in snapshot.history("Patient", limit=1000)]
        [study] = [orjson.loads(one.body) for one in snapshot.history("ImagingStudy", limit=1)]
    [own] = {one["id"]: one for one in found if one["active"] and "managingOrganization" in one}.values()
    assert study["subject"]["reference"] == f"Patient/{own['id']}"
    assert own["maritalStatus"] == {"text": "M"}
    assert {i["value"] for i in own["identifier"]} == {"M1", NUMBERS["bea"]}
    services.store.close()


def test_a_number_alone_that_two_records_come_to_hold_is_nobodys_and_one_record_however_often_it_is_named(region):
    services = region.told([numbered(2, f16="S"), enrol("M1", number=NUMBERS["bea"]), enrol("M2", number=NUMBERS["bea"]), numbered(3, f16="M"), numbered(4, f16="D")])
    with services.store.snapshot(SYSTEM) as snapshot:
        found = {one.id: orjson.loads(snapshot.resource("Patient", one.id).body) for one in snapshot.history("Patient", limit=1000)}
    statuses = {tuple(sorted(i["value"] for i in one["identifier"])): (one["active"], one.get("maritalStatus", {}).get("text")) for one in found.values() if "managingOrganization" in one}
    number = NUMBERS["bea"]
    assert statuses == {(number,): (True, "D"), (number, "M1"): (True, None), (number, "M2"): (True, None)}
    services.store.close()


def test_two_records_of_a_trust_with_one_number_stay_two_also_where_one_was_born_of_that_number(region):
    """Its scheme is not the trust's primary one, so that the number is its first key; it is known by more than the number."""
    story = [adt("A28", pid(cx(local, scheme), number=NUMBERS["bea"], who=BEA), trust="RYR", at=at(day)) for local, scheme, day in (("B9", "RYRB", 1), ("W1", "RYRW", 2))]
    services = region.told(story)
    with services.store.snapshot(SYSTEM) as snapshot:
        found = {one.id: orjson.loads(snapshot.resource("Patient", one.id).body) for one in snapshot.history("Patient", limit=1000)}
    assert [one["active"] for one in found.values() if "managingOrganization" in one] == [True, True]
    services.store.close()


def test_a_verified_number_two_merges_deep_counts_before_the_survivors_unverified_one(region):
    """M1's verified number is the trust's word on who M3 is: another trust's Bea of M3's unverified number is somebody else."""
    other = adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["anna"], who=BEA), trust="RXC", at=at(1))
    story = [enrol("M1", number=NUMBERS["bea"]), enrol("M2"), enrol("M3", number=NUMBERS["anna"], status="02"), merge("M2", "M1", 3), merge("M3", "M2", 4), other]
    for seed in range(4):
        services = region.told(random.Random(seed).sample(story, len(story)))
        assert len(partition(services)) == 2
        services.store.close()


def said(day, *locals, who=BEA, trigger="A31", **more):
    return adt(trigger, pid(*map(cx, locals), who=who, **more), at=at(day), control_id=f"S{day}")


def test_a_number_alone_whose_record_answers_elsewhere_by_then_is_asked_of_that_record_too(region):
    """Bea's number alone is under M4's merges when an older message and an older merge part them: its survivor is none of those that hold the number now."""
    story = [
        said(2, "M1", who=CHARLIE, number=NUMBERS["anna"], status="02"), said(17, "M4", "M5", trigger="A03"), merge("M4", "M2", 10),
        said(20, "M2", who=ANNA, number=NUMBERS["bea"], status=None, trigger="A03"), said(18, "M4", "M5", number=NUMBERS["anna"]), numbered(12),
        merge("M3", "M4", 14), merge("M5", "M4", 7), merge("M4", "M5", 8), said(3, "M4", who=ANNA, number=NUMBERS["bea"], status=None, trigger="A08"),
        said(6, "M3", who=BEA_MARRIED, number=NUMBERS["charlie"], trigger="A03"), merge("M1", "M5", 4), said(19, "M2", who=CHARLIE, trigger="A08"),
    ]  # fmt: skip
    services = region.told(story)
    with services.store.snapshot(SYSTEM) as snapshot:
        assert len(snapshot.scan(MESSAGE, limit=100)) == len(story)
    services.store.close()
