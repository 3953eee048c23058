"""Whether merges would have records hold different NHS numbers, computed plainly: all that was said, told again for each merge by itself."""

from dataclasses import replace
from functools import cache

from app.ingest.evidence import contradicts, header_demographics, verified_number
from app.ingest.retelling import as_named, headers_of, statements_of


class PlainNumbers:
    """The oracle of ``app.ingest.numbers.MergedNumbers``."""

    def __init__(self, work, records, occurred):
        self.work, self.records, self.occurred = work, records, occurred
        states = as_named(work, list(records.values()))
        self.said = cache(lambda: statements_of(work, records.values()) or ())
        self.number = cache(lambda id: self.number_of(states[id]))

    def number_of(self, state):
        return verified_number(self.work.tx, self.work.services, state)

    def differ(self, first, second, parents):
        ours, theirs = ({self.number(id) for id in side} - {""} for side in (first, second))
        if ours and theirs and len(ours | theirs) > 1:
            return True
        merges = {id: (held.b, self.occurred[held.id]) for id, held in parents.items() if id in first | second}
        if all(self.records[id].last_event < at for id, (_, at) in merges.items()):
            return False
        return len({self.number_of(state) for state in self.as_merged(first | second, merges).values()} - {""}) > 1

    def as_merged(self, group, merges):
        """What each record would have been told, by id; records of the past, of which something was said since their merge, are left out."""
        states = {id: headers_of(self.work, self.records[id]) for id in group}
        inside = [one for one in self.said() if one.named in group]
        for one in sorted(inside, key=lambda one: (answering(one, merges) != one.named, one.stamp[1:])):
            id = answering(one, merges)
            if id == one.named or not self.is_strange(one, replace(self.records[id], state=states[id])):
                states[id] = states[id].apply(one.facts, one.stamp)
        return {id: state for id, state in states.items() if id not in merges or self.records[id].last_event < merges[id][1]}

    def is_strange(self, one, record):
        return contradicts(self.work, header_demographics(self.work, one.facts, one.stamp), record)


def answering(one, merges):
    """The record that a statement is about, were these the merges."""
    id = one.named
    while one.subject and id in merges and one.stamp.event_time >= merges[id][1]:
        id = merges[id][0]
    return id
