"""Who calls: every bad token has a valid twin, and none is accepted (SEC-1, SEC-2)."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from services.chassis import tokens
from services.chassis.faults import DependencyUnavailable
from services.chassis.tokens import TokenInvalid, Verifier
from tests.signing import AUDIENCE, ISSUER, Issuer


@pytest.fixture
def signer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


@pytest.fixture
def verifier(signer: Issuer) -> Verifier:
    return Verifier(ISSUER, AUDIENCE, str(signer.jwks))


async def refused(verifier: Verifier, token: str) -> str:
    with pytest.raises(TokenInvalid) as caught:
        await verifier.verify(token)
    assert caught.value.status("x").code == 16
    return caught.value.metadata["why"]


def part(content: object) -> str:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.rule("SEC-1")
async def test_a_good_token_tells_subject_device_and_roles(signer: Issuer, verifier: Verifier) -> None:
    token = signer.token("people/ana", {"hamburg": ["planner"]}, device="d", on_behalf_of="people/ben", jti="7")
    claims = await verifier.verify(token)
    assert (claims.subject, claims.device, claims.on_behalf_of, claims.token_id) == (
        "people/ana",
        "d",
        "people/ben",
        "7",
    )
    assert claims.roles == {"hamburg": frozenset({"planner"})}
    assert await verifier.verify(token) is claims  # remembered until it expires


CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "people/ana", "exp": int(time.time()) + 600}

BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://other.test"},
    "issuer with a slash": {"iss": ISSUER + "/"},
    "another audience": {"aud": "other"},
    "audience list without ours": {"aud": ["a", "b"]},
    "no audience": {"aud": None},
    "expired beyond the leeway": {"exp": int(time.time()) - 31},
    "no expiry": {"exp": None},
    "expiry as text": {"exp": str(int(time.time()) + 600)},
    "expiry without end": {"exp": float("inf")},
    "expiry that is no number": {"exp": float("nan")},
    "expiry beyond reason": {"exp": 10**400},
    "expiry as truth": {"exp": True},
    "not valid yet": {"nbf": int(time.time()) + 3600},
    "begin as text": {"nbf": "0"},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
    "subject as list": {"sub": ["people/root"]},
}


@pytest.mark.rule("SEC-1")
@pytest.mark.parametrize("fault", BAD_CLAIMS)
async def test_a_token_with_a_bad_claim_is_refused(signer: Issuer, verifier: Verifier, fault: str) -> None:
    assert (await verifier.verify(signer.token("people/ana"))).subject == "people/ana"
    await refused(verifier, signer.token("people/ana", **BAD_CLAIMS[fault]))


@pytest.mark.rule("SEC-1")
async def test_the_leeway_is_thirty_seconds(signer: Issuer, verifier: Verifier) -> None:
    now = int(time.time())
    await verifier.verify(signer.token("people/ana", exp=now - 20))
    await verifier.verify(signer.token("people/ana", nbf=now + 20))
    await verifier.verify(signer.token("people/ana", aud=["other", AUDIENCE]))


@pytest.mark.rule("SEC-1")
async def test_a_remembered_token_still_expires(
    signer: Issuer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = signer.token("people/ana", exp=int(time.time()) + 60)
    await verifier.verify(token)
    later = time.time() + 100
    monkeypatch.setattr(tokens.time, "time", lambda: later)
    assert "expired" in await refused(verifier, token)


BAD_HEADERS: dict[str, dict[str, Any]] = {
    "an identity token": {"typ": "JWT"},
    "no type": {"typ": None},
    "unknown key": {"kid": "k2"},
    "key as path": {"kid": "../../etc/passwd"},
    "key as address": {"kid": "https://attacker.test/keys"},
    "key as statement": {"kid": "' or 1=1 --"},
    "key as list": {"kid": ["k1"]},
    "no key": {"kid": None},
    "critical extension": {"crit": ["b64"], "b64": False},
}


def reworked(token: str, header: dict[str, Any]) -> str:
    """The token with another header over the same payload and signature."""
    first, payload, signature = token.split(".")
    known = json.loads(base64.urlsafe_b64decode(first + "=="))
    changed = {name: value for name, value in {**known, **header}.items() if value is not None}
    return f"{part(changed)}.{payload}.{signature}"


@pytest.mark.rule("SEC-1")
@pytest.mark.rule("SEC-2")
@pytest.mark.parametrize("fault", BAD_HEADERS)
async def test_a_token_with_a_bad_header_is_refused(signer: Issuer, verifier: Verifier, fault: str) -> None:
    await refused(verifier, reworked(signer.token("people/ana"), BAD_HEADERS[fault]))


def _none(signer: Issuer, name: str) -> str:
    _, payload, _ = signer.token("people/root").split(".")
    return f"{part({'alg': name, 'typ': 'at+jwt', 'kid': 'k1'})}.{payload}."


def _hmac_with_public_key(signer: Issuer) -> str:
    header = part({"alg": "HS256", "typ": "at+jwt", "kid": "k1"})
    content = f"{header}.{part(CLAIMS | {'sub': 'people/root'})}"
    mark = hmac.new(signer.key.as_pem(private=False), content.encode(), hashlib.sha256).digest()
    return f"{content}.{part(mark)}"


def _swapped(signer: Issuer, index: int, content: str) -> str:
    parts = signer.token("people/ana").split(".")
    parts[index] = content
    return ".".join(parts)


FORGED: dict[str, Callable[[Issuer], str]] = {
    "none": lambda signer: "",
    "one part": lambda signer: "abc",
    "four parts": lambda signer: signer.token("people/ana") + ".x",
    "alg none": lambda signer: _none(signer, "none"),
    "alg nOnE": lambda signer: _none(signer, "nOnE"),
    "HMAC with the public key": _hmac_with_public_key,
    "RS256 in name": lambda signer: reworked(signer.token("people/ana"), {"alg": "RS256"}),
    "another key of the same name": lambda signer: signer.token(
        "people/ana", key=ECKey.generate_key("P-256", {"kid": "k1"})
    ),
    "no signature": lambda signer: _swapped(signer, 2, ""),
    "changed payload": lambda signer: _swapped(
        signer, 1, part({"iss": ISSUER, "aud": AUDIENCE, "sub": "people/root", "exp": int(time.time()) + 600})
    ),
    "100 kB": lambda signer: signer.token("people/ana", roles={"x": ["y" * 100_000]}),
    "no JSON": lambda signer: _swapped(signer, 0, part(b"{")),
    "header as list": lambda signer: _swapped(signer, 0, part(["alg"])),
    "header without end": lambda signer: _swapped(signer, 0, part(b"[" * 4000)),
    "no base64": lambda signer: "%.%.%",
    "not ASCII": lambda signer: "é.é.é",
}


@pytest.mark.rule("SEC-1")
@pytest.mark.parametrize("forgery", FORGED)
async def test_a_forged_token_is_refused(signer: Issuer, verifier: Verifier, forgery: str) -> None:
    await refused(verifier, FORGED[forgery](signer))


@pytest.mark.rule("SEC-2")
@pytest.mark.parametrize("member", ["jku", "x5u", "jwk", "x5c"])
async def test_keys_in_the_header_are_ignored(signer: Issuer, member: str) -> None:
    attacker = ECKey.generate_key("P-256", {"kid": "k1"})
    value: Any = {
        "jku": "https://attacker.test/keys", "x5u": "https://attacker.test/keys",
        "jwk": attacker.as_dict(private=False), "x5c": ["MIIB"],
    }[member]  # fmt: skip
    verifier = Verifier(ISSUER, AUDIENCE, str(signer.jwks))
    header = part({"alg": "ES256", "typ": "at+jwt", "kid": "k1", member: value})
    payload = part({"iss": ISSUER, "aud": AUDIENCE, "sub": "people/root", "exp": int(time.time()) + 600})
    signature = _sign(attacker, f"{header}.{payload}".encode())
    await refused(verifier, f"{header}.{payload}.{signature}")
    ours = f"{header}.{part(CLAIMS)}"
    assert (await verifier.verify(f"{ours}.{_sign(signer.key, ours.encode())}")).subject == "people/ana"


def _sign(key: ECKey, content: bytes) -> str:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    r, s = decode_dss_signature(key.private_key.sign(content, ec.ECDSA(hashes.SHA256())))
    return part(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


@pytest.mark.rule("SEC-1")
async def test_a_claim_that_stands_twice_is_refused(signer: Issuer, verifier: Verifier) -> None:
    expires = int(time.time()) + 600
    text = f'{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{expires},"sub":"people/ana","sub":"people/root"}}'
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}
    token = jws.serialize_compact(header, text, signer.key, algorithms=["ES256"])
    await refused(verifier, token)
    once = jws.serialize_compact(header, text.replace(',"sub":"people/root"', ""), signer.key, algorithms=["ES256"])
    assert (await verifier.verify(once)).subject == "people/ana"


@pytest.mark.rule("SEC-1")
@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", RSAKey.generate_key(2048, {"kid": "k9"})),
        ("Ed25519", OKPKey.generate_key("Ed25519", {"kid": "k9"})),
        ("EdDSA", OKPKey.generate_key("Ed25519", {"kid": "k9"})),
        ("ES256", ECKey.generate_key("P-256", {"kid": "k9"})),
    ],
)
async def test_the_allowed_algorithms_are_accepted(
    signer: Issuer, verifier: Verifier, algorithm: str, key: Any
) -> None:
    signer.publish([signer.key, key])
    header = {"alg": algorithm, "kid": "k9", "typ": "at+jwt"}
    with warnings.catch_warnings(category=SecurityWarning, action="ignore"):
        token = jws.serialize_compact(header, json.dumps(CLAIMS), key, algorithms=[algorithm])
    assert (await verifier.verify(token)).subject == "people/ana"


@pytest.mark.rule("SEC-2")
async def test_a_new_key_is_found_and_the_old_one_lasts_until_it_is_removed(
    signer: Issuer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    await verifier.verify(signer.token("people/ana"))
    fresh = ECKey.generate_key("P-256", {"kid": "k2"})
    signer.publish([signer.key, fresh])
    monkeypatch.setattr(tokens, "REFRESH_SECONDS", 0)
    token = signer.token("people/ben", header={"kid": "k2"}, key=fresh)
    assert (await verifier.verify(token)).subject == "people/ben"
    assert (await verifier.verify(signer.token("people/cleo"))).subject == "people/cleo"
    signer.publish([fresh])
    monkeypatch.setattr(tokens, "FRESH_SECONDS", 0)
    assert "unknown" in await refused(verifier, signer.token("people/dora"))


@pytest.mark.rule("SEC-2")
async def test_a_thousand_unknown_keys_cause_one_fetch(signer: Issuer, verifier: Verifier) -> None:
    await verifier.verify(signer.token("people/ana"))
    verifier._asked = float("-inf")
    token = signer.token("people/ana")

    async def one(number: int) -> None:
        await refused(verifier, reworked(token, {"kid": f"unknown-{number}"}))

    await asyncio.gather(*(one(number) for number in range(1000)))
    assert verifier.fetches == 2


@pytest.mark.rule("SEC-2")
async def test_known_keys_last_a_day_while_the_issuer_is_away(
    signer: Issuer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    await verifier.verify(signer.token("people/ana"))
    signer.jwks.unlink()
    monkeypatch.setattr(tokens, "REFRESH_SECONDS", 0)
    monkeypatch.setattr(tokens, "FRESH_SECONDS", 0)
    assert (await verifier.verify(signer.token("people/ben"))).subject == "people/ben"
    verifier._got -= tokens.KEYS_LAST_SECONDS + 1
    with pytest.raises(DependencyUnavailable):
        await verifier.verify(signer.token("people/cleo"))


@pytest.mark.rule("SEC-2")
async def test_a_service_that_never_saw_a_key_says_that_the_issuer_is_away(tmp_path: Path, signer: Issuer) -> None:
    for content in (None, "{", '{"keys": 7}', "[]"):
        place = tmp_path / "other.json"
        place.unlink(missing_ok=True)
        if content is not None:
            place.write_text(content)
        with pytest.raises(DependencyUnavailable):
            await Verifier(ISSUER, AUDIENCE, str(place)).verify(signer.token("people/ana"))
