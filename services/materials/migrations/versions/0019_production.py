"""Structures, production orders and what is in process."""

from alembic import op

from services.chassis import schema

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

ROW = """name text not null, site text, version integer not null, event_version integer not null,
  correlation text not null, create_time timestamptz not null, update_time timestamptz not null"""
TABLES = f"""
create table structure (
  {ROW}, item text not null, kind text not null, title text not null,
  constraint pk_structure primary key (name), constraint fk_structure_item foreign key (item) references item (name)
);
create unique index uq_structure_item on structure (item);
create index ix_structure_kind on structure (kind, name);
create table structure_revision (
  {ROW}, structure text not null, effective_date date not null, base_quantity numeric(20, 6) not null,
  unit_code text not null, cost_percent numeric(9, 6) not null, author text not null,
  constraint pk_structure_revision primary key (name),
  constraint fk_structure_revision_structure foreign key (structure) references structure (name),
  constraint ck_structure_revision_base_quantity check (base_quantity > 0)
);
create unique index uq_structure_revision_date on structure_revision (structure, effective_date);
create index ix_structure_revision_effective_date on structure_revision (effective_date, name);
create index ix_structure_revision_structure on structure_revision (structure, effective_date, name);
create table structure_component (
  structure_revision text not null, line integer not null, item text not null, operation integer not null,
  numerator bigint not null, denominator bigint not null, scrap_percent numeric(9, 6) not null,
  over_percent numeric(20, 6) not null, under_percent numeric(9, 6) not null, manual boolean not null,
  constraint pk_structure_component primary key (structure_revision, line),
  constraint fk_structure_component_structure_revision
    foreign key (structure_revision) references structure_revision (name),
  constraint fk_structure_component_item foreign key (item) references item (name),
  constraint ck_structure_component_ratio check (numerator > 0 and denominator > 0),
  constraint ck_structure_component_scrap_percent check (scrap_percent >= 0 and scrap_percent < 100)
);
create index ix_structure_component_item on structure_component (item);
create table structure_output (
  structure_revision text not null, line integer not null, item text not null, kind text not null,
  numerator bigint not null, denominator bigint not null, cost_percent numeric(9, 6) not null,
  unit_value numeric(24, 9), unit_value_currency_code text not null,
  constraint pk_structure_output primary key (structure_revision, line),
  constraint fk_structure_output_structure_revision
    foreign key (structure_revision) references structure_revision (name),
  constraint fk_structure_output_item foreign key (item) references item (name),
  constraint ck_structure_output_ratio check (numerator > 0 and denominator > 0)
);
"""

