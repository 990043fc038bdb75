"""The first schema of materials."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from services.chassis import schema

POSTING = Path(__file__).with_name("0001_posting.sql").read_text()

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATES = {
    "expected_receipt": [
        ("CLOSED", "OPEN"),
        ("COMPLETE", "CLOSED"),
        ("COMPLETE", "OPEN"),
        ("OPEN", "CLOSED"),
        ("OPEN", "COMPLETE"),
    ],
    "inspection_lot": [
        ("CREATED", "CANCELLED"),
        ("CREATED", "DECIDED"),
        ("CREATED", "PARTLY_DECIDED"),
        ("PARTLY_DECIDED", "DECIDED"),
    ],
    "item": [("ACTIVE", "BLOCKED"), ("ACTIVE", "SUPERSEDED"), ("BLOCKED", "ACTIVE")],
    "materials_revision": [
        ("ACTIVE", "RETIRED"),
        ("APPROVED", "ACTIVE"),
        ("APPROVED", "RETIRED"),
        ("DRAFT", "SUBMITTED"),
        ("SUBMITTED", "APPROVED"),
        ("SUBMITTED", "DRAFT"),
    ],
    "put_away_task": [("READY", "CANCELLED"), ("READY", "COMPLETED")],
    "receipt": [("ARRIVED", "CANCELLED"), ("ARRIVED", "POSTED"), ("POSTED", "REVERSED")],
    "reservation": [
        ("ALLOCATED", "ISSUED"),
        ("ALLOCATED", "PENDING"),
        ("ALLOCATED", "RELEASED"),
        ("ALLOCATED", "SHORT"),
        ("ISSUED", "PENDING"),
        ("PENDING", "ALLOCATED"),
        ("PENDING", "RELEASED"),
        ("PENDING", "SHORT"),
        ("SHORT", "ALLOCATED"),
        ("SHORT", "PENDING"),
        ("SHORT", "RELEASED"),
    ],
    "supply_request": [
        ("CARRIED", "CANCELLED"),
        ("CARRIED", "OPEN"),
        ("CARRIED", "SATISFIED"),
        ("OPEN", "CANCELLED"),
        ("OPEN", "CARRIED"),
    ],
}

TABLES = (
    "balance",
    "expected_receipt",
    "item",
    "location",
    "materials_revision",
    "movement",
    "put_away_task",
    "receipt",
    "reservation",
    "site_fact",
    "supply_request",
    "value_balance",
    "allocation",
    "inspection_lot",
    "lot",
    "materials_policy",
    "movement_entry",
    "receipt_line",
)

APPEND_ONLY = (
    "movement",
    "movement_entry",
)

# ledger, balances and values are written by the posting function alone, which belongs to the owner
RIGHTS = {
    "movement": "select",
    "movement_entry": "select",
    "balance": "select, update (reserved, update_time)",
    "value_balance": "select",
    "allocation": "select, insert, update, delete",
}


def further() -> None:
    """The posting function and the ledger's own guard (MAT-40, MAT-50)."""
    op.execute(POSTING.replace(":=", r"\:="))


