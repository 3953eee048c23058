"""A24 and A37: one trust says that two of its records are, or are not, one person (hl7v2.md 1, Link and unlink)."""

from itertools import permutations

import pytest

from app.ingest.stewardship import act
from app.principal import SYSTEM
from tests.flow.doors import NHS_NUMBER, mrn
from tests.flow.images import image
from tests.flow.messages import ALICE, ANNA, BEA, CHARLIE, NUMBERS, adt, cx, nhs, pid
from tests.properties.arrival import deliver, fresh, partition

OLD = {"at": "20250101090000"}


def link(first, second, at="20250601090000", **more):
    return adt("A24", pid(cx(first)), pid(cx(second)), at=at, **more)


def unlink(first, second, at="20250701090000", **more):
    return adt("A37", pid(cx(first)), pid(cx(second)), at=at, **more)


def together(weald, *numbers):
    return len({weald.golden(weald.patient(mrn(*number.split("@"))))["id"] for number in numbers}) == 1


@pytest.fixture
def alices(weald):
    """Alice by two numbers under names so unlike that nobody but her trust would link them."""
    weald.accept(adt("A28", pid(cx("A1"), who=ALICE), **OLD), adt("A28", pid(cx("A2"), f5="VERMEULEN^SASKIA", f7="19910203", f8="F"), **OLD))
    return weald


def content(patient):
    meta = {key: value for key, value in patient["meta"].items() if key not in ("versionId", "lastUpdated")}
    return {**patient, "meta": meta}


def test_a_link_makes_two_records_one_person_and_leaves_both_as_they_are(alices, tmp_path):
    alices.load(image(tmp_path, patient="A1", study=1), image(tmp_path, patient="A2", study=2, PatientName="Vermeulen^Saskia"), source="RTK-PACS")
    before = [alices.patient(mrn(number)) for number in ("A1", "A2")]
    assert not together(alices, "A1", "A2")
    alices.accept(link("A1", "A2"))
    assert together(alices, "A1", "A2")
    assert [alices.patient(mrn(number)) for number in ("A1", "A2")] == before
    assert [one["id"] for one in alices.studies(mrn("A1"))] == [one["id"] for one in alices.studies(mrn("A2"))]
    assert len(alices.studies(mrn("A1"))) == 2
    assert {one["subject"]["reference"] for one in alices.studies(mrn("A1"))} == {f"Patient/{one['id']}" for one in before}


def test_an_unlink_parts_them_again_and_restores_every_patient(alices, tmp_path):
    alices.load(image(tmp_path, patient="A1", study=1), image(tmp_path, patient="A2", study=2, PatientName="Vermeulen^Saskia"), source="RTK-PACS")
    before = {one["id"]: content(one) for one in alices.found("Patient?_tag=source,golden")}
    found = [alices.studies(mrn(number)) for number in ("A1", "A2")]
    alices.accept(link("A1", "A2"), unlink("A1", "A2"))
    assert {one["id"]: content(one) for one in alices.found("Patient?_tag=source,golden")} == before
    assert [alices.studies(mrn(number)) for number in ("A1", "A2")] == found


def test_an_unlink_bars_the_matcher_until_the_trust_links_again(weald):
    weald.accept(adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD), adt("A28", pid(cx("A2"), number=NUMBERS["alice"], who=ALICE), **OLD))
    assert together(weald, "A1", "A2")
    weald.accept(unlink("A1", "A2"))
    assert not together(weald, "A1", "A2")
    weald.accept(adt("A31", pid(cx("A2"), number=NUMBERS["alice"], who=ALICE, f16="S"), at="20250702090000"))
    assert not together(weald, "A1", "A2")
    weald.accept(link("A2", "A1", at="20250801090000"))
    assert together(weald, "A1", "A2")


def test_an_unlink_without_a_link_before_it_bars_the_matcher_too(weald):
    weald.accept(unlink("A1", "A2", at="20241201090000"))
    weald.accept(adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD), adt("A28", pid(cx("A2"), number=NUMBERS["alice"], who=ALICE), **OLD))
    assert not together(weald, "A1", "A2")


def test_a_link_enrols_whom_it_names(weald):
    weald.accept(adt("A24", pid(cx("A1"), who=ALICE), pid(cx("C1"), who=CHARLIE)))
    assert [weald.patient(mrn(number))["name"][0]["family"] for number in ("A1", "C1")] == ["HOLLIS", "OKORO"]
    assert together(weald, "A1", "C1")


