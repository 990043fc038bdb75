"""Tasks of people with scanners, waves and picks."""

from pathlib import Path

from alembic import op

from services.chassis import schema

TASKS = Path(__file__).with_name("0016_tasks.sql").read_text()

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

TABLES = """
alter table put_away_task
  add column kind text not null default 'PUT_AWAY', add column priority int not null default 3,
  add column deadline_time timestamptz, add column skills text[] not null default '{}',
  add column equipment text not null default '', add column predecessor text not null default '',
  add column reservation text not null default '', add column wave text not null default '',
  add column to_handling_unit text not null default '', add column lease_person text not null default '',
  add column lease_device text not null default '', add column lease_expire_time timestamptz,
  add column done_quantity numeric(20, 6), add column short_reason text not null default '',
  add column skipped_scans text[] not null default '{}', add column note text not null default '';
alter table reservation
  add column asset text not null default '', add column started boolean not null default false;
create table wave (
  name text not null, site text, version int not null, event_version int not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  number text not null, state text not null, staging_location text not null, cluster boolean not null,
  release_time timestamptz,
  constraint pk_wave primary key (name)
);
create index ix_wave_site on wave (site, name);
create index ix_wave_state on wave (site, state, name);
create table wave_line (
  wave text not null, reservation text not null, handling_unit text not null, released boolean not null,
  left_out_reason text not null,
  constraint pk_wave_line primary key (wave, reservation),
  constraint fk_wave_line_wave foreign key (wave) references wave (name)
);
create table zero_confirmation (
  task text not null, site text not null, location text not null, item text not null, lot text not null,
  empty boolean not null, person text not null, device text not null, confirm_time timestamptz not null,
  constraint pk_zero_confirmation primary key (task)
);
create index ix_zero_confirmation_location on zero_confirmation (site, location, confirm_time);
create table bin_lock (
  location text not null, item text not null, task text not null, reason text not null, person text not null,
  lock_time timestamptz not null,
  constraint pk_bin_lock primary key (location, item)
);
create table standing_asset (
  asset text not null, since timestamptz,
  constraint pk_standing_asset primary key (asset)
);
"""
STATES = [
    ("PLANNED", "READY"), ("READY", "LEASED"), ("LEASED", "STARTED"), ("STARTED", "COMPLETED"),
    ("STARTED", "SHORTENED"), ("READY", "WAITING"), ("WAITING", "READY"), ("LEASED", "WAITING"),
    ("WAITING", "LEASED"), ("LEASED", "READY"), ("EXCEPTION", "READY"),
    *((state, "CANCELLED") for state in ("PLANNED", "LEASED", "STARTED", "WAITING", "EXCEPTION")),
    *((state, "EXCEPTION") for state in ("PLANNED", "READY", "LEASED", "STARTED", "WAITING")),
    ("LEASED", "COMPLETED"), ("WAITING", "COMPLETED"),
]  # fmt: skip


def upgrade() -> None:
    """Columns and tables that the release before does not know; then the functions that count tasks."""
    op.execute(TABLES)
    values = ", ".join(f"('put_away_task', '{before}', '{after}')" for before, after in STATES)
    op.execute("insert into allowed_transition (table_name, from_state, to_state) values " + values)  # noqa: S608
    schema.guard_states(op, "wave", [("PLANNED", "RELEASED")])
    for table in ("wave", "wave_line"):
        schema.grant(op, "materials", table)
    schema.grant(op, "materials", "zero_confirmation", "select, insert")
    for table in ("bin_lock", "standing_asset"):
        schema.grant(op, "materials", table, "select, insert, update, delete")
    op.execute(TASKS.replace(":=", r"\:="))
