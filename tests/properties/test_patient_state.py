"""The fold of a record: any order, any repetition, the same bytes (hl7v2.md, State is a fold)."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from mappers import fhir
from mappers.facts import PatientFacts, Stamp
from mappers.golden import Member, elected, golden_patient
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


times = st.sampled_from(["2024-04-01T00:00:00.000000Z", "2024-05-01T10:00:00.000000Z", "2024-06-01T00:00:00.000000Z"])


def told_again(said: Said, data: st.DataObject) -> Said:
    """Some of it once more, at other times."""
    again = data.draw(st.lists(st.sampled_from(said), min_size=1, max_size=3))
    return [(facts, stamp._replace(event_time=data.draw(times), content_hash=f"again{n}")) for n, (facts, stamp) in enumerate(again)]


@given(histories.filter(bool), st.data())
def test_a_source_that_says_the_same_again_changes_nothing_that_is_served(said, data):
    state = fold(said)
    later = reduce(lambda one, told: one.apply(*told), told_again(said, data), state)
    if later.told_alike(state):
        assert later.same_values(state)
        ranks = {field: (one.stamp.rank, one.stamp.event_time) for field, one in state.served().items()}
        assert all(one.stamp.rank == ranks[field][0] and one.stamp.event_time >= ranks[field][1] for field, one in later.served().items())


@given(st.lists(st.tuples(histories.filter(bool), st.booleans(), st.sampled_from(["RTK", "RXC"])), min_size=2, max_size=4), st.data())
def test_only_a_rival_changes_the_golden_patient_by_saying_the_same_again(people, data):
    members = [Member(f"r{n}", fold(said), trust, f"key{n}", "2024-05-01T00:00:00.000000Z", live) for n, (said, live, trust) in enumerate(people)]
    before = elected(members, id="g", base=BASE)
    assert before.rivals <= {member.id for member in members}
    for place in data.draw(st.sets(st.sampled_from(range(len(members))), min_size=1)):
        member, said = members[place], people[place][0]
        later = reduce(lambda one, told: one.apply(*told), told_again(said, data), member.state)
        if member.id not in before.rivals and later.told_alike(member.state):
            members[place] = replace(member, state=later)
    assert elected(members, id="g", base=BASE) == before


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
