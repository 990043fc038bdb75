"""Who may do what, where: deny by default, from the proto's scope option, roles as data and grants as rows.

A role counts where the token claims it and a grant holds it now (SEC-4). The site is read from the resource
name in the request (SEC-15); flat resources are read with the permission at any site and written with it for
the whole enterprise ("-", SEC-23).
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from plantops.type.v1 import access_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.chassis.config import ServiceConfig
from services.chassis.faults import PermissionDenied
from services.chassis.requests import changes, masked_field
from services.chassis.tokens import Claims

if TYPE_CHECKING:
    from services.chassis.unit import Unit

__all__ = [
    "Caller", "Claims", "Denied", "Grant", "check", "denied", "load_caller", "load_callers", "put_principal",
    "resource_of", "scope_of", "service_caller", "site_of",
]  # fmt: skip

EVERYWHERE = "-"
_ROLES = Path(__file__).parents[1] / "roles.toml"


class Denied(PermissionDenied):
    """The caller lacks the permission, at that site or at all; says nothing about what exists."""

    reason = "PERMISSION_DENIED"
    text = "This needs the permission {permission} there."


class Suspended(PermissionDenied):
    """The caller's access was ended."""

    text = "Access of {principal} has ended."


@cache
def roles() -> Mapping[str, tuple[str, ...]]:
    """Role -> permission patterns, from roles.toml."""
    content = tomllib.loads(_ROLES.read_text())
    return {role: tuple(entry["permissions"]) for role, entry in content.items()}


@cache
def allows(role: str, permission: str) -> bool:
    """Whether a role holds a permission: * = one part, a last * = all parts that follow."""
    parts = permission.split(".")
    for pattern in roles().get(role, ()):
        wanted = pattern.split(".")
        longer = wanted[-1] == "*" and len(parts) > len(wanted)
        parts_of = parts[: len(wanted)] if longer else parts
        if len(wanted) == len(parts_of) and all(
            mine in ("*", part) for mine, part in zip(wanted, parts_of, strict=True)
        ):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who acts: `people/ana`, `systems/erp` or `services/materials`, with the roles held now by site."""

    name: str
    device: str = ""
    on_behalf_of: str = ""
    roles: Mapping[str, frozenset[str]] = field(default_factory=dict)
    trusted: bool = False
    """The service itself, in listeners and jobs."""
    role_names: str = field(init=False, default="", compare=False)
    """Roles for the audit, sorted."""

    def __post_init__(self) -> None:
        names = sorted({role for held in self.roles.values() for role in held})
        object.__setattr__(self, "role_names", ", ".join(names))

    def may(self, permission: str, site: str = EVERYWHERE) -> bool:
        """Whether the caller holds a permission at a site ("-" = for the whole enterprise)."""
        if self.trusted:
            return True
        held = self.roles.get(EVERYWHERE, frozenset()) | self.roles.get(site, frozenset())
        return any(allows(role, permission) for role in held)

    def may_somewhere(self, permission: str) -> bool:
        """Whether the caller holds a permission at any site."""
        return self.trusted or any(allows(role, permission) for held in self.roles.values() for role in held)

    def sites(self, permission: str) -> frozenset[str] | None:
        """Sites where the caller holds a permission; None = all."""
        if self.may(permission):
            return None
        return frozenset(site for site, held in self.roles.items() if any(allows(role, permission) for role in held))


@dataclass(frozen=True, slots=True)
class Grant:
    """A role at a site ("-" = everywhere) from an instant, to another or open."""

    role: str
    site: str
    from_time: datetime
    to_time: datetime | None = None


_GRANTS = text("""
    select asked.principal, g.role, g.site, known.state
    from unnest(cast(:principals as text[])) as asked(principal)
    left join principal_state known on known.principal = asked.principal
    left join principal_grant g
        on g.principal = asked.principal and g.from_time <= now() and (g.to_time is null or g.to_time > now())
""")


async def load_caller(session: AsyncSession, claims: Claims, config: ServiceConfig) -> Caller:
    """The caller with the roles that the token claims and a grant holds now, by the database's clock."""
    (found,) = await load_callers(session, [claims], config)
    if isinstance(found, Suspended):
        raise found
    return found


