"""Cost layers, stock that may go below zero at backflush points, one text of the posting function."""

from pathlib import Path

from alembic import op

from services.chassis import schema

POSTING = Path(__file__).with_name("0027_posting.sql").read_text()
LAYERS = Path(__file__).with_suffix(".sql").read_text()

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

TABLES = """
create table value_layer (
  site text not null, item text not null, sequence bigint not null, part integer not null, movement text not null,
  layer_time timestamptz not null, quantity numeric(20, 6) not null, value numeric(24, 9) not null,
  remaining_quantity numeric(20, 6) not null, remaining_value numeric(24, 9) not null,
  constraint pk_value_layer primary key (site, item, sequence, part),
  constraint ck_value_layer_remaining check (
    remaining_quantity >= 0 and remaining_value >= 0 and (remaining_quantity > 0 or remaining_value = 0))
);
create index ix_value_layer_open on value_layer (site, item, layer_time, sequence, part) where remaining_quantity > 0;
create index ix_value_layer_movement on value_layer (movement);
create table layer_take (
  site text not null, item text not null, sequence bigint not null, layer_sequence bigint not null,
  layer_part integer not null, movement text not null, quantity numeric(20, 6) not null, value numeric(24, 9) not null,
  restored numeric(20, 6) not null,
  constraint pk_layer_take primary key (site, item, sequence, layer_sequence, layer_part)
);
create index ix_layer_take_movement on layer_take (movement);
create table valuation_change (
  site text not null, item text not null, change_time timestamptz not null, method text not null,
  sequence bigint not null,
  constraint pk_valuation_change primary key (site, item, change_time)
);
create table negative_stock (
  balance text not null, movement text not null, site text not null, item text not null,
  begin_time timestamptz not null, end_time timestamptz, task text not null,
  constraint pk_negative_stock primary key (balance, movement)
);
create index ix_negative_stock_open on negative_stock (site, item) where end_time is null;
alter table item_settings add column valuation_method text not null default 'MOVING_AVERAGE';
alter table value_balance add column valuation_method text not null default 'MOVING_AVERAGE';
alter table value_balance add column negative_allowed boolean not null default false;
alter table balance add column negative_allowed boolean not null default false;
"""
RULES = """
alter table balance drop constraint ck_balance_on_hand, add constraint ck_balance_on_hand check (
  virtual or ((negative_allowed or on_hand >= 0) and coalesce(second_on_hand, 0) >= 0)) not valid;
alter table balance drop constraint ck_balance_reserved, add constraint ck_balance_reserved check (
  virtual or (reserved >= 0 and (reserved <= on_hand or (negative_allowed and reserved = 0)))) not valid;
alter table value_balance drop constraint ck_value_balance_quantity, add constraint ck_value_balance_quantity check (
  negative_allowed or quantity >= 0) not valid;
alter table value_balance drop constraint ck_value_balance_value, add constraint ck_value_balance_value check (
  (quantity > 0 and value >= 0) or (quantity = 0 and value = 0) or (quantity < 0 and value <= 0)) not valid;
"""


def upgrade() -> None:
    """Tables and columns that the release before does not know; rules of rows that nothing marks are what they were."""
    op.execute(TABLES)
    op.execute(RULES)
    for table in ("value_layer", "layer_take", "valuation_change", "negative_stock"):
        schema.grant(op, "materials", table, "select")
    schema.grant(op, "materials", "negative_stock", "update (task)")
    for functions in (POSTING, LAYERS):
        op.execute(functions.replace(":=", r"\:="))
