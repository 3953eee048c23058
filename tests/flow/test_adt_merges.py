"""A40 and its family: one trust's records become one, and one again two (hl7v2.md 1, Merge)."""

import pytest

from app.ingest.stewardship import act
from app.principal import SYSTEM
from app.store.contract import REVIEW
from tests.flow.doors import NHS_NUMBER, W, mrn
from tests.flow.images import image, study_uid
from tests.flow.messages import ALICE, ANNA, BEA, BEA_MARRIED, CHARLIE, NUMBERS, adt, cx, mrg, nhs, pid

OLD = {"at": "20250101090000"}


def merge(survivor, loser, *, at="20250601090000", trigger="A40", **more):
    return adt(trigger, pid(cx(survivor)), mrg(cx(loser)), at=at, **more)


@pytest.fixture
def beas(weald):
    """Bea before her marriage as B1, after it as B2."""
    weald.accept(adt("A28", pid(cx("B1"), number=NUMBERS["bea"], who=BEA), **OLD), adt("A28", pid(cx("B2"), who=BEA_MARRIED), **OLD))
    return weald


def links(patient):
    return {(one["type"], one["other"]["reference"]) for one in patient.get("link", [])}


def own(weald, number):
    """The record that was first known by that number."""
    [found] = [one for one in weald.patients(mrn(number)) if any(i["value"] == number and i.get("use") != "old" for i in one["identifier"])]
    return found


def state(weald):
    """Every Patient as it reads and what searches find, versions and times left out."""
    patients = weald.found("Patient?_tag=source,golden&_count=1000")
    for one in patients:
        del one["meta"]["versionId"], one["meta"]["lastUpdated"]
    queries = [f"Patient?identifier={mrn(number)}" for number in ("B1", "B2", "B3")]
    queries += ["Patient?family=marsh", "Patient?family=field", "Patient?active=false", f"Patient?identifier={NHS_NUMBER}|{NUMBERS['bea']}"]
    queries += [f"ImagingStudy?patient.identifier={mrn(number)}" for number in ("B1", "B2", "B3")]
    return sorted(patients, key=lambda one: one["id"]), {query: sorted(one["id"] for one in weald.found(query)) for query in queries}


@pytest.mark.parametrize("trigger", ["A18", "A30", "A34", "A40"])
def test_the_old_record_is_replaced_by_the_survivor_and_any_old_number_finds_it(beas, trigger):
    beas.accept(merge("B2", "B1", trigger=trigger))
    old, new = own(beas, "B1"), own(beas, "B2")
    assert (old["active"], links(old)) == (False, {("replaced-by", f"Patient/{new['id']}")})
    assert (new["active"], links(new)) == (True, {("replaces", f"Patient/{old['id']}")})
    assert beas.patient(mrn("B1")) == beas.patient(mrn("B2")) == new
    assert [(one["value"], one["use"], one["period"]["end"]) for one in new["identifier"] if one["value"] == "B1"] == [("B1", "old", "2025-06-01")]
    assert beas.golden(old) == beas.golden(new)


def test_a_known_survivor_keeps_its_demographics(beas):
    beas.accept(adt("A40", pid(cx("B2"), who=CHARLIE), mrg(cx("B1")), at="20250601090000"))
    assert beas.patient(mrn("B2"))["name"][0]["family"] == "FIELD"


def test_an_unknown_survivor_is_enrolled_from_the_merge(weald):
    weald.accept(adt("A28", pid(cx("B1"), who=BEA), **OLD))
    weald.accept(adt("A40", pid(cx("B2"), number=NUMBERS["bea"], who=BEA_MARRIED), mrg(cx("B1")), at="20250601090000"))
    bea = weald.patient(mrn("B2"))
    assert (bea["name"][0]["family"], bea["birthDate"]) == ("FIELD", "1985-06-30")
    assert weald.patient(mrn("B1")) == bea
    weald.accept(adt("A31", pid(cx("B2"), f5="FIELD^BEATRICE"), at="20250602090000"))
    assert weald.patient(mrn("B1"))["name"][0]["given"] == ["BEATRICE"]


