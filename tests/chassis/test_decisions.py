"""Dead letters are looked at, replayed as they are or corrected, and discarded: a whole plant (REL-44)."""

from typing import Any
from uuid import uuid4

import pytest
from google.type.money_pb2 import Money
from plantops.maintenance.v1 import operations_pb2 as maintenance
from plantops.materials.v1 import items_pb2
from plantops.materials.v1 import operations_pb2 as materials
from plantops.materials.v1.events_pb2 import ItemChanged
from plantops.procurement.v1 import operations_pb2 as procurement

from cli.databases import SERVICES
from services.chassis.faults import FieldInvalid
from services.chassis.inbox import Inbox
from tests.plant import Refused
from tests.world import Plant

CONSUMER = "procurement-materials"
KINDS: dict[str, Any] = {
    kind.DESCRIPTOR.name: kind
    for kind in (
        maintenance.GetMaintenanceDeadLetterRequest, maintenance.ReplayMaintenanceDeadLetterRequest,
        maintenance.DiscardMaintenanceDeadLetterRequest,
        materials.GetMaterialsDeadLetterRequest, materials.ReplayMaterialsDeadLetterRequest,
        materials.DiscardMaterialsDeadLetterRequest,
        procurement.GetProcurementDeadLetterRequest, procurement.ReplayProcurementDeadLetterRequest,
        procurement.DiscardProcurementDeadLetterRequest,
    )
}  # fmt: skip


def made(service: str, verb: str, **fields: Any) -> Any:
    """A request about a dead letter of a service; decisions have a reason and a key."""
    if verb != "Get":
        fields = {"reason": "looked at", "request_id": str(uuid4()), **fields}
    return KINDS[f"{verb}{service.capitalize()}DeadLetterRequest"](**fields)


async def item(plant: Plant, name: str) -> None:
    cost = Money(currency_code="EUR", units=80)
    new = items_pb2.Item(number=name, title="first", tracking="NONE", base_unit_code="H87", standard_cost=cost)
    await plant("mara", items_pb2.CreateItemRequest(item_id=name, item=new))


async def rename(plant: Plant, name: str, title: str) -> None:
    await plant("mara", items_pb2.UpdateItemRequest(item=items_pb2.Item(name=f"items/{name}", title=title)))


def title(plant: Plant, name: str) -> Any:
    """What procurement knows of an item."""
    return plant.value("procurement", "select title from item_fact where name = %s", f"items/{name}")


def inbox_of(plant: Plant) -> Inbox:
    return next(each.inbox for each in plant.processes["procurement"].consumers if each.inbox.consumer == CONSUMER)


