"""A movement that is posted together with others leaves behind what it leaves alone (PERF-2)."""

import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from plantops.materials.v1 import events_pb2, locations_pb2

from services.chassis.serve import Process, process_of
from tests.materials.api.test_items import conversion
from tests.materials.builders import (
    ago,
    at,
    item,
    lot,
    movement,
    place,
    q,
    stocked,
)
from tests.materials.lanes import BIN, SHELF, Create, client_of, done, request, timeless
from tests.world import Plant


@pytest.fixture(scope="module")
async def alone(store: Plant) -> AsyncIterator[Process]:
    """A second process of materials on the same database, which does each call alone."""
    process = process_of("materials", store.processes["materials"].config.model_copy(update={"lanes": 0}))
    await process.start()
    yield process
    await process.stop()


Made = Callable[[str, str], Create]


def of(kind: str, value: Any = 2, person: str = "people/stella", **given: Any) -> tuple[str, Made]:
    """A movement of the item made for the case; `lot=True` of its lot."""

    def made(name: str, number: str) -> Create:
        more = {**given, "lot": number} if given.get("lot") else given
        return request(movement(kind, name, value, **more))

    return person, made


CASES: dict[str, tuple[str, tuple[str, Made]]] = {
    "opening": ("", of("OPENING", to_location=SHELF)),
    "opening of a lot": ("", of("OPENING", to_location=SHELF, lot=True)),
    "move": ("", of("MOVE", from_location=SHELF, to_location=BIN, device="scanner 7")),
    "move of a lot": ("", of("MOVE", from_location=SHELF, to_location=BIN, lot=True)),
    "move in another unit": ("", of("MOVE", 1, unit_code="XBX", from_location=SHELF, to_location=BIN)),
    "move of yesterday": (
        "NEGATIVE_IN_PAST", of("MOVE", from_location=SHELF, to_location=BIN, effective_time=ago(days=1)),
    ),
    "opening of yesterday": ("", of("OPENING", to_location=SHELF, effective_time=ago(days=1))),
    "status": ("", of("STATUS_CHANGE", from_location=SHELF, to_status="BLOCKED")),
    "scrap": ("", of("SCRAP", from_location=SHELF)),
    "gain": ("", of("ADJUST", to_location=SHELF)),
    "loss": ("", of("ADJUST", from_location=SHELF)),
    "too much": ("NOT_ENOUGH_STOCK", of("MOVE", 11, from_location=SHELF, to_location=BIN)),
    "too long ago": ("BACKDATE_TOO_FAR", of("OPENING", to_location=SHELF, effective_time=ago(days=400))),
    "in the future": ("TIME_IN_FUTURE", of("OPENING", to_location=SHELF, effective_time=ago(days=-1))),
    "nothing": ("FIELD_INVALID", of("OPENING", 0, to_location=SHELF)),
    "unknown unit": ("UNIT_INCOMPATIBLE", of("OPENING", 1, unit_code="KGM", to_location=SHELF)),
    "off the grid": ("QUANTITY_NOT_ON_GRID", of("OPENING", "0.5", to_location=SHELF)),
    "to itself": ("FIELD_INVALID", of("MOVE", from_location=SHELF, to_location=SHELF)),
    "to nowhere": ("FIELD_INVALID", of("MOVE", from_location=SHELF, to_location=at("nowhere"))),
    "to a group": ("LOCATION_LOCKED", of("MOVE", from_location=SHELF, to_location=at("hall"))),
    "status by a move": ("FIELD_INVALID", of("MOVE", from_location=SHELF, to_location=BIN, to_status="BLOCKED")),
    "without a reason": ("FIELD_INVALID", of("SCRAP", from_location=SHELF, reason_code="")),
    "of documents": ("FIELD_INVALID", of("RECEIPT", from_location=SHELF, to_location=BIN)),
    "to a locked place": ("LOCATION_LOCKED", of("MOVE", from_location=SHELF, to_location=at("locked"))),
    "to a full place": ("CAPACITY_EXCEEDED", of("MOVE", from_location=SHELF, to_location=at("small"))),
    "without approval": ("PERMISSION_DENIED", of("SCRAP", 2, "people/sam", from_location=SHELF)),
    "without permission": ("PERMISSION_DENIED", of("MOVE", 2, "people/vic", from_location=SHELF, to_location=BIN)),
    "at an unknown site": (
        "FIELD_INVALID", ("people/stella", lambda name, number: request(movement("OPENING", name, 1), "sites/nowhere")),
    ),
    "of an unknown item": (
        "FIELD_INVALID",
        ("people/stella", lambda name, number: request(movement("OPENING", "items/none", 1, to_location=SHELF))),
    ),
}  # fmt: skip
"""Case -> (reason of the refusal, who and what)."""