def test_an_unknown_loser_routes_to_the_survivor(weald):
    weald.accept(adt("A28", pid(cx("B2"), who=BEA_MARRIED), **OLD), merge("B2", "B1"))
    assert weald.patient(mrn("B1")) == weald.patient(mrn("B2"))
    weald.accept(adt("A31", pid(cx("B1"), f16="M"), at="20250701090000"))
    assert weald.patient(mrn("B2"))["maritalStatus"] == {"text": "M"}


def test_both_sides_unknown_make_a_survivor_and_a_stub(weald):
    weald.accept(adt("A40", pid(cx("B2"), who=BEA_MARRIED), mrg(cx("B1")), at="20250601090000"))
    assert weald.patient(mrn("B1"))["name"][0]["family"] == "FIELD"
    assert links(own(weald, "B2")) == {("replaces", f"Patient/{own(weald, 'B1')['id']}")}


def test_images_of_the_old_number_follow_the_merge_before_and_after_it(beas, tmp_path):
    beas.load(image(tmp_path, patient="B1", study=1, PatientName="Marsh^Bea"), source="RTK-PACS")
    beas.accept(merge("B2", "B1"))
    beas.load(image(tmp_path, patient="B1", study=2, PatientName="Marsh^Bea"), source="RTK-PACS")
    new = own(beas, "B2")
    for number in ("B1", "B2"):
        found = beas.studies(mrn(number))
        assert {one["identifier"][0]["value"] for one in found} == {f"urn:oid:{study_uid(1)}", f"urn:oid:{study_uid(2)}"}
        assert {one["subject"]["reference"] for one in found} == {f"Patient/{new['id']}"}
        assert {one["subject"]["identifier"]["value"] for one in found} == {"B1"}


def test_a_chain_of_merges_is_followed_to_its_end(beas, tmp_path):
    beas.accept(adt("A28", pid(cx("B3"), who=BEA_MARRIED), **OLD))
    beas.load(image(tmp_path, patient="B1", PatientName="Marsh^Bea"), source="RTK-PACS")
    beas.accept(merge("B2", "B1"), merge("B3", "B2", at="20250701090000"))
    last = own(beas, "B3")
    assert beas.patient(mrn("B1")) == beas.patient(mrn("B2")) == last
    assert links(own(beas, "B2")) == {("replaces", f"Patient/{own(beas, 'B1')['id']}"), ("replaced-by", f"Patient/{last['id']}")}
    [study] = beas.studies(mrn("B3"))
    assert study["subject"]["reference"] == f"Patient/{last['id']}"
    assert beas.golden(own(beas, "B1"))["id"] == beas.golden(last)["id"]


def test_a_merge_into_the_end_of_a_chain_moves_nobody_and_asks_nobody(beas):
    beas.accept(adt("A28", pid(cx("B3"), who=BEA_MARRIED), **OLD), merge("B2", "B1"), merge("B3", "B2", at="20250701090000"))
    before = own(beas, "B3"), beas.golden(own(beas, "B3"))["id"]
    beas.accept(merge("B3", "B1", at="20250801090000"))
    assert (beas.patient(mrn("B1")), beas.golden(own(beas, "B1"))["id"]) == (own(beas, "B3"), before[1])
    assert beas.tasks() == []
    beas.accept(adt("A37", pid(cx("B3")), pid(cx("B2")), at="20250901090000"))
    assert beas.patient(mrn("B1")) == own(beas, "B3")


def test_three_pairs_in_one_message_are_each_applied(weald):
    weald.accept(*(adt("A28", pid(cx(f"B{n}"), who=BEA), **OLD) for n in range(4)))
    chain = [pid(cx("B1")), mrg(cx("B0")), pid(cx("B2")), mrg(cx("B1")), pid(cx("B3")), mrg(cx("B2"))]
    weald.accept(adt("A40", *chain, at="20250601090000"))
    assert {weald.patient(mrn(f"B{n}"))["id"] for n in range(4)} == {own(weald, "B3")["id"]}


def test_a_merge_into_a_replaced_record_goes_to_its_survivor(beas):
    beas.accept(adt("A28", pid(cx("B3"), who=BEA_MARRIED), **OLD), merge("B2", "B1"), merge("B1", "B3", at="20250701090000"))
    assert beas.patient(mrn("B3")) == own(beas, "B2")


