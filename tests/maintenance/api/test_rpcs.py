"""What every rpc of maintenance refuses alike, made from the descriptors: no permission, foreign site, unknown name."""

from typing import Any
from uuid import uuid4

import pytest
from google.api import annotations_pb2
from google.protobuf import message_factory
from google.protobuf.message import Message

from services.chassis.access import allows, scope_of
from services.chassis.bind import rpc_services
from services.chassis.requests import changes, masked_field
from tests.maintenance import builders as make
from tests.plant import Refused, path_of, tables
from tests.world import CAST, Plant

METHODS = [
    method
    for service in rpc_services("plantops.maintenance.v1")
    if not service.name.endswith("OperationsService")  # the chassis has it in every service
    for method in service.methods
]


def who(method: Any) -> str:
    """Somebody who may do it everywhere."""
    return next(
        person for person, held in CAST.items() if any(allows(role, scope_of(method)) for role in held.get("-", ()))
    )


def pattern(method: Any) -> str:
    """The resource pattern of a method's route, such as sites/*/assets/*; "" for a flat collection."""
    http = method.GetOptions().Extensions[annotations_pb2.http]
    path = http.get or http.post or http.patch
    return path.partition("=")[2].partition("}")[0]


def request(method: Any, site: str) -> Message:
    """A request that names something below a site, and nothing else."""
    made = message_factory.GetMessageClass(method.input_type)()
    name = pattern(method).replace("sites/*", f"sites/{site}").replace("*", "nothing-here")
    if name:
        masked = masked_field(made.DESCRIPTOR)
        target = getattr(made, masked) if masked else made
        setattr(target, "name" if "name" in target.DESCRIPTOR.fields_by_name else "parent", name)
    if "request_id" in made.DESCRIPTOR.fields_by_name:
        made.request_id = str(uuid4())
    return made


@pytest.fixture(scope="module", autouse=True)
async def two_sites(plant: Plant) -> None:
    await make.sites(plant)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_an_rpc_refuses_who_holds_no_role(plant: Plant, method: Any) -> None:
    client = plant.client("maintenance", "people/nobody", {})
    with pytest.raises(Refused) as refused:
        await client.send(method, request(method, "hamburg"))
    assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "PERMISSION_DENIED")


@pytest.mark.parametrize("method", [method for method in METHODS if "sites/*" in pattern(method)], ids=lambda m: m.name)
async def test_an_rpc_on_a_foreign_site_is_refused_whether_the_thing_exists_or_not(plant: Plant, method: Any) -> None:
    with plant.look("maintenance") as connection:
        before = tables(connection)
        with pytest.raises(Refused) as refused:
            await plant.client("maintenance", "people/eve").send(method, request(method, "hamburg"))
        assert (refused.value.code, refused.value.reason) == ("PERMISSION_DENIED", "PERMISSION_DENIED")
        assert tables(connection) == before


FLAT_CHANGES = [method for method in METHODS if changes(method.input_type) and "sites/*" not in pattern(method)]


@pytest.mark.parametrize("method", FLAT_CHANGES, ids=lambda method: method.name)
async def test_who_works_at_one_site_changes_nothing_of_the_enterprise(plant: Plant, method: Any) -> None:
    with pytest.raises(Refused) as refused:
        await plant.client("maintenance", "people/eve").send(method, request(method, "antwerp"))
    assert refused.value.code == "PERMISSION_DENIED"


GETS = [method for method in METHODS if method.name.startswith("Get") and "name" in method.input_type.fields_by_name]


@pytest.mark.parametrize("method", GETS, ids=lambda method: method.name)
async def test_an_unknown_name_is_not_found(plant: Plant, method: Any) -> None:
    with pytest.raises(Refused) as refused:
        await plant.client("maintenance", "people/vic").send(method, request(method, "nowhere"))
    assert (refused.value.code, refused.value.reason) == ("NOT_FOUND", "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    "method", [method for method in METHODS if changes(method.input_type)], ids=lambda method: method.name
)
async def test_a_change_without_what_is_required_names_the_fields(plant: Plant, method: Any) -> None:
    asked = request(method, "nowhere")
    with plant.look("maintenance") as connection:
        before = tables(connection)
        with pytest.raises(Refused) as refused:
            await plant.client("maintenance", who(method)).send(method, asked)
        changed = {name for name, rows in tables(connection).items() if rows != before[name]} - {
            "idempotency",
            "job_run",
        }
    assert refused.value.code in ("INVALID_ARGUMENT", "NOT_FOUND")
    assert refused.value.reason in ("FIELD_INVALID", "RESOURCE_NOT_FOUND")
    assert changed == set()


def test_every_rpc_is_called_by_a_test() -> None:
    here = path_of("maintenance")
    text = "\n".join(path.read_text() for path in here.rglob("*.py") if path.name != "test_rpcs.py")
    assert [method.name for method in METHODS if f"{method.name}Request(" not in text] == []
