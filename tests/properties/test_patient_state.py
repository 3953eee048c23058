"""The fold of a record: any order, any repetition, the same bytes (hl7v2.md, State is a fold)."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from mappers import fhir
from mappers.facts import PatientFacts, Stamp
from mappers.golden import Member, golden_patient
from mappers.patient import HISTORY, PatientState
from mappers.source_patient import source_patient
from tests.properties.vocabulary import histories

Said = list[tuple[PatientFacts, Stamp]]
BASE = "https://weald.example/fhir"


def fold(said: Said) -> PatientState:
    return reduce(lambda state, one: state.apply(*one), said, PatientState.empty())


@given(histories, st.data())
def test_any_permutation_and_duplication_gives_the_same_bytes(said, data):
    again = data.draw(st.permutations(said + data.draw(st.lists(st.sampled_from(said), max_size=4)) if said else said))
    assert fold(again).to_json() == fold(said).to_json()


@given(histories, histories, histories)
def test_merge_is_a_join(a, b, c):
    one, two, three = fold(a), fold(b), fold(c)
    assert one.merge(two) == two.merge(one)
    assert one.merge(two).merge(three) == one.merge(two.merge(three))
    assert one.merge(one) == one
    assert one.merge(PatientState.empty()) == one
    assert one.merge(two) == fold(a + b)


@given(histories)
def test_the_bytes_hold_everything(said):
    state = fold(said)
    again = PatientState.from_json(state.to_json())
    assert again.to_json() == state.to_json()
    assert again.content() == state.content()
    assert again.same_values(state)


@given(histories, st.data())
def test_whatever_was_said_the_patient_is_well_formed_and_the_same_in_any_order(said, data):
    made = [source_patient(fold(order), id="a", organisation="RTK", canonical_base=BASE) for order in (said, data.draw(st.permutations(said)))]
    assert made[0] == made[1]
    assert fhir.faults(made[0]) == []
    assert sum(1 for i in made[0].get("identifier", ()) if i["system"].endswith("nhs-number")) <= 1


@given(histories, histories)
def test_states_that_would_be_served_alike_make_the_same_patient(a, b):
    one, two = fold(a), fold(b)
    if one.same_values(two):
        assert source_patient(one, id="a", organisation="R", canonical_base=BASE) == source_patient(two, id="a", organisation="R", canonical_base=BASE)


@given(histories)
def test_history_is_bounded(said):
    state = fold(said)
    for group, limit in HISTORY.items():
        assert len(state.history(group)) <= limit


@given(st.lists(st.tuples(histories, st.booleans(), st.sampled_from(["RTK", "RXC"])), min_size=1, max_size=4), st.data())
def test_the_golden_patient_is_well_formed_and_the_same_in_any_order(people, data):
    members = [
        Member(f"r{n}", fold(said), trust, f"key{n}", "2024-05-01T00:00:00.000000Z", live) for n, (said, live, trust) in enumerate(people)
    ]
    made = [golden_patient(order, id="g", base=BASE) for order in (members, data.draw(st.permutations(members)))]
    assert made[0] == made[1]
    assert fhir.faults(made[0]) == []
    assert {link["other"]["reference"] for link in made[0]["link"]} == {f"Patient/{m.id}" for m in members}
