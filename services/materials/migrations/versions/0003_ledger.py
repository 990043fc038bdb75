"""The ledger with lines, serials, handling units, owners, projects, a second quantity and an order for replay."""

from pathlib import Path

from alembic import op

from services.chassis import schema

LEDGER = Path(__file__).with_name("0003_ledger.sql").read_text()

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

COLUMNS = """
alter table movement
  add column serial text not null default '', add column device text not null default '', add column xid bigint;
alter table movement_entry
  add column site text not null default '', add column balance text not null default '',
  add column serial text not null default '', add column handling_unit text not null default '',
  add column owner text not null default '', add column project text not null default '',
  add column second_quantity numeric(20, 6), add column second_quantity_unit_code text not null default '',
  add column entered_quantity numeric(20, 6), add column entered_quantity_unit_code text not null default '',
  add column factor_numerator bigint not null default 1, add column factor_denominator bigint not null default 1,
  add column value numeric(24, 9), add column returns text not null default '',
  add column item_sequence bigint not null default 0;
alter table balance
  add column serial text not null default '', add column handling_unit text not null default '',
  add column owner text not null default '', add column project text not null default '',
  add column second_on_hand numeric(20, 6), add column second_on_hand_unit_code text not null default '';
alter table value_balance add column sequence bigint not null default 0;
alter table balance drop constraint ck_balance_on_hand;
alter table balance add constraint ck_balance_on_hand
  check (virtual or (on_hand >= 0 and coalesce(second_on_hand, 0) >= 0)) not valid;
alter table movement_entry drop constraint ck_movement_entry_quantity;
alter table movement_entry add constraint ck_movement_entry_quantity
  check (quantity <> 0 or coalesce(second_quantity, 0) <> 0) not valid;
create table serial (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  number text not null, item text not null, lot text not null, balance text not null, left_by text not null,
  constraint pk_serial primary key (name),
  constraint fk_serial_item foreign key (item) references item (name)
);
create table site_settings (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  backdating_days integer not null, receipts_first boolean not null,
  constraint pk_site_settings primary key (name),
  constraint ck_site_settings_backdating_days check (backdating_days between 0 and 366)
);
create table ledger_seal (
  site text not null, ledger_number bigint not null, movement text not null, form integer not null,
  hash bytea not null, seal_time timestamptz not null,
  constraint pk_ledger_seal primary key (site, ledger_number),
  constraint fk_ledger_seal_movement foreign key (movement) references movement (name)
);
create unique index uq_ledger_seal_movement on ledger_seal (movement);
create index ix_ledger_seal_seal_time on ledger_seal (site, seal_time);
create table ledger_head (
  site text not null, horizon bigint not null,
  constraint pk_ledger_head primary key (site)
);
create table ledger_proof (
  site text not null, prove_time timestamptz not null, differences integer not null, findings text[] not null,
  constraint pk_ledger_proof primary key (site)
);
create unique index uq_serial_number on serial (item, number);
create index ix_serial_number on serial (number, name);
create index ix_serial_lot on serial (lot, name);
"""

RIGHTS = {
    "serial": "select, insert, update",
    "site_settings": "select, insert, update",
    "ledger_seal": "select, insert",
    "ledger_head": "select, insert, update",
    "ledger_proof": "select, insert, update",
}

# numbers of entries that are there already stay free for them; 0004 gives them out
NUMBERS = """
update value_balance v set sequence = e.number
from (select b.site, n.item, count(*) as number from movement_entry n join movement b on b.name = n.movement
      group by 1, 2) e
where e.site = v.site and e.item = v.item
"""


def upgrade() -> None:
    """Columns that old rows and processes of the release before fill by their defaults; then the functions."""
    op.execute(COLUMNS)
    for table, rights in RIGHTS.items():
        schema.grant(op, "materials", table, rights)
    schema.append_only(op, "ledger_seal")
    op.execute(NUMBERS)
    op.execute(LEDGER.replace(":=", r"\:="))
