"""Demographics from raw facts (matching.md 2): folding, placeholders, sounds, nicknames and the NHS number's state."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

from jellyfish import metaphone
from nicknames import NickNamer

from matching import words
from matching.demographics import (
    ALIAS,
    DEFAULT_DATE,
    DOUBTED,
    EVIDENTIAL,
    HEADER_ONLY,
    MULTIPLE,
    NEWBORN,
    NO_IDENTIFIER,
    NONE,
    PSEUDO,
    WEAK,
    Demographics,
    Name,
    RawAddress,
    RawName,
    RecordFacts,
)

NORMALISER_VERSION = 2

NAMES_KEPT = 4
ADDRESSES_KEPT = 6
TELECOMS_KEPT = 6
NEWBORN_DAYS = 42
OLDEST_AGE = 120


@dataclass(frozen=True, slots=True)
class Learned:
    """What the store has learned, all of it reversible (matching.md 2).

    ``stopped`` NHS numbers are no evidence, nor are ``doubted`` ones of this record; ``identifiers`` ("system|value"),
    ``phones``, ``emails`` and ``streets`` (normalised) are on too many records to be keys; ``superseded`` maps an NHS number
    to its successor.
    """

    stopped: frozenset[str] = frozenset()
    doubted: frozenset[str] = frozenset()
    identifiers: frozenset[str] = frozenset()
    phones: frozenset[str] = frozenset()
    emails: frozenset[str] = frozenset()
    streets: frozenset[str] = frozenset()
    superseded: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


NOTHING_LEARNED = Learned()

_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ı": "i"})  # noqa: RUF001 - the letters that NFKD leaves whole
_DELETED = dict.fromkeys(map(ord, "'’‘ʼ`´."))  # noqa: RUF001 - the apostrophes that keyboards make
_HYPHENS = dict.fromkeys(map(ord, "-‐‑‒–—"), " ")  # noqa: RUF001 - the hyphens that keyboards make
_PUNCTUATION = {**_LETTERS, **_DELETED, **_HYPHENS}


def fold(text: str) -> str:
    """The text as it is indexed and compared (fhir.md 2, String normalisation)."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        text = "".join([c for c in text if not unicodedata.combining(c)])
    return " ".join(text.lower().translate(_PUNCTUATION).split())


def _words(text: str) -> list[str]:
    """The folded words of it, other punctuation taken as a break."""
    return "".join([c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in fold(text)]).split()


@lru_cache(maxsize=65536)
def sound(text: str) -> str:
    """How it sounds: metaphone of the folded value without spaces, else (non-Latin) its first 3 characters."""
    joined = fold(text).replace(" ", "")
    return metaphone(joined) or joined[:3]


def _nicknames() -> dict[str, frozenset[str]]:
    lookup = {name: set(canonical) for name, canonical in NickNamer().canonical_lookup.items()}
    for row in csv.DictReader((resources.files("matching") / "nicknames.csv").read_text("utf-8").splitlines()):
        for nickname in row["nicknames"].split():
            lookup.setdefault(nickname, set()).add(row["canonical"])
    return {name: frozenset(forms) for name, forms in lookup.items()}


_CANONICAL = _nicknames()
_UNNAMED: frozenset[str] = frozenset()


def is_nickname(x: str, y: str) -> bool:
    """Whether two given names share a canonical form, or one is a canonical form of the other; no closure."""
    forms_x, forms_y = _CANONICAL.get(x, _UNNAMED), _CANONICAL.get(y, _UNNAMED)
    return x in forms_y or y in forms_x or not forms_x.isdisjoint(forms_y)


_LISTED_NAMES = frozenset(_CANONICAL).union(*_CANONICAL.values())


def is_listed_name(name: str) -> bool:
    """Whether the lists of nicknames have it, as one or as what one stands for: a name, and no slip."""
    return name in _LISTED_NAMES


def nickname_forms(name: str) -> frozenset[str]:
    """The name and its canonical forms: two different names are nicknames where these meet."""
    return _CANONICAL.get(name, _UNNAMED) | {name}


def _is_placeholder(value: str) -> bool:
    """Whether the folded name says nothing: Unknown, ZZ…, N/K, one letter repeated."""
    return (
        value in words.NAME_PLACEHOLDERS
        or value.startswith(("zz", "do not use"))
        or (len(value) > 1 and len(set(value.replace(" ", ""))) == 1)
        or value.split(" ", 1)[0] in words.LEADING_PLACEHOLDERS
        or not any(c.isalpha() for c in value)
    )


