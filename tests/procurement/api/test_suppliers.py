"""Suppliers with two persons, supplier items with their grid and prices, quotes."""

from datetime import date, timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.decimal_pb2 import Decimal
from google.type.money_pb2 import Money
from plantops.procurement.v1 import suppliers_pb2 as pb

from tests.procurement import builders as make
from tests.procurement.builders import price, refused, unique
from tests.world import Plant, site_today

State = pb.Supplier.State


@pytest.fixture(scope="module")
async def item(plant: Plant) -> str:
    await make.site(plant)
    return await make.item(plant)


def create(**fields: Any) -> Any:
    number = unique("number")
    return pb.CreateSupplierRequest(supplier=pb.Supplier(number=number, title="Acme", currency_code="EUR", **fields))


async def test_a_supplier_is_made_as_a_draft_read_and_listed(plant: Plant, item: str) -> None:
    made = await plant("ben", create(country_code="DE", email="orders@acme.example"))
    assert (made.state, made.author, made.approver) == (State.DRAFT, "people/ben", "")
    assert await plant("vic", pb.GetSupplierRequest(name=made.name)) == made
    listed = await plant("vic", pb.ListSuppliersRequest(filter=f'number = "{made.number}"'))
    assert list(listed.suppliers) == [made]


@pytest.mark.rule("SEC-27")
async def test_a_second_person_activates_a_supplier(plant: Plant, item: str) -> None:
    name = await make.supplier(plant, active=False)
    with refused(plant, "PERMISSION_DENIED", "SEGREGATION_OF_DUTIES") as caught:
        await plant("ben", pb.ActivateSupplierRequest(name=name))
    assert caught.value.metadata["earlier_act"] == "people/ben"
    found = await plant("otto", pb.ActivateSupplierRequest(name=name))
    assert (found.state, found.approver) == (State.ACTIVE, "people/otto")
    with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
        await plant("otto", pb.ActivateSupplierRequest(name=name))


@pytest.mark.rule("SEC-27")
async def test_neither_who_made_it_nor_who_edited_it_activates_a_supplier(plant: Plant, item: str) -> None:
    name = await make.supplier(plant, active=False)
    edited = pb.Supplier(name=name, title="Another title")
    await plant("otto", pb.UpdateSupplierRequest(supplier=edited))
    for person in ("ben", "otto"):
        with refused(plant, "PERMISSION_DENIED", "SEGREGATION_OF_DUTIES"):
            await plant(person, pb.ActivateSupplierRequest(name=name))


@pytest.mark.rule("SEC-28")
async def test_acting_for_somebody_counts_for_both_persons(plant: Plant, item: str) -> None:
    name = await make.supplier(plant, active=False)
    everywhere = {"-": ["buyer"]}
    token = plant.issuer.token("people/otto", everywhere, on_behalf_of="people/ben")
    with refused(plant, "PERMISSION_DENIED", "SEGREGATION_OF_DUTIES"):
        await plant("otto", pb.ActivateSupplierRequest(name=name), token=token)


async def test_a_supplier_is_suspended_and_taken_up_again(plant: Plant, item: str) -> None:
    name = await make.supplier(plant)
    found = await plant("ben", pb.SuspendSupplierRequest(name=name, reason="late twice"))
    assert found.state == State.SUSPENDED
    with refused(plant, "FAILED_PRECONDITION", "TRANSITION_NOT_ALLOWED"):
        await plant("ben", pb.SuspendSupplierRequest(name=name, reason="again"))
    found = await plant("otto", pb.ActivateSupplierRequest(name=name))
    assert found.state == State.ACTIVE


async def test_each_change_of_a_supplier_is_told_with_its_state(plant: Plant, item: str) -> None:
    name = await make.supplier(plant)
    await plant("ben", pb.SuspendSupplierRequest(name=name, reason="late"))
    rows = plant.rows("procurement", "select payload from outbox where aggregate_id = %s order by pos", name)
    from plantops.procurement.v1.events_pb2 import SupplierChanged

    told = [SupplierChanged.FromString(bytes(row[0])) for row in rows]
    assert [(event.state, event.version) for event in told] == [("DRAFT", 1), ("ACTIVE", 2), ("SUSPENDED", 3)]


async def test_a_taken_number_and_a_taken_id_are_refused(plant: Plant, item: str) -> None:
    made = await plant("ben", create())
    with refused(plant, "ALREADY_EXISTS", "RESOURCE_EXISTS"):
        again = pb.Supplier(number=made.number, title="Twin", currency_code="EUR")
        await plant("ben", pb.CreateSupplierRequest(supplier=again))
    with refused(plant, "ALREADY_EXISTS", "RESOURCE_EXISTS"):
        request = create()
        request.supplier_id = made.name.split("/")[1]
        await plant("ben", request)


