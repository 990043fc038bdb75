"""The commands with which events are compared, told again and decided: their arguments (REL-44, REL-89, REL-90)."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from cli.elsewhere import plant_of
from cli.home import SERVICES
from cli.session import Session

PERSON = "people/opal"


def repair_parsers(commands: Any) -> None:
    """Add `reconcile`, `dead-letters` and `outbox` to the command line."""
    compare = commands.add_parser("reconcile", help="outboxes against inboxes; what is missing is told again")
    compare.add_argument("--dry-run", action="store_true", help="compare only")
    compare.add_argument(
        "--rewind", action="store_true", help="after a restore: let the restored service's next events count again"
    )
    compare.add_argument("--reason", default="", help="why; kept in the audit (required with --rewind)")
    compare.set_defaults(command=_reconcile)

    letters = commands.add_parser("dead-letters", help="events that were put aside")
    actions = letters.add_subparsers(required=True, metavar="ACTION")
    known = actions.add_parser("list", help="those that nobody has decided yet, oldest first")
    known.add_argument("--service", choices=SERVICES, default="")
    known.set_defaults(command=_list)
    one = actions.add_parser("show", help="one with its event")
    one.set_defaults(command=_show)
    again = actions.add_parser("replay", help="apply its event and what waits behind it")
    again.set_defaults(command=_decide, verb="replay", content=None)
    edited = actions.add_parser("edit-and-replay", help="apply a corrected event")
    edited.add_argument(
        "--content", type=Path, required=True, help="a file with the event in JSON, as `show` prints it"
    )
    edited.set_defaults(command=_decide, verb="replay")
    never = actions.add_parser("discard", help="never apply its event; what waits behind it is applied")
    never.set_defaults(command=_decide, verb="discard", content=None)
    for action in (one, again, edited, never):
        action.add_argument("consumer", type=_consumer, help="such as materials-maintenance")
        action.add_argument("event_id")
    for action in (again, edited, never):
        action.add_argument("--reason", required=True, help="why; kept with the dead letter and in the audit")

    outbox = commands.add_parser("outbox", help="events that a service told")
    deeds = outbox.add_subparsers(required=True, metavar="ACTION")
    replay = deeds.add_parser("replay", help="tell the events of a time again; inboxes apply what they lack")
    replay.add_argument("service", choices=SERVICES)
    replay.add_argument("--since", type=instant, required=True, help="an instant with offset")
    replay.add_argument("--to", type=instant, help="an instant with offset (default: now)")
    replay.add_argument("--consumer", type=_consumer, help="only types that this consumer receives")
    replay.add_argument("--reason", required=True)
    replay.set_defaults(command=_replay)

    for action in (compare, known, one, again, edited, never, replay):
        action.add_argument("--as", dest="person", default=PERSON, help="who asks (default %(default)s)")


def instant(text: str) -> datetime:
    """An instant with offset from the command line."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if found.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text} needs an offset, such as 2026-05-04T12:00:00Z")
    return found


def _consumer(text: str) -> str:
    service, _, source = text.partition("-")
    if service not in SERVICES or source not in SERVICES or service == source:
        raise argparse.ArgumentTypeError(f"{text} is no consumer; expected <service>-<source>")
    return text


def _with_session(options: argparse.Namespace, work: Callable[[Session], Awaitable[int]]) -> int:
    async def run() -> int:
        async with Session.of(plant_of(options.data)) as session:
            return await work(session)

    return asyncio.run(run())


def _reconcile(options: argparse.Namespace) -> int:
    from cli.reconcile import reconcile

    if options.rewind and len(options.reason) < 3:
        print("plantops: --rewind needs a --reason", file=sys.stderr)
        return 2
    return _with_session(
        options,
        lambda session: reconcile(
            session, person=options.person, dry_run=options.dry_run, rewind=options.rewind, reason=options.reason
        ),
    )


def _list(options: argparse.Namespace) -> int:
    from cli import dead_letters

    return _with_session(
        options, lambda session: dead_letters.listed(session, person=options.person, service=options.service)
    )


def _show(options: argparse.Namespace) -> int:
    from cli import dead_letters

    return _with_session(
        options,
        lambda session: dead_letters.shown(session, options.consumer, options.event_id, person=options.person),
    )


def _decide(options: argparse.Namespace) -> int:
    from cli import dead_letters

    content = ""
    if options.content is not None:
        try:
            content = options.content.read_text()
        except (OSError, UnicodeDecodeError) as error:
            print(f"plantops: --content: {error}", file=sys.stderr)
            return 2
    return _with_session(
        options,
        lambda session: dead_letters.decided(
            session,
            options.verb,
            options.consumer,
            options.event_id,
            person=options.person,
            reason=options.reason,
            content=content,
        ),
    )


def _replay(options: argparse.Namespace) -> int:
    from cli import dead_letters

    return _with_session(
        options,
        lambda session: dead_letters.told_again(
            session,
            options.service,
            person=options.person,
            since=options.since,
            until=options.to,
            consumer=options.consumer or "",
            reason=options.reason,
        ),
    )
