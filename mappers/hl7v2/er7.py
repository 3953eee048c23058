"""ER7 messages: read lazily from bytes, written back byte for byte, answered (hl7v2.md 6; HL7 v2 chapter 2).

``read`` splits segments, a segment splits its fields when first asked; text is unescaped after the
last split. What Weald does not know (Z segments, surplus components, empty repeats) stays as it came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from mappers.hl7v2 import charsets
from mappers.hl7v2.errors import InvalidField, MessageTooLarge, MissingField, NoHeader

DELETED = '""'
_BOM = b"\xef\xbb\xbf"
_MAX_SPACES = 100
_HEADERS = ("MSH", "FHS", "BHS")
_ENCODING_CHARACTERS = "^~\\&"
_MAX_ENCODING_CHARACTERS = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest message of a source: bytes, segments, repeats of one field."""

    size: int = 1 << 20
    segments: int = 500
    repeats: int = 100


ADT_LIMITS = Limits()
ORDER_LIMITS = Limits(4 << 20, 10_000, 1_000)


class Delimiters:
    """The separators that MSH-1 and MSH-2 declare, and the escapes that go with them."""

    __slots__ = ("_codec", "_meanings", "_pattern", "component", "escape", "field", "repetition", "subcomponent")

    def __init__(self, field: str, characters: str, codec: str) -> None:
        declared = characters + "\0" * (_MAX_ENCODING_CHARACTERS - len(characters))
        self.field = field
        self.component, self.repetition, self.escape, self.subcomponent, truncation = tuple(declared)
        self._codec = codec
        self._meanings = {
            "F": field, "S": self.component, "T": self.subcomponent, "R": self.repetition, "E": self.escape,
            "P": "#" if truncation == "\0" else truncation, "H": "", "N": "", ".br": "\n",
        }  # fmt: skip
        escape = re.escape(self.escape)
        self._pattern = re.compile(f"{escape}([^{escape}]*){escape}")

    @property
    def encoding_characters(self) -> str:
        """MSH-2 without truncation character."""
        return (self.component + self.repetition + self.escape + self.subcomponent).rstrip("\0")

    def unescape(self, text: str) -> str:
        r"""The meaning of escaped text; ``\C..\ \M..\ \Z..\`` and sequences unknown here stay as they are."""
        return self._pattern.sub(self._meaning, text) if self.escape in text else text

    def _meaning(self, found: re.Match[str]) -> str:
        code = found[1]
        plain = self._meanings.get(code)
        if plain is not None:
            return plain
        if code[:1] == "X":
            return self._hexadecimal(code[1:], found[0])
        if code[:3] == ".sp":
            return _spaces(code[3:], found[0])
        return found[0]

    def _hexadecimal(self, digits: str, verbatim: str) -> str:
        try:
            return bytes.fromhex(digits).decode(self._codec)
        except UnicodeDecodeError:
            pass
        except ValueError:
            return verbatim
        raise InvalidField("an escape holds bytes outside the character set of MSH-18", location=charsets.LOCATION)

    def escaped(self, text: str) -> str:
        """Text with every separator, CR and LF escaped; ``unescape`` gives it back."""
        for code, character in (
            ("E", self.escape), ("F", self.field), ("S", self.component), ("R", self.repetition), ("T", self.subcomponent),
            ("X0D", "\r"), (".br", "\n"),
        ):  # fmt: skip
            text = text.replace(character, f"{self.escape}{code}{self.escape}")
        return text


def _spaces(count: str, verbatim: str) -> str:
    number = count.strip().removeprefix("+") or "1"
    if not (number.isascii() and number.isdigit()):
        return verbatim
    return "\n" * min(int(number[:9]), _MAX_SPACES)


@lru_cache(maxsize=64)
def delimiters(field: str, characters: str, codec: str) -> Delimiters:
    """The Delimiters of MSH-1 and MSH-2: two to five distinct characters that are neither letter, digit nor control."""
    every = field + characters
    if not characters:
        raise MissingField("MSH-2 is empty: it must hold the encoding characters", location="MSH^1^2")
    if not 2 <= len(characters) <= _MAX_ENCODING_CHARACTERS or len(set(every)) != len(every):
        raise InvalidField("MSH-2 does not hold distinct encoding characters", location="MSH^1^2")
    if any(c.isalnum() or c.isspace() or not c.isprintable() or not c.isascii() for c in every):
        raise InvalidField("MSH-1 and MSH-2 must be neither letters, digits nor control characters", location="MSH^1^2")
    return Delimiters(field, characters, codec)


