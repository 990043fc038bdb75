"""Loopback ports: a free one, or a clear error when a wanted one is taken."""

import random
import socket

_RANGE = range(15_000, 32_000)
"""Below the ports that systems give to outgoing connections: one of those would take a free port before its server."""
_given: set[int] = set()


class PortBusy(RuntimeError):
    """A port that was asked for is taken by another process."""

    def __init__(self, port: int, setting: str) -> None:
        super().__init__(f"port {port} on 127.0.0.1 is taken by another process; free it or set {setting}")
        self.port = port


def free_port() -> int:
    """A TCP port on loopback that is free at this moment, and was not given to anybody else here."""
    for port in random.SystemRandom().sample(_RANGE, len(_RANGE)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
    raise PortBusy(0, "another range of ports")


def claim(port: int, setting: str) -> int:
    """The wanted port if nobody listens there, a free one for 0; PortBusy names the setting."""
    if port == 0:
        return free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise PortBusy(port, setting) from None
    return port
