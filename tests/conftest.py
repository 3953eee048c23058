"""What holds for every test."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("weald", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ)
settings.load_profile("weald")
"""No deadline: a shared machine is slow at times, and time is the benchmarks' business. CI draws the same examples each time."""
