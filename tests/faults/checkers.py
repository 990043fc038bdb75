"""Invariants over the databases of all services, each a function with a name that gives its findings (I1 .. I11).

They look from outside, as superuser and by SQL, at what the services wrote; nothing here asks a service what it
believes. No such part yet: I7 (matched invoices), the hash chain of I8, and sagas in I6.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from services.chassis import bus
from services.chassis.relay import LOCK
from tests.faults.commands import ACKNOWLEDGED, REFUSED, UNKNOWN, Command

Rows = Sequence[tuple[Any, ...]]


@dataclass
class Books:
    """What the checkers read: a connection to each database, and what the harness knows beside them."""

    connections: Mapping[str, psycopg.Connection[Any]]
    commands: Sequence[Command] = ()
    lines: Mapping[str, int] = field(default_factory=dict)
    told: Mapping[str, Sequence[tuple[str, str, int]]] = field(default_factory=dict)
    """Stream of a service -> (event id, aggregate, version) in the order of the stream."""
    again: frozenset[str] = frozenset()
    """Ids of events that a stream had lost and got again on request."""
    poison: frozenset[str] = frozenset()
    """Ids of events that can never be applied."""
    differing: Sequence[str] = ()
    stale: Sequence[str] = ()
    """Events whose every delivery was stale: `consumer event`."""

    def rows(self, service: str, query: str, *parameters: Any) -> Rows:
        """Rows of a query on a service's database."""
        return self.connections[service].execute(query, parameters or None).fetchall()  # type: ignore[arg-type]


def i1_conserved(books: Books) -> list[str]:
    """Ledger entries sum to zero per item, lot and unit; every balance is the sum of its entries."""
    found = [
        f"I1 {item} {lot} {unit}: the entries sum to {total}"
        for item, lot, unit, total in books.rows(
            "materials",
            "select item, lot, unit_code, sum(quantity) from movement_entry group by 1, 2, 3 having sum(quantity) <> 0",
        )
    ]
    return found + [
        f"I1 {item} {lot} at {place} {status}: the balance is {balance}, its entries sum to {ledger}"
        for item, lot, place, status, balance, ledger in books.rows(
            "materials",
            """
            select coalesce(b.item, e.item), coalesce(b.lot, e.lot), coalesce(b.location, e.location),
                   coalesce(b.status, e.status), coalesce(b.on_hand, 0), coalesce(e.total, 0)
            from balance b full join (
                select balance, item, lot, location, status, sum(quantity) as total from movement_entry
                group by 1, 2, 3, 4, 5) e on e.balance = b.name
            where coalesce(b.on_hand, 0) <> coalesce(e.total, 0)
            """,
        )
    ]


def i2_not_negative(books: Books) -> list[str]:
    """No place in the plant holds less than nothing, nor less than is reserved there."""
    return [
        f"I2 {item} {lot} at {place} {status}: {on_hand} on hand, {reserved} reserved"
        for item, lot, place, status, on_hand, reserved in books.rows(
            "materials",
            "select item, lot, location, status, on_hand, reserved from balance "
            "where not virtual and (on_hand < 0 or reserved < 0 or reserved > on_hand)",
        )
    ]


def i3_one_effect(books: Books) -> list[str]:
    """A command that was answered OK has one effect, one that was refused has none, an unknown one has 0 or 1."""
    found = [f"I3 {text}" for text in books.differing]
    for service in books.connections:
        effects: dict[UUID, int] = dict(
            books.rows(  # type: ignore[arg-type]
                service,
                "select request_id, count(distinct xid) from audit where request_id is not null group by 1",
            )
        )
        wanted = {ACKNOWLEDGED: (1, 1), REFUSED: (0, 0), UNKNOWN: (0, 1)}
        for command in books.commands:
            if command.service != service:
                continue
            least, most = wanted[command.outcome]
            count = effects.get(UUID(command.id), 0)
            if not least <= count <= most:
                found.append(f"I3 {command.kind} {command.id} {command.outcome}: {count} effects")
    return found + _unexplained(books)