@pytest.fixture
async def poisoned(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """An item whose second event procurement put aside, with a third that waits: its id and the event's."""
    name = f"i{uuid4().hex[:8]}"
    await item(plant, name)
    await plant.settle()
    good = inbox_of(plant).types[ItemChanged.DESCRIPTOR.full_name]

    async def refuse(event: Any, unit: Any) -> None:
        raise ValueError(f"cannot take {event.title}")

    with monkeypatch.context() as patch:
        patch.setitem(
            inbox_of(plant).types,  # type: ignore[arg-type]
            ItemChanged.DESCRIPTOR.full_name,
            type(good)(good.descriptor, good.unordered, refuse),
        )
        await rename(plant, name, "bad")
        await plant.settle()
    await rename(plant, name, "later")
    await plant.settle()
    event_id = plant.value(
        "procurement",
        "select event_id::text from dead_letter where aggregate = %s and state = 'PARKED'",
        f"items/{name}",
    )
    assert event_id is not None
    assert title(plant, name) == "first"
    return name, event_id


def audited(plant: Plant, event_id: str) -> list[tuple[Any, ...]]:
    return plant.rows(
        "procurement",
        "select actor, reason, after ->> 'state' from audit where object = %s",
        f"deadLetters/{CONSUMER}/{event_id}",
    )


@pytest.mark.rule("REL-44")
async def test_a_dead_letter_shows_its_event(plant: Plant, poisoned: tuple[str, str]) -> None:
    name, event_id = poisoned
    found = await plant("opal", made("procurement", "Get", consumer=CONSUMER, event_id=event_id))
    assert '"title": "bad"' in found.content_json
    assert ItemChanged.FromString(found.payload).title == "bad"
    assert found.headers["plantops-aggregate"] == f"items/{name}"
    letter = found.dead_letter
    assert (letter.state, letter.failure_class, letter.version, letter.waiting_count) == ("PARKED", "poison", 2, 1)
    assert letter.reason == "ValueError: cannot take bad"


@pytest.mark.rule("REL-44")
async def test_a_replay_applies_the_event_and_what_waited_in_one_go(plant: Plant, poisoned: tuple[str, str]) -> None:
    name, event_id = poisoned
    request = made("procurement", "Replay", consumer=CONSUMER, event_id=event_id, reason="listener mended")
    answer = await plant("opal", request)
    assert (answer.state, answer.outcome, answer.released_count) == ("REPLAYED", "applied", 1)
    assert title(plant, name) == "later"
    again = await plant("opal", request)  # the same decision again is the same answer
    assert again == answer
    applied = "select version from applied where consumer = %s and aggregate = %s"
    assert plant.value("procurement", applied, CONSUMER, f"items/{name}") == 3
    assert audited(plant, event_id) == [("people/opal", "listener mended", "REPLAYED")]
    with pytest.raises(Refused) as caught:
        await plant("opal", made("procurement", "Discard", consumer=CONSUMER, event_id=event_id))
    assert (caught.value.code, caught.value.reason) == ("FAILED_PRECONDITION", "DEAD_LETTER_DECIDED")
    letter = (await plant("opal", made("procurement", "Get", consumer=CONSUMER, event_id=event_id))).dead_letter
    assert (letter.state, letter.decider, letter.decision_reason) == ("REPLAYED", "people/opal", "listener mended")


@pytest.mark.rule("REL-44")
async def test_a_discarded_event_has_no_effect_and_lets_the_later_ones_pass(
    plant: Plant, poisoned: tuple[str, str]
) -> None:
    name, event_id = poisoned
    answer = await plant("opal", made("procurement", "Discard", consumer=CONSUMER, event_id=event_id, reason="a typo"))
    assert (answer.state, answer.outcome, answer.released_count) == ("DISCARDED", "discarded", 1)
    assert title(plant, name) == "later"
    assert audited(plant, event_id) == [("people/opal", "a typo", "DISCARDED")]
    await rename(plant, name, "goes on")
    await plant.settle()
    assert title(plant, name) == "goes on"


@pytest.mark.rule("REL-44")
async def test_a_corrected_event_is_applied_as_corrected(plant: Plant, poisoned: tuple[str, str]) -> None:
    name, event_id = poisoned
    with plant.look("procurement") as connection:  # leave the corrected one last
        connection.execute("delete from waiting_event where aggregate = %s", [f"items/{name}"])
    shown = await plant("opal", made("procurement", "Get", consumer=CONSUMER, event_id=event_id))
    content = shown.content_json.replace('"bad"', '"good"')
    for wrong in ('{"noSuchField": 1}', "{", "[]", content.replace(name, "another")):
        with pytest.raises(Refused) as caught:
            await plant("opal", made("procurement", "Replay", consumer=CONSUMER, event_id=event_id, content_json=wrong))
        assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
    request = made("procurement", "Replay", consumer=CONSUMER, event_id=event_id, content_json=content)
    assert (await plant("opal", request)).outcome == "applied"
    assert title(plant, name) == "good"
    kept = plant.value("procurement", "select payload from dead_letter where event_id = %s", event_id)
    assert ItemChanged.FromString(bytes(kept)).title == "bad"  # what came stays as evidence


@pytest.mark.rule("REL-44")
@pytest.mark.parametrize("error", [ValueError("still broken"), FieldInvalid(field="title", rule="still broken")])
async def test_a_replay_that_fails_again_changes_nothing(
    plant: Plant, poisoned: tuple[str, str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    name, event_id = poisoned
    inbox = inbox_of(plant)
    good = inbox.types[ItemChanged.DESCRIPTOR.full_name]

    async def half(event: Any, unit: Any) -> None:
        assert good.listener is not None
        await good.listener(event, unit)
        raise error

    monkeypatch.setitem(inbox.types, ItemChanged.DESCRIPTOR.full_name, type(good)(good.descriptor, False, half))  # type: ignore[arg-type]
    with pytest.raises(Refused) as caught:
        await plant("opal", made("procurement", "Replay", consumer=CONSUMER, event_id=event_id))
    assert (caught.value.code, caught.value.reason) == ("FAILED_PRECONDITION", "NOT_APPLICABLE")
    assert "still broken" in str(caught.value)
    assert title(plant, name) == "first"
    state = plant.value("procurement", "select state from dead_letter where event_id = %s", event_id)
    assert (state, audited(plant, event_id)) == ("PARKED", [])


@pytest.mark.rule("REL-42")
async def test_a_message_that_does_not_say_which_event_it_is_can_be_discarded(plant: Plant) -> None:
    nc = plant.processes["materials"].nc
    assert nc is not None
    await nc.request("plantops.materials.v1.ItemChanged.x.y", b"\x00rubbish", headers={"Nats-Msg-Id": str(uuid4())})
    await plant.settle()
    where = "select event_id::text from dead_letter where consumer = %s and aggregate = '' and state = 'PARKED'"
    event_id = plant.value("procurement", where, CONSUMER)
    assert event_id is not None
    with pytest.raises(Refused) as caught:
        await plant("opal", made("procurement", "Replay", consumer=CONSUMER, event_id=event_id))
    assert caught.value.reason == "NOT_APPLICABLE"
    answer = await plant("opal", made("procurement", "Discard", consumer=CONSUMER, event_id=event_id))
    assert answer.state == "DISCARDED"


@pytest.mark.rule("SEC-23")
@pytest.mark.parametrize("service", SERVICES)
async def test_decisions_need_the_role_for_all_sites_and_name_what_exists(plant: Plant, service: str) -> None:
    consumer = plant.processes[service].consumers[0].inbox.consumer
    for verb in ("Get", "Replay", "Discard"):
        request = made(service, verb, consumer=consumer, event_id=str(uuid4()))
        here_only = plant.client(service, "people/opal", {"hamburg": ["operations"]})
        for client in (plant.client(service, "people/root"), here_only):
            with pytest.raises(Refused) as caught:
                await client(request)
            assert caught.value.code == "PERMISSION_DENIED"
        with pytest.raises(Refused) as caught:
            await plant("opal", request)
        assert (caught.value.code, caught.value.reason) == ("NOT_FOUND", "DEAD_LETTER_NOT_FOUND")
        with pytest.raises(Refused) as caught:
            await plant("opal", made(service, verb, consumer="nobody", event_id=str(uuid4())))
        assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "FIELD_INVALID")
