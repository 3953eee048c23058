"""How values go wrong under a clerk's hands: keys, order, sound, dates, digits."""

from __future__ import annotations

from datetime import date

from app.simulate.draw import Draw, Weighted
from app.simulate.names import NICKNAMES

NEIGHBOURS = {
    "a": "qsz", "b": "vgn", "c": "xvd", "d": "sfe", "e": "wrd", "f": "dgr", "g": "fht", "h": "gjy", "i": "uok", "j": "hkn",
    "k": "jli", "l": "kop", "m": "nj", "n": "bmh", "o": "ipl", "p": "ol", "q": "wa", "r": "etf", "s": "adw", "t": "ryg",
    "u": "yij", "v": "cbf", "w": "qes", "x": "zcs", "y": "tuh", "z": "xa",
}  # fmt: skip
SOUNDS = (
    ("ph", "f"), ("ck", "k"), ("ie", "ei"), ("ei", "ie"), ("ea", "ee"), ("ee", "ea"), ("tt", "t"), ("ll", "l"), ("nn", "n"),
    ("ss", "s"), ("ou", "ow"), ("ow", "ou"), ("ai", "ay"), ("ay", "ai"), ("y", "i"), ("gh", "g"), ("oo", "u"), ("er", "ar"),
)  # fmt: skip


def _neighbour(draw: Draw, text: str, at: int) -> str:
    letter = text[at]
    struck = draw.pick(NEIGHBOURS.get(letter.lower(), letter))
    return text[:at] + (struck.upper() if letter.isupper() else struck) + text[at + 1 :]


def _transposed(_draw: Draw, text: str, at: int) -> str:
    return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]


def _dropped(_draw: Draw, text: str, at: int) -> str:
    return text[:at] + text[at + 1 :]


def _doubled(_draw: Draw, text: str, at: int) -> str:
    return text[:at] + text[at] + text[at:]


def _by_ear(draw: Draw, text: str, at: int) -> str:
    for sound, other in SOUNDS:
        if sound in text:
            return text.replace(sound, other, 1)
    return _doubled(draw, text, at)


STROKES = Weighted([(_neighbour, 30), (_transposed, 20), (_dropped, 18), (_doubled, 12), (_by_ear, 20)])


def mistyped(draw: Draw, text: str) -> str:
    """``text`` with one error of the keyboard or the ear; a text under three letters stays."""
    if len(text) < 3:
        return text
    return draw.weighted(STROKES)(draw, text, draw.between(1, len(text) - 1))


def digit_slip(draw: Draw, text: str) -> str:
    """``text`` with one digit changed or two neighbouring digits exchanged."""
    places = [at for at, letter in enumerate(text) if letter.isdigit()]
    if not places:
        return text
    at = draw.pick(places)
    if at + 1 < len(text) and text[at + 1].isdigit() and text[at + 1] != text[at] and draw.chance(0.5):
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + str((int(text[at]) + draw.between(1, 9)) % 10) + text[at + 1 :]


def nickname(draw: Draw, given: str) -> str:
    """What the bearer of a given name is called."""
    called = NICKNAMES.get(given)
    return draw.pick(called) if called else given


def _real(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def day_and_month_swapped(text: str) -> str:
    """A YYYYMMDD with day and month exchanged, where that is a date."""
    year, month, day = text[:4], text[4:6], text[6:]
    return year + day + month if _real(int(year), int(day), int(month)) else text


def date_slip(draw: Draw, text: str) -> str:
    """A YYYYMMDD of the past with one digit wrong."""
    for _ in range(8):
        slipped = digit_slip(draw, text)
        year, month, day = int(slipped[:4]), int(slipped[4:6]), int(slipped[6:])
        if 1905 <= year <= int(text[:4]) and _real(year, month, day):
            return slipped
    return text
