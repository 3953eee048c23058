"""Linking: the order of its steps. What is decided is ``matching``'s, pure; what is kept is the store's.

For each record that changed: normalise, index, look up candidates, decide its edges; then derive the persons of
the components those edges touch, give the groups their ids, and record what changed (matching.md 8, Arrival).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from app.ingest.assertions import in_force
from app.ingest.edges import ASSERTED, Edge, close_edge, edges_by_id, open_edges, put_edge, renew_edge, scored_id
from app.ingest.evidence import matched_demographics
from app.ingest.learned import doubted_numbers, judge, learn
from app.ingest.limits import Check, OutOfTime, limit, unlimited
from app.ingest.questions import questions, still_open
from app.ingest.records import Record
from app.ingest.reviews import ask
from app.ingest.work import Work
from app.services import Services
from app.store.contract import PERSON, Block, Snapshot
from matching import linking as matcher
from matching.blocking import BLOCK_CAP, SLOW_LANE_CAP, blocking_keys, in_order, is_no_key, is_thin, is_under_blocked, shares, slow_lane
from matching.caps import vetoes
from matching.clustering import Component, Partition, derive
from matching.comparisons import SAME_AUTHORITY
from matching.demographics import Demographics, pack, unpack
from matching.linking import CONFUSION, EdgeProposal
from matching.model import GRADES
from matching.persons import assign_person_ids
from matching.records import Candidate, pair
from matching.records import Edge as PairEdge
from matching.waterfall import waterfall

LARGEST_BLOCK = 20_000
"""Records of the largest block that the slow lane intersects with others."""
EDGES_AT_ONCE = 128
"""Edges that are read, about, before the time is looked at again."""


def packed_record(record: Record, demographics: Demographics) -> bytes:
    """What the store's blocks keep of a record: its id, its key and its packed demographics."""
    return b"\x00".join((record.id.encode(), record.first_key.encode(), pack(demographics)))


def unpacked_record(number: int, packed: bytes) -> tuple[str, Candidate]:
    """The record id and the Candidate of ``packed_record``'s bytes."""
    id, key, demographics = packed.split(b"\x00", 2)
    return id.decode(), Candidate(key.decode(), number, unpack(demographics))


@dataclass(slots=True)
class Ahead:
    """What is still to be done: the records to match, as they are indexed, and the records around which persons are to be derived."""

    records: list[tuple[Record, Demographics]]
    touched: set[str]


def update(work: Work, records: Sequence[Record]) -> None:
    """Match the records that changed and bring the persons around them up to date.

    Where that takes too long, all of them wait for the slow lane, and their persons are as they were. What somebody stated of edges
    never waits, nor does a veto within a person: only scored links may follow an acknowledgement (matching.md 11).
    """
    check = unlimited if work.moved else limit(work.services)
    ahead = Ahead(_indexed(work, records), set(work.moved))
    if not ahead.records:
        _match_later(work, ahead, _cleared(work, ahead.touched))
    try:
        _go_on(work, ahead, check)
    except OutOfTime:
        waiting = work.records([record.id for record, _ in ahead.records] + sorted(ahead.touched | work.moved))
        if any(_is_vetoed_within(work, record) for record in waiting):
            _go_on(work, ahead, unlimited)
            return
        for record in waiting:
            record.pending = True
            work.change(record)


def _go_on(work: Work, ahead: Ahead, check: Check) -> None:
    while ahead.records:
        record, demographics = ahead.records[0]
        near = _match(work, record, demographics, check)
        ahead.records.pop(0)
        ahead.touched.add(record.id)
        _match_later(work, ahead, learn(work, record, near.sharing, doubtful=near.doubtful))
        if not ahead.records:
            _match_later(work, ahead, _cleared(work, ahead.touched | work.moved))
    ahead.touched |= work.moved
    if ahead.touched:
        _regroup(work, ahead.touched, check)


