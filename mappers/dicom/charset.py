"""Text from bytes by Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1.2 and annexes H to K)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_SINGLE: Mapping[str, str] = {
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso8859_7",
    "127": "iso8859_6",
    "138": "iso8859_8",
    "144": "iso8859_5",
    "148": "iso8859_9",
    "166": "iso8859_11",
    "203": "iso8859_15",
    "13": "shift_jis",
}
_MULTI_G1: Mapping[str, str] = {"149": "euc_kr", "58": "gb2312"}
_WHOLE: Mapping[str, str] = {"192": "utf_8", "GB18030": "gb18030", "GBK": "gbk"}
_HL7_NAMES: Mapping[str, str] = {"UNICODE UTF-8": "192", "UTF-8": "192", "UTF8": "192", "GB 18030-2000": "GB18030"}

_G0: Mapping[bytes, str] = {
    b"\x1b(B": "ascii",
    b"\x1b(J": "shift_jis",
    b"\x1b$B": "iso2022_jp",
    b"\x1b$@": "iso2022_jp",
    b"\x1b$(D": "iso2022_jp_2",
}
_G1: Mapping[bytes, str] = {
    b"\x1b-A": "latin_1",
    b"\x1b-B": "iso8859_2",
    b"\x1b-C": "iso8859_3",
    b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7",
    b"\x1b-G": "iso8859_6",
    b"\x1b-H": "iso8859_8",
    b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9",
    b"\x1b-T": "iso8859_11",
    b"\x1b-b": "iso8859_15",
    b"\x1b)I": "shift_jis",
    b"\x1b$)C": "euc_kr",
    b"\x1b$)A": "gb2312",
}
_RUN = re.compile(rb"(\x1b[\x20-\x2f]*[\x30-\x7e])|([\x80-\xff]+)|([^\x1b\x80-\xff]+)|(\x1b)")
_RESET = re.compile(rb"[\\^=\r\n\f\t]")
_MULTI_BYTE_G0 = frozenset(("iso2022_jp", "iso2022_jp_2"))


class Charset(NamedTuple):
    """One codec for the whole text, or the initial G1 of a text with code extensions; "" where none is declared."""

    codec: str = ""
    extended: bool = False
    unknown: bool = False


def charset_from_terms(text: str) -> Charset:
    """The Charset that the backslash-separated terms of (0008,0005), or an HL7 table 0211 name, declare.

    Tolerates ``ISO-IR 100``, ``ISO_IR_100`` and an empty first value.
    """
    terms = [_term(part) for part in text.split("\\")]
    first = terms[0]
    extended = len(terms) > 1 or "2022" in text
    if first in _WHOLE:
        return Charset(_WHOLE[first])
    if first in ("", "6"):
        return Charset("", extended)
    codec = _SINGLE.get(first) or _MULTI_G1.get(first)
    if codec and not extended:
        return Charset(codec)
    if codec or first in ("87", "159"):
        return Charset(codec or "", extended=True)
    return Charset(unknown=True)


def _term(text: str) -> str:
    """The registration number or name inside one defined term."""
    text = text.strip(" \0").upper()
    if text in _HL7_NAMES:
        return _HL7_NAMES[text]
    for name in ("GB18030", "GBK"):
        if name in text:
            return name
    if text == "ASCII":
        return ""
    latin = re.fullmatch(r"8859/(\d+)", text)
    if latin:
        return _LATIN_PARTS.get(latin[1], text)
    number = re.fullmatch(r"(?:ISO[ _-]?)?(?:2022[ _-]?)?(?:IR[ _-]?)?(\d+)", text)
    return number[1] if number else text


_LATIN_PARTS: Mapping[str, str] = {
    "1": "100", "2": "101", "3": "109", "4": "110", "5": "144", "6": "127", "7": "126", "8": "138", "9": "148", "15": "203",
}  # fmt: skip


def text_from_bytes(data: bytes, charset: Charset, fallback: Charset) -> tuple[str, str | None]:
    """The text, and a flag where the declared character set did not serve: charset-assumed or charset-invalid.

    Undeclared eight-bit text is read as strict UTF-8, then as the source's default, then as Latin-1.
    """
    if data.isascii() and b"\x1b" not in data:
        return data.decode("ascii"), None
    declared = bool(charset.codec) or charset.extended or b"\x1b" in data
    if declared and not charset.unknown:
        text = _extended(data, charset) if charset.extended or b"\x1b" in data else _strict(data, charset.codec)
        if text is not None:
            return text, None
    text = _strict(data, "utf_8")
    if text is not None and b"\x1b" not in data:
        return text, "charset-invalid" if declared else None
    if fallback.codec:
        text = _strict(data, fallback.codec)
        if text is not None:
            return _without_escapes(text), "charset-invalid" if declared else None
    return _without_escapes(data.decode("latin_1")), "charset-invalid" if declared else "charset-assumed"


def _strict(data: bytes, codec: str) -> str | None:
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        return None


def _without_escapes(text: str) -> str:
    return re.sub("\x1b[\x20-\x2f]*[\x30-\x7e]?", "", text)


def _extended(data: bytes, charset: Charset) -> str | None:
    """Text with ISO 2022 code extensions; G0 and G1 fall back to the first value at each delimiter."""
    start0 = "shift_jis" if charset.codec == "shift_jis" else "ascii"
    g0, g1 = start0, charset.codec
    parts: list[str] = []
    for match in _RUN.finditer(data):
        escape, high, low, stray = match.groups()
        if escape:
            g0, g1 = _G0.get(escape, g0), _G1.get(escape, g1)
            if escape not in _G0 and escape not in _G1:
                return None
        elif stray:
            return None
        else:
            part = _run(high or low, g1 if high else g0)
            if part is None:
                return None
            parts.append(part)
            if low and g0 not in _MULTI_BYTE_G0 and _RESET.search(low):
                g0, g1 = start0, charset.codec
    return "".join(parts)


_DESIGNATE: Mapping[str, bytes] = {"iso2022_jp": b"\x1b$B", "iso2022_jp_2": b"\x1b$(D"}


def _run(data: bytes, codec: str) -> str | None:
    """One run of bytes in one code element."""
    return _strict(_DESIGNATE.get(codec, b"") + data, codec) if codec else None
