"""A CSV file row by row: nothing vanishes, nothing shifts, what is wrong is named."""

import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis import uploads
from services.maintenance.rules import csv_rows
from services.maintenance.rules.csv_rows import Column, Fault, Mapping_, Row

COLUMNS = {
    "asset": Column("Asset"),
    "title": Column("Text"),
    "start_date": Column("Day"),
    "cost": Column("Cost"),
    "kind": Column("Type", values={"PM01": "CORRECTIVE"}),
}
HEAD = "Day,Asset,Text,Type,Cost\n"
GOOD = "2004-07-01,A,BUCKET WON'T OPEN,PM01,183.05\n"


def read(content: bytes, mapping: Mapping_) -> Iterator[Row | Fault]:
    """Records of a file by a mapping."""
    header, records = uploads.records(content, mapping.delimiter, mapping.encoding)
    return csv_rows.read(header, records, mapping)


def rows(text: str, **given: object) -> list[Row | Fault]:
    mapping = Mapping_(COLUMNS, **{"null_tokens": frozenset({"", "NA"}), **given})  # type: ignore[arg-type]
    return list(read((HEAD + text).encode(), mapping))


def fault(text: str) -> tuple[int, str, str]:
    found = rows(text)[0]
    assert isinstance(found, Fault)
    return found.row, found.column, found.code


@pytest.mark.rule("MNT-341")
def test_a_good_row_has_its_values() -> None:
    (row,) = rows(GOOD)
    assert isinstance(row, Row)
    assert (row.row, str(row.start), str(row.cost)) == (2, "2004-07-01", "183.05")
    assert row.values["kind"] == "CORRECTIVE"


@pytest.mark.rule("MNT-340")
@pytest.mark.parametrize(
    ("line", "column", "code"),
    [
        ("2004-07-01,A,text,PM01\n", "", "FIELD_COUNT"),
        ("2004-07-01,A,a,b,PM01,1\n", "", "FIELD_COUNT"),
        ("2004-02-30,A,text,PM01,1\n", "Day", "DATE_INVALID"),
        ("0001-01-01,A,text,PM01,1\n", "Day", "DATE_INVALID"),
        ("2004-07-01,A,text,PM01,1e3\n", "Cost", "NUMBER_INVALID"),
        ("2004-07-01,A,text,PM01,1_000\n", "Cost", "NUMBER_INVALID"),
        ("2004-07-01,A,text,PM01,0.0000000001\n", "Cost", "NUMBER_INVALID"),
        ("2004-07-01,A,text,PM01,NaN\n", "Cost", "NUMBER_INVALID"),
        ("NA,A,text,PM01,5\n", "Cost", "DATE_MISSING"),
        ("2004-07-01,A,NA,PM01,5\n", "Text", "REQUIRED"),
        ("2004-07-01,A,a\x00b,PM01,5\n", "Text", "ROW_INVALID"),
    ],
)
def test_a_bad_row_names_line_column_and_code(line: str, column: str, code: str) -> None:
    assert fault(line) == (2, column, code)


@pytest.mark.rule("MNT-342")
def test_a_value_without_translation_is_an_error() -> None:
    assert fault("2004-07-01,A,text,PM99,1\n") == (2, "Type", "VALUE_UNMAPPED")


@pytest.mark.rule("MNT-342")
def test_a_null_token_is_no_value_and_0_is_one() -> None:
    absent, zero = rows("2004-07-01,A,text,PM01,NA\n2004-07-01,A,text,PM01,0\n")
    assert isinstance(absent, Row)
    assert isinstance(zero, Row)
    assert absent.cost is None
    assert zero.cost == 0


@pytest.mark.rule("MNT-341")
def test_an_open_quote_spoils_its_own_line_only() -> None:
    first, second, third = rows('2004-07-01,A,"OPEN QUOTE,PM01,1\n' + GOOD + '2004-07-02,B,"a, b",PM01,2\n')
    assert isinstance(first, Fault)
    assert first.row == 2
    assert isinstance(second, Row)
    assert isinstance(third, Row)
    assert (second.row, third.row, third.values["title"]) == (3, 4, "a, b")


