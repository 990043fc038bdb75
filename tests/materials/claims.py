"""What tests of claims need: policies of allocation in force, and claims of other systems."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from google.protobuf.timestamp_pb2 import Timestamp
from plantops.materials.v1 import allocation_policies_pb2 as pb
from plantops.materials.v1 import reservations_pb2

from tests.materials.builders import SITE, fresh, q
from tests.world import Plant


def instant(at: datetime) -> Timestamp:
    """An instant as it is told."""
    found = Timestamp()
    found.FromDatetime(at)
    return found


def ahead(**given: float) -> datetime:
    """An instant to come."""
    return datetime.now(UTC) + timedelta(**given)


async def policy(plant: Plant, **selector: str) -> Any:
    """An allocation policy without revision."""
    made = pb.AllocationPolicy(title="Claims", **selector)
    return await plant(
        "mara", pb.CreateAllocationPolicyRequest(allocation_policy_id=fresh("a"), allocation_policy=made)
    )


async def draft(plant: Plant, parent: str, **given: Any) -> Any:
    """A revision of it."""
    revision = pb.AllocationRevision(**given)
    return await plant("mara", pb.CreateAllocationRevisionRequest(parent=parent, allocation_revision=revision))


async def submit(plant: Plant, name: str) -> Any:
    """Offer it for approval."""
    return await plant("mara", pb.SubmitAllocationRevisionRequest(name=name))


async def in_force(plant: Plant, item: str = "", item_class: str = "", at_site: str = "", **given: Any) -> Any:
    """A policy with a revision in force."""
    made = await policy(plant, item=item, item_class=item_class, at_site=at_site)
    revision = await submit(plant, (await draft(plant, made.name, **given)).name)
    await plant("ada", pb.ApproveAllocationRevisionRequest(name=revision.name, content_hash=revision.content_hash))
    return await plant("ada", pb.ActivateAllocationRevisionRequest(name=revision.name))


def demand(item: str, value: str | int, **given: Any) -> reservations_pb2.ReserveRequest:
    """A demand of another system's order, in pieces unless said otherwise."""
    unit_code, parent = given.pop("unit_code", "H87"), given.pop("parent", SITE)
    if not {"work_order", "demand", "source_system", "external_id"} & set(given):
        given |= {"source_system": "erp", "external_id": fresh("so")}
    return reservations_pb2.ReserveRequest(
        parent=parent, item=item, quantity=q(value, unit_code), request_id=str(uuid4()), **given
    )


async def reserve(plant: Plant, *demands: reservations_pb2.ReserveRequest, person: str = "sam") -> list[Any]:
    """Claim stock for demands; gives the outcomes."""
    request = reservations_pb2.BatchReserveRequest(parent=demands[0].parent, requests=demands)
    answer = await plant(person, request)
    return list(answer.outcomes)


async def claimed(plant: Plant, item: str, value: str | int, **given: Any) -> Any:
    """A reservation of another system's order."""
    (outcome,) = await reserve(plant, demand(item, value, **given))
    assert outcome.HasField("reservation"), outcome.status
    return outcome.reservation


async def read(plant: Plant, name: str) -> Any:
    """A reservation as it stands."""
    return await plant("vic", reservations_pb2.GetReservationRequest(name=name))


def parts(row: Any) -> dict[str, str]:
    """Quantities of a reservation that are not 0 (MAT-71)."""
    names = ("requested", "issued", "allocated", "supply_covered", "pending", "short", "released", "substituted")
    return {name: getattr(row, name).value for name in names if getattr(row, name).value != "0"}


def places(row: Any) -> list[tuple[str, str]]:
    """Place and quantity of what it holds."""
    return [(taken.location.rsplit("/", 1)[-1], taken.quantity.value) for taken in row.allocations]
