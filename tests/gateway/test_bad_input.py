"""The catalogue of bad input over HTTP: code, reason and field of each, and nothing has changed."""

import dataclasses
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from tests.gateway.conftest import Caller, item

FIXED = "5d3d5a0e-8f0e-4f5c-9d2b-2f8a3a6c8a11"


@dataclass(frozen=True)
class Bad:
    """One wrong request and its answer."""

    what: str
    method: str
    path: str
    content: Any
    status: int
    code: str
    reason: str
    field: str = ""
    person: str = "mara"
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    raw: bytes | None = None
    key: str | None = None


def invalid(what: str, content: Any, place: str, path: str = "/v1/items", **more: Any) -> Bad:
    return Bad(what, more.pop("method", "POST"), path, content, 400, "INVALID_ARGUMENT", "FIELD_INVALID", place, **more)


def unreadable(what: str, raw: bytes, **more: Any) -> Bad:
    return Bad(what, "POST", "/v1/items", None, 400, "INVALID_ARGUMENT", "BODY_INVALID", raw=raw, **more)


JSON = {"content-type": "application/json"}
CATALOGUE = [
    invalid("text for a number", item(conversions=[{"unitCode": "BX", "numerator": "ten", "denominator": "1"}]),
            "item.conversions[0].numerator"),
    invalid("number for a text", item(title=7), "item.title"),
    invalid("text for a bool", item(inspectReceipts="true"), "item.inspect_receipts"),
    invalid("object for a list", item(gtins={}), "item.gtins"),
    invalid("text for an object", item(standardCost="12 EUR"), "item.standard_cost"),
    invalid("null in a list", item(gtins=[None]), "item.gtins[0]"),
    invalid("unknown enum", item(tracking="PERHAPS"), "item.tracking"),
    invalid("number beyond its range", item(standardCost={"currencyCode": "EUR", "units": str(2**63)}),
            "item.standard_cost.units"),
    invalid("missing field", {"number": "1", "title": "x", "tracking": "NONE"}, "item.base_unit_code"),
    invalid("null field", item(title=None), "item.title"),
    invalid("field too long", item(title="x" * 257), "item.title"),
    invalid("field against its pattern", item(baseUnitCode="pieces"), "item.base_unit_code"),
    invalid("control character", item(title="a\x00b"), "item.title"),
    invalid("unknown field", item(colour="red"), "item.colour"),
    invalid("unknown parameter", item(), "colour", "/v1/items?colour=red"),
    invalid("parameter of another type", None, "page_size", "/v1/items?pageSize=many", method="GET"),
    invalid("parameter twice", None, "page_size", "/v1/items?pageSize=1&pageSize=2", method="GET"),
    invalid("negative page size", None, "page_size", "/v1/items?pageSize=-1", method="GET"),
    invalid("unknown field in a filter", None, "filter", "/v1/items?filter=colour%3D1", method="GET"),
    invalid("page token of somebody else", None, "page_token", "/v1/items?pageToken=abc", method="GET"),
    invalid("address as parameter", None, "name", "/v1/items/x?name=items/y", method="GET"),
    invalid("body field as parameter", item(), "item.title", "/v1/items?item.title=x"),
    invalid("null for the resource", None, "item", raw=b"null"),
    invalid("list for the resource", [], "item"),
    invalid("text for the resource", "item", "item"),
    invalid("no body", None, "item"),
    invalid("list for the request", [], "body", "/v1/sites/hamburg/receipts"),
    invalid("null for the request", None, "body", "/v1/sites/hamburg/receipts", raw=b"null"),
    invalid("id against its pattern", item(), "item_id", "/v1/items?itemId=UPPER"),
    invalid("name unlike the address", {"name": "items/other", "title": "x"}, "item.name", "/v1/items/standing",
            method="PATCH"),
    invalid("unknown path in the mask", {"title": "x"}, "update_mask", "/v1/items/standing?updateMask=colour",
            method="PATCH"),
    unreadable("broken JSON", b'{"title": '),
    unreadable("no UTF-8", b'{"title": "\xff"}'),
    unreadable("NaN", b'{"title": NaN}'),
    unreadable("key twice", b'{"title": "a", "title": "b"}'),
    unreadable("nested too deeply", b'{"a":' * 40 + b"1" + b"}" * 40),
    unreadable("10,000 deep", b"[" * 10_000),
    Bad("body on a read", "GET", "/v1/items", None, 400, "INVALID_ARGUMENT", "BODY_INVALID", raw=b"{}", headers=JSON),
    Bad("body too large", "POST", "/v1/items", item(title="x" * (1 << 20)), 413, "RESOURCE_EXHAUSTED",
        "BODY_TOO_LARGE"),
    Bad("another media type", "POST", "/v1/items", None, 415, "INVALID_ARGUMENT", "MEDIA_TYPE_UNSUPPORTED",
        raw=b"number=1", headers={"content-type": "application/x-www-form-urlencoded"}),
    Bad("no media type", "POST", "/v1/items", None, 415, "INVALID_ARGUMENT", "MEDIA_TYPE_UNSUPPORTED", raw=b"{}",
        headers={"content-type": ""}),
    Bad("compressed", "POST", "/v1/items", None, 415, "INVALID_ARGUMENT", "MEDIA_TYPE_UNSUPPORTED",
        raw=gzip.compress(b" " * 10**7), headers={**JSON, "content-encoding": "gzip"}),
    Bad("unknown resource", "GET", "/v1/items/nowhere", None, 404, "NOT_FOUND", "RESOURCE_NOT_FOUND"),
    Bad("change of an unknown resource", "PATCH", "/v1/items/nowhere", {"title": "x"}, 404, "NOT_FOUND",
        "RESOURCE_NOT_FOUND"),
    Bad("stale etag", "PATCH", "/v1/items/standing", {"title": "x"}, 412, "ABORTED", "ETAG_MISMATCH",
        headers={"if-match": '"99"'}),
    Bad("request id of another content", "POST", "/v1/items", item("other"), 422, "INVALID_ARGUMENT",
        "REQUEST_ID_REUSED", "request_id", key=FIXED),
    Bad("taken name", "POST", "/v1/items?itemId=standing", item(), 409, "ALREADY_EXISTS", "RESOURCE_EXISTS"),
    Bad("no permission", "POST", "/v1/items", item(), 403, "PERMISSION_DENIED", "PERMISSION_DENIED", person="tina"),
    Bad("foreign site", "GET", "/v1/sites/hamburg/locations", None, 403, "PERMISSION_DENIED", "PERMISSION_DENIED",
        person="eve"),
    Bad("foreign site that does not exist", "GET", "/v1/sites/atlantis/locations", None, 403, "PERMISSION_DENIED",
        "PERMISSION_DENIED", person="eve"),
    Bad("nobody", "GET", "/v1/items", None, 401, "UNAUTHENTICATED", "TOKEN_INVALID", person=""),
]  # fmt: skip


