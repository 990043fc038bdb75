"""The sample plant's suppliers: who sells which class of item, at which price breaks, in which time."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class SampleSupplier:
    """One supplier: classes or single items that it sells, its price level, lead time and rank among others."""

    id: str
    number: str
    title: str
    country: str
    sells: tuple[str, ...]
    level: Decimal
    lead_days: int
    rank: int
    minimum: Decimal = Decimal(0)
    multiple: Decimal = Decimal(1)


SUPPLIERS = (
    SampleSupplier("elbe-waelzlager", "L1001", "Elbe Wälzlager GmbH", "DE", ("bearing",), Decimal("1.00"), 2, 1),
    SampleSupplier("nordic-bearings", "L1002", "Nordic Bearings AB", "SE", ("bearing", "seal"), Decimal("0.94"), 9, 2, Decimal(4), Decimal(2)),
    SampleSupplier("hansa-dichtungen", "L1003", "Hansa Dichtungen KG", "DE", ("seal",), Decimal("1.00"), 3, 1),
    SampleSupplier("ludwig-antriebe", "L1004", "Ludwig Antriebstechnik", "DE", ("belt",), Decimal("1.00"), 4, 1),
    SampleSupplier("filtrona-nord", "L1005", "Filtrona Nord GmbH", "DE", ("filter",), Decimal("1.00"), 5, 1),
    SampleSupplier("euro-filter", "L1006", "Euro Filter Supply", "NL", ("filter",), Decimal("0.91"), 12, 2, Decimal(6), Decimal(6)),
    SampleSupplier("hydraulik-hafen", "L1007", "Hydraulik am Hafen", "DE", ("hose", "fitting"), Decimal("1.00"), 1, 1),
    SampleSupplier("schrauben-voss", "L1008", "Schrauben Voss", "DE", ("fastener",), Decimal("1.00"), 2, 1, Decimal(50), Decimal(50)),
    SampleSupplier("lubri-hanse", "L1009", "Lubri Hanse Öle", "DE", ("lubricant",), Decimal("1.00"), 4, 1, Decimal(18), Decimal(1)),
    SampleSupplier("steinbrecher-teile", "L1010", "Steinbrecher Verschleißteile", "AT", ("wear",), Decimal("1.00"), 14, 1),
    SampleSupplier("elektro-krogmann", "L1011", "Elektro Krogmann", "DE", ("electrical",), Decimal("1.00"), 2, 1),
    SampleSupplier("werkstatt-bedarf", "L1012", "Werkstattbedarf Nord", "DE", ("consumable",), Decimal("1.00"), 2, 1),
)  # fmt: skip

BREAKS = ((Decimal(0), Decimal("1.00")), (Decimal(10), Decimal("0.95")), (Decimal(100), Decimal("0.88")))
"""From this order quantity on, this part of the list price."""

MARKUP = Decimal("1.08")
"""List price over the item's cost."""


def prices(cost: Decimal, level: Decimal) -> list[tuple[Decimal, Decimal]]:
    """(break quantity, unit price in EUR rounded to cents)."""
    return [(quantity, (cost * MARKUP * level * part).quantize(Decimal("0.01"))) for quantity, part in BREAKS]


REQUISITION_AUTOMATIC_UP_TO = 250
ORDER_AUTOMATIC_UP_TO = 500
CEILING = 50_000
"""EUR: what the approval policy of the sample lets pass by itself, and what nobody here may approve."""
