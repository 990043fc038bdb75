"""One command through the whole chassis, over gRPC on a real database."""

import asyncio
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from cli.engines import Engines
from services.chassis.serve import Process
from services.chassis.wire import quantity
from tests.chassis.sample.protos import pb
from tests.plant import Client, Refused, superuser, tables
from tests.signing import Issuer


@pytest.fixture
def look(bootstrapped: Engines) -> Any:
    """The sample's database from outside."""
    with superuser(bootstrapped, "sample") as connection:
        yield connection


def q(value: str) -> Any:
    return pb.Box(capacity={"value": value, "unit_code": "H87"}).capacity


async def made(ana: Client, title: str = "tea", capacity: str = "10", **given: Any) -> Any:
    return await ana(
        pb.CreateBoxRequest(parent="sites/hamburg", box=pb.Box(title=title, capacity=q(capacity), **given))
    )


async def test_a_row_becomes_the_message_and_back(ana: Client) -> None:
    price = Money(currency_code="EUR", units=3, nanos=250_000_000)
    box = await made(ana, labels=[{"text": "dry", "day": Date(year=2026, month=2, day=28)}], marks=["a"])
    read = await ana(pb.GetBoxRequest(name=box.name))
    assert read == box
    assert (box.title, box.capacity.value, box.level.value, box.etag) == ("tea", "10", "0", '"1"')
    assert box.labels[0].day.day == 28
    assert box.name.startswith("sites/hamburg/boxes/")
    assert price.units == 3


@pytest.mark.rule("REL-1")
@pytest.mark.rule("SEC-51")
async def test_a_command_writes_state_event_journal_audit_and_answer_together(
    ana: Client, look: psycopg.Connection[Any]
) -> None:
    box = await made(ana)
    before = tables(look)
    filled = await ana(pb.FillBoxRequest(name=box.name, quantity=q("4")))
    after = tables(look)
    assert filled.level.value == "4"
    assert filled.etag == '"2"'
    grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert grown == {"outbox": 1, "journal": 1, "audit": 1, "idempotency": 1}
    row = look.execute(
        "select aggregate_version, subject, headers ->> 'plantops-actor' from outbox where aggregate_id = %s",
        [box.name],
    ).fetchone()
    assert row == (1, f"plantops.sample.v1.BoxFilled.hamburg.{box.name.split('/')[-1]}", "people/ana")
    record = look.execute(
        "select actor, action, before, after from audit where object = %s order by pos desc limit 1", [box.name]
    ).fetchone()
    assert record == ("people/ana", "sample.boxes.fill", {"level": "0"}, {"level": "4"})


@pytest.mark.rule("REL-60")
async def test_the_same_request_is_answered_again_and_done_once(ana: Client, look: psycopg.Connection[Any]) -> None:
    box = await made(ana)
    key = str(uuid4())
    first = await ana(pb.FillBoxRequest(name=box.name, quantity=q("4"), request_id=key))
    assert not ana.replayed
    before = tables(look)
    again = await ana(pb.FillBoxRequest(name=box.name, quantity=q("4"), request_id=key))
    assert ana.replayed
    assert again == first
    assert tables(look) == before


@pytest.mark.rule("REL-60")
async def test_concurrent_twins_have_one_effect(ana: Client) -> None:
    box = await made(ana)
    key = str(uuid4())
    answers = await asyncio.gather(
        *(ana(pb.FillBoxRequest(name=box.name, quantity=q("1"), request_id=key)) for _ in range(8))
    )
    assert {answer.level.value for answer in answers} == {"1"}


@pytest.mark.rule("REL-61")
async def test_a_reused_id_with_other_content_is_refused(ana: Client) -> None:
    box = await made(ana)
    key = str(uuid4())
    await ana(pb.FillBoxRequest(name=box.name, quantity=q("1"), request_id=key))
    with pytest.raises(Refused) as caught:
        await ana(pb.FillBoxRequest(name=box.name, quantity=q("2"), request_id=key))
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "REQUEST_ID_REUSED")


