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

PRODUCTION = """
insert into location (name, site, version, event_version, correlation, create_time, update_time, title, kind,
                      check_code, path_order, blocked)
select f.name || '/locations/v-production', split_part(f.name, '/', 2), 1, 0, '', now(), now(), 'Production',
       'PRODUCTION', '', 0, false
from site_fact f on conflict do nothing
"""


def upgrade() -> None:
    """Columns with defaults for the release before, the edges, and the place where lots become others."""
    op.execute(TABLES)
    schema.grant(op, "materials", "genealogy_edge", "select, insert")
    schema.append_only(op, "genealogy_edge")
    op.execute(PRODUCTION)