def _match_later(work: Work, ahead: Ahead, learned: Sequence[Record]) -> None:
    """Have these records matched too, for what is learned of their NHS number has changed."""
    if learned:
        left = [one for one, _ in ahead.records]
        left += [one for one in learned if one not in left]
        work.again.update(dict.fromkeys(one.id for one in left))
        ahead.records = _indexed(work, left)


def _cleared(work: Work, records: Iterable[str]) -> list[Record]:
    """The records that a number in doubt says something new of, now that these have changed."""
    return [one for number in doubted_numbers(work, records) for one in judge(work, number)]


def _indexed(work: Work, records: Iterable[Record]) -> list[tuple[Record, Demographics]]:
    """The active records that the matcher sees something new of, or that are to be matched again, each with its keys kept."""
    found = []
    for record in records:
        if record.active:
            demographics = matched_demographics(work, record)
            packed = packed_record(record, demographics)
            is_new = work.tx.demographics([record.number]).get(record.number) != packed
            if is_new:
                work.tx.put_blocks(record.number, blocking_keys(demographics), packed)
            if is_new or record.id in work.again:
                found.append((record, demographics))
    return found


def _is_vetoed_within(work: Work, record: Record) -> bool:
    """Whether the record, as it is now, must not be in its person."""
    others = [one for one in work.members(record.person) if one.active and one.id != record.id]
    own = matched_demographics(work, record) if others else None
    return own is not None and any(vetoes(own, matched_demographics(work, one)) for one in others)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates found, by number: (record id, Candidate). ``shared`` is how much each shares, ``left_out`` how much the best one not fetched.

    ``under_blocked`` where no block was small enough to be looked at.
    """

    found: dict[int, tuple[str, Candidate]]
    shared: Mapping[int, float]
    left_out: float
    under_blocked: bool


def find_candidates(tx: Snapshot, demographics: Demographics, population: int, own: int = -1) -> Candidates:
    """The candidates that share blocking keys, best 64 (thin: 128); ``own`` is the number of the record itself, whose blocks of one say nothing."""
    blocks = _blocks(tx, demographics, BLOCK_CAP)
    blocks = {key: block for key, block in blocks.items() if block.members != (own,)}
    shared = shares(blocks, population, cap=BLOCK_CAP)
    numbers, others = in_order(shared, is_thin(demographics))
    return Candidates(_fetch(tx, numbers), shared, shared[others[0]] if others else 0.0, is_under_blocked(blocks, cap=BLOCK_CAP))


def _blocks(tx: Snapshot, demographics: Demographics, cap: int) -> dict[int, Block]:
    return {key: block for key, block in tx.candidates(blocking_keys(demographics), cap).items() if not is_no_key(key, block.size)}


def beyond(tx: Snapshot, record: Record) -> list[int]:
    """The numbers that the slow lane and the sweep look at: all in the record's blocks within the cap, and whom two larger ones share."""
    packed = tx.demographics([record.number]).get(record.number)
    if packed is None:
        return []
    blocks = _blocks(tx, unpacked_record(record.number, packed)[1].demographics, LARGEST_BLOCK)
    within = {number for block in blocks.values() if block.size <= BLOCK_CAP for number in block.members}
    over = {key: block.members for key, block in blocks.items() if block.size > BLOCK_CAP and block.members}
    return [*sorted(within), *(number for number in slow_lane(over)[:SLOW_LANE_CAP] if number not in within)]


def is_missing(tx: Snapshot, services: Services, record: Record, numbers: Sequence[int]) -> bool:
    """Whether the record would have an edge to one of these that it has not."""
    found = _fetch(tx, numbers)
    own = found.pop(record.number, None)
    if own is None:
        return False
    ids = {candidate.key: id for id, candidate in found.values()}
    standing = {edge.other(record.id) for edge in open_edges(tx, [record.id]) if edge.kind not in ASSERTED}
    proposals = matcher.decide(own[1], [candidate for _, candidate in found.values()], services.scorer)
    return any(one.kind != CONFUSION and ids[one.b if one.a == own[1].key else one.a] not in standing for one in proposals)


