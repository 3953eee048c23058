"""A source patient's state as plain values, current and past, for whoever compares people (matching.md 2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from mappers.context import NHS_NUMBER
from mappers.patient import HISTORY, PatientState


class NameValue(NamedTuple):
    family: str
    given: str
    middle: str
    suffix: str


class AddressValue(NamedTuple):
    lines: tuple[str, ...]
    city: str
    postcode: str


@dataclass(frozen=True, slots=True)
class RecordValues:
    """Newest first in each tuple. ``identifiers`` are (system, value) in force, no NHS number, none old or temporary.

    ``birth_date_quality`` "", "default" or "estimated"; ``birth_order`` the digits of PID-25; ``mothers_maiden_name``
    family and given; ``first_event_date`` ISO date.
    """

    names: tuple[NameValue, ...]
    birth_date: str
    birth_date_quality: str
    sex: str
    addresses: tuple[AddressValue, ...]
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    identifiers: tuple[tuple[str, str], ...]
    nhs_number: str
    nhs_status: str | None
    nhs_labelled: bool
    mothers_maiden_name: str
    birth_order: str
    alias: bool
    address_default: bool
    pseudo: bool
    header_only: bool
    first_event_date: str


def record_values(state: PatientState) -> RecordValues:
    """The values of a record."""
    birth = state.value("birthDate") or {"value": ""}
    held = state.nhs_number()
    number = held.fact.value if held is not None else ""
    telecoms = _ever(state, "telecom", ("telecom.home", "telecom.work", "telecom.other"))
    return RecordValues(
        names=_distinct((_name(n) for n in _ever(state, "name", ("name", "name.alias"))), "name"),
        birth_date=birth["value"],
        birth_date_quality=state.value(f"birthDateQuality.{birth['value']}") or "",
        sex=(state.value("gender") or {"value": ""})["value"],
        addresses=_distinct((_address(a) for a in _ever(state, "address", ("address",))), "address"),
        phones=_distinct((t["value"] for t in telecoms if t["system"] == "phone"), "telecom"),
        emails=_distinct((t["value"] for t in telecoms if t["system"] == "email"), "telecom"),
        identifiers=_identifiers(state),
        nhs_number=number,
        nhs_status=state.nhs_status(number) if number else None,
        nhs_labelled=held is None or held.fact.labelled,
        mothers_maiden_name=_mother(state),
        birth_order=str((state.value("multipleBirth") or {}).get("integer", "")),
        alias=state.value("alias") is True,
        address_default=state.value("addressDefault") is True,
        pseudo=state.pseudo,
        header_only=state.header_only,
        first_event_date=state.first_event_time[:10],
    )


def _ever(state: PatientState, group: str, fields: Iterable[str]) -> list[Mapping[str, Any]]:
    """Current items, then past ones, newest first."""
    current = [item for field in fields for item in state.value(field) or ()]
    return [*current, *(said.value for said in state.history(group))]


def _distinct(values: Iterable[Any], group: str) -> tuple[Any, ...]:
    return tuple(value for value in dict.fromkeys(values) if value and any(value))[: HISTORY[group]]


def _name(name: Mapping[str, Any]) -> NameValue:
    given = name.get("given", [""])
    return NameValue(name.get("family", ""), given[0], " ".join(given[1:]), " ".join(name.get("suffix", ())))


def _address(address: Mapping[str, Any]) -> AddressValue:
    return AddressValue(tuple(address.get("line", ())), address.get("city", ""), address.get("postalCode", ""))


def _identifiers(state: PatientState) -> tuple[tuple[str, str], ...]:
    return tuple(
        (held.fact.system, held.fact.value)
        for held in state.identifiers()
        if held.fact.system != NHS_NUMBER and not held.ended and held.fact.use not in {"old", "temp"}
    )


def _mother(state: PatientState) -> str:
    name: Mapping[str, Any] = next(iter(state.value("mothersMaidenName") or ()), {})
    return " ".join([name.get("family", ""), *name.get("given", ())]).strip()
