"""Periods with their snapshots, and what changes values beside entries of the ledger."""

from pathlib import Path

from alembic import op

from services.chassis import schema

POSTING = Path(__file__).with_suffix(".sql").read_text()

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TABLES = """
create table ledger_period (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  state text not null, close_date date not null, end_time timestamptz not null, closer text not null,
  prove_time timestamptz, progress text not null, balance_count bigint, value numeric(24, 9),
  value_currency_code text not null, findings text[] not null, reopener text not null, reopen_reason text not null,
  constraint pk_ledger_period primary key (name)
);
create index ix_ledger_period_site on ledger_period (site, name);
create index ix_ledger_period_state on ledger_period (site, state, name);
create index ix_ledger_period_close_date on ledger_period (site, close_date, name);
create table period_balance (
  period text not null, balance text not null, item text not null, quantity numeric(26, 6) not null,
  second_quantity numeric(26, 6),
  constraint pk_period_balance primary key (period, balance),
  constraint fk_period_balance_period foreign key (period) references ledger_period (name)
);
create index ix_period_balance_item on period_balance (period, item);
create table period_value (
  period text not null, item text not null, quantity numeric(26, 6) not null, value numeric(30, 9) not null,
  constraint pk_period_value primary key (period, item),
  constraint fk_period_value_period foreign key (period) references ledger_period (name)
);
create table value_variance (
  site text not null, item text not null, sequence bigint not null, amount numeric(24, 9) not null,
  constraint pk_value_variance primary key (site, item, sequence)
);
insert into value_variance (site, item, sequence, amount)
select site, item, sequence, variance from value_balance where variance <> 0 and sequence > 0;
create table revaluation (
  movement text not null, site text not null, item text not null, cause text not null,
  effective_time timestamptz not null, record_time timestamptz not null, since timestamptz not null,
  value numeric(24, 9) not null, variance numeric(24, 9) not null, currency_code text not null, issues text[] not null,
  constraint pk_revaluation primary key (movement),
  constraint fk_revaluation_movement foreign key (movement) references movement (name)
);
create index ix_revaluation_item on revaluation (site, item, effective_time);
create view value_change as
select e.site, e.item, e.movement, e.effective_time, e.item_sequence, e.quantity, coalesce(e.value, 0) as value,
       0::numeric as variance, e.value is not null as crosses
from movement_entry e join balance b on b.name = e.balance and not b.virtual and b.owner = ''
union all
select v.site, v.item, e.movement, e.effective_time, v.sequence, 0, -v.amount, v.amount, true
from value_variance v join movement_entry e on (e.site, e.item, e.item_sequence) = (v.site, v.item, v.sequence)
union all
select r.site, r.item, r.movement, r.effective_time, null, 0, r.value, r.variance, true
from revaluation r;
"""


def upgrade() -> None:
    """Tables, states, and the posting function that looks at what is closed."""
    op.execute(TABLES)
    schema.grant(op, "materials", "ledger_period")
    for table in ("period_balance", "period_value"):
        schema.grant(op, "materials", table, "select, insert, delete")
    for table in ("value_variance", "revaluation", "value_change"):
        schema.grant(op, "materials", table, "select")
    schema.append_only(op, "value_variance")
    schema.append_only(op, "revaluation")
    pairs = [("CLOSING", "CLOSED"), ("CLOSING", "OPEN"), ("CLOSED", "OPEN"), ("OPEN", "CLOSING")]
    schema.guard_states(op, "ledger_period", pairs)
    op.execute(POSTING.replace(":=", r"\:="))
