from __future__ import annotations

from time import process_time

import pytest

from mappers.hl7v2 import er7
from mappers.hl7v2.errors import InvalidField, MessageTooLarge, NoHeader, UnsupportedCharset, UnsupportedEvent

HEAD = b"MSH|^~\\&|PAS|RTK|WEALD|REGION|20240501101112||ADT^A08|M1|P|2.4"


def message(*lines: bytes, end: bytes = b"\r") -> bytes:
    return b"".join(line + end for line in (HEAD, *lines))


def test_fields_repeats_and_components_are_read_as_sent():
    pid = er7.read(message(b"PID|1||A^^^RTK^MR~B||SMITH^ALICE")).segment("PID")
    assert pid is not None
    assert pid.field(3) == "A^^^RTK^MR~B"
    assert pid.repeats(3) == ["A^^^RTK^MR", "B"]
    assert pid.repeats(4) == []
    assert (pid.component(3, 4), pid.component(5, 2), pid.component(5, 3), pid.component(99)) == ("RTK", "ALICE", "", "")
    assert pid.field(99) == ""


def test_msh_counts_the_separator_as_its_first_field():
    read = er7.read(message())
    msh = read.segment("MSH")
    assert msh is not None
    assert (msh.field(1), msh.field(2), msh.field(10)) == ("|", "^~\\&", "M1")
    assert (read.header.message_code, read.header.trigger, read.header.control_id, read.header.version) == ("ADT", "A08", "M1", "2.4")
    assert (read.header.sending_application, read.header.sending_facility, read.header.processing_id) == ("PAS", "RTK", "P")


def test_a_segment_that_is_absent_is_none():
    read = er7.read(message(b"PIDX|1"))
    assert read.segment("PID") is None
    assert read.segments("PID") == []


def test_other_delimiters_are_taken_from_the_message():
    read = er7.read(b"MSH*:+?@*PAS*RTK\rPID*1**A:::RTK:MR+B*?S?\r")
    pid = read.segment("PID")
    assert pid is not None
    assert pid.repeats(3) == ["A:::RTK:MR", "B"]
    assert pid.component(4) == ":"
    assert read.delimiters.encoding_characters == ":+?@"


@pytest.mark.parametrize("characters", ["^^\\&", "^~\\&#!", "^", "a~\\&", "^~\\\t", "^|\\&"])
def test_delimiters_must_be_distinct_and_neither_letters_nor_controls(characters):
    with pytest.raises(InvalidField) as raised:
        er7.read(f"MSH|{characters}|PAS\r".encode("latin-1"))
    assert raised.value.location == "MSH^1^2"


def test_missing_encoding_characters_are_simply_not_used():
    read = er7.read(b"MSH|^~|PAS\rPID|1||A\\F\\B&C\r")
    pid = read.segment("PID")
    assert pid is not None
    assert pid.component(3) == "A\\F\\B&C"
    assert read.delimiters.encoding_characters == "^~"


def test_the_truncation_character_of_2_7_is_known():
    read = er7.read(b"MSH|^~\\&#|PAS\rPID|1||A\\P\\B\r")
    pid = read.segment("PID")
    assert pid is not None
    assert pid.component(3) == "A#B"


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("\\F\\\\S\\\\T\\\\R\\\\E\\\\P\\", "|^&~\\#"),
        ("a\\X41\\b", "aAb"),
        ("\\X4142\\", "AB"),
        ("\\XC3A9\\", "é"),
        ("\\XZZ\\", "\\XZZ\\"),
        ("one\\.br\\two", "one\ntwo"),
        ("one\\.sp 2\\two", "one\n\ntwo"),
        ("one\\.sp+3\\two", "one\n\n\ntwo"),
        ("\\.sp\\", "\n"),
        ("\\.spx\\", "\\.spx\\"),
        ("\\.sp 99999999999999999999\\", "\n" * 100),
        ("\\H\\bold\\N\\", "bold"),
        ("\\C1234\\\\M123456\\\\Zown\\", "\\C1234\\\\M123456\\\\Zown\\"),
        ("\\.in5\\", "\\.in5\\"),
        ("lone \\ backslash", "lone \\ backslash"),
        ("plain", "plain"),
    ],
)
def test_escapes(escaped, text):
    assert er7.delimiters("|", "^~\\&", "utf-8").unescape(escaped) == text


