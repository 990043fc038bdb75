"""The sample plant's equipment: 40 assets in a tree with meters, and the policies that keep them running."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SampleAsset:
    """One asset below its parent; `meter` counts running hours from the given value."""

    id: str
    number: str
    title: str
    criticality: str
    parent: str = ""
    staging: str = ""
    cost_centre: str = ""
    meter: str | None = None


FIELD, CRUSHING, WORKSHOP = "staging-field", "staging-crushing", "staging-workshop"

ASSETS = (
    SampleAsset("extraction", "EX", "Extraction", "A", cost_centre="1100"),
    *(
        SampleAsset(f"excavator-{letter.lower()}", letter, f"Hydraulic excavator {letter}", "A", "extraction", FIELD, "1110", hours)
        for letter, hours in (("A", "11840"), ("B", "20415"), ("C", "19380"), ("D", "24610"), ("E", "18275"))
    ),
    SampleAsset("loader-1", "WL-1", "Wheel loader 1", "B", "extraction", FIELD, "1120", "6210"),
    SampleAsset("loader-2", "WL-2", "Wheel loader 2", "B", "extraction", FIELD, "1120", "3105"),
    SampleAsset("dumper-1", "DT-1", "Dump truck 1", "B", "extraction", FIELD, "1130", "9012"),
    SampleAsset("dumper-2", "DT-2", "Dump truck 2", "B", "extraction", FIELD, "1130", "8740"),
    SampleAsset("dumper-3", "DT-3", "Dump truck 3", "B", "extraction", FIELD, "1130", "4415"),
    SampleAsset("crushing", "CR", "Crushing line", "A", cost_centre="1200"),
    SampleAsset("feeder", "CR-10", "Vibrating feeder", "B", "crushing", CRUSHING, "1200", "14220"),
    SampleAsset("jaw-crusher", "CR-20", "Jaw crusher", "A", "crushing", CRUSHING, "1200", "14180"),
    SampleAsset("jaw-drive", "CR-21", "Jaw crusher drive 160 kW", "A", "jaw-crusher", CRUSHING, "1200"),
    SampleAsset("cone-crusher", "CR-30", "Cone crusher", "A", "crushing", CRUSHING, "1200", "13890"),
    SampleAsset("cone-drive", "CR-31", "Cone crusher drive 200 kW", "A", "cone-crusher", CRUSHING, "1200"),
    SampleAsset("conveyor-1", "CR-41", "Belt conveyor 1", "B", "crushing", CRUSHING, "1210", "14200"),
    SampleAsset("conveyor-1-gear", "CR-42", "Belt conveyor 1 gearbox", "B", "conveyor-1", CRUSHING, "1210"),
    SampleAsset("conveyor-2", "CR-43", "Belt conveyor 2", "B", "crushing", CRUSHING, "1210", "14150"),
    SampleAsset("conveyor-3", "CR-45", "Belt conveyor 3", "B", "crushing", CRUSHING, "1210", "13300"),
    SampleAsset("screening", "SC", "Screening", "B", cost_centre="1300"),
    SampleAsset("screen-1", "SC-10", "Vibrating screen 1", "B", "screening", CRUSHING, "1300", "13975"),
    SampleAsset("screen-2", "SC-20", "Vibrating screen 2", "B", "screening", CRUSHING, "1300", "12110"),
    SampleAsset("washer", "SC-30", "Sand washer", "B", "screening", CRUSHING, "1310", "11005"),
    SampleAsset("dewatering", "SC-40", "Dewatering screen", "C", "screening", CRUSHING, "1310"),
    SampleAsset("utilities", "UT", "Utilities", "B", cost_centre="1400"),
    SampleAsset("compressor-1", "UT-11", "Screw compressor 1", "B", "utilities", WORKSHOP, "1410", "21450"),
    SampleAsset("compressor-2", "UT-12", "Screw compressor 2", "C", "utilities", WORKSHOP, "1410", "8830"),
    SampleAsset("receiver", "UT-13", "Compressed air receiver 2 m3", "A", "utilities", WORKSHOP, "1410"),
    SampleAsset("pump-1", "UT-21", "Process water pump 1", "B", "utilities", WORKSHOP, "1420", "17760"),
    SampleAsset("pump-2", "UT-22", "Process water pump 2", "B", "utilities", WORKSHOP, "1420", "17240"),
    SampleAsset("sump-pump", "UT-23", "Pit sump pump", "A", "utilities", FIELD, "1420", "9655"),
    SampleAsset("transformer", "UT-31", "Transformer 1250 kVA", "A", "utilities", WORKSHOP, "1430"),
    SampleAsset("generator", "UT-32", "Emergency generator 250 kVA", "A", "utilities", WORKSHOP, "1430", "640"),
    SampleAsset("workshop", "WS", "Workshop", "C", cost_centre="1500"),
    SampleAsset("crane", "WS-10", "Overhead crane 10 t", "A", "workshop", WORKSHOP, "1500"),
    SampleAsset("lift-table", "WS-20", "Lift table 3 t", "C", "workshop", WORKSHOP, "1500"),
    SampleAsset("forklift", "WS-30", "Forklift 5 t", "B", "workshop", WORKSHOP, "1500", "5120"),
    SampleAsset("press", "WS-40", "Workshop press 100 t", "C", "workshop", WORKSHOP, "1500"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SamplePolicy:
    """One policy with its content: parts are (item, quantity, unit); `assets` get it assigned."""

    id: str
    title: str
    order_title: str
    steps: tuple[str, ...]
    assets: tuple[str, ...]
    parts: tuple[tuple[str, str, str], ...] = ()
    hours: str = ""
    months: int = 0
    days: int = 0
    priority: int = 3
    statutory: bool = False
    estimated_hours: str = "2"


EXCAVATORS = tuple(f"excavator-{letter}" for letter in "abcde")

POLICIES = (
    SamplePolicy(
        "excavator-500h", "Excavator service, 500 h", "Excavator service 500 h",
        ("Drain and refill the swing gear oil", "Replace the hydraulic pressure filter", "Check track tension and bolts"),
        EXCAVATORS,
        (("hydraulic-filter-hf-500", "2", "H87"), ("swing-gear-oil", "12", "LTR")),
        hours="500", priority=2, estimated_hours="6",
    ),
    SamplePolicy(
        "loader-250h", "Wheel loader service, 250 h", "Wheel loader service 250 h",
        ("Change engine oil and filter", "Grease all points"), ("loader-1", "loader-2"),
        (("engine-oil-filter-eo-30", "1", "H87"), ("engine-oil-15w-40", "28", "LTR")),
        hours="250", estimated_hours="3",
    ),
    SamplePolicy(
        "dumper-500h", "Dump truck service, 500 h", "Dump truck service 500 h",
        ("Change engine oil and filters", "Check the brakes"), ("dumper-1", "dumper-2", "dumper-3"),
        (("engine-oil-filter-eo-40", "2", "H87"), ("fuel-filter-ff-20", "2", "H87"), ("engine-oil-15w-40", "42", "LTR")),
        hours="500", estimated_hours="5",
    ),
    SamplePolicy(
        "crusher-400h", "Crusher inspection, 400 h", "Crusher inspection 400 h",
        ("Measure liner wear", "Check bearing temperature and oil level", "Retighten the wedge bolts"),
        ("jaw-crusher", "cone-crusher"), (("grease-ep-2", "6", "KGM"),), hours="400", priority=2, estimated_hours="4",
    ),
    SamplePolicy(
        "conveyor-1000h", "Conveyor service, 1000 h", "Conveyor service 1000 h",
        ("Check belt alignment and scrapers", "Replace noisy rollers"), ("conveyor-1", "conveyor-2", "conveyor-3"),
        (("conveyor-roller-108x380", "2", "H87"),), hours="1000",
    ),
    SamplePolicy(
        "screen-600h", "Screen service, 600 h", "Screen service 600 h",
        ("Inspect the mesh", "Check the exciter oil"), ("screen-1", "screen-2"),
        (("gear-oil-clp-iso-150", "4", "LTR"),), hours="600",
    ),
    SamplePolicy(
        "compressor-2000h", "Compressor service, 2000 h", "Compressor service 2000 h",
        ("Replace air filter and separator", "Change the oil"), ("compressor-1", "compressor-2"),
        (("air-filter-element-af-350", "1", "H87"),), hours="2000",
    ),
    SamplePolicy(
        "pump-monthly", "Pump round, monthly", "Pump round", ("Check seals, noise and vibration",),
        ("pump-1", "pump-2", "sump-pump"), months=1, estimated_hours="1",
    ),
    SamplePolicy(
        "generator-test", "Emergency generator test run", "Emergency generator test run", ("Run under load for 30 minutes",),
        ("generator",), days=28, priority=2, estimated_hours="1",
    ),
    SamplePolicy(
        "receiver-inspection", "Pressure vessel inspection", "Pressure vessel inspection",
        ("External inspection by the competent person",), ("receiver",), months=12, priority=1, statutory=True,
    ),
    SamplePolicy(
        "crane-inspection", "Crane inspection", "Crane inspection", ("Annual inspection by the competent person",),
        ("crane",), months=12, priority=1, statutory=True,
    ),
)  # fmt: skip
