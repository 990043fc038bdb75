"""Who may do what, where: deny by default, claim and grant together, revoked at once (SEC-4, SEC-13 .. SEC-16)."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from cli.engines import Engines
from services.chassis import access
from services.chassis.access import Caller
from services.chassis.serve import Process
from tests.chassis.sample.protos import pb
from tests.plant import Client, Refused, superuser
from tests.signing import Issuer

GIL = "people/gil"
LIST = pb.ListBoxesRequest(parent="sites/hamburg")


@pytest.fixture
def look(bootstrapped: Engines, process: Process) -> Iterator[psycopg.Connection[Any]]:
    """The sample's database, in which gil holds nothing at the end."""
    with superuser(bootstrapped, "sample") as connection:
        yield connection
        connection.execute("delete from principal_grant where principal = %s", [GIL])
        connection.execute("delete from principal_state where principal = %s", [GIL])


def grant(look: psycopg.Connection[Any], role: str, site: str, begins: int = -60, ends: int | None = None) -> None:
    """Give gil a role from `begins` to `ends` seconds from now."""
    look.execute(
        "insert into principal_grant values (%s, %s, %s, now() + %s, now() + %s)",
        [GIL, role, site, timedelta(seconds=begins), None if ends is None else timedelta(seconds=ends)],
    )


@pytest.fixture
async def gil(process: Process, issuer: Issuer) -> AsyncIterator[Client]:
    """A person whose token claims every role that the tests use, everywhere."""
    client = Client(process, issuer.token(GIL, {"-": ["packer", "viewer"]}))
    yield client
    await client.close()


async def code(client: Client, request: Any, **more: Any) -> str:
    """OK, or the reason of the refusal."""
    try:
        await client(request, **more)
    except Refused as refused:
        return refused.reason
    return "OK"


@pytest.mark.rule("SEC-13")
async def test_without_a_grant_nothing_is_allowed(gil: Client, look: psycopg.Connection[Any]) -> None:
    assert await code(gil, LIST) == "PERMISSION_DENIED"
    assert await code(gil, pb.CreateBoxRequest()) == "PERMISSION_DENIED"  # before any look at the request
    grant(look, "viewer", "hamburg")
    assert await code(gil, LIST) == "OK"
    assert await code(gil, pb.CreateBoxRequest(parent="sites/hamburg")) == "PERMISSION_DENIED"


@pytest.mark.rule("SEC-14")
@pytest.mark.parametrize(
    ("claims", "grants", "wanted"),
    [
        ({}, [("viewer", "hamburg")], "PERMISSION_DENIED"),
        ({"hamburg": ["viewer"]}, [], "PERMISSION_DENIED"),
        ({"hamburg": ["viewer"]}, [("packer", "hamburg")], "PERMISSION_DENIED"),
        ({"antwerp": ["viewer"]}, [("viewer", "hamburg")], "PERMISSION_DENIED"),
        ({"hamburg": ["viewer"]}, [("viewer", "antwerp")], "PERMISSION_DENIED"),
        ({"hamburg": ["viewer"]}, [("viewer", "hamburg")], "OK"),
        ({"-": ["viewer"]}, [("viewer", "hamburg")], "OK"),
        ({"-": ["viewer"]}, [("viewer", "-")], "OK"),
        ({"hamburg": ["viewer"]}, [("viewer", "-")], "PERMISSION_DENIED"),
    ],
)
async def test_a_role_counts_where_the_token_claims_it_and_a_grant_holds_it(
    gil: Client, issuer: Issuer, look: psycopg.Connection[Any], claims: Any, grants: list[tuple[str, str]], wanted: str
) -> None:
    for role, site in grants:
        grant(look, role, site)
    assert await code(gil, LIST, token=issuer.token(GIL, claims)) == wanted


@pytest.mark.rule("SEC-14")
@pytest.mark.parametrize(
    ("begins", "ends", "wanted"),
    [(-60, 60, "OK"), (60, None, "PERMISSION_DENIED"), (-60, -1, "PERMISSION_DENIED")],
)
async def test_a_grant_counts_from_its_begin_to_its_end(
    gil: Client, look: psycopg.Connection[Any], begins: int, ends: int | None, wanted: str
) -> None:
    grant(look, "viewer", "hamburg", begins, ends)
    assert await code(gil, LIST) == wanted


@pytest.mark.rule("SEC-4")
async def test_a_revoked_grant_ends_at_once_while_the_token_lives(gil: Client, look: psycopg.Connection[Any]) -> None:
    grant(look, "viewer", "hamburg")
    assert await code(gil, LIST) == "OK"
    look.execute("delete from principal_grant where principal = %s", [GIL])
    assert await code(gil, LIST) == "PERMISSION_DENIED"