def test_a_hexadecimal_escape_is_in_the_charset_of_the_message():
    assert er7.delimiters("|", "^~\\&", "iso8859-1").unescape("\\XE9\\") == "é"
    with pytest.raises(InvalidField) as raised:
        er7.delimiters("|", "^~\\&", "utf-8").unescape("\\XE9\\")
    assert raised.value.location == "MSH^1^18"


def test_what_is_escaped_is_unescaped():
    d = er7.delimiters("|", "^~\\&", "utf-8")
    text = "a|b^c&d~e\\f\rg\nh"
    assert not set(d.escaped(text)) & set("|^&~\r\n")
    assert d.unescape(d.escaped(text)) == text


def test_escapes_are_undone_after_splitting():
    pid = er7.read(message(b"PID|1||A\\S\\B^C\\R\\D~E\\F\\F")).segment("PID")
    assert pid is not None
    assert len(pid.repeats(3)) == 2
    assert (pid.component(3, 1), pid.component(3, 2)) == ("A^B", "C~D")


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_any_line_end_is_read(end):
    read = er7.read(message(b"PID|1||A", b"", b"PV1|1", end=end))
    assert [s.name for s in read.segments()] == ["MSH", "PID", "PV1"]
    assert read.segments("PV1")[0].fields == ["PV1", "1"]


def test_lf_is_data_where_a_bare_cr_ends_segments():
    read = er7.read(message(b"NTE|1||one\ntwo"))
    assert read.segments("NTE")[0].field(3) == "one\ntwo"


def test_lf_after_cr_does_not_hide_a_segment_in_a_mixed_message():
    read = er7.read(HEAD + b"\r\nPID|1||A\rPV1|1\r\n")
    assert [s.name for s in read.segments()] == ["MSH", "PID", "PV1"]
    assert len(read.segments("PID")) == 1


def test_unknown_segments_surplus_components_and_empty_repeats_survive_a_round_trip():
    raw = message(b"PID|1||A^^^RTK^MR^^^^^^^^^x~~B|", b"ZZZ|1|^~\\&|\\Zq\\", b"QQQ")
    assert er7.write(er7.read(raw).segments()) == raw


def test_a_byte_order_mark_is_no_part_of_the_message():
    read = er7.read(b"\xef\xbb\xbf" + message(b"PID|1||A"), "UTF-8")
    assert [s.name for s in read.segments()] == ["MSH", "PID"]


def test_blank_lines_before_the_header_are_skipped():
    read = er7.read(b"\r\n\n" + message(b"PID|1||A"))
    assert (read.header.control_id, [s.name for s in read.segments()]) == ("M1", ["MSH", "PID"])


@pytest.mark.parametrize("raw", [b"", b"PID|1", b"MSH", b"\x00\xff", b"HELLO\r" + HEAD])
def test_without_msh_there_is_no_message(raw):
    with pytest.raises(NoHeader) as raised:
        er7.read(raw)
    assert (raised.value.acknowledgement, raised.value.hl7_code, raised.value.location) == ("AR", "100", "MSH^1")


