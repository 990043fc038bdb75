"""Another system talks to a service with nothing but server reflection and a token."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from cli.engines import Engines
from tests.scenarios import stage
from tests.signing import Issuer
from tests.world import CAST, Plant, running

BUF = Path(sys.executable).parent / "buf"


async def buf(plant: Plant, rpc: str, request: dict[str, Any], person: str = "people/paul") -> tuple[int, Any]:
    """Exit code and answer of `buf curl`."""
    process = await asyncio.create_subprocess_exec(
        str(BUF), "curl", "--protocol", "grpc", "--http2-prior-knowledge",
        "-H", f"authorization: Bearer {plant.issuer.token(person, CAST[person])}",
        "-d", json.dumps(request),
        f"http://127.0.0.1:{plant.processes['maintenance'].port}/plantops.maintenance.v1.{rpc}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(out or error)


async def test_a_work_order_is_made_and_read_by_server_reflection(templates: Engines, issuer: Issuer) -> None:
    async with running(templates, issuer, reflection=True) as plant:
        await stage.set_up(plant)
        content = {"asset": stage.PRESS, "kind": "CORRECTIVE", "title": "Press leaks oil", "priority": 2}
        wanted = {"parent": stage.SITE, "workOrder": content, "requestId": str(uuid4())}
        code, made = await buf(plant, "WorkOrderService/CreateWorkOrder", wanted)
        assert (code, made["state"], made["title"]) == (0, "PLANNED", "Press leaks oil")
        code, read = await buf(plant, "WorkOrderService/GetWorkOrder", {"name": made["name"]})
        assert (code, read["number"]) == (0, made["number"])
        code, refused = await buf(plant, "WorkOrderService/GetWorkOrder", {"name": f"{stage.SITE}/workOrders/nothing"})
        assert (code != 0, refused["code"]) == (True, "not_found")