class Segment:
    """One segment; ``fields[n]`` is the raw text of field n (MSH-1 is the separator itself), ``fields[0]`` the name."""

    __slots__ = ("delimiters", "fields", "name")

    def __init__(self, line: str, delimiters: Delimiters) -> None:
        self.delimiters = delimiters
        self.fields = line.lstrip("\n").split(delimiters.field)
        self.name = self.fields[0]
        if self.name in _HEADERS:
            self.fields.insert(1, delimiters.field)

    def field(self, number: int) -> str:
        """Raw text of a field, "" where absent; escapes still in it."""
        return self.fields[number] if number < len(self.fields) else ""

    def repeats(self, number: int) -> list[str]:
        """Raw repeats of a field, none where it is empty."""
        raw = self.field(number)
        return raw.split(self.delimiters.repetition) if raw else []

    def component(self, number: int, component: int = 1) -> str:
        """Unescaped text of a component of the first repeat, ends trimmed."""
        raw, d = self.field(number), self.delimiters
        if not raw:
            return ""
        parts = raw.split(d.repetition, 1)[0].split(d.component)
        return d.unescape(parts[component - 1]).strip() if component <= len(parts) else ""


class Head:
    """The fields of MSH as Latin-1, read without ever failing: enough to name the sender and to answer."""

    __slots__ = ("_fields", "field_separator", "separators")

    def __init__(self, line: str) -> None:
        self.field_separator = line[3:4] if line[:3] == "MSH" and len(line) > 3 else ""
        fields = line.split(self.field_separator) if self.field_separator else ["MSH"]
        self._fields = [fields[0], self.field_separator, *fields[1:]]
        self.separators = self.field(2)

    @property
    def present(self) -> bool:
        """Whether the bytes began with an MSH segment that says anything."""
        return bool(self.separators) or len(self._fields) > 3

    def field(self, number: int) -> str:
        """Raw text of MSH-number."""
        return self._fields[number] if number < len(self._fields) else ""

    def component(self, number: int, component: int = 1) -> str:
        """Text of a component of the first repeat of MSH-number, ends trimmed, escapes left."""
        first = self.field(number).split(self.separators[1:2] or "~", 1)[0]
        parts = first.split(self.separators[:1] or "^")
        return parts[component - 1].strip() if component <= len(parts) else ""

    @property
    def sending_application(self) -> str:
        return self.field(3)

    @property
    def sending_facility(self) -> str:
        return self.field(4)

    @property
    def message_code(self) -> str:
        return self.component(9, 1).upper()

    @property
    def trigger(self) -> str:
        return self.component(9, 2).upper()

    @property
    def control_id(self) -> str:
        return self.field(10)

    @property
    def processing_id(self) -> str:
        return self.component(11).upper()

    @property
    def version(self) -> str:
        return self.component(12)

    @property
    def enhanced(self) -> bool:
        """Enhanced acknowledgement mode: MSH-15 or MSH-16 is valued."""
        return bool(self.field(15) or self.field(16))


def head(raw: bytes) -> Head:
    """The MSH of any bytes, also of garbage or of a cut-off message."""
    body = _body(raw)
    end = min(e if e >= 0 else len(body) for e in (body.find(b"\r"), body.find(b"\n")))
    return Head(body[:end].decode("latin-1"))


def _body(raw: bytes) -> bytes:
    """The bytes without byte order mark and blank lines before the first segment."""
    return raw if raw.startswith(b"MSH") else raw.removeprefix(_BOM).lstrip(b"\r\n")


class Message:
    """A message read: its raw bytes, header, delimiters, flags, and lazily its segments."""

    __slots__ = ("_lines", "codec", "delimiters", "flags", "header", "raw")

    def __init__(self, raw: bytes, header: Head, delimiters: Delimiters, *, codec: str, lines: list[str], flags: tuple[str, ...]) -> None:
        self.raw = raw
        self.header = header
        self.delimiters = delimiters
        self.codec = codec
        self.flags = flags
        self._lines = lines

    def segments(self, name: str | None = None) -> list[Segment]:
        """The segments in order, or those of that name; blank lines are none."""
        d = self.delimiters
        if name is None:
            return [Segment(line, d) for line in self._lines if line.strip()]
        return [s for line in self._lines if line.lstrip("\n").startswith(name) and (s := Segment(line, d)).name == name]

    def segment(self, name: str) -> Segment | None:
        """The first segment of that name."""
        return next(iter(self.segments(name)), None)