def _unexplained(books: Books) -> list[str]:
    """Every movement belongs to exactly one command; a movement that none explains was made twice, or by nobody."""
    explained: dict[str, int] = {}
    for command in books.commands:
        if command.kind == "CreateMovement" and command.outcome == ACKNOWLEDGED and command.answer is not None:
            name = str(command.answer.name)  # type: ignore[attr-defined]
            explained[name] = explained.get(name, 0) + 1
    if not books.commands or any(command.outcome == UNKNOWN for command in books.commands):
        return []  # then a movement may belong to a command that nobody knows the answer of
    by_hand = {
        name
        for (name,) in books.rows(
            "materials",
            "select name from movement where kind in ('MOVE', 'ADJUST', 'SCRAP', 'STATUS_CHANGE', 'OPENING') "
            "and actor like 'people/%%' and not exists (select 1 from put_away_task t where t.movement = movement.name)"
            " and not exists (select 1 from inspection_lot l where l.correlation <> '' "
            "and l.correlation = movement.correlation) and correlation = ''",
        )
    }
    found = [f"I3 movement {name} is no answer to any command" for name in sorted(by_hand - explained.keys())]
    found += [f"I3 movement {name} is the answer to {n} commands" for name, n in explained.items() if n > 1]
    known = {name for (name,) in books.rows("materials", "select name from movement")} if explained else set()
    return found + [f"I3 movement {name} was acknowledged and is lost" for name in sorted(explained.keys() - known)]


def i4_told_and_heard(books: Books) -> list[str]:
    """What a service told is in the inbox of every service that follows it, and nothing that nobody told is."""
    found: list[str] = []
    for service, sources in bus.received().items():
        for source, types in sources.items():
            if service not in books.connections or source not in books.connections:
                continue
            consumer = bus.consumer_of(service, source)
            every = {
                str(event_id): kind
                for event_id, kind in books.rows(source, "select event_id, aggregate_type from outbox")
            }
            told = {event_id for event_id, kind in every.items() if kind in types}
            heard = {
                str(row[0])
                for row in books.rows(
                    service,
                    "select event_id from inbox where consumer = %s "
                    "union select event_id from dead_letter where consumer = %s",
                    consumer,
                    consumer,
                )
            }
            found += [f"I4 {consumer} has not heard of {every[id_]} {id_}" for id_ in sorted(told - heard)]
            extra = heard - every.keys() - books.poison
            found += [f"I4 {consumer} has heard of {id_}, which nobody told" for id_ in sorted(extra)]
    return found + _published(books)


def _published(books: Books) -> list[str]:
    """Every event of an outbox is in its stream, and no other event is."""
    found: list[str] = []
    for service, told in books.told.items():
        kinds = {str(id_): kind for id_, kind in books.rows(service, "select event_id, aggregate_type from outbox")}
        there = {event_id for event_id, _, _ in told} | books.again
        found += [f"I4 {service}: {kinds[id_]} {id_} is not in the stream" for id_ in sorted(kinds.keys() - there)]
        extra = there - kinds.keys() - books.poison - books.again
        found += [f"I4 {service}: {id_} is in the stream, and nobody told it" for id_ in sorted(extra)]
    return found


def i5_in_order(books: Books) -> list[str]:
    """Versions of an aggregate are 1..n in the order of the outbox and of the stream, and all were applied."""
    found: list[str] = []
    for service in books.connections:
        found += [
            f"I5 {service} {aggregate}: {count} events with versions {least} to {most}"
            for aggregate, count, least, most in books.rows(
                service,
                "select aggregate_id, count(*), min(aggregate_version), max(aggregate_version) from outbox "
                "where aggregate_version > 0 group by 1 having count(*) <> max(aggregate_version) "
                "or min(aggregate_version) <> 1 or count(distinct aggregate_version) <> count(*)",
            )
        ]
        found += [
            f"I5 {service} {aggregate}: version {version} stands behind {before} in the outbox"
            for aggregate, version, before in books.rows(
                service,
                "select aggregate_id, aggregate_version, before from (select aggregate_id, aggregate_version, "
                "lag(aggregate_version) over (partition by aggregate_id order by pos) as before from outbox "
                "where aggregate_version > 0) o where before >= aggregate_version",
            )
        ]
        found += _stream_order(service, books.told.get(service, ()))
    found += [f"I5 {text} was passed over by a later version" for text in books.stale]
    return found + _applied(books)


def _stream_order(service: str, told: Iterable[tuple[str, str, int]]) -> list[str]:
    """The first publication of each event comes after those of all earlier versions."""
    found: list[str] = []
    last: dict[str, int] = {}
    seen: set[str] = set()
    for event_id, aggregate, version in told:
        if event_id in seen or version <= 0:
            continue
        seen.add(event_id)
        if version < last.get(aggregate, 0):
            found.append(f"I5 {service} {aggregate}: version {version} was published after {last[aggregate]}")
        last[aggregate] = max(version, last.get(aggregate, 0))
    return found


