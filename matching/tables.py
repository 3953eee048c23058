"""Plain tables in, RecordFacts out: column roles, guessed headers, dates (matching.md 12). Rows are given, never read here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from matching.demographics import RawAddress, RawIdentifier, RawName, RecordFacts
from matching.normalise import fold
from matching.words import DEFAULT_BIRTH_DATES

ROLES = (
    "id", "source", "given", "middle", "family", "name", "birth_date", "birth_year", "sex", "street", "house_number", "city", "postcode",
    "phone", "email", "guardian", "birth_order", "nhs_number", "group",
)  # fmt: skip

_GUESSES = {
    "id": "id rec id|record id|recid|rec|identifier|unique id|uid|row id|key|person record id|simulant record id",
    "source": "source|dataset|source dataset|file|origin|trust",
    "given": "given|given name|givenname|first name|firstname|forename|forename1|first|fname|christian name",
    "middle": "middle|middle name|middlename|second name|middle initial|mname|other names|forename2",
    "family": "family|family name|familyname|surname|last name|lastname|lname|last",
    "name": "name|full name|fullname|patient name",
    "birth_date": "birth date|birthdate|date of birth|dateofbirth|dob|birth|born",
    "birth_year": "birth year|birthyear|year of birth|yob|by",
    "sex": "sex|gender",
    "street": "street|street name|address|address 1|address1|address line 1|addr1|address 2|address2|address line 2|street address",
    "house_number": "house number|street number|housenumber|house no|house|number|street no",
    "city": "city|town|suburb|post town|locality|municipality",
    "postcode": "postcode|post code|zip|zipcode|zip code|postal code",
    "phone": "phone|telephone|phone number|telephone number|mobile|mobile number|tel",
    "email": "email|email address|e mail|mail",
    "guardian": "guardian|mother|mother name|mothers name|parent|mother s name",
    "birth_order": "birth order|multiple birth|birthorder",
    "nhs_number": "nhs number|nhs no|nhsnumber|nhs",
    "group": "group|subgroup",
    "id.ssn": "ssn|soc sec id|social security number|national insurance number|nino",
    "id.mrn": "mrn|hospital number|medical record number|local patient id|patient id",
    "cat.ethnicity": "ethnicity|ethnic category|race ethnicity|race",
    "cat.state": "state|county",
}
_ROLE_OF = {header: role for role, headers in _GUESSES.items() for header in headers.split("|")} | {"id": "id", "rec id": "id"}

Columns = tuple[tuple[str, str], ...]


class UnusableColumns(ValueError):
    """A column map that cannot be used; the sentence says why and holds no value of the table."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the matcher takes it: its id, its source and group ("" where the table has none), its raw facts."""

    id: str
    source: str
    group: str
    facts: RecordFacts


def _is_role(role: str) -> bool:
    return role in ROLES or (role[:3] == "id." and len(role) > 3) or (role[:4] == "cat." and len(role) > 4)


def columns_from_text(text: str) -> Columns:
    """(role, column) pairs of ``id=rec_id,family=surname,…``; a role may be given several columns."""
    found = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        role, equals, column = item.partition("=")
        if not equals or not column or not _is_role(role):
            raise UnusableColumns("columns are role=column, with a role of: " + " ".join(ROLES) + " id.x cat.x")
        found.append((role, column))
    return tuple(found)


def guess_columns(headers: Sequence[str]) -> Columns:
    """(role, column) pairs guessed from a table's headers, in their order; headers that say nothing are left out."""
    found: list[tuple[str, str]] = []
    for header in headers:
        words = fold(re.sub(r"(?<=[a-z])(?=[A-Z])|[_.]", " ", header))
        role = _ROLE_OF.get(words) or (words.replace(" ", ".", 1) if re.fullmatch(r"(id|cat) \S+", words) else None)
        if role and (role == "street" or role not in dict(found)):
            found.append((role, header))
    return tuple(found)


def check_columns(columns: Columns, headers: Iterable[str]) -> None:
    """UnusableColumns unless each column is in the table, one is the id, and one is to be compared."""
    missing = sorted({column for _, column in columns} - set(headers))
    if missing:
        raise UnusableColumns("the table has no column " + ", ".join(missing))
    roles = [role for role, _ in columns]
    if roles.count("id") != 1:
        raise UnusableColumns("exactly one column must have the role id")
    if not set(roles) - {"id", "source", "group"}:
        raise UnusableColumns("at least one column must be compared")


