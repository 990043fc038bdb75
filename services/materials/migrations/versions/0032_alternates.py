"""What stands in for a demand's item is claimed by a reservation of its own (MAT-10)."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

COLUMNS = """
alter table reservation
  add column allow_alternates boolean not null default false, add column substitutes text not null default '',
  add column substituted numeric(20, 6) not null default 0,
  add column substitute_issued numeric(20, 6) not null default 0,
  add column covers numeric(20, 6) not null default 0, add column numerator bigint not null default 1,
  add column denominator bigint not null default 1, add column alternates text[] not null default '{}';
alter table allocation_revision add column refuse_alternates boolean not null default false;
alter table reservation drop constraint ck_reservation_whole;
alter table reservation add constraint ck_reservation_adds_up
  check (requested = issued + allocated + supply_covered + pending + short + released + substituted) not valid;
alter table reservation add constraint ck_reservation_substitutes
  check (substitute_issued >= 0 and substituted >= substitute_issued and covers >= 0) not valid;
"""

AS_BEFORE = """
create or replace function reservation_as_before() returns trigger language plpgsql as $$
begin
  -- a process of a release before knows no parts of what is missing: all of it is short
  if new.pending + new.supply_covered > 0 and new.pending = old.pending and new.supply_covered = old.supply_covered
     and new.requested = new.issued + new.allocated + new.short + new.released then
    new.pending := 0;
    new.supply_covered := 0;
  end if;
  -- nor what alternates cover: that is not short
  if new.substituted > 0 and new.substituted = old.substituted and new.short >= new.substituted
     and new.requested = new.issued + new.allocated + new.supply_covered + new.pending + new.short + new.released then
    new.short := new.short - new.substituted;
  end if;
  return new;
end $$;
"""


def upgrade() -> None:
    """New columns with constant defaults; what a reservation adds up to has one more part."""
    op.execute(COLUMNS)
    op.execute(AS_BEFORE.replace(":=", r"\:="))
