"""The loader: files, folders, zips and DICOMDIRs through the same doors as the feeds (design.md, ``weald load``)."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import orjson

from app.errors import BadRequest, SettingsError, TooLarge
from app.ingest import adt, dicom
from app.ingest.content import Kind, datasets_from_json, messages_from_hl7
from app.ingest.files import FileLimits, Item, Refused, walk
from app.principal import Principal
from app.services import Services
from app.store.contract import DEAD_LETTER, Change, Failed, Transaction
from mappers.context import Source
from mappers.dicom.dataset import read_header
from mappers.dicom.dicom_json import facts_from_json
from mappers.dicom.errors import DicomRejected
from mappers.dicom.facts import InstanceFacts, facts_from_header

INSTANCES_A_COMMIT = 2000
MESSAGES_A_COMMIT = 256
QUARANTINED = 4096
"""Bytes kept of a rejected file (imaging.md 4)."""


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
    if path.is_dir():
        return sum(_count_one(child) for child in path.rglob("*") if child.is_file())
    if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return len(archive.infolist())
    return 1


class Loader:
    """Loads what ``walk`` finds, in commits of many; ``finish`` makes the last of it durable."""

    def __init__(self, services: Services, principal: Principal, source: str | None = None) -> None:
        self.report = Report()
        self._services = services
        self._principal = principal
        self._source = self._named(source) if source else None
        self._instances: list[tuple[str, InstanceFacts]] = []
        self._messages: list[tuple[str, bytes]] = []
        self._contexts = services.sources.contexts()

    def _named(self, code: str) -> Source:
        found = self._services.sources.archive(code)
        if found is None:
            known = ", ".join(sorted(self._services.settings.archives))
            raise SettingsError(f"--source {code} is no archive of the settings; allowed: {known}")
        return found

    def load(self, paths: Sequence[Path], progress: Callable[[], None] = lambda: None) -> Report:
        """Load everything under the paths; ``progress`` is called once a thing found."""
        for found in walk(paths, FileLimits()):
            if isinstance(found, Refused):
                self._reject(found.name, found.text, b"")
            else:
                self._take(found)
            progress()
        self._flush_instances()
        self._flush_messages()
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
                self._reject(item.name, "FHIR resources are not loaded from files by this version", b"")
        except (BadRequest, TooLarge) as error:
            self._reject(item.name, error.text, b"")
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            self._reject(item.name, f"it cannot be read ({type(error).__name__})", b"")

    def _take_messages(self, item: Item) -> None:
        with item.open() as stream:
            for number, raw in enumerate(messages_from_hl7(stream), 1):
                self._messages.append((f"{item.name} message {number}", raw))
                if len(self._messages) >= MESSAGES_A_COMMIT:
                    self._flush_messages()

    def _take_instances(self, item: Item) -> None:
        if item.kind is Kind.DICOM_JSON:
            context = self._contexts[self._archive(None).code]
            with item.open() as stream:
                for number, dataset in enumerate(datasets_from_json(stream), 1):
                    self._take_instance(f"{item.name} data set {number}", partial(facts_from_json, dataset, context), bytes)
        else:
            self._take_instance(item.name, partial(self._from_file, item), partial(_head, item))

    def _take_instance(self, name: str, read: Callable[[], InstanceFacts], head: Callable[[], bytes]) -> None:
        """Read one instance; one that cannot be read fails alone."""
        try:
            self._instances.append((name, read()))
        except DicomRejected as error:
            self._reject(name, error.text, head())
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
        studies = dicom.by_study(facts for _, facts in held)
        names = {uid: [name for name, facts in held if facts.study_uid == uid] for uid in studies} if len(studies) < len(held) else {}
        results = dicom.receive(self._services, [facts for _, facts in held], self._principal)
        for uid, result in zip(sorted(studies), results, strict=True):
            if isinstance(result, Failed):
                for name in names.get(uid) or [name for name, facts in held if facts.study_uid == uid]:
                    self._reject(name, result.error.text, b"")
            else:
                self.report.accepted += result.accepted
                self.report.unchanged += result.unchanged
                self.report.studies.add(uid)

    def _flush_messages(self) -> None:
        held, self._messages = self._messages, []
        if not held:
            return
        answers = adt.apply_group(self._services, [adt.read(self._services, raw, on_host=True) for _, raw in held], self._principal)
        for (name, _), answer in zip(held, answers, strict=True):
            if answer.error is not None:
                self.report.rejected.append(Rejection(name, f"{answer.code} {answer.error.hl7_code}: {answer.error.text}"))
            elif answer.repeated:
                self.report.unchanged += 1
            else:
                self.report.accepted += 1

    def _reject(self, name: str, reason: str, head: bytes) -> None:
        """Report the thing and keep what is needed to look at it again."""
        self.report.rejected.append(Rejection(name, reason))
        self._services.store.apply(self._principal, [_quarantine(name, reason, head, self._source.code if self._source else "")])


def _head(item: Item) -> bytes:
    """The beginning of a rejected file."""
    if item.header is not None:
        return b""
    with item.open() as stream:
        return stream.read(QUARANTINED)


def _quarantine(name: str, reason: str, head: bytes, source: str) -> Change[None]:
    def change(tx: Transaction) -> None:
        number = tx.next_number("dead-letter")
        about = {"number": number, "source": source, "received": tx.now, "kind": "file", "name": name, "reason": reason, "sha256": hashlib.sha256(head).hexdigest(), "state": "open"}
        tx.put(DEAD_LETTER, f"{number:016d}", orjson.dumps(about) + b"\n" + head, {"state": ["open"]})

    return change
