"""What is exchanged with other systems: files that are imported, names that others give, what events say."""

from alembic import op

from services.chassis import schema

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

TABLES = """
create table materials_import (
  name text not null, site text, version integer not null, event_version integer not null, correlation text not null,
  create_time timestamptz not null, update_time timestamptz not null,
  kind text not null, title text not null, delimiter text not null, all_or_nothing boolean not null,
  spreadsheet_safe boolean not null, state text not null, byte_count integer not null, header text[] not null,
  row_count integer not null, next_row integer not null, created_count integer not null,
  updated_count integer not null, unchanged_count integer not null, error_count integer not null,
  constraint pk_materials_import primary key (name)
);
create index ix_materials_import_site on materials_import (site, name);
create index ix_materials_import_kind on materials_import (site, kind, name);
create index ix_materials_import_state on materials_import (site, state, name);
create table materials_import_part (
  import text not null, first_byte integer not null, content bytea not null,
  constraint pk_materials_import_part primary key (import, first_byte),
  constraint fk_materials_import_part_import foreign key (import) references materials_import (name)
);
create table materials_import_row (
  import text not null, row integer not null, line integer not null, key text not null, cells text[] not null,
  outcome text not null, column_name text not null, code text not null, text text not null, resource text not null,
  constraint pk_materials_import_row primary key (import, row),
  constraint fk_materials_import_row_import foreign key (import) references materials_import (name)
);
create index ix_materials_import_row_outcome on materials_import_row (import, outcome, row);
create table external_record (
  kind text not null, home text not null, external_id text not null, name text not null, digest text not null,
  constraint pk_external_record primary key (kind, home, external_id)
);
create index ix_external_record_name on external_record (kind, home, name);
"""


def upgrade() -> None:
    """Tables that the release before does not know, and the right to read what was told."""
    op.execute(TABLES)
    schema.grant(op, "materials", "materials_import", "select, insert, update")
    schema.grant(op, "materials", "materials_import_part", "select, insert")
    schema.grant(op, "materials", "materials_import_row", "select, insert, update, delete")
    schema.grant(op, "materials", "external_record", "select, insert")
    pairs = [
        ("RECEIVING", "CHECKING"), ("CHECKING", "CHECKED"), ("CHECKED", "CHECKING"), ("CHECKED", "RUNNING"),
        ("RUNNING", "DONE"),
    ]  # fmt: skip
    schema.guard_states(op, "materials_import", pairs)
    schema.extend_chassis_3(op, "materials")
