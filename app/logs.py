"""How the processes of ``weald serve`` log: a line of JSON each, or, on a terminal, a line to be read."""

from __future__ import annotations

import sys

import structlog


def configure_logs() -> None:
    """Set the form of log lines by where standard output goes. Times are UTC."""
    last: structlog.typing.Processor = structlog.dev.ConsoleRenderer() if sys.stdout.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"), last],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout), cache_logger_on_first_use=True,
    )  # fmt: skip
