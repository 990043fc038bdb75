"""Every rpc x every role x every place: the answer that option and role table say (SEC-14, SEC-17)."""

from fnmatch import fnmatchcase

import pytest

from cli.databases import SERVICES
from services.chassis import access
from services.chassis.access import Caller, Denied
from services.chassis.requests import changes
from tests.contract import requests
from tests.contract.contract import rpcs

NEVER = {
    "operator": ("*.approve", "materials.lots.[!r]*"),
    "technician": ("*.approve",),
    "auditor": ("*.create", "*.approve", "*.write", "*.grant", "*.issue", "*.execute", "*.check"),
    "administrator": ("*.approve", "*.issue", "*.execute", "*.write", "materials.movements.[!r]*"),
    "operations": ("*.create", "*.approve", "*.write", "*.issue", "*.execute", "*.grant"),
    "buyer": ("procurement.requisitions.approve", "procurement.purchaseOrders.approve"),
    "storekeeper": ("materials.inspections.[!r]*", "*.approve"),
    "accountant": ("*.approve", "*.issue", "*.grant"),
}
"""What a role never holds, beside which the table of roles is read (SEC-14); [!r]* leaves reading out."""


def holds(role: str, scope: str) -> bool:
    return any(fnmatchcase(scope, pattern) for pattern in access.roles()[role])


def allowed(caller: Caller, method: object, request: object) -> bool:
    try:
        access.check(caller, method, request)  # type: ignore[arg-type]
    except Denied:
        return False
    return True


@pytest.mark.rule("SEC-17")
@pytest.mark.parametrize("role", [*sorted(access.roles()), ""])
def test_a_call_reaches_its_method_where_the_role_is_held_and_nowhere_else(role: str) -> None:
    held = frozenset({role} if role else ())
    here = Caller("people/x", roles={"hamburg": held})
    everywhere = Caller("people/x", roles={"-": held})
    wrong = []
    for method in rpcs(*SERVICES):
        scope = access.scope_of(method)
        may = bool(role) and holds(role, scope)
        for site in ("hamburg", "antwerp", "-"):
            request = requests.well_formed(method, site)
            where = access.site_of(request)
            local = may and (where == "hamburg" or (where in (None, "-") and not changes(method.input_type)))
            if allowed(here, method, request) != local:
                wrong.append(f"{method.name} at {where} by {role} of hamburg")
            if allowed(everywhere, method, request) != may:
                wrong.append(f"{method.name} at {where} by {role} of all sites")
    assert wrong == []


@pytest.mark.rule("SEC-14")
@pytest.mark.parametrize("role", sorted(NEVER))
def test_a_role_never_holds_what_belongs_to_others(role: str) -> None:
    scopes = {access.scope_of(method) for method in rpcs()}
    held = [s for s in sorted(scopes) if holds(role, s) and any(fnmatchcase(s, never) for never in NEVER[role])]
    allowed_ = {"operator": ["materials.movements.write"], "technician": []}.get(role, [])
    assert [scope for scope in held if scope not in allowed_] == []
