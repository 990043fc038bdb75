"""Who calls: access tokens are signed JWTs; every service verifies them again (SEC-1, SEC-2).

Keys come from the configured key set alone. What the header says about keys (jku, x5u, jwk, x5c) is ignored,
critical extensions are refused, and a verified token is remembered until it expires.
"""

import asyncio
import hashlib
import json
import time
import urllib.request
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from joserfc import jws
from joserfc.errors import JoseError, MissingKeyError, SecurityWarning
from joserfc.jwk import KeySet

from services.chassis import remedies
from services.chassis.faults import DependencyUnavailable, Unauthenticated

log = structlog.get_logger("tokens")

ALGORITHMS = ("RS256", "ES256", "Ed25519", "EdDSA")
"""EdDSA is the older name of Ed25519 (RFC 9864)."""
LEEWAY = 30
MAX_BYTES = 8 * 1024
REFRESH_SECONDS = 30
"""The key set is asked for at most once in this time, whatever tokens name."""
RETRY_SECONDS = 2
"""Likewise while there are no keys at all, when no token can be verified."""
FRESH_SECONDS = 600
"""After this time a removed key is no longer known."""
SAY_AGAIN_SECONDS = 60
KEYS_LAST_SECONDS = 24 * 3600
"""How long known keys are used while the issuer is away."""
CACHED_TOKENS = 10_000
MAX_SECONDS = 1 << 40