def test_the_inverse_of_a_merge_turns_it_round_and_asks_a_steward(beas):
    beas.accept(merge("B2", "B1"), merge("B1", "B2", at="20250701090000"))
    first, second = own(beas, "B1"), own(beas, "B2")
    assert (links(first), links(second)) == ({("replaces", f"Patient/{second['id']}")}, {("replaced-by", f"Patient/{first['id']}")})
    assert beas.patient(mrn("B2")) == first
    assert len(beas.tasks("inverse-merge")) == 1


def test_the_inverse_of_a_merge_that_happened_before_it_changes_nothing_but_asks(beas):
    beas.accept(merge("B2", "B1"))
    before, _ = state(beas)
    beas.accept(merge("B1", "B2", at="20250501090000"))
    assert state(beas)[0] == before
    assert len(beas.tasks("inverse-merge")) == 1


def test_merges_in_a_circle_never_make_one(beas):
    beas.accept(adt("A28", pid(cx("B3"), who=BEA_MARRIED), **OLD))
    beas.accept(merge("B2", "B1"), merge("B3", "B2", at="20250701090000"), merge("B1", "B3", at="20250801090000"))
    first = own(beas, "B1")
    assert first["active"]
    assert {beas.patient(mrn(number))["id"] for number in ("B1", "B2", "B3")} == {first["id"]}


def test_a_second_merge_of_a_replaced_record_is_won_by_the_later_one_and_asks(beas):
    beas.accept(adt("A28", pid(cx("B3"), who=BEA_MARRIED), **OLD), merge("B2", "B1"), merge("B3", "B1", at="20250701090000"))
    assert beas.patient(mrn("B1")) == own(beas, "B3")
    assert links(own(beas, "B2")) == set()
    assert not any(one["value"] == "B1" for one in own(beas, "B2")["identifier"])
    assert len(beas.tasks("second-merge")) == 1
    beas.accept(merge("B2", "B1", at="20250615090000"))
    assert beas.patient(mrn("B1")) == own(beas, "B3")


def test_a_merge_of_a_record_into_itself_has_no_effect(beas):
    versions = beas.versions()
    beas.accept(merge("B1", "B1"), adt("A40", pid(cx("B1"), number=NUMBERS["bea"]), mrg(cx("B1"), nhs(NUMBERS["bea"])), at="20250602090000"))
    assert beas.versions() == versions
    assert all("self-merge" in head["flags"] for head, _ in beas.messages()[-2:])


def test_an_equal_nhs_number_on_both_sides_is_no_self_merge(beas):
    beas.accept(adt("A40", pid(cx("B2"), number=NUMBERS["bea"]), mrg(nhs(NUMBERS["bea"]), cx("B1")), at="20250601090000"))
    assert beas.patient(mrn("B1")) == own(beas, "B2")


def test_the_survivors_full_list_may_name_the_old_number_too(beas):
    beas.accept(adt("A40", pid(cx("B2"), cx("B1")), mrg(cx("B1")), at="20250601090000"))
    assert beas.patient(mrn("B1")) == own(beas, "B2")
    assert not own(beas, "B1")["active"]


def test_a_loser_named_by_its_nhs_number_alone_is_the_one_record_that_holds_it(beas):
    beas.accept(adt("A40", pid(cx("B2")), mrg(nhs(NUMBERS["bea"])), at="20250601090000"))
    assert beas.patient(mrn("B1")) == own(beas, "B2")


def test_a_loser_named_by_an_nhs_number_of_nobody_is_refused(beas):
    answer = beas.send(adt("A40", pid(cx("B2")), mrg(nhs(NUMBERS["anna"])), at="20250601090000"))
    assert (answer.code, answer.errors) == ("AE", ("204",))
    assert beas.dead_letters()[-1][0]["code"] == "204"


