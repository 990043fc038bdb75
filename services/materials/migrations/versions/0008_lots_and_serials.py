"""Dates and merges of lots, and what serials need."""

from alembic import op

from services.chassis import schema

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = """
alter table lot add column manufacture_date date, add column best_before_date date;
alter table receipt_line add column serials text[] not null default '{}';
alter table inspection_lot add column serials text[] not null default '{}';
alter table put_away_task add column serials text[] not null default '{}';
alter table allocation add column serial text not null default '';
create table genealogy_edge (
  movement text not null, input_lot text not null, output_lot text not null, item text not null,
  quantity numeric(20, 6) not null, unit_code text not null, effective_time timestamptz not null,
  certain boolean not null,
  constraint pk_genealogy_edge primary key (movement, input_lot, output_lot),
  constraint fk_genealogy_edge_movement foreign key (movement) references movement (name),
  constraint ck_genealogy_edge_quantity check (quantity > 0)
);
create index ix_genealogy_edge_input_lot on genealogy_edge (input_lot);
create index ix_genealogy_edge_output_lot on genealogy_edge (output_lot);
"""


def upgrade() -> None:
    """Columns with defaults for the release before, and the edges.

    The place where lots become others comes with its first use: the release before reads no place of that kind.
    """
    op.execute(TABLES)
    schema.grant(op, "materials", "genealogy_edge", "select, insert")
    schema.append_only(op, "genealogy_edge")
