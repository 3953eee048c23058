"""Facts about the cast, and the stamps under which they are said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mappers.facts import CLASS_RANK, Assertion, IdentifierFact, PatientFacts, Stamp
from mappers.patient import PatientState

MRN = "https://weald.example/fhir/Id/RTK/mrn"


@pytest.fixture
def stamp() -> Callable[..., Stamp]:
    """A stamp of class ``rank`` on the day ``day`` of May 2024."""

    def make(day: int, rank: str = "D", source: str = "rtk-pas", control_id: str = "", content: str = "") -> Stamp:
        time = f"2024-05-{day:02d}T09:00:00.000000Z"
        return Stamp(CLASS_RANK[rank], time, time, 0, control_id or f"M{day}", content or f"h{day}", source)

    return make


@pytest.fixture
def mrn() -> Callable[..., IdentifierFact]:
    return lambda value, **more: IdentifierFact(MRN, value, owner="RTK", **more)


@pytest.fixture
def facts() -> Callable[..., PatientFacts]:
    """PatientFacts of identifiers, then fields by name: ``name_alias`` is ``name.alias``."""

    def make(*identifiers: IdentifierFact, flags: tuple[str, ...] = (), **fields: Any) -> PatientFacts:
        assertions = tuple(Assertion(name.replace("_", "."), value) for name, value in fields.items())
        return PatientFacts(identifiers, assertions, flags)

    return make


@pytest.fixture
def state_of() -> Callable[..., PatientState]:
    """The state after (facts, stamp) pairs."""

    def make(*said: tuple[PatientFacts, Stamp]) -> PatientState:
        state = PatientState.empty()
        for one, at in said:
            state = state.apply(one, at)
        return state

    return make
