"""The fold of everything said of a record (hl7v2.md: field winner, snapshot, deletion, history)."""

from __future__ import annotations

from itertools import permutations

from mappers.context import NHS_NUMBER
from mappers.facts import Assertion, IdentifierFact, PatientFacts
from mappers.patient import HISTORY, PatientState

SMITH = [{"use": "official", "family": "SMITH", "given": ["BEA"]}]
JONES = [{"use": "official", "family": "JONES", "given": ["BEA"]}]


def nhs(value: str, **more: str | bool | None) -> IdentifierFact:
    return IdentifierFact(NHS_NUMBER, value, "NH", None, **more)


def test_an_empty_state_says_nothing():
    state = PatientState.empty()
    assert state.served() == {}
    assert state.identifiers() == ()
    assert (state.value("name"), state.nhs_number(), state.first_event_time, state.pseudo, state.real) == (None, None, "", False, False)
    assert PatientState.from_json(state.to_json()) == state


def test_the_newest_of_a_class_wins_whatever_the_order(state_of, facts, stamp):
    said = [(facts(name=SMITH), stamp(1)), (facts(name=JONES), stamp(2))]
    for order in permutations(said):
        assert state_of(*order).value("name") == JONES


def test_a_higher_class_wins_over_a_newer_lower_one(state_of, facts, stamp):
    state = state_of((facts(name=SMITH), stamp(1, "D")), (facts(name=JONES), stamp(9, "V")), (facts(name=JONES), stamp(9, "H", "pacs")))
    assert state.value("name") == SMITH


def test_a_header_fills_what_no_feed_says(state_of, facts, stamp):
    state = state_of((facts(name=SMITH), stamp(1)), (facts(gender={"value": "female", "raw": "F"}), stamp(2, "H", "pacs")))
    assert state.value("gender") == {"value": "female", "raw": "F"}


def test_a_deletion_replaces_only_the_same_sources_value(state_of, facts, stamp):
    state = state_of((facts(name=SMITH), stamp(1)), (facts(name=JONES), stamp(2, source="rtk-ris")))
    gone = state.apply(facts(name=None), stamp(3, source="rtk-ris"))
    assert gone.value("name") == SMITH
    assert gone.apply(facts(name=None), stamp(3)).value("name") is None


def test_a_late_update_does_not_bring_back_what_was_deleted(state_of, facts, stamp):
    assert state_of((facts(name=None), stamp(3)), (facts(name=SMITH), stamp(2))).value("name") is None


def test_the_same_message_twice_changes_nothing(state_of, facts, stamp, mrn):
    once = state_of((facts(mrn("1"), name=SMITH), stamp(1)))
    assert once.apply(facts(mrn("1"), name=SMITH), stamp(1)).to_json() == once.to_json()
    assert once.merge(once) == once
    assert hash(once) == hash(once.merge(once))
    assert once != "once"


def test_the_state_survives_its_bytes(state_of, facts, stamp, mrn):
    state = state_of(
        (facts(mrn("1"), nhs("9434765919", status="01"), name=SMITH, pseudo=True, flags=("x",)), stamp(1)),
        (facts(mrn("2", use="old", end="2024-05-02", assumed=True), name=JONES), stamp(2, "V", "rtk-ris")),
        (facts(nhs("9434765870", labelled=False), name=None), stamp(3, "H", "pacs")),
    )
    again = PatientState.from_json(state.to_json())
    assert again == state
    assert again.identifiers() == state.identifiers()
    assert again.served() == state.served()


def test_of_equal_stamps_the_greater_value_stands(facts, stamp):
    one = PatientState.empty().apply(facts(name=SMITH), stamp(1))
    two = PatientState.empty().apply(facts(name=JONES), stamp(1))
    assert one.merge(two) == two.merge(one)
    assert one.merge(two).value("name") == SMITH


