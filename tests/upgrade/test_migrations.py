"""A released schema is brought to the newest one safely, by one migrator at a time, while others work on it."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine, event

from cli import databases
from cli.__main__ import main
from cli.engines import Engines
from services.chassis import migrate
from tests import schema
from tests.plant import PASSWORDS, superuser
from tests.upgrade.released import schema_of
from tests.upgrade.unsafe import unsafe

FIRST = "0001"


@pytest.fixture
def fresh(bootstrapped: Engines) -> Iterator[Any]:
    """Makes an empty database with the roles of a service and gives its addresses; dropped at the end."""
    made: list[str] = []

    def make(service: str, name: str) -> databases.DatabaseUrls:
        with psycopg.connect(bootstrapped.postgres_url, autocommit=True) as server:
            server.execute(
                sql.SQL(
                    "create database {} owner {} template template0 encoding 'UTF8' "
                    "locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'"
                ).format(sql.Identifier(name), sql.Identifier(f"{service}_owner"))
            )
            databases.grant(server, service, name)
        made.append(name)
        with superuser(bootstrapped, name) as database:
            databases._inside(database, service)
        return databases.urls(bootstrapped.postgres_url, service, PASSWORDS, name)

    yield make
    with psycopg.connect(bootstrapped.postgres_url, autocommit=True) as server:
        for name in made:
            server.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def dumped(engines: Engines, name: str) -> str:
    return schema.dump(schema.migrated_url(engines.postgres_url, name))


@pytest.mark.rule("REL-82", "REL-81")
@pytest.mark.parametrize("service", databases.SERVICES)
def test_a_released_schema_becomes_the_newest_one(service: str, fresh: Any, bootstrapped: Engines) -> None:
    at_once = fresh(service, f"{service}_at_once")
    stepwise = fresh(service, f"{service}_stepwise")
    done = migrate.upgrade(service, stepwise.migrator, FIRST)
    assert str(done).startswith(f"{service}: from an empty database to {FIRST} in ")
    before = schema_of(service)
    if before is not None:  # what was released is not changed afterwards
        assert dumped(bootstrapped, f"{service}_stepwise") == before
    assert migrate.upgrade(service, stepwise.migrator).before == FIRST
    migrate.upgrade(service, at_once.migrator)
    newest = dumped(bootstrapped, f"{service}_at_once")
    assert dumped(bootstrapped, f"{service}_stepwise") == newest
    assert newest == schema.path_of(service).read_text()
    again = migrate.upgrade(service, at_once.migrator)
    assert str(again) == f"{service}: at {migrate.required_revision(service)}, nothing to do"


@pytest.mark.rule("OPS-35", "REL-82")
def test_the_job_of_a_release_that_is_taken_back_to_finds_nothing_to_do(fresh: Any) -> None:
    urls = fresh("materials", "materials_ahead")
    migrate.upgrade("materials", urls.migrator)
    with psycopg.connect(urls.migrator, autocommit=True) as database:
        database.execute("set role materials_owner")
        database.execute("update alembic_version set version_num = '9999'")
    assert str(migrate.upgrade("materials", urls.migrator)) == "materials: at 9999, nothing to do"


@pytest.mark.rule("REL-82")
@pytest.mark.parametrize("service", databases.SERVICES)
def test_no_revision_after_the_first_stops_or_breaks_a_plant_that_runs(service: str, fresh: Any) -> None:
    urls = fresh(service, f"{service}_linted")
    migrate.upgrade(service, urls.migrator, FIRST)
    known = [*reversed(migrate.revisions(service))]
    executed: dict[str, list[str]] = defaultdict(list)
    for revision in known[1:]:
        with psycopg.connect(urls.migrator) as database:
            tables = database.execute(
                "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
            ).fetchall()

        def note(
            connection: Any, cursor: Any, statement: str, *_: object, into: list[str] = executed[revision]
        ) -> None:
            into.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            migrate.upgrade(service, urls.migrator, revision)
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        assert unsafe(executed[revision], {name for (name,) in tables}) == []
        assert any(f"'{revision}'" in statement for statement in executed[revision])  # they were really seen


@pytest.mark.rule("REL-82")
@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("drop table stock", "a table goes away"),
        ("ALTER TABLE stock DROP COLUMN lot", "a column goes away"),
        ("alter table stock rename column lot to batch", "renamed"),
        ("alter table public.stock rename to balance", "renamed"),
        ("alter table stock alter column lot type bigint", "changes its type"),
        ("alter table stock alter lot set data type text using lot::text", "changes its type"),
        ("alter table stock add column site text not null", "does not fill"),
        ("alter table stock add site text not null", "does not fill"),
        ("alter table stock add column a int, add column b text not null", "does not fill"),
        ("alter table stock alter column lot set not null", "every row is read"),
        ("alter table stock add column id uuid not null default gen_random_uuid()", "written anew"),
        ("alter table stock add column n bigserial", "written anew"),
        ("alter table stock add column n bigint generated always as identity", "written anew"),
        ("alter table stock add column item text references item (name)", "compared with every row"),
        ("create index ix_stock_lot on stock (lot)", "nobody may write"),
        ('create unique index "ix_stock_lot" on "stock" (lot)', "nobody may write"),
        ("drop index ix_stock_lot", "exclusive lock"),
        ("alter table stock add constraint ck_stock check (quantity >= 0)", "NOT VALID"),
        ("alter table stock add constraint fk_stock foreign key (item) references item", "NOT VALID"),
        ("alter table stock add constraint nn_stock not null lot", "NOT VALID"),
        ("alter table stock add constraint uq_stock unique (lot)", "USING INDEX"),
        ("lock table stock", "locked"),
        ("truncate stock", "locked"),
        ("alter type state rename value 'A' to 'B'", "renamed"),
        ("create index concurrently ix on stock (lot); alter table stock add column a int", "revision of its own"),
        ("-- a word\ncreate function f() returns int language sql as $$ select 1; $$; drop table stock", "goes away"),
    ],
)
def test_what_is_unsafe_is_found(statement: str, word: str) -> None:
    findings = unsafe([statement], {"stock"})
    assert len(findings) == 1
    assert word in findings[0]


@pytest.mark.rule("REL-82")
@pytest.mark.parametrize(
    "statement",
    [
        "create table stock_note (name text not null, constraint pk primary key (name))",
        "create table note (id int); create index ix_note on note (id)",
        "alter table stock add column lot text",
        "alter table stock add column lot text not null default ''",
        "alter table stock add column at timestamptz not null default now()",
        "create index concurrently ix_stock_lot on stock (lot)",
        "alter table stock add constraint ck_stock check (quantity >= 0) not valid",
        "alter table stock validate constraint ck_stock",
        "alter table stock add constraint uq_stock unique using index ix_stock_lot",
        "create function f() returns int language sql as $$ drop table stock $$",
        "alter type state add value 'C'",
        "insert into schema_info (min_release) values ('2'); alter table stock drop column lot; drop table stock",
        "grant select on stock to materials_app",
    ],
)
def test_what_is_safe_passes(statement: str) -> None:
    assert unsafe([statement], {"stock"}) == []


class _Op:
    """What a revision is given, on a database without history: statements, outside of a transaction where asked."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def get_context(self) -> "_Op":
        return self

    def autocommit_block(self) -> Any:
        return self.connection.transaction() if not self.connection.autocommit else _nothing()

    def execute(self, statement: str) -> None:
        self.connection.execute(statement)  # type: ignore[call-overload]


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()


