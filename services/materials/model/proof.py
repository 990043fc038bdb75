"""Proof of the ledger: balances, claims, values and numbers are what its entries make of them (MAT-45)."""

from datetime import datetime, timedelta

from sqlalchemy import Text, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlmodel import Field

from services.chassis.resource import instant
from services.chassis.unit import Unit
from services.materials.model.base import Table

EVERY = timedelta(hours=24)
PART = 100_000
"""Entries that one transaction of the daily proof looks at, about."""
BEHIND_ALL = "j"
"""Sorts behind the name of every item, items/..."""


class Proof(Table, table=True):
    """The last proof of a site's ledger that was due, and what it found."""

    __tablename__ = "ledger_proof"

    site: str = Field(sa_type=Text, primary_key=True)
    prove_time: datetime = Field(sa_type=instant())
    differences: int
    findings: list[str] = Field(sa_type=ARRAY(Text))  # type: ignore[call-overload]


_PART = text("""
    select max(item) filter (where before < :count) as until, max(item) as last
    from (select item, sum(sequence) over (order by item) - sequence as before from value_balance
          where site = :site and item > :after) i
""")


async def differences(unit: Unit, site: str, after: str = "", count: int = 0) -> tuple[list[str], str]:
    """What is not as the entries make it, in words, at most 100 of a kind; repairs nothing.

    A part looks at the items behind `after` that have `count` entries together, or a few more; 0 = all. Gives the
    item at which the next part goes on, empty at the end. The first part also looks at what belongs to no item.
    """
    until = await part(unit, site, after, count)
    bounds = {"after": after, "until": until or BEHIND_ALL}
    found = []
    for sentence, statement in (*_BY_ITEM, *(() if after else _CHECKS)):
        rows = await unit.execute(text(statement), {"site": site, **bounds})
        found += [f"{sentence}: {', '.join(str(value) for value in row)}" for row in rows]
    return found, until


async def part(unit: Unit, site: str, after: str, count: int) -> str:
    """The item with which a part behind `after` of about so many entries ends; "" when it is the last, or for 0."""
    if not count:
        return ""
    found = (await unit.execute(_PART, {"site": site, "after": after, "count": count})).one()
    return str(found.until) if found.until is not None and found.until != found.last else ""


async def last(unit: Unit, site: str) -> Proof | None:
    """The last proof of a site that was due."""
    found: Proof | None = await unit.first(select(Proof).where(Proof.site == site))  # type: ignore[arg-type]
    return found


_DUE = text("""
    select s.name from site_fact s left join ledger_proof p on 'sites/' || p.site = s.name
    where p.prove_time is null or p.prove_time < now() - cast(:every as interval)
    order by p.prove_time nulls first, s.name
""")
_ALL = text("select coalesce(sum(differences), 0) from ledger_proof")


async def due(unit: Unit) -> list[str]:
    """Sites whose last proof is older than a day."""
    return [name.removeprefix("sites/") for (name,) in await unit.execute(_DUE, {"every": EVERY})]


async def keep(unit: Unit, site: str, found: list[str]) -> None:
    """Keep the outcome of a proof."""
    values = {"prove_time": unit.now, "differences": len(found), "findings": found[:20]}
    kept = insert(Proof).values(site=site, **values)
    await unit.execute(kept.on_conflict_do_update(index_elements=["site"], set_=values))


async def total(unit: Unit) -> int:
    """Differences of all last proofs."""
    return int((await unit.execute(_ALL)).scalar_one())