@pytest.fixture(scope="module")
async def standing(http: Caller) -> Caller:
    """The item that the catalogue runs against, made under a known key."""
    await http.good("mara", "POST", "/v1/items?itemId=standing", item("standing"), key=FIXED)
    await http.plant.settle()
    return http


@pytest.mark.rule("SEC-24", "SEC-15", "SEC-31")
@pytest.mark.parametrize("bad", CATALOGUE, ids=lambda bad: bad.what)
async def test_bad_input_changes_nothing(standing: Caller, bad: Bad) -> None:
    before = standing.counted()
    more: dict[str, Any] = {}
    if bad.raw is not None:
        more = {"content": None, "headers": {**JSON, **bad.headers}}
        response = await standing.client.request(
            bad.method,
            bad.path,
            content=bad.raw,
            headers={
                "authorization": f"Bearer {standing.token(bad.person)}",
                "idempotency-key": str(uuid4()),
                **more["headers"],
            },
        )
    else:
        response = await standing(bad.person, bad.method, bad.path, bad.content, key=bad.key, headers=bad.headers)
    problem = response.json()
    assert (response.status_code, problem["code"], problem["reason"]) == (bad.status, bad.code, bad.reason), problem
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:plantops:reason:{bad.reason}"
    assert problem["status"] == bad.status
    assert problem["title"]
    assert problem["detail"]
    if bad.field:
        assert bad.field in [found["field"] for found in problem["fields"]]
    assert standing.counted() == before


@pytest.mark.rule("SEC-1")
async def test_an_expired_token(standing: Caller) -> None:
    token = standing.issuer.token("people/mara", {"-": ["stockplanner"]}, exp=1)
    response = await standing("", "GET", "/v1/items", headers={"authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["reason"]) == (401, "TOKEN_INVALID")
    assert response.headers["www-authenticate"] == 'Bearer realm="plantops", error="invalid_token"'


@pytest.mark.rule("SEC-15")
async def test_a_foreign_site_looks_like_none(standing: Caller) -> None:
    answers = [
        (await standing("eve", "GET", f"/v1/sites/{site}/locations/x", headers={"x-request-id": "same"})).content
        for site in ("hamburg", "atlantis")
    ]
    assert answers[0] == answers[1]


async def test_all_faults_of_a_body_come_at_once(standing: Caller) -> None:
    response = await standing("mara", "POST", "/v1/items", {"number": 1, "title": [], "colour": "red"})
    assert [found["field"] for found in response.json()["fields"]] == ["item.number", "item.title", "item.colour"]


async def test_a_chunked_body_has_the_same_limit(standing: Caller) -> None:
    async def parts() -> Any:
        for _ in range(40):
            yield b" " * (1 << 15)

    response = await standing.client.post(
        "/v1/items", content=parts(), headers={"authorization": f"Bearer {standing.token('mara')}", **JSON}
    )
    assert (response.status_code, response.json()["reason"]) == (413, "BODY_TOO_LARGE")
    assert json.loads(response.content)["metadata"] == {"limit": str(1 << 20)}
