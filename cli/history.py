"""`plantops import work-orders`: history from a CSV file, each bad row reported, all good rows taken once."""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from plantops.maintenance.v1 import imports_pb2

from cli.home import Home
from cli.session import Session

PART_BYTES = 256 * 1024
SHOWN_ERRORS = 50


class MappingInvalid(Exception):
    """The mapping file is no mapping; the text says why."""


def history_parser(kinds: Any) -> None:
    """Add `import work-orders` to the command line."""
    orders = kinds.add_parser("work-orders", help="work-order history from CSV")
    orders.add_argument("file", type=Path)
    orders.add_argument("--site", required=True, help="site id, such as hamburg")
    orders.add_argument("--mapping", required=True, help="a JSON file, or the name of one that comes with the sample")
    orders.add_argument("--as", dest="person", default="people/paul", help="who imports (default %(default)s)")
    orders.add_argument("--dry-run", action="store_true", help="check only")
    orders.set_defaults(command=_import_work_orders)


def _import_work_orders(options: argparse.Namespace) -> int:
    given = Path(options.mapping)
    path = given if given.exists() else Path(__file__).parent / "samples" / f"{options.mapping}.json"
    if not options.file.is_file():
        print(f"plantops: {options.file} is no file", file=sys.stderr)
        return 2
    try:
        mapping = mapping_of(path)
    except MappingInvalid as error:
        print(f"plantops: mapping: {error}", file=sys.stderr)
        return 2

    content = options.file.read_bytes()

    async def work() -> int:
        async with Session.of(Home(options.data)) as session:
            return await import_work_orders(
                session,
                options.file.name,
                content,
                options.site,
                mapping,
                person=options.person,
                dry_run=options.dry_run,
            )

    return asyncio.run(work())


def mapping_of(path: Path) -> imports_pb2.MaintenanceImport:
    """The mapping of a file's columns to fields, from a JSON file in the contract's form; MappingInvalid."""
    try:
        return json_format.ParseDict(json.loads(path.read_text()), imports_pb2.MaintenanceImport())
    except (OSError, ValueError, json_format.ParseError) as error:
        raise MappingInvalid(f"{path}: {error}") from None


async def import_work_orders(
    session: Session,
    title: str,
    content: bytes,
    site: str,
    mapping: imports_pb2.MaintenanceImport,
    *,
    person: str,
    dry_run: bool,
) -> int:
    """Send a file in parts, check it, take its rows; prints counts and bad rows; 0 when no row was bad."""
    begin = time.monotonic()
    made = await session.call(
        person,
        imports_pb2.CreateMaintenanceImportRequest(parent=f"sites/{site}", maintenance_import=mapping),
    )
    for offset in range(0, len(content), PART_BYTES):
        part = content[offset : offset + PART_BYTES]
        request = imports_pb2.AppendMaintenanceImportRequest(name=made.name, offset=offset, content=part)
        await session.call(person, request)
    found: Any = await session.call(person, imports_pb2.CheckMaintenanceImportRequest(name=made.name))
    print(f"{title}: {found.row_count} rows, {found.error_count} bad")
    if not dry_run:
        while found.state != found.DONE:
            run = imports_pb2.RunMaintenanceImportRequest(name=made.name, offset=found.next_row)
            found = await session.call(person, run)
            print(f"  row {found.next_row}: {found.imported_count} new, {found.known_count} known", file=sys.stderr)
        seconds = time.monotonic() - begin
        print(
            f"{found.imported_count} accepted, {found.known_count} known before, {found.error_count} refused"
            f" in {seconds:.1f} s ({found.name})"
        )
    await _show_errors(session, person, found)
    return 1 if found.error_count else 0


async def _show_errors(session: Session, person: str, found: Any) -> None:
    shown = 0
    async for error in session.pages(person, imports_pb2.ListMaintenanceImportErrorsRequest(parent=found.name)):
        if shown == SHOWN_ERRORS:
            print(f"  ... all of them: ListMaintenanceImportErrors of {found.name}")
            break
        shown += 1
        print(f"  line {error.row}, {error.column or 'row'}: {error.code}: {error.text}")