def test_limits_of_size_segments_and_repeats():
    limits = er7.Limits(size=400, segments=3, repeats=2)
    assert er7.read(message(b"PID|1||A~B|C~D", b"PV1|1", b"", b""), limits=limits)
    for raw in (message(b"PID|1||" + b"A" * 400), message(b"PV1", b"PV1", b"PV1"), message(b"PID|1||A~B~C")):
        with pytest.raises(MessageTooLarge) as raised:
            er7.read(raw, limits=limits)
        assert raised.value.acknowledgement == "AR"


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [
        ("8859/1", "latin-1", "JOSÉ"),
        ("8859/5", "iso8859-5", "ИВАНОВ"),
        ("8859/15", "iso8859-15", "ŒUVRE"),
        ("UNICODE UTF-8", "utf-8", "ŁUKASZ"),
        ("unicode", "utf-8", "ŁUKASZ"),
        ("UTF8", "utf-8", "李"),
        ("ISO IR14", "shift_jis", "ｱｲｳ"),
        ("ISO IR87", "iso2022_jp", "山田"),
        ("ISO IR159", "iso2022_jp_1", "山田"),
        ("GB 18030-2000", "gb18030", "王小明"),
        ("KS X 1001", "euc_kr", "홍길동"),
        ("BIG-5", "big5", "陳功"),
    ],
)
def test_msh_18_says_how_bytes_are_read(charset, codec, text):
    raw = b"MSH|^~\\&|PAS|RTK||||||M1|P|2.4||||||" + charset.encode() + b"\rPID|1||||" + text.encode(codec) + b"\r"
    read = er7.read(raw)
    pid = read.segment("PID")
    assert pid is not None
    assert pid.component(5) == text
    assert read.flags == ()


@pytest.mark.parametrize("charset", ["UNICODE UTF-16", "UNICODE UTF-32", "CNS 11643-1992", "EBCDIC"])
def test_charsets_that_cannot_be_split_safely_are_refused(charset):
    with pytest.raises(UnsupportedCharset) as raised:
        er7.read(b"MSH|^~\\&|PAS|RTK||||||M1|P|2.4||||||" + charset.encode() + b"\r")
    assert (raised.value.acknowledgement, raised.value.location) == ("AR", "MSH^1^18")


def with_charset(charset: bytes, name: bytes) -> bytes:
    return b"MSH|^~\\&|PAS|RTK||||||M1|P|2.4||||||" + charset + b"\rPID|1||||" + name + b"\r"


def test_where_msh_18_is_empty_the_source_default_counts():
    read = er7.read(with_charset(b"", b"JOS\xc9"), "8859/1")
    assert read.segments("PID")[0].component(5) == "JOSÉ"
    assert read.flags == ()


def test_8_bit_bytes_declared_ascii_are_read_by_the_default_and_flagged():
    read = er7.read(with_charset(b"ASCII", b"JOS\xc9"), "8859/1")
    assert read.segments("PID")[0].component(5) == "JOSÉ"
    assert read.flags == ("charset-mismatch",)


def test_a_source_may_mean_windows_1252_by_8859_1():
    assert er7.read(with_charset(b"8859/1", b"O\x92NEILL"), "CP1252").segments("PID")[0].component(5) == "O\u2019NEILL"


def test_utf_8_declared_8859_is_refused_or_read_and_flagged():
    raw = with_charset(b"8859/1", "JOSÉ".encode())
    with pytest.raises(InvalidField):
        er7.read(raw)
    read = er7.read(raw, tolerate_utf8=True)
    assert read.segments("PID")[0].component(5) == "JOSÉ"
    assert read.flags == ("charset-mismatch",)


@pytest.mark.parametrize(("charset", "name"), [(b"UTF-8", b"JOS\xc9"), (b"", b"JOS\xc9"), (b"ISO IR14", "山".encode("shift_jis"))])
def test_bytes_outside_the_charset_are_refused_never_replaced(charset, name):
    with pytest.raises(InvalidField) as raised:
        er7.read(with_charset(charset, name))
    assert (raised.value.acknowledgement, raised.value.hl7_code, raised.value.location) == ("AE", "102", "MSH^1^18")


def test_escapes_of_a_message_declared_ascii_are_in_the_source_default():
    assert er7.read(with_charset(b"ASCII", b"JOS\\XC9\\"), "8859/1").segments("PID")[0].component(5) == "JOSÉ"