def read(raw: bytes, default_charset: str = "ASCII", *, limits: Limits = ADT_LIMITS, tolerate_utf8: bool = False) -> Message:
    """The message that ``raw`` holds.

    Raises an Er7Error: no MSH, bad delimiters, unreadable or unsupported character set, over a limit.
    """
    if len(raw) > limits.size:
        raise MessageTooLarge("the message is larger than its source may send")
    header = head(raw)
    if not header.present:
        raise NoHeader("a message begins with an MSH segment", location="MSH^1")
    codec = charsets.codec_of(header.component(18), default_charset)
    body = _body(raw)
    text, codec, flags = charsets.decode(body, codec, default_charset, tolerate_utf8=tolerate_utf8)
    separator = "\r" if _has_bare_cr(body) else "\n"
    lines = text.split(separator)
    if separator == "\n" and "\r" in text:
        lines = [line.removesuffix("\r") for line in lines]
    d = delimiters(header.field_separator, header.separators, charsets.codec_of("", default_charset) if codec == "ascii" else codec)
    _check_limits(lines, text, d, limits)
    return Message(raw, header, d, codec=codec, lines=lines, flags=flags)


def _has_bare_cr(raw: bytes) -> bool:
    """CR ends a segment; LF or CRLF do only where no bare CR exists."""
    count = raw.count(b"\r")
    return bool(count) and (b"\n" not in raw or count != raw.count(b"\r\n"))


def _check_limits(lines: list[str], text: str, d: Delimiters, limits: Limits) -> None:
    if len(lines) > limits.segments and sum(1 for line in lines if line.strip()) > limits.segments:
        raise MessageTooLarge("the message has more segments than its source may send")
    if text.count(d.repetition) > limits.repeats and any(
        field.count(d.repetition) >= limits.repeats for line in lines for field in line.split(d.field)
    ):
        raise MessageTooLarge("a field of the message has more repeats than its source may send")


def write(segments: Iterable[Segment], codec: str = "ascii") -> bytes:
    """The bytes of segments, each ended by CR, as ER7 wants them."""
    return "".join(line(s) + "\r" for s in segments).encode(codec)


def line(segment: Segment) -> str:
    """The ER7 text of a segment, as it was read."""
    fields = segment.fields
    if segment.name in _HEADERS:
        fields = [fields[0], *fields[2:]]
    return segment.delimiters.field.join(fields)


_BATCH = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|(?<=[\r\n\x0b\x1c]))(?=(?:MSH|FHS|BHS|BTS|FTS)[^A-Za-z0-9\s])")


def split_batch(raw: bytes) -> list[bytes]:
    """The messages of a file, batch headers and trailers (FHS BHS BTS FTS) and MLLP framing left out.

    Bytes before the first header, if not blank, are given as a piece of their own, to be refused as such.
    """
    starts = [m.end() for m in _BATCH.finditer(raw)]
    pieces = [raw[a:b] for a, b in zip([0, *starts], [*starts, len(raw)], strict=True)]
    kept = (piece.strip(b"\x0b\x1c\n") if b"\x0b" in piece or b"\x1c" in piece else piece for piece in pieces)
    return [p for p in kept if p.strip(b"\xef\xbb\xbf\r\n\t \x0b\x1c") and p[:3] not in {b"FHS", b"BHS", b"BTS", b"FTS"}]


class Refusal(Protocol):
    """What an acknowledgement says of one fault: an Er7Error or a refusal of the application."""

    text: str
    location: str | None

    @property
    def hl7_code(self) -> str: ...


CONDITIONS = {
    "100": "Segment sequence error",
    "101": "Required field missing",
    "102": "Data type error",
    "103": "Table value not found",
    "200": "Unsupported message type",
    "201": "Unsupported event code",
    "202": "Unsupported processing id",
    "203": "Unsupported version id",
    "204": "Unknown key identifier",
    "205": "Duplicate key identifier",
    "206": "Application record locked",
    "207": "Application internal error",
}
"""HL7 table 0357."""

_ENHANCED = {"AA": "CA", "AE": "CE", "AR": "CR"}
_ACCEPT = {"AL": ("CA", "CE", "CR"), "NE": (), "ER": ("CE", "CR"), "SU": ("CA",)}
_APPLICATION = {"AL": ("AA", "AE"), "ER": ("AE",), "SU": ("AA",)}
"""By MSH-15 and MSH-16 (HL7 table 0155): always, never, on error, on success. What is rejected (AR) goes no further than the accept acknowledgement."""


