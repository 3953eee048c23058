"""Messages in fixtures/adt with what they mean beside them, checked by hand against hl7v2.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mappers import fhir
from mappers.context import Authority, MappingContext, Source
from mappers.facts import PatientFacts
from mappers.hl7v2 import er7, messages
from mappers.hl7v2.errors import Er7Error
from mappers.hl7v2.messages import AdtEvent
from mappers.patient import PatientState
from mappers.source_patient import source_patient

FOLDER = Path(__file__).parents[4] / "fixtures" / "adt"
BASE = "https://weald.example/fhir"
RTK = Authority("RTK", f"{BASE}/Id/RTK/mrn", "MR", "RTK")
CONTEXT = MappingContext(Source("rtk-pas", "RTK", authorities={"RTK": RTK}, default_authority=RTK), "2024-06-01T12:00:00.000000Z", BASE)


def told(raw: bytes) -> dict[str, Any]:
    """The events of a file, and the Patient of each local number after all of them."""
    events, states = [], dict[str, PatientState]()
    for one in er7.split_batch(raw):
        try:
            event = messages.adt_event(er7.read(one), CONTEXT)
        except Er7Error as error:
            events.append({"refused": error.text, "answer": error.acknowledgement, "code": error.hl7_code, "location": error.location})
            continue
        events.append(described(event))
        for facts in (*(m.survivor for m in event.merges), *(m.loser for m in event.merges), event.subject, event.linked):
            if facts is not None and event.applies:
                states[key(facts)] = states.get(key(facts), PatientState.empty()).apply(facts, event.stamp)
    return {"events": events, "patients": {k: shown(k, state) for k, state in sorted(states.items())}}


def key(facts: PatientFacts) -> str:
    return min(f.value for f in facts.identifiers if f.system == RTK.system)


def shown(id: str, state: PatientState) -> dict[str, Any]:
    patient = source_patient(state, id=id, organisation="RTK", canonical_base=BASE)
    fhir.validate(patient)
    assert PatientState.from_json(state.to_json()) == state
    return patient


def described(event: AdtEvent) -> dict[str, Any]:
    found: dict[str, Any] = {"trigger": event.trigger, "action": event.action, "event_time": event.event_time, "flags": list(event.flags)}
    if event.visit is not None:
        number = event.visit.number
        found["visit"] = {"number": number and number.value, "class": event.visit.patient_class, "status": event.visit.status}
    if event.merges:
        found["merges"] = [[f"{old.value} -> {new.value}" for new, old in merge.pairs] for merge in event.merges]
        found["unpaired"] = [[f.value for f in merge.unpaired] for merge in event.merges]
    if event.reason:
        found["reason"] = event.reason
    return found


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.hl7")), ids=lambda path: path.stem)
def test_a_message_means_what_is_written_beside_it(path):
    assert told(path.read_bytes()) == json.loads(path.with_suffix(".json").read_text())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.hl7")), ids=lambda path: path.stem)
def test_the_order_of_messages_changes_no_patient(path):
    backwards = b"".join(reversed(er7.split_batch(path.read_bytes())))
    assert told(backwards)["patients"] == told(path.read_bytes())["patients"]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.hl7")), ids=lambda path: path.stem)
def test_a_copy_under_a_new_control_id_changes_no_patient(path):
    raw = path.read_bytes()
    copies = b"".join(one.replace(b"RTK0", b"COPY0", 1) for one in er7.split_batch(raw))
    assert told(raw + copies)["patients"] == told(raw)["patients"]


def test_every_supported_trigger_has_a_file():
    seen = {event["trigger"] for path in FOLDER.glob("*.hl7") for event in told(path.read_bytes())["events"] if "trigger" in event}
    assert seen == set(messages.SUPPORTED) - {"A60"}
