"""Model files: the document, and beside it the frequency table that it names by hash (matching.md 5, Document)."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from app.errors import InvalidValue
from app.outputs import write_text
from matching.model import Model, UnusableModel, load

_SHOWN = 16


def frequencies_path(path: Path, digest: str) -> Path:
    """Where the frequency table of that SHA-256 lies for a model file: a new table never takes the place of one still named."""
    return path.with_name(f"frequencies-{digest[:_SHOWN]}.json")


def _named_table(document: bytes) -> str | None:
    """The SHA-256 of the frequency table that a document names; None where it names none, or is no document."""
    try:
        named = json.loads(document)["frequencies"]["sha256"]
    except (KeyError, TypeError, ValueError):
        return None
    return named if isinstance(named, str) else None


def read_file(path: Path) -> bytes:
    """The bytes of a file. InvalidValue where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidValue(f"{path} cannot be read: {error.strerror}.") from None


def read_model(path: Path) -> Model:
    """The model of a file and its frequency table. InvalidValue where either cannot be used."""
    document = read_file(path)
    digest = _named_table(document)
    frequencies = read_file(frequencies_path(path, digest)) if digest else None
    try:
        return load(document, frequencies)
    except UnusableModel as error:
        raise InvalidValue(f"{path}: {error}.") from None


def write_model(path: Path, document: bytes, frequencies: bytes | None) -> None:
    """Write a model file; its frequency table first, so that the document never names one that is not there."""
    if frequencies is not None:
        write_text(frequencies_path(path, sha256(frequencies).hexdigest()), frequencies.decode())
    write_text(path, document.decode())
