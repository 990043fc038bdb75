"""The second quantity that a request states of an item with catch weight (MAT-9)."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

from services.chassis.faults import FailedPrecondition, FieldInvalid, QuantityNotOnGrid, UnitIncompatible, UnitUnknown
from services.chassis.wire import canonical, decimal_of
from services.materials.model.item import Item
from services.materials.rules import units


class WeightUnusual(FailedPrecondition):
    """Further from what the quantity usually has than the item tolerates, and not confirmed (MAT-9)."""

    reason = "TOLERANCE_EXCEEDED"
    text = (
        "{quantity} {base_unit} of {item} usually have {least} to {most} {unit_code}, not {second}; "
        "confirm_weight says that it is so."
    )


def stated(
    item: Item, request: Any, amount: Decimal, *, confirmed: bool | None = None, prefix: str = ""
) -> tuple[Decimal | None, str]:
    """(second quantity, its unit) of a request; (None, "") of an item without.

    FieldInvalid where it is missing, or given without need; WeightUnusual unless the request confirms it.
    """
    field = f"{prefix}second_quantity"
    catch = item.catch
    if catch is None:
        if request.HasField("second_quantity"):
            value = request.second_quantity.value
            raise FieldInvalid(field=field, rule="must be empty: the item has no catch weight", value=value)
        return None, ""
    if not request.HasField("second_quantity"):
        raise FieldInvalid(field=field, rule=f"is required: the item has a catch weight in {catch.unit_code}")
    value = decimal_of(request.second_quantity.value, f"{field}.value")
    code = request.second_quantity.unit_code
    try:
        exact = Fraction(value) * units.factor(code, catch.unit_code, {})
        second = units.settled(exact, catch.unit_code, catch.step, item.rounding)
    except units.UnknownUnit:
        raise UnitUnknown(unit_code=code) from None
    except units.NoConversion:
        raise UnitIncompatible(item=item.name, from_unit=code, to_unit=catch.unit_code) from None
    except units.OffGrid:
        grid = f"{canonical(catch.step)} {catch.unit_code}"
        raise QuantityNotOnGrid(field=f"{field}.value", value=f"{canonical(value)} {code}", grid=grid) from None
    if second <= 0:
        raise FieldInvalid(field=f"{field}.value", rule="must be more than 0", value=value)
    told = request.confirm_weight if confirmed is None else confirmed
    if amount and not told and not catch.is_usual(amount, second):
        least, most = (canonical(units.decimal(limit)) for limit in catch.usual(amount))
        raise WeightUnusual(
            item=item.name, quantity=canonical(amount), base_unit=item.base_unit_code, least=least, most=most,
            unit_code=catch.unit_code, second=canonical(second),
        )  # fmt: skip
    return second, catch.unit_code
