"""Names, bounds and sampling of what a process measures (OPS-41); the story with exact figures is a scenario."""

import ast
import re
import socket
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from cli.engines import Engines
from services.chassis import sampling, scrape
from services.chassis.config import ConfigInvalid
from services.chassis.metrics import CALLS, DECLARED, EVENT_SECONDS, SECONDS, Metrics
from services.chassis.sampling import Horizon, Sampler, consumer_figures
from services.chassis.serve import Process
from tests.load.stage import until
from tests.plant import superuser

ROOT = Path(__file__).parents[2]
LABELS = {
    "method", "code", "route", "status", "reason", "shard", "stream", "consumer", "class", "kind", "sqlstate", "table",
    "process", "version", "python",
}  # fmt: skip


def series(metrics: Metrics) -> int:
    """Lines of the page that are no comment."""
    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    return sum(len(family.samples) for family in families)


@pytest.mark.rule("OPS-41")
@pytest.mark.parametrize("name", DECLARED)
def test_a_metric_has_a_regular_name_and_labels_from_closed_sets(name: str) -> None:
    one = DECLARED[name]
    assert re.fullmatch(r"plantops(_[a-z]+)+", name)
    assert name.endswith("_total") == (one.kind == "counter")
    assert set(one.labels) <= LABELS
    assert one.buckets in ((), SECONDS, EVENT_SECONDS, CALLS)
    assert bool(one.buckets) == (one.kind == "histogram")
    assert one.help.endswith(".") or one.kind == "gauge"


def table() -> str:
    """The metrics as the guide shows them."""
    places = {("service",): "services", ("gateway",): "gateway"}
    return "\n".join(
        f"| `{name}` | {one.kind} | {', '.join(one.labels)} | {places.get(one.places, 'all')} | {one.help} |"
        for name, one in DECLARED.items()
    )


def test_the_guide_lists_the_metrics() -> None:
    assert table() in (ROOT / "docs/how-to/observe.md").read_text(), f"put this into the guide:\n{table()}"


@pytest.mark.rule("OPS-41")
def test_what_is_declared_is_fed_and_what_is_fed_is_declared() -> None:
    used: set[str] = set()
    for folder in ("services", "gateway"):
        for path in (ROOT / folder).rglob("*.py"):
            if path.name == "metrics.py" and path.parent.name == "chassis":
                used |= {"plantops_build_info"}
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    used |= {node.value} if re.fullmatch(r"plantops_[a-z_]+", node.value) else set()
    assert used == set(DECLARED)


@pytest.mark.rule("OPS-41")
@pytest.mark.parametrize("place", ["service", "gateway"])
def test_a_process_stays_below_five_thousand_series_whatever_it_is_asked(place: Any) -> None:
    metrics = Metrics("x", place)
    name = "plantops_rpc_seconds" if place == "service" else "plantops_http_seconds"
    for number in range(2000):
        metrics.observe(name, 0.01, f"method {number % 500}", f"code {number % 17}")
    assert series(metrics) < 5000
    page = generate_latest(metrics.registry).decode()
    counted = [float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(f"{name}_count")]
    assert sum(counted) == 2000, "nothing is lost, the rest is counted together"
    assert metrics.value(name, DECLARED[name].other, "code 16") > 0


def test_processes_in_one_interpreter_count_for_themselves() -> None:
    first, second = Metrics("first"), Metrics("second")
    first.inc("plantops_shed_total", "A/B", "pool")
    assert (first.value("plantops_shed_total", "A/B", "pool"), second.value("plantops_shed_total", "A/B", "pool")) == (
        1,
        0,
    )


def test_a_gauge_that_is_replaced_forgets_what_is_gone() -> None:
    metrics = Metrics("x")
    metrics.replace("plantops_dead_letters", {("a", "poison"): 2, ("b", "poison"): 1})
    metrics.replace("plantops_dead_letters", {("a", "poison"): 3})
    page = generate_latest(metrics.registry).decode()
    assert [line for line in page.splitlines() if line.startswith("plantops_dead_letters{")] == [
        'plantops_dead_letters{class="poison",consumer="a"} 3.0'
    ]


