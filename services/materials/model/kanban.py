"""Kanban cards: each stands for a container and asks for another one when that is empty (MAT-170)."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import ForeignKey, Index, Numeric, Text, func, select, text
from sqlmodel import Field

from services.chassis.faults import AlreadyExists, FailedPrecondition
from services.chassis.resource import enum_text
from services.chassis.unit import Unit
from services.materials.model import filling, ledger, replenishing
from services.materials.model.base import Resource, listed
from services.materials.model.filling import Need
from services.materials.model.item import Item, site_fact
from services.materials.model.policy import Kind, Policy, Revision
from services.materials.model.replenishing import Asked
from services.materials.model.task import Task
from services.materials.rules import replenishment
from services.materials.rules.replenishment import Facts

ZERO = Decimal(0)


class CardState(StrEnum):
    FULL = "FULL"
    EMPTY = "EMPTY"
    REQUESTED = "REQUESTED"
    IN_TRANSIT = "IN_TRANSIT"


S = CardState
ASKED = (S.REQUESTED, S.IN_TRANSIT)


class KanbanLoopComplete(FailedPrecondition):
    """The loop has as many cards as its revision says (MAT-170)."""

    text = "{policy} has {count} cards, as {revision} says."


class KanbanLoopMissing(FailedPrecondition):
    """The policy has no revision of kind KANBAN in force."""

    text = "{policy} has no revision of kind KANBAN in force."


class CardNumberTaken(AlreadyExists):
    """Another card of the site has the number."""

    constraint = "uq_kanban_card_number"
    text = "Another card of the site has that number."


class KanbanCard(Resource, table=True):
    """A card of a loop; `quantity` is what was asked for since its container was emptied."""

    __tablename__ = "kanban_card"
    COLLECTION: ClassVar[str] = "kanbanCards"
    TRANSITIONS: ClassVar[frozenset[tuple[Any, Any]]] = frozenset(
        {
            (S.FULL, S.EMPTY), (S.EMPTY, S.REQUESTED), (S.REQUESTED, S.IN_TRANSIT), (S.IN_TRANSIT, S.FULL),
            (S.REQUESTED, S.EMPTY), (S.IN_TRANSIT, S.EMPTY),  # what was asked for will not come
        }
    )  # fmt: skip
    FILTERABLE: ClassVar[frozenset[str]] = frozenset({"item", "policy", "state", "number"})
    __table_args__ = (
        Index("uq_kanban_card_number", "site", "number", unique=True),
        Index("ix_kanban_card_site", "site", "name"),
        *listed("kanban_card", "item", "policy", "state"),
        Index("ix_kanban_card_supply_request", "supply_request", postgresql_where=text("supply_request <> ''")),
    )

    number: str = Field(sa_type=Text)
    policy: str = Field(sa_type=Text, sa_column_args=[ForeignKey("materials_policy.name")])
    item: str = Field(sa_type=Text, sa_column_args=[ForeignKey("item.name")])
    location: str = Field(default="", sa_type=Text, nullable=False)
    state: CardState = Field(default=S.FULL, sa_type=enum_text(CardState), nullable=False)
    quantity: Decimal = Field(default=ZERO, sa_type=Numeric(20, 6), nullable=False)
    unit_code: str = Field(sa_type=Text)
    supply_request: str = Field(default="", sa_type=Text, nullable=False)
    decision: str = Field(default="", sa_type=Text, nullable=False)

    def asked(self, quantity: Decimal, decision: str, request: str = "") -> None:
        """Another container was asked for."""
        self.move(S.REQUESTED)
        self.quantity, self.decision, self.supply_request = quantity, decision, request

    def empty(self) -> None:
        """Its container is empty, or the one that was asked for will not come."""
        self.move(S.EMPTY)
        self.quantity, self.decision, self.supply_request = ZERO, "", ""


async def take_up(unit: Unit, name: str) -> KanbanCard:
    """A card, locked behind the stock of its item."""
    known = await unit.get(KanbanCard, name, lock=False)
    await ledger.hold(unit, known.site or "", [known.item])
    await unit.session.refresh(known, with_for_update=True)
    return known


async def loop_of(unit: Unit, name: str, *, lock: bool = False) -> tuple[Policy, Revision]:
    """A policy with its revision of kind KANBAN in force; KanbanLoopMissing without one."""
    policy = await unit.get(Policy, name, lock=lock)
    revision = await unit.find(Revision, policy.active_revision, lock=False) if policy.active_revision else None
    if revision is None or revision.kind is not Kind.KANBAN:
        raise KanbanLoopMissing(policy=name)
    return policy, revision


async def sent(unit: Unit, card: KanbanCard) -> None:
    """Another container is on its way."""
    if card.state is not S.IN_TRANSIT:
        card.move(S.IN_TRANSIT)
        await unit.flush()


async def filled(unit: Unit, card: KanbanCard) -> None:
    """A full container is there, with or without word of its way."""
    await sent(unit, card)
    card.move(S.FULL)
    card.quantity, card.decision, card.supply_request = ZERO, "", ""
    await unit.flush()


_LOOPS = text("""
    select c.policy, count(*) as held from kanban_card c
    where c.policy = any(cast(:policies as text[])) and c.state <> 'EMPTY' group by c.policy