def _fetch(tx: Snapshot, numbers: Sequence[int]) -> dict[int, tuple[str, Candidate]]:
    return {number: unpacked_record(number, packed) for number, packed in tx.demographics(numbers).items()}


def to_search(tx: Snapshot, services: Services, record: Record) -> list[int]:
    """The numbers of the records that one which waits is to be matched with: as on arrival, or where every block is over the cap, ``beyond``."""
    packed = tx.demographics([record.number]).get(record.number)
    if packed is None:
        return []
    near = find_candidates(tx, unpacked_record(record.number, packed)[1].demographics, services.scorer.model.population, record.number)
    return beyond(tx, record) if near.under_blocked else list(near.found)


class Near(NamedTuple):
    """What a record's candidates say of its NHS number: how many share it, and whether one of these looks like somebody else; ``added`` edges are new."""

    sharing: int
    doubtful: bool
    added: int


def _match(work: Work, record: Record, demographics: Demographics, check: Check) -> Near:
    """Renew the record's scored edges.

    A pair that someone calls not the same keeps its scored edge, so that it is there again when that word is taken back.
    """
    numbers = work.again.get(record.id)
    if numbers is None:
        near = find_candidates(work.tx, demographics, work.services.scorer.model.population, record.number)
        found, record.pending = near.found, near.under_blocked
    else:
        found = _fetch(work.tx, numbers)
    check()
    return _judge(work, record, demographics, found)


def search_again(work: Work, record: Record, numbers: Sequence[int]) -> int:
    """Judge the record's pairs with these, and link it by them; how many edges were found that were not there."""
    near = _judge(work, record, matched_demographics(work, record), _fetch(work.tx, numbers))
    if near.doubtful:
        for one in learn(work, record, near.sharing, doubtful=True):
            work.again[one.id] = None
            work.moved.add(work.change(one).id)
    if near.added:
        work.moved.add(record.id)
    return near.added


def _judge(work: Work, record: Record, demographics: Demographics, found: dict[int, tuple[str, Candidate]]) -> Near:
    """Renew the record's scored edges from these candidates and those it had edges to."""
    standing = open_edges(work.tx, [record.id])
    known = {number for edge in standing if edge.kind not in ASSERTED for number in (edge.a_number, edge.b_number)} - found.keys()
    found = {**found, **(_fetch(work.tx, sorted(known)) if known else {})}
    found.pop(record.number, None)
    ids = {candidate.key: id for id, candidate in found.values()}
    ids[record.first_key] = record.id
    numbers = {candidate.key: candidate.number for _, candidate in found.values()} | {record.first_key: record.number}
    proposals = matcher.decide(
        Candidate(record.first_key, record.number, demographics), [candidate for _, candidate in found.values()], work.services.scorer
    )
    edges = {edge.id: edge for edge in (_scored_edge(work, proposal, ids, numbers) for proposal in proposals if proposal.kind != CONFUSION)}
    _renew(work, record, standing, edges)
    number = demographics.nhs_number
    sharing = sum(candidate.demographics.nhs_number == number for _, candidate in found.values()) if number else 0
    return Near(sharing, any(proposal.kind == CONFUSION for proposal in proposals), len(edges.keys() - {edge.id for edge in standing}))


def _renew(work: Work, record: Record, standing: Sequence[Edge], edges: Mapping[str, Edge]) -> None:
    for edge in standing:
        if edge.kind not in ASSERTED and edge.id not in edges:
            close_edge(work, edge, work.cause.occurred)
            work.moved.add(edge.other(record.id))
    known = {edge.id: edge for edge in standing}
    ended = _ended(work, record, edges.keys() - known.keys())
    for id, edge in edges.items():
        before = known.get(id)
        if before is None or (before.weight, before.grade, before.kind) != (edge.weight, edge.grade, edge.kind):
            earlier = before or ended.get(id)
            if earlier is None:
                put_edge(work, edge)
            else:
                renew_edge(work, edge, earlier)
            _tell_of_duplicate(work, edge, before)