def test_head_never_fails():
    for raw in (b"", b"\x00", b"MSH", b"MSH|", b"MSH|^", HEAD[:20], b"\xff\xfe" * 10):
        assert isinstance(er7.head(raw).control_id, str)
    assert not er7.head(b"PID|1").present
    assert er7.head(HEAD + b"\rPID").control_id == "M1"
    assert not er7.head(HEAD).enhanced


def test_a_batch_is_split_into_its_messages():
    one, two = message(b"PID|1||A"), message(b"PID|1||B", b"NTE|1||MSH inside text")
    raw = b"FHS|^~\\&|PAS\rBHS|^~\\&|PAS\r" + one + two + b"BTS|2\rFTS|1\r"
    assert er7.split_batch(raw) == [one, two]
    assert er7.split_batch(one) == [one]
    assert er7.split_batch(b"\xef\xbb\xbf" + one) == [one]
    assert er7.split_batch(b"") == []
    assert er7.split_batch(b"\r\n") == []


def test_framed_messages_in_a_file_are_split_too():
    one, two = message(b"PID|1||A"), message(b"PID|1||B")
    assert er7.split_batch(b"\x0b" + one + b"\x1c\r\x0b" + two + b"\x1c\r") == [one + b"\x1c\r", two + b"\x1c\r"]


def test_bytes_before_the_first_header_are_a_piece_to_refuse():
    pieces = er7.split_batch(b"rubbish\r" + message())
    assert pieces == [b"rubbish\r", message()]


def answer(raw: bytes, code: str, **more: object) -> list[str]:
    made = er7.acknowledgement(er7.head(raw), code, control_id="W1", now="2024-05-01T12:00:00.123456Z", **more)
    assert made.endswith(b"\r")
    return made.decode("latin-1").split("\r")[:-1]


def test_an_acknowledgement_swaps_the_parties_and_echoes_the_control_id():
    assert answer(HEAD, "AA") == [
        "MSH|^~\\&|WEALD|REGION|PAS|RTK|20240501120000.1234+0000||ACK^A08^ACK|W1|P|2.4",
        "MSA|AA|M1",
    ]
    made = er7.acknowledgement(er7.head(HEAD), "AA", control_id="W1", now="2024-05-01T12:00:00Z")
    assert b"|20240501120000+0000|" in made


def test_an_error_before_2_5_is_in_err_1():
    error = InvalidField("MSH-2 is | wrong", location="MSH^1^2")
    assert answer(HEAD, "AE", errors=[error])[1:] == ["MSA|AE|M1|MSH-2 is   wrong", "ERR|MSH^1^2^102&Data type error&HL70357"]
    assert answer(HEAD, "AE", errors=[InvalidField("x")])[2] == "ERR|^^^102&Data type error&HL70357"


def test_an_error_from_2_5_is_in_err_2_to_8():
    raw = HEAD.replace(b"2.4", b"2.5.1")
    error = UnsupportedEvent("MSH-9.2 is not taken", location="MSH^1^9^1^2")
    assert answer(raw, "AR", errors=[error, InvalidField("bad")])[1:] == [
        "MSA|AR|M1",
        "ERR||MSH^1^9^1^2|201^Unsupported event code^HL70357|E||||MSH-9.2 is not taken",
        "ERR|||102^Data type error^HL70357|E||||bad",
    ]


def test_an_old_version_gets_the_message_type_alone():
    assert "|ACK^A08|" in answer(HEAD.replace(b"2.4", b"2.3"), "AA")[0]
    assert "|ACK|" in answer(b"MSH|^~\\&|PAS", "AA")[0]


def test_garbage_is_answered_with_the_usual_separators():
    made = answer(b"garbage", "AR", errors=[NoHeader("a message begins with an MSH segment", location="MSH^1")])
    assert made[0] == "MSH|^~\\&|||||20240501120000.1234+0000||ACK|W1|P|2.4"
    assert made[1].startswith("MSA|AR||")
    assert answer(b"MSH|^^^^|A|B|C|D|||ADT^A08|M9|P|2.4", "AE")[1] == "MSA|AE|M9"
    assert answer(b"MSH|^~|A|B|C|D|||ADT^A08|M9|P|2.x", "AA")[0].startswith("MSH|^~\\&|C|D|A|B|")


