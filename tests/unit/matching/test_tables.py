"""Plain tables: roles, headers, dates, rows (matching.md 12)."""

from __future__ import annotations

import pytest

from matching.demographics import RawAddress, RawIdentifier, RawName
from matching.tables import UnusableColumns, check_columns, columns_from_text, date_from_text, guess_columns, row_from_values


def test_columns_are_given_as_role_and_column():
    assert columns_from_text("id=rec_id, family=surname,,id.ssn=soc_sec_id,cat.e=ethnicity,street=a1,street=a2") == (
        ("id", "rec_id"), ("family", "surname"), ("id.ssn", "soc_sec_id"), ("cat.e", "ethnicity"), ("street", "a1"), ("street", "a2"),
    )  # fmt: skip


@pytest.mark.parametrize("text", ["surname", "surname=family", "id=", "id.=x", "cat.=x"])
def test_columns_of_no_role_are_refused(text):
    with pytest.raises(UnusableColumns, match="role=column"):
        columns_from_text(text)


def test_headers_are_guessed():
    headers = [
        "rec_id", "given_name", "surname", "street_number", "address_1", "address_2", "suburb", "postcode", "state", "date_of_birth", "soc_sec_id",
        "BirthYear", "e-mail", "NHS.Number", "id.mrn", "cat.team", "colour", "Sex", "forename",
    ]  # fmt: skip
    assert dict(zip(headers, headers, strict=True)) | {header: role for role, header in guess_columns(headers)} == {
        "rec_id": "id", "given_name": "given", "surname": "family", "street_number": "house_number", "address_1": "street", "address_2": "street",
        "suburb": "city", "postcode": "postcode", "state": "cat.state", "date_of_birth": "birth_date", "soc_sec_id": "id.ssn",
        "BirthYear": "birth_year", "e-mail": "email", "NHS.Number": "nhs_number", "id.mrn": "id.mrn", "cat.team": "cat.team", "colour": "colour",
        "Sex": "sex", "forename": "forename",
    }  # fmt: skip


def test_columns_are_checked_against_the_table():
    check_columns((("id", "a"), ("family", "b")), ["a", "b", "c"])
    with pytest.raises(UnusableColumns, match="no column c, d"):
        check_columns((("id", "d"), ("family", "c")), ["a"])
    with pytest.raises(UnusableColumns, match="exactly one"):
        check_columns((("family", "b"),), ["b"])
    with pytest.raises(UnusableColumns, match="at least one"):
        check_columns((("id", "a"), ("source", "b"), ("group", "b")), ["a", "b"])


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("19800314", "1980-03-14"), ("19800314.0", "1980-03-14"), ("1980-3-4", "1980-03-04"), ("1980/03/14", "1980-03-14"),
        ("1980-03-14 00:00:00", "1980-03-14"), ("1980-03-14T10:00", "1980-03-14"), ("14/03/1980", "1980-03-14"), ("4.3.1980", "1980-03-04"),
        ("14-03-1980 00:00", "1980-03-14"), ("14 Mar 1980", "1980-03-14"), ("14-march-1980", "1980-03-14"), ("14 xyz 1980", ""), ("1980", "1980"),
        ("1980.0", "1980"), ("1980-03", "1980-03"), ("19801399", "1980-13-99"), ("", ""), ("unknown", ""),
    ],
)  # fmt: skip
def test_dates_are_read_day_first(text, date):
    assert date_from_text(text) == date


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("1985-4-5", "1985-04-05"), ("1985/6/7", "1985-06-07"), ("1985-9-9", "1985-09-09"), ("1985-4-12", "1985-04-12"), ("1985-10-4", "1985-10-04"),
        ("1985-32-4", "1985-32-04"), ("1985-4-32", "1985-04-32"), ("19853232", ""), ("1985-32-32", ""),
    ],
)  # fmt: skip
def test_a_month_and_a_day_need_no_padding_and_one_of_them_is_at_most_31(text, date):
    assert date_from_text(text) == date


@pytest.mark.parametrize(("text", "pattern", "date"), [("03/14/1980", "%m/%d/%Y", "1980-03-14"), ("14 MAR 80", "%d %b %y", "1980-03-14"), ("x", "%d", "")])
def test_a_date_format_is_obeyed(text, pattern, date):
    assert date_from_text(text, pattern) == date


COLUMNS = columns_from_text(
    "id=i,source=s,group=r,given=g,middle=m,family=f,birth_date=b,birth_year=y,sex=x,house_number=n,street=a,street=a2,city=c,postcode=p,phone=t,"
    "email=e,guardian=u,birth_order=o,nhs_number=h,id.ssn=k,cat.e=q"
)


def test_a_row_is_made_of_its_columns():
    values = {
        "i": "7", "s": "north", "r": "B", "g": "Alice", "m": "Mary", "f": "Archer", "b": "14/03/1980", "y": "1999", "x": "F", "n": "1", "a": "High St",
        "a2": "The Firs", "c": "Lewes", "p": "BN7 1AA", "t": "01273 1", "e": "a@b", "u": "Edith", "o": "2", "h": "4010232137", "k": "99", "q": "A",
    }  # fmt: skip
    row = row_from_values(values, COLUMNS)
    assert (row.id, row.source, row.group) == ("7", "north", "B")
    facts = row.facts
    assert facts.names == (RawName("Archer", "Alice", "Mary"),)
    assert facts.addresses == (RawAddress(("1 High St", "The Firs"), "Lewes", "BN7 1AA"),)
    assert (facts.birth_date, facts.sex, facts.phones, facts.emails) == ("1980-03-14", "F", ("01273 1",), ("a@b",))
    assert (facts.nhs_number, facts.nhs_status, facts.guardian, facts.birth_order) == ("4010232137", None, "Edith", "2")
    assert facts.identifiers == (RawIdentifier("ssn", "99"),)
    assert facts.categories == (("e", "A"),)


def test_a_row_may_lack_everything_but_its_id():
    row = row_from_values({"i": "7", "b": None}, COLUMNS)
    assert (row.id, row.source, row.group, row.facts.birth_date, row.facts.identifiers) == ("7", "", "", "", ())


def test_a_birth_year_stands_in_for_a_missing_birth_date():
    assert row_from_values({"i": "7", "b": "?", "y": "1980"}, COLUMNS).facts.birth_date == "1980"


@pytest.mark.parametrize(("text", "given", "family"), [("Archer, Alice Mary", " Alice Mary", "Archer"), ("Alice Mary Archer", "Alice Mary", "Archer"), ("Archer", "", "Archer")])
def test_a_full_name_is_split(text, given, family):
    assert row_from_values({"i": "7", "w": text}, (("id", "i"), ("name", "w"))).facts.names == (RawName(family, given),)


def test_of_two_columns_with_one_role_the_first_filled_counts():
    row = row_from_values({"i": "7", "t1": "", "t2": "01273 5"}, (("id", "i"), ("phone", "t1"), ("phone", "t2")))
    assert row.facts.phones == ("01273 5",)