@pytest.mark.rule("REL-6")
def test_the_horizons_age_is_the_time_that_it_stood_while_others_went_on() -> None:
    horizon = Horizon()
    #      lowest active, next id, seconds -> age
    steps = [(10, 10, 0, 0), (10, 12, 5, 5), (10, 15, 10, 10), (15, 15, 15, 0), (15, 15, 20, 0), (15, 16, 25, 5)]
    assert [horizon.age(lowest, following, float(now)) for lowest, following, now, _ in steps] == [
        age for _, _, _, age in steps
    ]


def test_a_consumers_figures_are_by_the_brokers_clock() -> None:
    info: dict[str, Any] = {
        "created": "2026-01-01T00:00:00Z", "ts": "2026-01-01T00:01:00.5Z", "num_pending": 3, "num_ack_pending": 2,
        "delivered": {"stream_seq": 9, "last_active": "2026-01-01T00:00:58.250000001Z"}, "ack_floor": {"stream_seq": 5},
    }  # fmt: skip
    assert consumer_figures(info) == (3, 2, 4, pytest.approx(2.25, abs=1e-6))
    del info["delivered"]["last_active"]
    assert consumer_figures(info)[3] == 60.5, "one that never got anything is silent since it was made"


@pytest.mark.rule("OPS-16")
async def test_a_failed_sample_shows_nothing_and_the_next_one_is_taken(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "EVERY_SECONDS", 0.02)
    away = True

    def sessions() -> Any:
        if away:
            raise ConnectionError("the database is away")
        return process.sessions()

    sampler = Sampler(Metrics("x"), sessions, lambda: None, [])  # type: ignore[arg-type]
    sampler.metrics.set("plantops_outbox_unpublished", 7)
    sampler.start()

    async def seen(wanted: dict[Any, float]) -> None:
        await until(lambda: sampler.metrics._gauges["plantops_outbox_unpublished"] == wanted, 0.01)

    await seen({})
    away = False
    await seen({(): 0})
    away = True
    await seen({})
    await sampler.stop()
    assert process._ended == []


@pytest.mark.rule("OPS-41")
async def test_what_an_open_transaction_holds_up_is_seen(process: Process, bootstrapped: Engines) -> None:
    metrics, sampler = process.metrics, process.sampler
    writer = await psycopg.AsyncConnection.connect(process.config.database_url.get_secret_value())
    try:
        await writer.execute("insert into principal_state values ('people/x', 'ACTIVE')")
        await sampler.database()
        with superuser(bootstrapped, "sample") as look:
            look.execute(
                "insert into outbox (event_id, aggregate_type, aggregate_id, aggregate_version, site, correlation,"
                " subject, payload, headers, occurred_at) values (gen_random_uuid(), 'X', 'held', 1, 'x', 'c',"
                " 'sampletest.x', '', '{}', now())"
            )
        await sampler.database()
        assert metrics.value("plantops_db_oldest_writer_seconds") > 0
        assert metrics.value("plantops_outbox_horizon_seconds") > 0
        assert metrics.value("plantops_outbox_unpublished") >= 1
        assert metrics.value("plantops_outbox_oldest_seconds") > 0
        assert abs(metrics.value("plantops_clock_skew_seconds")) < 60
    finally:
        await writer.rollback()
        await writer.close()
    await sampler.database()
    assert metrics.value("plantops_db_oldest_writer_seconds") == 0


async def test_the_page_has_its_own_port_and_says_when_it_cannot_be_had() -> None:
    metrics = Metrics("materials")
    page = await scrape.serve(metrics, "127.0.0.1:0")
    assert page is not None
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://127.0.0.1:{page.port}/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert f'process="{metrics.process}"' in answer.text
    with pytest.raises(ConfigInvalid, match=f"materials: metrics_listen: 127.0.0.1:{page.port} cannot be had"):
        await scrape.serve(metrics, f"127.0.0.1:{page.port}")
    await page.close()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", page.port)) != 0
    assert await scrape.serve(metrics, "") is None
