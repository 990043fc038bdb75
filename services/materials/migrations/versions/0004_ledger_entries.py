"""Entries of the release before get site, balance, value and their number in the order of replay."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CHUNK = 5_000
VIRTUAL = ("SUPPLIER", "CONSUMED", "SCRAP", "ADJUSTMENT", "OPENING")

# In the order of their recording, so that the numbers of a site and item begin with 1 and have no gap. What a run that
# broke off numbered is 1 .. done, and what was posted since lies behind the numbers that are kept free for the rest.
NUMBERS = """
create temp table if not exists missing_number as
with known as (
  select site, item, count(*) filter (where item_sequence = rank) as done
  from (select site, item, item_sequence,
               row_number() over (partition by site, item order by item_sequence) as rank
        from movement_entry where balance <> '') r
  group by 1, 2
)
select e.movement, e.side,
       coalesce(k.done, 0)
         + row_number() over (partition by m.site, e.item order by m.record_time, e.movement, e.side) as number,
       row_number() over (order by m.record_time, e.movement, e.side) as turn
from movement_entry e join movement m on m.name = e.movement
left join known k on k.site = m.site and k.item = e.item
where e.balance = ''
"""

# a transaction each: entries are append-only for everybody, so their guard stands aside for as long as a chunk takes
FILL = """
do $$ begin
  alter table movement_entry disable trigger user;
  update movement_entry e
  set site = m.site, balance = balance_key(m.site, e.item, e.location, e.lot, e.status, '', '', '', ''),
      value = case when (f.kind in {virtual}) <> (t.kind in {virtual}) then
                case when e.side = 1 then -m.cost else m.cost end end,
      entered_quantity = e.quantity, entered_quantity_unit_code = e.unit_code, item_sequence = n.number
  from missing_number n, movement m, location f, location t
  where n.turn > {after} and n.turn <= {after} + {chunk} and n.movement = e.movement and n.side = e.side
    and e.balance = ''
    and m.name = e.movement and f.name = m.from_location and t.name = m.to_location;
  alter table movement_entry enable trigger user;
end $$
"""


def upgrade() -> None:
    """Fill in chunks beside those who post; a run that broke off is taken up where it was."""
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        connection.execute(sa.text(NUMBERS))
        count = connection.execute(sa.text("select count(*) from missing_number")).scalar() or 0
        for after in range(0, count, CHUNK):
            connection.execute(sa.text(FILL.format(virtual=VIRTUAL, after=after, chunk=CHUNK)))
