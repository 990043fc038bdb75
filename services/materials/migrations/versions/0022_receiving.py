"""Announced deliveries; goods beyond what an order accepts, goods without an order, documents that come along."""

from alembic import op

from services.chassis import schema

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

TABLES = """
alter table expected_receipt add column over_receipt_action text not null default 'REJECT';
alter table receipt_line add column over boolean not null default false;
alter table receipt_line add column documents text[] not null default '{}';
alter table receipt_line add column spread_of integer not null default 0;
alter table item_settings add column fixed_location text not null default '';
create table supplier_fact (
  name text not null, state text not null,
  constraint pk_supplier_fact primary key (name)
);
create table expected_delivery (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  supplier text not null, delivery_note text not null, expected_date date, state text not null,
  constraint pk_expected_delivery primary key (name)
);
create index ix_expected_delivery_site on expected_delivery (site, name);
create index ix_expected_delivery_supplier on expected_delivery (site, supplier, name);
create index ix_expected_delivery_state on expected_delivery (site, state, name);
create index ix_expected_delivery_delivery_note on expected_delivery (site, delivery_note, name);
create index ix_expected_delivery_expected_date on expected_delivery (site, expected_date, name);
create table expected_delivery_line (
  expected_delivery text not null, line integer not null, sscc text not null, item text not null,
  quantity numeric(20, 6) not null, quantity_unit_code text not null, expected_receipt text not null,
  lot_number text not null, manufacture_date date, best_before_date date, expire_date date,
  receipt text not null, received numeric(20, 6),
  constraint pk_expected_delivery_line primary key (expected_delivery, line),
  constraint fk_expected_delivery_line_expected_delivery foreign key (expected_delivery)
    references expected_delivery (name)
);
create index ix_expected_delivery_line_sscc on expected_delivery_line (sscc);
create index ix_expected_delivery_line_receipt on expected_delivery_line (receipt);
"""


def upgrade() -> None:
    """Tables that the release before does not know, and columns that it fills by their defaults."""
    op.execute(TABLES)
    for table in ("expected_delivery", "expected_delivery_line", "supplier_fact"):
        schema.grant(op, "materials", table)
    pairs = [("EXPECTED", "RECEIVED"), ("RECEIVED", "EXPECTED"), ("EXPECTED", "CANCELLED")]
    schema.guard_states(op, "expected_delivery", pairs)
