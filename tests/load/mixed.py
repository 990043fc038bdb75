"""Mixed load over HTTP by ordinary clients: kept connections, two addresses, no second try of a request.

A client asks the addresses in turn. Every second one leaves out an address that a look at `/readyz` found not ready,
as a load balancer does; the others know of nothing but what their answers say. It goes on to the next address only
when it could not connect, for then nothing was sent. Everything else that is no good answer is a failure, also a
connection that ends before the first byte of an answer.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx

LOOK_SECONDS = 0.25
THINK_SECONDS = 0.05


@dataclass
class Load:
    """Clients under way, and what came of their requests."""

    doors: Sequence[str]
    token: str
    codes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    closed: int = 0
    """Answers that said `Connection: close`."""
    ready: dict[str, bool] = field(default_factory=dict)
    longest: float = 0.0

    @property
    def requests(self) -> int:
        """Requests that were answered or failed."""
        return self.codes.total()

    @asynccontextmanager
    async def running(self, clients: int) -> AsyncIterator["Load"]:
        """So many clients as long as the block lasts; each finishes its request at the end."""
        self.ready = dict.fromkeys(self.doors, True)
        stop = asyncio.Event()
        looking = asyncio.ensure_future(self._look())
        working = [asyncio.ensure_future(Client(self, number).work(stop)) for number in range(clients)]
        try:
            yield self
        finally:
            stop.set()
            results = await asyncio.gather(*working, return_exceptions=True)
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            self.failures += [repr(result) for result in results if isinstance(result, BaseException)]

    async def _look(self) -> None:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            while True:
                for door in self.doors:
                    try:
                        self.ready[door] = (await client.get(f"{door}/readyz")).status_code == 200
                    except httpx.HTTPError:
                        self.ready[door] = False
                await asyncio.sleep(LOOK_SECONDS)


class Client:
    """One client with things of its own, so that no request waits for another's row."""

    def __init__(self, load: Load, number: int) -> None:
        self.load = load
        self.looks = number % 2 == 0
        self.name = f"c{number}-{uuid4().hex[:6]}"
        self.site = f"sites/{self.name}"
        self.asset = self.meter = self.item = ""
        self.hours = itertools.count(1)
        self._turn = itertools.cycle(load.doors)
        self._http = httpx.AsyncClient(timeout=30, trust_env=False, headers={"authorization": f"Bearer {load.token}"})

    async def work(self, stop: asyncio.Event) -> None:
        """Ask until stopped."""
        async with self._http:
            await self._prepare()
            asks: Sequence[Callable[[], Any]] = (
                self._read_meter, self._look_at_asset, self._new_item, self._look_at_item, self._rename_site,
                self._order_work, self._list_work, self._need,
            )  # fmt: skip
            for ask in itertools.cycle(asks):
                if stop.is_set():
                    return
                await ask()
                await asyncio.sleep(THINK_SECONDS)

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"idempotency-key": str(uuid4())} if method in ("POST", "PATCH") else {}
        first = next(self._turn)
        doors = [first, *(door for door in self.load.doors if door != first)]
        if self.looks:
            doors.sort(key=self._unready)
        begin = time.monotonic()
        for door in doors:
            try:
                answer = await self._http.request(method, door + path, json=body, headers=headers)
            except httpx.ConnectError:
                continue
            except httpx.HTTPError as error:
                self._failed("no answer", f"{method} {path} at {door}: {error!r}")
                return {}
            self.load.longest = max(self.load.longest, time.monotonic() - begin)
            self.load.closed += answer.headers.get("connection", "") == "close"
            if answer.status_code != 200:
                self._failed(str(answer.status_code), f"{method} {path} at {door}: {answer.text[:300]}")
                return {}
            self.load.codes["200"] += 1
            return answer.json()
        self._failed("no door", f"{method} {path}: no address can be reached")
        return {}

    def _unready(self, door: str) -> bool:
        return not self.load.ready[door]

    def _failed(self, code: str, text: str) -> None:
        self.load.codes[code] += 1
        self.load.failures.append(f"{datetime.now(UTC):%H:%M:%S.%f} {text}")

    async def _prepare(self) -> None:
        place = {"title": self.name, "timeZone": "Europe/Berlin", "currencyCode": "EUR", "countryCode": "DE"}
        await self._ask("POST", f"/v1/sites?siteId={self.name}", place)
        made = await self._ask(
            "POST", f"/v1/{self.site}/assets", {"number": "P1", "title": "Press", "criticality": "B"}
        )
        self.asset = made.get("name", "")
        made = await self._ask("POST", f"/v1/{self.asset}/meters", {"title": "Hours", "unitCode": "HUR"})
        self.meter = made.get("name", "")

    async def _read_meter(self) -> None:
        hour = next(self.hours)
        at = (datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=hour)).isoformat()
        await self._ask("POST", f"/v1/{self.meter}/readings", {"rawValue": {"value": str(hour)}, "measureTime": at})

    async def _look_at_asset(self) -> None:
        await self._ask("GET", f"/v1/{self.asset}")

    async def _new_item(self) -> None:
        item = {"number": uuid4().hex[:12], "title": "Filter", "baseUnitCode": "H87", "tracking": "NONE"}
        self.item = (await self._ask("POST", "/v1/items", item)).get("name", self.item)

    async def _look_at_item(self) -> None:
        await self._ask("GET", f"/v1/{self.item}")

    async def _rename_site(self) -> None:
        await self._ask("PATCH", f"/v1/{self.site}", {"title": f"{self.name} {next(self.hours)}"})

    async def _order_work(self) -> None:
        order = {"asset": self.asset, "kind": "IMPROVEMENT", "title": "Grease"}
        await self._ask("POST", f"/v1/{self.site}/workOrders", order)

    async def _list_work(self) -> None:
        await self._ask("GET", f"/v1/{self.site}/workOrders?pageSize=5")

    async def _need(self) -> None:
        supplier = {"number": uuid4().hex[:12], "title": "Supplier", "currencyCode": "EUR", "countryCode": "DE"}
        await self._ask("POST", "/v1/suppliers", supplier)
