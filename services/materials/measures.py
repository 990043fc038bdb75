"""Measures from the ledger and its documents, read only (section 7): each is one statement and its formula in words."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from plantops.materials.v1.measures_pb2 import MaterialsMeasure
from sqlalchemy import TextClause

from services.chassis.faults import FieldInvalid
from services.chassis.unit import Unit
from services.chassis.wire import canonical, date_message
from services.materials.model import measured, measured_flows
from services.materials.model.item import site_fact
from services.materials.rules import measures as rule

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a measure means; a change of the formula is a new version."""

    name: str
    formula: str
    unit_code: str
    events: tuple[str, ...]
    statement: TextClause
    version: int = 1

    @property
    def id(self) -> str:
        """Definition and version."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A site, a window [first, last) of its days, and a class of items or all."""

    site: str
    first: date
    last: date
    zone: str
    item_class: str
    now: datetime

    @classmethod
    async def of(cls, unit: Unit, parent: str, first: date, last: date, item_class: str) -> "Asked":
        """FieldInvalid for an empty window or a site that is not known."""
        fact = await site_fact(unit, parent.split("/")[1])
        if last <= first:
            raise FieldInvalid(field="end_date", rule="must be later than start_date", value=last)
        return cls(parent.split("/")[1], first, last, fact.time_zone, item_class, unit.now)

    @property
    def values(self) -> dict[str, Any]:
        """Parameters of a statement."""
        zone = ZoneInfo(self.zone)
        start, end = (datetime.combine(day, time(), tzinfo=zone) for day in (self.first, self.last))
        return {
            "site": self.site, "first": self.first, "last": self.last, "zone": self.zone, "start": start,
            "end": end, "item_class": self.item_class, "days": (self.last - self.first).days, "at": self.now,
            "old": min(end, self.now) - timedelta(days=180),
        }  # fmt: skip


def definition_of(name: str, field: str) -> Definition:
    """FieldInvalid for a measure that is none."""
    if name not in DEFINITIONS:
        raise FieldInvalid(field=field, rule=f"must be one of {', '.join(DEFINITIONS)}", value=name)
    return DEFINITIONS[name]


async def compute(unit: Unit, asked: Asked, name: str) -> MaterialsMeasure:
    """One measure over the window."""
    known = DEFINITIONS[name]
    values = {key: value for key, value in asked.values.items() if f":{key}" in known.statement.text}
    row = (await unit.execute(known.statement, values)).one()
    found = rule.Value(Decimal(row.numerator or 0), Decimal(row.denominator or 0))
    message = MaterialsMeasure(
        measure=name, definition=known.id, formula=known.formula, unit_code=known.unit_code,
        record_count=row.counted or 0, status="VALUE" if found.value is not None else "INSUFFICIENT_DATA",
        time_zone=asked.zone, item_class=asked.item_class, event_types=known.events,
    )  # fmt: skip
    if found.value is not None:
        message.value.value = canonical(found.value)
    message.numerator.value = canonical(found.numerator.quantize(rule.SHOWN))
    message.denominator.value = canonical(found.denominator.quantize(rule.SHOWN))
    message.start_date.CopyFrom(date_message(asked.first))
    message.end_date.CopyFrom(date_message(asked.last))
    for reason, number in sorted((row.left_out or {}).items()):
        if number:
            message.exclusions.add(reason=reason, record_count=number)
    return message


_COUNTS = ("CountPosted",)
_RECEIPTS = ("ReceiptPosted", "MovementPosted")
_DECIDED = ("InspectionDecided",)
_MOVED = ("MovementPosted",)
_MADE = ("ProductionReported",)

