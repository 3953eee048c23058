"""search (FHIR R4 search.html): a page of a searchset, joined from stored bytes.

Page links pin the commit of page one. Chains are answered as of that commit; who belongs to a person is asked
anew for each page, so that a study whose link is gone meanwhile is left out of the pages still to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response

from app.errors import NotSupported, PageForged
from app.search.criteria import Query
from app.search.params import COMPARTMENT
from app.search.parse import Parser, Search
from app.search.views import as_seen
from app.store.contract import Hits, Snapshot, StoredResource
from app.web import bundles
from app.web.answers import fhir_response, pretty
from app.web.door import Exchange
from app.web.includes import included
from app.web.outcomes import issue, outcome
from app.web.paging import Page, Pages
from app.web.reach import MAX_REPLACED, Resolver, subject_of
from app.web.read import body_of, check_type
from app.web.withheld import still_shown

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Walk:
    """Which page is asked: the parameters, handling and instant of page one, and where this page begins."""

    asked: tuple[tuple[str, str], ...]
    lenient: bool
    begun: int
    page: Page | None = None


def search(exchange: Exchange, pages: Pages, type_: str, pairs: Pairs) -> Response:
    """GET Type?… or POST Type/_search: the page asked for."""
    check_type(type_)
    walk = _walk(exchange, pages, type_, pairs)
    settings = exchange.services.settings
    asked = Parser(exchange.base, settings.canonical_base, walk.begun, walk.lenient).search(type_, walk.asked)
    with exchange.services.store.snapshot(exchange.principal) as snapshot:
        body = Answer(exchange, pages, asked, walk, snapshot).body()
    headers = (("Preference-Applied", "handling=lenient"),) if exchange.lenient else ()
    return fhir_response(pretty(body) if ("_pretty", "true") in pairs else body, 200, headers)


def compartment(exchange: Exchange, pages: Pages, id_: str, type_: str, pairs: Pairs) -> Response:
    """GET Patient/id/Type?…: the same as ``patient=``."""
    check_type(type_)
    if type_ not in COMPARTMENT:
        raise NotSupported(f"The Patient compartment holds {', '.join(COMPARTMENT)} here.")
    if any(name == "_page" for name, _ in pairs):
        return search(exchange, pages, type_, pairs)
    return search(exchange, pages, type_, [("patient", f"Patient/{id_}"), *pairs])


def _walk(exchange: Exchange, pages: Pages, type_: str, pairs: Pairs) -> Walk:
    now = exchange.now
    tokens = [value for name, value in pairs if name == "_page"]
    if not tokens:
        return Walk(tuple(pairs), exchange.lenient, now)
    if len([name for name, _ in pairs if name not in ("_format", "_pretty")]) > 1:
        raise PageForged("A page link takes no other parameter.")
    page = pages.open(tokens[0], exchange.principal, type_, now)
    return Walk(page.asked, page.lenient, page.begun, page)


@dataclass(slots=True)
class Answer:
    """One page in the making."""

    exchange: Exchange
    pages: Pages
    asked: Search
    walk: Walk
    snapshot: Snapshot

    def body(self) -> bytes:
        """The Bundle."""
        page = self.walk.page
        controls = self.asked.controls
        resolver = Resolver(self.exchange.services, self.snapshot, controls, page.commit if page else None)
        hits = self._hits(resolver)
        total = page.total if page else hits.total
        found = [] if controls.summary == "count" else [*self._matches(resolver, hits), *self._includes(resolver, hits)]
        entries = [*found, *self._outcomes(resolver)]
        return bundles.bundle("searchset", self._links(hits, total), entries, None if controls.total == "none" else total)

    def _hits(self, resolver: Resolver) -> Hits:
        page, controls = self.walk.page, self.asked.controls
        criterion = resolver.criterion(self.asked.terms)
        if self.asked.follows_replaced:
            criterion = resolver.with_survivors(criterion, self.asked.terms)
        if criterion is None:
            return Hits((), None, 0, self.snapshot.commit)
        only_count = controls.summary == "count"
        return self.snapshot.search(
            Query(
                self.asked.type, as_seen(self.asked.type, criterion, self.snapshot.principal), controls.sort, 0 if only_count else controls.count,
                after=page.after if page else None, at=page.commit if page else None,
                total=page is None and (only_count or controls.total != "none"), summary=controls.summary == "true",
            )
        )

    def _matches(self, resolver: Resolver, hits: Hits) -> list[bytes]:
        base, controls = self.exchange.base.encode(), self.asked.controls
        kind = "elements" if controls.elements else controls.summary
        return [
            bundles.search_entry(base, match, body_of(match, kind, controls.elements), self._mode(resolver, match)) for match in self._shown(hits.matches)
        ]

    def _shown(self, found: Sequence[StoredResource]) -> Sequence[StoredResource]:
        """What of a page is sent: of one that was pinned before no patient that is restricted now."""
        return found if self.walk.page is None else still_shown(self.snapshot, found)

    def _mode(self, resolver: Resolver, match: StoredResource) -> bytes:
        if match.type != "ImagingStudy" or not resolver.reached:
            return bundles.MATCH
        reached = resolver.reached.get(subject_of(match) or "")
        return bundles.linked_match(self.exchange.services.settings.canonical_base, reached) if reached else bundles.MATCH

    def _includes(self, resolver: Resolver, hits: Hits) -> list[bytes]:
        controls = self.asked.controls
        if not (controls.includes or controls.reverse_includes):
            return []
        base = self.exchange.base.encode()
        kind = controls.summary if controls.summary in ("true", "data", "text") else "false"
        return [
            bundles.search_entry(base, stored, body_of(stored, kind), bundles.INCLUDE) for stored in self._shown(included(resolver, self._shown(hits.matches)))
        ]

    def _outcomes(self, resolver: Resolver) -> list[bytes]:
        issues: list[dict[str, Any]] = [issue("warning", "not-supported", text) for text in self.asked.ignored]
        if resolver.below_floor and self.walk.page is None:
            text = f"{resolver.below_floor} more record(s) may be this person's, linked below the grade asked; -min-grade lowers it."
            issues.append(issue("information", "informational", text))
        if resolver.survivors_cut:
            text = f"Over {MAX_REPLACED} records found were replaced; the survivors of the others are not added. Ask for fewer."
            issues.append(issue("warning", "incomplete", text))
        return [bundles.outcome_entry(outcome(*issues))] if issues else []

    def _links(self, hits: Hits, total: int | None) -> list[tuple[str, str]]:
        base, type_ = self.exchange.base, self.asked.type
        first = bundles.url(base, type_, self.asked.applied)
        links = [("self", first)]
        if hits.after is not None and hits.matches:
            page = self.walk.page
            place = Page(self.walk.asked, self.walk.lenient, self.walk.begun, page.commit if page else hits.commit, hits.after, total)
            links.append(("next", f"{base}/{type_}?_page={self.pages.seal(place, self.exchange.principal, type_)}"))
        return links