def test_an_event_before_the_merge_touches_the_old_record_alone(beas):
    beas.accept(merge("B2", "B1"))
    before = own(beas, "B2")
    beas.accept(adt("A31", pid(cx("B1"), f16="S"), at="20250301090000"))
    assert own(beas, "B1")["maritalStatus"] == {"text": "S"}
    assert own(beas, "B2") == before
    assert own(beas, "B1")["active"] is False


def test_an_event_after_the_merge_under_the_old_number_is_the_survivors(beas):
    beas.accept(merge("B2", "B1"))
    before = own(beas, "B1")
    beas.accept(adt("A31", pid(cx("B1"), f16="M"), at="20250701090000"))
    assert own(beas, "B1") == before
    assert beas.patient(mrn("B2"))["maritalStatus"] == {"text": "M"}


def test_an_event_between_two_merges_of_a_chain_is_of_the_record_in_force_then(beas):
    beas.accept(adt("A28", pid(cx("B3"), who=BEA_MARRIED), **OLD), merge("B2", "B1"), merge("B3", "B2", at="20250701090000"))
    beas.accept(adt("A31", pid(cx("B1"), f16="M"), at="20250615090000"))
    assert own(beas, "B2")["maritalStatus"] == {"text": "M"}
    assert "maritalStatus" not in own(beas, "B3")
    assert "maritalStatus" not in own(beas, "B1")


def test_a_stranger_under_a_merged_number_is_parked(beas):
    beas.accept(merge("B2", "B1"))
    before = beas.patient(mrn("B2"))
    beas.accept(adt("A31", pid(cx("B1"), who=CHARLIE), at="20250701090000"))
    assert beas.patient(mrn("B2")) == before
    assert len(beas.tasks("reused-number")) == 1


def test_a_merge_across_two_verified_nhs_numbers_is_parked(weald):
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE), **OLD))
    weald.accept(adt("A28", pid(cx("A200"), number=NUMBERS["anna"], who=ANNA), **OLD))
    before = state(weald)
    weald.accept(adt("A40", pid(cx("A100")), mrg(cx("A200")), at="20250601090000"))
    assert state(weald) == before
    [task] = weald.tasks("merge-across-nhs-numbers")
    assert {one["valueReference"]["reference"] for one in task["input"]} == {f"Patient/{own(weald, number)['id']}" for number in ("A100", "A200")}


def test_a_parked_merge_sent_again_after_its_item_was_settled_is_asked_about_again(weald):
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE), **OLD))
    weald.accept(adt("A28", pid(cx("A200"), number=NUMBERS["anna"], who=ANNA), **OLD))
    for at in ("20250601090000", "20250602090000"):
        weald.accept(adt("A40", pid(cx("A100")), mrg(cx("A200")), at=at))
        [(item, _)] = [one for one in weald.kept(REVIEW) if one[0]["kind"] == "merge-across-nhs-numbers"]
        assert item["state"] == "open"
        act(weald.services, SYSTEM, "sue", "the records do not say", "settle", item["key"], "cannot-tell")
    assert len(item["evidence"]["messages"]) == 2
    assert weald.tasks("merge-across-nhs-numbers") == []


def test_a_merge_of_unverified_numbers_is_applied(weald):
    weald.accept(adt("A28", pid(cx("A100"), number=NUMBERS["alice"], who=ALICE), **OLD))
    weald.accept(adt("A28", pid(cx("A200"), number=NUMBERS["anna"], status="02", who=ALICE), **OLD))
    weald.accept(adt("A40", pid(cx("A100")), mrg(cx("A200")), at="20250601090000"))
    assert weald.patient(mrn("A200")) == own(weald, "A100")


def test_another_trusts_record_of_that_number_is_untouched_and_the_merge_waits(beas):
    beas.accept(adt("A28", pid(cx("B1", "RXC"), who=CHARLIE), trust="RXC", **OLD))
    before = beas.patient(mrn("B1", "RXC"))
    beas.accept(adt("A40", pid(cx("B2")), mrg(cx("B1", "RXC")), at="20250601090000"))
    assert beas.patient(mrn("B1", "RXC")) == before
    assert links(own(beas, "B2")) == set()
    assert len(beas.tasks("merge-of-others-numbers")) == 1


