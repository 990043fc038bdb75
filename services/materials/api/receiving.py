"""How a site counts goods in: guided by what is awaited, or blind to it (MAT-96)."""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any

from plantops.materials.v1 import receipts_pb2
from sqlalchemy import select

from services.chassis.faults import FailedPrecondition
from services.chassis.unit import Unit
from services.chassis.wire import canonical, fill
from services.materials.model import settings
from services.materials.model.direct_line import DirectLine
from services.materials.model.receipt import ExpectedReceipt, OverReceipt, Receipt, ReceiptLine, ReceiptState
from services.materials.model.settings import Receiving, SiteSettings

COUNTS_IN = "materials.receipts.write"
"""Who may count goods in does not see how much is expected where receiving is blind."""


class NotAwaited(FailedPrecondition):
    """The site guides its receiving: what is not awaited has to be meant (MAT-96)."""

    text = "{asked} {unit_code} are more than the {awaited} that are awaited; if they are there, say so with excess."


class BlindReceiving(FailedPrecondition):
    """The site counts goods in blind: nobody who counts is told what there should be (MAT-96)."""

    text = "{site} counts goods in blind; scan what is there."


class MoreThanAccepted(OverReceipt):
    """More than the order accepts, told to who does not see how much that is."""

    reason = "OVER_RECEIPT"
    text = "{expected_receipt} accepts no more; {asked} {unit_code} were scanned."


async def of(unit: Unit, site: str) -> Receiving:
    """How a site counts goods in."""
    return (await settings.site_settings(unit, site, lock=False)).receiving


def guide(awaited: Decimal, asked: Decimal, unit_code: str, *, excess: bool) -> None:
    """NotAwaited for more than is awaited, unless it is meant."""
    if asked > awaited and not excess:
        raise NotAwaited(asked=canonical(asked), awaited=canonical(awaited), unit_code=unit_code)


def unseen(fault: OverReceipt, asked: Decimal, unit_code: str) -> MoreThanAccepted:
    """A refusal without the numbers of the order."""
    where = fault.metadata["expected_receipt"]
    return MoreThanAccepted(expected_receipt=where, asked=canonical(asked), unit_code=unit_code)


async def blind_at(unit: Unit, sites: Iterable[str | None]) -> Collection[str]:
    """Those of the sites where the caller counts goods in blind; one statement, none for who does not count."""
    wanted = {site for site in sites if site and unit.caller.may(COUNTS_IN, site)}
    if not wanted:
        return frozenset()
    columns: Any = SiteSettings
    statement = select(columns.site).where(columns.site.in_(sorted(wanted)), columns.receiving == Receiving.BLIND)
    return frozenset(await unit.all(statement))


async def refuse_blind(unit: Unit, receipt: Receipt) -> None:
    """BlindReceiving for what would tell how much is expected."""
    if await blind_at(unit, [receipt.site]):
        raise BlindReceiving(site=f"sites/{receipt.site}")


class _Hidden:
    """A row as who counts in blind sees it."""

    def __init__(self, row: Any, names: Collection[str], **instead: Any) -> None:
        self._row, self._names, self._instead = row, names, instead

    def __getattr__(self, name: str) -> Any:
        if name in self._instead:
            return self._instead[name]
        return None if name in self._names else getattr(self._row, name)


EXPECTED = frozenset({"quantity", "received", "accept_limit"})
ANNOUNCED = frozenset({"quantity", "received"})
COUNTED = frozenset(
    {"expected_receipt", "purchase_order", "order_line", "schedule_line", "order_quantity", "over", "status"}
)
BESIDE = frozenset({"quantity", "over", "label_text"})


async def expected(unit: Unit, rows: Sequence[ExpectedReceipt]) -> list[Any]:
    """Expected receipts as the caller may see them."""
    blind = await blind_at(unit, [row.site for row in rows])
    return [_Hidden(row, EXPECTED) if row.site in blind else row for row in rows]


async def announced(unit: Unit, rows: Sequence[Any]) -> list[Any]:
    """Expected deliveries as the caller may see them."""
    blind = await blind_at(unit, [row.site for row in rows])
    return [
        _Hidden(row, (), lines=[_Hidden(line, ANNOUNCED) for line in row.lines]) if row.site in blind else row
        for row in rows
    ]


async def receipts(unit: Unit, rows: Sequence[Receipt]) -> list[Any]:
    """Receipts as the caller may see them: while goods are counted in blind, what was scanned and nothing else."""
    blind = await blind_at(unit, [row.site for row in rows if row.state is ReceiptState.ARRIVED])
    return [
        _Hidden(
            row, (), lines=scans(row.lines), direct_lines=[_Hidden(line, BESIDE) for line in row.direct_lines]
        )
        if row.site in blind and row.state is ReceiptState.ARRIVED
        else row
        for row in rows
    ]  # fmt: skip


def scans(lines: Sequence[ReceiptLine]) -> list[Any]:
    """Lines as they were scanned, not as they were spread over an order's lines."""
    found: dict[int, list[ReceiptLine]] = {}
    for line in lines:
        found.setdefault(line.spread_of or line.line, []).append(line)
    return [
        _Hidden(
            parts[0], COUNTED, quantity=sum((part.quantity for part in parts), Decimal(0)),
            entered_quantity=None if len(parts) > 1 else parts[0].entered_quantity,
            serials=[serial for part in parts for serial in part.serials],
        )
        for parts in found.values()
    ]  # fmt: skip


def line(made: Sequence[ReceiptLine], *, blind: bool) -> Any:
    """The answer to a scan."""
    return fill(receipts_pb2.Receipt.Line(), scans(made)[0] if blind else made[0])


def beside(rows: Sequence[DirectLine], *, blind: bool) -> list[Any]:
    """Lines that are no stock, as the caller may see them."""
    return [_Hidden(row, BESIDE) if blind else row for row in rows]