def upgrade() -> None:
    schema.create_chassis(op, "materials")
    op.create_table(
        "balance",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("virtual", sa.Boolean(), nullable=False),
        sa.Column("on_hand", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("reserved", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("virtual or (reserved >= 0 and reserved <= on_hand)", name=op.f("ck_balance_reserved")),
        sa.CheckConstraint("virtual or on_hand >= 0", name=op.f("ck_balance_on_hand")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_balance")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index("ix_balance_item", "balance", ["site", "item", "name"], unique=False)
    op.create_index("ix_balance_location", "balance", ["site", "location", "name"], unique=False)
    op.create_index("ix_balance_lot", "balance", ["site", "lot", "name"], unique=False)
    op.create_index("ix_balance_site", "balance", ["site", "name"], unique=False)
    op.create_index("ix_balance_status", "balance", ["site", "status", "name"], unique=False)
    op.create_index("uq_balance_key", "balance", ["item", "location", "lot", "status"], unique=True)
    op.create_table(
        "expected_receipt",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purchase_order", sa.Text(), nullable=False),
        sa.Column("order_line", sa.Integer(), nullable=False),
        sa.Column("schedule_line", sa.Integer(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("open_quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("received", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("received_base", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("accept_limit", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("base_numerator", sa.BigInteger(), nullable=False),
        sa.Column("base_denominator", sa.BigInteger(), nullable=False),
        sa.Column("inspect", sa.Boolean(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("expected_date", sa.Date(), nullable=True),
        sa.Column("unit_price", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("unit_price_currency_code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint("received >= 0 and received <= accept_limit", name=op.f("ck_expected_receipt_received")),
        sa.CheckConstraint(
            "received_base >= 0 and received_base * base_denominator <= accept_limit * base_numerator",
            name=op.f("ck_expected_receipt_received_base"),
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_expected_receipt")),
    )
    op.create_index(
        "ix_expected_receipt_expected_date", "expected_receipt", ["site", "expected_date", "name"], unique=False
    )
    op.create_index(
        "ix_expected_receipt_open", "expected_receipt", ["site", "item", "supplier", "expected_date"], unique=False
    )
    op.create_index("ix_expected_receipt_site", "expected_receipt", ["site", "name"], unique=False)
    op.create_index("ix_expected_receipt_state", "expected_receipt", ["site", "state", "name"], unique=False)
    op.create_index("ix_expected_receipt_supplier", "expected_receipt", ["site", "supplier", "name"], unique=False)
    op.create_index(
        "uq_expected_receipt", "expected_receipt", ["purchase_order", "order_line", "schedule_line"], unique=True
    )
    op.create_table(
        "item",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("item_class", sa.Text(), nullable=False),
        sa.Column("base_unit_code", sa.Text(), nullable=False),
        sa.Column("base_step", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("tracking", sa.Text(), nullable=False),
        sa.Column("conversions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("gtins", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("inspect_receipts", sa.Boolean(), nullable=False),
        sa.Column("standard_cost", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("standard_cost_currency_code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_item")),
    )
    op.create_index("ix_item_gtins", "item", ["gtins"], unique=False, postgresql_using="gin")
    op.create_index("ix_item_item_class", "item", ["item_class", "name"], unique=False)
    op.create_index("ix_item_state", "item", ["state", "name"], unique=False)
    op.create_index("uq_item_number", "item", ["number"], unique=True)
    op.create_table(
        "location",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("parent_location", sa.Text(), nullable=True),
        sa.Column("check_code", sa.Text(), nullable=False),
        sa.Column("path_order", sa.Integer(), nullable=False),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["parent_location"], ["location.name"], name=op.f("fk_location_parent_location")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_location")),
    )
    op.create_index("ix_location_check_code", "location", ["site", "check_code", "name"], unique=False)
    op.create_index("ix_location_kind", "location", ["site", "kind", "name"], unique=False)
    op.create_index("ix_location_parent", "location", ["parent_location"], unique=False)
    op.create_index("ix_location_parent_location", "location", ["site", "parent_location", "name"], unique=False)
    op.create_index("ix_location_site", "location", ["site", "name"], unique=False)
    op.create_table(
        "materials_revision",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("approver", sa.Text(), nullable=False),
        sa.Column("approve_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("effective_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reorder_point", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("order_quantity", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("maximum", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("lead_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_materials_revision")),
    )
    op.create_index(op.f("ix_materials_revision_policy"), "materials_revision", ["policy"], unique=False)
    op.create_index("ix_materials_revision_state", "materials_revision", ["policy", "state", "name"], unique=False)
    op.create_index(
        "uq_materials_revision_active",
        "materials_revision",
        ["policy"],
        unique=True,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_table(
        "movement",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("from_location", sa.Text(), nullable=False),
        sa.Column("to_location", sa.Text(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=False),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("effective_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reverses", sa.Text(), nullable=False),
        sa.Column("cost", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("cost_currency_code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_movement")),
    )
    op.create_index("ix_movement_actor", "movement", ["site", "actor", "name"], unique=False)
    op.create_index("ix_movement_effective_time", "movement", ["site", "effective_time", "name"], unique=False)
    op.create_index("ix_movement_from_location", "movement", ["site", "from_location", "name"], unique=False)
    op.create_index("ix_movement_from_status", "movement", ["site", "from_status", "name"], unique=False)
    op.create_index("ix_movement_item", "movement", ["site", "item", "name"], unique=False)
    op.create_index("ix_movement_kind", "movement", ["site", "kind", "name"], unique=False)
    op.create_index("ix_movement_lot", "movement", ["site", "lot", "name"], unique=False)
    op.create_index("ix_movement_record_time", "movement", ["site", "record_time", "name"], unique=False)
    op.create_index("ix_movement_site", "movement", ["site", "name"], unique=False)
    op.create_index("ix_movement_source", "movement", ["source", "name"], unique=False)
    op.create_index("ix_movement_to_location", "movement", ["site", "to_location", "name"], unique=False)
    op.create_index("ix_movement_to_status", "movement", ["site", "to_status", "name"], unique=False)
    op.create_index(
        "uq_movement_reverses", "movement", ["reverses"], unique=True, postgresql_where=sa.text("reverses <> ''")
    )
    op.create_table(
        "put_away_task",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("from_location", sa.Text(), nullable=False),
        sa.Column("proposed_location", sa.Text(), nullable=False),
        sa.Column("to_location", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("receipt_line", sa.Integer(), nullable=False),
        sa.Column("movement", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_put_away_task")),
    )
    op.create_index("ix_put_away_task_from_location", "put_away_task", ["site", "from_location", "name"], unique=False)
    op.create_index("ix_put_away_task_item", "put_away_task", ["site", "item", "name"], unique=False)
    op.create_index("ix_put_away_task_receipt", "put_away_task", ["receipt"], unique=False)
    op.create_index("ix_put_away_task_site", "put_away_task", ["site", "name"], unique=False)
    op.create_index("ix_put_away_task_state", "put_away_task", ["site", "state", "name"], unique=False)
    op.create_table(
        "receipt",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("delivery_note", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("arrive_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("post_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_receipt")),
    )
    op.create_index("ix_receipt_arrive_time", "receipt", ["site", "arrive_time", "name"], unique=False)
    op.create_index("ix_receipt_delivery_note", "receipt", ["site", "delivery_note", "name"], unique=False)
    op.create_index("ix_receipt_site", "receipt", ["site", "name"], unique=False)
    op.create_index("ix_receipt_state", "receipt", ["site", "state", "name"], unique=False)
    op.create_index("ix_receipt_supplier", "receipt", ["site", "supplier", "name"], unique=False)
    op.create_index("uq_receipt_number", "receipt", ["number"], unique=True)
    op.create_table(
        "reservation",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("work_order", sa.Text(), nullable=False),
        sa.Column("demand", sa.Text(), nullable=False),
        sa.Column("demand_version", sa.Integer(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("requested", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("allocated", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("issued", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("short", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("released", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("issued_value", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("need_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivery_location", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cover", sa.Text(), nullable=True),
        sa.Column("supply", sa.Text(), nullable=False),
        sa.Column("expected_date", sa.Date(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "issued >= 0 and allocated >= 0 and short >= 0 and released >= 0", name=op.f("ck_reservation_parts")
        ),
        sa.CheckConstraint("requested = issued + allocated + short + released", name=op.f("ck_reservation_sum")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_reservation")),
    )
    op.create_index("ix_reservation_cover", "reservation", ["site", "cover", "name"], unique=False)
    op.create_index("ix_reservation_item", "reservation", ["site", "item", "name"], unique=False)
    op.create_index("ix_reservation_need_time", "reservation", ["site", "need_time", "name"], unique=False)
    op.create_index("ix_reservation_priority", "reservation", ["site", "priority", "name"], unique=False)
    op.create_index("ix_reservation_site", "reservation", ["site", "name"], unique=False)
    op.create_index("ix_reservation_state", "reservation", ["site", "state", "name"], unique=False)
    op.create_index(
        "ix_reservation_waiting",
        "reservation",
        ["site", "item"],
        unique=False,
        postgresql_where=sa.text("state in ('PENDING', 'SHORT')"),
    )
    op.create_index("uq_reservation_demand", "reservation", ["work_order", "demand"], unique=True)
    op.create_table(
        "site_fact",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_site_fact")),
    )
    op.create_table(
        "supply_request",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("need_date", sa.Date(), nullable=False),
        sa.Column("policy_revision", sa.Text(), nullable=False),
        sa.Column("explanation", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("carried_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_supply_request_quantity")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_supply_request")),
    )
    op.create_index("ix_supply_request_item", "supply_request", ["site", "item", "name"], unique=False)
    op.create_index("ix_supply_request_need_date", "supply_request", ["site", "need_date", "name"], unique=False)
    op.create_index("ix_supply_request_site", "supply_request", ["site", "name"], unique=False)
    op.create_index("ix_supply_request_state", "supply_request", ["site", "state", "name"], unique=False)
    op.create_index(
        "uq_supply_request_open",
        "supply_request",
        ["site", "item"],
        unique=True,
        postgresql_where=sa.text("state in ('OPEN', 'CARRIED')"),
    )
    op.create_table(
        "value_balance",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("value", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("variance", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_value_balance_quantity")),
        sa.CheckConstraint("value >= 0 and (quantity > 0 or value = 0)", name=op.f("ck_value_balance_value")),
        sa.PrimaryKeyConstraint("site", "item", name=op.f("pk_value_balance")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "allocation",
        sa.Column("reservation", sa.Text(), nullable=False),
        sa.Column("balance", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_allocation_quantity")),
        sa.ForeignKeyConstraint(["balance"], ["balance.name"], name=op.f("fk_allocation_balance")),
        sa.ForeignKeyConstraint(["reservation"], ["reservation.name"], name=op.f("fk_allocation_reservation")),
        sa.PrimaryKeyConstraint("reservation", "balance", name=op.f("pk_allocation")),
    )
    op.create_index("ix_allocation_balance", "allocation", ["balance"], unique=False)
    op.create_table(
        "inspection_lot",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("receipt_line", sa.Integer(), nullable=False),
        sa.Column("purchase_order", sa.Text(), nullable=False),
        sa.Column("order_line", sa.Integer(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("decided", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("splits", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("decided >= 0 and decided <= quantity", name=op.f("ck_inspection_lot_decided")),
        sa.ForeignKeyConstraint(["receipt"], ["receipt.name"], name=op.f("fk_inspection_lot_receipt")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_inspection_lot")),
    )
    op.create_index("ix_inspection_lot_item", "inspection_lot", ["site", "item", "name"], unique=False)
    op.create_index(
        "ix_inspection_lot_purchase_order", "inspection_lot", ["site", "purchase_order", "name"], unique=False
    )
    op.create_index(op.f("ix_inspection_lot_receipt"), "inspection_lot", ["receipt"], unique=False)
    op.create_index("ix_inspection_lot_site", "inspection_lot", ["site", "name"], unique=False)
    op.create_index("ix_inspection_lot_state", "inspection_lot", ["site", "state", "name"], unique=False)
    op.create_index("ix_inspection_lot_supplier", "inspection_lot", ["site", "supplier", "name"], unique=False)
    op.create_table(
        "lot",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("supplier_lot", sa.Text(), nullable=False),
        sa.Column("expire_date", sa.Date(), nullable=True),
        sa.Column("first_receipt_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["item"], ["item.name"], name=op.f("fk_lot_item")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lot")),
    )
    op.create_index("ix_lot_expire_date", "lot", ["expire_date", "name"], unique=False)
    op.create_index("ix_lot_number", "lot", ["number", "name"], unique=False)
    op.create_index("ix_lot_supplier", "lot", ["supplier", "name"], unique=False)
    op.create_index("uq_lot_number", "lot", ["item", "number"], unique=True)
    op.create_table(
        "materials_policy",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("active_revision", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["item"], ["item.name"], name=op.f("fk_materials_policy_item")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_materials_policy")),
    )
    op.create_index("uq_materials_policy", "materials_policy", ["item", "site"], unique=True)
    op.create_table(
        "movement_entry",
        sa.Column("movement", sa.Text(), nullable=False),
        sa.Column("side", sa.Integer(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("effective_time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity <> 0", name=op.f("ck_movement_entry_quantity")),
        sa.ForeignKeyConstraint(["movement"], ["movement.name"], name=op.f("fk_movement_entry_movement")),
        sa.PrimaryKeyConstraint("movement", "side", name=op.f("pk_movement_entry")),
    )
    op.create_index(
        "ix_movement_entry_key", "movement_entry", ["item", "location", "lot", "status", "effective_time"], unique=False
    )
    op.create_table(
        "receipt_line",
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("expected_receipt", sa.Text(), nullable=False),
        sa.Column("purchase_order", sa.Text(), nullable=False),
        sa.Column("order_line", sa.Integer(), nullable=False),
        sa.Column("schedule_line", sa.Integer(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("order_quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("order_quantity_unit_code", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("movement", sa.Text(), nullable=False),
        sa.Column("inspection_lot", sa.Text(), nullable=False),
        sa.Column("put_away_task", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["receipt"], ["receipt.name"], name=op.f("fk_receipt_line_receipt")),
        sa.PrimaryKeyConstraint("receipt", "line", name=op.f("pk_receipt_line")),
    )
    for table, pairs in STATES.items():
        schema.guard_states(op, table, pairs)
    for table in TABLES:
        schema.grant(op, "materials", table, RIGHTS.get(table, "select, insert, update"))
    for table in APPEND_ONLY:
        schema.append_only(op, table)
    further()
