"""ChainService: the timeline of a chain of work over all services, causes before effects."""

import asyncio
import heapq
from collections.abc import Iterable, Mapping
from typing import Any

from google.rpc import code_pb2
from plantops.gateway.v1 import chain_pb2
from plantops.type.v1.chain_pb2 import ChainEntry

from gateway.calls import SHARE, Call
from gateway.refusals import StatusError
from gateway.routes import Table
from gateway.upstream import Upstream
from services.chassis.faults import DependencyUnavailable

PAGE = 500


class ChainService:
    """Merges the services' journals of one chain; a service that is away is named in the answer, not hidden."""

    def __init__(self, table: Table, services: Mapping[str, Upstream]) -> None:
        self.services = services
        self.routes = {
            service: table.by_rpc[f"plantops.{service}.v1.{service.title()}ChainService.List{service.title()}Chain"]
            for service in services
        }

    async def list_chain(self, request: Any, call: Call) -> Any:
        """All entries of a chain."""
        parts = await asyncio.gather(
            *(self._walk(service, request.correlation, call) for service in self.services), return_exceptions=True
        )
        entries: list[ChainEntry] = []
        missing: list[str] = []
        for service, part in zip(self.services, parts, strict=True):
            if isinstance(part, StatusError) and part.status.code in (code_pb2.UNAVAILABLE, code_pb2.DEADLINE_EXCEEDED):
                missing.append(service)
            elif isinstance(part, BaseException):
                raise part
            else:
                entries += part
        if len(missing) == len(self.services):
            raise DependencyUnavailable(dependency="every service")
        return chain_pb2.ListChainResponse(entries=merged(entries), unavailable=missing)

    async def _walk(self, service: str, correlation: str, call: Call) -> list[ChainEntry]:
        route, token = self.routes[service], ""
        found: list[ChainEntry] = []
        while True:
            request = route.request(correlation=correlation, page_size=PAGE, page_token=token)
            page: Any
            page, _ = await self.services[service].unary(route, request, call.metadata, call.left * SHARE)
            found += page.entries
            token = page.next_page_token
            if not token:
                return found


def merged(entries: Iterable[ChainEntry]) -> list[ChainEntry]:
    """Entries so that no effect stands before its cause, else by time, service and position.

    Clocks of services differ, so time alone would put some effects first. An entry whose cause is not in the
    chain (or in a circle of causes, which no service makes) counts as a beginning.
    """
    known = {entry.event_id: entry for entry in entries}
    effects: dict[str, list[ChainEntry]] = {}
    ready: list[tuple[tuple[int, int, str, int, str], ChainEntry]] = []
    for entry in known.values():
        if entry.causation in known and entry.causation != entry.event_id:
            effects.setdefault(entry.causation, []).append(entry)
        else:
            ready.append((_order(entry), entry))
    heapq.heapify(ready)
    found: list[ChainEntry] = []
    while ready:
        entry = heapq.heappop(ready)[1]
        found.append(entry)
        for effect in effects.pop(entry.event_id, ()):
            heapq.heappush(ready, (_order(effect), effect))
    rest = [entry for waiting in effects.values() for entry in waiting]
    return found + sorted(rest, key=_order)


def _order(entry: ChainEntry) -> tuple[int, int, str, int, str]:
    time = entry.occur_time
    return time.seconds, time.nanos, entry.service, entry.position, entry.event_id