def _joined_particles(tokens: list[str]) -> list[str]:
    """``mac x`` and ``mc x`` as ``mcx``, ``o x`` as ``ox``; other particles stay tokens."""
    joined: list[str] = []
    for token in tokens:
        if joined and joined[-1] in ("mac", "mc", "o"):
            joined[-1] = ("o" if joined[-1] == "o" else "mc") + token
        else:
            joined.append(token)
    return joined


def _without_titles(tokens: list[str]) -> list[str]:
    while len(tokens) > 1 and tokens[0] in words.TITLES:
        tokens = tokens[1:]
    return tokens


def _split_suffix(tokens: list[str]) -> tuple[list[str], str]:
    if len(tokens) > 1 and tokens[-1] in words.SUFFIXES:
        return tokens[:-1], words.SUFFIXES[tokens[-1]]
    return tokens, ""


_CHILD_OF = re.compile(r"\s*(?:[bdgis]\s*/\s*o|[fm]\s*/\s*inf\w*|(?:son|dau|daughter|infant|live)\s+(?:of|born|male|female|infant))\b\W*")
"""B/O, G/O, D/O, I/O, S/O: baby, girl, daughter, infant, son of; F/INF, M/INF: female, male infant; Son of, Live female."""
_NUMBERED_BABY = re.compile(r"b([123])")
"""B1, B2: the first and the second baby of one birth."""

_NEWBORN = re.compile(f"(?:{'|'.join(sorted(words.NEWBORN_WORDS))})+")


@lru_cache(maxsize=4096)
def _newborn_order(token: str) -> str | None:
    """The birth order that a word such as Twin2 or Babyb carries, "" where it says only that there is a newborn, None where it says neither."""
    numbered = _NUMBERED_BABY.fullmatch(token)
    if numbered:
        return numbered[1]
    found = _NEWBORN.match(token)
    if found is None:
        return None
    rest, base = token[found.end() :], found[0]
    if not rest:
        return ""
    lettered = base.endswith(words.NUMBERED_NEWBORNS)
    return words.ORDINALS.get(rest) if rest.isdecimal() or lettered else None


def _given_tokens(text: str) -> list[str]:
    tokens = _without_titles(_words(text))
    joined = " ".join(tokens)
    if tokens and (_is_newborn_name(tokens) or joined in words.NEWBORN_INITIALS or _CHILD_OF.match(fold(text)) or _is_placeholder(joined)):
        return []
    return tokens


def _is_newborn_name(tokens: list[str]) -> bool:
    """Whether the given names say that there is a newborn and not what it is called: Baby Girl, Twin 1, Kelly Twin1, Kelly-Baby."""
    if _newborn_order(tokens[0]) is not None:
        return True
    return any(token.startswith(words.NEWBORN_AFTER_NAMES) and _newborn_order(token) is not None for token in tokens[1:])


def _family_tokens(text: str) -> list[str]:
    tokens = _without_titles(_words(_CHILD_OF.sub("", fold(text), count=1) if _CHILD_OF.match(fold(text)) else text))
    while len(tokens) > 1 and (_newborn_order(tokens[0]) is not None or tokens[0] == "of" or (tokens[0] in words.ORDINALS and len(tokens[0]) < 2)):
        tokens = tokens[1:]
    return [] if _is_placeholder(" ".join(tokens)) else tokens


def normal_name(raw: RawName) -> Name:
    """The name, folded: first given token, other given tokens as middle, family with its particles joined."""
    given, suffix = _split_suffix(_given_tokens(raw.given))
    others = given[1:] + (_words(raw.middle) if given else [])
    middle = [] if _is_placeholder(" ".join(others)) else [token for token in others if not _is_placeholder(token)]
    family, family_suffix = _split_suffix(_family_tokens(raw.family))
    surname = " ".join(_joined_particles(family))
    first = given[0] if given else ""
    return Name(
        first,
        " ".join(middle),
        surname,
        family_suffix or suffix or words.SUFFIXES.get(fold(raw.suffix), ""),
        sound(first),
        sound(surname),
    )


def twin_order(raw: RawName) -> str | None:
    """The birth order that a name such as Twin 2, Babyb or Baby Girl 1 carries, "" where it says only Twin, None where it says neither."""
    tokens = _words(raw.given) or _words(raw.family)
    multiple = None
    for place, token in enumerate(tokens):
        order = _newborn_order(token)
        following = words.ORDINALS.get(tokens[place + 1]) if place + 1 < len(tokens) else None
        if order is not None and (order or following):
            return order or following
        if token.endswith(("twin", "triplet")):
            multiple = ""
    return multiple