def _applied(books: Books) -> list[str]:
    """A consumer has applied every version of each aggregate that it follows, unless a poison event stands before."""
    found: list[str] = []
    for service, sources in bus.received().items():
        for source, types in sources.items():
            if service not in books.connections or source not in books.connections:
                continue
            consumer = bus.consumer_of(service, source)
            last = dict(
                books.rows(  # type: ignore[arg-type]
                    source,
                    "select aggregate_id, max(aggregate_version) from outbox where aggregate_version > 0 "
                    "and aggregate_type = any(%s) group by 1",
                    list(types),
                )
            )
            applied = dict(
                books.rows(service, "select aggregate, version from applied where consumer = %s", consumer)  # type: ignore[arg-type]
            )
            found += [
                f"I5 {consumer} has applied {aggregate} up to {applied.get(aggregate, 0)} of {version}"
                for aggregate, version in sorted(last.items())
                if applied.get(aggregate, 0) != version
            ]
    return found


def i6_at_rest(books: Books) -> list[str]:
    """Nothing waits or is parked; what is reserved is what is wanted; what was received is what was booked."""
    found: list[str] = []
    for service in books.connections:
        found += [
            f"I6 {consumer} still waits with version {version} of {aggregate}"
            for consumer, aggregate, version in books.rows(
                service, "select consumer, aggregate, version from waiting_event"
            )
        ]
        found += [
            f"I6 {consumer} has parked {event_id}: {reason[:200]}"
            for consumer, event_id, reason in books.rows(
                service, "select consumer, event_id, reason from dead_letter where state = 'PARKED'"
            )
            if str(event_id) not in books.poison
        ]
    if "materials" in books.connections:
        found += [
            f"I6 {name}: {reserved} reserved, {allocated} allocated"
            for name, reserved, allocated in books.rows(
                "materials",
                "select b.name, b.reserved, coalesce(sum(a.quantity), 0) from balance b "
                "left join allocation a on a.balance = b.name group by 1, 2 "
                "having b.reserved <> coalesce(sum(a.quantity), 0)",
            )
        ]
    if {"materials", "maintenance"} <= books.connections.keys():
        found += _demand(books)
    if {"materials", "procurement"} <= books.connections.keys():
        found += _received(books)
    return found


def _demand(books: Books) -> list[str]:
    """Every demand of an order that was approved has one reservation of its quantity, in a state that fits."""
    reserved: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for row in books.rows(
        "materials",
        "select work_order, demand, state, requested, issued, allocated + short from reservation order by name",
    ):
        reserved.setdefault((row[0], row[1]), []).append(row[2:])
    found: list[str] = []
    for order, state, demand, quantity, issued, approved in books.rows(
        "maintenance",
        "select w.name, w.state, d.demand, d.quantity, d.issued, w.approver <> '' from work_order w "
        "join part_demand d on d.work_order = w.name where w.state <> 'PLANNED'",
    ):
        mine = reserved.get((order, demand), [])
        what = f"I6 {order} ({state}), demand {demand}"
        if not mine and state == "CANCELLED":
            continue  # called off before materials heard of it
        if len(mine) != 1:
            found.append(f"{what}: {len(mine)} reservations")
            continue
        held, wanted, handed_out, still = mine[0]
        if wanted != quantity and approved:
            found.append(f"{what}: {quantity} wanted, {wanted} reserved")
        if handed_out != issued:
            found.append(f"{what}: {handed_out} handed out, {issued} booked")
        if state in {"COMPLETED", "CLOSED", "CANCELLED"} and still:
            found.append(f"{what}: the order has ended, its reservation is {held} with {still} open")
    return found


def _received(books: Books) -> list[str]:
    """Per order line: received = the receipts' sum, and no more than the line lets in."""
    booked: dict[tuple[str, int], Any] = {
        (order, line): total
        for order, line, total in books.rows(
            "materials",
            "select l.purchase_order, l.order_line, sum(l.order_quantity) from receipt_line l "
            "join receipt r on r.name = l.receipt where r.state = 'POSTED' and l.purchase_order <> '' group by 1, 2",
        )
    }
    return [
        f"I6 {order} line {line}: {received} received, {booked.get((order, line), 0)} in receipts, at most {limit}"
        for order, line, received, limit in books.rows(
            "procurement", "select purchase_order, line, received, accept_limit from purchase_order_line"
        )
        if received != booked.get((order, line), 0) or received > limit
    ]


