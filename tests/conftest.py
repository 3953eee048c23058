"""What holds for every test."""

import os

import pytest
from hypothesis import HealthCheck, settings

from app.ingest.limits import unlimited

settings.register_profile("weald", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("weald")
"""No deadline: a shared machine is slow at times, and time is the benchmarks' business."""

os.environ.setdefault("WEALD_MATCHING__LIMIT_MS", "600000")
"""Nor for the servers that tests start."""


@pytest.fixture(autouse=True, scope="session")
def no_limit_on_matching():
    """For the same reason no matching stops early, but where a test has its own clock (tests/flow/test_limits.py)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.ingest.linking.limit", lambda services: unlimited)
        yield