_TABLES = {
    "movement": "select * from movement where name = any(%(movements)s)",
    "entries": "select * from movement_entry where movement = any(%(movements)s) order by side",
    "balances": "select * from balance where item = %(item)s order by location, status, lot",
    "value": "select * from value_balance where item = %(item)s",
    "outbox": "select * from outbox where aggregate_id = any(%(movements)s)",
    "journal": "select * from journal where resource = any(%(movements)s)",
    "audit": "select * from audit where object = any(%(movements)s)",
    "answer": "select * from idempotency where request_id = %(request)s",
}
_ASIDE = re.compile(
    r"_time$|_at$|^time$|^xid$|^pos$|^id$|_id$|^balance$|^name$|^expires|^seal|^hash$|_hash$|^payload$|^answer$|^seq$"
)


def trace(store: Plant, name: str, number: str, sent: Create, before: set[str]) -> dict[str, Any]:
    """All that a call left behind, without ids and times."""
    found: dict[str, Any] = {}
    names = store.rows("materials", "select name from movement where item = %s", name)
    movements = sorted({row[0] for row in names} - before)
    values = {"movements": movements, "item": name, "request": sent.request_id}
    with store.look("materials") as connection:
        for table, query in _TABLES.items():
            rows = connection.execute(f"select to_jsonb(t) from ({query}) t", values).fetchall()  # noqa: S608
            found[table] = [{key: value for key, value in row.items() if not _ASIDE.search(key)} for (row,) in rows]
        payloads = connection.execute(f"select payload from ({_TABLES['outbox']}) t", values).fetchall()  # noqa: S608
        answers = connection.execute(f"select answer from ({_TABLES['answer']}) t", values).fetchall()  # noqa: S608
    for row in found["outbox"]:
        row["headers"] = {key: value for key, value in row["headers"].items() if key in _KEPT}
    found["events"] = [str(timeless(events_pb2.MovementPosted.FromString(bytes(row[0])))) for row in payloads]
    found["answers"] = [len(row[0] or b"") > 0 for row in answers]
    words = dict.fromkeys(movements, "MOVEMENT")
    return dict(
        json.loads(plain(json.dumps(found, sort_keys=True, default=str), {**words, number: "LOT", name: "ITEM"}))
    )


def plain(text: str, words: dict[str, str]) -> str:
    """A text with words for what is named anew each time, and without times."""
    for known, word in words.items():
        if known:
            text = text.replace(known, word).replace(known.rsplit("/", 1)[-1], word)
    return re.sub(r"movements/\w+|\d{4}-\d\d-\d\dT[\d:.+]+Z?|seconds: \d+|nanos: \d+", "", text)


_KEPT = frozenset({"ce-type", "ce-source", "ce-subject", "plantops-site", "plantops-actor", "plantops-version"})


@pytest.mark.rule("PERF-2")
@pytest.mark.parametrize("case", CASES)
async def test_a_movement_in_a_lane_leaves_behind_what_it_leaves_alone(store: Plant, alone: Process, case: str) -> None:
    await _prepared(store)
    expected, (person, make) = CASES[case]
    results = []
    for process in (store.processes["materials"], alone):
        client = client_of(store, process, person)
        by_lot = "lot" in case
        name = await item(
            store, tracking="LOT" if by_lot else "NONE", gross_weight=q(10, "KGM"), conversions=[conversion("XBX", 2)]
        )
        number = await lot(store, name) if by_lot else ""
        await stocked(store, name, 10, lot=number)
        before = {row[0] for row in store.rows("materials", "select name from movement where item = %s", name)}
        sent = make(name, number)
        reason, said = await done(client, sent)
        again = await done(client, sent)
        replayed = client.replayed if not reason else None
        assert reason == expected, said
        if expected not in ("FIELD_INVALID", "TIME_IN_FUTURE"):
            assert again == (reason, said)
        said = plain(said, {number: "LOT", name: "ITEM"})
        results.append((said, replayed, trace(store, name, number, sent, before)))
        await client.close()
    assert results[0] == results[1]


async def _prepared(store: Plant) -> None:
    """A locked place and one that takes a single kind of piece, once."""
    if not store.rows("materials", "select 1 from location where name = %s", at("locked")):
        await place(store, "locked")
        lock = locations_pb2.LockLocationRequest(name=at("locked"), direction="INBOUND", reason="sealed")
        await store("mara", lock)
        await place(store, "small", limits=locations_pb2.Location.Limits(max_weight=q(1, "KGM")))
