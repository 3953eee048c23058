"""Which message is which event, when it happened, and what is refused (hl7v2.md 1, 3, 4)."""

from __future__ import annotations

import pytest

from mappers.facts import Stamp
from mappers.hl7v2 import messages
from mappers.hl7v2.errors import Er7Error, MissingField, SegmentSequence, UnsupportedEvent, UnsupportedMessage, UnsupportedVersion

ALICE = "PID|1||RTK1^^^RTK^MR||SMITH^ALICE||19700311|2"
ANNA = "PID|1||RTK2^^^RTK^MR||SMITH^ANNA||19700311|2"
VISIT = f"PV1|1|I|WARD{'|' * 16}V99"


@pytest.mark.parametrize(
    ("trigger", "action", "rank", "status"),
    [
        ("A01", "update", 3, "in-progress"), ("A04", "update", 3, "in-progress"), ("A05", "update", 3, "planned"), ("A14", "update", 3, "planned"),
        ("A08", "update", 3, None), ("A03", "update", 2, "finished"), ("A13", "update", 2, "in-progress"),
    ],
)  # fmt: skip
def test_visit_events_assert_demographics_by_their_class(event, trigger, action, rank, status):
    made = event(trigger, ALICE, VISIT)
    assert (made.trigger, made.action, made.stamp.rank, made.applies) == (trigger, action, rank, True)
    assert made.visit is not None
    assert made.visit.status == status
    assert made.visit.number is not None
    assert made.visit.number.value == "V99"


@pytest.mark.parametrize("trigger", ["A28", "A31"])
def test_person_events_are_about_no_visit(event, trigger):
    made = event(trigger, ALICE, VISIT)
    assert (made.action, made.stamp.rank, made.visit) == ("update", 3, None)


@pytest.mark.parametrize("trigger", ["A11", "A27", "A38"])
def test_a_cancelled_visit_names_its_patient_and_asserts_nothing(event, trigger):
    made = event(trigger, ALICE, VISIT)
    assert (made.action, made.applies) == ("cancel", False)
    assert made.subject is not None
    assert made.visit is not None
    assert made.visit.status == "cancelled"


@pytest.mark.parametrize("trigger", ["A11", "A13", "A27", "A38"])
@pytest.mark.parametrize("pv1", [(), ("PV1|1|I",)])
def test_undoing_a_visit_event_needs_the_visit_number(event, trigger, pv1):
    with pytest.raises(MissingField) as raised:
        event(trigger, ALICE, *pv1)
    assert (raised.value.acknowledgement, raised.value.hl7_code, raised.value.location) == ("AE", "101", "PV1^1^19")


@pytest.mark.parametrize(("trigger", "action"), [("A24", "link"), ("A37", "unlink")])
def test_link_and_unlink_name_two_patients_and_assert_provisionally(event, trigger, action):
    made = event(trigger, ALICE, "PV1|1|I", ANNA)
    assert (made.action, made.stamp.rank, made.visit) == (action, -1, None)
    assert made.subject is not None
    assert made.linked is not None
    assert [made.subject.identifiers[0].value, made.linked.identifiers[0].value] == ["RTK1", "RTK2"]
    assert len(made.patient_keys) == 2


@pytest.mark.parametrize(
    ("trigger", "segments", "location"),
    [
        ("A08", (), "PID^1"),
        ("A08", (ALICE, ANNA), "PID^2"),
        ("A11", (ALICE, ANNA, VISIT), "PID^2"),
        ("A24", (ALICE,), "PID^2"),
        ("A37", (ALICE, ANNA, ANNA), "PID^2"),
        ("A40", (), "PID^1"),
        ("A40", (ALICE,), "MRG^1"),
        ("A40", (ALICE, "MRG|A", "MRG|B"), "MRG^1"),
        ("A08", (ALICE, "DSC|1"), "MSH^1^14"),
        ("A08", (ALICE, "ADD|1"), "MSH^1^14"),
    ],
)
def test_segments_missing_or_surplus_are_refused(event, trigger, segments, location):
    with pytest.raises(SegmentSequence) as raised:
        event(trigger, *segments)
    assert (raised.value.acknowledgement, raised.value.hl7_code, raised.value.location) == ("AE", "100", location)