@pytest.mark.rule("REL-82")
def test_indexes_and_rules_come_to_a_table_in_use(fresh: Any, bootstrapped: Engines) -> None:
    fresh("materials", "materials_later")
    with superuser(bootstrapped, "materials_later") as connection:
        connection.execute("create table stock (lot text, quantity int)")
        connection.execute("insert into stock values ('a', 1), ('b', -1)")
        op = _Op(connection)
        for _ in range(2):  # also after an attempt that broke off
            migrate.index_later(op, "ix_stock_lot", "stock (lot)")
        for _ in range(2):
            with pytest.raises(psycopg.errors.CheckViolation):
                migrate.constraint_later(op, "stock", "ck_stock", "check (quantity > 0)")
        with pytest.raises(psycopg.errors.CheckViolation):  # it holds for what is written already
            connection.execute("insert into stock values ('c', 0)")
        connection.execute("delete from stock where quantity < 0")
        migrate.constraint_later(op, "stock", "ck_stock", "check (quantity > 0)")
        migrate.constraint_later(op, "stock", "nn_stock", "not null lot")
        found = connection.execute("select conname, convalidated from pg_constraint where conrelid = 'stock'::regclass")
        assert sorted(found.fetchall()) == [("ck_stock", True), ("nn_stock", True)]
        assert connection.execute("select indisvalid from pg_index where indrelid = 'stock'::regclass").fetchall() == [
            (True,)
        ]


