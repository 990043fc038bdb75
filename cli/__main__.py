"""plantops, the command line: run a plant here, drive and check it, import history, administer streams."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from cli.csv_files import csv_parsers
from cli.elsewhere import Unreachable, plant_of
from cli.engines import EngineFailed
from cli.history import history_parser
from cli.home import DEFAULT, GATEWAY_PORT, SERVICES, Home, NotRunning
from cli.repair import instant, repair_parsers
from cli.session import Refused, Session


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0, 1 for a difference or refusal, 2 for a wrong call."""
    if os.getpid() == 1:  # the first process of a container is asked to end only if it listens
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _parser().parse_args(arguments)
    # the command line says itself what goes wrong; log lines are for processes
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        code: int = options.command(options)
        return code
    except (NotRunning, Unreachable) as error:
        print(f"plantops: {error}", file=sys.stderr)
        return 2
    except Refused as error:
        print(f"plantops: refused: {error}", file=sys.stderr)
        return 1
    except EngineFailed as error:
        print(f"plantops: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    data = Path(os.environ.get("PLANTOPS_DATA", DEFAULT))
    parser = argparse.ArgumentParser(prog="plantops", description=__doc__)
    parser.add_argument("--data", type=Path, default=data, help="the plant's folder (default %(default)s)")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the whole plant here until Ctrl-C")
    run.add_argument("--gateway-port", type=int, default=GATEWAY_PORT, help="default %(default)s")
    run.add_argument("--free-ports", action="store_true", help="take free ports for all processes")
    run.add_argument("--empty", action="store_true", help="load no sample data")
    run.add_argument("--archive", type=Path, help="a folder that receives the databases' log, for backups")
    run.set_defaults(command=_run)

    demo = commands.add_parser("demo", help="drive one chain of work through the running plant")
    demo.add_argument("--pause", type=float, default=0.0, help="seconds after each step")
    demo.set_defaults(command=_demo)

    check = commands.add_parser("check", help="compare ledger, outboxes, streams and inboxes")
    check.add_argument("--site", default="", help="one site's ledger only, such as hamburg")
    check.add_argument("--as", dest="person", default="people/opal", help="who asks (default %(default)s)")
    check.set_defaults(command=_check)
    verify = commands.add_parser("verify-ledger", help="compute the numbers and hashes of the stock ledger anew")
    verify.add_argument("--site", default="", help="one site only, such as hamburg")
    verify.add_argument("--from", dest="first", type=int, default=1, help="ledger number to begin with (default 1)")
    verify.add_argument("--as", dest="person", default="people/opal", help="who asks (default %(default)s)")
    verify.set_defaults(command=_verify)

    repair_parsers(commands)

    token = commands.add_parser("token", help="an access token of the development issuer, for curl and buf curl")
    token.add_argument("person", help="such as people/paul")
    token.set_defaults(command=_token)

    bring = commands.add_parser("import", help="bring in data or history from a file")
    kinds = bring.add_subparsers(required=True, metavar="KIND")
    history_parser(kinds)
    take = commands.add_parser("export", help="take data out to a file")
    csv_parsers(kinds, take.add_subparsers(required=True, metavar="KIND"))

    streams = commands.add_parser("nats", help="the plant's streams and consumers")
    actions = streams.add_subparsers(required=True, metavar="ACTION")
    apply = actions.add_parser("apply", help="make them what services/streams.toml declares")
    apply.add_argument("--nats-url", default=os.environ.get("PLANTOPS_NATS_URL", ""))
    apply.add_argument("--nats-url-file", type=Path, help="a file that holds the address")
    apply.add_argument("--replicas", type=int, default=1)
    apply.add_argument("--wait", type=float, default=20, help="seconds for the broker to answer (default %(default)s)")
    apply.set_defaults(command=_nats_apply)

    _backup_parser(commands.add_parser("backup", help="back the plant's databases up, and restore them"))
    guide = commands.add_parser("restore-guide", help="what to do after a restore, in order")
    guide.set_defaults(command=_restore_guide)

    users = actions.add_parser("users", help="accounts and users for the broker's configuration")
    users.add_argument("passwords", type=Path, help="a JSON file: password by user (maintenance, ..., admin, watcher)")
    users.set_defaults(command=_nats_users)

    migrate = commands.add_parser("migrate", help="bring a service's database to its newest schema")
    migrate.add_argument("service", choices=SERVICES)
    migrate.add_argument("--wait", type=float, default=0, help="seconds for the database to answer")
    migrate.set_defaults(command=_migrate)

    database = commands.add_parser("database", help="a service's database and roles")
    deeds = database.add_subparsers(required=True, metavar="ACTION")
    make = deeds.add_parser("apply", help="make them as they should be, with the passwords of the service's addresses")
    make.add_argument("service", choices=SERVICES)
    make.add_argument("--superuser-url-file", type=Path, required=True, help="a file with a superuser's address")
    make.add_argument("--wait", type=float, default=0, help="seconds for the server to answer")
    make.set_defaults(command=_database_apply)

    config = commands.add_parser("config", help="a process's effective configuration, secrets hidden")
    config.add_argument("process", choices=(*SERVICES, "gateway"))
    config.set_defaults(command=_config)
    return parser


def _backup_parser(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    create = actions.add_parser("create", help="a base backup of the running plant")
    create.add_argument("--to", type=Path, required=True, help="the folder of this plant's backups")
    create.set_defaults(command=_backup_create)
    receive = actions.add_parser("archive", help="receive the log of the running plant's databases until Ctrl-C")
    receive.add_argument("--to", type=Path, required=True, help="the folder of this plant's backups")
    receive.set_defaults(command=_backup_archive)
    for action in (create, receive):
        action.add_argument("--postgres-url", default="", help="another server than the running plant's")
    known = actions.add_parser("list", help="what a folder of backups holds")
    known.add_argument("--from", dest="store", type=Path, required=True)
    known.set_defaults(command=_backup_list)
    prune = actions.add_parser("prune", help="remove old base backups and the log that only they need")
    prune.add_argument("--from", dest="store", type=Path, required=True)
    prune.add_argument("--keep", type=int, required=True, help="how many of the newest base backups stay")
    prune.set_defaults(command=_backup_prune)
    restore = actions.add_parser("restore", help="make a new plant's folder from a backup")
    restore.add_argument("--from", dest="store", type=Path, required=True)
    restore.add_argument("--to", dest="plant", type=Path, required=True, help="folder of the new plant")
    restore.add_argument("--time", type=instant, help="an instant with offset, such as 2026-05-04T12:00:00Z")
    restore.set_defaults(command=_backup_restore)
    one = actions.add_parser("restore-service", help="one service's database of a stopped plant, to an earlier instant")
    one.add_argument("service", choices=SERVICES)
    one.add_argument("--from", dest="store", type=Path, required=True)
    one.add_argument("--time", type=instant, required=True, help="an instant with offset")
    one.set_defaults(command=_backup_restore_service)
    check = actions.add_parser("check", help="whether the running plant's databases are whole")
    check.set_defaults(command=_backup_check)


def _backup_create(options: argparse.Namespace) -> int:
    from cli.backup import told_create

    home = Home(options.data)
    return told_create(home, options.postgres_url or home.addresses().postgres_url, options.to)


def _backup_archive(options: argparse.Namespace) -> int:
    from cli.backup import told_archive

    return told_archive(options.postgres_url or Home(options.data).addresses().postgres_url, options.to)


def _backup_list(options: argparse.Namespace) -> int:
    from cli.backup import told_list

    return told_list(options.store)


def _backup_prune(options: argparse.Namespace) -> int:
    from cli.backup import told_prune

    return told_prune(options.store, options.keep)


def _backup_restore(options: argparse.Namespace) -> int:
    from cli.backup import told_restore

    return told_restore(options.store, options.plant, options.time)


def _backup_restore_service(options: argparse.Namespace) -> int:
    from cli.backup_service import told_restore

    return told_restore(Home(options.data), options.store, options.service, options.time)


def _backup_check(options: argparse.Namespace) -> int:
    from cli.backup_check import check

    async def work() -> int:
        home = Home(options.data)
        async with Session.of(home) as session:
            return await check(home, session)

    return asyncio.run(work())


def _restore_guide(options: argparse.Namespace) -> int:
    from cli.restore_guide import GUIDE

    print(GUIDE)
    return 0


def _run(options: argparse.Namespace) -> int:
    from cli.run import run

    return run(
        options.data,
        gateway_port=options.gateway_port,
        free_ports=options.free_ports,
        load=not options.empty,
        archive=options.archive,
    )


def _demo(options: argparse.Namespace) -> int:
    from cli.demo import demo

    return asyncio.run(demo(Home(options.data), pause=options.pause))


def _verify(options: argparse.Namespace) -> int:
    from cli.verify import verify

    async def work() -> int:
        async with Session.of(plant_of(options.data)) as session:
            site = f"sites/{options.site}" if options.site else ""
            return await verify(session, site, first=options.first, person=options.person)

    return asyncio.run(work())


def _check(options: argparse.Namespace) -> int:
    from cli.check import check

    async def work() -> int:
        async with Session.of(plant_of(options.data)) as session:
            return await check(session, f"sites/{options.site}" if options.site else "", person=options.person)

    return asyncio.run(work())


def _token(options: argparse.Namespace) -> int:
    async def work() -> int:
        async with Session.of(Home(options.data)) as session:
            print(await session.token(options.person))
        return 0

    return asyncio.run(work())


def _nats_apply(options: argparse.Namespace) -> int:
    from services.chassis import bus, remedies

    if options.nats_url_file:
        url = options.nats_url_file.read_text().strip()
    else:
        url = options.nats_url or Home(options.data).addresses().nats_url

    async def work() -> int:
        try:
            nc = await bus.connect(url, "plantops-nats", wait=options.wait)
        except (bus.NatsError, OSError, TimeoutError) as error:
            print(
                f"plantops: {remedies.of_broker(url, '' if isinstance(error, TimeoutError) else remedies.said(error))}",
                file=sys.stderr,
            )
            return 1
        try:
            for difference in await bus.apply(nc, replicas=options.replicas):
                print(f"changed: {difference}")
        except (bus.NatsError, RuntimeError, TimeoutError) as error:
            print(
                f"plantops: NATS refuses a stream or consumer ({remedies.said(error)}): look whether JetStream is on, "
                "its store has room for max_bytes of all streams and the user may change them",
                file=sys.stderr,
            )
            return 1
        finally:
            await nc.close()
        print("streams and consumers are as declared")
        return 0

    return asyncio.run(work())


def _nats_users(options: argparse.Namespace) -> int:
    from cli import nats_users

    try:
        print(nats_users.authorization(json.loads(options.passwords.read_text())), end="")
    except (OSError, ValueError) as error:
        print(f"plantops: {options.passwords}: {error}", file=sys.stderr)
        return 2
    except KeyError as error:
        print(f"plantops: {options.passwords}: the password of {error} is missing", file=sys.stderr)
        return 2
    return 0


def _migrate(options: argparse.Namespace) -> int:
    import psycopg
    from sqlalchemy.exc import DBAPIError

    from cli import databases
    from services.chassis import migrate, remedies
    from services.chassis.config import ConfigInvalid, secret_of

    try:
        url = secret_of(options.service, "migrator_url")
        databases.wait_for(url, options.wait)
        print(migrate.upgrade(options.service, url))
    except ConfigInvalid as error:
        print(error, file=sys.stderr)
        return 2
    except migrate.MigrationBlocked as error:
        print(f"plantops: {options.service}: {error}; run it again", file=sys.stderr)
        return 1
    except (psycopg.Error, DBAPIError, ValueError) as error:
        place, cause = remedies.place_of(url), remedies.said(error)
        print(
            f"plantops: {options.service}: not migrated at {place} ({cause}): mend that and run it again, or correct "
            "migrator_url; what was done so far stays whole",
            file=sys.stderr,
        )
        return 1
    return 0


def _database_apply(options: argparse.Namespace) -> int:
    import psycopg

    from cli import databases
    from services.chassis.config import ConfigInvalid, secret_of

    service = options.service
    keys = {"migrator": "migrator_url", "app": "database_url", "relay": "relay_url"}
    try:
        given = databases.DatabaseUrls(**{login: secret_of(service, key) for login, key in keys.items()})
        superuser = options.superuser_url_file.read_text().strip()
        databases.apply(superuser, service, given, options.wait)
    except (ConfigInvalid, databases.UrlUnfit, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except psycopg.OperationalError as error:
        print(f"plantops: {service}: {error}", file=sys.stderr)
        return 1
    print(f"{service}: database and roles are as they should be")
    return 0


def _config(options: argparse.Namespace) -> int:
    from services.chassis.config import ConfigInvalid, GatewayConfig, ServiceConfig

    kind = GatewayConfig if options.process == "gateway" else ServiceConfig
    try:
        found = kind.load(options.process)
    except ConfigInvalid as error:
        print(error, file=sys.stderr)
        return 2
    for key, value in found.describe().items():
        print(f"{key} = {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