def test_a_link_of_a_record_with_itself_has_no_effect(alices):
    alices.accept(adt("A31", pid(cx("A1"), cx("A3"), who=ALICE), at="20250102090000"))
    versions = alices.versions()
    alices.accept(link("A1", "A1"), link("A1", "A3"), unlink("A1", "A1"))
    assert alices.versions() == versions


def test_a_link_across_two_verified_nhs_numbers_is_parked(weald):
    weald.accept(adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD), adt("A28", pid(cx("A2"), number=NUMBERS["anna"], who=ANNA), **OLD))
    weald.accept(link("A1", "A2"))
    assert not together(weald, "A1", "A2")
    assert len(weald.tasks("link-across-nhs-numbers")) == 1


def test_a_link_gives_way_to_nhs_numbers_verified_later(weald):
    weald.accept(adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD), adt("A28", pid(cx("A2"), who=ALICE), **OLD), link("A1", "A2"))
    assert together(weald, "A1", "A2")
    weald.accept(adt("A31", pid(cx("A2"), number=NUMBERS["anna"], who=ANNA), at="20250602090000"))
    assert not together(weald, "A1", "A2")
    assert len(weald.tasks("link-across-nhs-numbers")) == 1
    weald.accept(adt("A31", pid(cx("A2"), number=NUMBERS["alice"], who=ALICE), at="20250603090000"))
    assert together(weald, "A1", "A2")
    assert weald.tasks("link-across-nhs-numbers") == []


def test_an_nhs_number_in_the_second_pid_joins_the_record_of_the_first_until_it_is_taken_off(weald):
    weald.accept(adt("A28", pid(cx("A1"), who=ALICE), **OLD))
    before = content(weald.patient(mrn("A1")))
    weald.accept(adt("A24", pid(cx("A1")), pid(nhs(NUMBERS["alice"])), at="20250601090000"))
    assert weald.patient(f"{NHS_NUMBER}|{NUMBERS['alice']}") == weald.patient(mrn("A1"))
    weald.accept(adt("A37", pid(cx("A1")), pid(nhs(NUMBERS["alice"])), at="20250701090000"))
    after = content(weald.patient(mrn("A1")))
    assert {**after, "meta": before["meta"]} == before
    assert len(weald.found("Patient?_tag=source")) == 1


def test_another_trusts_number_is_not_for_this_feed_to_link(alices):
    alices.accept(adt("A28", pid(cx("X1", "RXC"), who=CHARLIE), trust="RXC", **OLD))
    before = alices.golden(alices.patient(mrn("X1", "RXC")))
    alices.accept(adt("A24", pid(cx("A1")), pid(cx("X1", "RXC"))), adt("A37", pid(cx("A1")), pid(cx("X1", "RXC"))))
    assert alices.golden(alices.patient(mrn("X1", "RXC"))) == before
    assert len(alices.tasks("link-of-others-numbers")) == 1
    assert len(alices.tasks("unlink-of-others-numbers")) == 1


def test_a_link_of_a_merged_record_holds_for_its_survivor_and_is_ended_by_either_number(alices):
    alices.accept(adt("A28", pid(cx("C1"), who=CHARLIE), **OLD), adt("A40", pid(cx("A2")), "MRG|" + cx("A1"), at="20250201090000"))
    alices.accept(link("A1", "C1"))
    assert together(alices, "A2", "C1")
    alices.accept(unlink("A1", "C1"))
    assert not together(alices, "A2", "C1")


def test_a_link_told_twice_changes_nothing_the_second_time(alices):
    message = link("A1", "A2", control_id="LINK1")
    alices.accept(message)
    versions = alices.versions()
    alices.accept(message, link("A1", "A2"), link("A2", "A1"))
    assert alices.versions() == versions


def test_an_unlink_told_twice_changes_nothing_the_second_time(alices):
    alices.accept(link("A1", "A2"), unlink("A1", "A2"))
    versions = alices.versions()
    alices.accept(unlink("A1", "A2"), unlink("A2", "A1"))
    assert alices.versions() == versions