def test_the_same_number_at_two_trusts_is_merged_at_one_alone(beas):
    beas.accept(adt("A28", pid(cx("B1", "RXC"), who=CHARLIE), trust="RXC", **OLD), merge("B2", "B1"))
    assert beas.patient(mrn("B1", "RXC"))["name"][0]["family"] == "OKORO"


def test_a_merge_told_twice_changes_nothing_the_second_time(beas):
    message = merge("B2", "B1")
    beas.accept(message)
    versions = beas.versions()
    beas.accept(message, merge("B2", "B1"))
    assert beas.versions() == versions


@pytest.mark.parametrize("known", [("B1", "B2"), ("B1",), ("B2",)], ids=["both known", "unknown survivor", "unknown loser"])
def test_an_unlink_of_a_merged_pair_restores_every_patient_and_every_search(weald, tmp_path, known):
    weald.accept(*(adt("A28", pid(cx(number), number=NUMBERS["bea"] if number == "B1" else None, who=BEA), **OLD) for number in known))
    weald.accept(adt("A40", pid(cx("B2"), who=BEA), mrg(cx("B2x"))), adt("A37", pid(cx("B2"), who=BEA), pid(cx("B2x"))))
    weald.load(image(tmp_path, patient="B1", study=1, PatientName="Marsh^Bea"), image(tmp_path, patient="B2", study=2, PatientName="Marsh^Bea"), source="RTK-PACS")
    before = state(weald)
    weald.accept(merge("B2", "B1"))
    assert state(weald) != before
    weald.accept(adt("A37", pid(cx("B2")), pid(cx("B1")), at="20250701090000"))
    after = state(weald)
    assert after[1] == before[1]
    assert after[0] == before[0]
    assert len(weald.tasks("unlink-of-merged")) >= 1


def test_after_an_undone_merge_each_number_is_its_own_again(beas):
    beas.accept(merge("B2", "B1"), adt("A37", pid(cx("B2")), pid(cx("B1")), at="20250701090000"))
    beas.accept(adt("A31", pid(cx("B1"), f16="S"), at="20250801090000"), adt("A31", pid(cx("B2"), f16="M"), at="20250801090000"))
    assert [own(beas, number)["maritalStatus"]["text"] for number in ("B1", "B2")] == ["S", "M"]
    assert beas.golden(own(beas, "B1"))["id"] != beas.golden(own(beas, "B2"))["id"]


def test_an_unlink_within_a_chain_that_it_does_not_undo_asks_a_steward(beas):
    beas.accept(adt("A28", pid(cx("B3"), who=BEA_MARRIED), **OLD), merge("B2", "B1"), merge("B3", "B2", at="20250701090000"))
    before, _ = state(beas)
    beas.accept(adt("A37", pid(cx("B1")), pid(cx("B3")), at="20250801090000"))
    assert state(beas)[0] == before
    assert len(beas.tasks("unlink-within-merge")) == 1


def test_a_merge_without_an_old_identifier_is_refused(beas):
    answer = beas.send(adt("A40", pid(cx("B2")), "MRG|", at="20250601090000"))
    assert (answer.code, answer.errors) == ("AE", ("101",))
    assert beas.send(adt("A40", pid(cx("B2")), at="20250601090000")).code == "AE"


def test_merged_demographics_count_as_history_for_the_matcher_and_only_while_merged(beas):
    beas.accept(adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["bea"], who=BEA), trust="RXC", **OLD))
    other = beas.golden(beas.patient(mrn("X1", "RXC")))
    assert other["id"] == beas.golden(own(beas, "B1"))["id"]
    beas.accept(merge("B2", "B1"))
    assert beas.golden(own(beas, "B2"))["id"] == beas.golden(beas.patient(mrn("X1", "RXC")))["id"]
    beas.accept(adt("A37", pid(cx("B2")), pid(cx("B1")), at="20250701090000"))
    assert beas.golden(own(beas, "B1"))["id"] == beas.golden(beas.patient(mrn("X1", "RXC")))["id"]
    assert beas.golden(own(beas, "B2"))["id"] != beas.golden(own(beas, "B1"))["id"]