async def test_permission_etag_and_unknown_names_are_checked(plant: Plant, item: str) -> None:
    made = await plant("ben", create())
    with refused(plant, "PERMISSION_DENIED", "PERMISSION_DENIED"):
        await plant("sam", create())
    for request in (
        pb.UpdateSupplierRequest(supplier=pb.Supplier(name=made.name, title="x")),
        pb.ActivateSupplierRequest(name=made.name),
        pb.SuspendSupplierRequest(name=made.name, reason="x"),
        pb.CreateSupplierItemRequest(parent=made.name, supplier_item=offered(item)),
        pb.UpdateSupplierItemRequest(supplier_item=pb.SupplierItem(name=f"{made.name}/items/x", rank=1)),
    ):
        with refused(plant, "PERMISSION_DENIED", "PERMISSION_DENIED"):
            await plant("vic", request)
        with refused(plant, "PERMISSION_DENIED", "PERMISSION_DENIED"):
            await plant("eve", request)  # a buyer of one site writes nothing that the enterprise shares
    with refused(plant, "ABORTED", "ETAG_MISMATCH"):
        await plant("ben", pb.UpdateSupplierRequest(supplier=pb.Supplier(name=made.name, title="x", etag='"99"')))
    with refused(plant, "ABORTED", "ETAG_MISMATCH"):
        await plant("otto", pb.ActivateSupplierRequest(name=made.name, etag='"99"'))
    nobody = "suppliers/nobody"
    for request in (
        pb.GetSupplierRequest(name=nobody),
        pb.ActivateSupplierRequest(name=nobody),
        pb.SuspendSupplierRequest(name=nobody, reason="x"),
        pb.UpdateSupplierRequest(supplier=pb.Supplier(name=nobody, title="x")),
        pb.CreateSupplierItemRequest(parent=nobody, supplier_item=offered(item)),
        pb.GetSupplierItemRequest(name=f"{nobody}/items/x"),
        pb.UpdateSupplierItemRequest(supplier_item=pb.SupplierItem(name=f"{nobody}/items/x", rank=1)),
        pb.QuotePriceRequest(name=f"{nobody}/items/x", quantity=Decimal(value="1")),
    ):
        with refused(plant, "NOT_FOUND", "RESOURCE_NOT_FOUND"):
            await plant("otto", request)


# --- supplier items ----------------------------------------------------------------------------------------


def offered(item: str, **fields: Any) -> Any:
    given = {"item": item, "unit_code": "H87", "lead_days": 2, "prices": [price("0", "5")], **fields}
    return pb.SupplierItem(**given)


@pytest.mark.rule("PRC-30")
async def test_a_supplier_item_is_made_read_listed_and_updated(plant: Plant, item: str) -> None:
    name = await make.supplier(plant)
    made = await make.offer(
        plant, name, item, [("1", "3"), ("100", "2.40")], minimum_quantity="10", multiple="5", rank=1, part_number="P"
    )
    assert await plant("vic", pb.GetSupplierItemRequest(name=made.name)) == made
    assert list((await plant("vic", pb.ListSupplierItemsRequest(parent=name))).supplier_items) == [made]
    request = pb.UpdateSupplierItemRequest(
        supplier_item=pb.SupplierItem(name=made.name, etag=made.etag, lead_days=7),
        update_mask=FieldMask(paths=["lead_days"]),
    )
    found = await plant("ben", request)
    assert (found.lead_days, found.multiple.value, len(found.prices)) == (7, "5", 2)
    with refused(plant, "ABORTED", "ETAG_MISMATCH"):
        await plant(
            "ben", pb.UpdateSupplierItemRequest(supplier_item=pb.SupplierItem(name=made.name, etag=made.etag, rank=2))
        )


