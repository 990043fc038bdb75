"""Who supplies a need: the candidates of a site and the source policy in force (PRC-25, PRC-32)."""

from collections.abc import Sequence

from sqlalchemy import or_, select

from services.chassis.unit import Unit
from services.procurement.model import facts
from services.procurement.model import policy as policies
from services.procurement.model.policy import Choice, Kind
from services.procurement.model.requisition import Requisition
from services.procurement.model.supplier import State, Supplier, SupplierItem
from services.procurement.rules import source


async def propose(unit: Unit, need: Requisition) -> None:
    """Set supplier, estimate and arrival by the source policy in force; who was passed over is kept in words."""
    site = need.site or ""
    revision = await policies.in_force(unit, Kind.SOURCE, site)
    how = revision.choice if revision is not None else Choice.RANK
    rows: Sequence[tuple[SupplierItem, Supplier]] = (
        await unit.execute(
            select(SupplierItem, Supplier)
            .join(Supplier, Supplier.name == SupplierItem.supplier)  # type: ignore[arg-type]
            .where(
                SupplierItem.item == need.item,  # type: ignore[arg-type]
                or_(SupplierItem.site == site, SupplierItem.site.is_(None)),  # type: ignore[arg-type, union-attr]
            )
            .order_by(SupplierItem.name)
        )
    ).all()  # type: ignore[assignment]
    own = {item.supplier for item, _ in rows if item.site}
    candidates = [item.candidate(_excluded(item, supplier, own)) for item, supplier in rows]
    choice = source.choose(candidates, need.quantity, await facts.today(unit, site), how.value)
    by = f"source policy {revision.name}" if revision is not None else "no source policy: by rank"
    need.explanation = [by, *choice.explanation]
    if choice.offer is None:
        need.supplier = need.supplier_item = need.estimate_currency_code = ""
        need.estimate = need.expected_date = None
        return
    chosen = choice.offer.candidate
    need.supplier, need.supplier_item = chosen.supplier, chosen.name
    need.estimate, need.estimate_currency_code = choice.offer.total, chosen.terms.currency_code
    need.expected_date = choice.offer.arrival


def _excluded(item: SupplierItem, supplier: Supplier, own: set[str]) -> str:
    if supplier.state is not State.ACTIVE:
        return f"the supplier is {supplier.state}"
    if item.site is None and item.supplier in own:
        return "the supplier sells it to this site on other terms"
    if item.currency_code != supplier.currency_code:
        return f"its prices are not in {supplier.currency_code}"
    return ""


async def item_of(unit: Unit, supplier: str, item: str, site: str) -> SupplierItem | None:
    """What a supplier asks for an item at a site: the site's own terms before those for all."""
    found: SupplierItem | None = await unit.first(
        select(SupplierItem)
        .where(
            SupplierItem.supplier == supplier,  # type: ignore[arg-type]
            SupplierItem.item == item,  # type: ignore[arg-type]
            or_(SupplierItem.site == site, SupplierItem.site.is_(None)),  # type: ignore[arg-type, union-attr]
        )
        .order_by(SupplierItem.site.is_(None))  # type: ignore[union-attr]
        .limit(1)
    )
    return found
