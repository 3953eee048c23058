"""Log lines: JSON for machines, lines to be read on a terminal."""

import io
import json
import sys

import pytest
import structlog

from app.logs import configure_logs


@pytest.fixture(autouse=True)
def put_back():
    before = structlog.get_config()
    yield
    structlog.configure(**before)


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self._terminal = terminal

    def isatty(self):
        return self._terminal


@pytest.fixture
def logged(monkeypatch):
    def log(*, terminal):
        stream = Stream(terminal)
        monkeypatch.setattr(sys, "stdout", stream)
        configure_logs()
        structlog.get_logger("weald.test").warning("mllp.dropped", reason="memory")
        return stream.getvalue()

    return log


def test_a_line_that_goes_to_no_terminal_is_json(logged):
    line = json.loads(logged(terminal=False))
    assert line.pop("time").endswith("Z")
    assert line == {"event": "mllp.dropped", "reason": "memory", "level": "warning"}


def test_on_a_terminal_it_is_to_be_read(logged):
    line = logged(terminal=True)
    assert "mllp.dropped" in line
    with pytest.raises(json.JSONDecodeError):
        json.loads(line)