def test_a_default_birth_date_of_the_survivor_hides_no_real_one_from_the_matcher(weald):
    """A date put in for want of one (PID-32 UD) is no evidence; the old record's is."""
    weald.accept(
        adt("A28", pid(cx("B1"), who={**BEA, 7: "19000101", 32: "UD"}), **OLD), adt("A28", pid(cx("B2"), who=BEA), **OLD), merge("B1", "B2"),
        adt("A28", pid(cx("X1", "RXC"), who=BEA), trust="RXC", **OLD),
    )  # fmt: skip
    found = weald.get(f"Patient/{own(weald, 'B1')['id']}/$explain?other={mrn('X1', 'RXC')}")["parameter"]
    levels = {one["part"][0]["valueCode"]: one["part"][1]["valueInteger"] for one in found if one["name"] == "field"}
    assert levels["birth-date"] == 1


def test_every_membership_change_is_explained_by_a_provenance(beas):
    beas.accept(merge("B2", "B1", control_id="MERGE1"))
    found = beas.found(f"Provenance?target=Patient/{own(beas, 'B1')['id']}")
    assert any("MERGE1" in reason["text"] for one in found for reason in one["reason"])
    assert {one["activity"]["coding"][0]["system"] for one in found} == {f"{W}/CodeSystem/link-action"}


def test_a_merge_and_its_undo_within_one_person_are_explained_too(weald):
    weald.accept(*(adt("A28", pid(cx(number), number=NUMBERS["bea"], who=BEA), **OLD) for number in ("B1", "B2")))
    assert weald.golden(own(weald, "B1")) == weald.golden(own(weald, "B2"))
    message = merge("B2", "B1", control_id="MERGE1")
    weald.accept(message, message, merge("B2", "B1"))
    [found] = weald.found(f"Provenance?target=Patient/{own(weald, 'B1')['id']}&_tag=merged")
    assert found["reason"][0]["text"] == "RTK-PAS#MERGE1: replaced-by"
    assert {one["reference"].partition("/_history/")[0] for one in found["target"]} == {f"Patient/{own(weald, number)['id']}" for number in ("B1", "B2")}
    assert {weald.get(one["reference"])["id"] for one in found["target"]} == {own(weald, number)["id"] for number in ("B1", "B2")}
    before = len(weald.found("Provenance"))
    weald.accept(adt("A37", pid(cx("B2")), pid(cx("B1")), at="20250701090000"))
    assert len(weald.found("Provenance")) > before


@pytest.mark.parametrize("others_first", [True, False], ids=["another trust first", "the merge first"])
def test_what_only_the_old_record_resembled_is_the_survivors_affair_whoever_spoke_first(weald, others_first):
    """Before the merge the old record alone resembles the other trust's; after it, its survivor answers, in any order."""
    told = [adt("A28", pid(cx("X1", "RXC"), who=BEA), trust="RXC", **OLD)]
    merged = [adt("A28", pid(cx("B1"), who=BEA), **OLD), adt("A28", pid(cx("B2"), f5="FIELD^BEATRICE", f7="20010101", f8="F"), **OLD), merge("B2", "B1")]
    weald.accept(*(told + merged if others_first else merged + told))
    survivor, other = weald.golden(own(weald, "B2"))["id"], weald.golden(weald.patient(mrn("X1", "RXC")))["id"]
    assert survivor != other
    weald.accept(adt("A37", pid(cx("B2")), pid(cx("B1")), at="20250701090000"))
    assert weald.golden(own(weald, "B1"))["id"] == weald.golden(weald.patient(mrn("X1", "RXC")))["id"]


def test_a_steward_undoes_a_trusts_merge_and_may_take_that_back(beas, tmp_path):
    beas.load(image(tmp_path, patient="B1", study=1, PatientName="Marsh^Bea"), source="RTK-PACS")
    apart = state(beas)
    beas.accept(merge("B2", "B1"))
    merged = state(beas)
    ruled = act(beas.services, SYSTEM, "sue", "two sisters-in-law", "unlink", *(own(beas, number)["id"] for number in ("B1", "B2")))
    assert state(beas) == apart
    assert beas.tasks() == []
    beas.accept(merge("B2", "B1", at="20250901090000"))
    assert state(beas)[1] == apart[1]
    assert len(beas.tasks("merge-across-not-same")) == 1
    act(beas.services, SYSTEM, "sue", "one person after all", "undo", ruled.provenance)
    assert state(beas) == merged


