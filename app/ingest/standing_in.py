"""Records that a trust knows by an NHS number alone: each stands in until exactly one record of the trust holds the number (hl7v2.md 3).

An image or message that names an NHS number alone may come before the record it is of, or after it: it is filed under a record of that number.
Once one other record holds the number, that one answers for it as if the trust had merged them; once two do, it stands for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from app.ingest.edges import Edge, edge_from_body, edges_by_id, put_edge
from app.ingest.identity import digest_key
from app.ingest.records import ALWAYS, Record, index_key
from app.ingest.work import Work
from app.store.contract import EDGE
from mappers.context import NHS_NUMBER
from mappers.patient import PatientState
from matching.records import REPLACED_BY

WEALD = "weald"
"""The agent of what follows from the records alone."""


AsNamed = Callable[[Work, Sequence[Record]], Mapping[str, PatientState]]
"""What was said under each record's own identifiers (``app.ingest.retelling.as_named``)."""


def stand_in(work: Work, as_named: AsNamed) -> list[Record]:
    """Let the records of a number alone answer for themselves or not, as the records changed now hold their numbers; those of which that changed."""
    changed = []
    for record in [one for one in work.dirty.values() if one.id in work.shown or one.id in work.moved]:
        for key in (held.fact.key for held in record.state.identifiers() if held.fact.system == NHS_NUMBER):
            own = own_record(work.born_of(record.organisation, key), key)
            if own is not None:
                changed_too = (one for one in work.dirty.values() if one.organisation == record.organisation)
                holders = {one.id: one for one in (*work.holders(record.organisation, [key]), *changed_too)}
                if len(holders) > 1 and _aim(work, own, _holder(work, own, holders.values(), key, as_named)):
                    changed.append(own)
    return changed


def own_record(holders: Iterable[Record], key: str) -> Record | None:
    """The record among ``holders`` that was born of this NHS number and is known by nothing else."""
    born = (one for one in holders if one.first_key == index_key(one.organisation, key))
    return next((one for one in born if all(held.fact.system == NHS_NUMBER for held in one.state.identifiers())), None)


def _holder(work: Work, own: Record, holders: Iterable[Record], key: str, as_named: AsNamed) -> Record | None:
    """The record that answers for the one patient of the trust that holds the number, None where there are several or none.

    Of several those count that were told the number themselves: another may hold it only because of what was said of the number alone.
    """
    others = [one for one in holders if one.id != own.id and _holds(one.state, key)]
    if len(others) > 1:
        together = {root.id: root for root in map(work.root, others)}.values()
        members = [one for root in together for one in (root, *work.below(root)) if one.id != own.id]
        named = as_named(work, [own, *members])
        others = [one for one in members if _holds(named[one.id], key)] or others
    roots = {root.id: root for root in map(work.root, others) if root.id != own.id}
    return next(iter(roots.values())) if len(roots) == 1 else None


def _holds(state: PatientState, key: str) -> bool:
    return any(held.fact.key == key and not held.ended for held in state.identifiers())


def _aim(work: Work, own: Record, holder: Record | None) -> bool:
    """Have ``holder`` answer for the record, as of ever; whether that is new."""
    told = [edge_from_body(body) for _, body in work.tx.find(EDGE, "told", [own.id])]
    before = [edge for edge in told if edge.agent == WEALD and not edge.evidence.get("withdrawn")]
    if [edge.b for edge in before] == ([holder.id] if holder else []):
        return False
    for edge in before:
        edge.evidence["withdrawn"] = True
        put_edge(work, edge)
    if holder is not None:
        id = digest_key(REPLACED_BY, own.id, holder.id, WEALD)
        known = next(iter(edges_by_id(work.tx, [id])), None)
        edge = known or Edge(id, REPLACED_BY, own.id, holder.id, own.number, holder.number, WEALD, work.cause.reference, ALWAYS, closed=ALWAYS)
        edge.evidence.update(order=[ALWAYS, "", 0, "", "", 0], withdrawn=False)
        put_edge(work, edge)
    return True