class TokenInvalid(Unauthenticated):
    """No token, or one that proves nothing."""

    text = "The access token is not accepted: {why}."


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says: who, by which device, for whom, and the roles it claims by site."""

    subject: str
    device: str = ""
    on_behalf_of: str = ""
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    expires: float = 0
    token_id: str = ""


class Verifier:
    """Verifies access tokens of one issuer for one audience; keys from a file or an https address."""

    def __init__(self, issuer: str, audience: str, jwks: str) -> None:
        self.issuer = issuer
        self.audience = audience
        self.jwks = jwks
        self.fetches = 0
        self._keys: KeySet | None = None
        self._asked = float("-inf")
        self._got = float("-inf")
        self._cache: dict[bytes, Claims] = {}
        self._wrong = ""
        self._seldom = remedies.Seldom(SAY_AGAIN_SECONDS)
        self._lock = asyncio.Lock()

    async def lacking(self) -> str:
        """Why no token can be verified, with what to do; empty while there are keys."""
        if self._keys is None:
            await self._refresh()
        return "" if self._keys is not None else f"no token can be verified: {self._what_is_wrong()}"

    def _what_is_wrong(self) -> str:
        place = remedies.place_of(self.jwks) if "://" in self.jwks else self.jwks
        return (
            f"the key set {place} {self._wrong or 'has not been read'}: put a JSON Web Key Set there, or correct jwks"
        )

    async def verify(self, token: str) -> Claims:
        """The claims of a token; TokenInvalid says why not."""
        if not token:
            raise TokenInvalid(why="there is none")
        if len(token) > MAX_BYTES:
            raise TokenInvalid(why="it is larger than 8 KiB")
        mark = hashlib.sha256(token.encode()).digest()
        known = self._cache.get(mark)
        if known is not None:
            if known.expires + LEEWAY > time.time():
                return known
            del self._cache[mark]
        claims = await self._verify(token)
        if len(self._cache) >= CACHED_TOKENS:
            self._cache.clear()
        self._cache[mark] = claims
        return claims

    async def _verify(self, token: str) -> Claims:
        if token.count(".") != 2:
            raise TokenInvalid(why="it has not three parts")
        try:
            header = _json(jws.extract_compact(token.encode()).protected)
        except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
            raise TokenInvalid(why="it cannot be read") from None
        if header.get("alg") not in ALGORITHMS:
            raise TokenInvalid(why="its algorithm is not RS256, ES256 or Ed25519")
        if str(header.get("typ", "")).lower() not in ("at+jwt", "application/at+jwt"):
            raise TokenInvalid(why="it is not an access token (typ at+jwt)")
        if "crit" in header:
            raise TokenInvalid(why="it names critical extensions")
        kid = header.get("kid")
        key = await self._key(kid if isinstance(kid, str) else "")
        try:
            with warnings.catch_warnings(category=SecurityWarning, action="ignore"):
                payload = jws.deserialize_compact(token.encode(), key, algorithms=list(ALGORITHMS)).payload
        except (JoseError, ValueError, TypeError, AttributeError, KeyError):
            raise TokenInvalid(why="its signature is wrong") from None
        try:
            return self._claims(json.loads(payload, object_pairs_hook=_unique))
        except (ValueError, TypeError, AttributeError, RecursionError):
            raise TokenInvalid(why="its claims cannot be read") from None

    def _claims(self, claims: dict[str, Any]) -> Claims:
        now = time.time()
        if claims.get("iss") != self.issuer:
            raise TokenInvalid(why="another issuer made it")
        audience = claims.get("aud")
        if self.audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenInvalid(why="it is for another audience")
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        if not _number(expires) or not _number(begins):
            raise TokenInvalid(why="exp and nbf must be numbers")
        if expires + LEEWAY <= now:  # type: ignore[operator]
            raise TokenInvalid(why="it has expired")
        if begins - LEEWAY > now:
            raise TokenInvalid(why="it is not valid yet")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise TokenInvalid(why="it names nobody (sub)")
        roles = claims.get("roles", {})
        return Claims(
            subject=subject,
            device=str(claims.get("device", "")),
            on_behalf_of=str(claims.get("on_behalf_of", "")),
            roles={str(site): frozenset(map(str, names)) for site, names in roles.items()},
            expires=float(expires),  # type: ignore[arg-type]
            token_id=str(claims.get("jti", "")),
        )

    async def _key(self, kid: str) -> Any:
        key = self._known(kid)
        if key is None or time.monotonic() - self._got > FRESH_SECONDS:
            await self._refresh()
            key = self._known(kid)
        if self._keys is None:
            raise DependencyUnavailable(dependency="the issuer's key set")
        if key is None:
            raise TokenInvalid(why="its key is unknown")
        return key

    def _known(self, kid: str) -> Any:
        return next((key for key in (self._keys.keys if self._keys is not None else ()) if key.kid == kid), None)

    async def _refresh(self) -> None:
        async with self._lock:
            now = time.monotonic()
            if now - self._asked < (REFRESH_SECONDS if self._keys is not None else RETRY_SECONDS):
                return
            self._asked = now
            self.fetches += 1
            try:
                self._keys = _key_set(await asyncio.to_thread(self._fetch))
                self._got, self._wrong = now, ""
            except (OSError, ValueError, TypeError, KeyError, AttributeError, JoseError) as error:
                self._wrong = _why_unreadable(error)
                if now - self._got > KEYS_LAST_SECONDS:
                    self._keys = None
                if self._seldom.due(self._wrong):
                    kept = "no token is accepted" if self._keys is None else "the keys known so far are used for a day"
                    log.warning("the key set cannot be read", why=self._what_is_wrong(), meanwhile=kept)

    def _fetch(self) -> bytes:
        if self.jwks.startswith(("https://", "http://")):
            with urllib.request.urlopen(self.jwks, timeout=5) as answer:
                content: bytes = answer.read(1 << 20)
                return content
        return Path(self.jwks).read_bytes()


def _key_set(content: bytes) -> KeySet:
    """The keys; a set without any is no key set, so that an emptied file does not lock everybody out."""
    found = KeySet.import_key_set(json.loads(content))
    if not found.keys:
        raise MissingKeyError("no key")
    return found


def _why_unreadable(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist"
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or getattr(error, 'reason', None) or error})"
    if isinstance(error, MissingKeyError):
        return "holds no key"
    return f"is no key set ({type(error).__name__}: {remedies.said(error)})"


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MAX_SECONDS


def _json(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("a JSON object was expected")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a claim stands twice")
    return found