def test_same_values_tells_whether_anything_served_would_change(state_of, facts, stamp, mrn):
    state = state_of((facts(mrn("1"), name=SMITH), stamp(1)))
    later = state.apply(facts(mrn("1"), name=SMITH), stamp(5))
    assert later != state
    assert later.same_values(state)
    assert not later.same_values(state.apply(facts(mrn("2"), name=SMITH), stamp(5)))
    assert not later.same_values(state.apply(facts(mrn("1"), name=JONES), stamp(5)))
    assert not later.same_values(state.apply(facts(mrn("1"), name=SMITH, pseudo=False, flags=("x",)), stamp(5)))


def test_a_merge_message_describes_only_a_record_that_nothing_else_describes(state_of, facts, stamp, mrn):
    merge = (facts(mrn("1"), nhs("9434765919"), name=JONES, address=[{"city": "X"}]), stamp(5, "P"))
    created = state_of(merge)
    assert created.value("name") == JONES
    assert not created.real
    known = created.apply(facts(mrn("1"), name=SMITH), stamp(1))
    assert (known.value("name"), known.value("address")) == (SMITH, None)
    assert known == state_of((facts(mrn("1"), name=SMITH), stamp(1)), merge)
    held = known.nhs_number()
    assert held is not None
    assert held.fact.value == "9434765919"
    assert known.history("address") == []


def test_a_merge_message_describes_better_than_a_dicom_header(state_of, facts, stamp):
    state = state_of((facts(name=SMITH), stamp(9, "H", "pacs")), (facts(name=JONES), stamp(1, "P")))
    assert state.value("name") == JONES
    assert not state.header_only
    assert state_of((facts(name=SMITH), stamp(9, "H", "pacs"))).header_only


def test_death_is_demographic_and_a_death_outlives_another_sources_denial(state_of, facts, stamp):
    dead, alive = {"dateTime": "2024-05-01"}, {"boolean": False}
    state = state_of((facts(deceased=dead), stamp(1, "V")), (facts(deceased=alive), stamp(5, source="rtk-ris")))
    assert state.value("deceased") == dead
    assert state.apply(facts(deceased=alive), stamp(2)).value("deceased") == alive
    assert state_of((facts(deceased=dead), stamp(1, "H", "pacs"))).served()["deceased"].stamp.rank == 0


def test_past_values_are_kept_newest_first_and_bounded(state_of, facts, stamp):
    said = [(facts(name=[{"family": f"N{day}"}]), stamp(day)) for day in range(1, 9)]
    state = state_of(*said)
    assert [s.value["family"] for s in state.history("name")] == ["N8", "N7", "N6", "N5"]
    assert state_of(*reversed(said)) == state
    assert HISTORY == {"name": 4, "address": 6, "telecom": 6}


def test_a_header_lends_no_past_name_to_a_record_that_messages_speak_of(state_of, facts, stamp):
    header = state_of((facts(name=SMITH), stamp(9, "H", "pacs")))
    assert [s.value["family"] for s in header.history("name")] == ["SMITH"]
    known = header.merge(state_of((facts(name=JONES), stamp(1))))
    assert [s.value["family"] for s in known.history("name")] == ["JONES"]
    crowd = state_of(*((facts(name=[{"family": f"H{day}"}]), stamp(day, "H", "pacs")) for day in range(10, 20)))
    assert [s.value["family"] for s in crowd.merge(known).history("name")] == ["JONES"]


def test_one_message_with_many_names_keeps_the_bound(state_of, facts, stamp):
    assert len(state_of((facts(name=[{"family": f"N{n}"} for n in range(9)]), stamp(1))).history("name")) == 4


def test_a_value_said_again_is_as_new_as_last_said(state_of, facts, stamp):
    state = state_of((facts(name=SMITH), stamp(1)), (facts(name=JONES), stamp(2)), (facts(name=SMITH), stamp(3)))
    assert [s.value["family"] for s in state.history("name")] == ["SMITH", "JONES"]


