"""A scanned code over all services."""

from plantops.type.v1.lookup_pb2 import CodeMatch

from gateway import gs1
from gateway.scans import ranked
from tests.gateway.conftest import Caller, item

GTIN = "09506000134352"


async def resolve(http: Caller, code: str, person: str = "sam") -> dict[str, object]:
    found: dict[str, object] = await http.good(person, "GET", "/v1/sites/hamburg/scans:resolve", params={"code": code})
    return found


async def test_a_label_leads_to_item_and_lot(http: Caller) -> None:
    made = await http.good("mara", "POST", "/v1/items?itemId=gasket", item("G-1", tracking="LOT", gtins=[GTIN]))
    other = await http.good("mara", "POST", "/v1/items?itemId=other-gasket", item("G-2", tracking="LOT"))
    lot = await http.good("sam", "POST", f"/v1/{made['name']}/lots", {"number": "ABC"})
    await http.good("sam", "POST", f"/v1/{other['name']}/lots", {"number": "ABC"})
    found = await resolve(http, f"]C101{GTIN}10ABC")
    assert found["normalizedCode"] == f"(01){GTIN}(10)ABC"
    assert [match["resource"] for match in found["matches"]] == [lot["name"], made["name"]]  # type: ignore[attr-defined]
    assert found["elements"] == [
        {"applicationIdentifier": "01", "value": GTIN},
        {"applicationIdentifier": "10", "value": "ABC"},
    ]
    assert found["unavailable"] == []
    plain = await resolve(http, "]E0" + GTIN[1:])
    assert [match["kind"] for match in plain["matches"]] == ["item"]  # type: ignore[attr-defined]


async def test_an_asset_by_its_number_and_nothing_by_another(http: Caller) -> None:
    made = await http.good(
        "paul", "POST", "/v1/sites/hamburg/assets", {"number": "EQ-7", "title": "Press", "criticality": "B"}
    )
    found = await resolve(http, "]C0EQ-7", "tina")
    assert [match["resource"] for match in found["matches"]] == [made["name"]]  # type: ignore[attr-defined]
    assert (await resolve(http, "nothing-like-it"))["matches"] == []


async def test_another_site_is_refused_by_the_services(http: Caller) -> None:
    response = await http("eve", "GET", "/v1/sites/hamburg/scans:resolve", params={"code": "EQ-7"})
    assert (response.status_code, response.json()["code"]) == (403, "PERMISSION_DENIED")
    claimed = http.issuer.token("people/eve", {"-": ["planner"]})  # claimed, but never granted there
    response = await http(
        "",
        "GET",
        "/v1/sites/hamburg/scans:resolve",
        params={"code": "x"},
        headers={"authorization": f"Bearer {claimed}"},
    )
    assert (response.status_code, response.json()["metadata"]["permission"]) == (403, "maintenance.chain.read")


async def test_a_code_is_needed(http: Caller) -> None:
    for code in ("", "x" * 257):
        response = await http("sam", "GET", "/v1/sites/hamburg/scans:resolve", params={"code": code})
        assert (response.status_code, response.json()["fields"][0]["field"]) == (400, "code")


def test_each_resource_once() -> None:
    match = CodeMatch(kind="item", resource="items/a")
    assert ranked([match, match], gs1.parse("A")) == [match]
