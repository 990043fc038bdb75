"""Recalls."""

from itertools import pairwise

from alembic import op

from services.chassis import schema

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

TABLES = """
create table recall_case (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  lot text not null, item text not null, reason text not null, mock boolean not null, hold_receipts boolean not null,
  person text not null, state text not null, complete boolean not null, lot_count integer not null,
  party_count integer not null, gap_count integer not null, hold text not null, receipt_hold text not null,
  locate_duration interval, conclusion text not null,
  constraint pk_recall_case primary key (name), constraint fk_recall_case_lot foreign key (lot) references lot (name)
);
create index ix_recall_case_site on recall_case (site, name);
create index ix_recall_case_state on recall_case (site, state, name);
create index ix_recall_case_lot on recall_case (site, lot, name);
create table recall_lot (
  recall_case text not null, lot text not null, line integer not null, certain boolean not null,
  unit_code text not null, came numeric(20, 6) not null, found numeric(20, 6) not null,
  shipped numeric(20, 6) not null, consumed numeric(20, 6) not null, scrapped numeric(20, 6) not null,
  returned numeric(20, 6) not null, gap numeric(20, 6) not null,
  constraint pk_recall_lot primary key (recall_case, lot),
  constraint fk_recall_lot_recall_case foreign key (recall_case) references recall_case (name)
);
create table recall_party (
  recall_case text not null, document text not null, lot text not null, serial text not null, party text not null,
  quantity numeric(20, 6) not null, unit_code text not null, certain boolean not null, notify_time timestamptz,
  constraint pk_recall_party primary key (recall_case, document, lot, serial),
  constraint fk_recall_party_recall_case foreign key (recall_case) references recall_case (name)
);
"""
STEPS = ("OPEN", "TRACED", "CONTAINED", "NOTIFIED", "RECONCILED", "CLOSED")


def upgrade() -> None:
    """Tables that the release before does not know."""
    op.execute(TABLES)
    for table in ("recall_case", "recall_lot", "recall_party"):
        schema.grant(op, "materials", table, "select, insert, update")
    schema.guard_states(op, "recall_case", pairwise(STEPS))
