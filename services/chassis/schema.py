"""The tables that every service has for messaging, replay, audit and access, as frozen DDL for migrations.

Outbox and inbox are partitioned by day, so that a purge is a DROP (REL-16, REL-30). The app role may only
insert into outbox, journal and audit; triggers refuse changes there for everyone (SEC-44, SEC-46).
"""

from collections.abc import Iterable
from typing import Any

TABLES = frozenset(
    {
        "outbox", "journal", "relay_position", "relay_lease", "inbox", "applied", "waiting_event",
        "dead_letter", "consumer_position", "idempotency", "audit", "principal_state", "principal_grant",
        "allowed_transition", "job_run", "replay_request", "caught_up",
    }
)  # fmt: skip

_TABLES_1 = """
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = '42501';
end $$;

create table allowed_transition (
  table_name text not null, from_state text not null, to_state text not null,
  constraint pk_allowed_transition primary key (table_name, from_state, to_state)
);

create function guard_state() returns trigger language plpgsql as $$
declare
  before text := to_jsonb(old) ->> tg_argv[0];
  after text := to_jsonb(new) ->> tg_argv[0];
begin
  if before is distinct from after and not exists (
    select 1 from allowed_transition
    where table_name = tg_table_name and from_state = before and to_state = after
  ) then
    raise exception '%: % may not become %', tg_table_name, before, after
      using errcode = '23514', constraint = 'allowed_transition', table = tg_table_name;
  end if;
  return new;
end $$;

create table outbox (
  pos bigint generated always as identity,
  xid xid8 not null default pg_current_xact_id(),
  event_id uuid not null,
  aggregate_type text not null,
  aggregate_id text not null,
  aggregate_version bigint not null,
  site text not null,
  correlation text not null,
  subject text not null,
  payload bytea not null,
  headers jsonb not null,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null default now(),
  constraint pk_outbox primary key (pos, recorded_at),
  constraint ck_outbox_payload check (octet_length(payload) <= 921600)
) partition by range (recorded_at);
create index ix_outbox_xid on outbox (xid);
create index ix_outbox_aggregate on outbox (aggregate_id, pos);

create table journal (
  pos bigint generated always as identity,
  event_id uuid not null,
  event_type text not null,
  resource text not null,
  version bigint not null,
  actor text not null,
  correlation text not null,
  causation uuid,
  occurred_at timestamptz not null,
  constraint pk_journal primary key (pos)
);
create index ix_journal_correlation on journal (correlation, pos);

create table relay_position (
  shard int not null, stored xid8 not null,
  constraint pk_relay_position primary key (shard)
);
insert into relay_position values (0, '0');
create table relay_lease (
  shard int not null, pid int not null, pod text not null, beat_at timestamptz not null,
  constraint pk_relay_lease primary key (shard)
);

create table inbox (
  consumer text not null, event_id uuid not null, subject text not null, stream_seq bigint not null,
  received_at timestamptz not null default now(),
  constraint pk_inbox primary key (consumer, event_id)
) partition by range (event_id);

create table applied (
  consumer text not null, aggregate text not null, version bigint not null,
  constraint pk_applied primary key (consumer, aggregate)
);
create table waiting_event (
  consumer text not null, aggregate text not null, version bigint not null, event_id uuid not null,
  subject text not null, stream_seq bigint not null, headers jsonb not null, payload bytea not null,
  received_at timestamptz not null default now(),
  constraint pk_waiting_event primary key (consumer, aggregate, version)
);
create table dead_letter (
  consumer text not null, event_id uuid not null, subject text not null, stream_seq bigint not null,
  aggregate text not null, version bigint not null, class text not null, reason text not null,
  stack_hash text not null, headers jsonb not null, payload bytea not null, attempts int not null,
  first_at timestamptz not null default now(), parked_at timestamptz not null default now(),
  state text not null default 'PARKED', decided_by text, decision_reason text,
  constraint pk_dead_letter primary key (consumer, event_id),
  constraint ck_dead_letter_state check (state in ('PARKED', 'REPLAYED', 'DISCARDED'))
);
create index ix_dead_letter_open on dead_letter (consumer, aggregate) where state = 'PARKED';
create table consumer_position (
  consumer text not null, stream text not null, stream_seq bigint not null,
  constraint pk_consumer_position primary key (consumer, stream)
);

create table idempotency (
  principal text not null, method text not null, request_id uuid not null,
  request_hash bytea not null, hash_version int not null, status_code int, answer bytea,
  created_at timestamptz not null default now(), expires_at timestamptz not null,
  constraint pk_idempotency primary key (principal, method, request_id)
);
create index ix_idempotency_expires_at on idempotency (expires_at);

create table audit (
  id uuid not null default uuidv7(),
  pos bigint generated always as identity,
  xid xid8 not null default pg_current_xact_id(),
  at timestamptz not null default now(),
  actor text not null, device text, on_behalf_of text, roles text not null,
  action text not null, object text not null, version bigint not null,
  before jsonb, after jsonb, reason text, request_id uuid, correlation text, ip text, signature jsonb,
  constraint pk_audit primary key (pos)
);
create index ix_audit_object on audit (object, pos);

create table principal_state (
  principal text not null, state text not null,
  constraint pk_principal_state primary key (principal)
);
create table principal_grant (
  principal text not null, role text not null, site text not null,
  from_time timestamptz not null, to_time timestamptz,
  constraint pk_principal_grant primary key (principal, role, site, from_time)
);

create table job_run (
  job text not null, holder text not null, started_at timestamptz not null, beat_at timestamptz not null,
  finished_at timestamptz, failed text not null default '',
  constraint pk_job_run primary key (job)
);

create sequence document_number;

create function uuid_floor(at timestamptz) returns uuid language sql immutable as $$
  select (lpad(to_hex(floor(extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

create function make_partitions(days int) returns void language plpgsql security definer
set search_path = public, pg_temp as $$
declare
  today date := (now() at time zone 'utc')::date;
  day date;
  from_time timestamptz;
  to_time timestamptz;
begin
  for i in 0 .. days loop
    day := today + i;
    from_time := day::timestamp at time zone 'utc';
    to_time := (day + 1)::timestamp at time zone 'utc';
    if to_regclass(format('outbox_p%s', to_char(day, 'YYYYMMDD'))) is null then
      execute format('create table outbox_p%s partition of outbox for values from (%L) to (%L)',
        to_char(day, 'YYYYMMDD'), from_time, to_time);
    end if;
    if to_regclass(format('inbox_p%s', to_char(day, 'YYYYMMDD'))) is null then
      execute format('create table inbox_p%s partition of inbox for values from (%L) to (%L)',
        to_char(day, 'YYYYMMDD'), uuid_floor(from_time), uuid_floor(to_time));
    end if;
  end loop;
end $$;
revoke all on function make_partitions(int) from public;

do $$
declare
  today timestamptz := ((now() at time zone 'utc')::date)::timestamp at time zone 'utc';
begin
  execute format('create table outbox_past partition of outbox for values from (%L) to (%L)',
    today - interval '1 day', today);
  execute format('create table inbox_past partition of inbox for values from (%L) to (%L)',
    uuid_floor(today - interval '31 days'), uuid_floor(today));
  perform make_partitions(14);
end $$;
"""