ORDERS = f"""
create table production_order (
  {ROW}, number text not null, item text not null, unit_code text not null, quantity numeric(20, 6) not null,
  structure_revision text not null, cost_percent numeric(9, 6) not null, source_system text not null,
  external_id text not null, line_location text not null, output_location text not null, places text[] not null,
  lot_rule text not null, asset text not null, start_time timestamptz, due_time timestamptz, state text not null,
  good numeric(20, 6) not null, scrapped numeric(20, 6) not null, reworked numeric(20, 6) not null,
  currency_code text not null, consumed_value numeric(24, 9) not null, output_value numeric(24, 9) not null,
  carried_value numeric(24, 9) not null, variance_value numeric(24, 9),
  constraint pk_production_order primary key (name),
  constraint fk_production_order_item foreign key (item) references item (name),
  constraint ck_production_order_quantity check (quantity > 0),
  constraint ck_production_order_units check (good >= 0 and scrapped >= 0 and reworked >= 0)
);
create unique index uq_production_order_external_id on production_order (site, source_system, external_id)
  where external_id <> '';
create index ix_production_order_site on production_order (site, name);
{
    "".join(
        f"create index ix_production_order_{column} on production_order (site, {column}, name);"
        for column in ("item", "state", "asset", "due_time", "source_system", "external_id")
    )
}
create table production_operation (
  production_order text not null, operation integer not null, site text not null, title text not null,
  asset text not null, location text not null, unit_code text not null, wip_limit numeric(20, 6),
  min_units numeric(20, 6), max_units numeric(20, 6), unit_duration interval, staged_units numeric(20, 6) not null,
  good numeric(20, 6) not null, scrapped numeric(20, 6) not null, reworked numeric(20, 6) not null,
  wip_since timestamptz,
  constraint pk_production_operation primary key (production_order, operation),
  constraint fk_production_operation_production_order foreign key (production_order) references production_order (name),
  constraint fk_production_operation_location foreign key (location) references location (name),
  constraint ck_production_operation_units
    check (staged_units >= 0 and good >= 0 and scrapped >= 0 and reworked >= 0)
);
create index ix_production_operation_asset on production_operation (site, asset) where asset <> '';
create table production_component (
  production_order text not null, line integer not null, item text not null, operation integer not null,
  numerator bigint not null, denominator bigint not null, unit_code text not null,
  scrap_percent numeric(9, 6) not null, over_percent numeric(20, 6) not null, under_percent numeric(9, 6) not null,
  manual boolean not null, required numeric(20, 6) not null, consumed numeric(20, 6) not null,
  constraint pk_production_component primary key (production_order, line),
  constraint fk_production_component_production_order foreign key (production_order) references production_order (name),
  constraint fk_production_component_item foreign key (item) references item (name),
  constraint ck_production_component_ratio check (numerator > 0 and denominator > 0),
  constraint ck_production_component_consumed check (consumed >= 0)
);
create index ix_production_component_item on production_component (item);
create table production_output (
  production_order text not null, line integer not null, item text not null, kind text not null,
  numerator bigint not null, denominator bigint not null, unit_code text not null, cost_percent numeric(9, 6) not null,
  unit_value numeric(24, 9), unit_value_currency_code text not null, produced numeric(20, 6) not null,
  constraint pk_production_output primary key (production_order, line),
  constraint fk_production_output_production_order foreign key (production_order) references production_order (name),
  constraint fk_production_output_item foreign key (item) references item (name),
  constraint ck_production_output_produced check (produced >= 0)
);
create table production_report (
  {ROW}, number text not null, production_order text not null, operation integer not null, unit_code text not null,
  good numeric(20, 6) not null, scrap numeric(20, 6) not null, rework numeric(20, 6) not null,
  scrap_reason text not null, asset text not null, shift text not null, start_time timestamptz,
  end_time timestamptz not null, state text not null, lot text not null, serials text[] not null,
  outputs jsonb not null, shortages jsonb not null, absorbed jsonb not null, carried_value numeric(24, 9) not null,
  currency_code text not null, consume_movement text not null, produce_movement text not null, reason text not null,
  constraint pk_production_report primary key (name),
  constraint fk_production_report_production_order foreign key (production_order) references production_order (name),
  constraint ck_production_report_units check (good >= 0 and scrap >= 0 and rework >= 0 and good + scrap + rework > 0)
);
create index ix_production_report_site on production_report (site, name);
{
    "".join(
        f"create index ix_production_report_{column} on production_report (site, {column}, name);"
        for column in ("production_order", "state", "asset", "end_time")
    )
}
create index ix_production_report_order on production_report (production_order, name);
create table production_consumption (
  production_report text not null, line integer not null, production_order text not null, component integer not null,
  operation integer not null, item text not null, lot text not null, serial text not null, handling_unit text not null,
  movement text not null, quantity numeric(20, 6) not null, unit_code text not null, value numeric(24, 9) not null,
  currency_code text not null, remaining numeric(20, 6) not null, remaining_value numeric(24, 9) not null,
  pooled boolean not null, others jsonb not null,
  constraint pk_production_consumption primary key (production_report, line),
  constraint fk_production_consumption_production_report
    foreign key (production_report) references production_report (name),
  constraint fk_production_consumption_movement foreign key (movement) references movement (name),
  constraint ck_production_consumption_quantity check (quantity > 0),
  constraint ck_production_consumption_remaining
    check (remaining >= 0 and remaining <= quantity and remaining_value >= 0 and remaining_value <= value)
);
create index ix_production_consumption_production_order on production_consumption (production_order, component);
create index ix_production_consumption_lot on production_consumption (lot) where lot <> '';
alter table genealogy_edge
  add column operation integer not null default 0, add column handling_unit text not null default '',
  add column production_order text not null default '';
alter table item_settings add column shortage text not null default 'FORBID';
"""

PAIRS = {
    "production_order": [
        ("PLANNED", "RELEASED"), ("RELEASED", "STARTED"), ("STARTED", "COMPLETED"), ("COMPLETED", "CLOSED"),
        ("COMPLETED", "STARTED"), ("PLANNED", "CANCELLED"), ("RELEASED", "CANCELLED"),
    ],
    "production_report": [("POSTED", "REVERSED")],
}  # fmt: skip

RIGHTS = {
    "production_order": "select, insert, update",
    "production_operation": "select, insert, update",
    "production_component": "select, insert, update",
    "production_output": "select, insert, update",
    "production_report": "select, insert, update",
    "production_consumption": "select, insert, update",
    "structure": "select, insert, update",
    "structure_revision": "select, insert",
    "structure_component": "select, insert",
    "structure_output": "select, insert",
}
NEVER_CHANGED = ("structure_revision", "structure_component", "structure_output")


def upgrade() -> None:
    """Tables that the release before does not know, and columns with defaults for its rows."""
    op.execute(TABLES)
    op.execute(ORDERS)
    for table, rights in RIGHTS.items():
        schema.grant(op, "materials", table, rights)
    for table in NEVER_CHANGED:
        schema.append_only(op, table)
    for table, pairs in PAIRS.items():
        schema.guard_states(op, table, pairs)
