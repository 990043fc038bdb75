"""Files are read some thousand rows at a time: how far one is, and what its rows are known by so far."""

from alembic import op

from services.chassis import schema

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

# a file that a process of the release before began to check was read as a whole, whatever the columns say
TABLES = """
alter table materials_import
  add column byte_read integer not null default 0, add column line_read integer not null default 0;
create table materials_import_key (
  import text not null, key text not null, number integer not null,
  constraint pk_materials_import_key primary key (import, key),
  constraint fk_materials_import_key_import foreign key (import) references materials_import (name)
);
"""


def upgrade() -> None:
    """Nothing that the release before writes changes."""
    op.execute(TABLES)
    schema.grant(op, "materials", "materials_import_key", "select, insert, update, delete")
