"""The loader: files, folders, zips and DICOMDIRs through the same doors as the feeds (design.md, ``weald load``)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson

from app.errors import BadRequest, InvalidOutcome, SettingsError, TooLarge
from app.ingest import adt, dicom, reading
from app.ingest.again import finish_pending
from app.ingest.content import Kind, datasets_from_json, messages_from_hl7
from app.ingest.files import DAMAGED, FileLimits, Found, Item, Refused, central_directory, walk
from app.ingest.letters import keep
from app.principal import Principal
from app.services import Services
from app.store.contract import Change, Failed, Transaction
from mappers.context import Source
from mappers.dicom.dataset import read_header
from mappers.dicom.dicom_json import facts_from_json
from mappers.dicom.errors import DicomRejected
from mappers.dicom.facts import InstanceFacts, facts_from_header

INSTANCES_A_COMMIT = 2000
MESSAGES_A_COMMIT = 256
BYTES_A_COMMIT = 16 * 1024 * 1024
_READ = 1 << 20

Opens = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Rejection:
    """One thing that was not loaded, and why."""

    name: str
    reason: str


@dataclass(slots=True)
class Report:
    """What a load came to: counts of instances and messages, and a line a rejection."""

    accepted: int = 0
    unchanged: int = 0
    rejected: list[Rejection] = field(default_factory=list)
    studies: set[str] = field(default_factory=set)


def count(paths: Sequence[Path]) -> int:
    """How many files there are to read, the members of zips counted: for a progress bar."""
    return sum(_count_one(path) for path in paths)


def _count_one(path: Path) -> int:
    """About how many things a path holds; what cannot be read counts as one."""
    try:
        if path.is_dir():
            return sum(_count_one(Path(folder, name)) for folder, _, names in os.walk(path) for name in names)
        return min(max(1, central_directory(path).entries), FileLimits().entries) if path.suffix.lower() == ".zip" else 1
    except OSError:
        return 1


class Loader:
    """Loads what ``walk`` finds, in commits of many. What is rejected it keeps as dead letters, unless it ``keeps`` none."""

    def __init__(self, services: Services, principal: Principal, source: str | None = None, *, keeps: bool = True) -> None:
        self.report = Report()
        self._keeps = keeps
        self._services = services
        self._principal = principal
        self._source = self._named(source) if source else None
        self._instances: list[tuple[str, InstanceFacts, Opens | None]] = []
        self._messages: list[tuple[str, bytes]] = []
        self._bytes = 0
        self._contexts = services.sources.contexts()
        self._came = services.now()

    def _named(self, code: str) -> Source:
        found = self._services.sources.archive(code)
        if found is None:
            known = ", ".join(sorted(self._services.settings.archives))
            raise SettingsError(f"--source {code} is no archive of the settings; allowed: {known}")
        return found

    def load(self, paths: Sequence[Path], progress: Callable[[], None] = lambda: None) -> Report:
        """Load everything under the paths; ``progress`` is called once a thing found."""
        return self.load_items(walk(paths, FileLimits()), progress)

    def load_items(self, items: Iterable[Found], progress: Callable[[], None] = lambda: None) -> Report:
        """Load what was found."""
        for found in items:
            if isinstance(found, Refused):
                self._reject(found.name, found.text, found.open)
            else:
                self._take(found)
            progress()
        self._flush_instances()
        self._flush_messages()
        with suppress(InvalidOutcome):  # what cannot be matched waits for the slow lane, which logs it; the report is of what was loaded
            finish_pending(self._services, self._principal)
        return self.report

    def _take(self, item: Item) -> None:
        try:
            if item.kind is Kind.HL7:
                self._flush_instances()
                self._take_messages(item)
            elif item.kind in (Kind.DICOM, Kind.DICOM_JSON):
                self._flush_messages()
                self._take_instances(item)
            else:
                self._reject(item.name, "FHIR resources are not loaded from files by this version", item.open)
        except (BadRequest, TooLarge) as error:
            self._reject(item.name, error.text, item.open)
        except DAMAGED as error:
            self._reject(item.name, f"it cannot be read ({type(error).__name__})", item.open)

    def _take_messages(self, item: Item) -> None:
        with item.open() as stream:
            for number, raw in enumerate(messages_from_hl7(stream), 1):
                self._messages.append((f"{item.name} message {number}", raw))
                self._bytes += len(raw)
                if len(self._messages) >= MESSAGES_A_COMMIT or self._bytes >= BYTES_A_COMMIT:
                    self._flush_messages()

    def _take_instances(self, item: Item) -> None:
        if item.kind is Kind.DICOM_JSON:
            context = self._contexts[self._archive(None).code]
            with item.open() as stream:
                for number, dataset in enumerate(datasets_from_json(stream), 1):
                    self._take_instance(f"{item.name} data set {number}", partial(facts_from_json, dataset, context), partial(_as_bytes, dataset))
        else:
            self._take_instance(item.name, partial(self._from_file, item), item.open, still_open=item.open)

    def _take_instance(self, name: str, read: Callable[[], InstanceFacts], opens: Opens, still_open: Opens | None = None) -> None:
        """Read one instance; one that cannot be read fails alone."""
        try:
            self._instances.append((name, read(), still_open))
        except DicomRejected as error:
            self._reject(name, error.text, opens)
        if len(self._instances) >= INSTANCES_A_COMMIT:
            self._flush_instances()

    def _from_file(self, item: Item) -> InstanceFacts:
        if item.header is not None:
            header = item.header
        else:
            with item.open() as stream:
                header = read_header(stream)
        return facts_from_header(header, self._contexts[self._archive(header.source_ae_title).code])

    def _archive(self, title: str | None) -> Source:
        """The archive that --source names, else that of the Source AE title, else the default source (design.md). BadRequest without any."""
        sources = self._services.sources
        found = self._source or (sources.archive_of_ae_title(title) if title else None) or sources.default_archive
        if found is None:
            raise BadRequest("its archive is not known, and the settings name no default_source; say --source CODE")
        return found

    def _flush_instances(self) -> None:
        held, self._instances = self._instances, []
        if not held:
            return
        studies = dicom.by_study(facts for _, facts, _ in held)
        results = dicom.receive(self._services, [facts for _, facts, _ in held], self._principal, self._came)
        for uid, result in zip(sorted(studies), results, strict=True):
            if isinstance(result, Failed):
                for name, facts, opens in held:
                    if facts.study_uid == uid:
                        self._reject(name, result.error.text, opens, facts)
            else:
                self.report.accepted += result.accepted
                self.report.unchanged += result.unchanged
                self.report.studies.add(uid)

    def _flush_messages(self) -> None:
        held, self._messages, self._bytes = self._messages, [], 0
        if not held:
            return
        apply = adt.apply_group if self._keeps else adt.apply_only
        answers = apply(self._services, [reading.read(self._services, raw, on_host=True) for _, raw in held], self._principal)
        for (name, _), answer in zip(held, answers, strict=True):
            if answer.error is not None:
                self.report.rejected.append(Rejection(name, f"{answer.code} {answer.error.hl7_code}: {answer.error.text}"))
            elif answer.repeated:
                self.report.unchanged += 1
            else:
                self.report.accepted += 1

    def _reject(self, name: str, reason: str, opens: Opens | None, facts: InstanceFacts | None = None) -> None:
        """Report the thing and keep its bytes, as far as they can be had; where they cannot, what was understood of it."""
        self.report.rejected.append(Rejection(name, reason))
        if self._keeps:
            kept = _kept(opens, self._services.settings.load.kept_size)
            if facts is not None and not kept.content:
                kept = _Kept(orjson.dumps(facts.as_json()), kept.size, kept.sha256, whole=False)
            self._services.store.apply(self._principal, [_quarantine(name, reason, kept, self._source.code if self._source else "")])


def _as_bytes(dataset: object) -> BinaryIO:
    return BytesIO(orjson.dumps(dataset))


class _Kept(NamedTuple):
    """What could be had of something rejected: its bytes as far as they are kept, and the size and digest of what was read."""

    content: bytes
    size: int
    sha256: str
    whole: bool


def _kept(opens: Opens | None, limit: int) -> _Kept:
    content, size, digest, whole = bytearray(), 0, hashlib.sha256(), opens is not None
    try:
        if opens is not None:
            with opens() as stream:
                while part := stream.read(_READ):
                    digest.update(part)
                    size += len(part)
                    content += part[: limit - len(content)]
    except (*DAMAGED, ValueError):
        whole = False  # damaged, gone, or of an archive that is closed by now
    return _Kept(bytes(content), size, digest.hexdigest(), whole and size == len(content))


def _quarantine(name: str, reason: str, kept: _Kept, source: str) -> Change[None]:
    """The change that keeps a rejected file; one that is kept already, as of a load each night, stays one."""
    digest = hashlib.sha256(f"{name}\n{reason}\n{kept.sha256}".encode()).hexdigest()

    def change(tx: Transaction) -> None:
        keep(tx, kept.content, {
            "source": source, "received": tx.now, "kind": "file", "name": name, "reason": reason, "sha256": kept.sha256, "size": kept.size,
            "whole": kept.whole, "digest": [digest],
        })  # fmt: skip

    return change
