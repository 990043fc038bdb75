"""Dates and merges of lots, and what serials need."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PRODUCTION = """
insert into location (name, site, version, event_version, correlation, create_time, update_time, title, kind,
                      check_code, path_order, blocked)
select f.name || '/locations/v-production', split_part(f.name, '/', 2), 1, 0, '', now(), now(), 'Production',
       'PRODUCTION', '', 0, false
from site_fact f on conflict do nothing
"""


def upgrade() -> None:
    """Where lots become others, at the sites that are known already."""
    op.execute(PRODUCTION)
