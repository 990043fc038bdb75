"""The first schema of materials."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from services.chassis import schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATES = {
    "expected_receipt": [
        ("CLOSED", "OPEN"),
        ("COMPLETE", "CLOSED"),
        ("COMPLETE", "OPEN"),
        ("OPEN", "CLOSED"),
        ("OPEN", "COMPLETE"),
    ],
    "inspection_lot": [
        ("CREATED", "CANCELLED"),
        ("CREATED", "DECIDED"),
        ("CREATED", "PARTLY_DECIDED"),
        ("PARTLY_DECIDED", "DECIDED"),
    ],
    "item": [("ACTIVE", "BLOCKED"), ("ACTIVE", "SUPERSEDED"), ("BLOCKED", "ACTIVE")],
    "materials_revision": [
        ("ACTIVE", "RETIRED"),
        ("APPROVED", "ACTIVE"),
        ("APPROVED", "RETIRED"),
        ("DRAFT", "SUBMITTED"),
        ("SUBMITTED", "APPROVED"),
        ("SUBMITTED", "DRAFT"),
    ],
    "put_away_task": [("READY", "CANCELLED"), ("READY", "COMPLETED")],
    "receipt": [("ARRIVED", "CANCELLED"), ("ARRIVED", "POSTED"), ("POSTED", "REVERSED")],
    "reservation": [
        ("ALLOCATED", "ISSUED"),
        ("ALLOCATED", "PENDING"),
        ("ALLOCATED", "RELEASED"),
        ("ALLOCATED", "SHORT"),
        ("ISSUED", "PENDING"),
        ("PENDING", "ALLOCATED"),
        ("PENDING", "RELEASED"),
        ("PENDING", "SHORT"),
        ("SHORT", "ALLOCATED"),
        ("SHORT", "PENDING"),
        ("SHORT", "RELEASED"),
    ],
    "supply_request": [
        ("CARRIED", "CANCELLED"),
        ("CARRIED", "OPEN"),
        ("CARRIED", "SATISFIED"),
        ("OPEN", "CANCELLED"),
        ("OPEN", "CARRIED"),
        ("OPEN", "SATISFIED"),
    ],
}

TABLES = (
    "balance",
    "expected_receipt",
    "item",
    "location",
    "materials_revision",
    "movement",
    "put_away_task",
    "receipt",
    "reservation",
    "site_fact",
    "supply_request",
    "value_balance",
    "allocation",
    "inspection_lot",
    "lot",
    "materials_policy",
    "movement_entry",
    "receipt_line",
)

APPEND_ONLY = (
    "movement",
    "movement_entry",
)

POSTING = """
create function post_movements(p_site text, p_actor text, p_postings jsonb)
returns table (name text, outcome text, available numeric) language plpgsql as $$
declare
  p record;
  free numeric;
  lowest numeric;
  at timestamptz;
  from_key text;
  to_key text;
