"""Import of work-order history through the rpcs, against a bare COPY of the same rows.

The baseline copies finished rows of orders, costs and audit into empty tables of the same form, with the same
indexes and without triggers; it reads, checks and maps nothing. What stands in the tables is compared by digest.
"""

import csv
import io
import random
import time
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
from plantops.maintenance.v1 import assets_pb2, imports_pb2, sites_pb2

from tests.load.measure import Goal, Report, Turn, compare, cpu_seconds
from tests.load.stage import Caller, Stage, service_process

ROWS, PART = 3000, 256 * 1024
TABLES = ("work_order", "cost_line", "audit")
GOAL = Goal("-", "import, bare COPY (context)", "rows/s")
_DIGEST = """
    select count(*), md5(string_agg(concat_ws('|', number, title, kind, state, cost, actual_finish_time), E'\n'
                                    order by number))
    from {} where origin = 'IMPORTED' and site = $1
"""


def file() -> bytes:
    """A file as a planner's export has it."""
    dice = random.Random(7)
    out = io.StringIO(newline="")
    write = csv.writer(out, lineterminator="\n")
    write.writerow(("day", "asset", "text", "kind", "cost", "id"))
    for number in range(ROWS):
        day = date(2001, 1, 1) + timedelta(days=dice.randrange(4000))
        text = dice.choice(["BUCKET WON'T OPEN", "loose grease line, bucket", 'HOSE 2" LEAKS', "Öl läuft aus"])
        kind = dice.choice(["PM01", "PM02"])
        write.writerow((day.isoformat(), dice.choice("ABCDE"), text, kind, dice.randrange(10**6) / 100, number))
    return out.getvalue().encode()


def mapping() -> Any:
    """Which column is what."""
    found = imports_pb2.MaintenanceImport(title="bench", currency_code="EUR")
    for field, column in (
        ("start_date", "day"), ("asset", "asset"), ("title", "text"), ("kind", "kind"), ("cost", "cost"),
        ("external_id", "id"),
    ):  # fmt: skip
        row = found.columns.add(field=field, column=column)
        if field == "kind":
            for known, kind in (("PM01", "CORRECTIVE"), ("PM02", "PREVENTIVE")):
                value = row.values.add(to=kind)
                setattr(value, "from", known)
    return found


class Bench:
    """Each import goes to a site of its own; the baseline copies the rows of the first one."""

    def __init__(self, caller: Caller, connection: Any, pid: int) -> None:
        self.caller, self.connection, self.pid = caller, connection, pid
        self.content = file()
        self.rows: dict[str, list[Any]] = {}

    async def imported(self, number: int) -> Turn:
        """The rpcs that the command line calls: make, append, run until it is done."""
        site = await self._site(f"s{uuid4().hex[:8]}")
        began, used = time.perf_counter(), cpu_seconds(self.pid)
        made = await self.caller(
            imports_pb2.CreateMaintenanceImportRequest(
                parent=site, maintenance_import=mapping(), request_id=str(uuid4())
            )
        )
        for offset in range(0, len(self.content), PART):
            await self.caller(
                imports_pb2.AppendMaintenanceImportRequest(
                    name=made.name,
                    offset=offset,
                    content=self.content[offset : offset + PART],
                    request_id=str(uuid4()),
                )
            )
        found = made
        while found.state != found.DONE:
            found = await self.caller(
                imports_pb2.RunMaintenanceImportRequest(name=made.name, offset=found.next_row, request_id=str(uuid4()))
            )
        seconds, cpu = time.perf_counter() - began, cpu_seconds(self.pid) - used
        assert (found.imported_count, found.error_count) == (ROWS, 0), found
        digest = await self.connection.fetchrow(_DIGEST.format("work_order"), site.split("/")[1])
        return Turn(ROWS / seconds, tuple(digest), ROWS, cpu / ROWS * 1e6)

    async def copied(self, number: int) -> Turn:
        """COPY of the same rows, in one transaction."""
        if not self.rows:
            await self._learn()
        for table in TABLES:
            await self.connection.execute(f"truncate bench_{table}")
        began = time.perf_counter()
        async with self.connection.transaction():
            for table, rows in self.rows.items():
                await self.connection.copy_records_to_table(
                    f"bench_{table}", records=[tuple(row) for row in rows], columns=list(rows[0].keys())
                )
        seconds = time.perf_counter() - began
        site = self.rows["work_order"][0]["site"]
        digest = await self.connection.fetchrow(_DIGEST.format("bench_work_order"), site)
        return Turn(ROWS / seconds, tuple(digest), ROWS)

    async def _site(self, id_: str) -> str:
        site = sites_pb2.Site(title=id_, time_zone="Europe/Berlin", currency_code="EUR", country_code="DE")
        made = await self.caller(sites_pb2.CreateSiteRequest(site_id=id_, site=site, request_id=str(uuid4())))
        for letter in "ABCDE":
            asset = assets_pb2.Asset(number=letter, title=letter, criticality="B")
            request = assets_pb2.CreateAssetRequest(parent=made.name, asset=asset, request_id=str(uuid4()))
            request.asset_id = letter.lower()
            await self.caller(request)
        name: str = made.name
        return name

    async def _learn(self) -> None:
        """Make the copies of the tables, and read the rows that an import writes."""
        await self.imported(-1)
        site = await self.connection.fetchval("select site from work_order where origin = 'IMPORTED' limit 1")
        place = {
            "work_order": "site = $1 and origin = 'IMPORTED'",
            "cost_line": "work_order like 'sites/' || $1 || '/workOrders/h%'",
            "audit": "object like 'sites/' || $1 || '/workOrders/h%'",
        }
        for table in TABLES:
            options = "including all excluding identity" if table == "audit" else "including all"
            await self.connection.execute(f"create table bench_{table} (like {table} {options})")
            self.rows[table] = await self.connection.fetch(f"select * from {table} where {place[table]}", site)  # noqa: S608


async def run(found: Stage) -> list[Report]:
    """Compare both."""
    connection = await asyncpg.connect(found.superuser("maintenance"))
    try:
        async with service_process(found, "maintenance") as (process, caller):
            bench = Bench(caller, connection, process.pid)
            return [await compare(GOAL, bench.imported, bench.copied)]
    finally:
        await connection.close()