# What messages say in whichever order they come.

ENROLLED = [adt("A28", pid(cx(number), who=BEA), control_id=number, **OLD) for number in ("M1", "M2", "M3")]


def read(weald):
    """Each record: in force or not, family name, marital status and death."""
    found = {}
    for one in weald.found("Patient?_tag=source&_count=100"):
        number = next(i["value"] for i in one["identifier"] if i["system"] != NHS_NUMBER)
        found[number] = (one["active"], one["name"][0]["family"], one.get("maritalStatus", {}).get("text"), one.get("deceasedDateTime"))
    return found


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)])
def test_what_is_said_under_a_number_merged_twice_over_is_the_last_survivors_whenever_the_merges_are_told(weald, order):
    later = [
        merge("M2", "M1", at="20250604090000", control_id="first"), merge("M3", "M2", at="20250609090000", control_id="second"),
        adt("A31", pid(cx("M1"), who=BEA_MARRIED, f29="20250625", f30="Y"), at="20250626090000", control_id="news"),
    ]  # fmt: skip
    weald.accept(*ENROLLED, *(later[place] for place in order))
    found = read(weald)
    assert found["M3"] == (True, "FIELD", None, "2025-06-25")
    assert [found[number][:2] for number in ("M1", "M2")] == [(False, "MARSH")] * 2


@pytest.mark.parametrize("told_late", [False, True])
def test_an_unlink_of_the_upper_of_two_merges_takes_what_was_said_below_with_it(weald, told_late):
    undone = adt("A37", pid(cx("M3")), pid(cx("M2")), at="20250610090000", control_id="undone")
    said = adt("A31", pid(cx("M1"), who=BEA, f16="W"), at="20250612090000", control_id="said")
    merges = [merge("M2", "M1", at="20250604090000", control_id="first"), merge("M3", "M2", at="20250609090000", control_id="second")]
    weald.accept(*ENROLLED, *merges, *([said, undone] if told_late else [undone, said]))
    weds = {number: found[2] for number, found in read(weald).items()}
    assert weds["M2"] is not None
    assert weds["M3"] is None


@pytest.mark.parametrize("number_first", [False, True])
def test_a_message_under_a_number_alone_never_overwrites_somebody_else(weald, number_first):
    enrolled = adt("A28", pid(cx("M1"), number=NUMBERS["anna"], who=ANNA), **OLD)
    said = adt("A31", pid(nhs(NUMBERS["anna"]), who=CHARLIE), at="20250609090000")
    weald.accept(*([said, enrolled] if number_first else [enrolled, said]))
    anna = weald.patient(mrn("M1"))
    assert (anna["name"][0]["family"], anna["birthDate"]) == ("HOLLIS", "1970-01-15")
    assert len(weald.tasks("reused-number")) == 1


def test_images_under_a_number_that_two_records_hold_are_of_neither(weald, tmp_path):
    """hl7v2.md 3: filed under the number alone before, they stay there once two records hold it, whichever came last."""
    picture = image(tmp_path, patient=NUMBERS["bea"], study=1, PatientName="Marsh^Bea", PatientBirthDate="19850630", IssuerOfPatientID="NHS")
    weald.accept(adt("A31", pid(nhs(NUMBERS["bea"]), who=BEA), **OLD))
    weald.load(picture, source="RTK-PACS")
    weald.accept(
        adt("A28", pid(cx("M2"), number=NUMBERS["bea"], who=CHARLIE), at="20250602090000"), adt("A28", pid(cx("M1"), number=NUMBERS["bea"], who=BEA), at="20250602090000"),
    )  # fmt: skip
    [study] = weald.found("ImagingStudy?_count=10")
    subject = weald.get(study["subject"]["reference"])
    assert [one["value"] for one in subject["identifier"]] == [NUMBERS["bea"]]


