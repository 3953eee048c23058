"""Relink: what the persons of the whole store would be under a model, how that differs from now, and making it so (matching.md 9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import orjson

from app.errors import BusinessRule
from app.ingest import linking
from app.ingest.edges import Edge, edges_by_id, scored_id
from app.ingest.indexed import STEP, indexed_records
from app.ingest.linking import Neighbourhood, component_of, end_of
from app.ingest.publish import finish
from app.ingest.shadowing import KINDS, Progress, ScoredEdges, Standing, fetched
from app.ingest.work import Cause, Work
from app.principal import SYSTEM
from app.services import Services
from app.store.contract import RECORD, Change, Failed, Snapshot, Transaction
from app.store.walking import documents
from matching.blocks import Places, connected_rows
from matching.clustering import Component, derive
from matching.model import GRADES
from matching.records import NUMBER, Candidate
from matching.scoring import Scorer

MOST_CHANGED = 0.001
"""The share of persons that may change without being asked for."""
EXAMPLES = 10
COMPONENTS_AT_ONCE = 20
"""Components brought up to date in one commit, so that feeds wait for no more than these."""
NO_EDGE = len(GRADES)
"""The place, after the grades, of a pair without an edge."""
GRADES_OR_NONE = (*GRADES, "none")


@dataclass(frozen=True, slots=True)
class Region:
    """The indexed records, row by row in the order of their numbers, and the persons they are of."""

    numbers: Places
    person: Places
    persons: tuple[str, ...]

    def rows(self, numbers: Places) -> tuple[Places, npt.NDArray[np.bool_]]:
        """The row of each number, and whether there is one."""
        found = np.minimum(np.searchsorted(self.numbers, numbers), max(len(self.numbers) - 1, 0))
        return found, self.numbers[found] == numbers if len(self.numbers) else np.zeros(len(numbers), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a relink would change. Persons are counted as they are now; ``moves``: pairs by grade now and then.

    ``dirty``: of each row, a number shared by the rows that are to be brought up to date together, -1 where nothing of it changes.
    """

    records: int
    persons: int
    persons_then: int
    changed: int
    split: int
    joined: int
    links_won: int
    links_lost: int
    moves: Mapping[tuple[str, str], int]
    examples_split: tuple[str, ...]
    examples_joined: tuple[str, ...]
    numbers: Places
    dirty: Places

    @property
    def components(self) -> int:
        """How many components are to be brought up to date."""
        return len(np.unique(self.dirty[self.dirty >= 0]))


def _heads(snapshot: Snapshot, progress: Progress) -> dict[int, str]:
    """The person of each record, by number."""
    found: dict[int, str] = {}
    for _, body in documents(snapshot, RECORD, partial(progress, "persons")):
        head = orjson.loads(body.partition(b"\n")[0])
        found[head["number"]] = head["person"]
    return found


def read_region(snapshot: Snapshot, progress: Progress) -> Region:
    """The indexed records and their persons."""
    person_of = _heads(snapshot, progress)
    numbers = np.array([number for number, _ in indexed_records(snapshot)], dtype=np.int64)
    persons: dict[str, int] = {}
    person = np.array([persons.setdefault(person_of[number], len(persons)) for number in numbers.tolist()], dtype=np.int64)
    return Region(numbers, person, tuple(persons))


def _by_label(labels: Places, values: Places, least: int = 1) -> dict[int, Places]:
    """The values of each label that has at least so many, by label."""
    if not len(labels):
        return {}
    order = np.argsort(labels, kind="stable")
    found, begins = np.unique(labels[order], return_index=True)
    parts = np.split(values[order], begins[1:])
    return {int(label): part for label, part in zip(found, parts, strict=True) if len(part) >= least}


def _batches(members: Mapping[int, Places]) -> Iterator[dict[int, Places]]:
    """The components in order, about STEP records at a time."""
    batch: dict[int, Places] = {}
    held = 0
    for label, rows in members.items():
        batch[label] = rows
        held += len(rows)
        if held >= STEP:
            yield batch
            batch, held = {}, 0
    if batch:
        yield batch


Here = Mapping[int, tuple[str, Candidate]]
"""(id, Candidate) of the records of a component, by number."""


