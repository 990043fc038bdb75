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
  approve_time timestamptz, effective_time timestamptz, policy text not null, steps jsonb not null,
  constraint pk_put_away_revision primary key (name),
  constraint fk_put_away_revision_policy foreign key (policy) references put_away_policy (name)
);
create index ix_put_away_revision_state on put_away_revision (policy, state, name);
create unique index uq_put_away_revision_active on put_away_revision (policy) where state = 'ACTIVE';
"""


def upgrade() -> None:
    """Tables that the release before does not know, and columns that it fills by their defaults."""
    op.execute(TABLES)
    schema.guard_states(op, "put_away_revision", PAIRS)
    for table in ("put_away_policy", "put_away_revision"):
        schema.grant(op, "materials", table, "select, insert, update")
