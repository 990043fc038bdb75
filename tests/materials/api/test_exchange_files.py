"""Files as other systems write them, of real size, and as the command line sends them (MAT-320 .. MAT-322)."""

import os
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from plantops.materials.v1 import exchange_pb2

from cli import csv_files
from cli.session import Session
from services.materials.api import reading
from tests.materials.builders import SITE, call, contents, fresh
from tests.materials.files import Import, cells, counts, errors, exported, file_of, sent, taken
from tests.plant import Refused
from tests.statements import statements_of
from tests.world import CAST, Plant

SIZE = 50_000 if os.environ.get("PLANTOPS_TEST_PROFILE") == "deep" else 2_100
HEAD = ("external_id", "number", "title", "base_unit", "tracking", "gross_weight", "gross_weight_unit")


def row(prefix: str, number: int) -> str:
    """A row as a spreadsheet of this continent writes it; each hundredth weighs with a comma."""
    weight = "0,5" if number % 100 == 7 else "0.5"
    return f"{number:06}{prefix};{number:06}{prefix};Bolt M{number % 40}, zinc;H87;NONE;{weight};KGM"


@pytest.mark.rule("MAT-320")
@pytest.mark.rule("MAT-321")
async def test_a_large_file_of_another_system_comes_in_once(store: Plant) -> None:
    prefix = fresh("z")
    file = "\n".join([";".join(HEAD), *(row(prefix, number) for number in range(SIZE))])
    content = b"\xef\xbb\xbf" + file.encode()
    bad = [(number + 2, "gross_weight", "FIELD_INVALID") for number in range(SIZE) if number % 100 == 7]
    expected = (SIZE - len(bad), 0, 0, len(bad))
    engine = store.processes["materials"].engine

    async def through() -> tuple[Any, set[int]]:
        found = await sent(store, "ITEMS", content, delimiter=";")
        sizes = set()
        for done, request in (
            (Import.CHECKED, exchange_pb2.CheckMaterialsImportRequest),
            (Import.DONE, exchange_pb2.RunMaterialsImportRequest),
        ):
            offset = 0
            while found.state != done:
                with statements_of(engine) as seen:
                    found = await call(store, "mara", request(name=found.name, offset=offset))
                if offset and found.state != done:  # a full chunk that neither reads the file nor ends
                    sizes.add(len(seen.with_part("materials_import_row r set")))
                offset = found.next_row
            assert len(sizes) <= (1 if done == Import.CHECKED else 2)
        return found, sizes

    first, _ = await through()
    assert counts(first) == expected
    assert (await errors(store, first))[:500] == bad[:500]
    before = contents(store)
    again, _ = await through()
    assert counts(again) == (0, 0, expected[0], len(bad))
    grown = {name for name, size in contents(store).items() if size != before[name]}
    assert grown == {"materials_import", "materials_import_part", "materials_import_row"}
    request = exchange_pb2.ExportMaterialsRequest(parent=SITE, kind="ITEMS")
    whole = b"".join(part.content for part in await store("vic", request, timeout=300))
    shown = [one for one in cells(whole) if one["number"].endswith(prefix)]
    assert len(shown) == expected[0]
    assert (shown[0]["number"], shown[0]["title"]) == (f"000000{prefix}", "Bolt M0, zinc")


@pytest.mark.rule("MAT-320")
@pytest.mark.rule("MAT-321")
async def test_a_file_is_read_some_rows_a_call_and_what_stands_twice_is_found(
    store: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ROWS", 3)
    prefix = fresh("p")
    rows = [row(prefix, number).split(";") for number in range(8)]
    rows[5][0] = rows[1][0]  # an external id, and below a number, of a row that an earlier call read
    rows.append(["other", *rows[0][1:]])
    file = file_of([HEAD, *rows])
    found = await sent(store, "ITEMS", file)
    states = []
    while found.state != Import.CHECKED:
        found = await call(store, "mara", exchange_pb2.CheckMaterialsImportRequest(name=found.name))
        states.append((found.state, found.row_count, found.next_row))
        if len(states) == 1:
            more = exchange_pb2.AppendMaterialsImportRequest(name=found.name, offset=len(file), content=b"x")
            ahead = exchange_pb2.CheckMaterialsImportRequest(name=found.name, offset=3)
            for request, reason in ((more, "TRANSITION_NOT_ALLOWED"), (ahead, "OFFSET_WRONG")):
                with pytest.raises(Refused) as refused:
                    await call(store, "mara", request)
                assert refused.value.reason == reason
    assert states == [(Import.RECEIVING, 3, 0), (Import.RECEIVING, 6, 0), (Import.CHECKED, 9, 9)]
    assert await errors(store, found) == [
        (7, "", "DUPLICATE"), (9, "gross_weight", "FIELD_INVALID"), (10, "", "DUPLICATE"),
    ]  # fmt: skip
    assert contents(store).get("materials_import_key", 0) == 0  # nobody asks for them any more
    again = await taken(store, "ITEMS", file)
    assert counts(again) == (6, 0, 0, 3)


class Here(Session):
    """A session with a plant that runs in the test's process."""

    plant: Plant

    async def token(self, person: str) -> str:
        return self.plant.issuer.token(person, CAST[person])


@pytest.fixture
async def session(store: Plant) -> AsyncIterator[Session]:
    places = {name: f"127.0.0.1:{process.port}" for name, process in store.processes.items()}
    here = Here(cast(Any, SimpleNamespace(addresses=lambda: SimpleNamespace(services=places))), patience=0)
    here.plant = store
    async with here as found:
        yield found


@pytest.mark.rule("MAT-320")
@pytest.mark.rule("MAT-322")
async def test_the_command_line_checks_takes_and_gives_files(
    store: Plant, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = fresh("cli")
    good, bad = row(prefix, 1).split(";"), row(prefix, 7).split(";")
    wanted = Import(kind="ITEMS", title="items.csv")
    content = file_of([HEAD, good, bad])

    async def bring(**given: Any) -> tuple[int, str]:
        code = await csv_files.import_csv(session, wanted, content, "hamburg", person="people/mara", **given)
        return code, capsys.readouterr().out

    code, said = await bring(dry_run=True)
    assert code == 1
    assert "items.csv: 2 rows: 1 new, 0 changed, 0 as they were, 1 refused" in said
    assert "  line 3, gross_weight: FIELD_INVALID: " in said
    code, said = await bring(dry_run=False)
    assert (code, ": 1 new, 0 changed, 0 as they were, 1 refused (sites/hamburg/materialsImports/" in said) == (1, True)
    wanted.all_or_nothing = True
    code, said = await bring(dry_run=False)
    assert (code, "done in" in said) == (1, False)
    content = file_of([HEAD, good])
    assert (await bring(dry_run=False))[0] == 0
    request = exchange_pb2.ExportMaterialsRequest(parent=SITE, kind="ITEMS")
    taken = b"".join([part async for part in csv_files.export_csv(session, request, person="people/vic")])
    assert taken == await exported(store, "ITEMS")
    assert csv_files.KINDS["production-orders"] == "PRODUCTION_ORDERS"
