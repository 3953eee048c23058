"""MSH-18 character sets (HL7 table 0211) and strict decoding (hl7v2.md 6, charset)."""

from __future__ import annotations

from mappers.hl7v2.errors import InvalidField, UnsupportedCharset

CODECS = {
    "ASCII": "ascii",
    **{f"8859/{n}": f"iso8859-{n}" for n in (*range(1, 10), 15)},
    "CP1252": "cp1252",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "ISO IR14": "shift_jis",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_1",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
}
"""Python codec by MSH-18 value; CP1252 is a source option, not an HL7 value."""

_ESCAPED = frozenset({"iso2022_jp", "iso2022_jp_1"})
_MULTIBYTE_LEADS = bytes((*range(0x80, 0xA1), *range(0xE0, 0x100)))
LOCATION = "MSH^1^18"


def codec_of(charset: str, default: str) -> str:
    """The Python codec of MSH-18.1, of ``default`` where it is empty; 8859/1 is cp1252 where the default says so."""
    name = charset.strip().upper() or default.upper()
    codec = CODECS.get(name)
    if codec is None:
        raise UnsupportedCharset("MSH-18 names a character set that is not supported", location=LOCATION)
    return "cp1252" if codec == "iso8859-1" and default.upper() == "CP1252" else codec


def decode(raw: bytes, codec: str, default: str, *, tolerate_utf8: bool = False) -> tuple[str, str, tuple[str, ...]]:
    """The text of ``raw``, the codec that read it, and flags. Never replaces a character.

    8-bit bytes declared ASCII are read by the source's default and flagged. UTF-8 multibyte characters
    declared 8859/x are refused, or with ``tolerate_utf8`` read as UTF-8 and flagged.
    """
    if raw.isascii() and codec not in _ESCAPED:
        return raw.decode("ascii"), codec, ()
    if codec == "ascii":
        return _strict(raw, codec_of("", default)), codec_of("", default), ("charset-mismatch",)
    if codec.startswith(("iso8859", "cp1252")) and _is_utf8(raw):
        if not tolerate_utf8:
            raise InvalidField("the message is UTF-8 but MSH-18 says otherwise", location=LOCATION)
        return raw.decode("utf-8"), "utf-8", ("charset-mismatch",)
    if codec == "shift_jis" and raw.translate(None, _MULTIBYTE_LEADS) != raw:
        raise InvalidField("the message has bytes outside the character set of MSH-18", location=LOCATION)
    return _strict(raw, codec), codec, ()


def _strict(raw: bytes, codec: str) -> str:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        pass
    raise InvalidField("the message has bytes outside the character set of MSH-18", location=LOCATION)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
