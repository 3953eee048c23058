"""The trust RTK's PAS feed, and messages about the cast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mappers.context import Authority, MappingContext, Source
from mappers.hl7v2 import er7, messages
from mappers.hl7v2.messages import AdtEvent

RTK = Authority("RTK", "https://weald.example/fhir/Id/RTK/mrn", "MR", "RTK")
RECEIVED = "2024-05-01T12:00:00.000000Z"


@pytest.fixture
def source() -> Source:
    return Source("rtk-pas", "RTK", authorities={"RTK": RTK}, default_authority=RTK, charset="UTF-8")


@pytest.fixture
def context(source: Source) -> MappingContext:
    return MappingContext(source, RECEIVED)


@pytest.fixture
def context_with(context: MappingContext) -> Callable[..., MappingContext]:
    """The context of a source that differs in some settings."""
    return lambda **changes: replace(context, source=replace(context.source, **changes))


@pytest.fixture
def message() -> Callable[..., bytes]:
    """An ADT message: MSH and EVN made, the other segments given as text."""

    def make(trigger: str, *segments: str, **msh: Any) -> bytes:
        fields = ["MSH", "^~\\&", "PAS", "RTK", "WEALD", "REGION", "20240501101112", "", f"ADT^{trigger}", "M1", "P", "2.4", *[""] * 8]
        for name, value in msh.items():
            if name.startswith("msh"):
                fields[int(name[3:]) - 1] = value
        evn = msh.get("evn", f"EVN|{trigger}|20240501101000")
        return "".join(f"{line}\r" for line in ("|".join(fields), *([evn] if evn else []), *segments)).encode(msh.get("charset", "utf-8"))

    return make


@pytest.fixture
def event(context: MappingContext, message: Callable[..., bytes]) -> Callable[..., AdtEvent]:
    """The event of a message about the cast."""

    def make(trigger: str, *segments: str, of: MappingContext | None = None, **msh: Any) -> AdtEvent:
        used = of or context
        return messages.adt_event(er7.read(message(trigger, *segments, **msh), used.source.charset), used)

    return make
