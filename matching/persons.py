"""Which person id each group of records has (matching.md 8, Ids): stable, and exact when a link is undone.

A person id is the birth id of one of its records. While that record is among those looked at, no group without it may
have the id: so whatever is joined and parted in between, records that stand alone again have the ids they began with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

Group = tuple[str, ...]
_NO_SETS: Mapping[frozenset[str], str] = MappingProxyType({})
_NO_IDS: Mapping[str, Sequence[str]] = MappingProxyType({})
_NO_AGES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Assignment:
    """``ids``: each group's person id."""

    ids: Mapping[Group, str]

    def by_record(self) -> dict[str, str]:
        """The person id of each record."""
        return {key: person for group, person in self.ids.items() for key in group}


def _votes(ids: Iterable[str]) -> dict[str, int]:
    """How many of them are each id; of equal ones the earlier stands first."""
    votes: dict[str, int] = {}
    for person in ids:
        votes[person] = votes.get(person, 0) + 1
    return dict(sorted(votes.items(), key=lambda item: -item[1]))


class _Claims:
    """The ids given so far, and who may have which. Members stand oldest first."""

    def __init__(self, groups: Iterable[Iterable[str]], birth_ids: Mapping[str, str], first_events: Mapping[str, str]) -> None:
        self.members = {
            tuple(sorted(group)): sorted(group, key=lambda key: (first_events.get(key, ""), key)) for group in map(list, groups)
        }
        self.age = {group: (first_events.get(members[0], ""), members[0]) for group, members in self.members.items()}
        self.born_in = {birth_ids[key]: group for group in self.members for key in group}
        self.ids: dict[Group, str] = {}

    def settle(self, wishes_of: Callable[[list[str]], Iterable[str]]) -> None:
        """Give each group without an id the one most of its members wish; of two groups, the one with more, then the older."""
        wishes = {group: _votes(wishes_of(members)) for group, members in self.members.items() if group not in self.ids}
        bids = [
            (-votes, self.age[group], place, person, group)
            for group, wished in wishes.items()
            for place, (person, votes) in enumerate(wished.items())
            if self.born_in.get(person, group) == group
        ]
        taken = set(self.ids.values())
        for _, _, _, person, group in sorted(bids):
            if group not in self.ids and person not in taken:
                self.ids[group] = person
                taken.add(person)


def assign_person_ids(
    groups: Iterable[Iterable[str]],
    held: Mapping[str, str],
    birth_ids: Mapping[str, str],
    retired: Mapping[str, Sequence[str]] = _NO_IDS,
    *,
    first_events: Mapping[str, str] = _NO_AGES,
    remembered: Mapping[frozenset[str], str] = _NO_SETS,
) -> Assignment:
    """The person id of each group.

    ``held``: the id each record holds now; ``birth_ids``: the id each was born with; ``retired``: retired ids that each
    once held, newest first; ``first_events``: the time of each record's first event; ``remembered``: the id that a set
    of exactly these records first had, which it takes back. A group takes the id most members hold (the older holder's
    of equal ones), else the retired id most held last, else its oldest record's birth id.
    """
    claims = _Claims(groups, birth_ids, first_events)
    claims.settle(lambda members: [p for p in (remembered.get(frozenset(members)),) if p])
    claims.settle(lambda members: [held[key] for key in members if key in held])
    claims.settle(lambda members: [retired[key][0] for key in members if retired.get(key)])
    claims.settle(lambda members: [birth_ids[key] for key in members])
    return Assignment(claims.ids)