@pytest.mark.rule("PRC-30")
async def test_a_supplier_sells_an_item_to_a_site_on_one_set_of_terms(plant: Plant, item: str) -> None:
    name = await make.supplier(plant)
    await make.offer(plant, name, item)
    await make.offer(plant, name, item, site="hamburg")
    for site in ("", "hamburg"):
        with refused(plant, "ALREADY_EXISTS", "RESOURCE_EXISTS"):
            await make.offer(plant, name, item, site=site)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"multiple": Decimal(value="0")}, "supplier_item.multiple"),
        ({"price_base_quantity": Decimal(value="-1")}, "supplier_item.price_base_quantity"),
        ({"minimum_quantity": Decimal(value="-1")}, "supplier_item.minimum_quantity"),
        ({"over_percent": Decimal(value="1000.1")}, "supplier_item.over_percent"),
        ({"over_percent": Decimal(value="-0.1")}, "supplier_item.over_percent"),
        ({"base_numerator": 10**9 + 1}, "supplier_item.base_numerator"),
        ({"base_numerator": 12}, "supplier_item.base_numerator"),  # the item counts pieces by one
        ({"lead_days": 1001}, "supplier_item.lead_days"),
        ({"unit_code": "?"}, "supplier_item.unit_code"),
        ({"site": "nowhere"}, "supplier_item.site"),
        ({"prices": []}, "supplier_item.prices"),
        ({"prices": [price("0", "0")]}, "supplier_item.prices[0]"),
        ({"prices": [price("-1", "1")]}, "supplier_item.prices[0]"),
        ({"prices": [price("1", "2"), price("1", "3")]}, "supplier_item.prices[1]"),
        (
            {"prices": [price("1", "2", from_date=date(2026, 2, 1), to_date=date(2026, 2, 1))]},
            "supplier_item.prices[0]",
        ),
        (
            {"prices": [pb.SupplierItem.Price(unit_price=Money(currency_code="EUR", units=1))]},
            "supplier_item.prices[0].break_quantity",
        ),
    ],
)  # fmt: skip
async def test_terms_that_make_no_sense_are_refused(plant: Plant, item: str, fields: Any, field: str) -> None:
    name = await make.supplier(plant)
    with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field=field):
        await plant("ben", pb.CreateSupplierItemRequest(parent=name, supplier_item=offered(item, **fields)))


@pytest.mark.rule("PRC-5")
async def test_prices_are_in_the_suppliers_currency(plant: Plant, item: str) -> None:
    name = await make.supplier(plant)
    with refused(
        plant, "INVALID_ARGUMENT", "CURRENCY_MISMATCH", field="supplier_item.prices[0].unit_price.currency_code"
    ):
        row = offered(item, prices=[price("0", "5", "USD")])
        await plant("ben", pb.CreateSupplierItemRequest(parent=name, supplier_item=row))


async def test_an_update_is_checked_like_a_new_one(plant: Plant, item: str) -> None:
    made = await make.offer(plant, await make.supplier(plant), item)
    with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field="supplier_item.multiple"):
        wrong = pb.SupplierItem(name=made.name, multiple=Decimal(value="0"))
        await plant("ben", pb.UpdateSupplierItemRequest(supplier_item=wrong))


# --- quotes ------------------------------------------------------------------------------------------------


@pytest.mark.rule("PRC-33")
@pytest.mark.rule("PRC-38")
async def test_a_quote_takes_quantity_then_break_then_lead_time(plant: Plant, item: str) -> None:
    terms = [("100", "2.40"), ("250", "2.10"), ("500", "1.95")]
    made = await make.offer(plant, await make.supplier(plant), item, terms, minimum_quantity="100", multiple="25")
    found = await plant("vic", pb.QuotePriceRequest(name=made.name, quantity=Decimal(value="237")))
    assert found.order_quantity == make.pieces("250")
    assert found.unit_price == make.money("2.10")
    assert found.total == make.money("525")
    assert found.price_base_quantity.value == "1"
    arrival = date(found.expected_date.year, found.expected_date.month, found.expected_date.day)
    assert timedelta(days=2) <= arrival - site_today() <= timedelta(days=4)  # whatever day the site has
    assert found.explanation[0] == "need 237, minimum 100, multiple 25: 250"


@pytest.mark.rule("PRC-37")
async def test_without_a_price_there_is_no_quote(plant: Plant, item: str) -> None:
    made = await make.offer(plant, await make.supplier(plant), item, [("100", "2.40")])
    with refused(plant, "FAILED_PRECONDITION", "NO_PRICE"):
        await plant("vic", pb.QuotePriceRequest(name=made.name, quantity=Decimal(value="60")))
    for wrong in ("0", "-1", "1e3", "x"):
        with refused(plant, "INVALID_ARGUMENT", "FIELD_INVALID", field="quantity.value"):
            await plant("vic", pb.QuotePriceRequest(name=made.name, quantity=Decimal(value=wrong)))


@pytest.mark.rule("PRC-41")
async def test_buying_changes_neither_terms_nor_prices(plant: Plant) -> None:
    item = await make.bought_item(plant, [("1", "10")])
    before = plant.rows("procurement", "select t::text from supplier_item t where item = %s", item)
    await make.issued(plant, item)
    assert plant.rows("procurement", "select t::text from supplier_item t where item = %s", item) == before