DEFINITIONS = {
    row.name: row
    for row in sorted(
        (
            Definition(
                "record_accuracy",
                "lines within tolerance at the first blind count ÷ lines counted",
                "P1",
                _COUNTS,
                measured.ACCURACY,
            ),
            Definition(
                "count_net_variance",
                "Σ value of differences ÷ Σ book value, posted lines",
                "P1",
                _COUNTS,
                measured.NET.bindparams(gross=False),
            ),
            Definition(
                "count_gross_variance",
                "Σ |value of differences| ÷ Σ book value, posted lines",
                "P1",
                _COUNTS,
                measured.NET.bindparams(gross=True),
            ),
            Definition(
                "count_completion",
                "lines due in the window that were counted in it ÷ lines due",
                "P1",
                _COUNTS,
                measured.COMPLETION,
            ),
            Definition(
                "turns",
                "issues at cost ÷ mean of the daily closing values of the window",
                "C62",
                _MOVED,
                measured.TURNS.bindparams(days_of=False),
            ),
            Definition(
                "days_on_hand",
                "days of the window × mean of the daily closing values ÷ issues at cost",
                "DAY",
                _MOVED,
                measured.TURNS.bindparams(days_of=True),
            ),
            Definition(
                "dock_to_stock_median",
                "median of first put-away complete − arrival, per receipt line",
                "HUR",
                _RECEIPTS,
                measured.DOCK.bindparams(share=0.5, whole=False),
            ),
            Definition(
                "dock_to_stock_p90",
                "90th percentile of first put-away complete − arrival, per receipt line",
                "HUR",
                _RECEIPTS,
                measured.DOCK.bindparams(share=0.9, whole=False),
            ),
            Definition(
                "fill_rate",
                "demands covered by stock at their need time ÷ demands needed",
                "P1",
                ("ReservationAllocated", "ReservationShort"),
                measured.FILL,
            ),
            Definition(
                "dead_stock", "value without issue for 180 days, present as long ÷ value", "P1", _MOVED, measured.DEAD
            ),
            Definition(
                "expiry_risk", "value that expires before the window's end ÷ value", "P1", _MOVED, measured.EXPIRY
            ),
            Definition(
                "ageing", "Σ value × days since the lot's first receipt ÷ Σ value", "DAY", _MOVED, measured.AGEING
            ),
            Definition(
                "pick_accuracy",
                "picks without short, skipped scan or later reversal ÷ picks",
                "P1",
                _MOVED,
                measured.PICKS,
            ),
            Definition("held_value", "value on hold ÷ value", "P1", ("LotHeld", "LotReleased"), measured.HELD),
            Definition(
                "hold_days_median", "median of release − hold", "DAY", ("LotHeld", "LotReleased"), measured.HOLD_DAYS
            ),
            Definition(
                "oldest_hold",
                "age of the oldest active hold",
                "DAY",
                ("LotHeld", "LotReleased"),
                measured.OLDEST_HOLD,
            ),
            Definition(
                "ledger_differences", "differences found by the last full proof", "C62", _MOVED, measured.DIFFERENCES
            ),
            Definition("ledger_proof_age", "now − last full proof", "HUR", _MOVED, measured.PROOF_AGE),
            Definition(
                "backdated_share",
                "movements effective more than an hour before they were recorded ÷ movements",
                "P1",
                _MOVED,
                measured.BACKDATED,
            ),
            Definition(
                "first_pass_acceptance", "lots wholly accepted ÷ lots decided", "P1", _DECIDED, measured.ACCEPTED
            ),
            Definition("rejected_share", "rejected ÷ decided quantity", "P1", _DECIDED, measured.REJECTED),
            Definition(
                "decision_time_median",
                "median of decision − inspection lot",
                "HUR",
                _DECIDED,
                measured.DECISION.bindparams(share=0.5),
            ),
            Definition(
                "production_yield",
                "good ÷ (good + scrap)",
                "P1",
                _MADE,
                measured.YIELD.bindparams(scrap=False, rework=False),
            ),
            Definition(
                "first_pass_yield",
                "good ÷ (good + scrap + rework)",
                "P1",
                _MADE,
                measured.YIELD.bindparams(scrap=False, rework=True),
            ),
            Definition(
                "scrap_rate",
                "scrap ÷ (good + scrap)",
                "P1",
                _MADE,
                measured.YIELD.bindparams(scrap=True, rework=False),
            ),
            Definition(
                "scrap_rate_cost",
                "Σ value used by a report × scrap ÷ (good + scrap) ÷ Σ value used by reports",
                "P1",
                _MADE,
                measured_flows.SCRAP_COST,
            ),
            Definition(
                "consumption_variance",
                "Σ (actual − standard quantity) × cost ÷ Σ standard quantity × cost, components of orders closed in the"
                " window; less than one step of the component is none",
                "P1",
                _MADE,
                measured_flows.CONSUMPTION,
            ),
            Definition(
                "coverage_at_need",
                "demands covered by stock a day before their need time ÷ demands needed",
                "P1",
                ("ReservationAllocated", "ReservationShort"),
                measured_flows.COVERAGE,
            ),
            Definition(
                "fill_rate_units",
                "units issued or allocated at their need time ÷ units needed",
                "P1",
                ("ReservationAllocated", "ReservationShort"),
                measured_flows.FILL_UNITS,
            ),
            Definition(
                "stock_out",
                "item-days that end without usable stock, a demand being due ÷ item-days with a demand due or a policy",
                "P1",
                ("ReservationShort", "MovementPosted"),
                measured_flows.STOCK_OUT,
            ),
            Definition(
                "lines_per_hour",
                "task lines confirmed ÷ hours they were leased",
                "C62",
                _MOVED,
                measured_flows.LINES_PER_HOUR,
            ),
            Definition(
                "wip_units",
                "units in process now ÷ operations with something in process",
                "C62",
                _MADE,
                measured_flows.WIP.bindparams(part="UNITS"),
            ),
            Definition(
                "wip_value",
                "value in process now ÷ operations with something in process",
                "C62",
                _MADE,
                measured_flows.WIP.bindparams(part="VALUE"),
            ),
            Definition(
                "wip_age",
                "Σ units in process × hours since something is in process at the operation ÷ Σ units in process",
                "HUR",
                _MADE,
                measured_flows.WIP.bindparams(part="AGE"),
            ),
            Definition(
                "cycle_time",
                "Σ units out × hours since the order began ÷ Σ units out",
                "HUR",
                _MADE,
                measured_flows.CYCLE.bindparams(little=False),
            ),
            Definition(
                "cycle_time_little",
                "mean units in process ÷ units out per hour (Little): Σ unit-hours in process ÷ Σ units out",
                "HUR",
                _MADE,
                measured_flows.CYCLE.bindparams(little=True),
            ),
            Definition(
                "broken_reservations",
                "reservations broken as holds were placed ÷ holds placed",
                "C62",
                ("LotHeld",),
                measured_flows.BROKEN,
            ),
            Definition(
                "mock_recall_time",
                "median of the time to find all, mock recalls of the window",
                "SEC",
                ("MovementPosted",),
                measured_flows.RECALL_TIME,
            ),
            Definition(
                "mock_recall_gap",
                "Σ |gap of the mass balance| ÷ Σ quantity that came, mock recalls",
                "P1",
                ("MovementPosted",),
                measured_flows.RECALL_GAP,
            ),
            Definition(
                "ledger_unsealed_age",
                "now − record time of the oldest movement without seal",
                "SEC",
                _MOVED,
                measured_flows.UNSEALED,
            ),
            Definition(
                "overrides",
                "tasks with a skipped scan and reports that used more than was staged ÷ tasks ended and reports",
                "P1",
                ("MovementPosted", "ProductionReported"),
                measured_flows.OVERRIDES,
            ),
            Definition(
                "decision_time_p90",
                "90th percentile of decision − inspection lot",
                "HUR",
                _DECIDED,
                measured.DECISION.bindparams(share=0.9),
            ),
            Definition(
                "dock_to_stock_all_median",
                "median of last put-away complete − arrival, per receipt line of which all is put away",
                "HUR",
                _RECEIPTS,
                measured.DOCK.bindparams(share=0.5, whole=True),
            ),
        ),
        key=lambda row: row.name,
    )
}
"""All measures by id."""