class Deriver:
    """Derives the persons that shadow edges and what is stated make. ``labels``: of each row, a number that its component shares."""

    def __init__(self, services: Services, scorer: Scorer, region: Region, shadow: ScoredEdges, asserted: Sequence[Edge]) -> None:
        self._services, self._scorer, self._region, self._shadow = services, scorer, region, shadow
        self._survivors = {edge.a: edge.b for edge in asserted if edge.kind == "replaced-by"}
        self._now = services.now()
        stated, (x, y) = self._stated_rows(asserted)
        (a, known_a), (b, known_b) = region.rows(shadow.a), region.rows(shadow.b)
        held = known_a & known_b
        self.labels = connected_rows(len(region.numbers), np.concatenate([a[held], x]), np.concatenate([b[held], y]))
        self._scored_of = _by_label(self.labels[a[held]], np.flatnonzero(held))
        self._stated_of: dict[int, list[Edge]] = defaultdict(list)
        for edge, row in zip(stated, x.tolist(), strict=True):
            self._stated_of[int(self.labels[row])].append(edge)

    def _stated_rows(self, asserted: Sequence[Edge]) -> tuple[list[Edge], tuple[Places, Places]]:
        """What is stated of indexed records, and their rows; a replaced record is where its survivor is."""
        number_of = {id: number for edge in asserted for id, number in ((edge.a, edge.a_number), (edge.b, edge.b_number))}
        ends = np.array([[number_of[end_of(id, self._survivors)] for id in (edge.a, edge.b)] for edge in asserted], dtype=np.int64).reshape(-1, 2)
        (x, known_x), (y, known_y) = self._region.rows(ends[:, 0]), self._region.rows(ends[:, 1])
        known = known_x & known_y
        return [asserted[place] for place in np.flatnonzero(known).tolist()], (x[known], y[known])

    def groups(self, progress: Progress) -> Places:
        """Of each row a number that the rows of its person share."""
        found = np.arange(len(self._region.numbers))
        batches = list(_batches(_by_label(self.labels, np.arange(len(self.labels)), least=2)))
        for done, batch in enumerate(batches):
            progress("deriving", done, len(batches))
            with self._services.store.snapshot(SYSTEM) as snapshot:
                for rows in self._derived(snapshot, batch):
                    found[rows] = min(rows)
        progress("deriving", len(batches), len(batches))
        return found

    def _derived(self, snapshot: Snapshot, batch: Mapping[int, Places]) -> Iterator[list[int]]:
        """The rows of each person of these components."""
        numbers = self._region.numbers
        every = {candidate.number: (id, candidate) for id, candidate in fetched(snapshot, numbers[np.concatenate(list(batch.values()))].tolist())}
        for label, rows in batch.items():
            here = {number: every[number] for number in numbers[rows].tolist() if number in every}
            row_of = {candidate.key: row for row in rows.tolist() if (found := here.get(int(numbers[row]))) is not None for candidate in (found[1],)}
            for group in derive(self._component(snapshot, label, here), self._scorer).certain:
                yield [row_of[key] for key in group]

    def _component(self, snapshot: Snapshot, label: int, here: Here) -> Component:
        key_of = {id: candidate.key for id, candidate in here.values()}
        edges = [*self._scored(snapshot, label, here), *self._stated_of.get(label, ())]
        keys = {id: key_of[end] for edge in edges for id in (edge.a, edge.b) if (end := end_of(id, self._survivors)) in key_of}
        near = Neighbourhood({candidate.key: candidate for _, candidate in here.values()}, {key: id for id, key in key_of.items()}, edges)
        return component_of(near, self._services, keys)

    def _scored(self, snapshot: Snapshot, label: int, here: Here) -> list[Edge]:
        """The shadow edges of a component. A number edge has the time it has now: of several the newest counts first."""
        shadow, edges = self._shadow, []
        for place in self._scored_of[label].tolist() if label in self._scored_of else ():
            a, b = int(shadow.a[place]), int(shadow.b[place])
            if a in here and b in here:
                (id_a, one), (id_b, other) = sorted((here[a], here[b]), key=lambda found: found[1].key)
                edges.append(Edge(
                    scored_id(id_a, id_b), KINDS[shadow.kind[place]], id_a, id_b, one.number, other.number, "", "", self._now,
                    weight=float(shadow.weight[place]), grade=GRADES[shadow.grade[place]],
                ))  # fmt: skip
        if len(here) > 2:
            known = {edge.id: edge.occurred for edge in edges_by_id(snapshot, [edge.id for edge in edges if edge.kind == NUMBER])}
            edges = [replace(edge, occurred=known.get(edge.id, self._now)) for edge in edges]
        return edges


def _codes(edges: ScoredEdges, width: int) -> Places:
    return edges.a * width + edges.b


def _moves(before: ScoredEdges, then: ScoredEdges) -> tuple[dict[tuple[str, str], int], Places, Places]:
    """How many pairs go from which grade to which; and the numbers of the pairs that are not as they were."""
    width = int(max(before.b.max(initial=0), then.b.max(initial=0))) + 1
    old, new = _codes(before, width), _codes(then, width)
    every = np.union1d(old, new)
    grades = np.full((2, len(every)), NO_EDGE)
    grades[0, np.searchsorted(every, old)], grades[1, np.searchsorted(every, new)] = before.grade, then.grade
    counts = np.zeros((NO_EDGE + 1, NO_EDGE + 1), dtype=np.int64)
    np.add.at(counts, (grades[0], grades[1]), 1)
    moves = {(GRADES_OR_NONE[x], GRADES_OR_NONE[y]): int(counts[x, y]) for x, y in zip(*np.nonzero(counts), strict=True)}
    said = [np.full((2, len(every)), -99.0) for _ in range(2)]
    for side, (edges, codes) in enumerate(((before, old), (then, new))):
        places = np.searchsorted(every, codes)
        said[side][0, places], said[side][1, places] = edges.weight, edges.kind * 10 + edges.grade
    other = every[(said[0] != said[1]).any(axis=0)]
    return moves, other // width, other % width