@pytest.mark.rule("REL-82")
def test_a_migration_waits_for_locks_by_trying_again(
    fresh: Any, bootstrapped: Engines, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    urls = fresh("maintenance", "maintenance_locked")
    migrate.upgrade("maintenance", urls.migrator, FIRST)
    monkeypatch.setattr(migrate, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.05)
    newest = migrate.required_revision("maintenance")
    waited = threading.Event()
    with superuser(bootstrapped, "maintenance_locked") as other:
        other.execute("begin")
        other.execute("lock table relay_position in access share mode")  # as any reader does
        with pytest.raises(migrate.MigrationBlocked, match="revision 0001 is done"):
            migrate.upgrade("maintenance", urls.migrator, patience=0.3)
        monkeypatch.setattr(migrate, "PATIENCE", 0)
        monkeypatch.setenv("PLANTOPS_MAINTENANCE_MIGRATOR_URL", urls.migrator)

        def let_go(*_: object) -> float:
            other.execute("rollback")
            waited.set()
            return 0.0

        monkeypatch.setattr(migrate.random, "uniform", let_go)  # the first pause between two attempts
        done = migrate.upgrade("maintenance", urls.migrator)
    assert waited.is_set()
    assert (done.before, done.after) == (FIRST, newest)
    assert main(["migrate", "maintenance"]) == 0
    assert capsys.readouterr().out == f"maintenance: at {newest}, nothing to do\n"


@pytest.mark.rule("REL-83")
def test_of_two_migrators_one_waits(fresh: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = fresh("procurement", "procurement_twice")
    monkeypatch.setattr(migrate, "PAUSE_SECONDS", 0.05)
    with psycopg.connect(urls.migrator, autocommit=True) as first:
        first.execute("select pg_advisory_lock(%s)", [migrate._LOCK])
        with pytest.raises(migrate.MigrationBlocked, match="another migrator"):
            migrate.upgrade("procurement", urls.migrator, patience=0.2)
    done: list[migrate.Upgraded] = []
    both = [
        threading.Thread(target=lambda: done.append(migrate.upgrade("procurement", urls.migrator))) for _ in range(2)
    ]
    for one in both:
        one.start()
    for one in both:
        one.join()
    newest = migrate.required_revision("procurement")
    assert sorted((one.before, one.after) for one in done) == [("", newest), (newest, newest)]


def _posted(connection: Any, postings: list[dict[str, Any]]) -> list[str]:
    """Post as processes of the first release do; gives the outcomes."""
    flat = {
        "kind": "MOVE", "lot": "", "from_status": "UNRESTRICTED", "to_status": "UNRESTRICTED", "from_virtual": False,
        "to_virtual": False, "allocated": 0, "unit_code": "H87", "effective_time": None, "reason_code": "",
        "source": "", "reverses": "", "correlation": "", "cost": None, "standard_cost": None,
    }  # fmt: skip
    rows = [flat | {"n": number} | posting for number, posting in enumerate(postings)]
    found = connection.execute("select outcome from post_movements('x', 'people/a', %s)", [json.dumps(rows)])
    return [outcome for (outcome,) in found]


@pytest.mark.rule("REL-82", "MAT-42", "MAT-45")
def test_a_ledger_of_the_first_release_gets_its_numbers_while_old_processes_post_on(
    fresh: Any, bootstrapped: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries are numbered in the order of their recording; what is posted meanwhile stands behind them."""
    monkeypatch.setattr(import_module("services.materials.migrations.versions.0004_ledger_entries"), "CHUNK", 3)
    urls = fresh("materials", "materials_ledger")
    migrate.upgrade("materials", urls.migrator, "0002")
    with superuser(bootstrapped, "materials_ledger") as connection:
        connection.execute("insert into site_fact values ('sites/x', 'UTC', 'EUR')")
        for name, kind in (("a", "STORAGE"), ("b", "STORAGE"), ("o", "OPENING"), ("c", "SCRAP")):
            connection.execute(
                "insert into location (name, site, version, event_version, correlation, create_time, update_time,"
                " title, kind, check_code, path_order, blocked)"
                " values (%s, 'x', 1, 0, '', now(), now(), '', %s, '', 0, false)",
                [name, kind],
            )
        old = [
            {"name": "m1", "kind": "OPENING", "item": "i", "from_location": "o", "to_location": "a",
             "from_virtual": True, "quantity": 9, "cost": 90},
            {"name": "m2", "item": "i", "from_location": "a", "to_location": "b", "quantity": 4},
            {"name": "m3", "kind": "SCRAP", "item": "i", "from_location": "b", "to_location": "c", "to_virtual": True,
             "quantity": 1},
            {"name": "m4", "kind": "OPENING", "item": "j", "from_location": "o", "to_location": "a",
             "from_virtual": True, "quantity": 2, "cost": 3},
        ]  # fmt: skip
        assert _posted(connection, old) == ["POSTED"] * 4
        migrate.upgrade("materials", urls.migrator, "0003")
        between = {"name": "m5", "item": "i", "from_location": "b", "to_location": "a", "quantity": 2}
        far = between | {"name": "m6", "quantity": 99}
        assert _posted(connection, [between, far]) == ["POSTED", "NOT_ENOUGH_STOCK"]
        migrate.upgrade("materials", urls.migrator)
        rows = connection.execute(
            "select e.movement, e.side, e.item_sequence, e.value, e.site, e.entered_quantity = e.quantity, b.location"
            " from movement_entry e join balance b on b.name = e.balance and b.location = e.location order by e.item,"
            " e.item_sequence"
        ).fetchall()
        assert [row[:3] for row in rows] == [
            ("m1", 1, 1), ("m1", 2, 2), ("m2", 1, 3), ("m2", 2, 4), ("m3", 1, 5), ("m3", 2, 6), ("m5", 1, 7),
            ("m5", 2, 8), ("m4", 1, 1), ("m4", 2, 2),
        ]  # fmt: skip
        assert [row[3] for row in rows] == [-90, 90, None, None, -10, 10, None, None, -3, 3]
        assert {row[4:6] for row in rows} == {("x", True)}
        assert connection.execute("select item, sequence from value_balance order by 1").fetchall() == [
            ("i", 8), ("j", 2)
        ]  # fmt: skip
        differing = connection.execute(
            "select name from balance b where on_hand <>"
            " (select sum(quantity) from movement_entry where balance = b.name)"
        )
        assert differing.fetchall() == []
