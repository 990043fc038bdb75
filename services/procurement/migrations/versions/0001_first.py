"""The first schema of procurement."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from services.chassis import schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATES = {
    "procurement_revision": [
        ("ACTIVE", "RETIRED"),
        ("APPROVED", "ACTIVE"),
        ("APPROVED", "RETIRED"),
        ("DRAFT", "SUBMITTED"),
        ("SUBMITTED", "APPROVED"),
        ("SUBMITTED", "DRAFT"),
    ],
    "purchase_order": [
        ("APPROVED", "CANCELLED"),
        ("APPROVED", "DRAFT"),
        ("APPROVED", "ISSUED"),
        ("CLOSED", "ISSUED"),
        ("DRAFT", "APPROVED"),
        ("DRAFT", "CANCELLED"),
        ("DRAFT", "PENDING_APPROVAL"),
        ("ISSUED", "CANCELLED"),
        ("ISSUED", "CLOSED"),
        ("PENDING_APPROVAL", "APPROVED"),
        ("PENDING_APPROVAL", "CANCELLED"),
        ("PENDING_APPROVAL", "DRAFT"),
    ],
    "requisition": [
        ("APPROVED", "CANCELLED"),
        ("APPROVED", "CLOSED"),
        ("APPROVED", "SUBMITTED"),
        ("CLOSED", "APPROVED"),
        ("CLOSED", "CANCELLED"),
        ("SUBMITTED", "APPROVED"),
        ("SUBMITTED", "CANCELLED"),
        ("SUBMITTED", "REJECTED"),
    ],
    "supplier": [
        ("ACTIVE", "RETIRED"),
        ("ACTIVE", "SUSPENDED"),
        ("DRAFT", "ACTIVE"),
        ("SUSPENDED", "ACTIVE"),
        ("SUSPENDED", "RETIRED"),
    ],
}

TABLES = (
    "item_fact",
    "procurement_policy",
    "procurement_revision",
    "receipt_seen",
    "requisition",
    "site_fact",
    "supplier",
    "purchase_order",
    "supplier_item",
    "purchase_order_line",
    "purchase_order_revision",
)

APPEND_ONLY = ("purchase_order_revision",)


def upgrade() -> None:
    schema.create_chassis(op, "procurement")
    op.create_table(
        "item_fact",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("base_unit_code", sa.Text(), nullable=False),
        sa.Column("base_step", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("conversions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_item_fact")),
    )
    op.create_table(
        "procurement_policy",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("active_revision", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_procurement_policy")),
    )
    op.create_index(
        "uq_procurement_policy", "procurement_policy", ["kind", "site"], unique=True, postgresql_nulls_not_distinct=True
    )
    op.create_table(
        "procurement_revision",
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
        sa.Column("choice", sa.Text(), nullable=False),
        sa.Column("requisition_tiers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("order_tiers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("ceiling", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("ceiling_currency_code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_procurement_revision")),
    )
    op.create_index(op.f("ix_procurement_revision_policy"), "procurement_revision", ["policy"], unique=False)
    op.create_index(
        "uq_procurement_revision_active",
        "procurement_revision",
        ["policy"],
        unique=True,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_table(
        "receipt_seen",
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("receipt_line", sa.Integer(), nullable=False),
        sa.Column("purchase_order", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("base_quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("accepted", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("rejected", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.PrimaryKeyConstraint("receipt", "receipt_line", name=op.f("pk_receipt_seen")),
    )
    op.create_index("ix_receipt_seen_purchase_order", "receipt_seen", ["purchase_order", "line"], unique=False)
    op.create_table(
        "requisition",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("needed", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("need_date", sa.Date(), nullable=True),
        sa.Column("delivery_location", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("source_kind", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_version", sa.Integer(), nullable=False),
        sa.Column("work_order", sa.Text(), nullable=False),
        sa.Column("demand", sa.Text(), nullable=False),
        sa.Column("demand_version", sa.Integer(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("approver", sa.Text(), nullable=False),
        sa.Column("approver_for", sa.Text(), nullable=False),
        sa.Column("approve_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("decision_reason", sa.Text(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("supplier_item", sa.Text(), nullable=False),
        sa.Column("estimate", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("estimate_currency_code", sa.Text(), nullable=False),
        sa.Column("expected_date", sa.Date(), nullable=True),
        sa.Column("explanation", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("purchase_order", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "approver = '' or (approver <> requester and approver_for <> requester)",
            name=op.f("ck_requisition_duties"),
        ),
        sa.CheckConstraint("quantity > 0 and needed >= 0 and needed <= quantity", name=op.f("ck_requisition_quantity")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_requisition")),
    )
    op.create_index("ix_requisition_site", "requisition", ["site", "name"], unique=False)
    op.create_index("ix_requisition_state", "requisition", ["site", "state", "name"], unique=False)
    op.create_index("ix_requisition_work_order", "requisition", ["work_order"], unique=False)
    op.create_index(
        "ix_requisition_source",
        "requisition",
        ["source_kind", "source"],
        unique=False,
        postgresql_where=sa.text("source <> ''"),
    )
    op.create_index("ix_requisition_supplier", "requisition", ["supplier", "approve_time"], unique=False)
    op.create_index("uq_requisition_number", "requisition", ["site", "number"], unique=True)
    op.create_index(
        "uq_requisition_source",
        "requisition",
        ["source_kind", "source"],
        unique=True,
        postgresql_where=sa.text("source <> '' and state in ('SUBMITTED', 'APPROVED')"),
    )
    op.create_table(
        "site_fact",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_site_fact")),
    )
    op.create_table(
        "supplier",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("country_code", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("authors", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("approver", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_supplier")),
    )
    op.create_index("uq_supplier_number", "supplier", ["number"], unique=True)
    op.create_table(
        "purchase_order",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("authors", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("approver", sa.Text(), nullable=False),
        sa.Column("approver_for", sa.Text(), nullable=False),
        sa.Column("approve_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("decide_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("issue_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("net", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("explanation", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("chains", sa.ARRAY(sa.Text()), nullable=False),
        sa.CheckConstraint(
            "approver = '' or not (approver = any(authors) or approver_for = any(authors))",
            name=op.f("ck_purchase_order_duties"),
        ),
        sa.ForeignKeyConstraint(["supplier"], ["supplier.name"], name=op.f("fk_purchase_order_supplier")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_purchase_order")),
    )
    op.create_index("ix_purchase_order_site", "purchase_order", ["site", "name"], unique=False)
    op.create_index("ix_purchase_order_state", "purchase_order", ["site", "state", "name"], unique=False)
    op.create_index("ix_purchase_order_supplier", "purchase_order", ["supplier", "decide_time"], unique=False)
    op.create_index("uq_purchase_order_number", "purchase_order", ["site", "number"], unique=True)
    op.create_table(
        "supplier_item",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("part_number", sa.Text(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("base_numerator", sa.Integer(), nullable=False),
        sa.Column("base_denominator", sa.Integer(), nullable=False),
        sa.Column("minimum_quantity", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("multiple", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("price_base_quantity", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("prices", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("lead_days", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("over_percent", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.ForeignKeyConstraint(["supplier"], ["supplier.name"], name=op.f("fk_supplier_item_supplier")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_supplier_item")),
    )
    op.create_index("ix_supplier_item_item", "supplier_item", ["item"], unique=False)
    op.create_index(
        "uq_supplier_item",
        "supplier_item",
        ["supplier", "item", "site"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "purchase_order_line",
        sa.Column("purchase_order", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("supplier_item", sa.Text(), nullable=False),
        sa.Column("part_number", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("received", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("accepted", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("rejected", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("short_closed", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("base_numerator", sa.Integer(), nullable=False),
        sa.Column("base_denominator", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("price_base_quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("net", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("delivery_location", sa.Text(), nullable=False),
        sa.Column("requested_date", sa.Date(), nullable=True),
        sa.Column("expected_date", sa.Date(), nullable=True),
        sa.Column("over_percent", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("accept_limit", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("references_", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "quantity > 0 and received >= 0 and accepted >= 0 and rejected >= 0 and short_closed >= 0",
            name=op.f("ck_purchase_order_line_quantities"),
        ),
        sa.ForeignKeyConstraint(
            ["purchase_order"], ["purchase_order.name"], name=op.f("fk_purchase_order_line_purchase_order")
        ),
        sa.PrimaryKeyConstraint("purchase_order", "line", name=op.f("pk_purchase_order_line")),
    )
    op.create_table(
        "purchase_order_revision",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purchase_order", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("approver", sa.Text(), nullable=False),
        sa.Column("approve_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["purchase_order"], ["purchase_order.name"], name=op.f("fk_purchase_order_revision_purchase_order")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_purchase_order_revision")),
    )
    op.create_index(
        op.f("ix_purchase_order_revision_purchase_order"), "purchase_order_revision", ["purchase_order"], unique=False
    )
    for table, pairs in STATES.items():
        schema.guard_states(op, table, pairs)
    for table in TABLES:
        rights = "select, insert" if table in APPEND_ONLY else "select, insert, update"
        schema.grant(op, "procurement", table, rights)
    for table in APPEND_ONLY:
        schema.append_only(op, table)
