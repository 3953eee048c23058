"""What holds for every test."""

from hypothesis import HealthCheck, settings

settings.register_profile("weald", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("weald")
"""No deadline: a shared machine is slow at times, and time is the benchmarks' business."""
