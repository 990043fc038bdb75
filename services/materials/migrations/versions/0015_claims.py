"""Claims: soft and hard, their life, what they ask of stock, the policy of allocation, and decisions."""

from alembic import op

from services.chassis import schema

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

PAIRS = [
    ("DRAFT", "SUBMITTED"), ("SUBMITTED", "DRAFT"), ("SUBMITTED", "APPROVED"), ("APPROVED", "ACTIVE"),
    ("APPROVED", "RETIRED"), ("ACTIVE", "RETIRED"),
]  # fmt: skip

TABLES = """
alter table reservation
  add column pending numeric(20, 6) not null default 0, add column supply_covered numeric(20, 6) not null default 0,
  add column over_issued numeric(20, 6) not null default 0,
  add column hard_time timestamptz, add column expire_time timestamptz,
  add column demand_kind text not null default 'WORK_ORDER', add column source_system text not null default '',
  add column external_id text not null default '', add column lot text not null default '',
  add column owner text not null default '', add column minimum_remaining_life_days integer,
  add column decision text not null default '';
alter table reservation drop constraint ck_reservation_sum;
alter table reservation add constraint ck_reservation_whole
  check (requested = issued + allocated + supply_covered + pending + short + released) not valid;
alter table reservation add constraint ck_reservation_covers
  check (supply_covered >= 0 and pending >= 0 and over_issued >= 0) not valid;
alter table handling_unit_type add column unbreakable boolean not null default false;
alter table item_settings add column over_issue_percent numeric(20, 6);
create table allocation_policy (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  title text not null, item text not null, item_class text not null, at_site text not null,
  active_revision text not null,
  constraint pk_allocation_policy primary key (name)
);
create index ix_allocation_policy_item on allocation_policy (item, name);
create index ix_allocation_policy_item_class on allocation_policy (item_class, name);
create table allocation_revision (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  state text not null, content_hash text not null, author text not null, approver text not null,
  approve_time timestamptz, effective_time timestamptz, policy text not null, window_hours integer,
  soft_life_hours integer, order_keys jsonb not null, minimum_lives jsonb not null, keep_units_whole boolean not null,
  honour_pegging boolean not null,
  constraint pk_allocation_revision primary key (name),
  constraint fk_allocation_revision_policy foreign key (policy) references allocation_policy (name)
);
create index ix_allocation_revision_state on allocation_revision (policy, state, name);
create unique index uq_allocation_revision_active on allocation_revision (policy) where state = 'ACTIVE';
create table decision (
  name text not null, site text not null, kind text not null, item text not null, revision text not null,
  inputs text not null, outcome text not null, explanation text[] not null, create_time timestamptz not null,
  constraint pk_decision primary key (name)
);
create index ix_decision_site on decision (site, name);
"""

AS_BEFORE = """
create function reservation_as_before() returns trigger language plpgsql as $$
begin
  -- a process of the release before knows no parts of what is missing: all of it is short
  if new.pending + new.supply_covered > 0 and new.pending = old.pending and new.supply_covered = old.supply_covered
     and new.requested = new.issued + new.allocated + new.short + new.released then
    new.pending := 0;
    new.supply_covered := 0;
  end if;
  return new;
end $$;
create trigger reservation_as_before before update on reservation
  for each row execute function reservation_as_before();
"""


def upgrade() -> None:
    """Columns and tables that the release before does not know; reservations that are there hold stock as they did."""
    op.execute(TABLES)
    op.execute(AS_BEFORE.replace(":=", r"\:="))
    op.execute("insert into allowed_transition values ('reservation', 'PENDING', 'EXPIRED')")
    schema.guard_states(op, "allocation_revision", PAIRS)
    schema.append_only(op, "decision")
    for table, rights in (
        ("allocation_policy", "select, insert, update"),
        ("allocation_revision", "select, insert, update"),
        ("decision", "select, insert"),
    ):
        schema.grant(op, "materials", table, rights)
