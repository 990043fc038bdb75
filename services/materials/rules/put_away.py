"""Where goods are put: steps in order, each with its places, each place judged by its limits (MAT-100).

A decision is this function of what it was given; the same inputs give the same outcome.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from services.materials.rules import capacity
from services.materials.rules.capacity import Goods, Limits, Refusal

REFUSED, LEFT = 50, 10
"""Places that a decision records: those that were passed over, and those with room beside the one that was chosen."""


class Step(StrEnum):
    """How a place is found; within a step the nearest along the path comes first, the name breaks ties."""

    FIXED_BIN = "FIXED_BIN"
    SAME_LOT_WITH_ROOM = "SAME_LOT_WITH_ROOM"
    SAME_ITEM_WITH_ROOM = "SAME_ITEM_WITH_ROOM"
    ZONE = "ZONE"
    NEAREST_EMPTY = "NEAREST_EMPTY"
    OVERFLOW = "OVERFLOW"
    WITH_UNIT = "WITH_UNIT"
    """No step of a policy: what is in one handling unit stays together."""


ZONED = (Step.ZONE, Step.OVERFLOW)
"""Steps that name a zone."""


class Fit(StrEnum):
    """What is at a place, or on its way there, beside the goods."""

    SAME_LOT = "SAME_LOT"
    SAME_ITEM = "SAME_ITEM"
    EMPTY = "EMPTY"
    OTHER = "OTHER"


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """One step of a policy; a zone is for goods of its storage class and ABC class, empty for any."""

    step: Step
    zone: str = ""
    storage_class: str = ""
    abc_class: str = ""


WITHOUT_POLICY = tuple(
    PolicyStep(step) for step in (Step.FIXED_BIN, Step.SAME_LOT_WITH_ROOM, Step.SAME_ITEM_WITH_ROOM, Step.NEAREST_EMPTY)
)


@dataclass(frozen=True, slots=True)
class Steps:
    """What a policy says; without a revision, what holds without a policy."""

    revision: str = ""
    steps: Sequence[PolicyStep] = WITHOUT_POLICY


@dataclass(frozen=True, slots=True)
class Asked:
    """Goods that look for a place, with what the site says of their item."""

    goods: Goods
    fixed_location: str = ""
    storage_class: str = ""
    abc_class: str = "C"
    together: str = ""
    """Place that other goods of the same handling unit go to."""

    def has(self, step: PolicyStep) -> bool:
        """Whether a step is for these goods."""
        if step.step is Step.FIXED_BIN:
            return self.fixed_location != "" and not self.goods.handling_unit
        return step.storage_class in ("", self.storage_class) and step.abc_class in ("", self.abc_class)


@dataclass(frozen=True, slots=True)
class Locked:
    """The place takes nothing in at all."""

    lock: str
    reason: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A place as it is looked at: what is there, what it may hold, and in which zones it lies."""

    name: str
    path: int = 0
    fit: Fit = Fit.OTHER
    zones: frozenset[str] = frozenset()
    locked: Locked | None = None
    limits: Limits | None = None
    content: Sequence[Goods] = ()

    def refusal(self, goods: Goods) -> Refusal | Locked | None:
        """Why the goods cannot be put there; None when they can (MAT-31, MAT-32, MAT-33)."""
        if self.locked is not None:
            return self.locked
        return capacity.refusal(self.limits, self.content, goods) if self.limits is not None else None

    def found_by(self, step: PolicyStep, asked: Asked) -> bool:
        """Whether the step would look at it."""
        match step.step:
            case Step.FIXED_BIN:
                return self.name == asked.fixed_location
            case Step.SAME_LOT_WITH_ROOM:
                return self.fit is Fit.SAME_LOT
            case Step.SAME_ITEM_WITH_ROOM:
                return self.fit in (Fit.SAME_LOT, Fit.SAME_ITEM)
            case Step.NEAREST_EMPTY:
                return self.fit is Fit.EMPTY
            case Step.ZONE:
                return step.zone in self.zones and self.fit is not Fit.OTHER
            case Step.OVERFLOW:
                return step.zone in self.zones
            case Step.WITH_UNIT:
                return self.name == asked.together


@dataclass(slots=True)
class Plan:
    """Places with room, best first, and those passed over with the reason; each with the step that found it."""

    candidates: list[tuple[Place, Step]] = field(default_factory=list)
    passed: list[tuple[Place, Step, Refusal | Locked]] = field(default_factory=list)