def test_a_continued_message_is_refused(event):
    with pytest.raises(SegmentSequence):
        event("A08", ALICE, msh14="7")


@pytest.mark.parametrize("pid", ["PID|1", "PID|1||^^^RTK^MR", 'PID|1||""^^^RTK^MR', "PID|1||1^^^RTK^MR^^^20200101", "PID|1|||TMP1"])
def test_a_patient_needs_an_identifier_in_force(event, pid):
    with pytest.raises(MissingField) as raised:
        event("A08", pid)
    assert raised.value.location == "PID^1^3"


@pytest.mark.parametrize("trigger", ["A20", "A60"])
def test_no_effect_by_definition(event, trigger):
    made = event(trigger, "NPU|WARD")
    assert (made.action, made.reason, made.subject, made.applies) == ("none", "no-effect-trigger", None, False)


def test_a_source_may_only_store_a_trigger(event, context_with):
    made = event("A08", ALICE, of=context_with(store_only=frozenset({"A08"})))
    assert (made.action, made.reason, made.subject) == ("none", "store", None)


@pytest.mark.parametrize("trigger", ["A02", "A17", "A23", "A29", "A36", "A39", "A43", "A47", "A99", ""])
def test_a_trigger_without_its_effect_is_refused_never_ignored(event, trigger):
    with pytest.raises(UnsupportedEvent) as raised:
        event(trigger, ALICE)
    assert (raised.value.acknowledgement, raised.value.hl7_code) == ("AR", "201")


@pytest.mark.parametrize("kind", ["ORM^O01", "SIU^S12", "", "adx^A08"])
def test_another_message_type_is_refused(event, kind):
    with pytest.raises(UnsupportedMessage) as raised:
        event("A08", ALICE, msh9=kind)
    assert (raised.value.acknowledgement, raised.value.hl7_code) == ("AR", "200")


@pytest.mark.parametrize("version", ["3.0", "2.x", "two", "2.10.1.1"])
def test_another_version_is_refused(event, version):
    with pytest.raises(UnsupportedVersion) as raised:
        event("A08", ALICE, msh12=version)
    assert raised.value.hl7_code == "203"


@pytest.mark.parametrize("version", ["", "2.1", "2.3.1", "2.5.1^GBR", "2.9"])
def test_versions_of_hl7_2_are_taken(event, version):
    assert event("A08", ALICE, msh12=version).trigger == "A08"


def test_a_message_needs_a_control_id(event):
    with pytest.raises(MissingField) as raised:
        event("A08", ALICE, msh10=" ")
    assert raised.value.location == "MSH^1^10"


def test_error_texts_hold_no_values(event):
    for segments, msh in (((ALICE, "PID|SECRET"), {}), ((ALICE,), {"msh9": "ORU^SECRET"}), ((ALICE,), {"msh12": "SECRET"})):
        with pytest.raises(Er7Error) as raised:
            event("A08", *segments, **msh)
        assert "SECRET" not in raised.value.text


def test_msh_9_2_decides_and_another_evn_1_is_flagged(event):
    made = event("A31", ALICE, evn="EVN|A08|20240501101000")
    assert (made.trigger, made.flags) == ("A31", ("event-type-mismatch",))
    assert event("A31", ALICE, evn="EVN||20240501101000").flags == ()