def _ended(work: Work, record: Record, ids: Iterable[str]) -> dict[str, Edge]:
    """The ended edges among these of the record, by id; a record that nothing was published of yet has none, and none are read."""
    wanted = sorted(ids) if record.content else []
    return {edge.id: edge for edge in edges_by_id(work.tx, wanted)} if wanted else {}


def _tell_of_duplicate(work: Work, edge: Edge, before: Edge | None) -> None:
    """Tell the trust that has two numbers for one patient, once the two records are linked (matching.md 6, same authority)."""
    certain = [one is not None and one.grade == GRADES[0] for one in (edge, before)]
    if certain == [True, False] and edge.evidence["vector"][SAME_AUTHORITY] == 2:
        work.event("duplicate-in-trust", records=[edge.a, edge.b])


def _scored_edge(work: Work, proposal: EdgeProposal, ids: Mapping[str, str], numbers: Mapping[str, int]) -> Edge:
    a, b = proposal.a, proposal.b
    model = work.services.scorer.model.id
    evidence = {"model": model, "why": waterfall(proposal.scored, work.services.scorer), "vector": list(proposal.scored.vector.levels), "families": list(proposal.families)}
    return Edge(
        scored_id(ids[a], ids[b]), proposal.kind, ids[a], ids[b], numbers[a], numbers[b], f"matcher:{model[:12]}",
        work.cause.reference, work.cause.occurred, weight=proposal.weight, grade=proposal.grade, evidence=evidence,
    )


@dataclass(slots=True)
class Neighbourhood:
    """The records that open edges connect: those that answer for themselves, by key, and the edges between them."""

    candidates: dict[str, Candidate] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    component: Component = field(default_factory=lambda: Component({}, ()))


