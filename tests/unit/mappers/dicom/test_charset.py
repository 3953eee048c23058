"""Text by Specific Character Set (imaging.md 2.3)."""

from __future__ import annotations

import warnings

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappers.dicom.charset import Charset, charset_from_terms, text_from_bytes
from mappers.dicom.dataset import facts_from_bytes
from tests.unit.mappers.dicom.making import BUNDLED, RTK

NONE = Charset()


def _text(content: bytes, terms: str = "", fallback: str = "") -> str:
    return text_from_bytes(content, charset_from_terms(terms), charset_from_terms(fallback))[0]


def _flag(content: bytes, terms: str = "", fallback: str = "") -> str | None:
    return text_from_bytes(content, charset_from_terms(terms), charset_from_terms(fallback))[1]


@pytest.mark.parametrize(
    ("terms", "codec"),
    [
        ("ISO_IR 100", "latin_1"),
        ("ISO-IR 100", "latin_1"),
        ("ISO_IR_100", "latin_1"),
        ("iso_ir 100 ", "latin_1"),
        ("ISO_IR 101", "iso8859_2"),
        ("ISO_IR 203", "iso8859_15"),
        ("ISO_IR 13", "shift_jis"),
        ("ISO_IR 192", "utf_8"),
        ("GB18030", "gb18030"),
        ("GBK", "gbk"),
        ("ISO 2022 GBK", "gbk"),
        ("8859/1", "latin_1"),
        ("8859/15", "iso8859_15"),
        ("UNICODE UTF-8", "utf_8"),
    ],
)
def test_every_defined_term_names_a_codec(terms: str, codec: str) -> None:
    assert charset_from_terms(terms).codec == codec


@pytest.mark.parametrize("terms", ["", "ISO_IR 6", "ASCII", " "])
def test_the_default_repertoire_has_no_codec(terms: str) -> None:
    assert charset_from_terms(terms) == NONE


def test_an_unknown_term_is_told() -> None:
    assert charset_from_terms("KLINGON").unknown
    assert charset_from_terms("8859/77").unknown


def test_an_empty_first_value_allows_code_extensions() -> None:
    assert charset_from_terms("\\ISO 2022 IR 87") == Charset("", extended=True)
    assert charset_from_terms("ISO 2022 IR 87") == Charset("", extended=True)
    assert charset_from_terms("ISO 2022 IR 13\\ISO 2022 IR 87") == Charset("shift_jis", extended=True)


def test_undeclared_text_is_utf8_then_the_default_of_the_source_then_latin_1_with_a_flag() -> None:
    assert (_text("Zoë".encode()), _flag("Zoë".encode())) == ("Zoë", None)
    assert (_text(b"\xe0", fallback="ISO_IR 144"), _flag(b"\xe0", fallback="ISO_IR 144")) == ("\u0440", None)
    assert (_text(b"Zo\xeb"), _flag(b"Zo\xeb")) == ("Zoë", "charset-assumed")
    assert (_text(b"\x81", fallback="GB18030"), _flag(b"\x81", fallback="GB18030")) == ("\x81", "charset-assumed")


def test_text_that_its_declared_set_cannot_hold_is_flagged() -> None:
    assert (_text(b"Zo\xeb", "ISO_IR 192"), _flag(b"Zo\xeb", "ISO_IR 192")) == ("Zoë", "charset-invalid")
    assert (_text("Zoë".encode(), "ISO_IR 127"), _flag("Zoë".encode(), "ISO_IR 127")) == ("Zoë", "charset-invalid")
    assert (_text("漢".encode(), "ISO 2022 IR 6\\ISO 2022 IR 87"), _flag("漢".encode(), "\\ISO 2022 IR 87")) == ("漢", "charset-invalid")
    assert (_text(b"\xe0", "ISO_IR 192", "ISO_IR 144"), _flag(b"\xe0", "ISO_IR 192", "ISO_IR 144")) == ("\u0440", "charset-invalid")


def test_escapes_never_remain() -> None:
    assert "\x1b" not in _text(b"a\x1b$Zb\xff")
    assert "\x1b" not in _text(b"a\x1b")
    assert "\x1b" not in _text(b"\x1b$)C\xff", "\\ISO 2022 IR 149")
    assert _text(b"\x1b$)C\xb1\xe8^\x1b(B", "") == "김^"


def test_code_extensions_end_at_each_delimiter() -> None:
    greek = b"\x1b-F\xc4^\xc4"
    assert _text(greek, "ISO 2022 IR 100\\ISO 2022 IR 126") == "Δ^Ä"
    assert _text(b"\x1b-F\xc4\\\xc4", "ISO 2022 IR 100\\ISO 2022 IR 126") == "Δ\\Ä"


def test_chinese_code_extensions_that_pydicom_leaves_are_decoded() -> None:
    name = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab="
    assert _text(name, "\\ISO 2022 IR 58") == "Zhang^XiaoDong=张^小东="


def test_supplementary_japanese_is_decoded() -> None:
    text = "丂"
    assert (
        _text(b"\x1b$(D" + text.encode("euc_jp")[1:].translate(bytes(b & 0x7F for b in range(256))) + b"\x1b(B", "\\ISO 2022 IR 159")
        == text
    )


NAMED = [path for path in sorted((BUNDLED / "charset_files").glob("*.dcm")) if "SQ" not in path.name]


@pytest.mark.parametrize("path", NAMED, ids=lambda path: path.name)
def test_bundled_names_are_those_of_pydicom(path: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = path.read_bytes()  # type: ignore[attr-defined]
        judged = pydicom.dcmread(path)
        judged.decode()
        expected = str(judged.get("PatientName", ""))
    found = facts_from_bytes(content, RTK).patient.values.get("PatientName", "")
    if "\x1b" in expected or "IR 58" in str(judged.get("SpecificCharacterSet", "")):
        assert "\x1b" not in found
    else:
        assert found.rstrip("=^") == expected.rstrip("=^ ")


@given(
    st.binary(max_size=40),
    st.sampled_from(["", "ISO_IR 100", "ISO_IR 192", "\\ISO 2022 IR 87", "ISO 2022 IR 13\\ISO 2022 IR 87", "GB18030"]),
)
def test_any_bytes_give_text_without_escapes_or_replacement_characters(content: bytes, terms: str) -> None:
    text = _text(content, terms)
    assert "\x1b" not in text
    assert "\ufffd" not in text or "\ufffd".encode() in content