def i8_audited(books: Books) -> list[str]:
    """Each state of each resource has its audit record: the newest version of every row, and no version twice."""
    found: list[str] = []
    for service in books.connections:
        tables = [
            name
            for (name,) in books.rows(
                service,
                "select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'version' "
                "join pg_attribute n on n.attrelid = c.oid and n.attname = 'event_version' "
                "where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by 1",
            )
        ]
        for table in tables:
            found += [
                f"I8 {service} {name}: version {version} has no audit record"
                for name, version in books.rows(
                    service,
                    f"select t.name, t.version from {table} t where not exists "  # noqa: S608
                    "(select 1 from audit a where a.object = t.name and a.version >= t.version)",
                )
            ]
        found += [
            f"I8 {service} {name}: {count} audit records of version {version}"
            for name, version, count in books.rows(
                service,
                "select object, version, count(*) from audit where version > 0 and before is not null "
                "group by 1, 2 having count(*) > 1",
            )
        ]
        found += [
            f"I8 {service}: event {event_id} of {aggregate} has no audit record in its transaction"
            for event_id, aggregate in books.rows(
                service,
                "select event_id, aggregate_id from outbox o "
                "where not exists (select 1 from audit a where a.xid = o.xid)",
            )
        ]
    return found


def i9_holds_hold(books: Books) -> list[str]:
    """Nothing that is on hold was handed out or allocated."""
    found = [
        f"I9 {name}: {quantity} of {item} handed out from {status}"
        for name, item, status, quantity in books.rows(
            "materials",
            "select name, item, from_status, quantity from movement "
            "where kind = 'ISSUE' and from_status <> 'UNRESTRICTED'",
        )
    ]
    return found + [
        f"I9 {reservation}: {quantity} allocated of what is {status}"
        for reservation, quantity, status in books.rows(
            "materials",
            "select a.reservation, a.quantity, b.status from allocation a join balance b on b.name = a.balance "
            "where b.status <> 'UNRESTRICTED'",
        )
    ]


def i11_nothing_left(books: Books) -> list[str]:
    """No transaction is left open, no lock waited for, no advisory lock kept but one relay's per service.

    Locks of a transaction under way end with it and are nobody's fault.
    """
    found: list[str] = []
    for service in books.connections:
        found += [
            f"I11 {service}: session of {user} {state} for {seconds:.1f} s: {query[:80]}"
            for user, state, seconds, query in books.rows(
                service,
                "select usename, state, extract(epoch from now() - state_change), query from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid() "
                "and state in ('idle in transaction', 'idle in transaction (aborted)') "
                "and state_change < now() - interval '5 seconds'",
            )
        ]
        found += [
            f"I11 {service}: a lock on {what} is waited for since {seconds:.1f} s"
            for what, seconds in books.rows(
                service,
                "select coalesce(l.relation::regclass::text, l.locktype), extract(epoch from now() - l.waitstart) "
                "from pg_locks l where not l.granted and l.database = (select oid from pg_database "
                "where datname = current_database()) and l.waitstart < now() - interval '6 seconds'",
            )
        ]
        ((holders,),) = books.rows(
            service,
            "select count(distinct l.pid) from pg_locks l "
            "where l.locktype = 'advisory' and l.granted and (l.classid = %s or l.virtualtransaction like '%%/0') "
            "and l.database = (select oid from pg_database where datname = current_database())",
            LOCK,
        )
        if holders > 1:
            found.append(f"I11 {service}: {holders} sessions hold advisory locks")
    return found


Check = Callable[[Books], list[str]]

CHEAP: Mapping[str, Check] = {"I1": i1_conserved, "I2": i2_not_negative, "I11": i11_nothing_left}
"""These may be asked at any time, also while faults happen."""

CHECKS: Mapping[str, Check] = {
    "I1": i1_conserved, "I2": i2_not_negative, "I3": i3_one_effect, "I4": i4_told_and_heard, "I5": i5_in_order,
    "I6": i6_at_rest, "I8": i8_audited, "I9": i9_holds_hold, "I11": i11_nothing_left,
}  # fmt: skip
"""All checkers; I10 compares two states and lies in state.py."""


def run(books: Books, which: Mapping[str, Check] = CHECKS) -> dict[str, list[str]]:
    """Findings by invariant, those without findings too."""
    return {name: check(books) for name, check in which.items()}
