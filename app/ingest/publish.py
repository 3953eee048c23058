"""The end of a change: save its records, link them, and bring every resource that shows them up to date."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

import orjson

from app.ingest import linking, people, studies
from app.ingest.records import ALWAYS, Record
from app.ingest.resources import save_resource
from app.ingest.reviews import open_review
from app.ingest.succession import settle
from app.ingest.work import Work
from mappers.context import NHS_NUMBER
from mappers.source_patient import identifiers, source_patient, source_uri


def finish(work: Work) -> None:
    """End the change: merges and links first, since they move records between persons, then resources, records and studies."""
    settle(work)
    linking.update(work, _roots(work, [record for record in work.dirty.values() if record.id in work.shown or record.id in work.moved]))
    for record in _with_survivors(work):
        _publish(work, record)
    people.publish(work)
    studies.follow(work)
    for record in work.dirty.values():
        work.save(record)


def _roots(work: Work, records: Iterable[Record]) -> list[Record]:
    """The records that answer for the changed ones, each once, in the order of their numbers."""
    found = {root.id: root for root in (work.root(record) for record in records)}
    return sorted(found.values(), key=lambda record: record.number)


def _with_survivors(work: Work) -> list[Record]:
    """Changed records, and the survivors that show the identifiers of changed losers."""
    found = {record.id: record for record in work.dirty.values() if record.id in work.shown or record.id in work.moved}
    for record in list(found.values()):
        root = work.root(record)
        found[root.id] = root
    return sorted(found.values(), key=lambda record: record.number)


def _publish(work: Work, record: Record) -> None:
    """Save the source Patient where what it shows has changed.

    ``meta.source`` alone makes no version, and names what the record was told, not what merged it: undone, a merge leaves no trace.
    """
    settings = work.services.settings
    below = work.below(record) if record.active else []
    losers = work.records(record.merged)
    links = [_link(record.replaced_by, "replaced-by")] if record.replaced_by else []
    links += [_link(one.id, "replaces") for one in losers]
    resource = source_patient(
        record.state, id=record.id, organisation=record.organisation, canonical_base=settings.canonical_base,
        organisation_name=work.services.sources.organisations.get(record.organisation), links=links, active=record.active,
        former=[(held.fact, one.replaced) for one in below for held in one.state.identifiers() if one.replaced and one.replaced != ALWAYS],
    )
    content = sha256(orjson.dumps([resource, record.state.former_nhs_numbers()])).hexdigest()
    if content == record.content:
        return
    told = _told(resource, record)
    if told != record.told:
        record.told, record.source = told, [work.cause.agent, work.cause.message]
    resource["meta"]["source"] = source_uri(settings.canonical_base, (record.source[0], record.source[1]))
    former = record.state.former_nhs_numbers()
    if save_resource(work.tx, resource, record.organisation, tokens=[("identifier", NHS_NUMBER, number) for number in former]):
        work.event("patient-published", patient=record.id)
    if former:
        open_review(work, "nhs-number-changed", [record.id], "This record has had another NHS number before; the earlier one is no evidence.")
    record.content = content
    work.change(record)
    work.people.add(record.person)


def _told(resource: Mapping[str, Any], record: Record) -> str:
    """The key of what the Patient shows of the record itself, whatever it is merged with."""
    own = {key: value for key, value in resource.items() if key not in ("active", "link", "identifier")}
    return sha256(orjson.dumps([own, identifiers(record.state)])).hexdigest()


def _link(id: str, type: str) -> dict[str, Any]:
    return {"other": {"reference": f"Patient/{id}", "type": "Patient"}, "type": type}
