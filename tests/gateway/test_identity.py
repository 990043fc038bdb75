"""Who gets in, and tokens of the built-in issuer."""

import base64
import hmac
import json
import stat
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, KeySet

from gateway import issuer
from services.chassis.config import ConfigInvalid, GatewayConfig
from tests.gateway.conftest import Caller, item
from tests.signing import AUDIENCE, ISSUER


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def hs256(body: str, secret: bytes) -> str:
    """A token whose secret is what everybody knows; the library refuses to make one."""
    signed = f"{part({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'k1'})}.{body}"
    mark = hmac.digest(secret, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


BAD = [
    "no token", "no scheme", "two parts", "alg none", "HS256 with the public key", "other issuer", "issuer with slash",
    "other audience", "expired", "no exp", "exp as text", "not yet valid", "ID token", "unknown kid", "kid as path",
    "own jwk", "critical extension", "no signature", "changed payload", "100 kB",
]  # fmt: skip


def bad_token(kind: str, http: Caller) -> str:
    """A token that proves nothing, by the name of its fault."""
    sign, good = http.issuer.token, http.issuer.token("people/mara", {"-": ["stockplanner"]})
    head, body, signature = good.split(".")
    other = ECKey.generate_key("P-256", {"kid": "k1"})
    now_none = {"alg": "none", "typ": "at+jwt", "kid": "k1"}
    return {
        "no token": lambda: "",
        "no scheme": lambda: "",
        "two parts": lambda: f"{head}.{body}",
        "alg none": lambda: f"{part(now_none)}.{body}.",
        "HS256 with the public key": lambda: hs256(body, http.issuer.key.as_pem(private=False)),
        "other issuer": lambda: sign("people/mara", iss="https://evil.test"),
        "issuer with slash": lambda: sign("people/mara", iss=ISSUER + "/"),
        "other audience": lambda: sign("people/mara", aud="shop"),
        "expired": lambda: sign("people/mara", exp=1_700_000_000),
        "no exp": lambda: sign("people/mara", exp=None),
        "exp as text": lambda: sign("people/mara", exp="2099"),
        "not yet valid": lambda: sign("people/mara", nbf=4_000_000_000),
        "ID token": lambda: sign("people/mara", header={"typ": "JWT"}),
        "unknown kid": lambda: sign("people/mara", header={"kid": "k9"}),
        "kid as path": lambda: sign("people/mara", header={"kid": "../../etc/passwd"}),
        "own jwk": lambda: sign("people/mara", header={"jwk": other.as_dict(private=False)}, key=other),
        "critical extension": lambda: (
            f"{part({'alg': 'ES256', 'typ': 'at+jwt', 'kid': 'k1', 'crit': ['x'], 'x': 1})}.{body}.{signature}"
        ),
        "no signature": lambda: f"{head}.{body}.",
        "changed payload": lambda: f"{head}.{part({'sub': 'people/root'})}.{signature}",
        "100 kB": lambda: good + "x" * 20_000,
    }[kind]()


@pytest.mark.rule("SEC-1")
@pytest.mark.parametrize("kind", BAD)
async def test_bad_tokens_stop_at_the_door(http: Caller, kind: str) -> None:
    token = bad_token(kind, http)
    headers = {"authorization": f"Bearer {token}" if token else "Basic YTpi"} if kind != "no token" else {}
    response = await http("", "GET", "/v1/items", headers=headers)
    assert (response.status_code, response.json()["reason"]) == (401, "TOKEN_INVALID")
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.json()["code"] == "UNAUTHENTICATED"


async def dev_token(http: Caller, person: Any) -> Any:
    return await http("", "POST", "/dev/token", {"person": person}, key="")


@pytest.mark.rule("SEC-14")
async def test_a_token_claims_what_a_person_was_granted(http: Caller) -> None:
    person = f"people/p{uuid4().hex[:6]}"
    body = {"displayName": "Petra"}
    await http.good("root", "POST", f"/v1/people?personId={person.split('/')[1]}", body)
    await http.good("root", "POST", f"/v1/{person}:grantRole", {"role": "stockplanner", "site": "-"})
    await http.good("root", "POST", f"/v1/{person}:grantRole", {"role": "storekeeper", "site": "hamburg"})
    await http.good("root", "POST", f"/v1/{person}:grantRole", {"role": "approver", "site": "-"})  # waits for a second
    await http.good(
        "root", "POST", f"/v1/{person}:grantRole", {"role": "buyer", "site": "-", "fromTime": "2099-01-01T00:00:00Z"}
    )
    answer = (await dev_token(http, person)).json()
    assert answer["roles"] == {"-": ["stockplanner"], "hamburg": ["storekeeper"]}
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    await http.plant.settle()
    bearer = {"authorization": f"Bearer {answer['access_token']}"}
    assert (await http("", "POST", "/v1/items", item(), headers=bearer)).status_code == 200
    await http.good("root", "POST", f"/v1/{person}:suspend", {"reason": "left"})
    gone = await dev_token(http, person)
    assert (gone.status_code, gone.json()["reason"]) == (403, "PERSON_SUSPENDED")


async def test_administrators_and_systems_come_from_the_configuration(http: Caller) -> None:
    assert (await dev_token(http, "people/boss")).json()["roles"] == {"-": ["administrator"]}
    assert (await dev_token(http, "systems/erp")).json()["roles"] == {"hamburg": ["planner"]}


@pytest.mark.parametrize(
    ("person", "status", "reason"),
    [
        ("people/nobody", 404, "RESOURCE_NOT_FOUND"),
        ("systems/unlisted", 404, "RESOURCE_NOT_FOUND"),
        ("services/materials", 404, "RESOURCE_NOT_FOUND"),
        ("root", 400, "FIELD_INVALID"),
        (None, 400, "FIELD_INVALID"),
        (7, 400, "FIELD_INVALID"),
        ("people/../root", 400, "FIELD_INVALID"),
    ],
)
async def test_nobody_else_gets_a_token(http: Caller, person: Any, status: int, reason: str) -> None:
    response = await dev_token(http, person)
    assert (response.status_code, response.json()["reason"]) == (status, reason)


async def test_public_keys_are_published(http: Caller) -> None:
    keys = (await http("", "GET", "/.well-known/jwks.json")).json()
    assert [key["kid"] for key in keys["keys"]] == ["k1"]
    assert "d" not in keys["keys"][0]


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    key, jwks = tmp_path / "deep" / "issuer.json", tmp_path / "deep" / "jwks.json"
    issuer.ensure_key(key, jwks)
    before = key.read_text()
    issuer.ensure_key(key, jwks)
    assert key.read_text() == before
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    public = KeySet.import_key_set(json.loads(jwks.read_text())).keys[0]
    assert "d" not in public.as_dict()
    token = issuer.Issuer(issuer.read_key(key), ISSUER, AUDIENCE).token("people/ana", {"-": ["planner"]})
    claims = json.loads(jws.deserialize_compact(token.encode(), public, ["ES256"]).payload)
    assert (claims["sub"], claims["roles"], claims["exp"] - claims["iat"]) == ("people/ana", {"-": ["planner"]}, 3600)
    assert issuer.write_jwks(key) == jwks


@pytest.mark.parametrize("content", ["", "{}", "null", '{"kty": "oct", "k": "AAAA"}'])
def test_an_unusable_key_says_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / "issuer.json"
    with pytest.raises(issuer.KeyUnusable, match=str(path)):
        issuer.read_key(path)
    path.write_text(content)
    with pytest.raises(issuer.KeyUnusable, match=str(path)):
        issuer.read_key(path)


@pytest.mark.rule("OPS-14")
def test_production_has_no_built_in_issuer() -> None:
    with pytest.raises(ConfigInvalid, match="dev_issuer_key"):
        GatewayConfig.load("gateway", {}, issuer=ISSUER, jwks="x", environment="production", dev_issuer_key="k")