@pytest.mark.rule("MNT-341")
def test_an_open_quote_that_another_line_closes_swallows_no_line() -> None:
    found = rows('2004-07-01,A,"OPEN,PM01,1\n' + GOOD + '2004-07-01,A,"CLOSED,PM01,1\n' + GOOD)
    assert [(row.row, type(row)) for row in found] == [(2, Fault), (3, Row), (4, Fault), (5, Row)]


@pytest.mark.rule("MNT-341")
def test_a_quoted_line_break_belongs_to_the_field() -> None:
    first, second = rows('2004-07-01,A,"two\nlines",PM01,1\n' + GOOD)
    assert isinstance(first, Row)
    assert (first.values["title"], first.row, second.row) == ("two\nlines", 2, 4)


@pytest.mark.rule("MNT-341")
@pytest.mark.parametrize(
    ("content", "encoding", "says"),
    [
        (b"", "utf-8", "empty"),
        (b"Day,Asset\n", "utf-8", "no column Text"),
        (b"\xff\xfe\n", "utf-8", "encoding"),
        (b"Day\n", "klingon", "encoding"),
        (b'"Day\n', "utf-8", "header"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(content: bytes, encoding: str, says: str) -> None:
    with pytest.raises((uploads.FileUnreadable, csv_rows.ColumnsMissing), match=says):
        list(read(content, Mapping_(COLUMNS, encoding=encoding)))


@pytest.mark.rule("MNT-341")
def test_another_delimiter_encoding_and_date_format_can_be_declared() -> None:
    text = "Day;Asset;Text;Type;Cost\n01.07.2004;A;Löffel klemmt;PM01;1\n".encode("latin-1")
    (row,) = read(text, Mapping_(COLUMNS, delimiter=";", encoding="latin-1", date_format="%d.%m.%Y"))
    assert isinstance(row, Row)
    assert (row.values["title"], str(row.start)) == ("Löffel klemmt", "2004-07-01")


@pytest.mark.rule("MNT-344")
def test_equal_rows_have_different_keys_that_stay_the_same_next_time() -> None:
    first, again = rows(GOOD + GOOD + GOOD), rows(GOOD + GOOD + GOOD)
    keys = [row.key for row in first if isinstance(row, Row)]
    assert len(set(keys)) == 3
    assert keys == [row.key for row in again if isinstance(row, Row)]


@pytest.mark.rule("MNT-344")
def test_the_order_of_rows_does_not_matter_for_their_keys() -> None:
    other = "2005-03-20,A,L/H BUCKET CYL LEAKING.,PM01,407.4\n"
    one = {row.key for row in rows(GOOD + other + GOOD) if isinstance(row, Row)}
    two = {row.key for row in rows(other + GOOD + GOOD) if isinstance(row, Row)}
    assert one == two


@pytest.mark.rule("MNT-344")
def test_an_external_id_that_stands_twice_is_refused_the_second_time() -> None:
    columns = {"asset": Column("Asset"), "title": Column("Text"), "external_id": Column("Id")}
    first, second = read(b"Asset,Text,Id\nA,x,7\nA,y,7\n", Mapping_(columns))
    assert isinstance(first, Row)
    assert isinstance(second, Fault)
    assert (second.code, second.column, second.row) == ("DUPLICATE", "Id", 3)


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n", exclude_categories=["Cs"]), max_size=12)


@pytest.mark.rule("MNT-340")
@given(titles=st.lists(CELLS, max_size=20))
def test_no_row_vanishes(titles: list[str]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(["2004-07-01", "A", title, "PM01", "1"] for title in titles)
    found = rows(out.getvalue())
    assert [row.row for row in found] == list(range(2, 2 + len(titles)))
    for row, title in zip(found, titles, strict=True):
        known = title.strip() not in ("", "NA")
        assert isinstance(row, Row) == known
        assert not isinstance(row, Row) or row.values["title"] == title.strip()
