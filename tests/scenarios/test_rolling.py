"""Processes are restarted one after the other under load, and nobody notices."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.load.bench_rolling import roll
from tests.load.fleet import fleet, grounds, lost
from tests.load.mixed import Load

RESTARTS = 4
CLIENTS = 3


@pytest.fixture
def ground() -> Iterator[Any]:
    with tempfile.TemporaryDirectory(prefix="plantops-rolling-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        with grounds(Path(name) / "plant", durable=False) as found:
            yield found


@pytest.mark.rule("REL-80", "OPS-18", "REL-77")
async def test_a_rolling_restart_fails_no_request_and_loses_no_event(ground: Any) -> None:
    async with fleet(*ground) as found:
        load = Load(found.doors, found.token())
        watch = await roll(found, load, RESTARTS, CLIENTS)
        told, missing = await lost(found)
    assert load.failures == []
    assert missing == []
    assert set(load.codes) == {"200"}
    assert told > 0
    assert len(found.drains) == RESTARTS
    assert len(watch.gaps) >= RESTARTS - 1  # all but the gateway led a relay, and another took over
