"""The sample plant is consistent in itself: what a table names, another table holds."""

from collections import Counter
from decimal import Decimal

from cli.demo import PART
from cli.samples import equipment, people, stock, supply
from services.chassis.access import roles


def test_there_are_some_200_items_with_valid_gtins() -> None:
    items = stock.items()
    assert 190 <= len(items) <= 210
    assert len({item.id for item in items}) == len({item.gtin for item in items}) == len(items)
    for item in items:
        digits = [int(digit) for digit in item.gtin]
        assert sum(digit * (3 if index % 2 else 1) for index, digit in enumerate(digits)) % 10 == 0, item


def test_there_are_some_300_locations_below_known_parents() -> None:
    places = stock.locations()
    assert 290 <= len(places) <= 310
    known = {""}
    for place in places:
        assert place.parent in known, place
        known.add(place.id)
    assert Counter(place.kind for place in places)["STORAGE"] >= 280


def test_there_are_40_assets_in_a_tree_with_the_five_excavators() -> None:
    known = {""}
    for asset in equipment.ASSETS:
        assert asset.parent in known, asset
        known.add(asset.id)
    assert len(equipment.ASSETS) == 40
    assert [asset.number for asset in equipment.ASSETS if asset.id in equipment.EXCAVATORS] == list("ABCDE")
    staging = {place.id for place in stock.locations()}
    assert {asset.staging for asset in equipment.ASSETS if asset.staging} <= staging


def test_policies_name_assets_meters_and_items_that_exist() -> None:
    assets = {asset.id: asset for asset in equipment.ASSETS}
    items = {item.id: item for item in stock.items()}
    for policy in equipment.POLICIES:
        assert bool(policy.hours) != bool(policy.months or policy.days), policy.id
        for name in policy.assets:
            assert assets[name].meter is not None or not policy.hours, (policy.id, name)
        for item, quantity, unit in policy.parts:
            assert items[item].unit_code == unit, (policy.id, item)
            assert Decimal(quantity) > 0


def test_every_item_has_a_supplier_and_three_falling_prices() -> None:
    assert len(supply.SUPPLIERS) == 12
    sold = {item_class for supplier in supply.SUPPLIERS for item_class in supplier.sells}
    assert {item.item_class for item in stock.items()} <= sold
    for item in stock.items():
        first, second, third = (price for _, price in supply.prices(item.cost, Decimal(1)))
        assert first >= second >= third > 0, item


def test_people_hold_roles_that_exist_and_a_second_buyer_approves() -> None:
    held = {role for member in people.STAFF for role, _ in member.grants}
    assert held <= set(roles())
    assert {"planner", "technician", "storekeeper", "inspector", "buyer", "approver", "operations"} <= held


def test_the_part_of_the_demonstration_is_missing_and_inspected() -> None:
    assert (PART.opening, PART.inspect, PART.lots, PART.reorder) == (0, True, True, None)
    assert PART.id in {item for policy in equipment.POLICIES for item, _, _ in policy.parts}
