"""Holds, what they match, which lots are held, and areas of quality."""

from pathlib import Path

from alembic import op

from services.chassis import schema

HOLDS = Path(__file__).with_name("0014_holds.sql").read_text()

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = """
create table hold (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  scope text not null, item text not null, lot text not null, serial text not null, handling_unit text not null,
  location text not null, supplier text not null, from_date date, to_date date, include_descendants boolean not null,
  allowed_moves text[] not null, allowed_locations text[] not null, reason text not null, person text not null,
  release_permission text not null, inspection_lot text not null, state text not null, releaser text not null,
  release_reason text not null, release_time timestamptz,
  constraint pk_hold primary key (name),
  constraint ck_hold_scope check (case scope when 'LOT' then lot when 'SERIAL' then serial
    when 'HANDLING_UNIT' then handling_unit when 'LOCATION' then location when 'SUPPLIER' then supplier end <> ''),
  constraint ck_hold_window check (from_date <= to_date),
  constraint ck_hold_released check ((state = 'RELEASED') = (release_time is not null) and releaser <> person)
);
create index ix_hold_site on hold (site, name);
create index ix_hold_state on hold (site, state, name);
create index ix_hold_scope on hold (site, scope, name);
create index ix_hold_item on hold (site, item, name);
create index ix_hold_lot on hold (site, lot, name);
create index ix_hold_serial on hold (site, serial, name);
create index ix_hold_handling_unit on hold (site, handling_unit, name);
create index ix_hold_location on hold (site, location, name);
create index ix_hold_supplier on hold (site, supplier, name);
create table hold_target (
  hold text not null, target text not null, site text not null, active boolean not null,
  constraint pk_hold_target primary key (hold, target),
  constraint fk_hold_target_hold foreign key (hold) references hold (name)
);
create index ix_hold_target_site on hold_target (site, target) where active;
create index ix_hold_target_target on hold_target (target) where active;
create table held_lot (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  item text not null, lot text not null, held boolean not null,
  constraint pk_held_lot primary key (name)
);
create index ix_held_lot_held on held_lot (site) where held;
alter table location add column quality_area boolean not null default false;
alter table receipt_line add column hold text not null default '';
"""


def upgrade() -> None:
    """Tables and columns that the release before does not know; then the functions that judge each line."""
    op.execute(TABLES)
    for table in ("hold", "hold_target", "held_lot"):
        schema.grant(op, "materials", table, "select, insert, update")
    schema.guard_states(op, "hold", [("ACTIVE", "RELEASED")])
    op.execute(HOLDS.replace(":=", r"\:="))