def normal_birth_date(text: str, quality: str = "", overused: Collection[str] = (), first_seen: str = "") -> str:
    """Birth date as 8, 6 or 4 digits, the precision that it is evidence to (nhs.md 3); "" where it is none."""
    digits = "".join([c for c in text[:10] if c.isascii() and c.isdigit()])
    if quality == DEFAULT_DATE or len(digits) not in (4, 6, 8) or digits in words.DEFAULT_BIRTH_DATES or not digits.strip("0"):
        return ""
    seen = first_seen.replace("-", "")[:8]
    if seen and (digits > seen or int(seen[:4]) - int(digits[:4]) > OLDEST_AGE):
        return ""
    if quality == "estimated" or digits[4:] == "0101" or digits in overused:
        return digits[:4]
    return digits


def normal_postcode(text: str) -> str:
    """Postcode without space, lower case; "" for no fixed abode, unknown, abroad and the trusts' own."""
    postcode = "".join([c for c in fold(text) if c.isalnum()])
    return "" if postcode.startswith("zz99") or postcode in words.POSTCODE_PLACEHOLDERS or not postcode.strip("0") else postcode


def normal_street(lines: Iterable[str]) -> str:
    """Street: number or house name and words, abbreviations expanded; "" for a placeholder."""
    tokens = [word for line in lines for word in _words(line)]
    street = " ".join("street" if word == "st" and place else words.STREET_WORDS.get(word, word) for place, word in enumerate(tokens))
    return "" if _says_no_place(street) else street


_NO_STREET = re.compile(words.NO_STREET)
_COMMUNAL = re.compile(words.COMMUNAL)


def is_communal(street: str) -> bool:
    """Whether a normal street is that of a care home, prison, hall, hotel or the like, where people live who are no family."""
    return _COMMUNAL.search(street) is not None


def normal_city(text: str) -> str:
    """Town, folded; "" for a placeholder."""
    city = " ".join(_words(text))
    return "" if _says_no_place(city) else city


def _says_no_place(text: str) -> bool:
    text = text.removeprefix("c o ")
    return text in words.STREET_PLACEHOLDERS or _is_placeholder_text(text) or _NO_STREET.search(text) is not None


def _is_placeholder_text(value: str) -> bool:
    return value.startswith("zz") or (len(value) > 1 and len(set(value)) == 1)


_COUNTED = "012345678901234567890 098765432109876543210"
"""Digits that follow each other, up and down."""


def normal_phone(text: str) -> str:
    """National digits, +44 and 0044 unified with 0; "" where too short, or made up: two digits alone, or an end as in 01234 567890 and 07700 000000."""
    text = text.split("ext", maxsplit=1)[0].split("x", maxsplit=1)[0]
    digits = "".join([c for c in text.replace("(0)", "") if c.isascii() and c.isdigit()])
    if digits.startswith("0044"):
        digits = "0" + digits[4:].removeprefix("0")
    elif digits.startswith("44") and len(digits) > 10:
        digits = "0" + digits[2:].removeprefix("0")
    return "" if len(digits) < 6 or _is_made_up(digits) else digits


def _is_made_up(digits: str) -> bool:
    """Whether it has two digits alone, its last six are one digit, counted up or down from 1 or 6, or 123123, or eight in a row follow each other."""
    end = digits[-6:]
    if len(set(digits)) < 3 or len(set(end)) == 1 or end in ("123456", "654321", "012345", "123123"):
        return True
    return any(digits[place : place + 8] in _COUNTED for place in range(len(digits) - 7))


def normal_email(text: str) -> str:
    """E-mail address, case-folded; "" where it is none or a placeholder."""
    email = text.strip().casefold()
    local, at, host = email.partition("@")
    plain = "".join([c for c in local if c.isalnum()])
    is_none = not at or not local or not host or plain in words.EMAIL_PLACEHOLDERS or local == host.split(".", 1)[0]
    return "" if is_none else email


def normal_sex(text: str) -> str:
    """Sex as "m" or "f"; "" for all else."""
    return {"male": "m", "m": "m", "1": "m", "female": "f", "f": "f", "2": "f"}.get(fold(text), "")


def normal_number(text: str) -> str:
    """NHS number without spaces and hyphens."""
    return "".join([c for c in text if c.isalnum()]).lower()


def passes_check(number: str) -> bool:
    """Whether ten digits pass the NHS number's mod-11 check (nhs.md 2)."""
    if len(number) != 10 or not number.isascii() or not number.isdigit():
        return False
    check = (11 - sum(int(digit) * weight for digit, weight in zip(number, range(10, 1, -1), strict=False)) % 11) % 11
    return check == int(number[9])


