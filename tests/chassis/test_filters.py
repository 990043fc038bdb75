"""The filter language and pages: what binds first, what is refused, what a token holds (AIP-158, AIP-160)."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.dialects import postgresql

from services.chassis.faults import FieldInvalid
from services.chassis.filters import MAX_TERMS, compile_filter
from services.chassis.query import order_of
from tests.chassis.sample.protos import pb
from tests.chassis.sample.service import Box
from tests.plant import Client, Refused

DESCRIPTOR = pb.Box.DESCRIPTOR


def sql(text: str) -> str:
    condition = compile_filter(Box, DESCRIPTOR, text)
    assert condition is not None
    compiled = condition.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    return str(compiled).replace("box.", "").replace("\n", "")


@pytest.mark.rule("API-5")
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("title = a AND level = 1 OR level = 2", "title = 'a' AND (level = 1 OR level = 2)"),
        ("title = a OR title = b AND level = 1", "(title = 'a' OR title = 'b') AND level = 1"),
        ("(title = a AND level = 1) OR level = 2", "title = 'a' AND level = 1 OR level = 2"),
        ("NOT title = a AND level = 1", "title != 'a' AND level = 1"),
        ("NOT (title = a OR level = 1)", "NOT (title = 'a' OR level = 1)"),
        ("NOT NOT title = a", "title = 'a'"),
        ("level >= -2.5", "level >= -2.5"),
        ("state = OPEN", "state = 'OPEN'"),
        ('title = "a \\"b\\" (c)"', "title = 'a \"b\" (c)'"),
        ("title != a", "title IS DISTINCT FROM 'a'"),
        ('made_date < "2026-03-02"', "made_date < '2026-03-02'"),
        ("made_date = null", "made_date IS NULL"),
        ("made_date != null", "made_date IS NOT NULL"),
        ("made_date:*", "made_date IS NOT NULL"),
        ('title = "null"', "title = 'null'"),
        ('title:"50%_"', "(title ILIKE '%%' || '50/%%/_' || '%%' ESCAPE '/')"),
        ('name = "sites/x/boxes/y"', "name = 'sites/x/boxes/y'"),
    ],
)
def test_or_binds_more_tightly_than_and(text: str, wanted: str, made_date: None) -> None:
    assert sql(text) == wanted


@pytest.fixture
def made_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample's table has no day; the filter's column is found in the table by name."""
    from sqlalchemy import Column, Date, MetaData, Table

    table = Table("box", MetaData(), *[Column(c.name, c.type, primary_key=c.primary_key) for c in Box.__table__.c])
    table.append_column(Column("made_date", Date))
    monkeypatch.setattr(Box, "__table__", table)


@pytest.mark.rule("API-5")
@pytest.mark.rule("SEC-31")
@pytest.mark.parametrize(
    "text",
    [
        "title", "title =", "= a", "title = a AND", "AND title = a", "title = a OR OR title = b", "(title = a",
        "title = a)",
        "()", "NOT", "title ~ a", "title = a b", "capacity > 1", "etag = 1", "unknown = 1", "title.x = 1",
        "state = BROKEN",
        "state = 1", "level = abc", "level = NaN", "level = 1e3", "level = 99999999999999999999", "level:1",
        '"title" = a', "title = 'a' --", "title = \"a", "(" * 40 + "title = a" + ")" * 40,
        " AND ".join(["title = a"] * (MAX_TERMS + 1)), "title = " + "a" * 1000,
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused_and_named(text: str) -> None:
    with pytest.raises(FieldInvalid) as caught:
        compile_filter(Box, DESCRIPTOR, text)
    assert caught.value.fields[0][0] == "filter"


def test_an_empty_filter_is_none() -> None:
    assert compile_filter(Box, DESCRIPTOR, "  ") is None


@pytest.mark.parametrize("text", ["capacity", "title down", "title, title", "title desc asc", "a, b, c, d, e, f"])
def test_an_order_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(FieldInvalid) as caught:
        order_of(Box, DESCRIPTOR, text)
    assert caught.value.fields[0][0] == "order_by"


@pytest.mark.rule("API-5")
def test_the_name_is_the_last_tie_break() -> None:
    assert [(column.key, down) for column, down in order_of(Box, DESCRIPTOR, "title desc, level")] == [
        ("title", True), ("level", False), ("name", False),
    ]  # fmt: skip
    assert [column.key for column, _ in order_of(Box, DESCRIPTOR, "name desc")] == ["name"]


async def made(ana: Client, title: str, box_id: str) -> Any:
    capacity = {"value": "1", "unit_code": "H87"}
    return await ana(
        pb.CreateBoxRequest(parent="sites/hamburg", box_id=box_id, box=pb.Box(title=title, capacity=capacity))
    )


@pytest.mark.rule("API-4")
@pytest.mark.parametrize("order", ["", "title", "title desc", "level, title desc", "name desc"])
async def test_rows_that_come_meanwhile_shift_no_page(ana: Client, order: str) -> None:
    mark = uuid4().hex[:8]
    for number in range(6):
        await made(ana, f"{mark}-{number}", f"b{mark}-{number * 2 + 1}")
    request = {"parent": "sites/hamburg", "filter": f'title:"{mark}"', "order_by": order}
    whole = [box.name for box in (await ana(pb.ListBoxesRequest(**request))).boxes]
    seen: list[str] = []
    token = ""
    for number in range(7):
        page = await ana(pb.ListBoxesRequest(**request, page_size=1, page_token=token))
        seen += [box.name for box in page.boxes]
        token = page.next_page_token
        if not token:
            break
        await made(ana, f"{mark}-{'!~'[number % 2]}", f"b{mark}-{'0z'[number % 2]}{number}")
    known = set(whole)
    assert [name for name in seen if name in known] == whole
    assert len(seen) == len(set(seen))


@pytest.mark.rule("SEC-33")
async def test_a_token_is_bound_to_caller_parent_filter_and_order(ana: Client, process: Any, issuer: Any) -> None:
    mark = uuid4().hex[:8]
    for number in range(2):
        await made(ana, mark, f"t{mark}-{number}")
    request = {"parent": "sites/hamburg", "filter": f"title = {mark}", "page_size": 1}
    token = (await ana(pb.ListBoxesRequest(**request))).next_page_token
    assert len((await ana(pb.ListBoxesRequest(**request, page_token=token))).boxes) == 1
    vic = issuer.token("people/vic", {"-": ["viewer"]})
    others: list[tuple[dict[str, Any], str | None]] = [
        ({"filter": f'title = "{mark}"'}, None),
        ({"order_by": "title"}, None),
        ({"parent": "sites/-"}, None),
        ({}, vic),
        ({"page_token": token[:-1]}, None),
        ({"page_token": token + "AAAA"}, None),
        ({"page_token": "."}, None),
    ]
    for changed, caller in others:
        with pytest.raises(Refused) as caught:
            await ana(pb.ListBoxesRequest(**{**request, "page_token": token, **changed}), token=caller)
        assert (caught.value.code, caught.value.fields) == ("INVALID_ARGUMENT", ["page_token"])
    assert (await ana(pb.ListBoxesRequest(parent="sites/hamburg", page_size=10_000))).boxes
