"""Person ids: stable, redirecting for ever, exact when undone (matching.md 8, Ids)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from matching.persons import assign_person_ids

BIRTH = {key: key.upper() for key in "abcdefgh"}
AGES = {key: str(place) for place, key in enumerate("abcdefgh")}


def assign(groups, held=None, retired=None, **known: object):
    return assign_person_ids(groups, held or {}, BIRTH, retired or {}, first_events=AGES, **known)


def ids(*args: object, **known: object):
    return {"".join(group): person for group, person in assign(*args, **known).ids.items()}


def test_a_new_record_has_the_id_it_was_born_with():
    assert ids(["a"]) == {"a": "A"}


def test_a_new_group_has_its_oldest_records_id():
    assert ids(["cb"]) == {"bc": "B"}


def test_a_group_keeps_the_id_most_of_its_members_hold():
    found = assign(["abc"], {"a": "A", "b": "B", "c": "B"})
    assert found.ids == {("a", "b", "c"): "B"}
    assert found.by_record() == {"a": "B", "b": "B", "c": "B"}


def test_of_ids_held_by_equally_many_the_older_holders_stays():
    assert ids(["ab"], {"a": "A", "b": "B"}) == {"ab": "A"}


def test_of_two_groups_that_want_an_id_none_was_born_with_the_one_with_more_holders_has_it():
    held = dict.fromkeys("abc", "Z")
    assert ids(["a", "bc"], held) == {"a": "A", "bc": "Z"}
    assert ids(["a", "b"], held) == {"a": "Z", "b": "B"}


def test_an_id_stays_with_the_record_that_was_born_with_it():
    assert ids(["a", "bc"], dict.fromkeys("abc", "A")) == {"a": "A", "bc": "B"}


def test_a_group_left_without_takes_the_retired_id_most_held_last():
    assert ids(["a", "bcd"], dict.fromkeys("abcd", "A"), {"b": ("B",), "c": ("C",), "d": ("C", "D")}) == {"a": "A", "bcd": "C"}


def test_undoing_a_link_gives_both_ids_back():
    joined = assign(["ab"], {"a": "A", "b": "B"})
    assert ids(["a", "b"], joined.by_record(), {"b": ("B",)}) == {"a": "A", "b": "B"}


def test_a_set_of_records_takes_back_the_id_it_first_had():
    held = {"a": "B", "b": "B", "c": "B"}
    assert ids(["ab", "c"], held, remembered={frozenset("ab"): "A"}) == {"ab": "A", "c": "C"}
    assert ids(["ab", "c"], held) == {"ab": "B", "c": "C"}


partitions = st.lists(st.integers(0, 3), min_size=6, max_size=6)


def groups_of(labels):
    members = {}
    for key, label in zip("abcdef", labels, strict=True):
        members.setdefault(label, []).append(key)
    return list(members.values())


@settings(max_examples=300)
@given(partitions, st.lists(st.sampled_from("ABCDEF"), min_size=6, max_size=6))
def test_every_group_has_an_id_of_its_own(labels, held):
    found = assign(groups_of(labels), dict(zip("abcdef", held, strict=True)))
    assert len(found.ids) == len(set(found.ids.values())) == len(groups_of(labels))


@given(partitions, st.lists(st.sampled_from("ABCDEF"), min_size=6, max_size=6), st.randoms())
def test_the_order_of_groups_does_not_matter(labels, held, random):
    groups = groups_of(labels)
    expected = assign(groups, dict(zip("abcdef", held, strict=True)))
    random.shuffle(groups)
    for group in groups:
        random.shuffle(group)
    assert assign(groups, dict(zip("abcdef", held, strict=True))) == expected


class Walk(RuleBasedStateMachine):
    """Joins and splits at random: ids stay unique and born of a member, and the start comes back exactly."""

    def __init__(self) -> None:
        super().__init__()
        self.labels = dict.fromkeys("abcdef", 0) | {key: place for place, key in enumerate("abcdef")}
        self.held, self.former, self.sets = dict(BIRTH), {}, {}
        self.apply()
        self.start = dict(self.held)

    def apply(self):
        groups = groups_of(self.labels.values())
        live = set(self.held.values())
        retired = {key: tuple(p for p in past if p not in live) for key, past in self.former.items()}
        held = {key: self.held[key] for key in self.labels}
        found = assign_person_ids(groups, held, BIRTH, retired, first_events=AGES, remembered=self.sets)
        for key, person in found.by_record().items():
            if held[key] != person:
                self.former[key] = (held[key], *(p for p in self.former.get(key, ()) if p != held[key]))
            self.held[key] = person
        for group, person in found.ids.items():
            self.sets.setdefault(frozenset(group), person)

    @rule(key=st.sampled_from("abcdef"), label=st.integers(0, 5))
    def move(self, key, label):
        self.labels[key] = label
        self.apply()

    @precondition(lambda self: len(set(self.labels.values())) < 6)
    @rule()
    def return_to_the_start(self):
        self.labels = {key: place for place, key in enumerate("abcdef")}
        self.apply()
        assert {key: self.held[key] for key in "abcdef"} == {key: self.start[key] for key in "abcdef"}

    @invariant()
    def a_set_of_records_always_has_the_same_id(self):
        for group in groups_of(self.labels.values()):
            person = self.held[group[0]]
            assert all(self.held[key] == person for key in group)
            assert self.sets[frozenset(group)] == person
            assert person.lower() in group


Walk.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestWalk = Walk.TestCase