def test_history_tells_values_apart_by_content_not_by_use(state_of, facts, stamp):
    old = [{**SMITH[0], "use": "old"}]
    state = state_of((facts(name=SMITH), stamp(1)), (facts(name_alias=old), stamp(2)))
    assert [s.value["use"] for s in state.history("name")] == ["old"]
    assert state_of((facts(name=[{"use": "official"}]), stamp(1))).history("name") == []


def test_telecoms_of_all_fields_share_one_history(state_of, facts, stamp):
    state = state_of((facts(telecom_home=[{"system": "phone", "value": "1"}], telecom_work=[{"system": "phone", "value": "2"}]), stamp(1)))
    assert [s.value["value"] for s in state.history("telecom")] == ["2", "1"]


def test_an_absent_identifier_is_kept(state_of, facts, stamp, mrn):
    state = state_of((facts(mrn("1"), mrn("2")), stamp(1)), (facts(mrn("1")), stamp(2)))
    assert [i.fact.value for i in state.identifiers()] == ["1", "2"]
    assert [i.event_time[:10] for i in state.identifiers()] == ["2024-05-02", "2024-05-01"]


def test_a_deleted_type_ends_the_same_sources_identifiers_said_before(state_of, facts, stamp, mrn):
    gone = mrn("", ended=True)
    said = [(facts(mrn("1")), stamp(1)), (facts(gone), stamp(2)), (facts(mrn("3")), stamp(3)), (facts(mrn("4")), stamp(1, source="rtk-ris"))]
    for order in permutations(said):
        assert [(i.fact.value, i.ended) for i in state_of(*order).identifiers()] == [("1", True), ("3", False), ("4", False)]


def test_an_identifier_that_one_source_still_holds_is_not_ended(state_of, facts, stamp, mrn):
    state = state_of((facts(mrn("1", ended=True, end="2024-05-01")), stamp(5)), (facts(mrn("1")), stamp(2, source="rtk-ris")))
    assert [i.ended for i in state.identifiers()] == [False]


def test_the_nhs_number_is_the_field_winner_and_the_earlier_one_is_former(state_of, facts, stamp, mrn):
    state = state_of((facts(mrn("1"), nhs("9434765870", status="01")), stamp(1)), (facts(mrn("1"), nhs("9434765919")), stamp(2)))
    held = state.nhs_number()
    assert held is not None
    assert held.fact.value == "9434765919"
    assert state.former_nhs_numbers() == ["9434765870"]
    assert state.flags() == ["nhs-number-conflict"]
    assert (state.nhs_status("9434765870"), state.nhs_status("9434765919")) == ("01", None)


def test_a_status_stays_with_its_number_until_another_is_sent(state_of, facts, stamp):
    state = state_of((facts(nhs("9434765919", status="01")), stamp(1)), (facts(nhs("9434765919")), stamp(2)))
    assert state.nhs_status("9434765919") == "01"
    assert state.apply(facts(nhs("9434765919", status="05")), stamp(3)).nhs_status("9434765919") == "05"


def test_a_deleted_or_expired_nhs_number_is_not_live(state_of, facts, stamp):
    state = state_of((facts(nhs("9434765919")), stamp(1)))
    deleted = state.apply(facts(nhs("", ended=True), nhsNumber=None), stamp(2))
    assert deleted.nhs_number() is None
    assert deleted.former_nhs_numbers() == ["9434765919"]
    assert state.apply(facts(nhs("9434765919", ended=True)), stamp(2)).nhs_number() is None


def test_of_two_nhs_numbers_in_one_message_the_verified_passing_one_is_live(state_of, facts, stamp):
    for numbers in permutations([nhs("4010232138", status="01"), nhs("9434765919", status="01"), nhs("9434765870", use="old", status="01")]):
        held = state_of((facts(*numbers), stamp(1))).nhs_number()
        assert held is not None
        assert held.fact.value == "9434765919"


