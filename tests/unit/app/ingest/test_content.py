"""What a file holds is told by its first bytes; messages, lines and data sets are taken out of it."""

from __future__ import annotations

import gc
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadRequest, TooLarge
from app.ingest import content
from app.ingest.content import Kind, datasets_from_json, kind_of, lines_from_ndjson, messages_from_hl7
from tests.unit.mappers.dicom.making import dataset, part10

HEAD = b"MSH|^~\\&|PAS|RTK|||20250110||ADT^A01|%d|P|2.4"


def _message(number: int, end: bytes = b"\r") -> bytes:
    return (HEAD % number) + end + b"PID|1||A100" + end


def _messages(text: bytes) -> list[bytes]:
    return list(messages_from_hl7(BytesIO(text)))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"", Kind.EMPTY),
        (part10(dataset()), Kind.DICOM),
        (part10(dataset())[132:], Kind.DICOM),
        (b"PK\x03\x04", Kind.ZIP),
        (b"PK\x05\x06", Kind.ZIP),
        (_message(1), Kind.HL7),
        (b"\x0b" + _message(1) + b"\x1c\r", Kind.HL7),
        (b"\xef\xbb\xbfFHS|^~\\&|", Kind.HL7),
        (b"\r\nBHS|^~\\&|", Kind.HL7),
        (b'[ {"0020000D": {"vr":"UI"}}]', Kind.DICOM_JSON),
        (b'{"0020000d" : {"vr":"UI"}}', Kind.DICOM_JSON),
        (b'{"resourceType":"Patient"}', Kind.FHIR_NDJSON),
        (b'{"resourceType":"Patient"}\n{"resourceType":"Patient"}', Kind.FHIR_NDJSON),
        (b'{\n "resourceType":"Patient"\n}', Kind.FHIR_JSON),
        (b'{"resourceType":"Patient","id":"' + b"x" * 200_000 + b'"}', Kind.FHIR_NDJSON),
        (b'{"resourceType":"Basic","extension":[{"x":{"00100010":{"vr":"PN"}}}]}', Kind.FHIR_NDJSON),
        (b'{"name":"Alice"}', Kind.UNKNOWN),
        (b'[{"resourceType":"Patient"}]', Kind.UNKNOWN),
        (b"hello, world", Kind.UNKNOWN),
    ],
)
def test_the_first_bytes_tell(text: bytes, kind: Kind) -> None:
    assert kind_of(BytesIO(text)) is kind


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_segments_may_end_any_way(end: bytes) -> None:
    assert _messages(_message(1, end) + _message(2, end)) == [_message(1), _message(2)]


def test_batch_headers_and_trailers_are_left_out() -> None:
    batch = b"FHS|^~\\&\rBHS|^~\\&\r" + _message(1) + _message(2) + b"BTS|2\rFTS|1\r"
    assert _messages(batch) == [_message(1), _message(2)]


def test_mllp_blocks_are_messages() -> None:
    assert _messages(b"\x0b" + _message(1) + b"\x1c\r\x0b" + _message(2) + b"\x1c\r") == [_message(1), _message(2)]


def test_a_last_message_without_its_final_return_is_whole() -> None:
    assert _messages(_message(1)[:-1]) == [_message(1)]
    assert _messages(HEAD % 1) == [HEAD % 1 + b"\r"]


def test_a_line_feed_is_data_where_returns_end_segments() -> None:
    text = _message(1) + b"OBX|1|TX|||first\nsecond\r"
    assert _messages(text) == [text]


def test_what_stands_before_the_first_message_is_left_out() -> None:
    assert _messages(b"\xef\xbb\xbf\r\nrubbish\r" + _message(1)) == [_message(1)]
    assert _messages(b"") == []


def test_messages_are_cut_alike_wherever_the_reads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"".join(_message(number, b"\r\n") for number in range(20))
    expected = [_message(number) for number in range(20)]
    for size in (64, 65, 97, 1000):
        monkeypatch.setattr(content, "_READ", size)
        assert _messages(text) == expected


@given(st.lists(st.integers(0, 9999), min_size=1, max_size=6), st.sampled_from([b"\r", b"\n", b"\r\n"]))
def test_every_message_comes_once_in_order(numbers: list[int], end: bytes) -> None:
    assert _messages(b"".join(_message(number, end) for number in numbers)) == [_message(number) for number in numbers]


def test_a_message_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_MESSAGE", 1000)
    monkeypatch.setattr(content, "_READ", 600)
    with pytest.raises(TooLarge):
        _messages(_message(1) + b"OBX|" + b"x" * 5000)
    with pytest.raises(TooLarge):
        _messages(_message(1) + b"NTE|1||note\r" * 200)


def test_data_sets_are_an_array_or_one_alone() -> None:
    assert list(datasets_from_json(BytesIO(b'[{"a":1},{"b":2}]'))) == [{"a": 1}, {"b": 2}]
    assert list(datasets_from_json(BytesIO(b'\xef\xbb\xbf{"a":1}'))) == [{"a": 1}]
    with pytest.raises(BadRequest):
        list(datasets_from_json(BytesIO(b'{"a":')))


@pytest.mark.parametrize("collecting", [True, False])
def test_the_garbage_collector_is_left_as_it_was(collecting: bool) -> None:
    was = gc.isenabled()
    (gc.enable if collecting else gc.disable)()
    try:
        list(datasets_from_json(BytesIO(b"[]")))
        assert gc.isenabled() is collecting
    finally:
        (gc.enable if was else gc.disable)()


def test_json_and_lines_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_JSON", 10)
    monkeypatch.setattr(content, "_LINE", 10)
    with pytest.raises(TooLarge):
        list(datasets_from_json(BytesIO(b'["12345678"]')))
    with pytest.raises(TooLarge):
        list(lines_from_ndjson(BytesIO(b'{"a":"12345678"}\n')))


def test_lines_are_those_that_hold_something() -> None:
    assert list(lines_from_ndjson(BytesIO(b'\xef\xbb\xbf{"a":1}\n\n {"b":2} \r\n'))) == [b'{"a":1}', b'{"b":2}']