@pytest.mark.rule("REL-62")
@pytest.mark.rule("REL-63")
async def test_a_business_refusal_is_stored_and_leaves_no_effect(ana: Client, look: psycopg.Connection[Any]) -> None:
    box = await made(ana)
    key = str(uuid4())
    for replayed in (None, "true"):
        with pytest.raises(Refused) as caught:
            await ana(pb.FillBoxRequest(name=box.name, quantity=q("11"), request_id=key))
        assert (caught.value.code, caught.value.reason) == ("FAILED_PRECONDITION", "BOX_FULL")
        assert caught.value.metadata["asked"] == "11"
        assert caught.value.trailing.get("x-idempotent-replay") == replayed
    assert (await ana(pb.GetBoxRequest(name=box.name))).level.value == "0"
    assert look.execute("select count(*) from outbox where aggregate_id = %s", [box.name]).fetchone() == (0,)


@pytest.mark.rule("REL-67")
async def test_a_stale_etag_is_refused_with_the_current_one(ana: Client) -> None:
    box = await made(ana)
    await ana(pb.FillBoxRequest(name=box.name, quantity=q("1"), etag=box.etag))
    with pytest.raises(Refused) as caught:
        await ana(pb.FillBoxRequest(name=box.name, quantity=q("1"), etag=box.etag))
    assert (caught.value.code, caught.value.reason) == ("ABORTED", "ETAG_MISMATCH")
    assert caught.value.metadata["current"] == '"2"'


@pytest.mark.rule("REL-68")
async def test_a_state_moves_along_listed_pairs_only(ana: Client, look: psycopg.Connection[Any]) -> None:
    box = await made(ana)
    await ana(pb.SealBoxRequest(name=box.name))
    with pytest.raises(Refused) as caught:
        await ana(pb.FillBoxRequest(name=box.name, quantity=q("1")))
    assert caught.value.reason == "TRANSITION_NOT_ALLOWED"
    assert caught.value.metadata["state"] == "SEALED"
    with pytest.raises(psycopg.errors.CheckViolation, match="SEALED may not become OPEN"):
        look.execute("update box set state = 'OPEN' where name = %s", [box.name])


@pytest.mark.rule("API-9")
@pytest.mark.parametrize(
    ("request_", "field", "rule"),
    [
        (pb.CreateBoxRequest(parent="sites/hamburg", box=pb.Box(capacity=q("1"))), "box.title", "is required"),
        (pb.CreateBoxRequest(parent="sites/hamburg", box=pb.Box(title="x" * 21, capacity=q("1"))), "box.title", "20"),
        (pb.CreateBoxRequest(parent="sites/hamburg", box=pb.Box(title="x")), "box.capacity", "is required"),
        (
            pb.CreateBoxRequest(parent="sites/hamburg", box=pb.Box(title="x", capacity=q("1e3"))),
            "box.capacity.value", "decimal",
        ),
        (
            pb.CreateBoxRequest(parent="sites/hamburg", box=pb.Box(title="x", capacity=q("0.0000001"))),
            "box.capacity.value", "6 after the point",
        ),
        (
            pb.CreateBoxRequest(
                parent="sites/hamburg",
                box=pb.Box(title="x", capacity=q("1"), made_date=Date(year=2026, month=2, day=30)),
            ),
            "box.made_date", "calendar day",
        ),
        (pb.FillBoxRequest(name="sites/hamburg/boxes/b", quantity=q("1"), request_id="7"), "request_id", "UUID"),
    ],
)  # fmt: skip
async def test_bad_input_names_field_and_rule_and_changes_nothing(
    ana: Client, look: psycopg.Connection[Any], request_: Any, field: str, rule: str
) -> None:
    before = tables(look)
    with pytest.raises(Refused) as caught:
        await ana(request_)
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
    assert field in caught.value.fields
    assert rule in str(caught.value)
    assert tables(look) == before


async def test_a_missing_request_id_is_refused(ana: Client, process: Process) -> None:
    method = next(m for s in process.services for m in s.methods if m.name == "FillBox")
    with pytest.raises(Refused, match="request_id"):
        await ana.send(method, pb.FillBoxRequest(name="sites/hamburg/boxes/b", quantity=q("1")))


