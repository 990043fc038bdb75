"""CSV files as people send them, and what became of their rows."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from plantops.materials.v1 import exchange_pb2

from tests.materials.builders import SITE, call
from tests.world import Plant

Import = exchange_pb2.MaterialsImport
WHO = {"LOTS": "sam", "SERIALS": "sam", "STOCK": "stella"}


def file_of(rows: Sequence[Sequence[str]], delimiter: str = ",") -> bytes:
    """A file with a header and rows."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode()


async def sent(plant: Plant, kind: str, content: bytes, *, person: str = "", parent: str = SITE, **given: Any) -> Any:
    """An import with its file."""
    person = person or WHO.get(kind, "mara")
    new = Import(kind=kind, title="file", **given)
    made = await call(plant, person, exchange_pb2.CreateMaterialsImportRequest(parent=parent, materials_import=new))
    for offset in range(0, len(content), 400_000):
        part = content[offset : offset + 400_000]
        request = exchange_pb2.AppendMaterialsImportRequest(name=made.name, offset=offset, content=part)
        made = await call(plant, person, request)
    return made


async def checked(plant: Plant, kind: str, content: bytes, **given: Any) -> Any:
    """An import after its dry run."""
    person = given.get("person") or WHO.get(kind, "mara")
    found = await sent(plant, kind, content, **given)
    while found.state != Import.CHECKED:
        request = exchange_pb2.CheckMaterialsImportRequest(name=found.name, offset=found.next_row)
        found = await call(plant, person, request)
    return found


async def taken(plant: Plant, kind: str, content: bytes, **given: Any) -> Any:
    """An import after its run, which did what its check had said."""
    person = given.get("person") or WHO.get(kind, "mara")
    said = await checked(plant, kind, content, **given)
    found = said
    while found.state != Import.DONE:
        offset = 0 if found.state == Import.CHECKED else found.next_row
        found = await call(plant, person, exchange_pb2.RunMaterialsImportRequest(name=found.name, offset=offset))
    assert counts(found) == counts(said)
    return found


def counts(found: Any) -> tuple[int, int, int, int]:
    """(created, updated, unchanged, errors)."""
    return found.created_count, found.updated_count, found.unchanged_count, found.error_count


async def rows(plant: Plant, found: Any, outcome: str = "OUTCOME_UNSPECIFIED") -> list[Any]:
    """What became of rows."""
    request = exchange_pb2.ListMaterialsImportRowsRequest(parent=found.name, outcome=outcome, page_size=500)
    return list((await plant("vic", request)).rows)


async def errors(plant: Plant, found: Any) -> list[tuple[int, str, str]]:
    """(line, column, code) of refused rows."""
    return [(row.line, row.column, row.code) for row in await rows(plant, found, "ERROR")]


async def exported(plant: Plant, kind: str, parent: str = SITE, **given: Any) -> bytes:
    """A whole export."""
    parts = await plant("vic", exchange_pb2.ExportMaterialsRequest(parent=parent, kind=kind, **given))
    return b"".join(part.content for part in parts)


def cells(content: bytes) -> list[dict[str, str]]:
    """Rows of a file by column."""
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))
