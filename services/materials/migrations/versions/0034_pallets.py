"""Handling units that go to another site with a transfer, and come there with number, nesting and content."""

from alembic import op

from services.chassis import schema

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

TABLES = """
alter table handling_unit add column transfer text not null default '';
alter table handling_unit add column origin_handling_unit text not null default '';
alter table handling_unit add column unbroken boolean not null default false;
create table transfer_unit (
  transfer text not null, handling_unit text not null, parent_handling_unit text not null,
  outer_handling_unit text not null, number text not null, sscc text not null, handling_unit_type text not null,
  gross_weight numeric(20, 6), gross_weight_unit_code text not null,
  constraint pk_transfer_unit primary key (transfer, handling_unit),
  constraint fk_transfer_unit_transfer foreign key (transfer) references transfer (name),
  constraint fk_transfer_unit_handling_unit foreign key (handling_unit) references handling_unit (name)
);
"""


def upgrade() -> None:
    """A table that the release before does not know, and columns that it fills by their defaults."""
    op.execute(TABLES)
    schema.grant(op, "materials", "transfer_unit", "select, insert")
