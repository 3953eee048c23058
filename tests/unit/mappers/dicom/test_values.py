"""Values by VR (imaging.md 1.1)."""

from __future__ import annotations

import pytest

from mappers.dicom.charset import Charset
from mappers.dicom.dataset import facts_from_bytes
from mappers.dicom.header import EXPLICIT_LITTLE as RTK_SYNTAX
from mappers.dicom.header import Items
from mappers.dicom.tables import LEVELS, Element, Level
from mappers.dicom.values import (
    Reading,
    clean_text,
    date_from_da,
    integer_from_is,
    person_name_from_pn,
    plain_text,
    read_value,
    time_from_tm,
    uid_from_text,
)  # fmt: skip
from tests.unit.mappers.dicom.making import RTK, bare, element, facts, item, plain_item

ELEMENTS = {one.keyword: one for elements in LEVELS.values() for one in elements}


def _value(keyword: str, raw: object) -> tuple[object, set[str], dict[str, str]]:
    reading = Reading()
    return read_value(ELEMENTS[keyword], raw, reading), reading.flags, reading.raw  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "date"),
    [("20250110", "2025-01-10"), ("2025.01.10", "2025-01-10"), ("20240229", "2024-02-29")]
    + [(bad, None) for bad in ("20230229", "2025-01-10", "2025.0110", "00000000", "202501", "", "20251301")],
)
def test_a_date_is_a_real_day(text: str, date: str | None) -> None:
    assert date_from_da(text) == date


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1011", "10:11:00"),
        ("101112", "10:11:12"),
        ("101112.5", "10:11:12.5"),
        ("101112.123456", "10:11:12.123456"),
        ("10:11:12", "10:11:12"),
        ("235960", "23:59:59"),
    ]
    + [(bad, None) for bad in ("10", "101", "241112", "106012", "101161", "101112.1234567", "10:1112", "")],
)
def test_a_time_has_hours_and_minutes(text: str, time: str | None) -> None:
    assert time_from_tm(text) == time


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("+7", 7), ("0", 0), ("2147483647", 2147483647)]
    + [(bad, None) for bad in ("-1", "2147483648", "1.0", "1e3", "x", "9" * 20)],
)
def test_an_integer_is_what_fhir_can_hold(text: str, number: int | None) -> None:
    assert integer_from_is(text) == number


@pytest.mark.parametrize(("text", "uid"), [("1.2.3", "1.2.3"), ("1.02", "1.02"), ("1." * 33, None), ("1." + "2" * 62, "1." + "2" * 62)])
def test_a_uid_is_at_most_64_digits_and_dots(text: str, uid: str | None) -> None:
    assert uid_from_text(text) == uid


def test_an_invalid_number_is_kept_as_text_and_flagged() -> None:
    assert _value("SeriesNumber", b"-5") == (None, {"value-invalid"}, {"SeriesNumber": "-5"})
    assert _value("SeriesNumber", ["1.0"]) == (None, {"value-invalid"}, {"SeriesNumber": "1.0"})


def test_hours_alone_and_empty_names_are_absent_without_a_finding() -> None:
    assert _value("StudyTime", b"10") == (None, set(), {})
    assert _value("PatientName", b"^^^^") == (None, set(), {})
    assert _value("PatientName", b"  ") == (None, set(), {})


@pytest.mark.parametrize(("keyword", "text"), [("StudyTime", "24"), ("StudyTime", "1"), ("TimezoneOffsetFromUTC", "bogus"), ("TimezoneOffsetFromUTC", "+1430")])
def test_what_is_no_time_or_offset_is_kept_as_text_and_flagged(keyword: str, text: str) -> None:
    assert _value(keyword, text.encode()) == (None, {"value-invalid"}, {keyword: text})


def test_a_uid_with_leading_zeros_is_kept_and_flagged() -> None:
    made = item(SpecimenIdentifier="S1", SpecimenUID="1.02")
    found = facts(SpecimenDescriptionSequence=[made])
    assert found.series.values["SpecimenDescriptionSequence"] == [{"SpecimenIdentifier": "S1", "SpecimenUID": "1.02"}]
    assert found.series.flags == ("uid-leading-zero",)


