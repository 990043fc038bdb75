"""ScanService: what a scanned code is, asked of every service with the caller's own token."""

from collections.abc import Iterable, Mapping
from typing import Any

from plantops.gateway.v1 import scan_pb2
from plantops.type.v1.lookup_pb2 import CodeMatch

from gateway import gs1
from gateway.calls import Call, ask_all
from gateway.routes import Table
from gateway.upstream import Upstream
from services.chassis.faults import DependencyUnavailable


class ScanService:
    """Resolves codes over all services; a service that is away is named in the answer, not hidden."""

    def __init__(self, table: Table, services: Mapping[str, Upstream]) -> None:
        self.services = services
        self.routes = {
            service: table.by_rpc[f"plantops.{service}.v1.{service.title()}LookupService.Lookup{service.title()}Code"]
            for service in services
        }

    async def resolve_scan(self, request: Any, call: Call) -> Any:
        """Matches of a code at a site, best first."""
        scan = gs1.parse(request.code)
        questions = {
            service: (route, [route.request(parent=request.parent, code=key) for key in scan.keys])
            for service, route in self.routes.items()
        }
        answers, missing = await ask_all(self.services, questions, call)
        if not answers:
            raise DependencyUnavailable(dependency="every service")
        found = (match for parts in answers.values() for answer in parts for match in answer.matches)  # type: ignore[attr-defined]
        return scan_pb2.ResolveScanResponse(
            normalized_code=scan.code,
            matches=ranked(found, scan),
            elements=[
                scan_pb2.ScanElement(application_identifier=identifier, value=value)
                for identifier, value in scan.elements
            ],
            unavailable=missing,
        )


def ranked(matches: Iterable[CodeMatch], scan: gs1.Scan) -> list[CodeMatch]:
    """Each resource once; of a code with GTIN and lot the lot of that very item comes first, other items' lots go."""
    found = list({match.resource: match for match in matches}.values())
    if scan.gtin and scan.lot:
        items = tuple(match.resource + "/" for match in found if match.kind == "item")
        found = [match for match in found if match.kind != "lot" or match.resource.startswith(items)]
        found.sort(key=lambda match: match.kind != "lot")
    return found
