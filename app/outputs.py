"""Files that a command writes: whole under their name, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, TextIO

from app.errors import InvalidValue

_MODE = 0o666


@contextmanager
def written_bytes(path: Path) -> Iterator[BinaryIO]:
    """A stream that becomes the file ``path`` when the block ends; a pipe or device is written to as it is. InvalidValue where it cannot be written."""
    if path.exists() and not path.is_file():
        with _opened(path) as stream:
            yield stream
        return
    path = path.resolve()
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InvalidValue(f"{path} cannot be written: {error.strerror}.") from None
    made = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        made.chmod(_MODE & ~_mask())
        made.replace(path)
    except OSError as error:
        raise InvalidValue(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        with suppress(FileNotFoundError):
            made.unlink()


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise InvalidValue(f"{path} cannot be written: {error.strerror}.") from None


@contextmanager
def written(path: Path) -> Iterator[TextIO]:
    """A text stream (UTF-8, line ends as given) that becomes the file ``path`` when the block ends. InvalidValue where it cannot be written."""
    with written_bytes(path) as stream:
        text = TextIOWrapper(stream, encoding="utf-8", newline="")
        yield text
        text.detach()


def check_apart(*, read: Iterable[Path | None], written: Mapping[str, Path | None]) -> None:
    """InvalidValue where a file to be ``written``, by the name of its option, is one that is ``read`` or another to be written, or has no folder."""
    taken = {path.resolve(): f"{path} is read by the same command" for path in read if path is not None}
    for option, path in written.items():
        if path is not None:
            if path.resolve() in taken:
                raise InvalidValue(f"{option}: {taken[path.resolve()]}; give another file.")
            if not path.resolve().parent.is_dir():
                raise InvalidValue(f"{option}: {path} cannot be written: its folder does not exist.")
            taken[path.resolve()] = f"{path} is written by {option} already"


def _mask() -> int:
    """The process's file mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write the file ``path``."""
    with written(path) as stream:
        stream.write(text)