def plan(steps: Iterable[PolicyStep], asked: Asked, places: Iterable[Place], *, first: bool = False) -> Plan:
    """Where the goods may be put, in the order of the steps; with `first` no further than the first place with room."""
    found, known = Plan(), sorted(places, key=lambda row: (row.path, row.name))
    seen: set[str] = set()
    for step in [PolicyStep(Step.WITH_UNIT)] if asked.together else steps:
        if not asked.has(step):
            continue
        for row in known:
            if row.name in seen or not row.found_by(step, asked):
                continue
            seen.add(row.name)
            refusal = row.refusal(asked.goods)
            if refusal is not None:
                found.passed.append((row, step.step, refusal))
                continue
            found.candidates.append((row, step.step))
            if first:
                return found
    return found


def record(steps: Steps, asked: Asked, places: Iterable[Place]) -> tuple[Plan, dict[str, Any], dict[str, Any]]:
    """Decide, and give the plan with inputs and outcome to be kept; places left out took no part in it."""
    looked = plan(steps.steps, asked, places)
    listed = [row for row, _, _ in looked.passed[:REFUSED]] + [row for row, _ in looked.candidates[: LEFT + 1]]
    decided = plan(steps.steps, asked, listed)
    return decided, inputs(steps, asked, listed), outcome(decided)


def inputs(steps: Steps, asked: Asked, places: Iterable[Place]) -> dict[str, Any]:
    """All that the outcome depends on, as plain values."""
    return {
        "revision": steps.revision,
        "steps": [asdict(row) for row in steps.steps],
        "asked": _plain(asdict(asked)),
        "places": [_plain(asdict(row)) for row in sorted(places, key=lambda row: row.name)],
    }


def outcome(found: Plan) -> dict[str, Any]:
    """The place, the others with room, and those passed over with the reason."""
    return {
        "location": found.candidates[0][0].name if found.candidates else "",
        "candidates": [{"location": row.name, "step": step.value} for row, step in found.candidates],
        "passed_over": [
            {"location": row.name, "step": step.value, "why": _why(refusal), **_plain(asdict(refusal))}
            for row, step, refusal in found.passed
        ],
    }


def replay(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome of recorded inputs."""
    steps = [PolicyStep(**{**row, "step": Step(row["step"])}) for row in recorded["steps"]]
    asked = Asked(**{**recorded["asked"], "goods": _goods(recorded["asked"]["goods"])})
    return outcome(plan(steps, asked, [_place(row) for row in recorded["places"]]))


def words(found: Mapping[str, Any], quantity: str) -> list[str]:
    """The outcome in sentences."""
    lines = [
        f"{row['location']} is passed over: {row['why'].replace('_', ' ').lower()}" for row in found["passed_over"]
    ]
    if not found["location"]:
        return [f"{quantity} find no place", *lines]
    step = found["candidates"][0]["step"].replace("_", " ").lower()
    return [f"{quantity} go to {found['location']}: {step}", *lines]


def _why(refusal: Refusal | Locked) -> str:
    match refusal:
        case Locked():
            return f"LOCKED_{refusal.lock}"
        case capacity.NotAllowed():
            return "NOT_ALLOWED_HERE"
        case capacity.Mixed():
            return "MIXING_FORBIDDEN"
        case capacity.Exceeded():
            return "CAPACITY_EXCEEDED"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value else "0"
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _goods(row: Mapping[str, Any]) -> Goods:
    return Goods(**{**row, **{name: Decimal(row[name]) for name in ("quantity", "weight", "volume")}})


def _place(row: Mapping[str, Any]) -> Place:
    return Place(
        name=row["name"], path=row["path"], fit=Fit(row["fit"]), zones=frozenset(row["zones"]),
        locked=Locked(**row["locked"]) if row["locked"] else None,
        limits=_limits(row["limits"]) if row["limits"] else None,
        content=[_goods(each) for each in row["content"]],
    )  # fmt: skip


def _limits(row: Mapping[str, Any]) -> Limits:
    weight, volume = (Decimal(row[name]) if row[name] is not None else None for name in ("max_weight", "max_volume"))
    return Limits(
        max_weight=weight, max_volume=volume, max_handling_units=row["max_handling_units"],
        quantities={item: Decimal(amount) for item, amount in row["quantities"].items()},
        item_classes=frozenset(row["item_classes"]), handling_unit_types=frozenset(row["handling_unit_types"]),
        apart=frozenset(row["apart"]),
    )  # fmt: skip
