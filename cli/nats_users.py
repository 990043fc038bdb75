"""Users of the broker and what each may do, made from the declared streams and consumers (SEC-41, SEC-42).

A service publishes its own events and reads by its own consumers; it can make, change or empty nothing. Who may
create a consumer could read a stream, so only the administrator's user may, which the bootstrap job has. Readers ask
the owner to tell versions again, and it answers.
"""

import json
from collections.abc import Mapping
from typing import Any

from services.chassis import bus, gaps

ACCOUNT = "APP"
ADMINISTRATOR = "admin"
WATCHER = "watcher"
INBOX = {ADMINISTRATOR: "_INBOX_plantops-nats.>"}


def users() -> tuple[str, ...]:
    """Everybody who has a password: the services, the administrator, and who reads the system account."""
    return (*sorted(bus.received()), ADMINISTRATOR, WATCHER)


def permissions(user: str) -> dict[str, Any]:
    """What a user of the application's account may publish and subscribe."""
    if user == ADMINISTRATOR:
        return {"publish": {"allow": ["$JS.API.>"]}, "subscribe": {"allow": [INBOX[user]]}}
    publish = [f"plantops.{user}.v1.>"]
    streams = {bus.stream_of(user), "ADVISORIES"}
    for source in sorted(bus.received()[user]):
        stream = bus.stream_of(source)
        streams.add(stream)
        publish.append(gaps.subject_of(source))
        for consumer in bus.durables(user, source):
            publish += [
                f"$JS.API.CONSUMER.INFO.{stream}.{consumer}",
                f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}",
                f"$JS.ACK.{stream}.{consumer}.>",
            ]
    publish += [f"$JS.API.STREAM.INFO.{stream}" for stream in sorted(streams)]
    subscribe = [f"_INBOX_{user}.>", gaps.subject_of(user)]
    return {"publish": {"allow": publish}, "subscribe": {"allow": subscribe}, "allow_responses": True}


def authorization(passwords: Mapping[str, str]) -> str:
    """The part of a server's configuration that names accounts and users; `passwords` by user."""
    accounts: dict[str, Any] = {
        ACCOUNT: {
            "jetstream": "enabled",
            "users": [
                {"user": user, "password": passwords[user], "permissions": permissions(user)}
                for user in users()
                if user != WATCHER
            ],
        },
        "SYS": {"users": [{"user": WATCHER, "password": passwords[WATCHER]}]},
    }
    return f'accounts: {json.dumps(accounts, indent=2)}\nsystem_account: "SYS"\n'