@pytest.mark.rule("SEC-4")
async def test_a_suspended_person_has_no_access_whatever_was_granted(
    gil: Client, look: psycopg.Connection[Any]
) -> None:
    grant(look, "viewer", "-")
    look.execute("insert into principal_state values (%s, 'SUSPENDED')", [GIL])
    assert await code(gil, LIST) == "SUSPENDED"
    look.execute("update principal_state set state = 'ACTIVE' where principal = %s", [GIL])
    assert await code(gil, LIST) == "OK"


@pytest.mark.rule("SEC-3")
async def test_who_calls_is_told_by_the_token_alone(gil: Client) -> None:
    call = gil.channel.unary_unary(
        "/plantops.sample.v1.BoxService/ListBoxes", request_serializer=pb.ListBoxesRequest.SerializeToString
    )
    spoofed = (*gil.metadata(), ("x-user", "people/ana"), ("x-plantops-roles", "packer"), ("x-forwarded-user", "root"))
    with pytest.raises(Exception, match="needs the permission"):
        await call(LIST, metadata=spoofed)


@pytest.mark.rule("SEC-22")
async def test_a_list_over_all_sites_shows_the_callers_sites(
    gil: Client, ana: Client, process: Process, issuer: Issuer, look: psycopg.Connection[Any]
) -> None:
    mark = uuid4().hex[:12]
    eve = Client(process, issuer.token("people/eve", {"antwerp": ["packer"]}))
    capacity = {"value": "1", "unit_code": "H87"}
    await ana(pb.CreateBoxRequest(parent="sites/hamburg", box=pb.Box(title=mark, capacity=capacity)))
    await eve(pb.CreateBoxRequest(parent="sites/antwerp", box=pb.Box(title=mark, capacity=capacity)))
    await eve.close()

    async def sites() -> list[str]:
        page = await gil(pb.ListBoxesRequest(parent="sites/-", filter=f"title = {mark}"))
        return sorted(box.name.split("/")[1] for box in page.boxes)

    assert await code(gil, pb.ListBoxesRequest(parent="sites/-")) == "PERMISSION_DENIED"
    grant(look, "viewer", "antwerp")
    assert await sites() == ["antwerp"]
    grant(look, "viewer", "-")
    assert await sites() == ["antwerp", "hamburg"]


@pytest.mark.rule("SEC-16")
async def test_each_entry_of_a_batch_needs_the_permission_where_it_acts(
    ana: Client, process: Process, issuer: Issuer
) -> None:
    names = ("sites/antwerp/boxes/x", "boxes/flat", "sites/-/boxes/x")
    entries = [
        pb.FillBoxRequest(name=name, quantity={"value": "1", "unit_code": "H87"}, request_id=str(uuid4()))
        for name in names
    ]
    answer = await ana(pb.BatchFillBoxesRequest(parent="sites/hamburg", requests=entries))
    assert [outcome.status.code for outcome in answer.outcomes] == [7, 7, 3]


@pytest.mark.parametrize(
    ("patterns", "scope", "wanted"),
    [
        (("a.b.read",), "a.b.read", True),
        (("a.b.read",), "a.b.write", False),
        (("*.*.read",), "a.b.read", True),
        (("*.*.read",), "a.b.c.read", False),
        (("a.*",), "a.b.c.d", True),
        (("a.*",), "a", False),
        (("a.*.read",), "a.b.write", False),
        (("*",), "a.b", True),
        ((), "a.b", False),
    ],
)
def test_a_pattern_stands_for_one_part_or_at_the_end_for_all(
    monkeypatch: pytest.MonkeyPatch, patterns: tuple[str, ...], scope: str, wanted: bool
) -> None:
    monkeypatch.setattr(access, "roles", lambda: {"tried": patterns})
    access.allows.cache_clear()
    try:
        assert access.allows("tried", scope) is wanted
        assert not access.allows("unknown", scope)
    finally:
        access.allows.cache_clear()


def test_sites_of_a_caller() -> None:
    caller = Caller("people/x", roles={"hamburg": frozenset({"planner"}), "antwerp": frozenset({"operations"})})
    assert caller.sites("maintenance.workOrders.create") == {"hamburg"}
    assert caller.sites("maintenance.operations.check") == {"antwerp"}
    assert Caller("people/x", roles={"-": frozenset({"planner"})}).sites("maintenance.workOrders.create") is None
    assert caller.role_names == "operations, planner"
