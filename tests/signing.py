"""A token issuer for tests: one key pair per run, its public half in a key-set file."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, KeySet

ISSUER = "https://issuer.test"
AUDIENCE = "plantops"


class Issuer:
    """Signs access tokens; `jwks` is the file of its public keys."""

    def __init__(self, folder: Path, kid: str = "k1") -> None:
        self.key = ECKey.generate_key("P-256", {"kid": kid})
        self.jwks = folder / "jwks.json"
        self.publish([self.key])

    def publish(self, keys: Sequence[Any]) -> None:
        """Write the key set."""
        self.jwks.write_text(json.dumps(KeySet(list(keys)).as_dict(private=False)))

    def token(
        self,
        subject: str,
        roles: Mapping[str, Sequence[str]] | None = None,
        *,
        header: Mapping[str, Any] | None = None,
        key: Any = None,
        **claims: Any,
    ) -> str:
        """A signed token; claims given as None are left out."""
        now = int(time.time())
        content = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 600,
            "roles": {site: list(names) for site, names in (roles or {}).items()}, **claims,
        }  # fmt: skip
        protected = {"alg": "ES256", "typ": "at+jwt", "kid": self.key.kid, **(header or {})}
        payload = json.dumps({name: value for name, value in content.items() if value is not None})
        return jws.serialize_compact(
            {name: value for name, value in protected.items() if value is not None},
            payload,
            key or self.key,
            algorithms=["ES256", "RS256", "EdDSA", "HS256"],
        )
