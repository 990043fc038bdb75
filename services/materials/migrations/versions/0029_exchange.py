"""What people bring from other systems, and figures over it: what covered each demand when it was needed."""

from alembic import op

from services.chassis import schema

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

TABLES = """
create table need_cover (
  reservation text not null, need_time timestamptz not null, needed numeric(20, 6) not null,
  covered numeric(20, 6) not null,
  constraint pk_need_cover primary key (reservation, need_time),
  constraint fk_need_cover_reservation foreign key (reservation) references reservation (name),
  constraint ck_need_cover_parts check (covered >= 0 and covered <= needed)
);
"""
LEASES = """
alter table put_away_task add column lease_time timestamptz,
  add column leased_seconds numeric(20, 6) not null default 0;
create function note_lease() returns trigger language plpgsql as $$
declare
  had boolean := old.state in ('LEASED', 'STARTED');
  has boolean := new.state in ('LEASED', 'STARTED');
begin
  if has and not had then
    new.lease_time := now();
  elsif had and not has and old.lease_time is not null then
    new.leased_seconds := old.leased_seconds + greatest(extract(epoch from
      case when old.state = 'LEASED' then least(now(), old.lease_expire_time) else now() end - old.lease_time), 0);
    new.lease_time := null;
  end if;
  return new;
end $$;
create trigger note_lease before update of state on put_away_task for each row
  when (old.state is distinct from new.state) execute function note_lease();
"""
WRITTEN = """
create function written_since(p_writer xid, p_seen pg_snapshot) returns boolean language sql stable as $$
  select age(p_writer) <= age((pg_snapshot_xmax(p_seen)::text::numeric % 4294967296)::text::xid)
    or exists (select from pg_snapshot_xip(p_seen) x where (x::text::numeric % 4294967296)::text::xid = p_writer)
$$;
revoke all on function written_since(xid, pg_snapshot) from public;
grant execute on function written_since(xid, pg_snapshot) to materials_app;
"""


def upgrade() -> None:
    """A table that the release before does not know, what a hold broke, and how long somebody had a task."""
    op.execute(TABLES)
    schema.grant(op, "materials", "need_cover", "select, insert")
    op.execute(LEASES.replace(":=", r"\:="))
    op.execute(WRITTEN)
    op.execute("alter table production_order add column variance_movement text not null default ''")
    op.execute("alter table hold add column broken_count integer not null default 0")
