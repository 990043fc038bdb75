"""The reference names every rpc with route and permission, and every event with its order."""

import subprocess
import sys
from pathlib import Path

from google.protobuf import descriptor_pb2

ROOT = Path(__file__).parents[2]


def test_the_reference_holds_every_rpc_and_event(tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "protos" / "reference.py"), str(tmp_path)], check=True, cwd=tmp_path)
    image = (ROOT / "gen" / "plantops" / "plantops.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(image).file:
        if not file.package.startswith("plantops.") or file.package == "plantops.type.v1":
            continue
        page = (tmp_path / f"{file.package.split('.')[1]}.md").read_text()
        for service in file.service:
            for method in service.method:
                assert f"### {method.name}\n" in page, method.name
        if file.name.endswith("/events.proto"):
            for message in file.message_type:
                if any(field.name == "version" for field in message.field):
                    assert f"### {message.name}\n" in page, message.name
    maintenance = (tmp_path / "maintenance.md").read_text()
    route = "`POST /v1/{name=sites/*/workOrders/*}:complete`"
    assert f"{route} · permission `maintenance.workOrders.execute`" in maintenance
    assert "WorkOrderCompleted.<site>.<correlation>` · in order per `work_order`" in maintenance