@pytest.mark.rule("API-10")
async def test_what_is_not_there_is_not_found_and_a_taken_name_exists(ana: Client) -> None:
    with pytest.raises(Refused) as caught:
        await ana(pb.GetBoxRequest(name="sites/hamburg/boxes/none"))
    assert (caught.value.code, caught.value.reason) == ("NOT_FOUND", "RESOURCE_NOT_FOUND")
    request = {"parent": "sites/hamburg", "box_id": "twice", "box": pb.Box(title="x", capacity=q("1"))}
    await ana(pb.CreateBoxRequest(**request))
    with pytest.raises(Refused) as caught:
        await ana(pb.CreateBoxRequest(**request))
    assert (caught.value.code, caught.value.reason) == ("ALREADY_EXISTS", "RESOURCE_EXISTS")


@pytest.mark.rule("API-7")
async def test_an_update_follows_its_mask(ana: Client) -> None:
    box = await made(ana, title="old", marks=["a"])
    changed = await ana(
        pb.UpdateBoxRequest(box=pb.Box(name=box.name, title="new", marks=["b"]), update_mask=FieldMask(paths=["title"]))
    )
    assert (changed.title, list(changed.marks)) == ("new", ["a"])
    with pytest.raises(Refused) as caught:
        await ana(
            pb.UpdateBoxRequest(box=pb.Box(name=box.name, capacity=q("99")), update_mask=FieldMask(paths=["capacity"]))
        )
    assert "cannot be changed" in str(caught.value)
    with pytest.raises(Refused, match="no field colour"):
        await ana(pb.UpdateBoxRequest(box=pb.Box(name=box.name), update_mask=FieldMask(paths=["colour"])))


@pytest.mark.rule("SEC-15")
async def test_a_foreign_site_is_refused_the_same_whether_it_exists_or_not(
    ana: Client, process: Process, issuer: Issuer
) -> None:
    box = await made(ana)
    eve = Client(process, issuer.token("people/eve", {"antwerp": ["packer"], "hamburg": ["packer"]}))
    answers = []
    for name in (box.name, "sites/hamburg/boxes/none", "sites/nowhere/boxes/none"):
        with pytest.raises(Refused) as caught:
            await eve(pb.GetBoxRequest(name=name))
        answers.append((caught.value.code, caught.value.message, caught.value.metadata))
    assert answers[0][0] == "PERMISSION_DENIED"
    assert len({str(answer) for answer in answers}) == 1
    await eve.close()


@pytest.mark.rule("REL-64")
async def test_a_replay_checks_the_permission_again(ana: Client, process: Process, issuer: Issuer) -> None:
    box = await made(ana)
    key = str(uuid4())
    await ana(pb.FillBoxRequest(name=box.name, quantity=q("1"), request_id=key))
    with pytest.raises(Refused) as caught:
        await ana(
            pb.FillBoxRequest(name=box.name, quantity=q("1"), request_id=key),
            token=issuer.token("people/ana", {"hamburg": ["viewer"]}),
        )
    assert caught.value.code == "PERMISSION_DENIED"


@pytest.mark.rule("SEC-16")
async def test_a_batch_answers_each_entry_in_order(ana: Client) -> None:
    box = await made(ana, capacity="5")
    key = str(uuid4())
    entries = [
        pb.FillBoxRequest(name=box.name, quantity=q("2"), request_id=key),
        pb.FillBoxRequest(name=box.name, quantity=q("9"), request_id=str(uuid4())),
        pb.FillBoxRequest(name="sites/antwerp/boxes/x", quantity=q("1"), request_id=str(uuid4())),
        pb.FillBoxRequest(name=box.name, request_id=str(uuid4())),
        pb.FillBoxRequest(name=box.name, quantity=q("2"), request_id=key),
    ]
    answer = await ana(pb.BatchFillBoxesRequest(parent="sites/hamburg", requests=entries))
    codes = [outcome.status.code for outcome in answer.outcomes]
    assert codes == [0, 9, 7, 3, 0]
    assert answer.outcomes[0] == answer.outcomes[4]
    assert (await ana(pb.GetBoxRequest(name=box.name))).level.value == "2"
    again = await ana(pb.BatchFillBoxesRequest(parent="sites/hamburg", requests=entries))
    assert [outcome.status.code for outcome in again.outcomes] == codes
    assert (await ana(pb.GetBoxRequest(name=box.name))).level.value == "2"


