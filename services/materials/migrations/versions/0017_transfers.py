"""Transfers and shipments, what was returned of receipts, and goods of another owner."""

from pathlib import Path

from alembic import op

from services.chassis import schema

FUNCTIONS = Path(__file__).with_name("0017_transfers.sql").read_text()

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

GOODS = """
  item text not null, lot text not null, status text not null, location text not null,
  handling_unit text not null, outer_handling_unit text not null, owner text not null, project text not null,
  quantity numeric(20, 6) not null, unit_code text not null, second_quantity numeric(20, 6),
  second_quantity_unit_code text not null, entered_quantity numeric(20, 6), entered_quantity_unit_code text not null,
  factor_numerator bigint not null, factor_denominator bigint not null, serials text[] not null,
"""
RESOURCE = """
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
"""
TABLES = f"""
create table transfer ({RESOURCE}
  number text not null, to_site text not null, transit_location text not null, to_location text not null,
  carrier text not null, expected_date date, note text not null, state text not null, ship_time timestamptz,
  movement text not null, disposals jsonb not null,
  constraint pk_transfer primary key (name),
  constraint fk_transfer_transit_location foreign key (transit_location) references location (name)
);
create index ix_transfer_site on transfer (site, name);
create unique index uq_transfer_number on transfer (number);
create index ix_transfer_state on transfer (site, state, name);
create index ix_transfer_to_site on transfer (site, to_site, name);
create index ix_transfer_expected_date on transfer (site, expected_date, name);
create index ix_transfer_incoming on transfer (to_site, name);
create index ix_transfer_incoming_state on transfer (to_site, state, name);
create index ix_transfer_incoming_expected on transfer (to_site, expected_date, name);
create table transfer_line ({GOODS}
  transfer text not null, line integer not null, received numeric(20, 6) not null,
  second_received numeric(20, 6) not null,
  disposed numeric(20, 6) not null, second_disposed numeric(20, 6) not null, closed_serials text[] not null,
  constraint pk_transfer_line primary key (transfer, line),
  constraint fk_transfer_line_transfer foreign key (transfer) references transfer (name),
  constraint ck_transfer_line_received check (received >= 0 and disposed >= 0 and received + disposed <= quantity),
  constraint ck_transfer_line_second_received check (
    second_received >= 0 and second_disposed >= 0
    and second_received + second_disposed <= coalesce(second_quantity, 0))
);
create index ix_transfer_line_item on transfer_line (item);
create table shipment ({RESOURCE}
  number text not null, customer text not null, address text not null, source_system text not null,
  external_id text not null, carrier text not null, state text not null, ship_time timestamptz,
  movement text not null,
  constraint pk_shipment primary key (name)
);
create index ix_shipment_site on shipment (site, name);
create unique index uq_shipment_number on shipment (number);
create index ix_shipment_state on shipment (site, state, name);
create index ix_shipment_customer on shipment (site, customer, name);
create index ix_shipment_external_id on shipment (site, external_id, name);
create index ix_shipment_ship_time on shipment (site, ship_time, name);
create table shipment_line ({GOODS}
  shipment text not null, line integer not null, returned numeric(20, 6) not null,
  second_returned numeric(20, 6) not null,
  returned_serials text[] not null, cost numeric(24, 9), cost_currency_code text not null,
  constraint pk_shipment_line primary key (shipment, line),
  constraint fk_shipment_line_shipment foreign key (shipment) references shipment (name),
  constraint ck_shipment_line_returned check (returned >= 0 and returned <= quantity),
  constraint ck_shipment_line_second_returned
    check (second_returned >= 0 and second_returned <= coalesce(second_quantity, 0))
);
create index ix_shipment_line_item on shipment_line (item);
create table shipped_unit (
  shipment text not null, handling_unit text not null, parent_handling_unit text not null, number text not null,
  sscc text not null, gross_weight numeric(20, 6), gross_weight_unit_code text not null,
  constraint pk_shipped_unit primary key (shipment, handling_unit),
  constraint fk_shipped_unit_shipment foreign key (shipment) references shipment (name),
  constraint fk_shipped_unit_handling_unit foreign key (handling_unit) references handling_unit (name)
);
create index ix_shipped_unit_handling_unit on shipped_unit (handling_unit);
alter table handling_unit add column ship_time timestamptz;
alter table receipt_line
  add column owner text not null default '', add column returned numeric(20, 6) not null default 0,
  add column second_returned numeric(20, 6) not null default 0,
  add column returned_serials text[] not null default '{{}}', add column returns text not null default '';
alter table put_away_task add column owner text not null default '';
alter table inspection_lot add column owner text not null default '';
"""

TRANSFERS = [
    ("DRAFT", "RELEASED"),
    ("RELEASED", "SHIPPED"),
    ("SHIPPED", "PARTLY_RECEIVED"),
    ("SHIPPED", "RECEIVED"),
    ("PARTLY_RECEIVED", "RECEIVED"),
    ("RECEIVED", "SETTLED"),
]
SHIPMENTS = [
    ("DRAFT", "PACKED"),
    ("PACKED", "DRAFT"),
    ("PACKED", "SHIPPED"),
    ("DRAFT", "CANCELLED"),
    ("PACKED", "CANCELLED"),
]


def upgrade() -> None:
    """Tables first, then the guard of units that left.

    The places that stand for customers and for other sites come with their first use: the release before reads no
    place of these kinds.
    """
    op.execute(TABLES)
    for table in ("transfer", "shipment"):
        schema.grant(op, "materials", table, "select, insert, update")
        schema.grant(op, "materials", f"{table}_line", "select, insert, update, delete")
    schema.grant(op, "materials", "shipped_unit", "select, insert")
    schema.guard_states(op, "transfer", TRANSFERS)
    schema.guard_states(op, "shipment", SHIPMENTS)
    op.execute(FUNCTIONS.replace(":=", r"\:="))