@pytest.mark.parametrize("trigger", ["A24", "A37"])
@pytest.mark.parametrize("pids", [[pid(cx("A1"))], [pid(cx("A1")), pid(cx("A2")), pid(cx("A3"))]], ids=["one", "three"])
def test_a_link_or_unlink_needs_exactly_two_patients(weald, trigger, pids):
    answer = weald.send(adt(trigger, *pids))
    assert (answer.code, answer.errors) == ("AE", ("100",))


def test_a_link_of_an_earlier_time_than_the_unlink_that_is_known_has_no_effect(alices):
    alices.accept(unlink("A1", "A2"), link("A1", "A2"))
    assert not together(alices, "A1", "A2")


def test_an_unlink_of_an_earlier_time_than_the_link_that_is_known_has_no_effect(alices):
    alices.accept(link("A1", "A2"), unlink("A1", "A2", at="20250501090000"))
    assert together(alices, "A1", "A2")


def test_a_merge_of_an_earlier_time_than_the_unlink_that_is_known_is_not_done(alices):
    alices.accept(unlink("A1", "A2"), adt("A40", pid(cx("A1")), "MRG|" + cx("A2"), at="20250601090000"))
    assert alices.patient(mrn("A2"))["id"] != alices.patient(mrn("A1"))["id"]
    assert len(alices.tasks("unlink-of-merged")) == 1


def test_a_merge_after_the_unlink_ends_it(alices):
    alices.accept(unlink("A1", "A2"), adt("A40", pid(cx("A1")), "MRG|" + cx("A2"), at="20250801090000"))
    assert alices.patient(mrn("A2")) == alices.patient(mrn("A1"))


def test_no_merge_overrides_a_steward(alices):
    first, second = (alices.patient(mrn(number))["id"] for number in ("A1", "A2"))
    act(alices.services, SYSTEM, "jo", "two people", "unlink", first, second)
    alices.accept(adt("A40", pid(cx("A1")), "MRG|" + cx("A2"), at="20270801090000"))
    assert {alices.patient(mrn(number))["id"] for number in ("A1", "A2")} == {first, second}
    assert len(alices.tasks("merge-across-not-same")) == 1


def test_two_people_under_one_verified_number_are_asked_about_and_never_linked(weald):
    weald.accept(adt("A28", pid(cx("A1"), number=NUMBERS["alice"], who=ALICE), **OLD))
    weald.accept(adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["alice"], who=CHARLIE), trust="RXC", **OLD))
    assert not together(weald, "A1", "X1@RXC")
    assert len(weald.tasks("confusion")) == 1


@pytest.mark.parametrize("unlink_first", [False, True])
def test_of_a_link_and_an_unlink_of_one_second_the_later_message_holds_whichever_comes_first(weald, unlink_first):
    """hl7v2.md 4: events of one time are in the order of MSH-7, MSH-13, MSH-10."""
    enrolled = [adt("A28", pid(cx("M1"), who=BEA), control_id="E1", **OLD), adt("A28", pid(cx("M2"), who=ANNA), control_id="E2", **OLD)]
    words = [adt("A24", pid(cx("M1")), pid(cx("M2")), at="20250605090000", control_id="L1"), adt("A37", pid(cx("M1")), pid(cx("M2")), at="20250605090000", control_id="U1")]
    weald.accept(*enrolled, *(reversed(words) if unlink_first else words))
    assert weald.golden(weald.patient(mrn("M1")))["id"] != weald.golden(weald.patient(mrn("M2")))["id"]


def test_who_shares_a_number_with_a_third_does_not_hang_on_the_order_of_arrival(tmp_path):
    """matching.md 8: groups are a function of records, assertions and model."""
    told = [
        adt("A31", pid(cx("M1"), number=NUMBERS["bea"], who=BEA), at="20250613090000", control_id="m1"), adt("A31", pid(cx("M2"), number=NUMBERS["bea"], who=BEA), at="20250602090000", control_id="m2"),
        adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["bea"], who=BEA), at="20250601090000", trust="RXC", control_id="x"), adt("A37", pid(cx("M1")), pid(cx("M2")), at="20250612090000", control_id="u"),
    ]  # fmt: skip
    found = set()
    for number, order in enumerate(permutations(told)):
        fresh_services = fresh(tmp_path / str(number))
        deliver(fresh_services, [("adt", message) for message in order], group=1)
        found.add(frozenset(partition(fresh_services)))
        fresh_services.store.close()
    assert len(found) == 1