def test_an_answer_is_made_whatever_the_trigger_and_the_text_hold():
    raw = HEAD.replace(b"A08", b"\xff\xb5")
    made = er7.acknowledgement(er7.head(raw), "AR", control_id="W1", now="2024-05-01T12:00:00Z", errors=[InvalidField("caf\u00e9 \u2013 no")])
    assert b"ACK^\xff\xb5^ACK" in made
    assert b"caf\xe9 ? no" in made


def test_an_answer_uses_the_separators_bytes_and_charset_of_the_message():
    raw = b"MSH*:+?@*P\xc9S*RTK*****ADT:A08*M\xc91*T*2.4*7*****8859/1"
    made = er7.acknowledgement(er7.head(raw), "AA", control_id="W1", now="2024-05-01T12:00:00Z", sequence="7")
    assert made == b"MSH*:+?@***P\xc9S*RTK*20240501120000+0000**ACK:A08:ACK*W1*T*2.4******8859/1\rMSA*AA*M\xc91**7\r"


@pytest.mark.parametrize(
    ("accept", "application", "code", "wanted"),
    [
        ("", "", "AE", "AE"),
        ("AL", "NE", "AA", "CA"),
        ("AL", "", "AE", "CE"),
        ("al", "NE", "AR", "CR"),
        ("ER", "NE", "AA", ""),
        ("ER", "NE", "AR", "CR"),
        ("SU", "NE", "AA", "CA"),
        ("SU", "NE", "AE", ""),
        ("??", "NE", "AE", "CE"),
        ("AL", "AL", "AA", "CA AA"),
        ("AL", "al", "AE", "CA AE"),
        ("AL", "AL", "AR", "CR"),
        ("AL", "ER", "AA", "CA"),
        ("AL", "ER", "AE", "CA AE"),
        ("AL", "SU", "AA", "CA AA"),
        ("AL", "SU", "AE", "CE"),
        ("AL", "??", "AE", "CE"),
        ("ER", "AL", "AE", "AE"),
        ("NE", "AL", "AA", "AA"),
        ("", "AL", "AE", "AE"),
        ("NE", "AL", "AR", ""),
    ],
)
def test_enhanced_mode_answers_as_msh_15_and_msh_16_ask(accept, application, code, wanted):
    header = er7.head(HEAD + f"|||{accept}|{application}".encode())
    assert " ".join(er7.answer_codes(header, code)) == wanted


def test_an_application_acknowledgement_of_enhanced_mode_asks_for_none_itself():
    header = er7.head(HEAD + b"|||AL|AL")
    made = {code: er7.head(er7.acknowledgement(header, code, control_id="W1", now="2026-01-01T12:00:00.000000Z")) for code in ("CA", "AA", "AE")}
    assert {code: (one.field(15), one.field(16)) for code, one in made.items()} == {"CA": ("", ""), "AA": ("NE", "NE"), "AE": ("NE", "NE")}


@pytest.mark.parametrize(
    "piece", [b"\\", b"\\F", b"\\F\\", b"^", b"&", b"|", b"\r", b"\n", b"\r\n", b"\\X41", b"MSH", b"\x0b", b"A~"], ids=lambda piece: piece.hex()
)
def test_the_largest_message_is_handled_at_once_whatever_it_repeats(piece):
    raw = message(b"PID|1||" + piece * ((1_000_000) // len(piece)))
    started = process_time()
    er7.split_batch(raw)
    try:
        for segment in er7.read(raw, limits=er7.Limits(repeats=1_000_000)).segments()[:2]:
            segment.component(3)
    except MessageTooLarge:
        pass
    assert process_time() - started < 5