_TABLES_2 = """
alter table relay_position
  add column window_end xid8,
  add column window_pos bigint not null default -1,
  add column stream_created timestamptz,
  add column stream_seq bigint not null default 0;

alter table consumer_position add column stream_created timestamptz;
alter table dead_letter add column decided_at timestamptz;

create table replay_request (
  number bigint generated always as identity,
  since timestamptz, until timestamptz, event_types text[], positions bigint[],
  aggregate text, from_version bigint, to_version bigint,
  requested_by text not null, reason text not null, requested_at timestamptz not null default now(),
  position bigint not null default -1, published bigint not null default 0, finished_at timestamptz,
  constraint pk_replay_request primary key (number),
  constraint ck_replay_request_scope check (num_nonnulls(since, positions, aggregate) = 1)
);
create index ix_replay_request_open on replay_request (number) where finished_at is null;
"""
"""What revision 0002 adds: where a window of the relay stands, which stream it goes to, and what is told again."""

_TABLES_4 = """
create table caught_up (
  consumer text not null, at timestamptz not null,
  constraint pk_caught_up primary key (consumer)
);
insert into caught_up (consumer, at) select distinct consumer, now() from consumer_position;
"""
"""When each durable consumer had got everything that was told; those that are there already go on where they stand."""

_APPEND_ONLY = ("outbox", "journal", "audit")
_TOLD = "pos, xid, event_id, aggregate_type, aggregate_id, aggregate_version, recorded_at"
_SAID = "site, correlation, payload, headers, occurred_at"
_INSERT_ONLY = ("outbox", "audit")
_KEPT = ("inbox", "applied", "dead_letter", "consumer_position", "principal_state", "job_run")
_DELETABLE = ("waiting_event", "idempotency", "principal_grant")