@pytest.mark.parametrize("message", [
    adt("A40", pid(cx("M3")), mrg(cx("M1"), cx("M2")), at="20250605090000"), adt("A40", pid(cx("M3"), cx("M2")), mrg(cx("M1")), at="20250605090000"),
    adt("A24", pid(cx("M1"), cx("M2")), pid(cx("M3")), at="20250605090000"),
])  # fmt: skip
def test_a_merge_or_link_that_names_two_records_as_one_is_asked_about(weald, message):
    weald.accept(*ENROLLED, message)
    [task] = weald.tasks("identifiers-of-two-records")
    assert len(task["input"]) == 2


def test_a_merge_that_may_stand_after_all_asks_no_more(weald):
    weald.accept(
        adt("A28", pid(cx("M1"), number=NUMBERS["bea"], who=BEA), **OLD), adt("A28", pid(cx("M2"), number=NUMBERS["anna"], who=BEA), **OLD),
        merge("M2", "M1"),
    )  # fmt: skip
    assert len(weald.tasks("merge-across-nhs-numbers")) == 1
    weald.accept(adt("A31", pid(cx("M2"), number=NUMBERS["bea"], who=BEA), at="20250608090000"))
    assert weald.tasks("merge-across-nhs-numbers") == []
    assert own(weald, "M1")["active"] is False


def test_a_number_sent_under_a_merged_number_undoes_the_merge_that_it_contradicts(weald):
    """The survivor takes a number with what is said under a merged one; another record of its merges has another, verified."""
    weald.accept(
        adt("A28", pid(cx("M1"), number=NUMBERS["bea"], who=BEA), at="20250901090000", control_id="a"), adt("A28", pid(cx("M3"), number=NUMBERS["bea"], who=BEA), at="20250701090000", control_id="b"),
        adt("A31", pid(cx("M1"), number=NUMBERS["anna"], who=BEA), at="20250601090000", control_id="c"), adt("A28", pid(cx("M2"), who=BEA), at="20250601090000", control_id="d"),
        merge("M1", "M2", at="20250910090000"), merge("M2", "M3", at="20251027090000"),
        adt("A31", pid(cx("M2"), number=NUMBERS["anna"], status=None, who=BEA), at="20251001090000", control_id="e"),
    )  # fmt: skip
    assert own(weald, "M3")["active"] is True
    assert len(weald.tasks("merge-across-nhs-numbers")) == 1


def test_a_message_under_a_number_alone_takes_nothing_from_the_record_that_answers_for_it(weald):
    """Not its birth date either, though nobody knows since when the number is."""
    weald.accept(adt("A31", pid(nhs(NUMBERS["bea"]), who=BEA), **OLD), adt("A28", pid(cx("M1"), number=NUMBERS["bea"], who=BEA), at="20250602090000"))
    weald.accept(adt("A28", pid(cx("X1", "RXC"), number=NUMBERS["bea"], who=BEA), trust="RXC", **OLD))
    found = weald.get(f"Patient/{own(weald, 'M1')['id']}/$explain?other={mrn('X1', 'RXC')}")["parameter"]
    levels = {one["part"][0]["valueCode"]: one["part"][1]["valueInteger"] for one in found if one["name"] == "field"}
    assert (levels["birth-date"], levels["nhs-number"]) == (1, 1)


def test_an_identifier_whose_period_ends_before_it_starts_blocks_no_feed(weald):
    """R4 per-1: sent so, or become so by a merge dated before the number starts."""
    weald.accept(adt("A28", pid("P1^^^RTK^MR^^20250601", who=ALICE)), adt("A28", pid(cx("P2"), "X9^^^RTK^PI^^20250601^20240101", who=ALICE)))
    weald.accept(adt("A28", pid(cx("P3"), who={**ALICE, 5: "HOLLIS^ALICE^^^^^L^^^^^20250601^20240101"})))
    weald.accept(adt("A40", pid(cx("P2"), who=ALICE), mrg("P1^^^RTK^MR"), at="20250302120000"))
    old = [one for one in weald.patient(mrn("P2"))["identifier"] if one["value"] == "P1"]
    assert [(one["use"], one["period"]) for one in old] == [("old", {"end": "2025-03-02"})]
