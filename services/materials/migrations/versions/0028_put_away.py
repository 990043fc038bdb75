"""Put-away by policy, lines that are no stock."""

from alembic import op

from services.chassis import schema

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

PAIRS = [
    ("DRAFT", "SUBMITTED"), ("SUBMITTED", "DRAFT"), ("SUBMITTED", "APPROVED"), ("APPROVED", "ACTIVE"),
    ("APPROVED", "RETIRED"), ("ACTIVE", "RETIRED"),
]  # fmt: skip

TABLES = """
alter table item_settings add column storage_class text not null default '';
alter table put_away_task add column decision text not null default '';
create table put_away_policy (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  title text not null, item text not null, item_class text not null, at_site text not null,
  active_revision text not null,
  constraint pk_put_away_policy primary key (name)
);
create index ix_put_away_policy_item on put_away_policy (item, name);
create index ix_put_away_policy_item_class on put_away_policy (item_class, name);
create table put_away_revision (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  state text not null, content_hash text not null, author text not null, approver text not null,
  approve_time timestamptz, effective_time timestamptz, editors text[] not null default '{}', policy text not null,
  steps jsonb not null,
  constraint pk_put_away_revision primary key (name),
  constraint fk_put_away_revision_policy foreign key (policy) references put_away_policy (name)
);
create index ix_put_away_revision_state on put_away_revision (policy, state, name);
create unique index uq_put_away_revision_active on put_away_revision (policy) where state = 'ACTIVE';
alter table put_away_task add column shipment text not null default '';
alter table shipment add column loading_location text not null default '';
alter table shipment_line add column ship_task text not null default '';
alter table site_settings add column receiving text not null default 'FREE';
alter table expected_receipt add column text text not null default '';
alter table expected_receipt add column work_order text not null default '';
alter table expected_receipt add column demand text not null default '';
create table direct_line (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  receipt text not null, line integer not null, expected_receipt text not null, purchase_order text not null,
  order_line integer not null, schedule_line integer not null, text text not null, work_order text not null,
  demand text not null, delivery_location text not null, quantity numeric(20, 6) not null, unit_code text not null,
  returned numeric(20, 6) not null, location text not null, state text not null, over boolean not null,
  returned_line integer not null, reason_code text not null, label_code text not null, stage_task text not null,
  hand_over_person text not null, hand_over_time timestamptz, exception_task text not null, documents text[] not null,
  constraint pk_direct_line primary key (name),
  constraint fk_direct_line_receipt foreign key (receipt) references receipt (name),
  constraint ck_direct_line_returned check (returned between 0 and greatest(quantity, 0))
);
create unique index uq_direct_line on direct_line (receipt, line);
create index ix_direct_line_receipt on direct_line (site, receipt, name);
create index ix_direct_line_work_order on direct_line (site, work_order, name);
create index ix_direct_line_purchase_order on direct_line (site, purchase_order, name);
create index ix_direct_line_state on direct_line (site, state, name);
create index ix_direct_line_site on direct_line (site, name);
"""
LINES = [
    ("COUNTED", "RECEIVED"), ("COUNTED", "STAGED"), ("COUNTED", "CANCELLED"), ("RECEIVED", "CANCELLED"),
    ("RECEIVED", "STAGED"),
    ("RECEIVED", "HANDED_OVER"), ("STAGED", "HANDED_OVER"), ("RECEIVED", "RETURNED"), ("STAGED", "RETURNED"),
    ("HANDED_OVER", "RETURNED"),
]  # fmt: skip
CONTENT = """
-- what is at places less what started tasks take away, and what open tasks bring there; what is no stock takes no room
create or replace function place_content(p_site text, p_places text[])
returns table (location text, coming boolean, item text, lot text, owner text, status text, handling_unit text,
               quantity numeric, weight numeric, volume numeric)
language sql stable as $$
  with leaving as materialized (
    select t.from_location, t.item, t.lot, t.status, t.handling_unit, t.serials, t.quantity
    from put_away_task t
    where t.site = p_site and t.state = 'STARTED' and t.from_location = any(p_places) and t.quantity > 0
      and t.kind not in ('COUNT', 'EXCEPTION_TASK')
  )
  select c.location, c.coming, c.item, c.lot, c.owner, c.status, outermost(c.handling_unit), c.quantity,
         c.quantity * coalesce(i.gross_weight, 0), c.quantity * coalesce(i.volume, 0)
  from (
    select b.location, false as coming, b.item, b.lot, b.owner, b.status, b.handling_unit,
           b.on_hand - case when b.owner <> '' or b.project <> '' then 0 else coalesce((
             select sum(case when b.serial = '' then l.quantity else 1 end) from leaving l
             where l.from_location = b.location and l.item = b.item and l.lot = b.lot and l.status = b.status
               and l.handling_unit = b.handling_unit and (b.serial = '' or b.serial = any(l.serials))), 0) end
             as quantity
    from balance b where b.site = p_site and b.location = any(p_places) and b.on_hand > 0
    union all
    select t.proposed_location, true, t.item, t.lot, '', t.status, t.handling_unit, t.quantity
    from coming_tasks(p_site, p_places) t where t.quantity > 0 and t.item <> '') c
  left join item i on i.name = c.item
  where c.quantity > 0
$$;
"""


def upgrade() -> None:
    """Tables that the release before does not know, and columns that it fills by their defaults."""
    op.execute(TABLES)
    op.execute(CONTENT)
    schema.guard_states(op, "put_away_revision", PAIRS)
    schema.guard_states(op, "direct_line", LINES)
    for table in ("put_away_policy", "put_away_revision", "direct_line"):
        schema.grant(op, "materials", table, "select, insert, update")