""")


async def ask(unit: Unit, site: str, *items: str) -> None:
    """Empty cards of items ask for their containers, each once; the caller holds the items.

    Cards of an item that are supplied from outside share the one open request of the item and site (MAT-167); a place
    is filled by a task. Cards beyond those that the revision says stay empty.
    """
    rows: Sequence[KanbanCard] = await unit.all(
        select(KanbanCard)
        .where(
            KanbanCard.site == site,  # type: ignore[arg-type]
            KanbanCard.item.in_(sorted(set(items))),  # type: ignore[attr-defined]
            KanbanCard.state == S.EMPTY,  # type: ignore[arg-type]
        )
        .order_by(KanbanCard.name)
        .with_for_update()
    )
    if not rows:
        return
    policies = await unit.get_many(Policy, (row.policy for row in rows), lock=False)
    revisions = await unit.get_many(
        Revision, (row.active_revision for row in policies.values() if row.active_revision), lock=False
    )
    held = {row.policy: row.held for row in await unit.execute(_LOOPS, {"policies": sorted(policies)})}
    known = await unit.get_many(Item, (row.item for row in rows), lock=False)
    outside: dict[str, list[KanbanCard]] = {}
    inside: list[KanbanCard] = []
    for row in rows:
        revision = revisions.get(policies[row.policy].active_revision)
        if revision is None or revision.kind is not Kind.KANBAN or held.get(row.policy, 0) >= revision.card_count:
            continue
        held[row.policy] = held.get(row.policy, 0) + 1
        if policies[row.policy].location:
            inside.append(row)
        else:
            outside.setdefault(row.policy, []).append(row)
    today = (await site_fact(unit, site)).day(unit.now)

    def asked(row: KanbanCard, count: int) -> Asked:
        return _asked(revisions[policies[row.policy].active_revision], known[row.item], today, count)

    await _bring(unit, site, [(row, asked(row, 1)) for row in inside], known)
    await _request(unit, site, [(cards, asked(cards[0], len(cards))) for cards in outside.values()])


def _asked(revision: Revision, item: Item, today: date, count: int) -> Asked:
    """What so many empty cards ask for."""
    given = revision.parameters(item)
    facts = Facts(item.name, today, ZERO, given.order_quantity * count)
    return Asked(item.name, revision, given, facts, replenishment.evaluate(given, facts))


async def judged(unit: Unit, site: str, revision: Revision, item: str) -> Asked:
    """What the cards that are empty ask for now."""
    today = (await site_fact(unit, site)).day(unit.now)
    count = await unit.first(
        select(func.count()).where(KanbanCard.policy == revision.policy, KanbanCard.state == S.EMPTY)  # type: ignore[arg-type]
    )
    return _asked(revision, await unit.get(Item, item, lock=False), today, count)


async def _bring(unit: Unit, site: str, rows: Sequence[tuple[KanbanCard, Asked]], known: dict[str, Item]) -> None:
    """Tasks fill the places of cards; a card stays empty where there is no whole container to bring, or no room."""
    needs = [
        Need(known[card.item], card.location, asked.found.quantity, correlation=card.name, whole=True)
        for card, asked in rows
    ]
    for (card, asked), tasks in zip(rows, await filling.bring(unit, site, needs), strict=True):
        if tasks:
            card.asked(asked.found.quantity, filling.keep(unit, site, asked, tasks))
    await unit.flush()


async def _request(unit: Unit, site: str, rows: Sequence[tuple[Sequence[KanbanCard], Asked]]) -> None:
    """Cards of a loop go into the open request of their item, whose total is told anew."""
    requests = await replenishing.open_requests(unit, site, {asked.item for _, asked in rows}) if rows else {}
    for cards, asked in rows:
        request = replenishing.request_of(unit, site, asked, requests)
        if request is None:
            continue
        for card in cards:
            card.asked(asked.given.order_quantity, request.decision, request.name)
        unit.emit(request.told(), correlation=request.chain)
    await unit.flush()


async def on_its_way(unit: Unit, requests: Iterable[str]) -> None:
    """An order brings what requests asked for: so it does for their cards; the caller holds the items."""
    for card in await _of(unit, KanbanCard.supply_request.in_(sorted(requests)), S.REQUESTED):  # type: ignore[attr-defined]
        await sent(unit, card)


_ORDERED = text("""
    select c.name from kanban_card c join supply_request r on r.name = c.supply_request
    where r.carried_by = :order and c.item = any(cast(:items as text[])) and c.state in ('REQUESTED', 'IN_TRANSIT')
