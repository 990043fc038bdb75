"""Policies of replenishment of every kind, kanban cards, pick faces."""

from alembic import op

from services.chassis import schema

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

TABLES = """
alter table materials_policy alter column item drop not null;
alter table materials_policy
  add column item_class text not null default '', add column location text not null default '';
alter table materials_revision
  add column editors text[] not null default '{}', add column multiple numeric(20, 6),
  add column cap_at_max boolean not null default false, add column horizon_days integer,
  add column overdue text not null default 'COUNT', add column delay_days integer not null default 0,
  add column review_days integer not null default 0, add column card_count integer not null default 0,
  add column outcome text not null default 'BUY',
  add column source_site text not null default '', add column start_time timestamptz;
alter table allocation_revision add column editors text[] not null default '{}';
alter table count_revision add column editors text[] not null default '{}';
alter table supply_request
  add column outcome text not null default 'BUY', add column source_site text not null default '',
  add column decision text not null default '', add column supplies jsonb not null default '[]';
alter table transfer add column supply_request text not null default '';
alter table production_order add column supply_request text not null default '';
alter table expected_receipt add column set_aside boolean not null default false;
create table policy_review (
  revision text not null, site text not null, item text not null, review_date date not null,
  constraint pk_policy_review primary key (revision, site, item),
  constraint fk_policy_review_revision foreign key (revision) references materials_revision (name)
);
create table kanban_card (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  number text not null, policy text not null, item text not null, location text not null, state text not null,
  quantity numeric(20, 6) not null, unit_code text not null, supply_request text not null, decision text not null,
  constraint pk_kanban_card primary key (name),
  constraint fk_kanban_card_policy foreign key (policy) references materials_policy (name),
  constraint fk_kanban_card_item foreign key (item) references item (name)
);
create unique index uq_kanban_card_number on kanban_card (site, number);
create index ix_kanban_card_site on kanban_card (site, name);
create index ix_kanban_card_item on kanban_card (site, item, name);
create index ix_kanban_card_policy on kanban_card (site, policy, name);
create index ix_kanban_card_state on kanban_card (site, state, name);
create index ix_kanban_card_supply_request on kanban_card (supply_request) where supply_request <> '';
"""

PURGE = """
create function refuse_young_decision() returns trigger language plpgsql as $$
begin
  -- what an enterprise keeps for a while only is purged when it is old (MAT-162)
  if tg_op = 'DELETE' and old.create_time < now() - interval '30 days' then
    return old;
  end if;
  raise exception '% is append-only', tg_table_name using errcode = '42501';
end $$;
drop trigger decision_append_only on decision;
create trigger decision_append_only before update or delete on decision
  for each row execute function refuse_young_decision();
"""


def upgrade() -> None:
    """Columns that the release before fills by their defaults, and tables that it does not know."""
    op.execute(TABLES)
    op.execute(PURGE)
    schema.grant(op, "materials", "decision", "delete")
    schema.grant(op, "materials", "policy_review")
    schema.grant(op, "materials", "kanban_card")
    pairs = [
        ("FULL", "EMPTY"), ("EMPTY", "REQUESTED"), ("REQUESTED", "IN_TRANSIT"), ("IN_TRANSIT", "FULL"),
        ("REQUESTED", "EMPTY"), ("IN_TRANSIT", "EMPTY"),
    ]  # fmt: skip
    schema.guard_states(op, "kanban_card", pairs)
