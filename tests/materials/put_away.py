"""What tests of put-away need: policies in force, settings of items, zones of places."""

from typing import Any

from plantops.materials.v1 import decisions_pb2, item_settings_pb2, locations_pb2, tasks_pb2
from plantops.materials.v1 import put_away_policies_pb2 as pb

from tests.materials.builders import SITE, at, fresh, place
from tests.world import Plant

Step = pb.PutAwayRevision.Step


async def policy(plant: Plant, **selector: str) -> Any:
    """A put-away policy without revision."""
    made = pb.PutAwayPolicy(title="Put-away", **selector)
    return await plant("mara", pb.CreatePutAwayPolicyRequest(put_away_policy_id=fresh("p"), put_away_policy=made))


def step(kind: str, zone: str = "", **given: str) -> pb.PutAwayRevision.Step:
    """A step; the zone is a place of the site."""
    return Step(kind=kind, zone=at(zone) if zone else "", **given)


async def draft(plant: Plant, parent: str, *steps: Any, person: str = "mara") -> Any:
    """A revision of it."""
    revision = pb.PutAwayRevision(steps=[each if isinstance(each, Step) else step(each) for each in steps])
    return await plant(person, pb.CreatePutAwayRevisionRequest(parent=parent, put_away_revision=revision))


async def submit(plant: Plant, name: str) -> Any:
    """Offer it for approval."""
    return await plant("mara", pb.SubmitPutAwayRevisionRequest(name=name))


async def activate(plant: Plant, name: str) -> Any:
    """Approve and put in force what is a draft."""
    submitted = await submit(plant, name)
    await plant("ada", pb.ApprovePutAwayRevisionRequest(name=name, content_hash=submitted.content_hash))
    return await plant("ada", pb.ActivatePutAwayRevisionRequest(name=name))


async def in_force(plant: Plant, *steps: Any, **selector: str) -> Any:
    """A policy with a revision in force."""
    return await activate(plant, (await draft(plant, (await policy(plant, **selector)).name, *steps)).name)


async def settings(plant: Plant, item_name: str, **given: str) -> Any:
    """What the site says of an item."""
    request = item_settings_pb2.CreateItemSettingsRequest(
        parent=SITE, item_settings_id=item_name.rsplit("/", 1)[-1],
        item_settings=item_settings_pb2.ItemSettings(**given),
    )  # fmt: skip
    return await plant("mara", request)


async def zone(plant: Plant, *limits: locations_pb2.Location.Limits | None) -> tuple[str, list[str]]:
    """A group with a place for each of the limits, all behind the other places; gives both."""
    group = fresh("zone")
    await place(plant, group, "GROUP")
    names = []
    for number, limit in enumerate(limits):
        names.append(fresh("bin"))
        await place(plant, names[-1], parent_location=at(group), path_order=7000 + number, limits=limit)
    return group, names


async def task_of(plant: Plant, line: Any) -> Any:
    """The put-away of a receipt line."""
    return await plant("vic", tasks_pb2.GetPutAwayTaskRequest(name=line.put_away_task))


async def explained(plant: Plant, name: str) -> Any:
    """A decision."""
    return await plant("vic", decisions_pb2.ExplainDecisionRequest(name=name))