def neighbourhood(tx: Snapshot, services: Services, start: Mapping[str, int], check: Check = unlimited) -> Neighbourhood:
    """The components around the records ``start`` (id -> number): edges walked to the end, replaced records folded into their survivors."""
    numbers = dict(start)
    edges: dict[str, Edge] = {}
    ahead, most = sorted(start), 1
    while ahead:
        check()
        step = max(EDGES_AT_ONCE // most, 1)
        now, ahead = ahead[:step], ahead[step:]
        every = open_edges(tx, now)
        most = max(most, len(every) // len(now))
        found = [edge for edge in every if edge.id not in edges]
        edges.update({edge.id: edge for edge in found})
        reached = {edge.a: edge.a_number for edge in found} | {edge.b: edge.b_number for edge in found}
        new = sorted(id for id, edge_number in reached.items() if id not in numbers and edge_number >= 0)
        numbers.update({id: reached[id] for id in new})
        ahead += new
    check()
    survivors = {edge.a: edge.b for edge in edges.values() if edge.kind == "replaced-by"}
    near = Neighbourhood(edges=sorted(edges.values(), key=lambda edge: edge.id))
    by_id: dict[str, str] = {}
    for number, packed in tx.demographics(sorted(numbers.values())).items():
        id, candidate = unpacked_record(number, packed)
        near.candidates[candidate.key], near.ids[candidate.key], by_id[id] = candidate, id, candidate.key
    keys = {id: key for edge in near.edges for id in (edge.a, edge.b) if (key := by_id.get(end_of(id, survivors))) is not None}
    near.component = component_of(near, services, keys)
    return near


def component_of(near: Neighbourhood, services: Services, keys: Mapping[str, str]) -> Component:
    """The component in the matcher's words. What was scored of a pair that is forbidden says nothing."""
    joins, forbidden = in_force(services, near.edges, keys)
    for edge in near.edges:
        a, b = keys.get(edge.a), keys.get(edge.b)
        if edge.kind not in ASSERTED and a is not None and b is not None and a != b and pair(a, b) not in forbidden:
            joins.append(PairEdge(edge.kind, *pair(a, b), weight=edge.weight or 0.0, grade=edge.grade or "certain", time=edge.occurred))
    records = {key: candidate.demographics for key, candidate in near.candidates.items()}
    return Component(records, tuple(sorted(joins, key=lambda one: (one.pair, one.kind, one.time))), forbidden)


def end_of(id: str, survivors: Mapping[str, str]) -> str:
    """The record that answers for this one after all merges; of a ring the last one before it closes."""
    seen = {id}
    while id in survivors and survivors[id] not in seen:
        id = survivors[id]
        seen.add(id)
    return id


def _regroup(work: Work, touched: Iterable[str], check: Check) -> None:
    """Derive the persons of the components that the touched records are, or by their person were, part of."""
    start = _with_companions(work, touched)
    near = neighbourhood(work.tx, work.services, {record.id: record.number for record in start}, check)
    partition = derive(near.component, work.services.scorer, check)
    members = {key: _answering(work, near.ids[key]) for key in near.component.records}
    _assign(work, members, partition)
    _note_near(work, members, partition)
    asked = questions(near.component, partition, near.ids, near.edges)
    ask(work, near.ids.values(), asked, is_open=still_open(near.component, partition, near.ids))


def _with_companions(work: Work, touched: Iterable[str]) -> list[Record]:
    found: dict[str, Record] = {}
    for record in work.records(sorted(touched)):
        found[record.id] = record
        found.update({one.id: one for one in work.members(record.person)})
    return list(found.values())


def _answering(work: Work, id: str) -> Record:
    record = work.record(id)
    assert record is not None  # noqa: S101  (blocks hold only records that exist)
    return record


def _assign(work: Work, members: Mapping[str, Record], partition: Partition) -> None:
    """Give each group its person id and move the records whose person changed, the replaced ones with their survivors."""
    for key, person in _persons(work, members, partition).items():
        for record in _with_replaced(work, members[key]):
            if record.person != person:
                _move(work, record, person)


def _persons(work: Work, members: Mapping[str, Record], partition: Partition) -> dict[str, str]:
    """The person id of each record: as it is where the groups are the persons of now."""
    held = {key: record.person for key, record in members.items()}
    ids = [{held[key] for key in group} for group in partition.certain]
    if all(len(one) == 1 for one in ids) and len(set().union(*ids)) == len(ids):
        return held
    remembered, free = _remembered(work, members)
    return assign_person_ids(
        partition.certain,
        held,
        {key: record.birth_person for key, record in members.items()},
        {key: [id for id in record.former if id in free] for key, record in members.items()},
        first_events={key: record.first_event for key, record in members.items()},
        remembered=remembered,
    ).by_record()


def _remembered(work: Work, members: Mapping[str, Record]) -> tuple[dict[frozenset[str], str], set[str]]:
    """Of the persons that these records are or were part of: the id that each set of records once had, and the ids that no other record has."""
    keys = {record.id: key for key, record in members.items()}
    near = {one.id for record in members.values() for one in _with_replaced(work, record)}
    ids = {id for record in members.values() for id in (record.person, record.birth_person, *record.former)}
    documents = {id: orjson.loads(body) for id, body in work.tx.get_many(PERSON, sorted(ids)).items()}
    free = {id for id in ids if id not in documents or near.issuperset(documents[id]["members"])}
    sets = {frozenset(keys[one] for one in ids): id for id in sorted(free & documents.keys()) for ids in documents[id]["sets"] if keys.keys() >= set(ids)}
    return sets, free


def _move(work: Work, record: Record, person: str) -> None:
    work.people.update((record.person, person))
    work.moved.add(record.id)
    record.former = [record.person, *(id for id in record.former if id not in (record.person, person))]
    record.person = person
    work.change(record)


def _with_replaced(work: Work, record: Record) -> list[Record]:
    return [record, *work.below(record)]


def _note_near(work: Work, members: Mapping[str, Record], partition: Partition) -> None:
    """Remember which other persons each person would include at a lower floor of grade (``-min-grade``)."""
    for grade in ("probable", "possible"):
        for group in partition.groups(grade):
            persons = sorted({members[key].person for key in group})
            for person in persons:
                work.near.setdefault(person, {})[grade] = [other for other in persons if other != person]
