"""`plantops import csv` and `plantops export csv`: files of items, stock, orders and more, in and out (MAT-320)."""

import argparse
import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from plantops.materials.v1 import exchange_pb2

from cli.elsewhere import plant_of
from cli.session import Session

PART_BYTES = 256 * 1024
SHOWN_ERRORS = 50
Import = exchange_pb2.MaterialsImport
KINDS = {name.lower().replace("_", "-"): name for name, number in Import.Kind.items() if number}
"""Word of the command line -> kind of the contract."""
PERSON = "people/mara"


def csv_parsers(imports: Any, exports: Any) -> None:
    """Add `import csv` and `export csv` to the command line."""
    bring = imports.add_parser("csv", help="items, places, stock, structures, orders and more from CSV")
    bring.add_argument("kind", choices=KINDS)
    bring.add_argument("file", type=Path)
    bring.add_argument("--all-or-nothing", action="store_true", help="one bad row keeps all rows out")
    bring.add_argument("--dry-run", action="store_true", help="check only")
    bring.set_defaults(command=_import)
    take = exports.add_parser("csv", help="a file of the same form, which can be imported again")
    take.add_argument("kind", choices=KINDS)
    take.add_argument("file", type=Path, nargs="?", help="where to (default: standard output)")
    take.set_defaults(command=_export)
    for action in (bring, take):
        action.add_argument("--site", required=True, help="site id, such as hamburg")
        action.add_argument("--delimiter", default="", help="what stands between columns (default: comma)")
        action.add_argument(
            "--spreadsheet-safe", action="store_true", help="cells a spreadsheet would calculate are marked"
        )
        action.add_argument("--as", dest="person", default=PERSON, help="who asks (default %(default)s)")


def _import(options: argparse.Namespace) -> int:
    if not options.file.is_file():
        print(f"plantops: {options.file} is no file", file=sys.stderr)
        return 2
    wanted = Import(
        kind=KINDS[options.kind], title=options.file.name, delimiter=options.delimiter,
        all_or_nothing=options.all_or_nothing, spreadsheet_safe=options.spreadsheet_safe,
    )  # fmt: skip

    async def work() -> int:
        async with Session.of(plant_of(options.data)) as session:
            return await import_csv(
                session, wanted, options.file.read_bytes(), options.site, person=options.person,
                dry_run=options.dry_run,
            )  # fmt: skip

    return asyncio.run(work())


async def import_csv(
    session: Session, wanted: Any, content: bytes, site: str, *, person: str, dry_run: bool
) -> int:  # fmt: skip
    """Send a file in parts, check it, take its rows; prints counts and refused rows; 0 when no row was refused."""
    begin = time.monotonic()
    request = exchange_pb2.CreateMaterialsImportRequest(parent=f"sites/{site}", materials_import=wanted)
    found: Any = await session.call(person, request)
    for offset in range(0, len(content), PART_BYTES):
        part = content[offset : offset + PART_BYTES]
        await session.call(
            person, exchange_pb2.AppendMaterialsImportRequest(name=found.name, offset=offset, content=part)
        )
    while found.state != Import.CHECKED:
        found = await session.call(
            person, exchange_pb2.CheckMaterialsImportRequest(name=found.name, offset=found.next_row), seconds=60
        )
    print(f"{wanted.title}: {found.row_count} rows: {_counts(found)}")
    if not dry_run and not (wanted.all_or_nothing and found.error_count):
        offset = 0
        while found.state != Import.DONE:
            run = exchange_pb2.RunMaterialsImportRequest(name=found.name, offset=offset)
            found = await session.call(person, run, seconds=60)
            if found.state == Import.CHECKED:  # a row went bad since the check, and all come in or none
                break
            offset = found.next_row
            print(f"  row {offset}: {_counts(found)}", file=sys.stderr)
        if found.state == Import.DONE:
            print(f"done in {time.monotonic() - begin:.1f} s: {_counts(found)} ({found.name})")
    await _show_errors(session, person, found)
    return 1 if found.error_count else 0


def _counts(found: Any) -> str:
    return (
        f"{found.created_count} new, {found.updated_count} changed, {found.unchanged_count} as they were,"
        f" {found.error_count} refused"
    )


async def _show_errors(session: Session, person: str, found: Any) -> None:
    shown = 0
    request = exchange_pb2.ListMaterialsImportRowsRequest(parent=found.name, outcome=Import.ERROR)
    async for row in session.pages(person, request):
        if shown == SHOWN_ERRORS:
            print(f"  ... all of them: ListMaterialsImportRows of {found.name}")
            break
        shown += 1
        print(f"  line {row.line}, {row.column or 'row'}: {row.code}: {row.text}")


def _export(options: argparse.Namespace) -> int:
    wanted = exchange_pb2.ExportMaterialsRequest(
        parent=f"sites/{options.site}", kind=KINDS[options.kind], delimiter=options.delimiter,
        spreadsheet_safe=options.spreadsheet_safe,
    )  # fmt: skip

    async def work() -> int:
        async with Session.of(plant_of(options.data)) as session:
            parts = [part async for part in export_csv(session, wanted, person=options.person)]
        if options.file is not None:
            options.file.write_bytes(b"".join(parts))
        else:
            sys.stdout.buffer.write(b"".join(parts))
        return 0

    return asyncio.run(work())


async def export_csv(session: Session, wanted: Any, *, person: str) -> AsyncIterator[bytes]:
    """The parts of an export."""
    async for part in session.stream(person, wanted, rpc="ExportMaterials"):
        yield part.content