def _pairs_in(sizes: npt.NDArray[np.int64]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def difference(region: Region, deriver: Deriver, standing: Standing, shadow: ScoredEdges, groups: Places) -> Difference:
    """What would change: ``groups`` are the persons then, a number for each row."""
    moves, a, b = _moves(standing.scored, shadow)
    _, then = np.unique(groups, return_inverse=True)
    cells, counts = np.unique(np.stack([region.person, then]), axis=1, return_counts=True) if len(then) else (np.zeros((2, 0), dtype=np.int64), np.zeros(0, dtype=np.int64))
    before_sizes, then_sizes = np.bincount(region.person, minlength=len(region.persons)), np.bincount(then)
    parts, merged = np.bincount(cells[0], minlength=len(region.persons)), np.bincount(cells[1])
    split = parts > 1
    in_joined = np.zeros(len(region.persons), dtype=np.bool_)
    in_joined[cells[0][merged[cells[1]] > 1]] = True
    changed = split | in_joined
    kept = _pairs_in(counts)
    return Difference(
        records=len(region.numbers), persons=len(region.persons), persons_then=len(then_sizes), changed=int(changed.sum()), split=int(split.sum()), joined=int(in_joined.sum()),
        links_won=_pairs_in(then_sizes) - kept, links_lost=_pairs_in(before_sizes) - kept, moves=moves,
        examples_split=_examples(region, split), examples_joined=_examples(region, in_joined), numbers=region.numbers,
        dirty=_dirty(region, deriver, (a, b), changed),
    )  # fmt: skip


def _examples(region: Region, which: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(region.persons[place] for place in np.flatnonzero(which)[:EXAMPLES].tolist())


def _dirty(region: Region, deriver: Deriver, pairs: tuple[Places, Places], changed: npt.NDArray[np.bool_]) -> Places:
    """The components of now and then together that hold an edge or a person that is not as it was; -1 for the others."""
    (a, known_a), (b, known_b) = region.rows(pairs[0]), region.rows(pairs[1])
    held = known_a & known_b
    rows = np.arange(len(region.numbers))
    first = np.full(len(region.persons), len(rows))
    np.minimum.at(first, region.person, rows)
    labels = connected_rows(len(rows), np.concatenate([a[held], rows, rows]), np.concatenate([b[held], deriver.labels, first[region.person]]))
    touched = np.zeros(len(rows), dtype=np.bool_)
    touched[labels[a[held]]] = True
    touched[labels[changed[region.person]]] = True
    return np.where(touched[labels], labels, -1)


def check_changes(found: Difference, most: int | None) -> None:
    """BusinessRule where more persons would change than are allowed: .1 %, or so many as were asked for."""
    allowed = int(found.persons * MOST_CHANGED) if most is None else most
    if found.changed > allowed:
        raise BusinessRule(f"{found.changed:,} of {found.persons:,} persons would change, more than {allowed:,}; say --max-changes {found.changed} to have it so.")


def apply_shadow(services: Services, found: Difference, shadow: ScoredEdges, progress: Progress) -> int:
    """Bring the components that differ up to date, some in each commit; returns how many. What is as it should be already is passed over.

    Each is judged again in its own change, so that what arrived since the shadow edges were made counts; and its persons are
    derived as ever, assertions and vetoes first. ``services`` has the new model.
    """
    members = _by_label(found.dirty, found.numbers)
    members.pop(-1, None)
    partners = _partners(shadow, {number for numbers in members.values() for number in numbers.tolist()})
    changes: list[Change[None]] = [_brought_up(services, numbers.tolist(), partners) for numbers in members.values()]
    for start in range(0, len(changes), COMPONENTS_AT_ONCE):
        progress("applying", start, len(changes))
        for result in services.store.apply(SYSTEM, changes[start : start + COMPONENTS_AT_ONCE]):
            if isinstance(result, Failed):
                raise result.error
    progress("applying", len(changes), len(changes))
    return len(changes)


def _partners(shadow: ScoredEdges, numbers: set[int]) -> dict[int, list[int]]:
    """The records that each of these is to be judged with, by the shadow edges."""
    found: dict[int, list[int]] = {}
    for a, b in zip(shadow.a.tolist(), shadow.b.tolist(), strict=True):
        if a in numbers:
            found.setdefault(a, []).append(b)
    return found


def _brought_up(services: Services, numbers: Sequence[int], partners: Mapping[int, list[int]]) -> Change[None]:
    """The change that judges the pairs of these records again and derives their persons."""
    at = services.now()
    model = services.scorer.model.id[:12]

    def change(tx: Transaction) -> None:
        work = Work(tx, services, Cause("matcher", f"relink {model}", at, at))
        records = work.records([id for id, _ in fetched(tx, numbers)])
        for record in sorted(records, key=lambda one: one.number):
            linking.search_again(work, record, partners.get(record.number, []))
        work.moved.update(record.id for record in records)
        finish(work)

    return change