async def load_callers(
    session: AsyncSession, asked: Sequence[Claims], config: ServiceConfig
) -> list[Caller | Suspended]:
    """The callers in order, read in one statement; one whose access has ended is a fault."""
    held: dict[str, dict[str, set[str]]] = {claims.subject: {} for claims in asked}
    suspended: set[str] = set()
    for row in await session.execute(_GRANTS, {"principals": sorted(held)}):
        if row.state == "SUSPENDED":
            suspended.add(row.principal)
        if row.role is not None:
            held[row.principal].setdefault(row.site, set()).add(row.role)
    return [
        Suspended(principal=claims.subject)
        if claims.subject in suspended
        else _caller(claims, held[claims.subject], config)
        for claims in asked
    ]


def _caller(claims: Claims, granted: Mapping[str, set[str]], config: ServiceConfig) -> Caller:
    held = {site: set(names) for site, names in granted.items()}
    if claims.subject in config.administrators:
        held.setdefault(EVERYWHERE, set()).add("administrator")
    for site, names in config.principals.get(claims.subject, {}).items():
        held.setdefault(site, set()).update(names)
    effective: dict[str, frozenset[str]] = {}
    claimed_everywhere = claims.roles.get(EVERYWHERE, frozenset())
    for site, names_held in held.items():
        both = frozenset(names_held) & (claims.roles.get(site, frozenset()) | claimed_everywhere)
        if both:
            effective[site] = both
    return Caller(claims.subject, claims.device, claims.on_behalf_of, effective)


def service_caller(service: str) -> Caller:
    """The service itself, for listeners and jobs (SEC-5)."""
    return Caller(f"services/{service}", trusted=True)


@cache
def scope_of(method: MethodDescriptor) -> str:
    """The one permission that an rpc names (SEC-13); TypeError at start when it names none."""
    scope: str = method.GetOptions().Extensions[access_pb2.scope]
    if not scope:
        raise TypeError(f"{method.full_name} names no permission")
    return scope


def site_of(request: Message) -> str | None:
    """Site that a request is about: its id, "-" for all sites, None for what is flat."""
    return site_named(resource_of(request))


def resource_of(request: Message) -> str:
    """Name of the resource that a request is about, "" if it names none."""
    for name in ("name", "parent", "correlation"):
        value = getattr(request, name, None)
        if isinstance(value, str) and value:
            return value
    resource = masked_field(request.DESCRIPTOR)
    name_of: str = getattr(request, resource).name if resource else ""
    return name_of


def site_named(name: str) -> str | None:
    """Site that a name of a resource begins with, as `site_of`."""
    parts = name.split("/")
    return parts[1] if len(parts) > 1 and parts[0] == "sites" else None


def check(caller: Caller, method: MethodDescriptor, request: Message) -> None:
    """Refuse a call that the caller has no permission for; same answer whether the object exists or not."""
    permission = scope_of(method)
    site = site_of(request)
    if site is not None and site != EVERYWHERE:
        allowed = caller.may(permission, site)
    elif not changes(request.DESCRIPTOR):
        allowed = caller.may_somewhere(permission)
    else:
        allowed = caller.may(permission)
    if not allowed:
        raise denied(permission)


def denied(permission: str) -> Denied:
    """The refusal for a missing permission."""
    return Denied(permission=permission)


async def put_principal(unit: "Unit", principal: str, state: str, grants: Iterable[Grant]) -> None:
    """Replace what a principal is and holds, told by the owner of people."""
    await unit.execute(
        text("""
            insert into principal_state (principal, state) values (:principal, :state)
            on conflict (principal) do update set state = excluded.state
        """),
        {"principal": principal, "state": state},
    )
    await unit.execute(text("delete from principal_grant where principal = :principal"), {"principal": principal})
    for grant in sorted(grants, key=lambda grant: (grant.role, grant.site, grant.from_time)):
        await unit.execute(
            text("""
                insert into principal_grant (principal, role, site, from_time, to_time)
                values (:principal, :role, :site, :from_time, :to_time)
            """),
            {
                "principal": principal,
                "role": grant.role,
                "site": grant.site,
                "from_time": grant.from_time,
                "to_time": grant.to_time,
            },
        )
