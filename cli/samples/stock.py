"""The sample plant's items and locations: about 200 items with GTINs, about 300 locations."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from services.chassis.wire import canonical

PIECE, LITRE, KILOGRAM, METRE = "H87", "LTR", "KGM", "MTR"
GTIN_PREFIX = "952000"
"""Prefix 952 is kept by GS1 for demonstrations."""


@dataclass(frozen=True, slots=True)
class SampleItem:
    """One item: stock on hand at the start, cost per base unit in EUR, and how it is handled."""

    id: str
    number: str
    title: str
    item_class: str
    unit_code: str
    cost: Decimal
    opening: Decimal
    gtin: str
    lots: bool = False
    inspect: bool = False
    step: Decimal = Decimal(1)
    pack: tuple[str, int, int] | None = None
    """Alternate unit with numerator and denominator of base units per unit."""
    reorder: tuple[Decimal, Decimal] | None = None
    """Reorder point and order quantity."""


_FAMILIES = (
    # class, title, unit, first cost, step of cost, sizes, opening stock, pack
    ("bearing", "Deep groove ball bearing {}", PIECE, "6.40", "1.85",
     "6204-2RS 6205-2RS 6206-2RS 6207-2RS 6208-2RS 6209-2RS 6210-2RS 6212-2RS 6214-2RS 6216-2RS 6218-2RS 6220-2RS", 24, None),
    ("bearing", "Spherical roller bearing {}", PIECE, "118.00", "36.50",
     "22212-E 22214-E 22216-E 22218-E 22220-E 22222-E 22226-E 22228-E 22232-E 22236-E", 4, None),
    ("seal", "Shaft seal {}", PIECE, "2.10", "0.55",
     "25x40x7 30x47x7 35x52x7 40x60x8 45x62x8 50x72x8 55x72x8 60x80x8 65x90x10 70x95x10 80x100x10 90x115x10 "
     "100x125x12 110x140x12 120x150x12", 30, None),
    ("belt", "Narrow V-belt {}", PIECE, "9.80", "1.40",
     "SPA-1000 SPA-1120 SPA-1250 SPA-1400 SPA-1600 SPA-1800 SPB-1800 SPB-2000 SPB-2240 SPB-2500 SPB-2800 SPB-3150 "
     "SPC-3150 SPC-3550 SPC-4000 SPC-4500", 12, None),
    ("filter", "Engine oil filter {}", PIECE, "14.20", "2.30", "EO-20 EO-25 EO-30 EO-35 EO-40 EO-50", 18, None),
    ("filter", "Fuel filter {}", PIECE, "19.60", "2.90", "FF-10 FF-15 FF-20 FF-25 FF-30", 16, None),
    ("filter", "Air filter element {}", PIECE, "46.00", "11.00", "AF-300 AF-350 AF-400 AF-450 AF-500", 8, None),
    ("filter", "Hydraulic return filter {}", PIECE, "88.00", "21.00", "HR-110 HR-160 HR-240 HR-330", 6, None),
    ("hose", "Hydraulic hose 2SN {}", METRE, "7.90", "2.60", "DN06 DN08 DN10 DN12 DN16 DN20 DN25 DN32", 60, None),
    ("fitting", "Hose fitting DKOL {}", PIECE, "3.40", "0.95",
     "M14 M16 M18 M22 M26 M30 M36 M45 M52", 40, ("XBX", 10, 1)),
    ("fastener", "Hexagon bolt 8.8 {}", PIECE, "0.22", "0.06",
     "M8x30 M8x50 M10x30 M10x50 M10x80 M12x40 M12x60 M12x100 M16x50 M16x80 M16x120 M20x60 M20x100 M20x160 M24x80 "
     "M24x120 M30x120 M30x180", 400, ("XBX", 50, 1)),
    ("fastener", "Hexagon nut {}", PIECE, "0.08", "0.03", "M8 M10 M12 M16 M20 M24 M30", 600, ("XBX", 100, 1)),
    ("fastener", "Washer {}", PIECE, "0.03", "0.01", "M8 M10 M12 M16 M20 M24 M30", 900, ("XBX", 200, 1)),
    ("lubricant", "Engine oil {}", LITRE, "4.60", "0.40", "10W-30 10W-40 15W-40 5W-30", 416, ("XDR", 208, 1)),
    ("lubricant", "Hydraulic oil HLP {}", LITRE, "3.20", "0.25", "ISO-32 ISO-46 ISO-68", 624, ("XDR", 208, 1)),
    ("lubricant", "Gear oil CLP {}", LITRE, "5.10", "0.35", "ISO-150 ISO-220 ISO-320 ISO-460", 208, ("XDR", 208, 1)),
    ("lubricant", "Grease {}", KILOGRAM, "8.70", "1.10", "EP-1 EP-2 EP-3 MOLY-2", 54, ("XBJ", 18, 1)),
    ("wear", "Bucket tooth {}", PIECE, "64.00", "18.00", "T30 T35 T40 T45 T50 T60", 20, None),
    ("wear", "Tooth adapter {}", PIECE, "138.00", "32.00", "A30 A35 A40 A45 A50 A60", 6, None),
    ("wear", "Crusher jaw plate {}", PIECE, "1240.00", "310.00", "J1-fixed J1-swing J2-fixed J2-swing", 1, None),
    ("wear", "Screen mesh {}", PIECE, "164.00", "22.00", "8mm 11mm 16mm 22mm 32mm 45mm", 3, None),
    ("wear", "Conveyor roller {}", PIECE, "27.00", "4.20", "89x315 89x380 108x380 108x465 133x465 133x530", 24, None),
    ("electrical", "Contactor {}", PIECE, "22.50", "9.40", "9A 12A 18A 25A 32A 40A 65A 95A", 6, None),
    ("electrical", "Fuse NH00 {}", PIECE, "4.10", "0.60", "16A 25A 35A 50A 63A 80A 100A 125A", 30, None),
    ("electrical", "Inductive sensor {}", PIECE, "31.00", "5.50", "M8-2mm M12-4mm M18-8mm M30-15mm", 8, None),
    ("electrical", "LED work light {}", PIECE, "58.00", "17.00", "24V-1500lm 24V-2500lm 24V-4000lm", 10, None),
    ("consumable", "Welding electrode {}", KILOGRAM, "7.40", "0.90", "2.5mm 3.2mm 4.0mm 5.0mm", 40, None),
    ("consumable", "Cut-off wheel {}", PIECE, "1.60", "0.70", "125mm 180mm 230mm", 120, ("XBX", 25, 1)),
    ("consumable", "Brake cleaner {}", LITRE, "3.90", "0.30", "0.5L 20L", 60, None),
    ("consumable", "Wiping cloth {}", KILOGRAM, "2.80", "0.40", "white coloured", 90, None),
)  # fmt: skip

_SPECIAL = (
    # items that the sample's policies and its demonstration use
    ("hydraulic-filter-hf-500", "Hydraulic pressure filter HF-500", "filter", PIECE, "214.00", 0, True, True, None),
    ("pilot-filter-pf-80", "Pilot filter PF-80", "filter", PIECE, "61.50", 14, False, False, ("8", "12")),
    ("seal-kit-boom", "Boom cylinder seal kit", "seal", PIECE, "186.00", 3, True, True, ("2", "4")),
    ("swing-gear-oil", "Swing gear oil 80W-90", "lubricant", LITRE, "5.80", 208, True, False, ("100", "208")),
    ("coolant-mix", "Coolant premix", "consumable", LITRE, "3.10", 400, True, False, ("200", "400")),
    ("track-shoe-bolt", "Track shoe bolt M24x1.5", "fastener", PIECE, "4.90", 320, False, False, ("150", "300")),
)


def gtin13(number: int) -> str:
    """GTIN-13 below the demonstration prefix, with its check digit."""
    body = f"{GTIN_PREFIX}{number:06d}"
    total = sum(int(digit) * (3 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(body)))
    return body + str((10 - total % 10) % 10)


def items() -> list[SampleItem]:
    """All items, in the order of their numbers."""
    return list(_items())


def _items() -> Iterator[SampleItem]:
    number = 0
    for id_, title, item_class, unit, cost, opening, lots, inspect, reorder in _SPECIAL:
        number += 1
        yield SampleItem(
            id=id_,
            number=f"{100000 + number}",
            title=title,
            item_class=item_class,
            unit_code=unit,
            cost=Decimal(cost),
            opening=Decimal(opening),
            gtin=gtin13(number),
            lots=lots,
            inspect=inspect,
            step=_step(unit),
            reorder=(Decimal(reorder[0]), Decimal(reorder[1])) if reorder else None,
        )
    for item_class, title, unit, first, more, sizes, opening, pack in _FAMILIES:
        for index, size in enumerate(sizes.split()):
            number += 1
            yield SampleItem(
                id=_id(title.format(size)),
                number=f"{100000 + number}",
                title=title.format(size),
                item_class=item_class,
                unit_code=unit,
                cost=Decimal(first) + index * Decimal(more),
                opening=Decimal(opening),
                gtin=gtin13(number),
                lots=item_class == "lubricant",
                inspect=item_class in {"wear", "lubricant"},
                step=_step(unit),
                pack=pack,
                reorder=(Decimal(opening) / 2, Decimal(opening)) if index == 0 and opening >= 4 else None,
            )


def _step(unit: str) -> Decimal:
    return Decimal(1) if unit == PIECE else Decimal("0.001")


def _id(title: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())


@dataclass(frozen=True, slots=True)
class SampleLocation:
    """One location below its parent; groups hold no stock."""

    id: str
    title: str
    kind: str
    parent: str = ""
    check_code: str = ""
    path_order: int = 0


AISLES, BAYS, LEVELS = "abcdef", 12, 4


def locations() -> list[SampleLocation]:
    """Parents before children: docks, inspection, staging, six aisles with 48 bins each."""
    found = [
        SampleLocation("warehouse", "Central warehouse", "GROUP"),
        SampleLocation("dock-1", "Receiving dock 1", "DOCK", "warehouse", "71", 1),
        SampleLocation("dock-2", "Receiving dock 2", "DOCK", "warehouse", "72", 2),
        SampleLocation("inspection", "Incoming inspection", "QUALITY", "warehouse", "73", 3),
        SampleLocation("yard", "Yard", "GROUP"),
        SampleLocation("oil-store", "Oil store", "STORAGE", "yard", "74", 900),
        SampleLocation("staging-workshop", "Staging, workshop", "STAGING", "", "81", 950),
        SampleLocation("staging-crushing", "Staging, crushing line", "STAGING", "", "82", 951),
        SampleLocation("staging-field", "Staging, field service", "STAGING", "", "83", 952),
    ]
    for aisle in AISLES:
        found.append(SampleLocation(f"aisle-{aisle}", f"Aisle {aisle.upper()}", "GROUP", "warehouse"))
    order = 10
    for aisle in AISLES:
        for bay in range(1, BAYS + 1):
            for level in range(1, LEVELS + 1):
                order += 1
                name = f"{aisle}-{bay:02d}-{level}"
                found.append(
                    SampleLocation(
                        name, f"Bin {name.upper()}", "STORAGE", f"aisle-{aisle}", f"{order % 90 + 10}", order
                    )
                )
    return found


def openings() -> list[tuple[SampleItem, str, Decimal]]:
    """(item, bin, quantity) of the stock on hand at the start: each item in a bin of its own, oil in its store."""
    bins = [location.id for location in locations() if location.kind == "STORAGE" and location.id != "oil-store"]
    stocked = [item for item in items() if item.opening > 0]
    return [
        (item, "oil-store" if item.item_class == "lubricant" else bins[index], item.opening)
        for index, item in enumerate(stocked)
    ]


def text(value: Decimal) -> str:
    """Decimal text as the contract wants it."""
    return canonical(value)
