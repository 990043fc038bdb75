"""The key and the tokens of the built-in development issuer.

Whoever makes the key also writes the public half beside it: services and gateway read that key-set file, so that
they accept tokens while the gateway is down.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

LIFETIME = 3600
ALGORITHM = "ES256"


class KeyUnusable(Exception):
    """The key file cannot be read as a private P-256 key."""


def make_key(path: Path) -> None:
    """Make a private key for ES256 in a file that its owner alone can read; an existing file is kept."""
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": ALGORITHM}, private=True, auto_kid=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as file:
        json.dump(key.as_dict(private=True), file)


def write_jwks(key: Path, path: Path | None = None) -> Path:
    """Write the public key set of a private key, by default as `jwks.json` beside it; returns its path."""
    target = path or key.with_name("jwks.json")
    fresh = target.with_name(target.name + ".new")
    fresh.write_text(json.dumps(public_keys(read_key(key))))
    fresh.replace(target)
    return target


def ensure_key(key: Path, jwks: Path) -> None:
    """A key at `key` and its public half at `jwks`; what exists is kept."""
    make_key(key)
    write_jwks(key, jwks)


def read_key(path: Path) -> ECKey:
    """The private key of a file (JWK); KeyUnusable says why not."""
    try:
        key = ECKey.import_key(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError, JoseError) as error:
        raise KeyUnusable(f"{path}: {error}") from None
    if not key.is_private or key.curve_name != "P-256" or not key.kid:
        raise KeyUnusable(f"{path}: must hold a private P-256 key with a kid")
    return key


def public_keys(key: ECKey) -> dict[str, Any]:
    """The public key set as it is published."""
    return dict(KeySet([key]).as_dict(private=False))


class Issuer:
    """Signs access tokens with one key."""

    def __init__(self, key: ECKey, name: str, audience: str) -> None:
        self.key = key
        self.name = name
        self.audience = audience

    def token(self, subject: str, roles: Mapping[str, Sequence[str]], lifetime: int = LIFETIME) -> str:
        """An access token (typ at+jwt) that claims roles by site."""
        now = int(time.time())
        claims = {
            "iss": self.name,
            "aud": self.audience,
            "sub": subject,
            "iat": now,
            "exp": now + lifetime,
            "jti": str(uuid4()),
            "roles": {site: sorted(names) for site, names in sorted(roles.items())},
        }
        header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": self.key.kid}
        return jws.serialize_compact(header, json.dumps(claims), self.key, algorithms=[ALGORITHM])
