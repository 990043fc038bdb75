"""An SSCC stands for one unit of a site, and for one that has not left: it goes with its unit from site to site."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Built beside the writers; what they replace goes when they serve."""
    with op.get_context().autocommit_block():
        for name, on in (
            ("uq_handling_unit_sscc_here", "handling_unit (sscc) where state <> 'SHIPPED'"),
            ("uq_handling_unit_sscc_site", "handling_unit (sscc, site)"),
        ):
            op.execute(f"drop index concurrently if exists {name}")
            op.execute(f"create unique index concurrently {name} on {on}")
        op.execute("drop index concurrently if exists uq_handling_unit_sscc")
