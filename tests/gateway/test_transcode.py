"""The contract over HTTP, on a whole plant: addresses, masks, etags, keys, time limits, headers."""

import json
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.gateway.conftest import Caller, item


async def test_a_resource_over_http(http: Caller) -> None:
    made = await http.good("mara", "POST", "/v1/items?itemId=bearing-6204", item("6204"))
    assert made["name"] == "items/bearing-6204"
    assert made["tracking"] == "NONE"
    assert made["gtins"] == []  # what is empty is shown
    assert made["inspectReceipts"] is False
    assert "standardCost" not in made  # what is not set is not
    found = await http("vic", "GET", "/v1/items/bearing-6204")
    assert found.json() == made
    assert found.headers["content-type"] == "application/json"
    assert found.headers["etag"] == made["etag"]


async def test_lists_take_parameters_in_both_spellings(http: Caller) -> None:
    for number in ("page-1", "page-2"):
        await http.good("mara", "POST", f"/v1/items?itemId={number}", item(number, itemClass="paged"))
    query = {"filter": 'item_class = "paged"', "order_by": "number", "pageSize": "1"}
    first = await http.good("vic", "GET", "/v1/items", params=query)
    assert [row["number"] for row in first["items"]] == ["page-1"]
    query["page_token"] = first["nextPageToken"]
    second = await http.good("vic", "GET", "/v1/items", params=query)
    assert [row["number"] for row in second["items"]] == ["page-2"]
    assert second["nextPageToken"] == ""


async def test_nested_parameters(http: Caller) -> None:
    query = {
        "measure": "mttr", "startDate.year": "2026", "startDate.month": "1", "startDate.day": "1",
        "endDate.year": "2026", "end_date.month": "2", "endDate.day": "1",
    }  # fmt: skip
    response = await http("paul", "GET", "/v1/sites/hamburg/maintenanceMeasures:compute", params=query)
    assert response.status_code == 200, response.text
    query["endDate.month"] = "2"
    twice = await http("paul", "GET", "/v1/sites/hamburg/maintenanceMeasures:compute", params=query)
    assert twice.json()["fields"] == [{"field": "end_date.month", "description": "is given twice"}]


async def test_the_keys_of_a_patch_are_its_mask(http: Caller) -> None:
    made = await http.good("mara", "POST", "/v1/items", item(itemClass="before"))
    path = f"/v1/{made['name']}"
    changed = await http.good("mara", "PATCH", path, {"title": "After", "itemClass": None})
    assert (changed["title"], changed["itemClass"], changed["number"]) == ("After", "", made["number"])
    masked = await http.good("mara", "PATCH", path + "?updateMask=itemClass", {"title": "Not", "itemClass": "masked"})
    assert (masked["title"], masked["itemClass"]) == ("After", "masked")
    snake = await http.good("mara", "PATCH", path + "?update_mask=item_class,title", {"title": "Yes"})
    assert (snake["title"], snake["itemClass"]) == ("Yes", "")