def test_the_quality_of_a_birth_date_belongs_to_that_date(state_of, facts, stamp):
    state = state_of((facts(birthDate={"value": "1970-01-01", "quality": "default"}), stamp(1)))
    again = state.apply(facts(birthDate={"value": "1970-01-01"}), stamp(2))
    assert again.value("birthDateQuality.1970-01-01") == "default"
    assert again.value("birthDate") == {"value": "1970-01-01"}
    moved = again.apply(facts(birthDate={"value": "1970-03-11"}), stamp(3))
    assert moved.value("birthDateQuality.1970-03-11") is None
    assert moved.apply(facts(birthDate=None), stamp(4)).value("birthDate") is None


def test_a_pseudo_person_is_promoted_and_a_full_one_never_demoted(state_of, facts, stamp):
    pseudo, plain, full = (facts(pseudo=True), stamp(1)), (facts(name=SMITH), stamp(2)), (facts(pseudo=False), stamp(3))
    assert state_of(pseudo).pseudo
    assert state_of(pseudo, plain).pseudo
    for order in permutations([pseudo, plain, full]):
        assert not state_of(*order).pseudo
    refused = state_of((facts(name=SMITH), stamp(1)), (facts(pseudo=True), stamp(2)))
    assert not refused.pseudo
    assert refused.flags() == ["pseudo-refused"]
    assert state_of((facts(pseudo=True), stamp(1, "H", "pacs"))).pseudo
    assert not state_of((facts(pseudo=True), stamp(1, "H", "pacs")), plain).pseudo


def test_flags_are_those_of_each_sources_last_message(state_of, facts, stamp):
    state = state_of((facts(flags=("a",)), stamp(1)), (facts(flags=("b",)), stamp(2, source="rtk-ris")))
    assert state.flags() == ["a", "b"]
    assert state.apply(facts(), stamp(3)).flags() == ["b"]
    assert state.apply(facts(flags=("c",)), stamp(9, "P", "merge")).flags() == ["a", "b"]


def test_the_first_event_is_the_earliest_of_any_kind(state_of, facts, stamp):
    state = state_of((facts(), stamp(5)), (facts(), stamp(3, "H", "pacs")), (facts(), stamp(4, "P")))
    assert state.first_event_time == "2024-05-03T09:00:00.000000Z"


def test_what_each_source_said_can_be_asked(state_of, facts, stamp):
    state = state_of((facts(name=SMITH), stamp(1)), (facts(name=None), stamp(2, source="rtk-ris")))
    assert {source: said.value for source, said in state.said("name")} == {"rtk-pas": SMITH, "rtk-ris": None}
    assert list(state.said("gender")) == []


def adding(values: list[dict[str, str]] | None) -> PatientFacts:
    return PatientFacts((), (Assertion("address", values, add=True),))


def test_a_source_may_add_repeats_instead_of_replacing_them(state_of, facts, stamp):
    x, y, z = {"city": "X"}, {"city": "Y"}, {"city": "Z"}
    said = [(adding([x]), stamp(1)), (adding([y]), stamp(2)), (adding([y, z]), stamp(3)), (facts(address=[{"city": "RIS"}]), stamp(2, source="rtk-ris"))]
    for order in permutations(said):
        assert state_of(*order).value("address") == [y, z, x]
    assert PatientState.from_json(state_of(*said).to_json()).value("address") == [y, z, x]


def test_a_deletion_of_all_ends_what_was_added_before_it_in_any_order(state_of, stamp):
    x, y, z = {"city": "X"}, {"city": "Y"}, {"city": "Z"}
    said = [(adding([x]), stamp(1)), (adding(None), stamp(2)), (adding([y]), stamp(3)), (adding([z]), stamp(4))]
    for order in permutations(said):
        assert state_of(*order).value("address") == [z, y]
    assert state_of(*said[:2]).value("address") is None


def test_what_is_added_is_bounded_and_a_merge_message_adds_nothing(state_of, stamp):
    state = state_of(*((adding([{"city": f"C{day:02d}"}]), stamp(day)) for day in range(1, 30)))
    assert [a["city"] for a in state.value("address")] == [f"C{day:02d}" for day in range(29, 9, -1)]
    assert state.apply(adding([{"city": "P"}]), stamp(30, "P")).value("address") == state.value("address")