_BY_ITEM = (
    (
        "balance differs from the ledger",
        """
        select coalesce(b.name, e.balance), coalesce(b.on_hand, 0), coalesce(e.total, 0)
        from (select * from balance b where site = :site and b.item > :after and b.item <= :until) b
        full join (select balance, sum(quantity) as total, sum(second_quantity) as second
                   from movement_entry e where site = :site and e.item > :after and e.item <= :until
                   group by 1) e on e.balance = b.name
        where coalesce(b.on_hand, 0) <> coalesce(e.total, 0)
           or coalesce(b.second_on_hand, 0) <> coalesce(e.second, 0) limit 100
        """,
    ),
    (
        "movement does not sum to zero",
        """
        select movement, item, lot, serial, sum(quantity), sum(second_quantity)
        from movement_entry e where site = :site and e.item > :after and e.item <= :until
        group by 1, 2, 3, 4, unit_code having sum(quantity) <> 0 or sum(second_quantity) <> 0 limit 100
        """,
    ),
    (
        "reserved differs from the allocations",
        """
        select b.name, b.reserved, coalesce(a.total, 0) from balance b
        left join (select balance, sum(quantity) as total from allocation group by 1) a on a.balance = b.name
        where b.site = :site and b.item > :after and b.item <= :until
          and not b.virtual and b.reserved <> coalesce(a.total, 0) limit 100
        """,
    ),
    (
        "value of the stock differs from its movements",
        """
        select v.item, v.quantity, s.quantity, v.value, s.value, v.variance, s.variance
        from value_balance v
        join (select e.item, sum(e.quantity) as quantity, sum(e.value) as value, sum(e.variance) as variance
              from value_change e where e.site = :site and e.item > :after and e.item <= :until
              group by 1) s on s.item = v.item
        where v.site = :site and v.item > :after and v.item <= :until
          and (v.quantity <> s.quantity or v.value <> s.value or v.variance <> s.variance) limit 100
        """,
    ),
    (
        "layers do not hold the stock and its value",
        """
        select v.item, v.valuation_method, v.quantity, coalesce(l.quantity, 0), v.value, coalesce(l.value, 0)
        from value_balance v
        left join (select x.item, sum(x.remaining_quantity) as quantity, sum(x.remaining_value) as value
                   from value_layer x where x.site = :site and x.item > :after and x.item <= :until
                     and x.remaining_quantity > 0 group by 1) l on l.item = v.item
        where v.site = :site and v.item > :after and v.item <= :until
          and (coalesce(l.quantity, 0), coalesce(l.value, 0)) <> (
              case when v.valuation_method = 'FIFO' then greatest(v.quantity, 0) else 0 end,
              case when v.valuation_method = 'FIFO' and v.quantity > 0 then v.value else 0 end) limit 100
        """,
    ),
    (
        "stock was less than nothing at an instant",
        """
        select distinct r.item, r.location, r.lot, r.serial from (
          select e.item, e.location, e.lot, e.serial,
                 sum(e.quantity) over (partition by e.balance order by e.effective_time) as running
          from movement_entry e join balance b on b.name = e.balance and not b.virtual
          where e.site = :site and e.item > :after and e.item <= :until
            and not exists (select from negative_stock n where n.balance = e.balance)) r
        where r.running < 0 limit 100
        """,
    ),
    (
        "entries of an item are not numbered without a hole",
        """
        select v.item, v.sequence, coalesce(e.count, 0), coalesce(e.last, 0) from value_balance v
        left join (select item, count(*) as count, max(item_sequence) as last from movement_entry e
                   where site = :site and e.item > :after and e.item <= :until group by 1) e on e.item = v.item
        where v.site = :site and v.item > :after and v.item <= :until
          and (v.sequence <> coalesce(e.count, 0) or v.sequence <> coalesce(e.last, 0)) limit 100
        """,
    ),
)

