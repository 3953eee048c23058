"""The command ``weald`` as a shell runs it, in this process."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from app import cli


class Ran(NamedTuple):
    code: int
    out: str
    err: str


def run(capsys, *arguments):
    """Exit code, standard output and standard error of ``weald`` with these arguments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["weald", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    said = capsys.readouterr()
    code = ended.value.code
    return Ran(code if isinstance(code, int) else int(bool(code)), said.out, said.err)
