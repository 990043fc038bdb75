"""Bad input to every rpc: a canonical code, a reason, and no row anywhere (PROOF-11, SEC-15, SEC-17).

Each test sends a whole batch to one service, generated from the descriptors, and lists what was answered wrongly.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from random import Random
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.rpc import code_pb2, error_details_pb2
from plantops.maintenance.v1 import assets_pb2, sites_pb2

from cli.databases import SERVICES
from cli.engines import Engines
from services.chassis import access
from services.chassis.requests import changes, name_forms
from tests.contract import requests
from tests.contract.contract import rpcs
from tests.contract.requests import Spoiled
from tests.plant import Client, Refused, tables
from tests.signing import Issuer
from tests.world import Plant, running

ALL = "people/all"
CODES = set(code_pb2.Code.keys()) - {"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNIMPLEMENTED"}
REFUSALS = ("NOT_FOUND", "INVALID_ARGUMENT", "PERMISSION_DENIED")
TOGETHER = 8


@pytest.fixture(scope="module")
async def plant(templates: Engines, issuer: Issuer) -> AsyncIterator[Plant]:
    """A plant with one person who holds every role everywhere, one at another site, and one who holds none."""
    everything = {"-": sorted(access.roles())}
    principals = {ALL: everything, "people/eve": {"antwerp": sorted(access.roles())}}
    principals |= {f"services/{service}": {"-": ["auditor"]} for service in SERVICES}
    async with running(templates, issuer, principals=principals) as found:
        root = found.client("maintenance", ALL, everything)
        for site in ("hamburg", "antwerp"):
            await root(
                sites_pb2.CreateSiteRequest(
                    site_id=site,
                    site=sites_pb2.Site(title=site, time_zone="Europe/Berlin", currency_code="EUR", country_code="DE"),
                )
            )
        await root(
            assets_pb2.CreateAssetRequest(
                parent="sites/hamburg",
                asset_id="press",
                asset=assets_pb2.Asset(number="HAMBURG-PRESS", title="Press", criticality="A"),
            )
        )
        await found.settle()
        yield found


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def everyone(plant: Plant, service: str) -> Client:
    """Who may do everything everywhere."""
    return plant.client(service, ALL, {"-": sorted(access.roles())})


@pytest.fixture
def unchanged(plant: Plant, service: str) -> Iterator[None]:
    """Nothing may be written by what the test sends."""
    with plant.look(service) as connection:
        before = _rows(connection)
        yield
        after = _rows(connection)
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {}


def _rows(connection: Any) -> dict[str, int]:
    """Rows of each table but of those that the process keeps of its own work."""
    return {name: count for name, count in tables(connection).items() if name not in ("job_run", "caught_up")}


async def wrong_answers(
    client: Client,
    sent: Iterable[tuple[MethodDescriptor, Spoiled]],
    *codes: str,
    token: str | None = None,
) -> list[str]:
    """What was answered otherwise than with one of the codes and a reason."""
    limit = asyncio.Semaphore(TOGETHER)

    async def one(method: MethodDescriptor, spoiled: Spoiled) -> str:
        async with limit:
            try:
                answer = await client.send(method, spoiled.request, token=token, timeout=20)
            except Refused as refused:
                expected = (*codes, "NOT_FOUND") if spoiled.entry else codes  # the parent of a batch comes first
                if refused.code in expected and refused.reason and refused.message:
                    return ""
                return f"{method.name} {spoiled.what}: {refused.code} {refused.reason} {refused.message[:120]}"
            if spoiled.entry:
                whole = answer[0] if method.server_streaming else answer
                status = whole.outcomes[0].status
                info = error_details_pb2.ErrorInfo()
                if code_pb2.Code.Name(status.code) in codes and status.details[0].Unpack(info) and info.reason:
                    return ""
            return f"{method.name} {spoiled.what}: OK {answer!s:.200}"

    return [answer for answer in await asyncio.gather(*(one(*each) for each in sent)) if answer]


def of_each(service: str, make: Any) -> list[tuple[MethodDescriptor, Spoiled]]:
    return [(method, spoiled) for method in rpcs(service) for spoiled in make(method)]


@pytest.mark.rule("PROOF-11")
@pytest.mark.rule("API-8")
@pytest.mark.usefixtures("unchanged")
async def test_a_missing_field_is_named(service: str, everyone: Client) -> None:
    sent = of_each(service, requests.without_required)
    assert len(sent) > 50
    assert await wrong_answers(everyone, sent, "INVALID_ARGUMENT") == []


@pytest.mark.rule("API-8")
@pytest.mark.rule("SEC-31")
@pytest.mark.usefixtures("unchanged")
async def test_values_beyond_their_limits_are_refused(service: str, everyone: Client) -> None:
    assert await wrong_answers(everyone, of_each(service, requests.with_bad_values), "INVALID_ARGUMENT") == []


@pytest.mark.rule("PROOF-11")
@pytest.mark.rule("API-6")
@pytest.mark.usefixtures("unchanged")
async def test_malformed_names_are_refused(service: str, everyone: Client) -> None:
    assert await wrong_answers(everyone, of_each(service, requests.with_bad_names), "INVALID_ARGUMENT") == []


@pytest.mark.rule("SEC-33")
@pytest.mark.usefixtures("unchanged")
async def test_pages_filters_and_orders_that_mean_nothing_are_refused(service: str, everyone: Client) -> None:
    sent = of_each(service, requests.with_bad_lists)
    sites = [each for each in sent if set(name_forms(each[0]).get("parent", ())) <= {"sites/*"}]
    below = [each for each in sent if each not in sites]  # what they are asked for need not exist
    assert await wrong_answers(everyone, sites, "INVALID_ARGUMENT") == []
    assert await wrong_answers(everyone, below, "INVALID_ARGUMENT", "NOT_FOUND") == []


@pytest.mark.rule("SEC-1")
@pytest.mark.usefixtures("unchanged")
async def test_nothing_answers_without_a_token(service: str, everyone: Client) -> None:
    sent = of_each(service, lambda method: [Spoiled("without token", requests.well_formed(method))])
    assert await wrong_answers(everyone, sent, "UNAUTHENTICATED", token="") == []


@pytest.mark.rule("SEC-17")
@pytest.mark.usefixtures("unchanged")
async def test_nothing_answers_without_the_permission(service: str, everyone: Client, issuer: Issuer) -> None:
    token = issuer.token("people/nobody", {"-": sorted(access.roles())})
    sent = of_each(
        service,
        lambda method: [
            Spoiled("well-formed", requests.well_formed(method)),
            Spoiled("empty", requests.empty(method)),
        ],
    )
    assert await wrong_answers(everyone, sent, "PERMISSION_DENIED", token=token) == []


@pytest.mark.rule("SEC-15")
@pytest.mark.rule("SEC-22")
@pytest.mark.usefixtures("unchanged")
async def test_a_foreign_site_is_closed_whether_the_object_exists_or_not(
    service: str, everyone: Client, issuer: Issuer
) -> None:
    token = issuer.token("people/eve", {"-": sorted(access.roles())})
    sent = []
    for method in rpcs(service):
        forms = [form for found in name_forms(method).values() for form in found]
        here = bool(forms) and all(form.startswith("sites/*") for form in forms)
        if here or changes(method.input_type):
            sent.append((method, Spoiled("hamburg", requests.well_formed(method, "hamburg"))))
            sent.append((method, Spoiled("press", requests.well_formed(method, "hamburg", "press"))))
    sent = [(m, s) for m, s in sent if access.site_of(s.request) == "hamburg" or changes(m.input_type)]
    assert await wrong_answers(everyone, sent, "PERMISSION_DENIED", token=token) == []


@pytest.mark.rule("SEC-22")
@pytest.mark.usefixtures("unchanged")
async def test_lists_over_all_sites_show_only_where_the_caller_may_read(
    service: str, everyone: Client, issuer: Issuer
) -> None:
    token = issuer.token("people/eve", {"-": sorted(access.roles())})
    answered, wrong = 0, []
    for method in rpcs(service):
        if changes(method.input_type) or "parent" not in name_forms(method):
            continue
        for parent in {form.replace("*", "-") for form in name_forms(method)["parent"]}:
            request = requests.well_formed(method)
            request.parent = parent
            try:
                answer = await everyone.send(method, request, token=token)
            except Refused as refused:
                wrong += [] if refused.code in REFUSALS else [f"{method.name} {refused.code}"]
            else:
                answered += 1
                assert "hamburg" not in str(answer).lower(), f"{method.name} {parent}"
    assert wrong == []
    assert answered > 3


def single(method: Any) -> bool:
    """Whether it is about what each site has once (AIP-156): there it is missing where the site is."""
    forms = [form for found in name_forms(method).values() for form in found]
    return bool(forms) and all(form.startswith("sites/*/") and not form.endswith("*") for form in forms)


@pytest.mark.rule("PROOF-11")
@pytest.mark.rule("API-10")
@pytest.mark.usefixtures("unchanged")
async def test_what_does_not_exist_is_not_found(service: str, everyone: Client) -> None:
    sent = [
        (method, Spoiled("unknown", requests.well_formed(method, *(("nowhere",) if single(method) else ()))))
        for method in rpcs(service)
        if any(form not in ("sites/*",) for forms in name_forms(method).values() for form in forms)
        and not (method.name.startswith("List") or method.name.startswith("Check"))
    ]
    assert await wrong_answers(everyone, sent, "NOT_FOUND") == []


@pytest.mark.rule("API-6")
@pytest.mark.usefixtures("unchanged")
async def test_a_change_names_one_site(service: str, everyone: Client) -> None:
    sent = [
        (method, Spoiled("sites/-", requests.well_formed(method, "-")))
        for method in rpcs(service)
        if changes(method.input_type)
        and any(form.startswith("sites/*") for forms in name_forms(method).values() for form in forms)
    ]
    assert len(sent) > 5
    assert await wrong_answers(everyone, sent, "INVALID_ARGUMENT") == []


@pytest.mark.rule("API-8")
@pytest.mark.usefixtures("unchanged")
async def test_bytes_that_are_no_message_are_refused(service: str, everyone: Client) -> None:
    for method in rpcs(service):
        call = everyone.channel.unary_unary(f"/{method.containing_service.full_name}/{method.name}")
        import grpc

        from tests.plant import refused

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\x0a\xff\xff\xff\xff\x0f\x00", metadata=everyone.metadata(), timeout=10)
        answer = refused(caught.value)
        assert (answer.code, answer.reason) == ("INVALID_ARGUMENT", "MESSAGE_UNREADABLE"), method.name


@pytest.mark.rule("SEC-34")
async def test_whatever_is_sent_no_defect_is_answered(service: str, everyone: Client) -> None:
    chance = Random(7)
    limit = asyncio.Semaphore(TOGETHER)

    async def one(method: MethodDescriptor) -> str:
        request = requests.random_request(method, chance)
        async with limit:
            try:
                await everyone.send(method, request, timeout=20)
            except Refused as refused:
                if refused.code not in CODES or not refused.reason:
                    return f"{method.name}: {refused.code} {refused.message} {request!s:.600}"
            return ""

    found = await asyncio.gather(*(one(method) for method in rpcs(service) for _ in range(15)))
    assert [answer for answer in found if answer] == []