def create_chassis(op: Any, service: str) -> None:
    """Make the chassis's tables, functions, triggers and rights; first thing of a service's first revision."""
    op.execute(_plain(_TABLES_1))
    for table in _APPEND_ONLY:
        append_only(op, table)
    for table in _INSERT_ONLY:
        grant(op, service, table, "insert")
    grant(op, service, "journal", "select, insert")
    for table in _KEPT:
        grant(op, service, table, "select, insert, update")
    for table in _DELETABLE:
        grant(op, service, table, "select, insert, update, delete")
    grant(op, service, "allowed_transition", "select")
    grant(op, service, "relay_position", "select")
    grant(op, service, "outbox", f"select ({_TOLD})")  # what was told, without what it says
    op.execute(f"grant execute on function make_partitions(int) to {service}_app")
    op.execute(f"grant usage on sequence document_number to {service}_app")
    for table, rights in (
        ("outbox", "select"),
        ("audit", "select"),
        ("relay_position", "select, update"),
        ("relay_lease", "select, insert, update"),
    ):
        op.execute(f"grant {rights} on {table} to {service}_relay")


def extend_chassis_2(op: Any, service: str) -> None:
    """Add what a lost stream and events told again need (REL-9, REL-37, REL-90)."""
    op.execute(_plain(_TABLES_2))
    grant(op, service, "replay_request", "select, insert")
    op.execute(f"grant select, update on replay_request to {service}_relay")


def extend_chassis_3(op: Any, service: str) -> None:
    """Let a service read what its events say, so that it can give them to systems that ask (REL-91)."""
    grant(op, service, "outbox", f"select ({_SAID})")


def extend_chassis_4(op: Any, service: str) -> None:
    """Add what tells a consumer that its stream does not reach back far enough (REL-92)."""
    op.execute(_plain(_TABLES_4))
    grant(op, service, "caught_up")


def append_only(op: Any, table: str) -> None:
    """Refuse UPDATE, DELETE and TRUNCATE on a table for everyone (SEC-46)."""
    op.execute(
        f"create trigger {table}_append_only before update or delete on {table} "
        "for each row execute function refuse_change()"
    )
    op.execute(
        f"create trigger {table}_no_truncate before truncate on {table} "
        "for each statement execute function refuse_change()"
    )


def guard_states(op: Any, table: str, pairs: Iterable[tuple[str, str]], column: str = "state") -> None:
    """Let only listed pairs of states follow each other on a table, whatever the path (REL-68)."""
    values = ", ".join(f"('{table}', '{before}', '{after}')" for before, after in sorted(pairs))
    op.execute("insert into allowed_transition (table_name, from_state, to_state) values " + values)  # noqa: S608
    op.execute(
        f"create trigger {table}_states before update of {column} on {table} "
        f"for each row execute function guard_state('{column}')"
    )


def grant(op: Any, service: str, table: str, rights: str = "select, insert, update") -> None:
    """Give the service's app role rights on a table; DELETE and TRUNCATE are not among the usual ones."""
    op.execute(f"grant {rights} on {table} to {service}_app")


def _plain(text: str) -> str:
    """SQL in which a colon means itself and not a parameter."""
    return text.replace(":", r"\:").replace(r"\:\:", "::")