def test_a_one_valued_tag_with_many_values_gives_the_first_and_an_identifier_all() -> None:
    assert _value("StudyDescription", b"\\Head\\Neck") == ("Head", {"multiple-values"}, {})
    assert _value("PatientID", b"A100\\A200") == ("A100\\A200", {"multiple-values"}, {})
    assert _value("OtherPatientIDs", b"A100\\\\A200") == (["A100", "A200"], set(), {})


def test_a_list_keeps_its_valid_values() -> None:
    uids = Element(1, "Uids", "UI", many=True)
    reading = Reading()
    assert read_value(uids, b"1.2\\x\\1.3", reading) == ["1.2", "1.3"]
    assert reading.flags == {"value-invalid"}
    assert read_value(uids, b"x", Reading()) is None


def test_padding_and_control_characters_go_and_text_is_composed() -> None:
    assert clean_text(" a\0\x07b\x85 ") == "ab"
    assert clean_text("Zoe\u0308") == "Zoë"
    assert clean_text("bad\ufffd") == "bad"
    assert clean_text(" plain ") == "plain"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hart^Alice^^^", "Hart^Alice"),
        ("Hart ^ Alice", "Hart^Alice"),
        ("Hart^Alice=漢字=", "Hart^Alice=漢字"),
        ("=漢字", "=漢字"),
        ("A^B^C^D^E^F=1=2=3", "A^B^C^D^E=1=2"),
        ("^^^=^", None),
    ],
)
def test_a_name_loses_its_empty_parts(text: str, name: str | None) -> None:
    assert person_name_from_pn(text) == name


def test_a_date_and_time_is_kept_where_it_is_one() -> None:
    for text in ("20250110", "20250110101112.5+0100", "2025011010"):
        assert _value("InstanceCoercionDateTime", text.encode())[0] == text
    for text in ("2025", "20251310", "20250110250000", "20250110+01"):
        assert _value("InstanceCoercionDateTime", text.encode()) == (None, {"value-invalid"}, {"InstanceCoercionDateTime": text})


def test_unsigned_shorts_follow_the_byte_order() -> None:
    rows = ELEMENTS["Rows"]
    assert read_value(rows, b"\0\2", Reading()) == 512
    assert read_value(rows, b"\2\0", Reading(big=True)) == 512
    assert read_value(rows, b"\2", Reading()) is None
    assert read_value(rows, ["512"], Reading()) == 512
    assert read_value(rows, ["70000"], Reading()) is None
    assert read_value(rows, [], Reading()) is None


def test_an_empty_value_is_absent_and_a_wrong_form_too() -> None:
    assert _value("StudyDescription", [""]) == (None, set(), {})
    assert _value("StudyDescription", Items(b"", RTK_SYNTAX)) == (None, set(), {})
    assert _value("ProcedureCodeSequence", b"text") == (None, set(), {})
    assert _value("ProcedureCodeSequence", Items(plain_item(b""), RTK_SYNTAX)) == (None, set(), {})


def test_text_without_character_set_is_joined() -> None:
    assert plain_text(["a ", "b"]) == "a\\b"
    assert plain_text(b"1.2\0") == "1.2"
    assert plain_text(None) == ""
    assert plain_text(Items(b"", RTK_SYNTAX)) == ""


def test_an_item_may_have_its_own_character_set() -> None:
    codes = plain_item(element(0x00080005, "CS", b"ISO_IR 192") + element(0x00080104, "LO", "Schädel".encode()))
    found = facts_from_bytes(bare(element(0x00080005, "CS", b"ISO_IR 100"), element(0x00081032, "SQ", codes)), RTK)
    assert found.study.values["ProcedureCodeSequence"] == [{"CodeMeaning": "Schädel"}]


def test_whole_texts_are_not_split() -> None:
    found = facts_from_bytes(bare(element(0x00420010, "ST", b"C:\\reports")), RTK)
    assert found.instance.values["DocumentTitle"] == "C:\\reports"


def test_findings_are_kept_with_the_level_they_describe() -> None:
    found = facts_from_bytes(bare(element(0x00100010, "PN", b"H\xe4rt^Alice"), element(0x00080005, "CS", b"ISO_IR 999")), RTK)
    assert found.patient.values["PatientName"] == "Härt^Alice"
    assert set(found.patient.flags) == {"charset-unknown", "charset-assumed"}
    assert Level.PATIENT < Level.STUDY
    assert Charset() == Charset("", extended=False, unknown=False)
