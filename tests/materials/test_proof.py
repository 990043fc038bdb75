"""The daily proof: due once a day, kept, told as an alarm when something differs."""

from typing import Any

import pytest
from plantops.materials.v1 import movements_pb2

from services.materials import jobs
from services.materials.model import proof
from tests.materials.builders import SITE, item, stocked
from tests.plant import Refused
from tests.world import Plant


async def work(store: Plant) -> None:
    """What the job does when it is its turn."""
    await jobs.prove_ledgers(store.processes["materials"].commands.open_unit)


def change(store: Plant, statement: str, *values: str) -> None:
    """Past all guards, as only a superuser can."""
    with store.look("materials") as connection:
        connection.execute(statement.encode(), values)


def differences(store: Plant) -> Any:
    metrics = store.processes["materials"].metrics
    return metrics.registry.get_sample_value("plantops_proof_differences")


@pytest.mark.rule("MAT-45")
async def test_a_ledger_is_proved_once_a_day_and_a_difference_is_an_alarm(store: Plant) -> None:
    name = await item(store)
    await stocked(store, name, 5)
    change(store, "delete from ledger_proof")
    await work(store)
    assert differences(store) == 0
    shown = await store("opal", movements_pb2.CheckLedgerRequest(name=SITE))
    assert (list(shown.findings), shown.last_proof_finding_count) == ([], 0)
    first = shown.last_proof_time.ToDatetime()

    change(store, "update balance set on_hand = 6 where item = %s and not virtual", name)
    try:
        await work(store)  # not due
        assert differences(store) == 0
        change(store, "update ledger_proof set prove_time = prove_time - interval '25 hours'")
        await work(store)
        assert differences(store) > 0
        shown = await store("opal", movements_pb2.CheckLedgerRequest(name=SITE))
        assert shown.findings[0].startswith("balance differs from the ledger")
        assert shown.last_proof_time.ToDatetime() > first
        assert shown.last_proof_finding_count == len(shown.findings)
    finally:
        change(store, "update balance set on_hand = 5 where item = %s and not virtual", name)
    change(store, "update ledger_proof set prove_time = prove_time - interval '25 hours'")
    await work(store)
    assert differences(store) == 0


@pytest.mark.rule("MAT-45")
async def test_a_ledger_is_checked_part_by_part(store: Plant) -> None:
    names = sorted([await item(store) for _ in range(3)])
    for name in names:
        await stocked(store, name, 5)
    change(store, "update balance set on_hand = 6 where item = %s and not virtual", names[1])
    try:
        whole = await store("opal", movements_pb2.CheckLedgerRequest(name=SITE))
        assert whole.findings
        assert not whole.next_page_token
        request = movements_pb2.CheckLedgerRequest(name=SITE, entry_count=1)
        found: list[str] = []
        parts = 0
        while not parts or request.page_token:
            answer = await store("opal", request)
            found += answer.findings
            assert bool(answer.movement_count) is (parts == 0)
            request.page_token = answer.next_page_token
            parts += 1
        with store.look("materials") as connection:
            moved = connection.execute("select count(*) from value_balance").fetchone()
        assert (sorted(found), parts) == (sorted(whole.findings), moved[0] if moved else 0)
    finally:
        change(store, "update balance set on_hand = 5 where item = %s and not virtual", names[1])
    with pytest.raises(Refused, match="page_token"):
        await store("opal", movements_pb2.CheckLedgerRequest(name=SITE, entry_count=1, page_token="x"))


def test_each_check_has_its_sentence() -> None:
    sentences = [sentence for sentence, _ in (*proof._BY_ITEM, *proof._CHECKS)]
    assert len(set(sentences)) == len(sentences) > 8
