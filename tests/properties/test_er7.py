"""The ER7 reader on anything, and against two other readers (style.md: every parser has an oracle)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hl7
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_segment
from hypothesis import given
from hypothesis import strategies as st

from mappers import fhir
from mappers.hl7v2 import er7, messages
from mappers.hl7v2.errors import Er7Error, MessageTooLarge
from mappers.patient import PatientState
from mappers.source_patient import source_patient
from tests.properties.vocabulary import CONTEXT, HEAD, lines, raw_fields, texts

ALICE = (
    HEAD,
    "EVN|A08|20240501101000",
    "PID|1||9434765919^^^NHS^NH~RTK1^^^RTK^MR||SMITH^ALICE^MARY||19700311|2|||1 HIGH ST^^X^^TN37 7PT^826^H||01932 1^PRN^PH|||||ACC1||||A|||||||N||NSTS01",
    "PD1|||SURGERY^^H81011|G1234567^BROWN",
    "NK1|1|SMITH^BOB|SPO|1 HIGH ST|01932 1",
    "MRG|RTK2^^^RTK^MR",
    "PV1|1|I|WARD||||||||||||||||V99^^^RTK^VN",
    "ZU8|1|||1",
)


def attempt(what: Callable[[], Any]) -> Any:
    """What it returns, or the refusal that it raises; any other exception is a fault."""
    try:
        return what()
    except Er7Error as error:
        return error


def encoded(*segments: str) -> bytes:
    return "".join(f"{segment}\r" for segment in segments).encode()


@given(st.lists(lines, max_size=8))
def test_what_is_read_is_written_back_byte_for_byte(segments):
    raw = encoded(HEAD, *segments)
    assert er7.write(er7.read(raw).segments(), "utf-8") == raw


@given(st.lists(st.lists(texts, min_size=1, max_size=3), min_size=1, max_size=3))
def test_escaped_text_comes_back_whatever_it_holds(repeats):
    d = er7.delimiters("|", "^~\\&", "utf-8")
    field = d.repetition.join(d.component.join(d.escaped(text) for text in repeat) for repeat in repeats)
    segment = er7.read(encoded(HEAD, f"ZZZ|{field}|end")).segments("ZZZ")[0]
    read = [[d.unescape(part) for part in repeat.split(d.component)] for repeat in segment.field(1).split(d.repetition)]
    assert read == repeats
    assert segment.field(2) == "end"


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda junk: b"MSH|^~\\&|" + junk))
def test_any_bytes_are_read_or_refused_and_always_answered(raw):
    outcome = attempt(lambda: er7.read(raw, "8859/1").segments())
    if isinstance(outcome, Er7Error):
        answer = er7.acknowledgement(er7.head(raw), outcome.acknowledgement, control_id="W1", now="2024-05-01T12:00:00Z", errors=[outcome])
        assert er7.head(answer).present
        assert b"MSA" in answer
    assert all(piece in raw for piece in er7.split_batch(raw))


@given(st.dictionaries(st.integers(3, 18), st.text(max_size=20) | st.integers(1, 6_000).map("9".__mul__), max_size=6), st.sampled_from(["AA", "AE", "AR", "CA"]))
def test_every_header_is_answered(fields, code):
    raw = ("MSH|^~\\&|" + "|".join(fields.get(number, "") for number in range(3, 19)) + "\r").encode("utf-8", "replace")
    fault = MessageTooLarge("too large")
    assert b"\rMSA|" in er7.acknowledgement(er7.head(raw), code, control_id="W1", now="2024-05-01T12:00:00Z", errors=[fault])
    assert er7.answer_codes(er7.head(raw), "AE") is not None


@given(st.data())
def test_any_damage_to_a_message_makes_an_event_or_a_refusal(data):
    trigger = data.draw(st.sampled_from(sorted(messages.SUPPORTED)))
    segments = list(ALICE)
    segments[0] = HEAD.replace("A08", trigger)
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(segments) - 1))
        fields = segments[place].split("|")
        number = data.draw(st.integers(1 if place else 2, len(fields) - 1))
        part = st.lists(texts | raw_fields, max_size=8).map("^".join)
        fields[number] = data.draw(part | texts | st.sampled_from(['""', "", "~", "^^^", "&", "\\X00\\", "99999999", "20240230", "^^^NHS^NH"]))
        segments[place] = "|".join(fields)
    if data.draw(st.booleans()):
        segments = [segments[0], *data.draw(st.permutations(segments[1:]))]
    outcome = attempt(lambda: messages.adt_event(er7.read(encoded(*segments), "UTF-8"), CONTEXT))
    if isinstance(outcome, Er7Error):
        assert outcome.acknowledgement in {"AE", "AR"}
        return
    assert outcome.event_time.endswith("Z")
    for facts in (outcome.subject, outcome.linked, *(merge.loser for merge in outcome.merges)):
        if facts is not None:
            state = PatientState.empty().apply(facts, outcome.stamp)
            assert PatientState.from_json(state.to_json()) == state
            assert fhir.faults(source_patient(state, id="a", organisation="RTK", canonical_base="https://weald.example/fhir")) == []


@given(st.lists(lines, min_size=1, max_size=5))
def test_python_hl7_splits_alike(segments):
    ended = [f"{segment}|end" for segment in segments]  # python-hl7 drops blanks at the end of a segment
    ours = er7.read(encoded(HEAD, *ended)).segments()[1:]
    theirs = hl7.parse("\r".join([HEAD, *ended]))[1:]
    assert [er7.line(s) for s in ours] == [str(s) for s in theirs]
    assert [len(s.fields) for s in ours] == [len(s) for s in theirs]


names = st.text(st.characters(min_codepoint=65, max_codepoint=90), min_size=1, max_size=8)


@given(st.lists(st.tuples(names, names), min_size=1, max_size=3), names)
def test_hl7apy_reads_alike_where_it_reads_everything(repeats, number):
    line = f"PID|1||{number}^^^RTK^MR||{'~'.join('^'.join(name) for name in repeats)}||19700311|F"
    characters = {"SEGMENT": "\r", "GROUP": "\r", "FIELD": "|", "COMPONENT": "^", "SUBCOMPONENT": "&", "REPETITION": "~", "ESCAPE": "\\"}
    theirs = parse_segment(line, version="2.4", encoding_chars=characters, validation_level=VALIDATION_LEVEL.TOLERANT)
    ours = er7.read(encoded(HEAD, line)).segments("PID")[0]
    assert ours.repeats(5) == [field.to_er7() for field in theirs.pid_5]
    assert ours.component(3, 4) == theirs.pid_3[0].cx_4.to_er7()
    assert ours.component(7) == theirs.pid_7.to_er7()
