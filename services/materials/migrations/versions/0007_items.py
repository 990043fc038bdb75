"""Rounding, catch weight, alternates, lives, successors of items; what receipts stated; settings of a site."""

from alembic import op

from services.chassis import schema

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMNS = """
alter table item
  add column rounding text not null default 'HALF_EVEN', add column catch_weight jsonb,
  add column alternates jsonb not null default '[]', add column lot_merge_allowed boolean not null default true,
  add column shelf_life_days integer not null default 0,
  add column minimum_remaining_life_days integer not null default 0,
  add column superseded_by text not null default '';
alter table receipt_line
  add column second_quantity numeric(20, 6), add column second_quantity_unit_code text not null default '',
  add column entered_quantity numeric(20, 6), add column entered_quantity_unit_code text not null default '',
  add column factor_numerator bigint not null default 1, add column factor_denominator bigint not null default 1;
alter table inspection_lot
  add column second_quantity numeric(20, 6), add column second_quantity_unit_code text not null default '',
  add column second_decided numeric(20, 6), add column second_decided_unit_code text not null default '';
alter table put_away_task
  add column second_quantity numeric(20, 6), add column second_quantity_unit_code text not null default '';
"""

SETTINGS = """
create table item_settings (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  item text not null, minimum_remaining_life_days integer, lot_number_rule jsonb, serial_number_rule jsonb,
  constraint pk_item_settings primary key (name),
  constraint fk_item_settings_item foreign key (item) references item (name)
);
create index ix_item_settings_site on item_settings (site, name);
create index ix_item_settings_item on item_settings (site, item, name)
"""

# who changed what stock is kept in while somebody else was about to post by the old facts: the later one begins anew
SUMS = """
create or replace function movement_sums_to_zero() returns trigger language plpgsql as $$
begin
  if exists (select 1 from movement_entry where movement = new.movement
             group by item, lot, serial, unit_code having sum(quantity) <> 0 or sum(second_quantity) <> 0) then
    raise exception 'entries of % do not sum to zero', new.movement using errcode = '23514';
  end if;
  if exists (select 1 from item i where i.name = new.item
             and (i.base_unit_code <> new.unit_code or (i.catch_weight is null) <> (new.second_quantity is null)
                  or (i.tracking in ('LOT', 'LOT_AND_SERIAL')) <> (new.lot <> ''))) then
    raise exception '% is not kept any more as % says', new.item, new.movement using errcode = '40001';
  end if;
  return null;
end $$
"""


def upgrade() -> None:
    """Columns that old rows and processes of the release before fill by their defaults; then the guard."""
    op.execute(COLUMNS)
    op.execute(SETTINGS)
    schema.grant(op, "materials", "item_settings", "select, insert, update")
    op.execute(SUMS)
