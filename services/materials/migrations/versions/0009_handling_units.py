"""Handling units and their types, SSCC ranges, and units that receipts, inspections and put-away name."""

from pathlib import Path

from alembic import op

from services.chassis import schema

FUNCTIONS = Path(__file__).with_name("0009_handling_units.sql").read_text()

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = """
create table handling_unit_type (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  title text not null, reusable boolean not null, grai text not null,
  tare_weight numeric(20, 6), tare_weight_unit_code text not null,
  max_weight numeric(20, 6), max_weight_unit_code text not null,
  max_volume numeric(20, 6), max_volume_unit_code text not null,
  outer_volume numeric(20, 6), outer_volume_unit_code text not null,
  constraint pk_handling_unit_type primary key (name)
);
create unique index uq_handling_unit_type_grai on handling_unit_type (grai) where grai <> '';
create table handling_unit (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  number text not null, sscc text not null, handling_unit_type text not null,
  location text, parent_handling_unit text, state text not null,
  gross_weight numeric(20, 6), gross_weight_unit_code text not null,
  constraint pk_handling_unit primary key (name),
  constraint fk_handling_unit_handling_unit_type foreign key (handling_unit_type) references handling_unit_type (name),
  constraint fk_handling_unit_location foreign key (location) references location (name),
  constraint fk_handling_unit_parent_handling_unit foreign key (parent_handling_unit) references handling_unit (name),
  constraint ck_handling_unit_sscc check (sscc ~ '^[0-9]{18}$'),
  constraint ck_handling_unit_place
    check (num_nonnulls(location, parent_handling_unit) = case when state = 'SHIPPED' then 0 else 1 end)
);
create unique index uq_handling_unit_sscc on handling_unit (sscc);
create unique index uq_handling_unit_number on handling_unit (site, number);
create index ix_handling_unit_site on handling_unit (site, name);
create index ix_handling_unit_inside on handling_unit (parent_handling_unit);
create index ix_handling_unit_state on handling_unit (site, state, name);
create index ix_handling_unit_handling_unit_type on handling_unit (site, handling_unit_type, name);
create index ix_handling_unit_location on handling_unit (site, location, name);
create index ix_handling_unit_parent_handling_unit on handling_unit (site, parent_handling_unit, name);
create table sscc_range (
  prefix text not null, extension integer not null, next bigint not null,
  constraint pk_sscc_range primary key (prefix, extension),
  constraint ck_sscc_range_prefix check (prefix ~ '^[0-9]{4,12}$'),
  constraint ck_sscc_range_extension check (extension between 0 and 9),
  constraint ck_sscc_range_next check (next between 1 and (10::numeric ^ (16 - length(prefix)))::bigint)
);
alter table receipt_line add column handling_unit text not null default '';
alter table inspection_lot add column handling_unit text not null default '';
alter table put_away_task add column handling_unit text not null default '';
"""

PAIRS = [
    ("OPEN", "CLOSED"),
    ("CLOSED", "OPEN"),
    ("CLOSED", "SHIPPED"),
    ("SHIPPED", "OPEN"),
    ("SHIPPED", "CLOSED"),
    ("OPEN", "POOLED"),
    ("OPEN", "RETIRED"),
    ("POOLED", "OPEN"),
]


def upgrade() -> None:
    """Tables first, then the functions that speak of them."""
    op.execute(TABLES)
    for table in ("handling_unit_type", "handling_unit", "sscc_range"):
        schema.grant(op, "materials", table, "select, insert, update")
    schema.guard_states(op, "handling_unit", PAIRS)
    op.execute(FUNCTIONS.replace(":=", r"\:="))