""")


async def come_back(unit: Unit, site: str, order: str, items: Iterable[str]) -> None:
    """An order brings no more: cards that waited for it are empty again, and ask (MAT-169).

    The caller holds the items.
    """
    wanted = sorted(set(items))
    if await emptied(unit, order, wanted):
        await ask(unit, site, *wanted)


async def emptied(unit: Unit, order: str, items: Iterable[str]) -> bool:
    """Cards of items that waited for an order are empty again; whether there were any."""
    names = [row.name for row in await unit.execute(_ORDERED, {"order": order, "items": sorted(items)})]
    cards = await _of(unit, KanbanCard.name.in_(names), *ASKED) if names else []  # type: ignore[attr-defined]
    for card in cards:
        card.empty()
    await unit.flush()
    return bool(cards)


async def _of(unit: Unit, condition: Any, *states: CardState) -> Sequence[KanbanCard]:
    statement = select(KanbanCard).where(condition, KanbanCard.state.in_(states))  # type: ignore[attr-defined]
    return await unit.all(statement.order_by(KanbanCard.name).with_for_update())


async def follow(unit: Unit, task: Task) -> None:
    """A task for a card went on: its container is on its way, or there when all of its tasks are done.

    The caller holds the item.
    """
    if f"/{KanbanCard.COLLECTION}/" not in task.correlation:
        return
    card = await unit.find(KanbanCard, task.correlation, lock=True)
    if card is None or card.state not in ASKED or card.decision != task.decision:
        return
    await sent(unit, card)
    await unit.flush()
    if not (await unit.execute(_OPEN, {"site": card.site, "item": card.item, "decision": card.decision})).first():
        await filled(unit, card)


_OPEN = text("""
    select name from put_away_task
    where site = :site and item = :item and decision = :decision
      and state in ('PLANNED', 'READY', 'LEASED', 'STARTED', 'WAITING', 'EXCEPTION') limit 1
""")
_WAITING = text("""
    select distinct site, item from kanban_card where state = 'EMPTY'
    union
    select c.site, c.item from kanban_card c
    where c.state in ('REQUESTED', 'IN_TRANSIT') and c.supply_request = '' and not exists (
      select from put_away_task t where t.site = c.site and t.item = c.item and t.decision = c.decision
      and t.state <> 'CANCELLED')
    order by 1, 2 limit :most
""")
_STRANDED = text("""
    select c.name from kanban_card c
    where c.site = :site and c.item = any(cast(:items as text[])) and c.state in ('REQUESTED', 'IN_TRANSIT')
      and c.supply_request = '' and not exists (
        select from put_away_task t where t.site = c.site and t.item = c.item and t.decision = c.decision
        and t.state <> 'CANCELLED')
""")


async def waiting(unit: Unit, most: int) -> list[tuple[str, str]]:
    """(site, item) of cards that are empty and nobody asked for, or whose tasks were cancelled; one statement."""
    return [(row.site, row.item) for row in await unit.execute(_WAITING, {"most": most})]


async def ask_again(unit: Unit, site: str, *items: str) -> None:
    """Cards whose tasks were cancelled are empty again; empty ones ask."""
    await ledger.hold(unit, site, items)
    names = [row.name for row in await unit.execute(_STRANDED, {"site": site, "items": sorted(items)})]
    for card in await _of(unit, KanbanCard.name.in_(names), *ASKED) if names else []:  # type: ignore[attr-defined]
        card.empty()
    await unit.flush()
    await ask(unit, site, *items)
