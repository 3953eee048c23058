"""Who belongs together, read from the stored persons: what a search by patient reaches (fhir.md 3, Expansion).

A record that the caller may not see is as one that does not exist: it is not named, not reached, and links nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from app.search.reach import Reach, Reached, ViaLink
from app.store.contract import EDGE, PERSON, RECORD, Snapshot

FLOORS = ("certain", "probable", "possible")
STRENGTH = {"replaced-by": 0, "link": 1, "number": 2, "match": 3}
"""The kinds of edge that hold a person together, the strongest first."""
_LONGEST_REDIRECT = 100

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Near:
    """A record that may be reached: by which grade, in which person, and who decided that it is of it."""

    record: str
    grade: int
    person: Document
    decided: Document


def person_members(snapshot: Snapshot, patient_ids: Sequence[str], floor: str) -> Reach:
    """The source patients of the persons that these patients, source or golden, belong to, and how many more stand just below the floor.

    A named source patient is always among them, with ``via`` None. Of what the caller may not see nothing is reached, named or not.
    """
    heads = {id: orjson.loads(body.partition(b"\n")[0]) for id, body in snapshot.get_many(RECORD, patient_ids).items()}
    named = {id: head["person"] for id, head in heads.items() if snapshot.principal.sees(head["organisation"])}
    golden = _golden(snapshot, [id for id in patient_ids if id not in heads])
    found = {id: Reached(id, person) for id, person in named.items()}
    below: set[str] = set()
    wanted = FLOORS.index(floor)
    for near in _near(snapshot, _living(snapshot, [*named.values(), *(document["id"] for document in golden)]), [*named, *_members(golden)]):
        if near.record in found:
            continue
        if near.grade <= wanted:
            via = ViaLink(FLOORS[near.grade], near.person["linkage"], _decided_by(near.decided))
            found[near.record] = Reached(near.record, near.person["id"], via)
        elif near.grade == wanted + 1:
            below.add(near.record)
    return Reach(tuple(found.values()), len(below - set(found)))


def _golden(snapshot: Snapshot, ids: Sequence[str]) -> list[Document]:
    """The persons that these ids of golden patients stand for; none for an id whose golden patient the caller may not see."""
    if snapshot.principal.organisations is None:
        return _living(snapshot, ids)
    return [document for document in _living(snapshot, sorted(snapshot.resources("Patient", ids))) if not _hides(snapshot, document)]


def _members(documents: Iterable[Document]) -> list[str]:
    return [member for document in documents for member in document["members"]]


def _hides(snapshot: Snapshot, document: Document) -> bool:
    """Whether the person has a record that the caller may not see."""
    return not all(map(snapshot.principal.sees, document["organisations"].values()))


def _living(snapshot: Snapshot, ids: Iterable[str]) -> list[Document]:
    """The documents of the persons that these ids, perhaps retired, stand for."""
    found: dict[str, Document] = {}
    ahead = set(ids)
    for _ in range(_LONGEST_REDIRECT):
        if not ahead:
            break
        documents = [orjson.loads(body) for body in snapshot.get_many(PERSON, sorted(ahead)).values()]
        found.update({document["id"]: document for document in documents if document["members"]})
        ahead = {document["successor"] for document in documents if not document["members"] and "successor" in document} - found.keys()
    return [found[id] for id in sorted(found)]


def _near(snapshot: Snapshot, persons: Sequence[Document], named: Sequence[str]) -> Iterator[_Near]:
    """The records that may be reached, by grade; where some are hidden, those that are without them."""
    found = [_Near(member, grade, document, document["decided"].get(member, {})) for grade, document, member in _by_grade(snapshot, persons)]
    documents = {near.person["id"]: near.person for near in found}
    if not any(_hides(snapshot, document) for document in documents.values()):
        yield from found
        return
    seen = [near for near in found if snapshot.principal.sees(near.person["organisations"][near.record])]
    held = _held(snapshot, {near.record for near in seen}, named)
    for near in seen:
        grade, decided = held.get(near.record, (len(FLOORS), {}))
        if max(grade, near.grade) < len(FLOORS):
            yield _Near(near.record, max(grade, near.grade), near.person, decided)


def _by_grade(snapshot: Snapshot, persons: Sequence[Document]) -> Iterator[tuple[int, Document, str]]:
    """(grade, person, member), certain members first."""
    for document in persons:
        yield from ((0, document, member) for member in document["members"])
    for grade in range(1, len(FLOORS)):
        for document in persons:
            for near in _living(snapshot, document["near"].get(FLOORS[grade], ())):
                yield from ((grade, near, member) for member in near["members"])


def _held(snapshot: Snapshot, records: set[str], named: Iterable[str]) -> dict[str, tuple[int, Document]]:
    """The records that edges among ``records`` alone join to the named ones: by which grade, and the strongest edge at each."""
    edges = [orjson.loads(body) for _, body in snapshot.find(EDGE, "record", sorted(records))]
    inner = sorted((edge for edge in edges if edge["kind"] in STRENGTH and records.issuperset((edge["a"], edge["b"]))), key=_strength)
    joined = {record: (0, _strongest(inner, record)) for record in named if record in records}
    for grade in range(len(FLOORS)):
        strong = [edge for edge in inner if (edge["grade"] or FLOORS[0]) in FLOORS[: grade + 1]]
        while new := {other for edge in strong for one, other in _both_ways(edge) if one in joined and other not in joined}:
            joined.update((record, (grade, _strongest(strong, record))) for record in new)
    return joined


def _strength(edge: Document) -> tuple[int, float, str]:
    return STRENGTH[edge["kind"]], -(edge["weight"] or 0.0), edge["id"]


def _both_ways(edge: Document) -> tuple[tuple[str, str], tuple[str, str]]:
    return (edge["a"], edge["b"]), (edge["b"], edge["a"])


def _strongest(edges: Sequence[Document], record: str) -> Document:
    """Who holds the record in its person, as the person's own document tells it."""
    found = next((edge for edge in edges if record in (edge["a"], edge["b"])), None)
    return {"by": found["agent"], "cause": found["cause"]} if found else {}


def _decided_by(decided: Document) -> str:
    """The rule or asserter, and the message."""
    return f"{decided['by']} {decided['cause']}" if decided else "weald"