async def test_streams_have_a_unit_for_each_message(ana: Client) -> None:
    box = await made(ana, title="stream")
    keys = [str(uuid4()), str(uuid4())]
    sent = [pb.FillBoxRequest(name=box.name, quantity=q("1"), request_id=key) for key in (keys[0], keys[1], keys[0])]
    pour = ana.channel.stream_stream(
        "/plantops.sample.v1.BoxService/PourBoxes",
        request_serializer=pb.FillBoxRequest.SerializeToString,
        response_deserializer=pb.Box.FromString,
    )
    levels = [answer.level.value async for answer in pour(iter(sent), metadata=ana.metadata())]
    assert levels == ["1", "2", "1"]
    listed = ana.channel.unary_stream(
        "/plantops.sample.v1.BoxService/StreamBoxes",
        request_serializer=pb.ListBoxesRequest.SerializeToString,
        response_deserializer=pb.Box.FromString,
    )
    request = pb.ListBoxesRequest(parent="sites/hamburg", filter=f'name = "{box.name}"')
    assert [answer.name async for answer in listed(request, metadata=ana.metadata())] == [box.name]


@pytest.mark.rule("REL-73")
async def test_a_deadline_is_kept_and_told(ana: Client, look: psycopg.Connection[Any]) -> None:
    box = await made(ana)
    with look.transaction():
        look.execute("select 1 from box where name = %s for update", [box.name])
        with pytest.raises(Refused) as caught:
            await ana(pb.FillBoxRequest(name=box.name, quantity=q("1")), timeout=0.5)
    assert caught.value.code == "DEADLINE_EXCEEDED"


@pytest.mark.rule("REL-49")
async def test_concurrent_changes_are_tried_again_and_none_is_lost(ana: Client) -> None:
    box = await made(ana, capacity="100")
    await asyncio.gather(*(ana(pb.FillBoxRequest(name=box.name, quantity=q("1"))) for _ in range(20)))
    final = await ana(pb.GetBoxRequest(name=box.name))
    assert (final.level.value, final.etag) == ("20", '"21"')


@pytest.mark.rule("SEC-33")
async def test_pages_walk_the_whole_list_and_tokens_are_bound(ana: Client) -> None:
    names = [(await made(ana, title="paged")).name for _ in range(7)]
    found: list[str] = []
    token = ""
    while True:
        page = await ana(
            pb.ListBoxesRequest(
                parent="sites/hamburg", filter="title = paged", page_size=3, page_token=token, order_by="title desc"
            )
        )
        found += [box.name for box in page.boxes]
        token = page.next_page_token
        if not token:
            break
        last = token
    assert found == sorted(names)
    other = ("B" if last.startswith("A") else "A") + last[1:]
    for bad in (
        pb.ListBoxesRequest(parent="sites/hamburg", filter="title = other", page_token=last, order_by="title desc"),
        pb.ListBoxesRequest(parent="sites/hamburg", filter="title = paged", page_token=other),
        pb.ListBoxesRequest(parent="sites/hamburg", page_size=-1),
        pb.ListBoxesRequest(parent="sites/hamburg", filter="capacity > 1"),
        pb.ListBoxesRequest(parent="sites/hamburg", filter="state = BROKEN"),
        pb.ListBoxesRequest(parent="sites/hamburg", filter="title = "),
        pb.ListBoxesRequest(parent="sites/hamburg", order_by="capacity"),
    ):
        with pytest.raises(Refused) as caught:
            await ana(bad)
        assert caught.value.code == "INVALID_ARGUMENT"


async def test_quantity_is_canonical() -> None:
    from decimal import Decimal

    assert quantity(Decimal("2.500"), "KGM").value == "2.5"
