"""The configured senders as the mappers know them, and which of them sent what has arrived."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Self

from app.settings_model import Archive, Feed, Settings
from mappers.context import Authority, MappingContext, Source
from mappers.hl7v2.er7 import ADT_LIMITS, Limits, head


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Who a TLS peer is: the SHA-256 fingerprint (hex) and the subject alternative names, lower case."""

    fingerprint: str
    names: frozenset[str] = frozenset()

    def matches(self, configured: str) -> bool:
        """Whether a setting names this certificate, by fingerprint (colons allowed) or subject alternative name."""
        wanted = configured.lower()
        return wanted in self.names or wanted.replace(":", "") == self.fingerprint


def authorities(settings: Settings) -> dict[str, Authority]:
    """Each configured assigning authority by its code."""
    return {
        code: Authority(code, one.system, one.type, one.owner)
        for code, one in settings.authorities.items()
    }  # fmt: skip


def mapping_sources(settings: Settings) -> dict[str, Source]:
    """Each configured feed and archive by its code, as the mappers take it."""
    known = authorities(settings)
    shared = {name.upper(): known[code] for code, one in settings.authorities.items() for name in one.namespaces}
    found = {code: _source_from_feed(code, one, known, shared) for code, one in settings.sources.items()}
    base = settings.canonical_base
    return found | {code: _source_from_archive(code, one, known, shared, base) for code, one in settings.archives.items()}


def _named(own: Mapping[str, str], known: Mapping[str, Authority], shared: Mapping[str, Authority]) -> dict[str, Authority]:
    return {**shared, **{name.upper(): known[code] for name, code in own.items()}}


def _source_from_feed(code: str, feed: Feed, known: Mapping[str, Authority], shared: Mapping[str, Authority]) -> Source:
    maps: dict[str, dict[str, tuple[str, str, str]]] = {
        field: {sent.upper(): (one.system, one.code, one.display) for sent, one in codes.items()} for field, codes in feed.code_maps.items()
    }
    return Source(
        code,
        feed.organisation,
        authorities=_named(feed.authorities, known, shared),
        default_authority=known[feed.default_authority] if feed.default_authority else None,
        type_synonyms={sent.upper(): type_code for sent, type_code in feed.type_synonyms.items()},
        pairing=feed.pairing,
        charset=feed.charset,
        time_zone=feed.time_zone,
        rank=feed.rank,
        unpaired_retire=feed.unpaired == "retire",
        snapshot_add=frozenset(feed.snapshot_add),
        store_only=frozenset(trigger.upper() for trigger in feed.store_only),
        code_maps=maps,
        death_dispositions=frozenset(feed.death_dispositions),
        death_time_from_discharge=feed.death_time_from_discharge,
        tolerate_utf8=feed.tolerate_utf8,
    )


def _source_from_archive(code: str, archive: Archive, known: Mapping[str, Authority], shared: Mapping[str, Authority], base: str) -> Source:
    return Source(
        code,
        archive.organisation,
        authorities=_named(archive.authorities, known, shared),
        default_authority=known[archive.default_authority] if archive.default_authority else None,
        charset=archive.charset,
        time_zone=archive.time_zone,
        rank=archive.rank,
        accession_system=archive.accession_system or f"{base}/Id/{archive.organisation}/accession",
        study_id_system=archive.study_id_system,
        wado_base=archive.dicomweb_base,
        restores_quality=archive.restores_quality,
    )


class SourceRegistry:
    """Finds the Source of a message, a file or an association. Immutable; threads may share it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sources = mapping_sources(settings)
        self._certified = settings.mode == "production"
        self._feeds = sorted(settings.sources.items(), key=_precision)
        self._titles = {title: code for code, one in settings.archives.items() for title in one.ae_titles}
        blank = {code: MappingContext(source, "", settings.canonical_base, settings.admit_test_numbers) for code, source in self._sources.items()}
        self._contexts: Mapping[str, MappingContext] = blank

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The registry of these settings."""
        return cls(settings)

    @property
    def organisations(self) -> Mapping[str, str]:
        """Name of each organisation by ODS code."""
        return {ods: one.name for ods, one in self._settings.organisations.items()}

    def by_code(self, code: str) -> Source | None:
        """The feed or archive of that code."""
        return self._sources.get(code)

    def feed(self, msh3: str, msh4: str, certificate: ClientCertificate | None = None, *, on_host: bool = False) -> Source | None:
        """The feed that the namespaces of MSH-3 and MSH-4 name; where several patterns fit, that with the fewest wildcards.

        In production the client certificate must be one of that feed's: MSH text alone never identifies a
        sender (hl7v2.md 6, Security). ``on_host`` where an operator of this host loads a file: the host has let him in.
        """
        application, facility = (field.partition("^")[0].strip().upper() for field in (msh3, msh4))
        for code, feed in self._feeds:
            if fnmatchcase(application, feed.msh3.upper()) and fnmatchcase(facility, feed.msh4.upper()):
                allowed = on_host or not self._certified or _certifies(feed, certificate)
                return self._sources[code] if allowed else None
        return None

    def sender_code(self, message: bytes, certificate: ClientCertificate | None = None) -> str:
        """The code of the feed that sent ``message``, by its MSH alone; "" where no feed of that name may send."""
        header = head(message)
        source = self.feed(header.component(3), header.component(4), certificate)
        return source.code if source else ""

    def archive(self, code: str) -> Source | None:
        """The archive of that code."""
        return self._sources[code] if code in self._settings.archives else None

    def archive_of_ae_title(self, title: str) -> Source | None:
        """The archive that calls itself so; AE titles are compared without the spaces around them (PS3.5 6.2)."""
        code = self._titles.get(title.strip())
        return self._sources[code] if code else None

    @property
    def default_archive(self) -> Source | None:
        """The archive of DICOM files that name none."""
        code = self._settings.default_source
        return self._sources[code] if code else None

    def context(self, source: Source, received_at: str) -> MappingContext:
        """The MappingContext of what ``source`` sent, received at that instant."""
        return replace(self._contexts[source.code], received_at=received_at)

    def contexts(self) -> Mapping[str, MappingContext]:
        """A MappingContext a source, by code, for maps that need no time of receipt."""
        return self._contexts

    def limits(self, code: str) -> Limits:
        """The largest message of a feed (hl7v2.md 6, Limits)."""
        feed = self._settings.sources.get(code)
        return Limits(feed.limits.size, feed.limits.segments, feed.limits.repeats) if feed else ADT_LIMITS

    def answer(self, code: str, acknowledgement: str) -> str:
        """The acknowledgement code that this feed is to see for AE or AR (hl7v2.md 6, Acknowledgement)."""
        feed = self._settings.sources.get(code)
        mapped = {refusal: answer for refusal, answer in feed.acknowledgements.items() if refusal == acknowledgement} if feed else {}
        return next(iter(mapped.values()), acknowledgement)


def _precision(entry: tuple[str, Feed]) -> tuple[int, int, str]:
    code, feed = entry
    pattern = feed.msh3 + feed.msh4
    return sum(character in "*?[" for character in pattern), -len(pattern), code


def _certifies(feed: Feed, certificate: ClientCertificate | None) -> bool:
    return certificate is not None and any(certificate.matches(one) for one in feed.certificates)
