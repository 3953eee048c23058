"""Plain tables as files: what is read, what is refused and by which line, and what a spreadsheet does not run."""

from __future__ import annotations

import csv
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidValue
from app.tables import check_given, column, columns_map, columns_of, quoted, read_table, rows_of, unquoted, write_rows


def table(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    return read_table(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_the_header_has(tmp_path, delimiter):
    found = table(tmp_path, f"id{delimiter}given\n1{delimiter}Alice\n")
    assert found.headers == ("id", "given")
    assert found.lines == ({"id": "1", "given": "Alice"},)


def test_a_byte_order_mark_blank_lines_and_any_line_end_are_taken(tmp_path):
    found = table(tmp_path, '\ufeffid,given\r\n1,"Alice\u2028, of\r\ntwo lines"\r\n\r\n,\r\n2,Anna', "utf-8")
    assert [line["id"] for line in found.lines] == ["1", "2"]
    assert found.lines[0]["given"] == "Alice\u2028, of\r\ntwo lines"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has no header line"),
        (",,\n1,2,3\n", "has no header line"),
        ("id,given,given\n1,2,3\n", "two columns are called given"),
        ("id,given\n1,Alice\n2\n", r"line 3: 1 cells where the header has 2"),
        ("id,given\n1,Alice,more\n", r"line 2: 3 cells where the header has 2"),
        ('id,given\n1,"Alice\n', "it is not CSV"),
        ("id,given\n1," + "x" * (1 << 21), "it is not CSV"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_a_sentence(tmp_path, text, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        table(tmp_path, text)


def test_another_encoding_is_refused_without_showing_what_it_holds(tmp_path):
    with pytest.raises(InvalidValue, match="not UTF-8 at byte 13") as refusal:
        table(tmp_path, "id,given\n1,Zoë\n", "latin-1")
    assert "Zo" not in refusal.value.text


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(InvalidValue, match="cannot be read"):
        read_table(tmp_path)


def test_columns_are_guessed_or_given(tmp_path):
    found = table(tmp_path, "rec_id,surname,x1\n1,Archer,5\n")
    assert columns_of(found, None) == (("id", "rec_id"), ("family", "surname"))
    assert columns_of(found, "id=rec_id,id.x=x1") == (("id", "rec_id"), ("id.x", "x1"))


def test_one_map_serves_two_tables_with_other_headers(tmp_path):
    first = table(tmp_path, "rec_id,surname\n1,Archer\n")
    second = table(tmp_path, "ID,last\n1,Archer\n")
    given = "id=rec_id,id=ID,family=surname,family=last"
    check_given(given, [first, second])
    assert columns_of(first, given) == (("id", "rec_id"), ("family", "surname"))
    assert columns_of(second, given) == (("id", "ID"), ("family", "last"))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [("id=rec_id,family=missing", "no table has a column missing"), ("nonsense", "role=column"), ("colour=rec_id", "role=column")],
)
def test_a_map_that_fits_no_table_is_refused(tmp_path, given, sentence):
    with pytest.raises(InvalidValue, match=sentence):
        check_given(given, [table(tmp_path, "rec_id,surname\n1,Archer\n")])


def test_columns_that_cannot_be_used_are_refused_with_those_there_are(tmp_path):
    found = table(tmp_path, ",".join(f"c{n}" for n in range(20)) + "\n")
    with pytest.raises(InvalidValue, match=r"role id\. Its columns are c0, c1, .*c11, \.\.\.; say --columns"):
        columns_of(found, None)
    check_given(None, [found])


def test_each_row_needs_an_id_of_its_own(tmp_path):
    for text, sentence in (
        ("id,given\n1,A\n\n2,B\n1,C\n", ", line 5: two rows have the same id, '1'; the other is on line 2."),
        ("id,given\n1,A\n,B\n", ", line 3: a row has no id."),
        (f"id,given\n{'x' * 41},A\n{'x' * 41},B\n", f"the same id, '{'x' * 40}...';"),
    ):
        found = table(tmp_path, text)
        with pytest.raises(InvalidValue, match=re.escape(sentence)):
            rows_of(found, columns_of(found, None), "")


def test_columns_are_taken_by_name(tmp_path):
    found = table(tmp_path, "id,cluster\n1, a \n2,b\n")
    assert column(found, "cluster", "id") == [("a", "1"), ("b", "2")]
    assert columns_map(found, "id", "cluster") == {"1": "a", "2": "b"}
    with pytest.raises(InvalidValue, match="has no column other"):
        column(found, "id", "other")
    with pytest.raises(InvalidValue, match="line 3: two rows have the same id, '1'; the other is on line 2"):
        columns_map(table(tmp_path, "id,cluster\n1,a\n1,b\n"), "id", "cluster")


@given(st.text(alphabet="=+-@'\t\r1.e a", max_size=6))
def test_quoting_is_undone_exactly(cell):
    assert unquoted(quoted(cell)) == cell


@pytest.mark.parametrize(("cell", "kept"), [("=A1", "'=A1"), ("+44x", "'+44x"), ("@sum", "'@sum"), ("-3.2", "-3.2"), ("+5", "+5"), ("'x", "'x"), ("", ""), ("abc", "abc")])
def test_no_cell_is_a_formula_and_numbers_stay(cell, kept):
    assert quoted(cell) == kept


def test_rows_are_written_and_counted(tmp_path):
    path = tmp_path / "out.csv"
    assert write_rows(path, ["id", "p"], [["=1+1", "-0.5"], ["a,b", ""]]) == 2
    with path.open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [["id", "p"], ["'=1+1", "-0.5"], ["a,b", ""]]
    assert write_rows(path, ["id"], []) == 0
