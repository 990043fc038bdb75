"""Who calls: the bearer token is verified at the door, and again by every service behind it (SEC-1).

In development the gateway is an issuer too: `POST /dev/token` gives a person the roles that maintenance has on
record. It is on only with a key in the configuration, and never in production.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from google.rpc import code_pb2

from gateway import issuer
from gateway.refusals import StatusError
from gateway.routes import Table
from gateway.upstream import Upstream
from services.chassis.config import GatewayConfig
from services.chassis.faults import FieldInvalid, PermissionDenied, ResourceNotFound
from services.chassis.tokens import Claims, Verifier

GET_PERSON = "plantops.maintenance.v1.PersonService.GetPerson"
SELF = "services/gateway"
_PRINCIPAL = re.compile(r"(people|systems|services)/[a-z][a-z0-9-]{0,62}")


class PersonSuspended(PermissionDenied):
    """The person's access has ended."""

    text = "Access of {principal} has ended."


def bearer(headers: Mapping[str, str]) -> str:
    """The token of an Authorization header, empty without one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class Identity:
    """Verifies tokens; knows the built-in issuer when it is on."""

    def __init__(self, config: GatewayConfig, table: Table, maintenance: Upstream) -> None:
        self.config = config
        self.verifier = Verifier(config.issuer, config.audience, config.jwks)
        self.issuer: issuer.Issuer | None = None
        self._person = table.by_rpc[GET_PERSON]
        self._maintenance = maintenance
        if config.dev_issuer_key:
            key = issuer.read_key(Path(config.dev_issuer_key))
            self.issuer = issuer.Issuer(key, config.issuer, config.audience)

    async def verify(self, headers: Mapping[str, str]) -> tuple[str, Claims]:
        """The caller's token and what it says; TokenInvalid says why not."""
        token = bearer(headers)
        return token, await self.verifier.verify(token)

    async def issue(self, principal: Any) -> dict[str, Any]:
        """An access token of the built-in issuer in the form of RFC 6749."""
        assert self.issuer is not None
        if not isinstance(principal, str) or not _PRINCIPAL.fullmatch(principal):
            raise FieldInvalid(field="person", rule="must be a name such as people/ana", value=principal)
        roles = await self._roles(self.issuer, principal)
        return {
            "access_token": self.issuer.token(principal, roles),
            "token_type": "Bearer",
            "expires_in": issuer.LIFETIME,
            "roles": roles,
        }

    async def _roles(self, signer: issuer.Issuer, principal: str) -> dict[str, list[str]]:
        held: dict[str, set[str]] = {}
        if principal in self.config.administrators:
            held["-"] = {"administrator"}
        for site, names in self.config.principals.get(principal, {}).items():
            held.setdefault(site, set()).update(names)
        configured = bool(held)
        known = False
        if principal.startswith("people/"):
            known = await self._grants(signer, principal, held, optional=configured)
        if not configured and not known:
            raise ResourceNotFound(resource=principal)
        return {site: sorted(names) for site, names in sorted(held.items())}

    async def _grants(self, signer: issuer.Issuer, person: str, held: dict[str, set[str]], *, optional: bool) -> bool:
        """Add the roles that a person holds now; whether maintenance knows the person."""
        own = signer.token(SELF, self.config.principals.get(SELF, {"-": ["auditor"]}), lifetime=60)
        answer: Any
        try:
            answer, _ = await self._maintenance.unary(
                self._person,
                self._person.request(name=person),
                (("authorization", f"Bearer {own}"),),
                self.config.timeout_seconds,
            )
        except StatusError as error:
            unknown = error.status.code == code_pb2.NOT_FOUND
            away = error.status.code in (code_pb2.UNAVAILABLE, code_pb2.DEADLINE_EXCEEDED)
            if unknown or (away and optional):  # who is in the configuration gets in while maintenance is away
                return False
            raise
        if answer.state == type(answer).SUSPENDED:
            raise PersonSuspended(principal=person)
        now = datetime.now(UTC)
        for grant in answer.grants:
            begun = grant.from_time.ToDatetime(UTC) <= now
            ended = grant.HasField("to_time") and grant.to_time.ToDatetime(UTC) <= now
            if grant.state == type(grant).ACTIVE and begun and not ended:
                held.setdefault(grant.site, set()).add(grant.role)
        return True
