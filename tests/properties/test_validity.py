"""What the maps make of any header is valid R4: nothing that a sender may say is refused as a fault of Weald's own (imaging.md 1.1, fhir.md 4)."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mappers import fhir
from mappers.dicom.dicom_json import facts_from_json
from mappers.dicom.facts import InstanceFacts
from mappers.dicom.patient import patient_facts
from mappers.dicom.study import imaging_study
from mappers.dicom.tables import LEVELS, Element
from mappers.hl7v2 import er7
from mappers.hl7v2.messages import adt_event
from mappers.patient import PatientState
from mappers.source_patient import source_patient
from tests.properties.vocabulary import CONTEXT, HEAD
from tests.unit.mappers.dicom.making import BASE, CONTEXTS, CT, ENDPOINTS, KOS

_TEXTS = (
    "A", "a  b", "C  T", "^^^^", "=A^ ^B", "T-D1100", "SRT", "SCT", "DCM", "113037", "\u00a0", "a\u00a0 b", "\u2028", "\x00", "\ufffd", "http://x y", "GMC", "C1234567",
    "URI", "NH", "9434765919", "UNKNOWN", "-1", "7", "a\\b", "\\", "1.2", "20250310", "2024", "99991231", "101560", "+1430", "x" * 1100,
)  # fmt: skip
"""What headers and messages hold, right and wrong; two spaces in a row are legal in DICOM and in HL7 v2, and in no FHIR code."""
_UIDS = ("1.2", "1.2.3", "1.2.4", KOS, CT)

_TEXTUAL = ("CS", "LO", "SH", "UR", "UT", "UC")

texts = st.sampled_from(_TEXTS) | st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
numbers = st.integers(-1, 2**32) | st.floats(allow_nan=False, allow_infinity=False)


def members(elements: tuple[Element, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of these elements in the DICOM JSON model, with values right and wrong."""
    return st.lists(st.sampled_from(elements).flatmap(member), min_size=1, max_size=8).map(dict)


def member(element: Element) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    if element.vr == "SQ":
        values: st.SearchStrategy[Any] = members(element.items)
    elif element.vr == "PN":
        values = texts | st.fixed_dictionaries({"Alphabetic": texts}, optional={"Ideographic": texts, "Phonetic": texts})
    else:
        values = texts if element.vr in _TEXTUAL else texts | numbers
    return st.lists(values, min_size=1, max_size=2).map(lambda held: (f"{element.tag:08X}", {"vr": element.vr, "Value": held}))


def _uid(values: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(values).map(lambda uid: {"vr": "UI", "Value": [uid]})


identities = st.fixed_dictionaries(
    {"0020000D": _uid(("1.2",)), "0020000E": _uid(_UIDS), "00080018": _uid(_UIDS)}, optional={"00080016": _uid((CT, KOS, "1.2.3"))}
)
headers = st.builds(lambda identity, *levels: {**identity, **{tag: one for level in levels for tag, one in level.items()}}, identities, *map(members, LEVELS.values()))


@st.composite
def instances(draw: st.DrawFn) -> InstanceFacts:
    return facts_from_json(draw(headers), CONTEXTS[draw(st.sampled_from(sorted(CONTEXTS)))])


@settings(max_examples=100)
@given(st.lists(instances(), min_size=1, max_size=3))
def test_the_study_of_any_headers_is_valid(facts: list[InstanceFacts]) -> None:
    study, summary, _ = imaging_study(facts, id="x", subject_of={}, contexts=CONTEXTS, endpoints=ENDPOINTS)
    assert fhir.faults(study) == []
    assert fhir.faults(summary) == []
    assert study["numberOfInstances"] == sum(len(series["instance"]) for series in study.get("series", ()))


@settings(max_examples=100)
@given(st.lists(instances(), min_size=1, max_size=3))
def test_the_patient_of_any_headers_is_valid(facts: list[InstanceFacts]) -> None:
    state = PatientState.empty()
    for one in facts:
        state = state.apply(*patient_facts(one, CONTEXTS[one.source]))
    assert fhir.faults(source_patient(state, id="x", organisation="RTK", canonical_base=BASE)) == []


elements = st.lists(texts, max_size=14).map("^".join).map(lambda text: "".join(c for c in text if c not in "\r\n|"))
fields = st.just("") | st.lists(elements, max_size=2).map("~".join)
segments = st.builds(lambda name, values: "|".join([name, *values]), st.sampled_from(["NK1", "PD1"]), st.lists(fields, max_size=39))
patients = st.lists(fields, min_size=39, max_size=39).map(lambda values: "|".join(["PID", *values[:2], f"A100^^^RTK^MR~{values[2]}", *values[3:]]))


@settings(max_examples=100)
@given(patients, st.lists(segments, max_size=3))
def test_the_patient_of_any_message_is_valid(pid: str, others: list[str]) -> None:
    event = adt_event(er7.read("\r".join([HEAD, "EVN|A08|20240501", pid, *others]).encode()), CONTEXT)
    assert event.subject is not None
    state = PatientState.empty().apply(event.subject, event.stamp)
    assert fhir.faults(source_patient(state, id="x", organisation="RTK", canonical_base=BASE)) == []