begin
  -- all rows that exist are locked in one order, so that two batches cannot wait for each other (MAT-74)
  perform 1 from balance b
  where b.name in (
    select p_site_key(p_site, x.item, x.location, x.lot, x.status)
    from jsonb_to_recordset(p_postings) as r(item text, lot text, from_location text, to_location text,
                                             from_status text, to_status text),
         lateral (values (r.item, r.from_location, r.lot, r.from_status),
                         (r.item, r.to_location, r.lot, r.to_status)) as x(item, location, lot, status))
  order by b.name for no key update;

  for p in
    select * from jsonb_to_recordset(p_postings) as r(
      name text, kind text, item text, lot text, from_location text, to_location text, from_status text,
      to_status text, from_virtual boolean, to_virtual boolean, quantity numeric, allocated numeric,
      unit_code text, effective_time timestamptz, reason_code text, source text, reverses text,
      correlation text, cost numeric, currency_code text)
  loop
    at := coalesce(p.effective_time, now());
    from_key := p_site_key(p_site, p.item, p.from_location, p.lot, p.from_status);
    to_key := p_site_key(p_site, p.item, p.to_location, p.lot, p.to_status);
    name := p.name;

    if not p.from_virtual then
      select b.on_hand - b.reserved + p.allocated into free from balance b where b.name = from_key;
      if free is null or free < p.quantity then
        outcome := 'NOT_ENOUGH_STOCK';
        available := coalesce(free, 0);
        return next;
        continue;
      end if;
      if p.effective_time is not null then
        -- what there was at every instant since then must have been enough (MAT-56)
        select min(running) into lowest from (
          select e.effective_time, sum(e.quantity) over (order by e.effective_time, e.movement, e.side) as running
          from movement_entry e
          where e.item = p.item and e.location = p.from_location and e.lot = p.lot and e.status = p.from_status
        ) r where r.effective_time >= (
          select coalesce(max(b.effective_time), '-infinity') from movement_entry b
          where b.item = p.item and b.location = p.from_location and b.lot = p.lot
            and b.status = p.from_status and b.effective_time <= at);
        if coalesce(lowest, 0) < p.quantity or not exists (
          select 1 from movement_entry b where b.item = p.item and b.location = p.from_location and b.lot = p.lot
            and b.status = p.from_status and b.effective_time <= at) then
          outcome := 'NEGATIVE_IN_PAST';
          available := greatest(coalesce(lowest, 0), 0);
          return next;
          continue;
        end if;
      end if;
    end if;

    insert into balance as b (name, site, item, lot, location, status, virtual, on_hand, reserved, unit_code,
                              update_time)
    values (to_key, p_site, p.item, p.lot, p.to_location, p.to_status, p.to_virtual, p.quantity, 0, p.unit_code,
            now())
    on conflict on constraint pk_balance do update
      set on_hand = b.on_hand + excluded.on_hand, update_time = now();
    if p.from_virtual then
      insert into balance as b (name, site, item, lot, location, status, virtual, on_hand, reserved, unit_code,
                                update_time)
      values (from_key, p_site, p.item, p.lot, p.from_location, p.from_status, true, -p.quantity, 0, p.unit_code,
              now())
      on conflict on constraint pk_balance do update
        set on_hand = b.on_hand + excluded.on_hand, update_time = now();
    else
      update balance b set on_hand = b.on_hand - p.quantity, reserved = b.reserved - p.allocated, update_time = now()
      where b.name = from_key;
    end if;

    insert into movement (name, site, version, event_version, correlation, create_time, update_time, kind, item,
                          lot, from_location, to_location, from_status, to_status, quantity, unit_code,
                          effective_time, record_time, reason_code, source, actor, reverses, cost,
                          cost_currency_code)
    values (p.name, p_site, 1, 0, p.correlation, now(), now(), p.kind, p.item, p.lot, p.from_location,
            p.to_location, p.from_status, p.to_status, p.quantity, p.unit_code, at, now(), p.reason_code, p.source,
            p_actor, p.reverses, p.cost, p.currency_code);
    insert into movement_entry (movement, side, item, lot, location, status, quantity, unit_code, effective_time)
    values (p.name, 1, p.item, p.lot, p.from_location, p.from_status, -p.quantity, p.unit_code, at),
           (p.name, 2, p.item, p.lot, p.to_location, p.to_status, p.quantity, p.unit_code, at);
    outcome := 'POSTED';
    available := 0;
    return next;
  end loop;
end $$;
"""

KEY = """
create function p_site_key(p_site text, p_item text, p_location text, p_lot text, p_status text) returns text
language sql immutable as $$
  select 'sites/' || p_site || '/balances/' || md5(p_item || '|' || p_location || '|' || p_lot || '|' || p_status)
$$;
"""

SUM = """
create function movement_sums_to_zero() returns trigger language plpgsql as $$
begin
  if exists (select 1 from movement_entry where movement = new.movement
             group by item, lot having sum(quantity) <> 0) then
    raise exception 'entries of % do not sum to zero', new.movement using errcode = '23514';
  end if;
  return null;
end $$;
create constraint trigger movement_entry_sum after insert on movement_entry
deferrable initially deferred for each row execute function movement_sums_to_zero();
"""


def further() -> None:
    """The posting function and the ledger's own guard (MAT-40, MAT-50)."""
    for statement in (KEY, POSTING, SUM):
        op.execute(statement.replace(":=", r"\:="))


