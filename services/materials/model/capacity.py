"""Limits of places as they are kept, and how a refusal by them is told (MAT-32, MAT-33)."""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from services.chassis.faults import FailedPrecondition, Fault, FieldInvalid
from services.chassis.wire import canonical, decimal_of
from services.materials.model.location import LocationLocked
from services.materials.rules.capacity import Exceeded, Limits, Mixed, NotAllowed, Refusal

LITRES = {"LTR": Decimal(1), "MTQ": Decimal(1000)}
RULES = {"items": "item_mixing", "lots": "lot_mixing", "owners": "owner_mixing", "statuses": "status_mixing"}


class CapacityExceeded(FailedPrecondition):
    """More than the place takes, with what is on its way there (MAT-33)."""

    text = (
        "{location} takes at most {most} {unit_code} by {limit}: {here} are there, {coming} on their way; "
        "{asked} were asked."
    )


class MixingForbidden(FailedPrecondition):
    """Different things may not lie together there (MAT-32)."""

    text = "{location} does not mix {dimension}: '{here}' is there or on its way, '{asked}' was asked."


class NotAllowedHere(FailedPrecondition):
    """The place is not for such goods (MAT-32)."""

    text = "{location} does not take '{asked}' by {limit}."


def limits_of(data: Mapping[str, Any] | None) -> Limits:
    """Limits of a place as the rule takes them; volume in litres."""
    found = data or {}
    volume = found.get("max_volume")
    return Limits(
        max_weight=Decimal(found["max_weight"]["value"]) if "max_weight" in found else None,
        max_volume=Decimal(volume["value"]) * LITRES[volume["unit_code"]] if volume else None,
        max_handling_units=found.get("max_handling_units"),
        quantities={row["item"]: Decimal(row["quantity"]["value"]) for row in found.get("item_limits", ())},
        item_classes=frozenset(found.get("item_classes", ())),
        handling_unit_types=frozenset(found.get("handling_unit_types", ())),
        apart=frozenset(name for name, rule in RULES.items() if found.get(rule) == "FORBIDDEN"),
    )


def items_in(data: Mapping[str, Any] | None) -> list[str]:
    """Items that limits speak of."""
    return [row["item"] for row in (data or {}).get("item_limits", ())]


def checked_limits(data: Mapping[str, Any] | None, units: Mapping[str, str]) -> dict[str, Any] | None:
    """Limits in canonical form, None for none at all; FieldInvalid for a wrong one. `units` are items' base units."""
    if not data:
        return None
    found = dict(data)
    for name, fitting in (("max_weight", ("KGM",)), ("max_volume", tuple(LITRES))):
        if name in found:
            found[name] = _quantity(found[name], f"location.limits.{name}", fitting)
    if "item_limits" in found:
        found["item_limits"] = list(_quantities(found["item_limits"], units))
    return found


def _quantities(rows: Iterable[Mapping[str, Any]], units: Mapping[str, str]) -> Iterable[dict[str, Any]]:
    seen: set[str] = set()
    for index, row in enumerate(rows):
        field = f"location.limits.item_limits[{index}]"
        item = row["item"]
        if item not in units:
            raise FieldInvalid(field=f"{field}.item", rule="must be an item", value=item)
        if item in seen:
            raise FieldInvalid(field=f"{field}.item", rule="is named twice", value=item)
        seen.add(item)
        yield {"item": item, "quantity": _quantity(row["quantity"], f"{field}.quantity", (units[item],))}


def _quantity(given: Mapping[str, Any], field: str, units: tuple[str, ...]) -> dict[str, str]:
    value = decimal_of(given.get("value", ""), f"{field}.value")
    if value < 0:
        raise FieldInvalid(field=f"{field}.value", rule="must not be negative", value=value)
    if given.get("unit_code") not in units:
        rule = f"must be {' or '.join(units)}"
        raise FieldInvalid(field=f"{field}.unit_code", rule=rule, value=given.get("unit_code", ""))
    return {"value": canonical(value), "unit_code": given["unit_code"]}


def fault_of(location: str, refusal: Refusal) -> Fault:
    """How the rule's refusal is told."""
    match refusal:
        case NotAllowed(limit, asked):
            return NotAllowedHere(location=location, limit=limit, asked=asked)
        case Mixed(dimension, here, asked):
            return MixingForbidden(location=location, dimension=dimension, here=here, asked=asked)
        case Exceeded():
            return CapacityExceeded(
                location=location, limit=refusal.limit, most=canonical(refusal.most), here=canonical(refusal.here),
                coming=canonical(refusal.coming), asked=canonical(refusal.asked), unit_code=refusal.unit_code,
            )  # fmt: skip


_BY_OUTCOME: dict[str, type[Fault]] = {
    kind.reason: kind for kind in (CapacityExceeded, MixingForbidden, NotAllowedHere)
}


def refused(outcome: str, subject: str) -> Fault | None:
    """How the database's refusal of a line by its places is told; None for another refusal."""
    if outcome == LocationLocked.reason:
        found = json.loads(subject)
        return LocationLocked.by(found["location"], found["lock"], found["reason"], found["since"] or "")
    kind = _BY_OUTCOME.get(outcome)
    return kind(**json.loads(subject)) if kind is not None else None