def answer_codes(header: Head, code: str) -> tuple[str, ...]:
    """The MSA-1 of each acknowledgement that the sender wants for AA, AE or AR, in the order to send them (hl7v2.md 6).

    In original mode the code itself. In enhanced mode the accept acknowledgement (CA, CE, CR) as MSH-15 asks, then the application
    acknowledgement as MSH-16 asks: where that one will tell of an error, the accept acknowledgement says that the message is kept.
    """
    if not header.enhanced:
        return (code,)
    application = code in _APPLICATION.get(header.component(16).upper(), ())
    accept = "CA" if application else _ENHANCED[code]
    wanted = _ACCEPT.get(header.component(15).upper() or "NE", _ACCEPT["AL"])
    return (*((accept,) if accept in wanted else ()), *((code,) if application else ()))


def acknowledgement(header: Head, code: str, *, control_id: str, now: str, errors: Iterable[Refusal] = (), sequence: str = "") -> bytes:
    """The answer to the message of ``header`` with MSA-1 ``code``, in the message's own bytes and separators.

    An application acknowledgement in enhanced mode asks for none itself (MSH-15, MSH-16 NE). ``now`` is ISO 8601 UTC. ERR by version: from 2.5 ERR-2, -3, -4, -8; before it ERR-1, the text in MSA-3.
    """
    f, characters = _separators(header)
    modern = _version(header) >= (2, 5)
    faults = list(errors)
    c = characters[0]
    trigger = header.component(9, 2)
    answered = c.join(("ACK", trigger, "ACK") if _version(header) >= (2, 4) else ("ACK", trigger)) if trigger else "ACK"
    msh = [
        "MSH", characters, header.field(5), header.field(6), header.field(3), header.field(4), _timestamp(now), "", answered,
        control_id, header.field(11) or "P", header.field(12) or "2.4", "", "", *_asked_in_turn(header, code), "", header.field(18),
    ]  # fmt: skip
    text = "" if modern or not faults else _plain(faults[0].text, f, characters)
    msa = ["MSA", code, header.control_id, text, sequence]
    lines = [msh, msa, *((_err if modern else _err_before_2_5)(fault, f, characters) for fault in faults)]
    return "".join(f.join(line).rstrip(f) + "\r" for line in lines).encode("latin-1", "replace")


def _asked_in_turn(header: Head, code: str) -> tuple[str, str]:
    """MSH-15 and MSH-16 of an acknowledgement."""
    return ("NE", "NE") if header.enhanced and code in _ENHANCED else ("", "")


def _separators(header: Head) -> tuple[str, str]:
    """MSH-1 and MSH-2 of the message where they can be used, else the usual ones."""
    try:
        d = delimiters(header.field_separator, header.separators, "latin-1")
    except (InvalidField, MissingField):
        return "|", _ENCODING_CHARACTERS
    complete = "\0" not in d.component + d.repetition + d.escape + d.subcomponent
    return (d.field, header.separators) if complete else ("|", _ENCODING_CHARACTERS)


_NUMBERED = re.compile(r"\d{1,3}(\.\d{1,3}){0,3}", re.ASCII)


def _version(header: Head) -> tuple[int, ...]:
    return tuple(map(int, header.version.split("."))) if _NUMBERED.fullmatch(header.version) else (2, 4)


def _timestamp(iso: str) -> str:
    """TS of an ISO 8601 UTC instant, to the hundredth of a millisecond at most."""
    digits = iso[:19].translate({ord(c): None for c in "-:T"})
    return f"{digits}.{iso[20:24]}+0000" if iso[19:20] == "." else f"{digits}+0000"


def _plain(text: str, field: str, characters: str) -> str:
    return text.translate({ord(c): " " for c in field + characters + "\r\n"})


def _err(fault: Refusal, field: str, characters: str) -> list[str]:
    location = (fault.location or "").replace("^", characters[0])
    code = characters[0].join((fault.hl7_code, CONDITIONS[fault.hl7_code], "HL70357"))
    return ["ERR", "", location, code, "E", "", "", "", _plain(fault.text, field, characters)]


def _err_before_2_5(fault: Refusal, _field: str, characters: str) -> list[str]:
    place = [*(fault.location or "").split("^"), "", ""][:3]
    code = characters[3].join((fault.hl7_code, CONDITIONS[fault.hl7_code], "HL70357"))
    return ["ERR", characters[0].join((*place, code))]