def upgrade() -> None:
    schema.create_chassis(op, "materials")
    op.create_table(
        "balance",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("virtual", sa.Boolean(), nullable=False),
        sa.Column("on_hand", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("reserved", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("virtual or (reserved >= 0 and reserved <= on_hand)", name=op.f("ck_balance_reserved")),
        sa.CheckConstraint("virtual or on_hand >= 0", name=op.f("ck_balance_on_hand")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_balance")),
    )
    op.create_index("ix_balance_item", "balance", ["site", "item", "status"], unique=False)
    op.create_index("ix_balance_location", "balance", ["location"], unique=False)
    op.create_index("ix_balance_site", "balance", ["site", "name"], unique=False)
    op.create_index("uq_balance_key", "balance", ["item", "location", "lot", "status"], unique=True)
    op.create_table(
        "expected_receipt",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purchase_order", sa.Text(), nullable=False),
        sa.Column("order_line", sa.Integer(), nullable=False),
        sa.Column("schedule_line", sa.Integer(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("open_quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("received", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("accept_limit", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("base_numerator", sa.Integer(), nullable=False),
        sa.Column("base_denominator", sa.Integer(), nullable=False),
        sa.Column("inspect", sa.Boolean(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("expected_date", sa.Date(), nullable=True),
        sa.Column("unit_price", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("unit_price_currency_code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint("received >= 0 and received <= accept_limit", name=op.f("ck_expected_receipt_received")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_expected_receipt")),
    )
    op.create_index(
        "ix_expected_receipt_open", "expected_receipt", ["site", "item", "supplier", "expected_date"], unique=False
    )
    op.create_index("ix_expected_receipt_site", "expected_receipt", ["site", "name"], unique=False)
    op.create_index(
        "uq_expected_receipt", "expected_receipt", ["purchase_order", "order_line", "schedule_line"], unique=True
    )
    op.create_table(
        "item",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("item_class", sa.Text(), nullable=False),
        sa.Column("base_unit_code", sa.Text(), nullable=False),
        sa.Column("base_step", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("tracking", sa.Text(), nullable=False),
        sa.Column("conversions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("gtins", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("inspect_receipts", sa.Boolean(), nullable=False),
        sa.Column("standard_cost", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("standard_cost_currency_code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_item")),
    )
    op.create_index("ix_item_class", "item", ["item_class", "name"], unique=False)
    op.create_index("ix_item_gtins", "item", ["gtins"], unique=False, postgresql_using="gin")
    op.create_index("uq_item_number", "item", ["number"], unique=True)
    op.create_table(
        "location",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("parent_location", sa.Text(), nullable=True),
        sa.Column("check_code", sa.Text(), nullable=False),
        sa.Column("path_order", sa.Integer(), nullable=False),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["parent_location"], ["location.name"], name=op.f("fk_location_parent_location")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_location")),
    )
    op.create_index("ix_location_kind", "location", ["site", "kind", "path_order", "name"], unique=False)
    op.create_index("ix_location_parent", "location", ["parent_location"], unique=False)
    op.create_index("ix_location_site", "location", ["site", "name"], unique=False)
    op.create_table(
        "materials_revision",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("approver", sa.Text(), nullable=False),
        sa.Column("approve_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("effective_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reorder_point", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("order_quantity", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("maximum", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("lead_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_materials_revision")),
    )
    op.create_index(op.f("ix_materials_revision_policy"), "materials_revision", ["policy"], unique=False)
    op.create_index(
        "uq_materials_revision_active",
        "materials_revision",
        ["policy"],
        unique=True,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_table(
        "movement",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("from_location", sa.Text(), nullable=False),
        sa.Column("to_location", sa.Text(), nullable=False),
        sa.Column("from_status", sa.Text(), nullable=False),
        sa.Column("to_status", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("effective_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("record_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reverses", sa.Text(), nullable=False),
        sa.Column("cost", sa.Numeric(precision=24, scale=9), nullable=True),
        sa.Column("cost_currency_code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_movement")),
    )
    op.create_index("ix_movement_item", "movement", ["site", "item", "name"], unique=False)
    op.create_index("ix_movement_record_time", "movement", ["site", "record_time", "name"], unique=False)
    op.create_index("ix_movement_site", "movement", ["site", "name"], unique=False)
    op.create_index("ix_movement_source", "movement", ["source"], unique=False)
    op.create_index(
        "uq_movement_reverses", "movement", ["reverses"], unique=True, postgresql_where=sa.text("reverses <> ''")
    )
    op.create_table(
        "put_away_task",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("from_location", sa.Text(), nullable=False),
        sa.Column("proposed_location", sa.Text(), nullable=False),
        sa.Column("to_location", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("receipt_line", sa.Integer(), nullable=False),
        sa.Column("movement", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_put_away_task")),
    )
    op.create_index("ix_put_away_task_receipt", "put_away_task", ["receipt"], unique=False)
    op.create_index("ix_put_away_task_site", "put_away_task", ["site", "name"], unique=False)
    op.create_table(
        "receipt",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("delivery_note", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("arrive_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("post_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_receipt")),
    )
    op.create_index("ix_receipt_site", "receipt", ["site", "name"], unique=False)
    op.create_index("uq_receipt_number", "receipt", ["number"], unique=True)
    op.create_table(
        "reservation",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("work_order", sa.Text(), nullable=False),
        sa.Column("demand", sa.Text(), nullable=False),
        sa.Column("demand_version", sa.Integer(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("requested", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("allocated", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("issued", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("short", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("released", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("issued_value", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("need_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivery_location", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("cover", sa.Text(), nullable=True),
        sa.Column("supply", sa.Text(), nullable=False),
        sa.Column("expected_date", sa.Date(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "issued >= 0 and allocated >= 0 and short >= 0 and released >= 0", name=op.f("ck_reservation_parts")
        ),
        sa.CheckConstraint("requested = issued + allocated + short + released", name=op.f("ck_reservation_sum")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_reservation")),
    )
    op.create_index("ix_reservation_site", "reservation", ["site", "name"], unique=False)
    op.create_index(
        "ix_reservation_waiting",
        "reservation",
        ["site", "item"],
        unique=False,
        postgresql_where=sa.text("state in ('PENDING', 'SHORT')"),
    )
    op.create_index("uq_reservation_demand", "reservation", ["work_order", "demand"], unique=True)
    op.create_table(
        "site_fact",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_site_fact")),
    )
    op.create_table(
        "supply_request",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("need_date", sa.Date(), nullable=False),
        sa.Column("policy_revision", sa.Text(), nullable=False),
        sa.Column("explanation", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("carried_by", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_supply_request_quantity")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_supply_request")),
    )
    op.create_index("ix_supply_request_site", "supply_request", ["site", "name"], unique=False)
    op.create_index(
        "uq_supply_request_open",
        "supply_request",
        ["site", "item"],
        unique=True,
        postgresql_where=sa.text("state in ('OPEN', 'CARRIED')"),
    )
    op.create_table(
        "value_balance",
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("value", sa.Numeric(precision=24, scale=9), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("site", "item", name=op.f("pk_value_balance")),
    )
    op.create_table(
        "allocation",
        sa.Column("reservation", sa.Text(), nullable=False),
        sa.Column("balance", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_allocation_quantity")),
        sa.ForeignKeyConstraint(["reservation"], ["reservation.name"], name=op.f("fk_allocation_reservation")),
        sa.PrimaryKeyConstraint("reservation", "balance", name=op.f("pk_allocation")),
    )
    op.create_index("ix_allocation_balance", "allocation", ["balance"], unique=False)
    op.create_table(
        "inspection_lot",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("receipt_line", sa.Integer(), nullable=False),
        sa.Column("purchase_order", sa.Text(), nullable=False),
        sa.Column("order_line", sa.Integer(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("decided", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("splits", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("decided >= 0 and decided <= quantity", name=op.f("ck_inspection_lot_decided")),
        sa.ForeignKeyConstraint(["receipt"], ["receipt.name"], name=op.f("fk_inspection_lot_receipt")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_inspection_lot")),
    )
    op.create_index(op.f("ix_inspection_lot_receipt"), "inspection_lot", ["receipt"], unique=False)
    op.create_index("ix_inspection_lot_site", "inspection_lot", ["site", "name"], unique=False)
    op.create_table(
        "lot",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("supplier", sa.Text(), nullable=False),
        sa.Column("supplier_lot", sa.Text(), nullable=False),
        sa.Column("expire_date", sa.Date(), nullable=True),
        sa.Column("first_receipt_time", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["item"], ["item.name"], name=op.f("fk_lot_item")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lot")),
    )
    op.create_index("uq_lot_number", "lot", ["item", "number"], unique=True)
    op.create_table(
        "materials_policy",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("event_version", sa.Integer(), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("active_revision", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["item"], ["item.name"], name=op.f("fk_materials_policy_item")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_materials_policy")),
    )
    op.create_index("uq_materials_policy", "materials_policy", ["item", "site"], unique=True)
    op.create_table(
        "movement_entry",
        sa.Column("movement", sa.Text(), nullable=False),
        sa.Column("side", sa.Integer(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("effective_time", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity <> 0", name=op.f("ck_movement_entry_quantity")),
        sa.ForeignKeyConstraint(["movement"], ["movement.name"], name=op.f("fk_movement_entry_movement")),
        sa.PrimaryKeyConstraint("movement", "side", name=op.f("pk_movement_entry")),
    )
    op.create_index(
        "ix_movement_entry_key", "movement_entry", ["item", "location", "lot", "status", "effective_time"], unique=False
    )
    op.create_table(
        "receipt_line",
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("expected_receipt", sa.Text(), nullable=False),
        sa.Column("purchase_order", sa.Text(), nullable=False),
        sa.Column("order_line", sa.Integer(), nullable=False),
        sa.Column("schedule_line", sa.Integer(), nullable=False),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("lot", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("unit_code", sa.Text(), nullable=False),
        sa.Column("order_quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("order_quantity_unit_code", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("movement", sa.Text(), nullable=False),
        sa.Column("inspection_lot", sa.Text(), nullable=False),
        sa.Column("put_away_task", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["receipt"], ["receipt.name"], name=op.f("fk_receipt_line_receipt")),
        sa.PrimaryKeyConstraint("receipt", "line", name=op.f("pk_receipt_line")),
    )
    for table, pairs in STATES.items():
        schema.guard_states(op, table, pairs)
    for table in TABLES:
        rights = "select, insert" if table in APPEND_ONLY else "select, insert, update"
        schema.grant(op, "materials", table, rights)
    for table in APPEND_ONLY:
        schema.append_only(op, table)
    op.execute("grant delete on allocation to materials_app")
    further()
