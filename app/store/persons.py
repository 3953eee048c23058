"""Who belongs together, read from the stored persons: what a search by patient reaches (fhir.md 3, Expansion)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson

from app.search.reach import Reach, Reached, ViaLink
from app.store.contract import PERSON, RECORD, Snapshot

FLOORS = ("certain", "probable", "possible")
_LONGEST_REDIRECT = 100

Document = Mapping[str, Any]


def person_members(snapshot: Snapshot, patient_ids: Sequence[str], floor: str) -> Reach:
    """The source patients of the persons that these patients, source or golden, belong to, and how many more stand just below the floor.

    A named source patient is always among them, with ``via`` None; the others only where the caller may see their trust.
    """
    named = {id: orjson.loads(body.partition(b"\n")[0])["person"] for id, body in snapshot.get_many(RECORD, patient_ids).items()}
    golden = [id for id in patient_ids if id not in named]
    persons = _living(snapshot, [*named.values(), *golden])
    found = {id: Reached(id, person) for id, person in named.items()}
    below: set[str] = set()
    wanted = FLOORS.index(floor)
    others = _by_grade(snapshot, persons)
    for document, grade, member in others:
        if member in found or not snapshot.principal.sees(document["organisations"][member]):
            continue
        if FLOORS.index(grade) <= wanted:
            found[member] = Reached(member, document["id"], ViaLink(grade, document["linkage"], _decided_by(document, member)))
        elif FLOORS.index(grade) == wanted + 1:
            below.add(member)
    return Reach(tuple(found.values()), len(below - set(found)))


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


def _by_grade(snapshot: Snapshot, persons: Sequence[Document]) -> Iterator[tuple[Document, str, str]]:
    """(person, grade, member), certain members first."""
    for document in persons:
        yield from ((document, FLOORS[0], member) for member in document["members"])
    for grade in FLOORS[1:]:
        for document in persons:
            for near in _living(snapshot, document["near"].get(grade, ())):
                yield from ((near, grade, member) for member in near["members"])


def _decided_by(document: Document, member: str) -> str:
    """Who or what holds the member in its person: the rule or asserter, and the message."""
    decided = document["decided"].get(member)
    return f"{decided['by']} {decided['cause']}" if decided else "weald"
