"""Counts: documents, their lines, and the class that an item is counted by."""

from alembic import op

from services.chassis import schema

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLES = """
create table count_document (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  title text not null, mode text not null, state text not null, places jsonb not null, items text[] not null,
  book_shown boolean not null, due_date date, start_time timestamptz, starter text not null,
  complete_time timestamptz, accuracies jsonb not null, parameters jsonb not null, line_count integer not null,
  constraint pk_count_document primary key (name)
);
create index ix_count_document_site on count_document (site, name);
create index ix_count_document_state on count_document (site, state, name);
create index ix_count_document_due_date on count_document (site, due_date, name);
create table count_line (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  count text not null, state text not null, balance text not null,
  item text not null, location text not null, lot text not null, serial text not null, handling_unit text not null,
  status text not null, owner text not null, project text not null, unit_code text not null,
  second_unit_code text not null, found boolean not null, book_shown boolean not null, count_class text not null,
  snapshot numeric(20, 6), second_snapshot numeric(20, 6), snapshot_sequence bigint not null,
  counted numeric(20, 6), second_counted numeric(20, 6), count_time timestamptz, counter text not null,
  counters text[] not null, book numeric(20, 6), difference numeric(20, 6), second_difference numeric(20, 6),
  restated_difference numeric(20, 6), value numeric(24, 9), value_currency_code text not null,
  book_value numeric(24, 9) not null, first_counted numeric(20, 6), first_count_time timestamptz,
  first_book numeric(20, 6), accurate boolean not null, recount_reason text not null, exception text not null,
  approver text not null, approve_time timestamptz, movement text not null, post_time timestamptz, note text not null,
  constraint pk_count_line primary key (name),
  constraint fk_count_line_count foreign key (count) references count_document (name),
  constraint ck_count_line_counted check (counted >= 0 and second_counted >= 0),
  constraint ck_count_line_known check (
    state in ('OPEN', 'SKIPPED') or num_nulls(counted, count_time, snapshot, book, difference) = 0)
);
create unique index uq_count_line_balance on count_line (count, balance);
create index ix_count_line_count on count_line (count, name);
create index ix_count_line_state on count_line (count, state, name);
create index ix_count_line_item on count_line (count, item, name);
create index ix_count_line_location on count_line (count, location, name);
create index ix_count_line_posted on count_line (balance, count_time) where state = 'POSTED';
create index ix_count_line_serial on count_line (serial) where serial <> '';
create table count_policy (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  title text not null, at_site text not null, active_revision text not null,
  constraint pk_count_policy primary key (name)
);
create unique index uq_count_policy_at_site on count_policy (at_site);
create table count_revision (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  state text not null, content_hash text not null, author text not null, approver text not null,
  approve_time timestamptz, effective_time timestamptz, policy text not null, mode text not null,
  daily_line_count integer not null, class_rules jsonb not null, turnover numeric(20, 6), value_moved numeric(24, 9),
  poor_accuracy boolean not null, short_pick boolean not null, age_days integer not null,
  tolerance_quantity numeric(20, 6), tolerance_value numeric(24, 9), approval_limits jsonb not null,
  ambiguity_minutes integer not null,
  constraint pk_count_revision primary key (name),
  constraint fk_count_revision_policy foreign key (policy) references count_policy (name),
  constraint ck_count_revision_daily_line_count check (daily_line_count > 0)
);
create index ix_count_revision_state on count_revision (policy, state, name);
create unique index uq_count_revision_active on count_revision (policy) where state = 'ACTIVE';
alter table item_settings add column count_class text not null default '';
"""

DOCUMENT = [("PLANNED", "STARTED"), ("STARTED", "COMPLETED"), ("PLANNED", "CANCELLED"), ("STARTED", "CANCELLED")]
LINE = [
    ("OPEN", "COUNTED"),
    ("OPEN", "SKIPPED"),
    ("COUNTED", "RECOUNT"),
    ("COUNTED", "AMBIGUOUS"),
    ("COUNTED", "APPROVED"),
    ("RECOUNT", "COUNTED"),
    ("AMBIGUOUS", "RECOUNT"),
    ("AMBIGUOUS", "APPROVED"),
    ("APPROVED", "POSTED"),
]


REVISION = [
    ("DRAFT", "SUBMITTED"),
    ("SUBMITTED", "DRAFT"),
    ("SUBMITTED", "APPROVED"),
    ("APPROVED", "ACTIVE"),
    ("APPROVED", "RETIRED"),
    ("ACTIVE", "RETIRED"),
]


def upgrade() -> None:
    """Documents, lines and policies, with their states."""
    op.execute(TABLES)
    for table in ("count_document", "count_line", "count_policy", "count_revision"):
        schema.grant(op, "materials", table)
    for table, pairs in (("count_document", DOCUMENT), ("count_line", LINE), ("count_revision", REVISION)):
        schema.guard_states(op, table, pairs)
