"""Timelines over all services: causes before effects, and nothing hidden."""

import random

from hypothesis import given
from hypothesis import strategies as st
from plantops.type.v1.chain_pb2 import ChainEntry

from gateway.chains import merged
from gateway.serve import Server
from tests.gateway.conftest import Caller, gateway_config, item


def entry(number: int, cause: int | None = None, seconds: int = 0, service: str = "materials") -> ChainEntry:
    found = ChainEntry(event_id=f"e{number}", service=service, position=number)
    found.causation = "" if cause is None else f"e{cause}"
    found.occur_time.seconds = seconds
    return found


def ids(entries: list[ChainEntry]) -> list[int]:
    return [int(found.event_id[1:]) for found in entries]


def test_a_fast_clock_puts_no_effect_before_its_cause() -> None:
    assert ids(merged([entry(2, cause=1, seconds=5), entry(1, seconds=10), entry(3, seconds=7)])) == [3, 1, 2]


def test_ties_are_broken_by_service_and_position() -> None:
    entries = [entry(2), entry(1), entry(3, service="maintenance")]
    assert ids(merged(entries)) == [3, 1, 2]


def test_circles_and_unknown_causes_lose_nothing() -> None:
    assert ids(merged([entry(1, cause=2), entry(2, cause=1), entry(3, cause=9), entry(4, cause=4)])) == [3, 4, 1, 2]


CHAINS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 30), st.sampled_from(["maintenance", "materials", "procurement"])),
    max_size=20,
)


@given(CHAINS, st.randoms(use_true_random=False))
def test_every_order_of_asking_gives_the_same_timeline(rows: list[tuple[int, int, str]], dice: random.Random) -> None:
    entries = [
        entry(number, cause if cause < number else None, seconds, service)
        for number, (cause, seconds, service) in enumerate(rows)
    ]
    expected = ids(merged(entries))
    assert sorted(expected) == list(range(len(rows)))
    place = {number: index for index, number in enumerate(expected)}
    for found in entries:
        if found.causation:
            assert place[int(found.causation[1:])] < place[int(found.event_id[1:])]
    dice.shuffle(entries)
    assert ids(merged(entries)) == expected


async def test_a_work_order_over_three_services(http: Caller) -> None:
    await http.good("mara", "POST", "/v1/items?itemId=seal", item("seal"))
    await http.plant.settle()
    asset = await http.good(
        "paul", "POST", "/v1/sites/hamburg/assets?assetId=mixer", {"number": "M1", "title": "Mixer", "criticality": "A"}
    )
    await http.good("paul", "POST", f"/v1/{asset['name']}:changeState", {"state": "IN_SERVICE"})
    order = await http.good(
        "paul",
        "POST",
        "/v1/sites/hamburg/workOrders",
        {
            "title": "Change the seal",
            "asset": asset["name"],
            "kind": "CORRECTIVE",
            "priority": 2,
            "partDemands": [{"item": "items/seal", "quantity": {"value": "1", "unitCode": "H87"}, "mandatory": True}],
        },
    )
    await http.good("ada", "POST", f"/v1/{order['name']}:approve", {})
    await http.plant.settle()
    chain = await http.good("vic", "GET", "/v1/chain", params={"correlation": order["name"]})
    assert chain["unavailable"] == []
    services = {found["service"] for found in chain["entries"]}
    assert services == {"maintenance", "materials", "procurement"}
    seen: set[str] = set()
    for found in chain["entries"]:
        assert not found["causation"] or found["causation"] in seen
        seen.add(found["eventId"])
    assert chain["entries"][0]["eventType"] == "WorkOrderCreated"
    foreign = await http("eve", "GET", "/v1/chain", params={"correlation": order["name"]})
    assert (foreign.status_code, foreign.json()["code"]) == (403, "PERMISSION_DENIED")


async def test_a_chain_names_who_could_not_be_asked(http: Caller) -> None:
    ports = {name: process.port for name, process in http.plant.processes.items()} | {"procurement": 1}
    server = Server(gateway_config(http.issuer, ports))
    await server.start()
    try:
        base = f"http://127.0.0.1:{server.port}"
        chain = await http.good("vic", "GET", f"{base}/v1/chain", params={"correlation": "sites/hamburg"})
        assert chain["unavailable"] == ["procurement"]
        scan = await http.good("vic", "GET", f"{base}/v1/sites/hamburg/scans:resolve", params={"code": "x"})
        assert scan["unavailable"] == ["procurement"]
        down = await http("vic", "GET", f"{base}/v1/suppliers")
        assert (down.status_code, down.json()["reason"]) == (503, "DEPENDENCY_UNAVAILABLE")
        assert down.headers["retry-after"] == "1"
        assert "127.0.0.1" not in down.text
        ready = await http("", "GET", f"{base}/readyz")
        assert (ready.status_code, ready.json()["why"]) == (503, ["procurement: cannot be reached"])
        assert (await http("", "GET", f"{base}/healthz")).status_code == 200
        assert (await http("", "POST", f"{base}/dev/token", {})).status_code == 404  # no built-in issuer here
    finally:
        await server.stop()


async def test_missing_permission_or_correlation(http: Caller) -> None:
    missing = await http("vic", "GET", "/v1/chain")
    assert (missing.status_code, missing.json()["fields"][0]["field"]) == (400, "correlation")
    token = http.issuer.token("people/vic", {})
    nothing = await http(
        "", "GET", "/v1/chain", params={"correlation": "x"}, headers={"authorization": f"Bearer {token}"}
    )
    assert (nothing.status_code, nothing.json()["metadata"]["permission"]) == (403, "maintenance.chain.read")
