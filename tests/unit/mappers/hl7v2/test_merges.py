"""The A40 family: survivors, losers and the pairing of their identifiers (hl7v2.md 1 and 3)."""

from __future__ import annotations

import pytest

from mappers.hl7v2.errors import MissingField

NHS1, NHS2 = "9434765919^^^NHS^NH", "9434765870^^^NHS^NH"
MR1, MR2, MR3 = "MR1^^^RTK^MR", "MR2^^^RTK^MR", "MR3^^^RTK^MR"


def merge(event, new: str, old: str, **more: object):
    made = event("A40", f"PID|1||{new}||SMITH^ALICE", f"MRG|{old}", **more)
    (one,) = made.merges
    return one


def values(facts) -> list[str]:
    return [f.value for f in facts]


@pytest.mark.parametrize("trigger", ["A18", "A30", "A34", "A40"])
def test_the_old_record_is_subsumed_by_the_one_of_pid(event, trigger):
    made = event(trigger, f"PID|1||{MR1}||SMITH^ALICE", "PD1|||SURGERY", f"MRG|{MR2}")
    (one,) = made.merges
    assert (made.action, made.stamp.rank, made.subject) == ("merge", -1, one.survivor)
    assert values(one.survivor.identifiers) == ["MR1"]
    assert {a.field for a in one.survivor.assertions} == {"name", "generalPractitioner.practice"}
    (old,) = one.loser.identifiers
    assert (old.value, old.use, old.end) == ("MR2", "old", "2024-05-01")
    assert [(n.value, o.value) for n, o in one.pairs] == [("MR1", "MR2")]
    assert made.patient_keys == ("https://weald.example/fhir/Id/RTK/mrn|MR1", "https://weald.example/fhir/Id/RTK/mrn|MR2")


def test_every_repeat_of_pid_and_mrg_is_a_merge(event):
    made = event("A40", f"PID|1||{MR1}", f"MRG|{MR2}", "PV1|1|I", "PID|2||MR8^^^RTK^MR", "MRG|MR9^^^RTK^MR")
    assert [values(m.loser.identifiers) for m in made.merges] == [["MR2"], ["MR9"]]


def test_equal_pairs_are_dropped_and_the_rest_is_merged(event):
    one = merge(event, f"{NHS1}~{MR1}", f"{NHS1}~{MR2}")
    assert values(one.loser.identifiers) == ["MR2"]
    assert [(n.value, o.value) for n, o in one.pairs] == [("MR1", "MR2")]
    assert one.flags == ()


def test_a_merge_into_itself_is_flagged_and_names_no_loser(event):
    one = merge(event, f"{NHS1}~{MR1}", f"{MR1}")
    assert (one.loser.identifiers, one.pairs, one.flags) == ((), (), ("self-merge",))


def test_typed_identifiers_pair_by_type_and_authority_where_positions_disagree(event):
    one = merge(event, f"{NHS1}~{MR1}", f"{MR2}~{NHS2}")
    assert [(n.value, o.value) for n, o in one.pairs] == [("MR1", "MR2"), ("9434765919", "9434765870")]
    assert one.flags == ("pairing-disagrees",)


def test_untyped_identifiers_pair_by_position(event):
    one = merge(event, "MR1^^^RTK~MR5^^^RTK", "MR2^^^RTK~MR6^^^RTK~MR7^^^RTK")
    assert [(n.value, o.value) for n, o in one.pairs] == [("MR1", "MR2"), ("MR5", "MR6")]
    assert values(one.unpaired) == ["MR7"]


def test_the_source_says_how_it_pairs(event, context_with):
    new, old = f"{NHS1}~{MR1}", f"{MR2}~{NHS2}"
    positional = merge(event, new, old, of=context_with(pairing="positional"))
    assert [(n.value, o.value) for n, o in positional.pairs] == [("9434765919", "MR2"), ("MR1", "9434765870")]
    assert positional.flags == ()
    typed = merge(event, "MR1^^^RTK", "MR2^^^RTK", of=context_with(pairing="type-authority"))
    assert [(n.value, o.value) for n, o in typed.pairs] == [("MR1", "MR2")]


def test_an_unpaired_old_identifier_keeps_its_value_unless_the_source_retires_it(event, context_with):
    one = merge(event, MR1, f"{MR2}~{MR3}")
    assert [(f.value, f.use) for f in one.loser.identifiers] == [("MR2", "old"), ("MR3", None)]
    assert values(one.unpaired) == ["MR3"]
    retired = merge(event, MR1, f"{MR2}~{MR3}", of=context_with(unpaired_retire=True))
    assert [f.use for f in retired.loser.identifiers] == ["old", "old"]


def test_an_old_identifier_named_twice_is_one(event):
    assert values(merge(event, MR1, f"{MR2}~{MR2}").loser.identifiers) == ["MR2"]


@pytest.mark.parametrize("mrg", ["MRG|", 'MRG|""^^^RTK^MR', "MRG||X"])
def test_a_merge_needs_an_old_identifier(event, mrg):
    with pytest.raises(MissingField) as raised:
        event("A40", f"PID|1||{MR1}", mrg)
    assert (raised.value.hl7_code, raised.value.location) == ("101", "MRG^1^1")


def test_a_merge_needs_a_new_identifier(event):
    with pytest.raises(MissingField) as raised:
        event("A40", "PID|1", f"MRG|{MR1}")
    assert raised.value.location == "PID^1^3"


def test_findings_on_either_side_are_flags_of_the_event(event):
    made = event("A40", f"PID|1||{MR1}||SMITH||19709999", "MRG|MR2")
    assert made.flags == ("authority-assumed", "birth-date-invalid")
