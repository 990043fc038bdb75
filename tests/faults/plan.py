"""What happens in a run: one seed decides which stories are begun when, and which faults come when.

What a story finds in the plant may depend on how others overtook it; what it sets out to do does not.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STORIES: Mapping[str, int] = {
    "move": 8, "adjust": 5, "hold": 4, "scrap": 3, "reading": 5, "race": 3,
    "order": 6, "order_cancelled": 3, "purchase": 4, "purchase_amended": 2, "purchase_cancelled": 2, "breakdown": 5,
}  # fmt: skip
"""What people do, and how often of so many."""

KINDS: Mapping[str, str] = {
    "F1": "kill -9 of services and gateway",
    "F2": "kill -9 at a named fault point",
    "F3": "kill -9 and SIGSTOP of nats-server",
    "F4": "JetStream's folder wiped",
    "F5": "kill -9 of a backend and of the postmaster, immediate stop",
    "F6": "connection cut at COMMIT",
    "F7": "SIGSTOP of a replica that leads or consumes",
    "F8": "latency, reset, 10 kB/s, black hole",
    "F9": "deliveries doubled, reordered, replayed",
    "F10": "disk full for NATS or PostgreSQL",
    "F11": "clock of a service +400 d or -2 h",
    "F13": "poison events and commands",
    "F16": "one bit flipped in a block file",
}
"""Kinds of faults; F12 and F14 are runs of their own (tests/load), F15 cannot be shown by a kill."""

MIXES: Sequence[tuple[str, ...]] = (
    ("F1",), ("F2", "F6"), ("F3",), ("F5",), ("F7",), ("F8",), ("F9", "F13"), ("F1", "F3"), ("F4",), ("F6", "F8"),
    ("F11", "F2"), ("F1", "F5"), ("F7", "F3"), ("F2", "F9"), ("F16",), ("F10",), ("F1", "F6", "F8"), ("F5", "F3"),
    ("F13", "F2", "F7"), ("F1", "F3", "F5", "F8"),
)  # fmt: skip
"""Which kinds come together in a run; twenty seeds go through all of them."""

PROCESSES = ("maintenance", "materials", "procurement", "gateway")
SERVICES = PROCESSES[:3]


@dataclass(frozen=True, slots=True)
class Story:
    """One thing that somebody sets out to do: after so many seconds, at a site, with luck of its own."""

    number: int
    kind: str
    at: float
    site: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: after so many seconds of the phase with faults, how, where, for how long."""

    kind: str
    at: float
    what: str
    target: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a seed decides."""

    seed: int
    sites: int
    mix: tuple[str, ...]
    stories: tuple[Story, ...]
    faults: tuple[Fault, ...]
    replicas: Mapping[str, int]


def plan(seed: int, *, seconds: float = 10.0, warm_up: float = 1.5, mix: Sequence[str] = (), stories: int = 45) -> Plan:
    """The plan of a seed: stories over warm-up and faults, faults over the phase after the warm-up."""
    chance = random.Random(f"plan {seed}")
    kinds = tuple(mix) or MIXES[seed % len(MIXES)]
    sites = chance.choice((2, 3))
    names = chance.choices(list(STORIES), weights=list(STORIES.values()), k=stories)
    times = sorted(chance.uniform(0, warm_up + seconds * 0.8) for _ in names)
    made = tuple(
        Story(number, name, round(at, 3), chance.randrange(sites))
        for number, (name, at) in enumerate(zip(names, times, strict=True))
    )
    faults = [fault for kind in kinds for fault in _faults(kind, seconds, chance)]
    replicas = {chance.choice(SERVICES): 2} if "F7" in kinds else {}
    if "F7" in kinds:
        leader = next(iter(replicas))
        faults = [
            Fault(fault.kind, fault.at, fault.what, leader, fault.seconds) if fault.kind == "F7" else fault
            for fault in faults
        ]
    return Plan(seed, sites, kinds, made, tuple(sorted(faults, key=lambda fault: (fault.at, fault.kind))), replicas)


def _faults(kind: str, seconds: float, chance: random.Random) -> list[Fault]:
    def when(share: float = 0.9) -> float:
        return round(chance.uniform(0.1, seconds * share), 3)

    if kind == "F1":
        found, at = [], chance.uniform(0.2, 1)
        while at < seconds:
            found.append(Fault(kind, round(at, 3), "kill", chance.choice(PROCESSES)))
            at += chance.uniform(1, 3)
        return found
    if kind == "F2":
        points = chance.sample(sorted(POINTS), 4)
        return [
            Fault(kind, round(index * seconds / 4, 3), f"{point}:{chance.randint(1, 4)}:kill", POINTS[point] or
                  chance.choice(SERVICES))
            for index, point in enumerate(points)
        ]  # fmt: skip
    if kind == "F3":
        return [
            Fault(kind, when(0.3), "kill", "nats"),
            Fault(kind, round(seconds * 0.5, 3), "stop", "nats", round(chance.uniform(1, 3), 2)),
            Fault(kind, round(seconds * 0.9, 3), "kill", "nats"),
        ]
    if kind == "F4":
        return [Fault(kind, round(seconds * 0.5, 3), "wipe", "nats")]
    if kind == "F5":
        return [
            *(Fault(kind, when(0.4), "kill backend", chance.choice(SERVICES)) for _ in range(3)),
            Fault(kind, round(seconds * 0.5, 3), chance.choice(("kill", "immediate stop")), "postgres"),
            Fault(kind, round(seconds * 0.9, 3), "kill backend", chance.choice(SERVICES)),
        ]
    if kind == "F6":
        return [
            Fault(kind, when(), chance.choice(("before", "after", "after")), chance.choice(SERVICES)) for _ in range(12)
        ]
    if kind == "F7":
        return [
            Fault(kind, round(seconds * 0.1, 3), "stop the leader", "", round(seconds * 0.7, 2)),
            Fault(kind, round(seconds * 0.9, 3), "stop the follower", "", 2.0),
        ]
    if kind == "F8":
        edges = [f"{service}-{end}" for service in SERVICES for end in ("database", "nats")]
        edges += [f"gateway-{service}" for service in SERVICES]
        whats = ["latency 0.05", "latency 0.5", "latency 5", "reset", "rate 10000", "swallow"]
        chance.shuffle(whats)
        step = seconds / len(whats)
        return [
            Fault(kind, round(index * step, 3), what, chance.choice(edges), round(step * 0.9, 2))
            for index, what in enumerate(whats)
        ]
    if kind == "F9":
        return [
            Fault(kind, when(), what, chance.choice(SERVICES))
            for what in ("double", "reorder", "delay", "double", "replay")
        ]
    if kind == "F10":
        return [
            Fault(kind, round(seconds * 0.1, 3), "fill", "nats", round(seconds * 0.3, 2)),
            Fault(kind, round(seconds * 0.6, 3), "fill", "postgres", round(seconds * 0.3, 2)),
        ]
    if kind == "F11":
        return [
            Fault(kind, round(seconds * 0.1, 3), "+34560000", chance.choice(SERVICES), seconds * 0.3),
            Fault(kind, round(seconds * 0.6, 3), "-7200", chance.choice(SERVICES), seconds * 0.3),
        ]
    if kind == "F13":
        return [Fault(kind, when(), "poison", chance.choice(SERVICES)) for _ in range(4)]
    if kind == "F16":
        return [Fault(kind, round(seconds * 0.5, 3), "flip", "nats")]
    raise ValueError(f"{kind} is no kind of fault that is injected here")


POINTS: Mapping[str, str] = {
    "unit.after_idempotency_insert": "", "unit.before_commit": "", "unit.after_commit": "",
    "relay.before_publish": "", "relay.after_publish_before_store": "", "relay.after_store": "",
    "inbox.after_insert": "", "inbox.after_commit_before_ack": "", "gateway.after_commit_before_reply": "gateway",
}  # fmt: skip
"""Named fault points, and the one process that has them where it is not every service."""
