"""What tests of replenishment need: policies with revisions in force, and what they asked for."""

from typing import Any

from google.type.decimal_pb2 import Decimal
from plantops.materials.v1 import policies_pb2 as pb

from tests.materials.builders import SITE, fresh
from tests.world import Plant

Revision = pb.MaterialsRevision


def number(value: str | int) -> Decimal:
    """A decimal."""
    return Decimal(value=str(value))


async def policy(plant: Plant, item: str = "", site: str = "hamburg", **selector: str) -> Any:
    """A policy without revision."""
    made = pb.MaterialsPolicy(title="Stock", item=item, site=site, **selector)
    request = pb.CreateMaterialsPolicyRequest(materials_policy_id=fresh("p"), materials_policy=made)
    return await plant("mara", request)


def revision(**given: Any) -> Any:
    """What a revision says; numbers may be plain."""
    fields = Revision.DESCRIPTOR.fields_by_name
    decimals = {name for name in given if fields[name].message_type is Decimal.DESCRIPTOR}
    return Revision(**{name: _number(value) if name in decimals else value for name, value in given.items()})


def _number(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else number(value)


async def draft(plant: Plant, parent: str, **given: Any) -> Any:
    """A revision of a policy: a reorder point of 10 with 24 to order, in 5 days, unless said otherwise."""
    point = {"kind": "REORDER_POINT", "reorder_point": 10, "order_quantity": 24, "lead_days": 5}
    values = {**(point if given.get("kind", "REORDER_POINT") == "REORDER_POINT" else {"reorder_point": 10}), **given}
    request = pb.CreateMaterialsRevisionRequest(parent=parent, materials_revision=revision(**values))
    return await plant("mara", request)


async def change(plant: Plant, name: str, person: str = "mara", **given: Any) -> Any:
    """Change a draft."""
    return await plant(person, pb.UpdateMaterialsRevisionRequest(materials_revision=revision(name=name, **given)))


async def submit(plant: Plant, name: str, etag: str = "") -> Any:
    """Offer it for approval."""
    return await plant("mara", pb.SubmitMaterialsRevisionRequest(name=name, etag=etag))


async def approve(plant: Plant, given: Any, person: str = "ada") -> Any:
    """Approve what was read."""
    request = pb.ApproveMaterialsRevisionRequest(name=given.name, content_hash=given.content_hash)
    return await plant(person, request)


async def activate(plant: Plant, parent: str, **given: Any) -> Any:
    """A revision of a policy, in force."""
    made = await approve(plant, await submit(plant, (await draft(plant, parent, **given)).name))
    return await plant("ada", pb.ActivateMaterialsRevisionRequest(name=made.name))


async def in_force(plant: Plant, item: str, **given: Any) -> Any:
    """A policy of an item at the site with a revision in force."""
    return await activate(plant, (await policy(plant, item)).name, **given)


async def requests_of(plant: Plant, item: str) -> list[Any]:
    """Supply requests of an item at the site."""
    answer = await plant("vic", pb.ListSupplyRequestsRequest(parent=SITE, filter=f'item = "{item}"'))
    return list(answer.supply_requests)


async def read(plant: Plant, request: Any) -> Any:
    """A supply request as it stands."""
    return await plant("vic", pb.GetSupplyRequestRequest(name=request.name))
