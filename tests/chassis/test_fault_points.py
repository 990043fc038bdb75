"""Named points where a test may kill, stop or delay a process."""

import asyncio
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from services.chassis import fault_points
from services.chassis.fault_points import POINTS, Planned, arm, parse, reach

NEEDED = {
    "PLANTOPS_ISSUER": "https://issuer.test",
    "PLANTOPS_JWKS": "/none.json",
    "PLANTOPS_DATABASE_URL": "postgresql://a@127.0.0.1:1/a",
    "PLANTOPS_RELAY_URL": "postgresql://a@127.0.0.1:1/a",
    "PLANTOPS_NATS_URL": "nats://127.0.0.1:1",
    "PLANTOPS_PAGE_TOKEN_KEY": "key",
}


def test_a_setting_names_point_kind_pass_and_action() -> None:
    text = "unit.before_commit:1:kill, unit.after_commit@PostReceipt:2:stop,relay.after_store:3:delay=0.5"
    assert parse(text) == [
        Planned("unit.before_commit", "", 1, "kill"),
        Planned("unit.after_commit", "PostReceipt", 2, "stop"),
        Planned("relay.after_store", "", 3, "delay", 0.5),
    ]


@pytest.mark.parametrize(
    "bad",
    ["here:1:kill", "unit.before_commit", "unit.before_commit:0:kill", "unit.before_commit:x:kill",
     "unit.before_commit:1:burn", "unit.before_commit:1:delay=soon", "unit.before_commit:1:delay"],
)  # fmt: skip
def test_an_unknown_point_or_action_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match=r"fault point|expected|action|delay"):
        parse(bad)


@pytest.mark.rule("F-2")
@pytest.mark.parametrize("module", ["services.materials", "gateway"])
@pytest.mark.parametrize(
    ("environment", "fault", "word"),
    [("development", "unit.before_commit:1:kill", "only the environment test"), ("test", "there:1:kill", "no fault")],
)
def test_a_process_with_a_fault_starts_in_tests_alone(module: str, environment: str, fault: str, word: str) -> None:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PLANTOPS_")}
    given = {**clean, **NEEDED, "PLANTOPS_ENVIRONMENT": environment, "PLANTOPS_FAULT": fault}
    done = subprocess.run([sys.executable, "-m", module], env=given, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert word in line


async def test_a_fault_happens_once_at_its_pass_and_kind() -> None:
    fired: list[str] = []

    async def watched(seconds: float) -> None:
        fired.append(f"{seconds:g}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "sleep", watched)
        arm(parse("unit.before_commit@PostReceipt:2:delay=1,unit.before_commit:4:delay=2"))
        context = SimpleNamespace(method=SimpleNamespace(name="PostReceipt"), event=None)
        token = fault_points.doing.set(context)
        try:
            for _ in range(6):
                await reach("unit.before_commit")
                await reach("unit.after_commit")
            assert fired == ["1", "2"]
            arm([])
            await reach("unit.before_commit")
        finally:
            fault_points.doing.reset(token)
            arm([])
    assert fired == ["1", "2"]


def test_every_point_is_in_the_code() -> None:
    import ast
    from pathlib import Path

    called = {
        node.args[0].value
        for folder in ("services", "gateway")
        for path in Path(folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "reach"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert called == POINTS