@pytest.mark.parametrize(
    ("evn", "msh7", "expected", "flags"),
    [
        ("EVN|A31|20240501101000||||20240501090000", "20240501101112", "2024-05-01T08:00:00.000000Z", ()),
        ("EVN|A31|20240501101000", "20240501101112", "2024-05-01T09:10:00.000000Z", ()),
        ("EVN|A31", "20240501101112", "2024-05-01T09:11:12.000000Z", ()),
        ('EVN|A31|""', "20240501101112", "2024-05-01T09:11:12.000000Z", ()),
        (None, "20240501101112", "2024-05-01T09:11:12.000000Z", ()),
        (None, "", "2024-05-01T12:00:00.000000Z", ("event-time-assumed",)),
        ("EVN|A31|rubbish", "20240501101112", "2024-05-01T09:11:12.000000Z", ("event-time-invalid",)),
        ("EVN|A31|20240501131001", "20240501101112", "2024-05-01T09:11:12.000000Z", ("event-time-in-future",)),
        ("EVN|A31|20240501131000", "20240501101112", "2024-05-01T12:10:00.000000Z", ()),
        ("EVN|A31|20240501101000||||20240429101000", "20240501101112", "2024-05-01T09:10:00.000000Z", ("back-entered",)),
        ("EVN|A31|20231029013000", "20240501101112", "2023-10-29T00:30:00.000000Z", ("time-ambiguous",)),
    ],
)  # fmt: skip
def test_the_event_time(event, evn, msh7, expected, flags):
    made = event("A31", ALICE, evn=evn, msh7=msh7)
    assert made.event_time == made.stamp.event_time == expected
    assert made.flags == flags


def test_a_back_entered_event_has_its_visit_when_it_occurred(event):
    made = event("A01", ALICE, VISIT, evn="EVN|A01|20240501101000||||20240429101000")
    assert made.visit is not None
    assert made.visit.event_time == "2024-04-29T09:10:00.000000Z"
    assert made.event_time == "2024-05-01T09:10:00.000000Z"


def test_the_stamp_orders_by_class_times_sequence_control_id_and_content(event):
    made = event("A31", ALICE, msh13="17")
    assert made.stamp == Stamp(
        3, "2024-05-01T09:10:00.000000Z", "2024-05-01T09:11:12.000000Z", 17, "M1", made.stamp.content_hash, "rtk-pas"
    )
    other = event("A31", ALICE + "|", msh13="x").stamp
    assert other.content_hash != made.stamp.content_hash
    assert other.sequence == 0


def test_a_discharge_may_say_that_the_patient_died(event, context_with):
    died = f"PV1|1|I|WARD{'|' * 16}V99{'|' * 17}4{'|' * 9}20240501090000"
    field = "deceased.https://weald.example/fhir/Id/RTK/mrn/VN|V99"

    def deaths(made):
        return {a.field: a.value for a in made.subject.assertions if a.field.startswith("deceased")}

    assert deaths(event("A03", ALICE, died)) == {}
    mapped = context_with(death_dispositions=frozenset({"4"}))
    assert deaths(event("A03", ALICE, died, of=mapped)) == {field: {"boolean": True}}
    lower = context_with(death_dispositions=frozenset({"exp"}))
    assert deaths(event("A03", ALICE, died.replace("||4||", "||Exp||"), of=lower)) == {field: {"boolean": True}}
    timed = context_with(death_dispositions=frozenset({"4"}), death_time_from_discharge=True)
    assert deaths(event("A03", ALICE, died, of=timed)) == {field: {"dateTime": "2024-05-01T08:00:00.000000Z"}}
    assert deaths(event("A03", ALICE, VISIT, of=timed)) == {}
    assert deaths(event("A13", ALICE, VISIT, of=timed)) == {field: None}
    assert deaths(event("A03", ALICE, of=timed)) == {}
    assert deaths(event("A03", ALICE, "PV1|1" + "|" * 35 + "4", of=mapped)) == {"deceased.visit": {"boolean": True}}


def test_flags_of_the_charset_reach_the_event(event):
    made = event("A31", "PID|1||RTK1^^^RTK^MR||JOSÉ", msh18="ASCII")
    assert made.flags == ("charset-mismatch",)


def test_every_supported_trigger_is_tested_above():
    assert set(messages.SUPPORTED) == {
        "A01", "A03", "A04", "A05", "A08", "A11", "A13", "A14", "A18", "A20", "A24", "A27", "A28", "A30", "A31", "A34", "A37", "A38", "A40",
        "A60",
    }  # fmt: skip
