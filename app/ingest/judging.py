"""Looking at links without changing any: why two records are (not) linked, and how the persons compare with the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.errors import NotFound
from app.ingest.edges import Edge, earlier_statements, open_edges, scored_id
from app.ingest.evidence import demographics_with
from app.ingest.records import Record, get_record, identifier_keys, merged_into, record_from_body
from app.ingest.rulings import find_record, is_shown
from app.principal import Principal
from app.services import Services
from app.store.contract import RECORD, Snapshot
from app.store.walking import documents
from matching.blocking import BLOCK_CAP, blocking_keys, family_of, is_thin, rank
from matching.evaluation import ClusterQuality, evaluate_clusters, truth_from_clusters
from matching.model import GRADES
from matching.scoring import Scored
from matching.waterfall import Waterfall, waterfall

CERTAIN = GRADES[0]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why two records are or are not one person (``together``): the score now, the edges in force, what both could be found by.

    ``shared`` are the families of the blocking keys that both have, ``over_cap`` those of them whose block is too large to be
    looked at, ``rank`` the place of the second record among the candidates of the first (from 1), None where it is none of them.
    ``earlier``: what the matcher said of the pair before and says no more. Blocks hold every trust's records, and any trust's message may have
    ended what was said: a caller who may not see all of them is told none of these three.
    """

    a: Record
    b: Record
    scored: Scored
    why: Waterfall
    edges: tuple[Edge, ...]
    shared: tuple[str, ...]
    over_cap: tuple[str, ...] = ()
    rank: int | None = None
    together: bool = False
    earlier: tuple[Edge, ...] = ()


def explain(services: Services, principal: Principal, first: str, second: str) -> Explanation:
    """The explanation of a pair, each named by Patient id or ``system|value`` (matching.md 10)."""
    with services.store.snapshot(principal) as snapshot:
        a, b = (_existing(snapshot, find_record(snapshot, services, name)) for name in (first, second))
        demographics = [demographics_with(snapshot, services, record, merged_into(snapshot, record), record.id) for record in (a, b)]
        edges = tuple(_as_shown(snapshot, edge) for edge in open_edges(snapshot, [a.id]) if edge.other(a.id) == b.id)
        earlier = earlier_statements(snapshot, scored_id(*(one.id for one in sorted((a, b), key=lambda one: one.first_key))))
        blocks = snapshot.candidates(blocking_keys(demographics[0]), BLOCK_CAP)
        together = b.id in {one.record_id for one in services.person_members(snapshot, [a.id], CERTAIN).members}
    ranked = [number for number in rank(blocks, services.scorer.model.population, is_thin(demographics[0])) if number != a.number]
    shared = blocks.keys() & set(blocking_keys(demographics[1]))
    over = {key for key in shared if blocks[key].size > BLOCK_CAP}
    not_same = any(edge.kind == "not-same" for edge in edges)
    scored = services.scorer.score(*demographics, not_same=not_same)
    families = tuple(sorted({family_of(key) for key in shared}))
    why = waterfall(scored, services.scorer)
    if principal.organisations is not None:
        return Explanation(a, b, scored, why, edges, families, together=together)
    place = ranked.index(b.number) + 1 if b.number in ranked else None
    return Explanation(a, b, scored, why, edges, families, tuple(sorted({family_of(key) for key in over})), place, together, tuple(earlier))


def _as_shown(snapshot: Snapshot, edge: Edge) -> Edge:
    """The edge as the caller may know of it: not of which List it is where that one is not the caller's to see."""
    return replace(edge, cause=edge.agent) if edge.is_listed and not is_shown(snapshot, edge.cause) else edge


def _existing(snapshot: Snapshot, id: str) -> Record:
    record = get_record(snapshot, id)
    if record is None or not snapshot.principal.sees(record.organisation):
        raise NotFound("There is no record of that id.")
    return record


@dataclass(frozen=True, slots=True)
class StoreQuality:
    """The persons of the store against a truth: records found, those the store lacks, and the measures."""

    records: int
    absent: int
    quality: ClusterQuality


def evaluate_store(services: Services, principal: Principal, truth: Mapping[str, str]) -> StoreQuality:
    """Compare the store's persons with ``truth``: ``system|value`` of a source record -> cluster."""
    persons: dict[str, set[str]] = {}
    with services.store.snapshot(principal) as snapshot:
        for _, body in documents(snapshot, RECORD):
            record = record_from_body(body)
            persons.setdefault(record.person, set()).update(key for key in identifier_keys(record) if key in truth)
    found = set().union(*persons.values()) if persons else set()
    known = truth_from_clusters({key: cluster for key, cluster in truth.items() if key in found})
    clusters = [sorted(keys) for _, keys in sorted(persons.items()) if keys]
    return StoreQuality(len(found), len(truth) - len(found), evaluate_clusters(clusters, known))