def _nhs_number(facts: RecordFacts, learned: Learned, admit_test_numbers: bool) -> tuple[str, str]:
    """The number to compare and its state (matching.md 2): a superseded number is replaced by its successor first.

    A number in doubt is named, so that two records that confuse it are told, but is no evidence; a verified one still forbids another.
    """
    number, passed = normal_number(facts.nhs_number), set[str]()
    while number in learned.superseded and number not in passed:
        passed.add(number)
        number = learned.superseded[number]
    issued = "4679" if admit_test_numbers else "467"
    if not 9 <= len(number) <= 11 or not (number.isascii() and number.isdigit()) or number[0] not in issued or facts.nhs_status in ("05", "07"):
        return "", NONE
    if number in words.STOPPED_NUMBERS or number in learned.stopped:
        return "", NONE
    evidential = facts.nhs_status == "01" and facts.nhs_labelled and passes_check(number)
    if number in learned.doubted:
        return number, DOUBTED if evidential else NONE
    return number, EVIDENTIAL if evidential else WEAK


def _unique(values: Iterable[str], limit: int) -> tuple[str, ...]:
    return tuple([value for value in dict.fromkeys(values) if value][:limit])


def _is_newborn(facts: RecordFacts) -> bool:
    try:
        age = date.fromisoformat(facts.first_seen[:10]) - date.fromisoformat(facts.birth_date[:10])
    except ValueError:
        return False
    return 0 <= age.days <= NEWBORN_DAYS


def _flags(facts: RecordFacts, multiple: bool) -> int:
    return (
        ALIAS * facts.alias
        + PSEUDO * facts.pseudo
        + HEADER_ONLY * facts.header_only
        + NO_IDENTIFIER * (not facts.usable_identifier)
        + NEWBORN * _is_newborn(facts)
        + MULTIPLE * multiple
    )


def _has_no_home(address: RawAddress) -> bool:
    """Whether its postcode says no fixed abode, unknown or abroad (nhs.md 3): what stands there for a street is no home."""
    return fold(address.postcode).startswith("zz99")


def _addresses(facts: RecordFacts) -> tuple[RawAddress, ...]:
    return () if facts.address_default else facts.addresses[:ADDRESSES_KEPT]


def normalise(
    facts: RecordFacts,
    *,
    learned: Learned = NOTHING_LEARNED,
    admit_test_numbers: bool = False,
    overused_birth_dates: Collection[str] = (),
) -> Demographics:
    """The Demographics of a record's raw facts (matching.md 2); ``overused_birth_dates`` are 8 digits, of the model."""
    names = tuple(dict.fromkeys(normal_name(name) for name in facts.names[:NAMES_KEPT]))
    orders = [order for order in map(twin_order, facts.names[:NAMES_KEPT]) if order is not None]
    birth_order = fold(facts.birth_order) or next(filter(None, orders), "")
    addresses = _addresses(facts)
    streets = _unique((normal_street(address.lines) for address in addresses if not _has_no_home(address)), ADDRESSES_KEPT)
    phones = _unique(map(normal_phone, facts.phones), TELECOMS_KEPT)
    emails = _unique(map(normal_email, facts.emails), TELECOMS_KEPT)
    identifiers = tuple(dict.fromkeys((i.system, value) for i in facts.identifiers if (value := fold(i.value).replace(" ", ""))))
    number, state = _nhs_number(facts, learned, admit_test_numbers)
    guardian = normal_name(RawName(given=facts.guardian))
    guardian_name = " ".join(filter(None, (guardian.given, guardian.middle)))
    shared = [s for s in streets if s in learned.streets] + [p for p in phones if p in learned.phones]
    shared += [e for e in emails if e in learned.emails]
    shared += [key for key in (f"{system}|{value}" for system, value in identifiers) if key in learned.identifiers]
    return Demographics(
        names=tuple(name for name in names if name.given or name.family),
        birth_date=normal_birth_date(facts.birth_date, facts.birth_date_quality, overused_birth_dates, facts.first_seen),
        sex=normal_sex(facts.sex),
        nhs_number=number,
        nhs_state=state,
        streets=streets,
        cities=_unique((normal_city(address.city) for address in addresses), ADDRESSES_KEPT),
        postcodes=_unique((normal_postcode(address.postcode) for address in addresses), ADDRESSES_KEPT),
        phones=phones,
        emails=emails,
        identifiers=identifiers,
        guardian=guardian_name,
        guardian_sound=sound(guardian_name),
        birth_order=birth_order,
        categories=tuple(sorted({(name, value) for name, raw in facts.categories if (value := fold(raw))})),
        flags=_flags(facts, bool(birth_order or orders or facts.multiple)),
        unkeyed=tuple(shared),
    )