_CHECKS = (
    (
        "reservation does not add up",
        """
        select r.name, r.allocated, coalesce(sum(a.quantity), 0) from reservation r
        left join allocation a on a.reservation = r.name where r.site = :site
        group by 1, 2 having r.allocated <> coalesce(sum(a.quantity), 0) limit 100
        """,
    ),
    (
        "alternates do not cover what a reservation says",
        """
        select p.name, p.substituted, coalesce(sum(c.covers), 0) from reservation p
        left join reservation c on c.substitutes = p.name and c.name = any(p.alternates)
        where p.site = :site and p.substituted > 0
        group by 1, 2 having p.substituted <> coalesce(sum(c.covers), 0) limit 100
        """,
    ),
    (
        "a serial is not where its balance says, or in two places",
        """
        select s.name, s.balance, count(b.name), coalesce(sum(b.on_hand), 0) from serial s
        left join balance b on b.item = s.item and b.serial = s.name and not b.virtual and b.on_hand <> 0
        where s.balance like 'sites/' || :site || '/%' or b.site = :site
        group by 1, 2 having count(b.name) <> 1 or sum(b.on_hand) <> 1 or min(b.name) <> s.balance limit 100
        """,
    ),
    (
        "stock lies elsewhere than its handling unit",
        """
        select b.name, b.handling_unit, b.location, handling_unit_place(b.handling_unit) from balance b
        where b.site = :site and not b.virtual and b.handling_unit <> '' and b.on_hand <> 0
          and handling_unit_place(b.handling_unit) is distinct from b.location limit 100
        """,
    ),
    (
        "a handling unit is inside itself",
        """
        select h.name from handling_unit h
        where h.site = :site and h.parent_handling_unit is not null
          and exists (select 1 from handling_unit_path(h.name) p where p.name = h.name and p.depth > 1) limit 100
        """,
    ),
    (
        "a handling unit out of use holds stock or units",
        """
        select h.name, h.state, b.name from handling_unit h join balance b on b.handling_unit = h.name
        where h.site = :site and b.on_hand <> 0 and not b.virtual and h.state in ('POOLED', 'RETIRED')
        union all
        select h.name, h.state, i.name from handling_unit h join handling_unit i on i.parent_handling_unit = h.name
        where h.site = :site and h.state in ('POOLED', 'RETIRED') limit 100
        """,
    ),
    (
        "what left this site for others is not what came to them",
        """
        select b.item, b.lot, b.serial, sum(b.on_hand), sum(b.second_on_hand) from balance b
        join location l on l.name = b.location and l.kind = 'INTER_SITE'
        where b.item in (select h.item from balance h join location p on p.name = h.location
                         and p.kind = 'INTER_SITE' where h.site = :site)
        group by 1, 2, 3 having sum(b.on_hand) <> 0 or sum(b.second_on_hand) <> 0 limit 100
        """,
    ),
    (
        "the value that left this site for others is not what came to them",
        """
        select m.source, e.item, sum(e.value) from movement_entry e
        join location l on l.name = e.location and l.kind = 'INTER_SITE'
        join movement m on m.name = e.movement
        where e.balance in (select b.name from balance b join location p on p.name = b.location
                            and p.kind = 'INTER_SITE' where b.item in (
                              select h.item from balance h join location q on q.name = h.location
                              and q.kind = 'INTER_SITE' where h.site = :site))
        group by 1, 2 having sum(e.value) <> 0 limit 100
        """,
    ),
    (
        "what transfers have under way is not there",
        """
        select u.transit_location, u.item, u.lot, u.total, coalesce(b.total, 0) from (
          select t.transit_location, l.item, l.lot, sum(l.quantity - l.received - l.disposed) as total
          from transfer t join transfer_line l on l.transfer = t.name
          where t.site = :site and t.state in ('SHIPPED', 'PARTLY_RECEIVED', 'RECEIVED') group by 1, 2, 3) u
        left join (select location, item, lot, sum(on_hand) as total from balance
                   where site = :site and on_hand <> 0 group by 1, 2, 3) b
          on (b.location, b.item, b.lot) = (u.transit_location, u.item, u.lot)
        where u.total > coalesce(b.total, 0) limit 100
        """,
    ),
    (
        "80 % of an SSCC range is used",
        """
        select r.prefix, r.extension, r.next from sscc_range r
        where 10 * (r.next - 1) >= 8 * ((10::numeric ^ (16 - length(r.prefix))) - 1) and :site <> '' limit 100
        """,
    ),
    (
        "stock on hold is claimed",
        """
        select a.reservation, b.name, b.held
        from (select *, hold_of(site, item, lot, serial, handling_unit, location) as held from balance
              where site = :site and not virtual and reserved > 0) b
        join allocation a on a.balance = b.name where b.held is not null limit 100
        """,
    ),
    (
        "an ended reservation holds stock",
        """
        select r.name, r.state from reservation r join allocation a on a.reservation = r.name
        where r.site = :site and r.state in ('RELEASED', 'ISSUED') limit 100
        """,
    ),
)