async def test_etags_are_conditions(http: Caller) -> None:
    made = await http.good("mara", "POST", "/v1/items", item())
    path, etag = f"/v1/{made['name']}", made["etag"]
    known = await http("vic", "GET", path, headers={"if-none-match": f'"other", W/{etag}'})
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", etag)
    assert (await http("vic", "GET", path, headers={"if-none-match": '"other"'})).status_code == 200
    changed = await http("mara", "PATCH", path, {"title": "Second"}, headers={"if-match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] == changed.json()["etag"] != etag
    late = await http("mara", "PATCH", path, {"title": "Third"}, headers={"if-match": etag})
    assert (late.status_code, late.json()["reason"], late.json()["code"]) == (412, "ETAG_MISMATCH", "ABORTED")
    in_body = await http("mara", "PATCH", path, {"title": "Third", "etag": etag})
    assert (in_body.status_code, in_body.json()["reason"]) == (409, "ETAG_MISMATCH")
    assert (await http("mara", "PATCH", path, {"title": "Third"}, headers={"if-match": "*"})).status_code == 200
    for wrong in ('W/"1"', '"1", "2"', "1"):
        refused = await http("mara", "PATCH", path, {"title": "x"}, headers={"if-match": wrong})
        assert (refused.status_code, refused.json()["reason"]) == (400, "HEADER_INVALID")
    unfit = await http("vic", "GET", "/v1/items", headers={"if-match": etag})
    assert (unfit.status_code, unfit.json()["metadata"]["header"]) == (400, "If-Match")


@pytest.mark.rule("REL-59", "REL-61")
async def test_the_same_key_gives_the_same_answer(http: Caller) -> None:
    key, body = str(uuid4()), item()
    first = await http("mara", "POST", "/v1/items", body, key=key)
    assert "idempotent-replay" not in first.headers
    again = await http("mara", "POST", "/v1/items", body, key=f'"{key}"')
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["idempotent-replay"] == "true"
    other = await http("mara", "POST", "/v1/items", body | {"title": "Other"}, key=key)
    assert (other.status_code, other.json()["reason"]) == (422, "REQUEST_ID_REUSED")
    by_field = await http("mara", "POST", f"/v1/items?requestId={key}", body | {"title": "Other"}, key="")
    assert (by_field.status_code, by_field.json()["reason"]) == (400, "REQUEST_ID_REUSED")


async def test_a_stored_refusal_is_marked(http: Caller) -> None:
    number, key = uuid4().hex[:8], str(uuid4())
    await http.good("mara", "POST", "/v1/items", item(number))
    first = await http("mara", "POST", "/v1/items", item(number), key=key)
    assert (first.status_code, first.json()["code"]) == (409, "ALREADY_EXISTS")
    again = await http("mara", "POST", "/v1/items", item(number), key=key)
    assert (again.status_code, again.headers["idempotent-replay"]) == (409, "true")


async def test_keys_must_be_uuids_and_agree(http: Caller) -> None:
    for given, query in (("not-a-uuid", ""), (str(uuid4()), f"?requestId={uuid4()}")):
        refused = await http("mara", "POST", "/v1/items" + query, item(), key=given)
        assert (refused.status_code, refused.json()["reason"]) == (400, "IDEMPOTENCY_KEY_INVALID")
        assert refused.json()["fields"][0]["field"] == "request_id"
    missing = await http("mara", "POST", "/v1/items", item(), key="")
    assert (missing.status_code, missing.json()["fields"][0]["field"]) == (400, "request_id")
    batch = await http("sam", "POST", "/v1/sites/hamburg/movements:batchCreate", {"requests": []}, key=str(uuid4()))
    assert (batch.status_code, batch.json()["reason"]) == (400, "IDEMPOTENCY_KEY_INVALID")


async def test_unknown_addresses_and_methods(http: Caller) -> None:
    unknown = await http("vic", "GET", "/v1/nothing/here")
    assert (unknown.status_code, unknown.json()["reason"]) == (404, "ROUTE_UNKNOWN")
    wrong = await http("vic", "PUT", "/v1/items")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert wrong.json()["reason"] == "METHOD_NOT_ALLOWED"
    assert (await http("", "OPTIONS", "/v1/items")).headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await http("vic", "GET", "/v1/items/a%2Fb")).status_code == 404
    head = await http("vic", "HEAD", "/v1/items")
    assert (head.status_code, head.content) == (200, b"")
    own = await http("", "POST", "/healthz")
    assert (own.status_code, own.json()["code"]) == (405, "UNIMPLEMENTED")


@pytest.mark.rule("REL-73")
async def test_the_callers_time_limit_counts(http: Caller) -> None:
    for header, value in (("x-request-timeout", "0.0001"), ("grpc-timeout", "10u")):
        late = await http("vic", "GET", "/v1/items", headers={header: value})
        assert (late.status_code, late.json()["code"]) == (504, "DEADLINE_EXCEEDED"), late.text
    for header, value in (("x-request-timeout", "soon"), ("x-request-timeout", "0"), ("grpc-timeout", "5")):
        wrong = await http("vic", "GET", "/v1/items", headers={header: value})
        assert (wrong.status_code, wrong.json()["reason"]) == (400, "HEADER_INVALID")


@pytest.mark.rule("SEC-56", "SEC-3")
async def test_answers_are_protected_and_traceable(http: Caller) -> None:
    given = await http("vic", "GET", "/v1/items", headers={"x-request-id": "job-17", "x-plantops-user": "people/root"})
    assert given.headers["x-request-id"] == "job-17"
    assert given.headers["cache-control"] == "no-store"
    assert given.headers["x-content-type-options"] == "nosniff"
    assert given.headers["content-security-policy"].startswith("default-src 'none'")
    assert given.headers["referrer-policy"] == "no-referrer"
    assert "server" not in given.headers
    strange = await http("vic", "GET", "/v1/items/none", headers={"x-request-id": "a b\tc"})
    assert len(strange.headers["x-request-id"]) == 36
    assert strange.json()["instance"] == f"urn:plantops:request:{strange.headers['x-request-id']}"
    assert strange.headers["content-type"] == "application/problem+json"


async def test_the_trace_travels_into_the_events(http: Caller) -> None:
    trace = f"00-{uuid4().hex}-{uuid4().hex[:16]}-01"
    await http.good("mara", "POST", "/v1/items?itemId=traced", item(), headers={"traceparent": trace})
    told = http.plant.value("materials", "select headers->>'traceparent' from outbox order by pos desc limit 1")
    assert told == trace
    await http.good("mara", "POST", "/v1/items?itemId=traced-anew", item(), headers={"traceparent": "nonsense"})
    told = http.plant.value("materials", "select headers->>'traceparent' from outbox order by pos desc limit 1")
    assert told.startswith("00-")
    assert len(told) == 55


async def test_other_origins_are_refused_unless_configured(http: Caller) -> None:
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "if-match"}
    good = await http("", "OPTIONS", "/v1/items", headers={"origin": "https://panel.test", **ask})
    assert good.headers["access-control-allow-origin"] == "https://panel.test"
    bad = await http("", "OPTIONS", "/v1/items", headers={"origin": "https://evil.test", **ask})
    assert (bad.status_code, "access-control-allow-origin" in bad.headers) == (400, False)
    plain = await http("vic", "GET", "/v1/items", headers={"origin": "https://panel.test"})
    assert "ETag" in plain.headers["access-control-expose-headers"]


@pytest.mark.rule("OPS-43")
async def test_one_log_line_per_request(http: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway import door

    lines: list[dict[str, object]] = []
    monkeypatch.setattr(door.log, "info", lambda event, **more: lines.append({"event": event, **more}))
    await http.good("mara", "POST", "/v1/items?itemId=logged", item(title="A secret title"))
    await http("vic", "GET", "/v1/nothing")
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/v1/items", 200),
        ("GET", "-", 404),
    ]
    assert set(lines[0]) == {"event", "method", "route", "status", "duration_ms"}
    assert "secret" not in json.dumps(lines)


def test_no_service_is_imported() -> None:
    import ast

    for path in (Path(sys.modules["gateway"].__file__ or "").parent).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("services"):
                assert (node.module or "").startswith("services.chassis"), path
