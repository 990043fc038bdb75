"""Locks, limits and check codes of places, weight and volume of items, and the tree of places as it was."""

from pathlib import Path

from alembic import op

from services.chassis import schema

PLACES = Path(__file__).with_name("0010_locations.sql").read_text()

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TABLES = """
alter table location add column limits jsonb;
alter table item
  add column gross_weight numeric(20, 6), add column gross_weight_unit_code text not null default '',
  add column volume numeric(20, 6), add column volume_unit_code text not null default '';
alter table put_away_task add column no_place_reason text not null default '';
create table location_lock (
  location text not null, direction text not null, reason text not null, person text not null,
  lock_time timestamptz not null,
  constraint pk_location_lock primary key (location, direction),
  constraint fk_location_lock_location foreign key (location) references location (name)
);
create table location_parent (
  location text not null, from_time timestamptz not null, parent_location text,
  constraint pk_location_parent primary key (location, from_time),
  constraint fk_location_parent_location foreign key (location) references location (name)
);
insert into location_parent (location, from_time, parent_location)
select name, create_time, parent_location from location;
"""


def upgrade() -> None:
    """Columns and tables that the release before does not know; then the functions that judge each line."""
    op.execute(TABLES)
    schema.grant(op, "materials", "location_lock", "select, insert, update, delete")
    schema.grant(op, "materials", "location_parent", "select")
    op.execute(PLACES.replace(":=", r"\:="))