_ISO = re.compile(r"(\d{4})[-/. ](\d{1,2})[-/. ](\d{1,2})(?:\D.*)?", re.ASCII)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:\.0)?", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})(?:\D.*)?", re.ASCII)
_MONTH_NAMED = re.compile(r"(\d{1,2})[-/. ]([a-z]{3})[a-z]*[-/., ]+(\d{4})", re.ASCII)
_YEAR = re.compile(r"(\d{4})(?:\.0)?", re.ASCII)
_YEAR_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def date_from_text(text: str, date_format: str = "") -> str:
    """ISO date with its precision; day first where the text leaves it open. Slips stay: month 13 is evidence too."""
    text = text.strip().lower()
    if date_format:
        try:
            return datetime.strptime(text, date_format).date().isoformat()  # noqa: DTZ007 - a birth date has no zone
        except ValueError:
            return ""
    for pattern in (_COMPACT, _ISO):
        found = pattern.fullmatch(text)
        if found and int(found[2]) > 31 and int(found[3]) > 31:
            return ""
        if found:
            return f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}"
    if found := _DAY_FIRST.fullmatch(text):
        return f"{found[3]}-{found[2]:0>2}-{found[1]:0>2}"
    if (found := _MONTH_NAMED.fullmatch(text)) and found[2] in _MONTHS:
        return f"{found[3]}-{_MONTHS.index(found[2]) + 1:02}-{found[1]:0>2}"
    found = _YEAR.fullmatch(text)
    if found:
        return found[1]
    return text if _YEAR_MONTH.fullmatch(text) else ""


class DatesRead(NamedTuple):
    """How many rows of a table give a birth date, of how many it is not read, and of how many read day first the month is above 12 but the day is not.

    ``placeholder`` counts those that say that it is not known, such as 00000000 and 1900-01-01, and are not among the unread.
    """

    given: int
    unread: int
    month_first: int
    placeholder: int = 0


def read_dates(lines: Iterable[Mapping[str, str]], columns: Columns, date_format: str = "") -> DatesRead:
    """What became of the birth dates of a table's lines."""
    headers = [column for role, column in columns if role == "birth_date"]
    texts = [text for line in lines for column in headers if (text := str(line.get(column) or "").strip())]
    dates = [date_from_text(text, date_format) for text in texts]
    swapped = sum(found[5:7] > "12" >= found[8:10] for found in dates)
    placeholder = [_is_placeholder(found, text) for found, text in zip(dates, texts, strict=True)]
    unread = sum(not found and not known for found, known in zip(dates, placeholder, strict=True))
    return DatesRead(len(texts), unread, swapped, sum(placeholder))


def _is_placeholder(date: str, text: str) -> bool:
    digits = re.sub(r"\D", "", date or text)
    return bool(digits) and (digits in DEFAULT_BIRTH_DATES or not digits.strip("0"))


def _name(values: Mapping[str, str]) -> RawName:
    """The name of a row; a full name is ``family, given`` or has its family last."""
    given, family = values.get("given", ""), values.get("family", "")
    whole = values.get("name", "").strip()
    if whole and not given and not family:
        if "," in whole:
            family, _, given = whole.partition(",")
        else:
            given, _, family = whole.rpartition(" ")
    return RawName(family=family, given=given, middle=values.get("middle", ""))


def row_from_values(values: Mapping[str, str], columns: Columns, *, date_format: str = "") -> Row:
    """The Row of one line of a table, its values by header."""
    found: dict[str, str] = {}
    streets: list[str] = []
    for role, column in columns:
        value = str(values.get(column) or "").strip()
        if role == "street":
            streets.append(value)
        elif value and not found.get(role):
            found[role] = value
    lines = tuple(filter(None, (f"{found.get('house_number', '')} {streets[0] if streets else ''}".strip(), *streets[1:])))
    birth = date_from_text(found.get("birth_date", ""), date_format) or date_from_text(found.get("birth_year", ""))
    facts = RecordFacts(
        names=(_name(found),),
        birth_date=birth,
        sex=found.get("sex", ""),
        addresses=(RawAddress(lines, found.get("city", ""), found.get("postcode", "")),),
        phones=tuple(filter(None, (found.get("phone", ""),))),
        emails=tuple(filter(None, (found.get("email", ""),))),
        identifiers=tuple(RawIdentifier(role[3:], value) for role, value in sorted(found.items()) if role[:3] == "id."),
        nhs_number=found.get("nhs_number", ""),
        guardian=found.get("guardian", ""),
        birth_order=found.get("birth_order", ""),
        categories=tuple((role[4:], value) for role, value in sorted(found.items()) if role[:4] == "cat."),
    )
    return Row(found.get("id", ""), found.get("source", ""), found.get("group", ""), facts)
